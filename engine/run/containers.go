package run

import (
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// An agent may be limited to some containers of its system (sync-engine §2.3,
// §10.1). What is outside is not staged. A complete import finds an object that has
// moved there missing. A change log tells of the move: the object leaves, as if it
// had been deleted, but not before the import has come to its end; so that a renamed
// container, which takes all that is in it outside, is a matter of the threshold.

// isOutside reports whether an entry of a complete read is outside.
func (x *staging) isOutside(e *agent.Entry) bool {
	return x.complete && e.Err == nil && !x.containers.Holds(e.DN)
}

// filter counts an entry that is not staged.
func (x *staging) filter(counter string) {
	if x.report.Discovery == nil {
		x.report.Discovery = map[string]int{}
	}
	x.report.Discovery[counter]++
	if counter == filteredObjects {
		x.filtered++
	}
}

// within looks whether an entry of a change log is about an object that is outside,
// that leaves or that comes back; c is what is known of it. It returns a counter if
// that is all there is to the entry.
func (x *staging) within(tx *space.Tx, c *space.Connector, e *agent.Entry) (returned bool, counter string, err error) {
	known := c != nil && c.State != space.Placeholder
	left := ""
	if known {
		left = x.leaving[c.ID]
	}
	if e.Op == identity.Delete {
		if known {
			delete(x.leaving, c.ID)
		}
		return false, "", nil
	}
	name := e.NewDN
	if name == "" {
		name = e.DN
	}
	switch {
	case name == "" && left != "", name != "" && !x.containers.Holds(name) && !known:
		return false, filteredObjects, nil
	case name == "" || !known:
		return false, "", nil
	case x.containers.Holds(name) && left == "":
		return false, "", nil
	}
	if left == "" {
		err = x.moveBelow(tx, c.DN, name)
	} else {
		err = x.moveLeft(tx, left, name)
	}
	if err != nil {
		return false, "", err
	}
	if !x.containers.Holds(name) {
		x.leaves(c.ID, name)
		return false, filteredObjects, nil
	}
	delete(x.leaving, c.ID)
	return true, "", nil
}

// leaves notes that an object has moved outside.
func (x *staging) leaves(id identity.ID, name string) {
	if x.leaving == nil {
		x.leaving = map[identity.ID]string{}
	}
	x.leaving[id] = name
}

// moveLeft has those that left below a container follow it to another name.
func (x *staging) moveLeft(tx *space.Tx, from, to string) error {
	old, err := identity.ParseDN(from)
	if err != nil {
		return err
	}
	renamed, err := identity.ParseDN(to)
	if err != nil {
		return err
	}
	var list []move
	for _, id := range sortedIDs(x.leaving) {
		dn, err := identity.ParseDN(x.leaving[id])
		if err != nil {
			return err
		}
		if len(dn) <= len(old) || dn[len(dn)-len(old):].Fold() != old.Fold() {
			continue
		}
		c, err := tx.Connector(id)
		if err != nil {
			return err
		}
		list = append(list, move{c, slices.Concat(dn[:len(dn)-len(old)], renamed).String()})
	}
	slices.SortStableFunc(list, func(a, b move) int { return len(a.dn) - len(b.dn) })
	for _, m := range list {
		if err := x.moveTo(tx, m); err != nil {
			return err
		}
	}
	return nil
}

// findLeft finds the objects that a change log showed to have moved outside.
func (x *staging) findLeft() (err error) {
	if len(x.leaving) == 0 {
		return nil
	}
	x.unseen = sortedIDs(x.leaving)
	if x.gone, err = x.findGone(x.unseen); err != nil {
		return err
	}
	return x.space.View(func(tx *space.Tx) error {
		counters := tx.Counters(x.agent.Name)
		for _, n := range counters[:space.CountPlaceholder] {
			x.total += int(n)
		}
		return nil
	})
}
