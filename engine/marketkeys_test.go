package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/store/storetest"
)

// marketKeys are what an administrator may add to the market, each texts and what
// takes their place.
var marketKeys = [][]string{
	{"number: string, name: {type", "number: {type: string, unique: true}, name: {type"},
	{"precedence: [B, A]}", "precedence: [B, A], unique: true}"},
	{"delete: {when: last-connector, ignore: [Shop]}", "delete: held"},
	{"    filter: {row", "    importView: exported\n    filter: {row"},
	{"    recall: false\n", ""},
	{"    recall: false\n", "    recall: false\n    importView: exported\n"},
	{"inbound: {project: true, flows: {number: number, name", "inbound: {project: true, disconnect: true, scope: [{attribute: kind, operator: not-equal, value: staff}], flows: {number: number, name"},
	{"      project: true\n      flows: {number: number, name: name, peer", "      project: true\n      disconnect: true\n      flows: {number: number, name: name, peer"},
	{"      project: true\n      flows: {number: number, name: name, peer", "      link: sticky-join\n      flows: {number: number, name: name, peer"},
	{"    join: [{number: number, name: name}, {number: number}]\n", "    dependsOn: rows of A\n    join: [{number: number, name: name}, {number: number}]\n"},
	{"  - name: customers\n", "  - name: customers\n    id: c1\n"},
	{"  - name: rows of A\n", "  - name: rows of A\n    id: a1\n"},
	{"{from: peers, allowNull: true}\n", "{from: peers, allowNull: true}\n    inbound: {flows: {kind: kind}}\n"},
	{"    objects: {customer", "    importView: exported\n    objects: {customer"},
	{"  - name: copies\n", "  - name: more copies\n    disabled: true\n    agent: Mirror\n    object: copy\n    metaverse: person\n    outbound: {flows: {number: {from: name, allowNull: true}}}\n  - name: copies\n"},
	{"      flows: {number: number, name: name, peer: peer, peers: peers}\n  - name: customers", "      flows: {number: number, name: name, peer: peer, peers: peers}\n" + `  - name: back from B
    agent: B
    object: row
    metaverse: person
    outbound: {flows: {kind: {from: kind, allowNull: true}, name: name}}
  - name: customers`},
}

// drawMarket returns the market with some of the keys.
func drawMarket(t *rapid.T, deprovision string) string {
	text := fmt.Sprintf(market, deprovision)
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(marketKeys)-1), 0, 6, rapid.ID[int]).Draw(t, "keys") {
		text = strings.Replace(text, marketKeys[i][0], marketKeys[i][1], 1)
	}
	return text
}

// TestMarketKeys: whatever the keys are and whatever happens, the store stays
// sound; and when nothing happens any
// more, nothing changes any more.
func TestMarketKeys(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		deprovision := rapid.SampledFrom([]string{"delete", "disconnect", "explicit-disconnect"}).Draw(rt, "deprovision")
		shop := rapid.SampledFrom(directoryKinds).Draw(rt, "shop")
		deprovision = strings.ReplaceAll(deprovision+", "+shop, ", ", "\n    ")
		w := newWorld(t, drawMarket(rt, deprovision))
		w.keepEdges(rapid.SampledFrom([]int{100, 1, 2}).Draw(rt, "edges from"))
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			w.keysStep(rt, deprovision)
			if err := w.engine.Space().Check(); err != nil {
				rt.Fatalf("the store is not sound: %v\n%s", err, w)
			}
		}
		w.calm()
		s := w.systems["Shop"]
		clear(s.ignored)
		for _, name := range []string{"x", "y", "z", "w"} {
			s.FailExport(name, nil)
		}
		for range 4 {
			w.cycle()
		}
		before := counted.ReplaceAllString(w.String(), "")
		w.cycle()
		if err := w.engine.Space().Check(); err != nil {
			rt.Fatalf("the store is not sound: %v\n%s", err, w)
		}
		if diff := cmp.Diff(before, counted.ReplaceAllString(w.String(), "")); diff != "" {
			rt.Fatalf("a further cycle does something (-before +after):\n%s\n%s", diff, w)
		}
		w.distinct(rt)
	})
}

