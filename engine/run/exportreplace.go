package run

import (
	"context"
	"errors"
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// A delete-add is sent as a deletion and an Add. The deletions come first, in an
// export of their own that ends before the rest begins: from then on the connector
// space says that the old object is gone, and the new one is an Add like any other.
// Nothing is ever created before that is known, so that a deletion which an
// interrupted export repeats cannot hit the new object.

// replaces reports whether one change stands for a deletion and an Add.
func (x *export) replaces(d *identity.Delta) bool {
	return d.Op == identity.DeleteAdd && x.capabilities.DeleteAddAsReplace
}

// isChange reports whether a delta comes in the turn of adds and updates.
func (x *export) isChange(d *identity.Delta) bool {
	return !d.Op.Removes() && (d.Op != identity.DeleteAdd || x.replaces(d))
}

// toClear returns the objects of the plan in whose place others are to be created,
// and that are to be deleted first.
func (x *export) toClear() []identity.ID {
	if x.capabilities.DeleteAddAsReplace {
		return nil
	}
	return x.plan.replaced
}

// A cleared is an object of which the system has deleted the old one.
type cleared struct {
	outgoing
	created bool // the new one too
}

// clear deletes the objects in whose place others are to be created. What the
// system does not delete stays pending, with an error.
func (x *export) clear(exporter agent.Exporter) error {
	ids := x.toClear()
	if len(ids) == 0 {
		return nil
	}
	stream, err := exporter.OpenExport(x.ctx, agent.ExportRequest{Seen: x.seen, Schema: x.agent.Schema, Partition: x.partition})
	if err != nil {
		return err
	}
	var out []outgoing
	var answers []agent.Result
	stopped := error(nil)
	for page := range slices.Chunk(ids, x.limits.batch) {
		if err = x.ctx.Err(); err != nil || x.mustStop() {
			break
		}
		var sent []outgoing
		var changes []agent.Change
		var results []agent.Result
		if sent, changes, err = x.markCleared(page); err == nil && len(changes) > 0 {
			results, err = stream.Put(x.ctx, changes)
		}
		if err != nil {
			break
		}
		var stop int
		if stop, err = stoppedAt(results, changes); err != nil {
			break
		}
		if stop >= 0 {
			stopped = x.clearStopped(sent, stop, results[stop])
			sent, results = sent[:stop], results[:stop]
		}
		out, answers = append(out, sent...), append(answers, results...)
		if x.sent += len(sent); stopped != nil {
			break
		}
	}
	if err != nil {
		return errors.Join(err, stream.Close(context.WithoutCancel(x.ctx), agent.Aborted))
	}
	outcome := agent.Completed
	if stopped != nil {
		outcome = agent.Aborted
	}
	if err := stream.Close(x.ctx, outcome); err != nil {
		return errors.Join(stopped, err)
	}
	if stopped != nil && x.capabilities.AllOrNothing {
		return errors.Join(stopped, x.unclear(out))
	}
	return errors.Join(stopped, x.settleCleared(out, answers))
}

// markCleared marks deletions as sent in the current batch.
func (x *export) markCleared(ids []identity.ID) (out []outgoing, changes []agent.Change, err error) {
	err = x.space.Update(func(tx *space.Tx) error {
		for _, id := range ids {
			if err := tx.Unit(func() error {
				c, err := tx.Connector(id)
				if err != nil || c == nil || c.Replaces == nil || c.Unapplied == nil || c.Unapplied.Op != identity.DeleteAdd {
					return err
				}
				o := outgoing{turn: turn{id: c.ID, repeated: c.Replaces.Batch != 0}, objectType: c.Replaces.ObjectType, dn: c.DN, anchor: c.Anchor}
				o.op, o.sent, o.failure, o.link = identity.Delete, &identity.Delta{Op: identity.Delete}, c.ExportError, c.Link
				c.Replaces.Batch, c.ExportError = x.batch, nil
				c.SetDigest(nil)
				tx.PutConnector(c)
				if err := x.meter(tx, &o); err != nil {
					return err
				}
				out = append(out, o)
				changes = append(changes, agent.Change{Op: identity.Delete, ObjectType: o.objectType, DN: o.dn, Anchor: o.anchor, Repeated: o.repeated})
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return out, changes, err
}

// clearStopped takes back what was not sent because the agent stopped the export at
// an object, and returns the error of the step.
func (x *export) clearStopped(sent []outgoing, at int, result agent.Result) error {
	failure := result.Err
	if failure == nil {
		failure = refusal(result.Action, identity.None)
	}
	err := x.space.Update(func(tx *space.Tx) error {
		if err := tx.Unit(func() error { return x.keep(tx, &sent[at], failure) }); err != nil {
			return err
		}
		for i := range sent[at+1:] {
			if err := tx.Unit(func() error { return x.keep(tx, &sent[at+1+i], nil) }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return fault.New(string(StoppedEntryExport), "the agent stopped the export at %q: %s", sent[at].dn, failure.Detail())
}

// unclear takes back deletions that a system has not carried out after all.
func (x *export) unclear(out []outgoing) error {
	return x.space.Update(func(tx *space.Tx) error {
		for i := range out {
			if err := tx.Unit(func() error { return x.keep(tx, &out[i], nil) }); err != nil {
				return err
			}
		}
		return nil
	})
}

// keep takes back the mark of a deletion that was not carried out; failure is why,
// if that is to be told.
func (x *export) keep(tx *space.Tx, o *outgoing, failure *fault.Error) error {
	c, err := tx.Connector(o.id)
	if err != nil || c == nil {
		return err
	}
	switch {
	case c.Replaces != nil:
		c.Replaces.Batch = 0
	case c.Exported != nil && c.Exported.Op == identity.Delete && c.Batch == x.batch: // see space.Connector.Restore
		c.Unapplied, c.Exported, c.Batch = c.Exported, nil, 0
	}
	c.ExportError = o.failure
	tx.PutConnector(c)
	if failure == nil {
		return x.unmeter(tx, o)
	}
	return x.fail(tx, o, o.sent, failure)
}

// settleCleared notes which objects are gone.
func (x *export) settleCleared(out []outgoing, results []agent.Result) error {
	if x.cleared == nil {
		x.cleared = map[identity.ID]*cleared{}
	}
	for start := 0; start < len(out); start += x.limits.batch {
		err := x.space.Update(func(tx *space.Tx) error {
			for i := start; i < min(len(out), start+x.limits.batch); i++ {
				if err := tx.Unit(func() error { return x.settleGone(tx, &out[i], results[i]) }); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *export) settleGone(tx *space.Tx, o *outgoing, result agent.Result) error {
	if failure := result.Err; failure != nil || result.Action != agent.NoAction {
		if failure == nil {
			failure = refusal(result.Action, o.op)
		}
		return x.keep(tx, o, failure)
	}
	x.cleared[o.id] = &cleared{outgoing: *o}
	c, err := tx.Connector(o.id)
	if err != nil || c == nil || c.Replaces == nil {
		return err // the old one was to go in any case
	}
	c.Vacate()
	tx.PutConnector(c)
	x.lost = true
	return x.forsake(tx, c, nil, nil)
}

// sentBefore reports whether nothing was sent for an object in this export: who refers
// to an object that takes the place of another one is sent after it.
func (x *export) sentBefore(c *space.Connector) bool { return c.Batch != x.batch }

// countCleared counts the old objects that were deleted, while the new ones were not
// created in this export: these are pending.
func (x *export) countCleared() {
	for _, id := range sortedIDs(x.cleared) {
		if o := x.cleared[id]; !o.created {
			x.report.Exports[exportDelete]++
			x.details.exported(exportDelete, &o.outgoing, o.sent)
		}
	}
}

// markHalf returns the half of a delete-add that is wanted, for a file; false if it
// is not to be sent now.
func (x *export) markHalf(o *outgoing, c *space.Connector, wanted func(*identity.Delta) bool) bool {
	if !x.definition.idle() || c.Replaces == nil {
		return false
	}
	deletion, added := &identity.Delta{Op: identity.Delete}, *o.sent
	added.Op = identity.Add
	if wanted(deletion) {
		o.sent, o.objectType = deletion, c.Replaces.ObjectType
		return true
	}
	o.sent = &added
	c.Vacate()
	return wanted(o.sent)
}
