package engine_test

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
)

// rulesOfAll are variants of what else decides about objects than their rules.
var rulesOfAll = append(append([][2]string{}, variants...), [][2]string{
	{"deprovision: delete", "deprovision: disconnect"},
	{"    type: memory\n    names: own", "    type: memory\n    recall: false\n    names: own"},
	{"delete: {when: any-of, agents: [HR]}\n  group", "delete: {when: last-connector}\n  group"},
	{"    objects: {page: {anchor: [key], strings: [number, phone, title, name]}}", "    objects: {page: {anchor: [key], strings: [number, phone, title, name]}}\n    filter: {page: [[{attribute: phone, operator: equal, value: 1}]]}"},
	{"  - name: phones\n", "  - name: people by phone\n"},
	{"flows: {number: id, name: name, title: title,", `flows: {number: id, name: ="the " + name, title: title,`},
	{"existenceTest: true}\n        note", "existenceTest: false}\n        note"},
}...)

func edited(rt *rapid.T, text string) string {
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(rulesOfAll)-1), 0, 4, rapid.ID[int]).Draw(rt, "edits") {
		if !strings.Contains(text, rulesOfAll[i][0]) {
			continue // another edit took its place
		}
		text = strings.Replace(text, rulesOfAll[i][0], rulesOfAll[i][1], 1)
	}
	return text
}

var retried = regexp.MustCompile(`, retried \d+`)

// TestResync: after a change of the rules, a resynchronization of all agents ends
// like a full synchronization of all; then nothing is outdated, and a second one
// looks at nothing.
func TestResync(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		original, build := fmt.Sprintf(office, false, false), newOffice
		if rapid.Bool().Draw(rt, "scripted") {
			original, build = "provisioning: scripted\n"+original, newScriptedOffice
		}
		w, twin := build(t, false), build(t, false)
		w.mirror = twin
		all := func(w *world, profiles ...run.StepType) (records []*engine.Record) {
			for _, profile := range profiles {
				for _, name := range w.agents() {
					records = append(records, w.run(name, string(profile)))
				}
			}
			return records
		}
		first := edited(rt, original)
		w.load(first)
		twin.load(first)
		w.open()
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			w.step(rt)
		}
		w.calm()
		twin.calm()
		all(w, run.FullImport, run.FullSync, run.Export, run.FullImport, run.FullSync, run.FullSync)
		if rapid.Bool().Draw(rt, "something is pending") {
			w.edit("HR", pick(rt, "person", people), "employee", "name="+pick(rt, "name", names), "title="+pick(rt, "title", titles), "kind="+pick(rt, "kind", kinds))
			all(w, run.FullImport)
		}
		second := edited(rt, original)
		w.load(second)
		twin.load(second)
		w.open()
		w.mirror = nil

		all(w, run.FullSync, run.FullSync)
		all(twin, run.Resync, run.DeltaSync)
		for _, f := range twin.facts(rt) {
			if len(f.Outdated) > 0 {
				rt.Fatalf("%s: %+v after a resynchronization\n%s", f.Agent, f.Outdated, twin)
			}
		}
		for _, r := range all(twin, run.Resync) {
			if r.Result != run.CompletedNoObjects {
				rt.Fatalf("a second resynchronization does something: %s", showRecord(r))
			}
		}
		all(twin, run.DeltaSync)
		full, resynced := retried.ReplaceAllString(w.String(), ""), retried.ReplaceAllString(twin.String(), "")
		if diff := gocmp.Diff(strings.Split(full, "\n"), strings.Split(resynced, "\n")); diff != "" {
			rt.Fatalf("(-full synchronization +resynchronization):\n%s\n%s", diff, twin)
		}
		if err := twin.engine.Space().Check(); err != nil {
			rt.Fatalf("the store is not sound: %v", err)
		}
	})
}

// TestStateWithoutRules: a state of a version that did not note rules with objects
// is outdated as a whole once the rules change, and no more after that.
func TestStateWithoutRules(t *testing.T) {
	w := newOffice(t, false)
	w.cycle()
	forget := func(rules string) {
		t.Helper()
		err := w.engine.Space().Update(func(tx *space.Tx) error {
			state, err := tx.AgentState("HR")
			if err != nil {
				return err
			}
			state.Inbound, state.Outbound, state.Rules = nil, nil, cmp.Or(rules, state.Rules)
			return tx.SetAgentState("HR", state)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	outdated := func() []run.Outdated { return w.facts(t)[0].Outdated }
	forget("")
	if got := outdated(); len(got) > 0 {
		t.Errorf("with the rules of then: %+v outdated", got)
	}
	forget("others")
	if diff := gocmp.Diff([]run.Outdated{{Type: "employee"}, {Type: "team"}}, outdated()); diff != "" {
		t.Errorf("outdated (-want +got):\n%s", diff)
	}
	w.run("HR", "resync")
	if got := outdated(); len(got) > 0 {
		t.Errorf("after a resynchronization: %+v outdated", got)
	}
}

func (w *world) facts(t fataler) []autosync.Facts {
	facts, err := w.engine.Facts()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return facts
}
