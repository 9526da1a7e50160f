package engine_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

const registry = `
metaverse:
  thing: {attributes: {number: string, peer: reference, peers: "reference[]"}}
agents:
  Dir:
    type: memory
    names: %s
    objects: {thing: {anchor: [id], strings: [note], attributes: {peer: reference, peers: "reference[]"}}}
rules:
  - {name: things, agent: Dir, object: thing, metaverse: thing, inbound: {project: true, flows: {number: id, peer: peer, peers: peers}}}
`

// TestNames: objects swap names, take those of others, go and come back under
// old names. However the entries of a complete import are ordered, afterwards
// every reference leads to the object that the system means, and so it does in
// the metaverse.
func TestNames(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, fmt.Sprintf(registry, rapid.SampledFrom([]string{"own", "ldap"}).Draw(rt, "names")))
		w.keepEdges(rapid.SampledFrom([]int{100, 1, 2}).Draw(rt, "edges from"))
		dir := w.systems["Dir"]
		name := rapid.SampledFrom([]string{"CN=a", "CN=b", "CN=c", "CN=d", "CN=e"})
		w.edit("Dir", "CN=always", "thing")
		for range rapid.IntRange(1, 12).Draw(rt, "rounds") {
			for range rapid.IntRange(0, 6).Draw(rt, "changes") {
				shuffle(rt, w, name)
			}
			if rapid.IntRange(0, 4).Draw(rt, "broken") == 0 {
				dir.FailCall(rapid.SampledFrom([]agenttest.Call{agenttest.CallNext, agenttest.CallCloseImport}).Draw(rt, "call"),
					rapid.IntRange(1, 2).Draw(rt, "at"), fault.New("stopped-connectivity", "as the test wants it"))
				w.run("Dir", "full-import")
				dir.Calm()
			}
			r := w.run("Dir", "full-import")
			if r.Result.Severity() > 0 {
				rt.Fatal(showRecord(r))
			}
			w.namesAgree(rt)
			if rapid.Bool().Draw(rt, "synchronize") {
				w.run("Dir", "delta-sync")
				w.referencesAgree(rt)
			}
			if err := w.engine.Space().Check(); err != nil {
				rt.Fatalf("the store is not sound: %v\n%s", err, w)
			}
		}
	})
}

// shuffle does one thing to the names of a directory.
func shuffle(t *rapid.T, w *world, name *rapid.Generator[string]) {
	dn, other := name.Draw(t, "dn"), name.Draw(t, "other")
	_, found := w.systems["Dir"].object(dn)
	_, taken := w.systems["Dir"].object(other)
	switch what := rapid.IntRange(0, 4).Draw(t, "what"); {
	case what == 0 && found:
		w.drop("Dir", dn)
	case what == 1 && found && !taken:
		w.change("Dir", dn, "dn="+other)
	case what == 2 && found && taken && dn != other:
		w.change("Dir", dn, "dn=CN=tmp")
		w.change("Dir", other, "dn="+dn)
		w.change("Dir", "CN=tmp", "dn="+other)
	default:
		peers := rapid.SliceOfNDistinct(name, 0, 2, rapid.ID[string]).Draw(t, "peers")
		text := ""
		for _, p := range peers {
			text += ";" + p
		}
		w.edit("Dir", dn, "thing", "peer="+other, "peers="+text[min(1, len(text)):])
	}
}

// namesAgree compares the connector space with the directory.
func (w *world) namesAgree(t *rapid.T) {
	w.view(func(tx *space.Tx) error {
		for _, o := range w.systems["Dir"].Objects() {
			id, _, found, err := tx.ByAnchor("Dir", o.Anchor)
			if err != nil || !found {
				t.Fatalf("%s: not found, %v", o.DN, err)
			}
			c, err := tx.Connector(id)
			if err != nil {
				return err
			}
			if c.DN != o.DN {
				t.Fatalf("%s is named %s\n%s", o.DN, c.DN, w)
			}
			image := c.ImportImage()
			for _, attribute := range []string{"peer", "peers"} {
				var got []string
				for _, v := range image.Get(attribute) {
					target, err := tx.Connector(v.Ref())
					if err != nil {
						return err
					}
					got = append(got, target.DN)
				}
				want := texts(o.Attributes.Get(attribute))
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Fatalf("%s of %s leads to %q, want %q\n%s", attribute, o.DN, got, want, w)
				}
			}
		}
		return nil
	})
}

// referencesAgree compares the metaverse with the directory.
func (w *world) referencesAgree(t *rapid.T) {
	dir := w.systems["Dir"]
	w.view(func(tx *space.Tx) error {
		for o, err := range tx.Objects() {
			if err != nil {
				return err
			}
			source, found := dir.object(o.Attributes.First("number").Text())
			if !found {
				t.Fatalf("metaverse object %s has no source\n%s", o.ID, w)
			}
			for _, attribute := range []string{"peer", "peers"} {
				var got, want []string
				for _, v := range o.Attributes.Get(attribute) {
					target, err := tx.Object(v.Ref())
					if err != nil {
						return err
					}
					got = append(got, target.Attributes.First("number").Text())
				}
				for _, dn := range texts(source.Attributes.Get(attribute)) {
					if target, exists := dir.object(dn); exists {
						want = append(want, target.Anchor)
					}
				}
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Fatalf("%s of %s leads to %q, want %q\n%s", attribute, source.DN, got, want, w)
				}
			}
		}
		return nil
	})
}

func texts(values []identity.Value) []string {
	var list []string
	for _, v := range values {
		list = append(list, v.Text())
	}
	slices.Sort(list)
	return list
}
