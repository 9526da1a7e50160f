package engine_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/rules"
)

// deleter is accounts with a script that deletes whatever it is asked about.
func deleter() rules.Functions {
	f := accounts()
	f.Version = "deleter"
	f.Agents["AD"] = rules.AgentExtension{
		Deprovision: func(context.Context, rules.ConnectorEntry) (rules.Deprovision, error) { return rules.DeleteObject, nil },
	}
	person := f.Metaverse["person"]
	person.ShouldDelete = func(context.Context, rules.ConnectorEntry, rules.MetaverseEntry) (bool, error) { return true, nil }
	f.Metaverse["person"] = person
	return f
}

// compareDecisions is what a configuration would newly delete.
func (w *world) compareDecisions(with string, functions rules.Functions, o engine.GuardOptions) *engine.GuardReport {
	w.t.Helper()
	before := dump(w.state)
	report, err := w.engine.GuardDecisions(w.t.Context(), w.definition(with), functions, o)
	if err != nil {
		w.t.Fatal(err)
	}
	if diff := gocmp.Diff(before, dump(w.state)); diff != "" {
		w.t.Fatalf("the comparison changed the store (-before +after):\n%s", diff)
	}
	return report
}

// guard carries out the command of a scenario.
func (s *script) guard(args []string) (string, error) {
	functions := s.functions
	if len(args) > 1 {
		functions = extensions[args[1]]()
	}
	report := s.compareDecisions(s.sections[args[0]], functions, engine.GuardOptions{})
	if report == nil {
		return "the rules decide alike\n", nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d newly; looked at %d of %d", report.Deletes, report.Looked, report.Objects)
	if report.Failures > 0 {
		fmt.Fprintf(&b, ", %d fail", report.Failures)
	}
	if report.Ended != "" {
		fmt.Fprintf(&b, ", ended: %s", report.Ended)
	}
	b.WriteByte('\n')
	for _, c := range report.Counts {
		fmt.Fprintf(&b, "  %s %s: %d deletes, %d disconnects, %d decisions\n", cmp.Or(c.Agent, "metaverse"), c.Object, c.Deletes, c.Disconnects, c.Decisions)
	}
	for _, o := range report.First {
		fmt.Fprintf(&b, "  %s %s %s: %s\n", cmp.Or(o.Agent, "metaverse"), o.Object, o.DN, o.Text)
	}
	return b.String(), nil
}

const narrower = "attribute: name, operator: equal, value: nobody"

// newShopOf returns a shop with so many people who have accounts.
func newShopOf(t *testing.T, people int) *world {
	w := newWorld(t, shop)
	for i := range people {
		w.edit("HR", fmt.Sprint(i), "employee", fmt.Sprintf("name=P%d", i))
	}
	w.cycle()
	w.cycle()
	return w
}

// noAccounts leaves nobody an account.
func noAccounts(configuration string) string {
	return strings.Replace(configuration, "attribute: kind, operator: not-equal, value: external", narrower, 1)
}

// A sample is always the same one, comes with everything that is linked, and is
// spread over agents and types.
func TestGuardSample(t *testing.T) {
	w := newShopOf(t, 200)
	for i := range 3 {
		w.edit("AD", fmt.Sprintf("CN=stray %d", i), "user", "number=none")
	}
	w.cycle()
	report := w.compareDecisions(noAccounts(shop), rules.Functions{}, engine.GuardOptions{Sample: 60, First: 4})
	if report.Objects != 403 || report.Looked < 60 || report.Looked > 61 {
		t.Errorf("looked at %d of %d objects, want 60 of 403", report.Looked, report.Objects)
	}
	if report.Deletes < 25 || report.Deletes > 30 || len(report.First) != 4 {
		t.Errorf("%d deletions, %d of them named; want about one for two objects, and 4", report.Deletes, len(report.First))
	}
	if report.TimeOver || report.Failures > 0 {
		t.Errorf("%+v", report)
	}
	again := w.compareDecisions(noAccounts(shop), rules.Functions{}, engine.GuardOptions{Sample: 60, First: 4})
	if diff := gocmp.Diff(report, again, cmpopts.IgnoreUnexported(engine.Guarded{})); diff != "" {
		t.Errorf("the second time it is another one (-first +second):\n%s", diff)
	}
	whole := w.compareDecisions(noAccounts(shop), rules.Functions{}, engine.GuardOptions{})
	if whole.Looked != 403 || whole.Deletes != 200 || len(whole.First) != 20 {
		t.Errorf("a sample of everything: %+v", whole)
	}
}

// With its time over, the comparison tells what it saw until then.
func TestGuardBudget(t *testing.T) {
	w := newShopOf(t, 50)
	slow := func(context.Context, rules.ConnectorEntry) (bool, error) {
		w.late.Add(int64(time.Second))
		return false, nil
	}
	functions := rules.Functions{Version: "slow", Agents: map[string]rules.AgentExtension{"HR": {Filter: slow}}}
	report := w.compareDecisions(noAccounts(shop), functions, engine.GuardOptions{Budget: 10 * time.Second})
	if !report.TimeOver || report.Looked != 20 || report.Deletes != 10 {
		t.Errorf("time over: %v, looked at %d objects, %d deletions; want 20 and 10", report.TimeOver, report.Looked, report.Deletes)
	}
}

// What would be deleted in any case is not what the other definition does, and what
// was never created cannot be deleted.
func TestGuardCountsOnlyWhatIsNew(t *testing.T) {
	w := newShopOf(t, 6)
	for i := range 3 {
		w.edit("HR", fmt.Sprint(i), "employee", fmt.Sprintf("name=P%d", i), "kind=external")
	}
	w.edit("HR", "7", "employee", "name=New")
	w.run("HR", "full-import")
	w.run("HR", "delta-sync") // and nothing is exported
	report := w.compareDecisions(noAccounts(shop), rules.Functions{}, engine.GuardOptions{})
	if report.Deletes != 3 {
		t.Errorf("%d deletions, want those 3 that the present rules do not decide on: %+v", report.Deletes, report.First)
	}
}

// An engine that is not configured compares with the present state.
func TestGuardWithoutBasis(t *testing.T) {
	w := newShopOf(t, 5)
	e, err := engine.Open(engine.Options{State: w.state, Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	for with, want := range map[string]int{shop: 0, noAccounts(shop): 5} {
		report, err := e.GuardDecisions(t.Context(), w.definition(with), rules.Functions{}, engine.GuardOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if report.Deletes != want || report.Looked != 10 {
			t.Errorf("%d deletions of %d objects, want %d of 10", report.Deletes, report.Looked, want)
		}
	}
}

// Every type gets its share, however few objects it has.
func TestGuardSharesOfTypes(t *testing.T) {
	with := strings.Replace(shop, "{employee: {", "{robot: {anchor: [id], strings: [name]}, employee: {", 1)
	w := newWorld(t, with)
	for i := range 300 {
		w.edit("HR", fmt.Sprint(i), "employee", fmt.Sprintf("name=P%d", i))
	}
	w.edit("HR", "r1", "robot", "name=R1")
	w.cycle()
	functions := rules.Functions{Version: "asked"}
	var asked []string
	functions.Agents = map[string]rules.AgentExtension{"HR": {Filter: func(_ context.Context, cs rules.ConnectorEntry) (bool, error) {
		asked = append(asked, cs.ObjectType())
		return false, nil
	}}}
	w.compareDecisions(with, functions, engine.GuardOptions{Sample: 5})
	if !slices.Contains(asked, "robot") || !slices.Contains(asked, "employee") {
		t.Errorf("asked about %v, want both types", asked)
	}
}

// TestGuardLaw: on a sample of everything, what is newly deleted or disconnected is what
// a comparison of everything says, and the comparison changes no byte of the store.
func TestGuardLaw(t *testing.T) {
	others := []string{
		"attribute: title, operator: is-not-null", "attribute: kind, operator: equal, value: external",
		"attribute: phone, operator: is-null", "attribute: manager, operator: is-not-null",
	}
	rapid.Check(t, func(rt *rapid.T) {
		w := newOffice(t, false)
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			w.step(rt)
		}
		w.calm()
		for range 4 {
			w.cycle() // so that nothing is underway
		}
		other := strings.Replace(fmt.Sprintf(office, false, false), "attribute: kind, operator: not-equal, value: external", rapid.SampledFrom(others).Draw(rt, "scope"), 1)
		report := w.compareDecisions(other, rules.Functions{}, engine.GuardOptions{})
		f, err := w.engine.Compare(t.Context(), w.definition(other), rules.Functions{}, engine.ForecastOptions{})
		if err != nil {
			rt.Fatal(err)
		}
		want := 0
		for _, a := range f.Agents {
			want += a.Deletes + a.Disconnected
		}
		for _, m := range f.Metaverse {
			want += m.Deletes
		}
		if report == nil || report.Deletes != want {
			rt.Fatalf("%+v, want %d\n%s", report, want, w)
		}
	})
}

// A script counts that decides only about objects to which no rule leads.
func TestGuardAsksAboutWhatOnlyComesIn(t *testing.T) {
	const two = `
metaverse:
  person: {attributes: {number: string}}
agents:
  HR: {type: memory, objects: {employee: {anchor: [id]}}}
  Portal: {type: memory, deprovision: {script: true}, objects: {page: {anchor: [key], strings: [number]}}}
rules:
  - {name: people, agent: HR, object: employee, metaverse: person, inbound: {project: true, flows: {number: id}}}
  - {name: pages, agent: Portal, object: page, metaverse: person, join: [{number: number}], inbound: {}}
`
	answering := func(answer rules.Deprovision) rules.Functions {
		return rules.Functions{Agents: map[string]rules.AgentExtension{"Portal": {
			Version:     string(answer),
			Deprovision: func(context.Context, rules.ConnectorEntry) (rules.Deprovision, error) { return answer, nil },
		}}}
	}
	w := newExtendedWorld(t, two, answering(rules.Disconnect))
	w.edit("HR", "1", "employee")
	w.edit("Portal", "a", "page", "number=1")
	w.cycle()
	if report := w.compareDecisions(two, answering(rules.Disconnect), engine.GuardOptions{}); report != nil {
		t.Errorf("the same script: %+v", report)
	}
	report := w.compareDecisions(two, answering(rules.DeleteObject), engine.GuardOptions{})
	if report == nil || report.Deletes != 1 || report.First[0].Agent != "Portal" || report.First[0].Operation != "decision" {
		t.Errorf("a script that deletes pages: %+v", report)
	}
}
