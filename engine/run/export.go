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
	exportPage   = 1000 // changes in one call of the agent
	exportPasses = 10   // how often an object is sent at most in one export

	// defaultExportDeletes is the number of deletions that an export may carry
	// unless the agent has a threshold (sync-engine §11).
	defaultExportDeletes = 500
)

// exportStep sends what is pending to the system (sync-engine §2.4). Adds and
// updates go first, in the order of exportplan.go; then, in further passes,
// what the agent wants to see again; deletions last.
//
// A deletion that frees a name which another object gets goes before all of them.
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
	x := &export{step: s, capabilities: s.agent.Agent.Capabilities()}
	if s.definition.Full {
		if !x.capabilities.FullExport {
			return fault.New("no-start-bad-ma-configuration", "agent %q has no full export", s.agent.Name)
		}
		x.capabilities.ExportLevel = agent.ObjectLevel
	}
	pending, err := x.begin()
	if err != nil {
		return err
	}
	if !pending {
		if err := x.parkAll(); err != nil {
			return err
		}
		return s.emptyFile()
	}
	defer x.countCleared()
	switch apart := len(x.plan.parked)+len(x.toClear()) > 0; {
	case apart && s.definition.idle():
		x.plan.early = slices.Concat(x.toClear(), x.plan.early)
		x.plan.changes = slices.Concat(x.plan.changes, x.toClear())
	case apart:
		if err := x.park(exporter); err != nil {
			return err
		}
		if err := x.clear(exporter); err != nil {
			return err
		}
		if pending, err = x.begin(); err != nil {
			return err
		}
		if !pending {
			return x.parkAll()
		}
	}
	return x.carryOut(exporter, x.send)
}

// carryOut opens the system, or the file that stands for it, sends, and closes it.
func (x *export) carryOut(exporter agent.Exporter, send func() error) error {
	stream, err := x.openExport(exporter, agent.ExportRequest{Seen: x.seen, Full: x.definition.Full, Schema: x.agent.Schema, Partition: x.partition})
	if err != nil {
		return err
	}
	x.stream = stream
	if err := send(); err != nil {
		return errors.Join(err, stream.Close(context.WithoutCancel(x.ctx), agent.Aborted), x.stopped())
	}
	if err := stream.Close(x.ctx, agent.Completed); err != nil {
		if x.capabilities.AllOrNothing {
			clear(x.report.Exports)
			x.details.drop(ExportCounters)
		}
		return err
	}
	if !x.definition.idle() {
		if err := x.end(); err != nil {
			return err
		}
	}
	if err := x.parkLeftOut(); err != nil {
		return err
	}
	x.finish(x.sent, CompletedExportErrors)
	if x.heldBack != nil {
		x.report.stop(x.heldBack)
		return nil
	}
	return x.released()
}

// An export is a step of export while it runs.
type export struct {
	*step
	capabilities agent.Capabilities
	stream       agent.Export
	batch        uint64 // of this step
	confirmed    uint64 // the last batch that ended well
	seen         bool   // see agent.ExportRequest
	plan         exportPlan
	waiting      int          // deletions that are pending, of all objects of the agent
	heldBack     *fault.Error // why deletions were left out
	stoppedAt    bool         // the agent stopped the run at an object, see agent.StopRun
	pass         int          // of adds and updates, from 1
	arrived      int          // changes that were carried out in it, if only in part
	again        []turn       // the objects of the next pass
	sent         int
	objects      int // sent so far, without those that are sent again
	total        int
	named        []naming               // to be stored once everything is written
	newNames     map[identity.ID]string // of the objects that were renamed
	cleared      map[identity.ID]*cleared
	settled      []identity.ID // likewise: what no import has to confirm
	replacing    bool          // objects have yet to take the places of others, see hold
	nameless     bool          // objects have no name, so that references to them wait, see hold
	stale        bool          // see space.AgentState
	outnamed     bool          // likewise
	lost         bool          // deleted objects may have lost their names, see dropLost
	limited      exportLimits  // see exportlimits.go
	file         fileLimits    // see resumehold.go
	rounds       *rounds       // nil if no object has to be left out, see exportround.go
}

// begin plans the export, checks the deletion threshold and opens a new batch.
// It returns false if there is nothing to send. What is not in the plan is not
// sent, so that no deletion can slip in after they were counted.
func (x *export) begin() (pending bool, err error) {
	total := 0
	err = x.space.View(func(tx *space.Tx) error {
		state, err := tx.AgentState(x.agent.Name)
		if err != nil {
			return err
		}
		x.batch, x.confirmed, x.seen = state.Batch+1, state.ConfirmedBatch, state.Seen
		x.report.Batch, x.report.ConfirmedBatch = state.Batch, state.ConfirmedBatch
		x.limited.held = state.Held
		counters := tx.Counters(x.agent.Name)
		pending = counters[space.CountToExport]+counters[space.CountExportFailed] > 0 || state.Batch != state.ConfirmedBatch
		pending = pending || x.definition.Full && counters[space.CountConnector]+counters[space.CountExplicitConnector] > 0
		for _, counter := range []space.Counter{
			space.CountDisconnector, space.CountExplicitDisconnector, space.CountFilteredDisconnector, space.CountConnector, space.CountExplicitConnector,
		} {
			total += int(counters[counter])
		}
		x.waiting = int(counters[space.CountExportDelete])
		x.replacing = counters[space.CountReplacing] > 0 && !x.definition.idle() && !x.replacesAtEnd()
		x.nameless = !x.definition.idle() && Transients(tx, x.agent.Name) > 0
		x.lost = counters[space.CountNameLost] > 0
		x.rounds, err = x.newRounds(tx, &counters)
		return err
	})
	if err == nil && pending {
		x.plan, err = x.newPlan()
	}
	if err != nil {
		return false, err
	}
	if err := x.leaveOut(); err != nil {
		return false, err
	}
	if x.plan.isEmpty() {
		x.report.Result = CompletedNoObjects
		return false, x.released()
	}
	x.total = x.plan.total()
	if x.definition.idle() {
		return true, nil
	}
	if err := x.checkThreshold(total); err != nil {
		return false, err
	}
	x.total = x.plan.total() // without what is held back
	x.report.Batch = x.batch
	return true, x.space.Update(func(tx *space.Tx) error {
		state, err := tx.AgentState(x.agent.Name)
		if err != nil {
			return err
		}
		state.Batch = x.batch
		return tx.SetAgentState(x.agent.Name, state)
	})
}