// keysStep does one thing.
func (w *world) keysStep(t *rapid.T, deprovision string) {
	switch rapid.IntRange(0, 11).Draw(t, "kind of step") {
	case 0:
		w.load(drawMarket(t, deprovision))
		w.open()
	case 1:
		w.engine.SetBatch(rapid.IntRange(0, 3).Draw(t, "batch"))
	case 2: // dies while it does something
		dying := storetest.FailAfter(w.state, rapid.IntRange(1, 12).Draw(t, "commits"))
		if err := w.tryOpen(dying); err == nil {
			agent := rapid.SampledFrom(w.agents()).Draw(t, "agent")
			_, _ = w.tryRun(w.t.Context(), agent, string(rapid.SampledFrom(run.StepTypes).Draw(t, "profile")))
		}
		w.open()
	case 3:
		before := dump(w.state)
		w.forecast()
		if diff := cmp.Diff(before, dump(w.state)); diff != "" {
			t.Fatalf("the forecast changed the store (-before +after):\n%s", diff)
		}
	default:
		w.marketStep(t)
	}
}

// distinct fails the test if two objects have a value of a unique attribute in
// common, and none of the objects that lead to one of them has an error.
func (w *world) distinct(t fataler) {
	w.view(func(tx *space.Tx) error {
		for _, m := range w.config.Model.Types {
			for _, a := range m.Attributes {
				if !a.Unique {
					continue
				}
				seen := map[identity.Value]*space.Object{}
				for o, err := range tx.Objects() {
					if err != nil {
						return err
					}
					for _, v := range o.Attributes.Get(a.Name) {
						if other := seen[v]; other != nil && !w.failed(tx, o) && !w.failed(tx, other) {
							t.Fatalf("%s %q is that of #%d and #%d\n%s", a.Name, v.Text(), other.ID.Sequence(), o.ID.Sequence(), w)
						}
						seen[v] = o
					}
				}
			}
		}
		return nil
	})
}

// failed reports whether a connector of a metaverse object has an import error.
func (w *world) failed(tx *space.Tx, o *space.Object) bool {
	for _, id := range o.Connectors {
		if c, err := tx.Connector(id); err == nil && c != nil && c.ImportError != nil {
			return true
		}
	}
	return false
}

// TestDeltaSuffices: once delta synchronizations come to an end, a full one finds
// nothing that they forgot.
func TestDeltaSuffices(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, drawMarket(rt, rapid.SampledFrom([]string{"delete", "disconnect"}).Draw(rt, "deprovision")))
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			w.deltaStep(rt)
		}
		w.calm()
		settle := func(sync run.StepType) string {
			for range 5 {
				for _, profile := range []run.StepType{run.FullImport, sync, run.Export, run.FullImport, sync} {
					for _, name := range w.agents() {
						w.run(name, string(profile))
					}
				}
			}
			return counted.ReplaceAllString(w.showMetaverse(), "")
		}
		before := settle(run.DeltaSync)
		was := w.String()
		if strings.Contains(was, " error ") {
			return // a full synchronization tries again in another order
		}
		if diff := cmp.Diff(before, settle(run.FullSync)); diff != "" {
			rt.Fatalf("a full synchronization does something (-before +after):\n%s\n%s\nAFTER\n%s", diff, was, w)
		}
	})
}

// deltaStep does one thing that calls for no full synchronization.
func (w *world) deltaStep(t *rapid.T) {
	row := func() []string {
		return []string{"number=" + pick(t, "number", numbers), "name=" + pick(t, "name", letters), "kind=" + pick(t, "kind", sorts), "peer=" + pick(t, "peer", append([]string{""}, keys...))}
	}
	agent := rapid.SampledFrom(w.agents()).Draw(t, "agent")
	switch rapid.IntRange(0, 8).Draw(t, "step") {
	case 0, 1:
		w.edit("A", pick(t, "key", keys), "row", row()...)
	case 2, 3:
		w.edit("B", pick(t, "key", keys), "row", row()...)
	case 4:
		s := w.systems[agent]
		if o := s.Objects(); len(o) > 0 {
			s.Remove(rapid.SampledFrom(o).Draw(t, "victim").Anchor)
		}
	default:
		w.run(agent, string(rapid.SampledFrom([]run.StepType{run.FullImport, run.DeltaSync, run.Export}).Draw(t, "profile")))
	}
}
