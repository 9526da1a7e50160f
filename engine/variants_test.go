package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/store/storetest"
)

// variants are ways in which an administrator may edit the rules of the office,
// each a text and what takes its place.
var variants = [][2]string{
	{"precedence: [HR, Portal]", "precedence: [Portal, HR]"},
	{"{attribute: kind, operator: not-equal, value: external}", "{attribute: kind, operator: not-equal, value: nobody}"},
	{`dn: ="CN=" + number + " " + name`, `dn: ="CN=" + name + " " + number`},
	{"inbound: {flows: {phone: phone, title: title}}", "inbound: {flows: {phone: phone}}"},
	{"        title: {from: title, allowNull: true}\n", ""},
	{"        manager: {from: manager, allowNull: true, existenceTest: true}\n", ""},
	{"join: [{number: number}]\n    inbound:", "join: [{number: number}, {name: name}]\n    inbound:"},
	{"member: {from: members, allowNull: true}", "member: members"},
}

// TestRuleEdits: rules are edited, sources and targets change, runs come in any
// order, the process dies at any commit, agents fail. When the rules are again
// what they were and nothing more happens, everything is as they say.
func TestRuleEdits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		delta := rapid.Bool().Draw(rt, "delta imports")
		original := fmt.Sprintf(office, delta, delta)
		w := newOffice(t, delta)
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			switch rapid.IntRange(0, 9).Draw(rt, "kind of step") {
			case 0, 1:
				edited := original
				for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(variants)-1), 0, 3, rapid.ID[int]).Draw(rt, "edits") {
					if !strings.Contains(edited, variants[i][0]) {
						rt.Fatalf("variant %d changes nothing", i)
					}
					edited = strings.Replace(edited, variants[i][0], variants[i][1], 1)
				}
				w.load(edited)
				w.open()
			case 2: // dies while it does something
				dying := storetest.FailAfter(w.state, rapid.IntRange(1, 12).Draw(rt, "commits"))
				if err := w.tryOpen(dying); err == nil {
					for range rapid.IntRange(1, 4).Draw(rt, "runs before") {
						agent := rapid.SampledFrom(w.agents()).Draw(rt, "agent")
						profile := rapid.SampledFrom(run.StepTypes).Draw(rt, "profile")
						if _, err := w.tryRun(t.Context(), agent, string(profile)); err != nil {
							break
						}
					}
				}
				w.open()
			case 3:
				w.engine.SetBatch(rapid.IntRange(0, 3).Draw(rt, "batch"))
			default:
				w.step(rt)
			}
			w.sound(rt)
		}
		w.calm()
		w.load(original)
		w.open()
		w.cycle()
		w.cycle()
		w.sound(rt)
		w.settled(rt)
	})
}

// sound fails the test unless the store is, and no metaverse object is without
// connectors.
func (w *world) sound(t fataler) {
	if err := w.engine.Space().Check(); err != nil {
		t.Fatalf("the store is not sound: %v\n%s", err, w)
	}
	w.view(func(tx *space.Tx) error {
		for o, err := range tx.Objects() {
			if err != nil {
				return err
			}
			if len(o.Connectors) == 0 {
				t.Fatalf("%s #%d has no connector\n%s", o.Type, o.ID.Sequence(), w)
			}
		}
		return nil
	})
}

// An action is something that happens to a world whatever is in it.
type action struct {
	edit, drop []string // of HR or the portal: system, key, type and attributes
	agent      string
	profile    run.StepType
}

// TestBatches: how many objects are done at once makes no difference to what the
// store holds then, nor to what runs report.
func TestBatches(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		person := rapid.SampledFrom(append([]string{"p0"}, people...))
		act := rapid.Custom(func(rt *rapid.T) action {
			switch rapid.IntRange(0, 6).Draw(rt, "action") {
			case 0, 1:
				return action{edit: []string{
					"HR", pick(rt, "person", people), "employee", "name=" + pick(rt, "name", names), "title=" + pick(rt, "title", titles),
					"kind=" + pick(rt, "kind", kinds), "manager=" + person.Draw(rt, "manager"),
				}}
			case 2:
				members := rapid.SliceOfNDistinct(person, 0, 4, rapid.ID[string]).Draw(rt, "members")
				return action{edit: []string{"HR", pick(rt, "team", teams), "team", "members=" + strings.Join(members, ";")}}
			case 3:
				p := person.Draw(rt, "page")
				return action{edit: []string{"Portal", "page " + p, "page", "number=" + p, "title=" + pick(rt, "title", titles)}}
			case 4:
				return action{drop: []string{"HR", pick(rt, "gone", append(teams, people...))}}
			}
			return action{agent: pick(rt, "agent", []string{"HR", "Portal", "Directory"}), profile: rapid.SampledFrom(run.StepTypes).Draw(rt, "profile")}
		})
		actions := rapid.SliceOfN(act, 1, 30).Draw(rt, "actions")
		for _, profile := range cycleProfiles {
			for _, name := range []string{"HR", "Portal", "Directory"} {
				actions = append(actions, action{agent: name, profile: profile})
			}
		}
		delta := rapid.Bool().Draw(rt, "delta imports")
		small, large := newOffice(t, delta), newOffice(t, delta)
		small.engine.SetBatch(rapid.IntRange(1, 3).Draw(rt, "batch"))
		large.engine.SetBatch(1000)
		for _, a := range actions {
			var reports [2]string
			for i, w := range []*world{small, large} {
				switch {
				case a.edit != nil:
					w.edit(a.edit[0], a.edit[1], a.edit[2], a.edit[3:]...)
				case a.drop != nil:
					w.drop(a.drop[0], a.drop[1])
				default:
					reports[i] = showRecord(w.run(a.agent, string(a.profile)))
				}
			}
			if diff := cmp.Diff(reports[0], reports[1]); diff != "" {
				rt.Fatalf("%s %s (-small +large):\n%s", a.agent, a.profile, diff)
			}
			if diff := cmp.Diff(dump(small.state), dump(large.state)); diff != "" {
				rt.Fatalf("%s %s: the stores (-small +large):\n%s\n%s", a.agent, a.profile, diff, large)
			}
		}
	})
}
