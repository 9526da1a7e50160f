package run

import (
	"fmt"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// outgoing is a change on its way, and what it takes to undo its marking.
type outgoing struct {
	id        identity.ID
	op        identity.Operation
	rename    bool
	unapplied *identity.Delta
	exported  *identity.Delta
	batch     uint64
	failure   *space.ObjectError // of the attempt before
}

// page marks changes as sent, sends them, and takes the mark back from those
// that failed.
func (x *export) page(ids []identity.ID, wanted func(*identity.Delta) bool) error {
	if err := x.ctx.Err(); err != nil || x.mustStop() {
		return err
	}
	wanted = x.within(x.sent, wanted)
	var out []outgoing
	var changes []agent.Change
	err := x.transaction()(func(tx *space.Tx) error {
		for _, id := range ids {
			err := tx.Unit(func() error {
				o, change, err := x.mark(tx, id, wanted)
				if err != nil || change == nil {
					return err
				}
				out, changes = append(out, o), append(changes, *change)
				return nil
			})
			if err != nil {
				return fmt.Errorf("export %s: %w", id, err)
			}
		}
		return nil
	})
	if err != nil || len(changes) == 0 {
		return err
	}
	results, err := x.stream.Put(x.ctx, changes)
	if err == nil && len(results) != len(changes) {
		err = fault.New("stopped-ma", "the agent returned %d results for %d changes", len(results), len(changes))
	}
	if err != nil {
		return err
	}
	x.sent += len(changes)
	x.progress(x.agent.Name, x.report.Type, x.sent, x.total)
	if x.definition.idle() {
		return nil
	}
	return x.settle(out, changes, results)
}

// mark moves what is pending for an object to what was sent, and returns the
// change for the agent; nil if the object is not to be sent now.
func (x *export) mark(tx *space.Tx, id identity.ID, wanted func(*identity.Delta) bool) (outgoing, *agent.Change, error) {
	c, err := tx.Connector(id)
	if err != nil || c == nil || !x.belongs(c) {
		return outgoing{}, nil, err
	}
	o := outgoing{id: id, unapplied: c.Unapplied, exported: c.Exported, batch: c.Batch, failure: c.ExportError}
	repeated := c.Exported != nil && c.Batch > x.confirmed && c.Batch < x.batch
	if repeated {
		o.unapplied, o.exported, o.batch = c.Exported.Merge(c.Unapplied), nil, 0
	}
	if o.unapplied.IsZero() || !wanted(o.unapplied) || isTransient(c) {
		return outgoing{}, nil, nil
	}
	change := &agent.Change{
		Op: o.unapplied.Op, ObjectType: c.ObjectType, DN: c.DN, Anchor: c.Anchor, Repeated: repeated,
	}
	c.Exported, c.Unapplied, c.Batch, c.ExportError = o.exported.Merge(o.unapplied), nil, x.batch, nil
	c.NotReimported = false // it is sent again, or will be missed again
	c.SetDigest(nil)
	tx.PutConnector(c)
	switch o.unapplied.Op {
	case identity.Update:
		if o.rename = o.unapplied.DN != ""; o.rename {
			change.NewDN = o.unapplied.DN
		}
	case identity.Delete:
		return withOp(o, change), change, nil
	}
	if change.Changes, err = x.namedChanges(tx, o.unapplied.Changes); err != nil {
		return outgoing{}, nil, err
	}
	if change.Image, err = x.namedAttributes(tx, c.ExportedImage()); err != nil {
		return outgoing{}, nil, err
	}
	return withOp(o, change), change, nil
}

func withOp(o outgoing, change *agent.Change) outgoing {
	o.op = change.Op
	return o
}

// settle counts the changes that arrived, and stages those that failed again.
func (x *export) settle(out []outgoing, changes []agent.Change, results []agent.Result) error {
	failed := 0
	for i, result := range results {
		if result.Err != nil {
			failed++
			continue
		}
		x.report.Exports[exportCounter(out[i])]++
		x.details.exported(exportCounter(out[i]), out[i].id, &changes[i], out[i].unapplied)
		if n, learnt := x.learnt(out[i], changes[i], result); learnt {
			x.named = append(x.named, n)
		}
	}
	if !x.allOrNothing {
		if err := x.rename(); err != nil {
			return err
		}
	}
	if failed == 0 {
		return nil
	}
	return x.space.Update(func(tx *space.Tx) error {
		for i, result := range results {
			if result.Err == nil {
				continue
			}
			if err := tx.Unit(func() error { return x.restore(tx, out[i], result.Err) }); err != nil {
				return err
			}
		}
		return nil
	})
}

// learnt returns how an object is named after its change, if that is news.
func (x *export) learnt(o outgoing, change agent.Change, result agent.Result) (naming, bool) {
	n := naming{id: o.id}
	expected := change.DN
	if o.rename {
		expected, n.dn = change.NewDN, change.NewDN
	}
	if result.DN != "" && result.DN != expected {
		n.dn = result.DN
	}
	if !x.anchorIsDN && result.Anchor != change.Anchor {
		n.anchor = result.Anchor
	}
	return n, n.dn != "" || n.anchor != ""
}

func exportCounter(o outgoing) string {
	switch {
	case o.op == identity.Add:
		return exportAdd
	case o.op == identity.Delete:
		return exportDelete
	case o.op == identity.DeleteAdd:
		return exportDeleteAdd
	case o.rename:
		return exportRename
	}
	return exportUpdate
}

// restore takes back the mark of a change that failed, and remembers why.
func (x *export) restore(tx *space.Tx, o outgoing, failure *fault.Error) error {
	c, err := tx.Connector(o.id)
	if err != nil || c == nil {
		return err
	}
	// A synchronization may have staged more in the meantime.
	c.Unapplied, c.Exported, c.Batch = o.unapplied.Merge(c.Unapplied), o.exported, o.batch
	stored := &space.ObjectError{Name: failure.Name, Attribute: failure.Attribute, Detail: failure.Detail(), First: x.now(), Last: x.now()}
	if o.failure != nil {
		stored.First, stored.Retries = o.failure.First, o.failure.Retries+1
	}
	c.ExportError = stored
	tx.PutConnector(c)
	x.report.Exports[exportFailure]++
	x.details.exportFailed(c, o.unapplied)
	x.report.add(&x.report.ExportErrors, x.errorRecord(failure).of(c, stored))
	return nil
}
