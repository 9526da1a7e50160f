package run

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

const (
	exportPage = 1000 // changes in one call of the agent

	// defaultExportDeletes is the number of deletions that an export may carry
	// unless the agent has a threshold (sync-engine §11).
	defaultExportDeletes = 500
)

// exportStep sends what is pending to the system (sync-engine §2.4). Adds and
// updates go first, deletions last and in reverse order of creation.
//
// Before a change is sent it is marked as sent in the current export batch. A
// batch that ends well is confirmed as a whole; what a crash left in an
// unconfirmed one is sent again by the next export.
func (s *step) exportStep() error {
	exporter, ok := s.agent.Agent.(agent.Exporter)
	if !ok {
		return fault.New("stopped-entry-point-not-implemented", "agent %q cannot export", s.agent.Name)
	}
	capabilities := s.agent.Agent.Capabilities()
	x := &export{step: s, allOrNothing: capabilities.AllOrNothing, anchorIsDN: capabilities.AnchorIsDN}
	pending, err := x.begin()
	if err != nil || !pending {
		return err
	}
	stream, err := exporter.OpenExport(s.ctx, agent.ExportRequest{Schema: s.agent.Schema})
	if err != nil {
		return err
	}
	x.stream = stream
	if err := x.send(); err != nil {
		return errors.Join(err, stream.Close(context.WithoutCancel(s.ctx), agent.Aborted))
	}
	if err := stream.Close(s.ctx, agent.Completed); err != nil {
		if x.allOrNothing {
			clear(s.report.Exports)
		}
		return err
	}
	if err := x.end(); err != nil {
		return err
	}
	s.finish(x.sent, CompletedExportErrors)
	return nil
}

// An export is a step of export while it runs.
type export struct {
	*step
	stream       agent.Export
	batch        uint64 // of this step
	confirmed    uint64 // the last batch that ended well
	allOrNothing bool
	anchorIsDN   bool
	sent         int
	total        int
	named        []naming // to be stored once everything is written
}

// naming is what an export learnt of the name of an object.
type naming struct {
	id         identity.ID
	dn, anchor string
}

// begin checks the deletion threshold and opens a new batch. It returns false
// if there is nothing to send.
func (x *export) begin() (pending bool, err error) {
	var deletes, total int
	err = x.space.View(func(tx *space.Tx) error {
		state, err := tx.AgentState(x.agent.Name)
		if err != nil {
			return err
		}
		x.batch, x.confirmed = state.Batch+1, state.ConfirmedBatch
		counters := tx.Counters(x.agent.Name)
		x.total = int(counters[space.CountToExport] + counters[space.CountExportFailed])
		deletes = int(counters[space.CountExportDelete])
		for _, counter := range []space.Counter{
			space.CountDisconnector, space.CountExplicitDisconnector, space.CountFilteredDisconnector, space.CountConnector, space.CountExplicitConnector,
		} {
			total += int(counters[counter])
		}
		if state.Batch == state.ConfirmedBatch {
			return nil
		}
		interrupted, err := x.interrupted(tx, 0)
		x.total += len(interrupted)
		return err
	})
	if err != nil {
		return false, err
	}
	if x.total == 0 {
		x.report.Result = CompletedNoObjects
		return false, nil
	}
	limit := x.agent.Thresholds.ExportDeletes
	if !limit.IsSet {
		limit = Limit{Count: defaultExportDeletes, IsSet: true}
	}
	if limit.Exceeded(deletes, total) {
		stopped := fault.New(string(StoppedDeletionLimit), "%d of %d objects would be deleted, more than thresholds.export.deletes allows", deletes, total)
		stopped.Hint = "nothing has been exported; if the deletions are right, raise the threshold"
		return false, stopped
	}
	return true, x.space.Update(func(tx *space.Tx) error {
		state, err := tx.AgentState(x.agent.Name)
		if err != nil {
			return err
		}
		state.Batch = x.batch
		return tx.SetAgentState(x.agent.Name, state)
	})
}

// interrupted lists objects that were sent in a batch that never ended.
func (x *export) interrupted(tx *space.Tx, after identity.ID) ([]identity.ID, error) {
	var ids []identity.ID
	for {
		page, err := tx.List(space.Sent, x.agent.Name, after, exportPage)
		if err != nil || len(page) == 0 {
			return ids, err
		}
		for _, id := range page {
			after = id
			c, err := tx.Connector(id)
			if err != nil {
				return nil, err
			}
			if c != nil && c.Batch > x.confirmed && c.Batch < x.batch {
				ids = append(ids, id)
			}
		}
	}
}

