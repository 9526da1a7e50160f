package space

import (
	"fmt"
	"testing"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/engine/store/storetest"
)

// group puts a group with members p0, p1..., which are created where missing.
func group(t *testing.T, s *Space, members int) (id identity.ID, refs []identity.Value) {
	t.Helper()
	update(t, s, func(tx *Tx) error {
		return tx.Unit(func() error {
			for i := range members {
				refs = append(refs, identity.ReferenceTo(put(tx, fmt.Sprintf("CN=p%d", i), fmt.Sprintf("p%d", i)).ID))
			}
			id = put(tx, "CN=group", "group", identity.Attribute{Name: "member", Values: refs}).ID
			return nil
		})
	})
	sound(t, s)
	return id, refs
}

// change applies a delta to the synchronized image of a group.
func change(t *testing.T, s *Space, id identity.ID, c identity.Change) {
	t.Helper()
	c.Name = "member"
	delta := &identity.Delta{Op: identity.Update, Changes: []identity.Change{c}}
	update(t, s, func(tx *Tx) error {
		return tx.Unit(func() error {
			g, err := tx.Connector(id)
			if err != nil {
				return err
			}
			g.Synchronized = delta.Apply(g.Synchronized)
			tx.PutConnector(g)
			return nil
		})
	})
	sound(t, s)
}

// members returns how many members a group has, and whether as edges.
func members(t *testing.T, s *Space, id identity.ID) (n int, asEdges bool) {
	t.Helper()
	view(t, s, func(tx *Tx) error {
		g, err := tx.Connector(id)
		if err != nil {
			return err
		}
		if a := g.Synchronized.Find("member"); a != nil {
			n, asEdges = a.Len(), a.Set != nil
		}
		if all := g.Synchronized.Get("member"); len(all) != n {
			t.Errorf("%d values, the number says %d", len(all), n)
		}
		return nil
	})
	return n, asEdges
}

func TestEdges(t *testing.T) {
	s := open(t, store.NewMemory())
	s.KeepEdges(10)
	id, refs := group(t, s, 12)
	want := func(n int, asEdges bool) {
		t.Helper()
		if got, as := members(t, s, id); got != n || as != asEdges {
			t.Errorf("%d members, as edges %v; want %d, %v", got, as, n, asEdges)
		}
	}
	want(12, true)
	change(t, s, id, identity.Change{Op: identity.Update, Removed: refs[:5]})
	want(7, true) // not at once back
	change(t, s, id, identity.Change{Op: identity.Update, Removed: refs[5:9], Values: refs[:1]})
	want(4, false)
	change(t, s, id, identity.Change{Op: identity.Replace, Values: refs[:11]})
	want(11, true)
	change(t, s, id, identity.Change{Op: identity.Replace, Values: refs[1:]})
	want(11, true)
	change(t, s, id, identity.Change{Op: identity.Delete})
	want(0, false)
}

// TestEdgesOfGone: edges go with their object, and keep a removed target as a
// placeholder until then.
func TestEdgesOfGone(t *testing.T) {
	s := open(t, store.NewMemory())
	s.KeepEdges(3)
	id, refs := group(t, s, 5)
	remove := func(id identity.ID) {
		t.Helper()
		update(t, s, func(tx *Tx) error {
			return tx.Unit(func() error {
				c, err := tx.Connector(id)
				if err != nil {
					return err
				}
				return tx.RemoveConnector(c)
			})
		})
		sound(t, s)
	}
	state := func() (states []State) {
		view(t, s, func(tx *Tx) error {
			for c, err := range tx.Connectors("AD") {
				if err != nil {
					return err
				}
				states = append(states, c.State)
			}
			return nil
		})
		return states
	}
	remove(refs[2].Ref())
	if got := state(); len(got) != 6 || got[2] != Placeholder {
		t.Errorf("after the removal of a member: %v", got)
	}
	remove(id)
	if got := state(); len(got) != 4 {
		t.Errorf("after the removal of the group: %v", got)
	}
}

// TestEdgesWork: to add a member takes as many store operations in a group of
// 20 as in one of 2,000.
func TestEdgesWork(t *testing.T) {
	work := func(size int) storetest.Counts {
		counting := storetest.Counting(store.NewMemory())
		s := open(t, counting)
		s.KeepEdges(10)
		id, refs := group(t, s, size)
		change(t, s, id, identity.Change{Op: identity.Update, Removed: refs[:1]})
		counting.Take()
		update(t, s, func(tx *Tx) error {
			return tx.Unit(func() error {
				g, err := tx.Connector(id)
				if err != nil {
					return err
				}
				delta := identity.Delta{Op: identity.Update, Changes: []identity.Change{{Name: "member", Op: identity.Update, Values: refs[:1]}}}
				g.Synchronized = delta.Apply(g.Synchronized)
				tx.PutConnector(g)
				return nil
			})
		})
		return counting.Take()
	}
	if small, large := work(20), work(2000); small != large {
		t.Errorf("in a small group %+v, in a large one %+v", small, large)
	}
}
