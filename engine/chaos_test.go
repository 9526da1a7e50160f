package engine_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

// market is a world in which things go wrong by themselves: two sources compete
// for the same persons, names and join criteria collide, filters and scopes come
// and go, and a system refuses, ignores and renames.
const market = `
metaverse:
  person:
    attributes: {number: string, name: {type: string, precedence: [B, A]}, kind: string, peer: reference, peers: "reference[]"}
    delete: {when: last-connector, ignore: [Shop]}
agents:
  A:
    type: memory
    filter: {row: [[{attribute: kind, operator: equal, value: hidden}]]}
    objects: {row: {anchor: [id], strings: [number, name, kind], attributes: {peer: reference, peers: "reference[]"}}}
  B:
    type: memory
    names: own
    delta: true
    recall: false
    objects:
      row: {anchor: [id], strings: [number, name, kind], attributes: {peer: reference, peers: "reference[]"}}
      other: {anchor: [id], strings: [number, name]}
  Shop:
    type: memory
    names: own
    deprovision: %s
    objects: {customer: {anchor: [id], strings: [number, name, kind], attributes: {peer: reference, peers: "reference[]"}}}
  Mirror:
    type: memory
    deprovision: disconnect
    objects: {copy: {anchor: [name], strings: [number]}}
rules:
  - name: rows of A
    agent: A
    object: row
    metaverse: person
    join: [{number: number}, {name: name}]
    inbound: {project: true, flows: {number: number, name: name, kind: kind, peer: peer, peers: peers}}
  - name: rows of B
    agent: B
    object: row
    metaverse: person
    join: [{number: number, name: name}, {number: number}]
    inbound:
      scope: [{attribute: kind, operator: not-equal, value: hidden}]
      project: true
      flows: {number: number, name: name, peer: peer, peers: peers}
  - name: customers
    agent: Shop
    object: customer
    metaverse: person
    join: [{number: number}]
    outbound:
      scope: [{attribute: kind, operator: not-equal, value: staff}]
      provision: true
      deprovision: true
      flows:
        dn: =name
        number: number
        name: name
        kind: {from: kind, allowNull: true}
        peer: {from: peer, allowNull: true}
        peers: {from: peers, allowNull: true}
  - name: copies
    agent: Mirror
    object: copy
    metaverse: person
    outbound:
      scope: [{attribute: name, operator: is-not-null}]
      provision: true
      flows: {name: name, number: {from: number, allowNull: true}}
`

var (
	keys    = []string{"1", "2", "3"}
	numbers = []string{"", "n1", "n2"}
	letters = []string{"", "x", "y", "z"}
	sorts   = []string{"", "hidden", "staff"}
)

func (w *world) marketStep(t *rapid.T) {
	agent := rapid.SampledFrom(w.agents()).Draw(t, "agent")
	s := w.systems[agent]
	row := func(objectType string) []string {
		pairs := []string{"number=" + pick(t, "number", numbers), "name=" + pick(t, "name", letters)}
		if objectType != "other" {
			pairs = append(pairs, "kind="+pick(t, "kind", sorts), "peer="+pick(t, "peer", append([]string{""}, keys...)),
				"peers="+strings.Join(rapid.SliceOfDistinct(rapid.SampledFrom(keys), rapid.ID[string]).Draw(t, "peers"), ";"))
		}
		return pairs
	}
	switch rapid.IntRange(0, 14).Draw(t, "step") {
	case 0, 1:
		w.edit("A", pick(t, "key", keys), "row", row("row")...)
	case 2, 3:
		objectType := rapid.SampledFrom([]string{"row", "row", "other"}).Draw(t, "type")
		w.edit("B", pick(t, "key", keys), objectType, row(objectType)...)
	case 4:
		if o := s.Objects(); len(o) > 0 {
			s.Remove(rapid.SampledFrom(o).Draw(t, "victim").Anchor)
		}
	case 5:
		if s := w.systems["B"]; len(s.Objects()) > 0 {
			o := rapid.SampledFrom(s.Objects()).Draw(t, "renamed")
			dn := pick(t, "new name", append([]string{"4"}, keys...))
			if _, taken := s.object(dn); !taken {
				w.change("B", o.DN, "dn="+dn)
			}
		}
	case 6:
		w.edit("Shop", rapid.SampledFrom([]string{"x", "y", "w"}).Draw(t, "customer"), "customer", "number="+pick(t, "number", numbers))
	case 7:
		if o := w.systems["Shop"].Objects(); len(o) > 0 {
			name := rapid.SampledFrom(o).Draw(t, "refused").DN
			if rapid.Bool().Draw(t, "refuse") {
				w.systems["Shop"].FailExport(name, fault.New("constraint-violation", "as the test wants it"))
			} else {
				w.systems["Shop"].FailExport(name, nil)
			}
		}
	case 8:
		attribute := rapid.SampledFrom([]string{"name", "kind", "peers", "delete"}).Draw(t, "ignored")
		w.systems["Shop"].ignored[attribute] = !w.systems["Shop"].ignored[attribute]
	case 9:
		s.FailCall(rapid.SampledFrom(failCalls).Draw(t, "call"), 1, fault.New("stopped-connectivity", "as the test wants it"))
	default:
		w.run(agent, string(rapid.SampledFrom(run.StepTypes).Draw(t, "profile")))
	}
}

// counted is what errors that stay have in common from cycle to cycle: nothing
// but their counts.
var counted = regexp.MustCompile(`, retried \d+|\n    \d+ attempts`)

// TestChaos: whatever happens, the store stays sound, every run ends with a
// result, and when nothing happens any more, nothing changes any more.
func TestChaos(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		deprovision := rapid.SampledFrom([]string{"delete", "disconnect", "explicit-disconnect"}).Draw(rt, "deprovision")
		shop := rapid.SampledFrom(directoryKinds).Draw(rt, "shop")
		w := newWorld(t, fmt.Sprintf(market, strings.ReplaceAll(deprovision+", "+shop, ", ", "\n    ")))
		w.keepEdges(rapid.SampledFrom([]int{100, 1, 2}).Draw(rt, "edges from"))
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			w.marketStep(rt)
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
	})
}
