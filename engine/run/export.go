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
	if err := s.exportPartition(); err != nil {
		return err
	}
	if s.definition.Resume != "" {
		return s.resumeExport(exporter)
	}
	capabilities := s.agent.Agent.Capabilities()
	x := &export{step: s, allOrNothing: capabilities.AllOrNothing, anchorIsDN: capabilities.AnchorIsDN}
	pending, err := x.begin()
	if err != nil {
		return err
	}
	if !pending {
		return s.emptyFile()
	}
	stream, err := s.openExport(exporter, agent.ExportRequest{Schema: s.agent.Schema, Partition: s.partition})
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
			s.details.drop(ExportCounters)
		}
		return err
	}
	if s.definition.idle() {
		s.finish(x.sent, CompletedExportErrors)
		return nil
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
	if x.definition.idle() {
		return true, nil
	}
	if x.limits.deletes.Exceeded(deletes, total) {
		stopped := fault.New(string(StoppedDeletionLimit), "%d of %d objects would be deleted, more than %s", deletes, total, x.limits.deletesNamed)
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
		for page := range slices.Chunk(ids, x.limits.batch) {
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
			page, err = tx.List(space.ToExport, x.agent.Name, after, x.limits.batch)
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
	for page := range slices.Chunk(deletes, x.limits.batch) {
		if err := x.page(page, func(d *identity.Delta) bool { return d.Op == identity.Delete }); err != nil {
			return err
		}
	}
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
		state.LastExport = x.now()
		if !x.leftInterrupted() {
			state.ConfirmedBatch = x.batch
		}
		return tx.SetAgentState(x.agent.Name, state)
	})
}