const onlyDeletesHeld = "only the deletions were held back; if they are right, raise the threshold"

// takeBack makes changes that an interrupted export sent pending again.
func (x *export) takeBack(ids []identity.ID) error {
	if x.batch == x.confirmed+1 {
		return nil // there was none
	}
	for page := range slices.Chunk(ids, x.limits.batch) {
		if err := x.space.Update(func(tx *space.Tx) error {
			for _, id := range page {
				if err := tx.Unit(func() error {
					c, err := tx.Connector(id)
					if err != nil || c == nil || !x.isInterrupted(c) {
						return err
					}
					c.Unapplied, c.Exported, c.Batch = c.Exported.Merge(c.Unapplied), nil, 0
					tx.PutConnector(c)
					return nil
				}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// isInterrupted reports whether the object was sent in a batch that never ended.
func (x *export) isInterrupted(c *space.Connector) bool {
	if c.Exported == nil || c.Batch <= x.confirmed || c.Batch >= x.batch {
		return false
	}
	return c.State.IsConnector() || c.Exported.Op.Removes() // nobody wants anything else of one that was cut off
}

// A turn is an object that is to be sent.
type turn struct {
	id       identity.ID
	as       agent.Action // why it is sent again
	repeated bool         // an interrupted export may have sent it
	added    bool         // RetryReferences: of an object that this export has created
}

// send sends everything: adds and updates, those again that the agent wants to
// see again, and deletions.
func (x *export) send() error {
	x.pass = 1
	if err := x.sendNew(x.plan.early, isDeletion); err != nil {
		return err
	}
	if err := x.sendNew(x.plan.changes, x.isChange); err != nil {
		return err
	}
	if err := x.sendAgain(); err != nil {
		return err
	}
	return x.sendNew(x.plan.deletes, isDeletion)
}

// sendAgain sends what the agent wants to see again, in as many passes as it takes.
func (x *export) sendAgain() error {
	for len(x.again) > 0 {
		if !x.capabilities.AllOrNothing {
			if err := x.rename(); err != nil { // what is sent again has its anchor by now
				return err
			}
		}
		if x.pass++; x.arrived == 0 {
			x.pass = exportPasses // as nothing has changed, what fails again has failed
		}
		turns := x.again
		x.again, x.arrived = nil, 0
		for page := range slices.Chunk(turns, x.limits.batch) {
			if err := x.page(page, x.isChange); err != nil {
				return err
			}
		}
	}
	return nil
}

// sendNew sends objects that were not sent in this export yet.
func (x *export) sendNew(ids []identity.ID, wanted func(*identity.Delta) bool) error {
	turns := make([]turn, 0, min(len(ids), x.limits.batch))
	for page := range slices.Chunk(ids, x.limits.batch) {
		turns = turns[:0]
		for _, id := range page {
			turns = append(turns, turn{id: id})
		}
		before := x.sent
		if err := x.page(turns, x.within(x.objects, wanted)); err != nil {
			return err
		}
		x.objects += x.sent - before
	}
	return nil
}

// isDeletion reports whether a delta waits for the turn of deletions.
func isDeletion(d *identity.Delta) bool { return d.Op.Removes() }

// stopped ends the batch of an export that did not come to its end. Only if the
// agent itself stopped it, and nothing hangs on its Close, is it known what became
// of everything that was sent.
func (x *export) stopped() error {
	switch {
	case x.capabilities.AllOrNothing:
		clear(x.report.Exports)
		x.details.drop(ExportCounters)
		return nil
	case !x.stoppedAt:
		return x.rename()
	}
	return x.end()
}

// end confirms the batch.
func (x *export) end() error {
	if err := x.rename(); err != nil {
		return err
	}
	if err := x.settleNow(); err != nil {
		return err
	}
	return x.space.Update(func(tx *space.Tx) error {
		state, err := tx.AgentState(x.agent.Name)
		if err != nil {
			return err
		}
		state.LastExport, state.Stale, state.Outnamed = x.now(), state.Stale || x.stale, state.Outnamed || x.outnamed
		if !x.leftInterrupted() {
			state.ConfirmedBatch = x.batch
		}
		x.report.ConfirmedBatch = state.ConfirmedBatch
		return tx.SetAgentState(x.agent.Name, state)
	})
}
