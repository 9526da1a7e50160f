package run

import (
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// A system may take some attributes of a change and not others (sync-engine §2.8:
// partial-success). What it took was exported; the rest stays pending, with an
// error on the object.

// isPartial reports whether a change was carried out, but for some attributes.
func (x *export) isPartial(o *outgoing, result agent.Result) bool {
	return result.Action == agent.NoAction && len(result.Refused) > 0 && !o.op.Removes()
}

// partial stages again what the system did not take of a change.
func (x *export) partial(tx *space.Tx, o *outgoing, result agent.Result, failure *fault.Error) error {
	done, refused := splitChanges(o.sent, func(c identity.Change) bool { return slices.Contains(result.Refused, c.Name) })
	if refused == nil { // a whole object was sent, and of what changed everything was taken
		x.arrived++
		x.count(o, o.sent)
		return x.fail(tx, o, nil, failure)
	}
	if isNothing(done) {
		return x.restore(tx, *o, failure) // nothing of it was taken
	}
	x.arrived++
	x.count(o, done)
	if err := x.withhold(tx, o, done, refused); err != nil || o.rest || o.held {
		return err // the next pass sends it again, with the rest, and tells
	}
	return x.fail(tx, o, refused, failure)
}

// splitChanges divides a delta into what can go first, and an Update of those
// attributes that wait; nil if none does.
func splitChanges(d *identity.Delta, waits func(identity.Change) bool) (first, rest *identity.Delta) {
	if !slices.ContainsFunc(d.Changes, waits) {
		return d, nil
	}
	out := *d
	out.Changes = slices.DeleteFunc(slices.Clone(d.Changes), waits)
	rest = &identity.Delta{Op: identity.Update}
	for _, c := range d.Changes {
		if waits(c) {
			rest.Changes = append(rest.Changes, c)
		}
	}
	return &out, rest
}
