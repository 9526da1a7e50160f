package run

import (
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// Until an object has taken the place of another one, its name is that of the old one.
// References to it are not sent before: somebody else's account would be made a member,
// or a manager. They come in a later pass, once the new object is there, or stay
// pending with an error. So do those to an object without a name (exportnameless.go).

// replacesAtEnd reports whether a system replaces objects by others when an export is
// closed, together with everything else of it: nothing has to wait for that.
func (x *export) replacesAtEnd() bool {
	return x.capabilities.AllOrNothing && x.capabilities.DeleteAddAsReplace
}

// hold divides a delta into what can be sent now, and an Update of the references that
// have to wait; nil if there are none. An object may refer to itself.
func (x *export) hold(tx *space.Tx, id identity.ID, d *identity.Delta) (now, held *identity.Delta, err error) {
	now = d
	for _, change := range d.Changes {
		var wait, ready []identity.Value
		for i, v := range change.Values {
			waits := false
			if v.Ref() != 0 && v.Ref() != id {
				target, err := tx.Connector(v.Ref())
				if err != nil {
					return nil, nil, err
				}
				waits = target != nil && (x.replacing && target.Replaces != nil || isTransient(target))
			}
			switch {
			case waits && wait == nil:
				wait, ready = []identity.Value{v}, slices.Clone(change.Values[:i])
			case waits:
				wait = append(wait, v)
			case wait != nil:
				ready = append(ready, v)
			}
		}
		if wait == nil {
			continue
		}
		if held == nil {
			first := *d
			first.Changes = slices.Clone(d.Changes)
			now, held = &first, &identity.Delta{Op: identity.Update}
		}
		later := identity.Change{Name: change.Name, Op: change.Op, Values: wait}
		if change.Values = ready; len(ready)+len(change.Removed) > 0 {
			now.SetChange(change)
			later.Op = identity.Update
		} else {
			now.DropChange(change.Name)
		}
		held.SetChange(later)
	}
	return now, held, nil
}

// isNothing reports whether a delta does nothing to an object that is there.
func isNothing(d *identity.Delta) bool {
	return d.Op == identity.Update && d.DN == "" && len(d.Changes) == 0
}

// holdAll leaves an object for a later pass of which nothing can be sent now; pending
// is what waits. In the last one it has failed, unless it is the step that holds the
// deletion of the old object back.
func (x *export) holdAll(tx *space.Tx, c *space.Connector, o *outgoing, pending *identity.Delta) error {
	c.Unapplied, c.Exported, c.Batch = pending, o.exported, o.batch
	tx.PutConnector(c)
	switch {
	case x.pass < exportPasses:
		x.again = append(x.again, turn{id: o.id, as: o.as, repeated: o.repeated, added: o.added})
		return nil
	case x.heldBack != nil:
		return nil
	}
	failure := fault.New("dn-attributes-failure", "it refers to an object whose name another one has, which is to be deleted first")
	if nameless, err := refersToNameless(tx, pending); err != nil {
		return err
	} else if nameless {
		failure = fault.New("dn-attributes-failure", "it refers to an object that has no name in the system: another one has got it")
	}
	o.dn, o.anchor = c.DN, c.Anchor
	return x.fail(tx, o, pending, failure)
}
