package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// sharing is a world of three systems that contribute to the same attributes in
// every way that does not depend on the order of the imports.
const sharing = `
precedence: %s
metaverse:
  person:
    attributes: {id: string, title: string, mails: "string[]", names: "string[]", peers: "reference[]"}
    delete: {when: last-connector, ignore: [Three]}
agents:
  One: {type: memory, objects: {user: {anchor: [id], strings: [title, flag], attributes: {mails: "string[]", peers: "reference[]"}}}}
  Two: {type: memory, objects: {user: {anchor: [id], strings: [title, flag], attributes: {mails: "string[]", peers: "reference[]"}}}}
  Three: {type: memory, maxConnectorsPerObject: 2, objects: {user: {anchor: [id], strings: [number], attributes: {mails: "string[]"}}}}
rules:
  - name: one
    agent: One
    object: user
    metaverse: person
    precedence: 30
    join: [{id: id}]
    inbound:
      project: true
      flows:
        id: id
        title: =IIF(Eq(flag, "null"), AuthoritativeNull, title)
        mails: {from: mails, merge: merge, scope: [{attribute: flag, operator: not-equal, value: hidden}]}
        names: {from: mails, merge: merge-case-insensitive}
        peers: {from: peers, merge: merge}
  - name: two
    agent: Two
    object: user
    metaverse: person
    precedence: 10
    join: [{id: id}]
    inbound:
      project: true
      scope: [{attribute: flag, operator: not-equal, value: out}]
      flows:
        id: id
        title: =IIF(Eq(flag, "null"), AuthoritativeNull, title)
        mails: {from: mails, merge: merge}
        names: {from: '=IIF(Eq(flag, "null"), AuthoritativeNull, mails)', merge: merge-case-insensitive}
        peers: {from: peers, merge: merge}
  - name: two again
    agent: Two
    object: user
    metaverse: person
    precedenceBefore: one
    join: [{id: id}]
    inbound:
      project: true
      flows: {id: id, title: {value: second, scope: [{attribute: flag, operator: equal, value: out}]}}
  - name: three
    agent: Three
    object: user
    metaverse: person
    precedence: 20
    join: [{number: id}]
    inbound: {flows: {mails: {from: mails, merge: merge}, names: {from: mails, merge: merge-case-insensitive}}}
`

// TestContributions: whatever happened before, the metaverse is that of a new
// engine over the same systems: nothing that somebody contributed outlives it,
// and nothing is lost. Precedence does not depend on order.
func TestContributions(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		model := rapid.SampledFrom([]string{"fim", "entra"}).Draw(rt, "model")
		configuration := fmt.Sprintf(sharing, model)
		w := newWorld(t, configuration)
		w.keepEdges(rapid.SampledFrom([]int{1, 2, 256}).Draw(rt, "edges from"))
		for _, name := range w.agents() {
			w.edit(name, "always", "user", "mails=x") // an empty system is not believed
		}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			w.contribute(rt)
		}
		w.cycle()
		w.check()
		fresh := newWorld(t, configuration)
		fresh.systems = w.systems
		fresh.load(configuration)
		fresh.open()
		fresh.cycle()
		if diff := cmp.Diff(fresh.people(), w.people()); diff != "" {
			rt.Fatalf("(-new +grown):\n%s\n%s", diff, w)
		}
		before := w.showMetaverse()
		for _, r := range w.cycle() {
			if !quiet(r) {
				rt.Fatalf("a second cycle did something:\n%s", showRecord(r))
			}
		}
		if after := w.showMetaverse(); after != before {
			rt.Fatalf("a second cycle changed contributors:\n%s", cmp.Diff(before, after))
		}
	})
}

// contribute does one random thing to a system, or runs it.
func (w *world) contribute(t *rapid.T) {
	ids := []string{"1", "2", "3"}
	mails := strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "A", "b", "B", "c"}), 0, 3, rapid.ID[string]).Draw(t, "mails"), ";")
	agent := rapid.SampledFrom(w.agents()).Draw(t, "agent")
	id := pick(t, "id", ids)
	switch rapid.IntRange(0, 7).Draw(t, "what") {
	case 0, 1, 2:
		if agent == "Three" {
			w.edit(agent, "t"+id+pick(t, "which", []string{"", "b"}), "user", "number="+id, "mails="+mails)
			return
		}
		peers := strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 0, 2, rapid.ID[string]).Draw(t, "peers"), ";")
		w.edit(agent, id, "user", "mails="+mails, "peers="+peers,
			"title="+pick(t, "title", []string{"", "Dr", "Prof"}), "flag="+pick(t, "flag", []string{"", "", "null", "out", "hidden"}))
	case 3:
		if agent == "Three" {
			id = "t" + id + pick(t, "which", []string{"", "b"})
		}
		w.drop(agent, id)
	case 4, 5:
		w.run(agent, "full-import")
		w.run(agent, "delta-sync")
	case 6:
		w.run(agent, "delta-sync")
	default:
		w.run(agent, "full-sync")
	}
	w.check()
}

// people shows the metaverse without the numbers of objects, which say in which
// order they came.
func (w *world) people() []string {
	var lines []string
	w.view(func(tx *space.Tx) error {
		named := func(v identity.Value) string {
			if v.Ref() == 0 {
				return v.Text()
			}
			o, err := tx.Object(v.Ref())
			if err != nil || o == nil {
				return "lost"
			}
			return "@" + o.Attributes.First("id").Text()
		}
		for o, err := range tx.Objects() {
			if err != nil {
				return err
			}
			var parts []string
			for _, a := range o.Attributes {
				for _, c := range o.Contributed(a.Name) {
					parts = append(parts, fmt.Sprintf("%s=%s(%s)", a.Name, named(c.Value), w.engine.Space().AgentOf(c.By.Connector)))
				}
			}
			for _, name := range o.Nulls() {
				by, _ := o.Contribution(name)
				parts = append(parts, fmt.Sprintf("no %s(%s)", name, w.engine.Space().AgentOf(by.Connector)))
			}
			for _, id := range o.Connectors {
				c, err := tx.Connector(id)
				if err != nil {
					return err
				}
				parts = append(parts, fmt.Sprintf("<%s %s>", w.engine.Space().AgentOf(id), c.DN))
			}
			slices.Sort(parts)
			lines = append(lines, strings.Join(parts, " "))
		}
		return nil
	})
	slices.Sort(lines)
	return lines
}