// send sends everything: first what an interrupted export left, then adds and
// updates, then deletions.
func (x *export) send() error {
	if x.batch > x.confirmed+1 {
		var ids []identity.ID
		if err := x.space.View(func(tx *space.Tx) (err error) {
			ids, err = x.interrupted(tx, 0)
			return err
		}); err != nil {
			return err
		}
		for page := range slices.Chunk(ids, exportPage) {
			if err := x.page(page, func(*identity.Delta) bool { return true }); err != nil {
				return err
			}
		}
	}
	var deletes []identity.ID
	after := identity.ID(0)
	for {
		var page []identity.ID
		err := x.space.View(func(tx *space.Tx) (err error) {
			page, err = tx.List(space.ToExport, x.agent.Name, after, exportPage)
			return err
		})
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		after = page[len(page)-1]
		err = x.page(page, func(d *identity.Delta) bool { return d.Op != identity.Delete })
		if err != nil {
			return err
		}
		if err := x.space.View(func(tx *space.Tx) error {
			for _, id := range page {
				c, err := tx.Connector(id)
				if err != nil {
					return err
				}
				if c != nil && c.Unapplied != nil && c.Unapplied.Op == identity.Delete {
					deletes = append(deletes, id)
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	slices.Reverse(deletes)
	for page := range slices.Chunk(deletes, exportPage) {
		if err := x.page(page, func(d *identity.Delta) bool { return d.Op == identity.Delete }); err != nil {
			return err
		}
	}
	return nil
}

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
	if err := x.ctx.Err(); err != nil {
		return err
	}
	var out []outgoing
	var changes []agent.Change
	err := x.space.Update(func(tx *space.Tx) error {
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
	return x.settle(out, changes, results)
}

// mark moves what is pending for an object to what was sent, and returns the
// change for the agent; nil if the object is not to be sent now.
func (x *export) mark(tx *space.Tx, id identity.ID, wanted func(*identity.Delta) bool) (outgoing, *agent.Change, error) {
	c, err := tx.Connector(id)
	if err != nil || c == nil {
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
	x.report.add(&x.report.ExportErrors, x.errorRecord(failure).of(c, stored))
	return nil
}

// rename stores the names that objects got.
func (x *export) rename() error {
	if len(x.named) == 0 {
		return nil
	}
	for page := range slices.Chunk(x.named, exportPage) {
		err := x.space.Update(func(tx *space.Tx) error {
			for _, n := range page {
				if err := tx.Unit(func() error {
					c, err := tx.Connector(n.id)
					if err != nil || c == nil {
						return err
					}
					if n.dn != "" {
						if err := x.nameTaken(tx, c, n.dn); err != nil {
							return err
						}
						c.DN = n.dn
					}
					switch {
					case x.anchorIsDN && n.dn != "" && c.Anchor != "":
						c.Anchor = n.dn
					case n.anchor != "":
						c.Anchor = n.anchor
					}
					tx.PutConnector(c)
					return nil
				}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	x.named = x.named[:0]
	return nil
}

// nameTaken makes room for an object that has got a name: no other one can have
// it any more, whatever the last import said.
func (x *export) nameTaken(tx *space.Tx, c *space.Connector, dn string) error {
	id, err := tx.ByDN(x.agent.Name, dn)
	if err != nil || id == 0 || id == c.ID {
		return err
	}
	holder, err := tx.Connector(id)
	if err != nil || holder == nil {
		return err
	}
	if holder.State == space.Placeholder {
		return tx.Absorb(holder, c)
	}
	holder.DN = transientPrefix + holder.ID.String()
	holder.SetDigest(nil)
	tx.PutConnector(holder)
	return nil
}

// end confirms the batch.
func (x *export) end() error {
	if err := x.rename(); err != nil {
		return err
	}
	return x.space.Update(func(tx *space.Tx) error {
		state, err := tx.AgentState(x.agent.Name)
		if err != nil {
			return err
		}
		state.ConfirmedBatch, state.LastExport = x.batch, x.now()
		return tx.SetAgentState(x.agent.Name, state)
	})
}

// namedChanges returns changes with the DNs of objects in place of references.
func (x *export) namedChanges(tx *space.Tx, changes []identity.Change) ([]identity.Change, error) {
	out := slices.Clone(changes)
	for i := range out {
		var err error
		if out[i].Values, err = x.namedValues(tx, out[i].Values); err != nil {
			return nil, err
		}
		if out[i].Removed, err = x.namedValues(tx, out[i].Removed); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (x *export) namedAttributes(tx *space.Tx, attributes identity.Attributes) (identity.Attributes, error) {
	attributes = attributes.Clone()
	for i := range attributes {
		values, err := x.namedValues(tx, attributes[i].Values)
		if err != nil {
			return nil, err
		}
		attributes[i].Values = values
	}
	return attributes, nil
}

func (x *export) namedValues(tx *space.Tx, values []identity.Value) ([]identity.Value, error) {
	if len(values) == 0 || values[0].Type() != identity.TypeReference {
		return values, nil
	}
	out := make([]identity.Value, 0, len(values))
	for _, v := range values {
		target, err := tx.Connector(v.Ref())
		if err != nil {
			return nil, err
		}
		if target != nil {
			out = append(out, identity.Reference(target.DN))
		}
	}
	return identity.Normalize(out), nil
}
