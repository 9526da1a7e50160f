package run

import (
	"context"
	"errors"
	"fmt"
	"math/bits"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

const (
	importPage  = 2000 // entries in a page, and in a store transaction
	importPages = 4    // pages between the agent and the connector space
)

// importStep reads from the system and stages what it says (sync-engine §2.3).
func (s *step) importStep(delta bool) error {
	importer, ok := s.agent.Agent.(agent.Importer)
	if !ok {
		return fault.New("stopped-entry-point-not-implemented", "agent %q cannot import", s.agent.Name)
	}
	var state space.AgentState
	var unconfirmed bool
	var first uint64
	err := s.space.View(func(tx *space.Tx) (err error) {
		counters := tx.Counters(s.agent.Name)
		unconfirmed = counters[space.CountUnconfirmed] > 0
		first = tx.LastSequence(s.agent.Name)
		state, err = tx.AgentState(s.agent.Name)
		return err
	})
	if err != nil {
		return err
	}
	if delta && !state.Imported {
		err := fault.New(string(NoStartFullImport), "agent %q has never been imported completely", s.agent.Name)
		err.Hint = "run a full import first"
		return err
	}
	if s.schema, err = s.agent.Agent.Schema(s.ctx); err != nil {
		return err
	}
	capabilities := s.agent.Agent.Capabilities()
	req := agent.ImportRequest{
		Schema: s.schema, Required: s.agent.Required, Delta: delta, Watermark: state.Watermark, PageSize: importPage,
	}
	if unconfirmed && !capabilities.DeltaImport {
		req.Watermark = nil // read it all: what was exported must be looked at
	}
	stream, err := importer.OpenImport(s.ctx, req)
	if err != nil {
		return err
	}
	x := &staging{step: s, complete: stream.Complete(), newest: first, confirmedBatch: state.ConfirmedBatch, digester: newDigester(s.schema)}
	if stream.Unchanged() {
		if _, err := stream.Close(s.ctx, agent.Completed); err != nil {
			return err
		}
		s.report.Result = CompletedNoObjects
		return s.imported(func(state *space.AgentState) {})
	}
	if err := x.read(stream); err != nil {
		_, closeErr := stream.Close(context.WithoutCancel(s.ctx), agent.Aborted)
		return errors.Join(err, x.settleNames(false), closeErr)
	}
	if err := x.settleNames(x.complete && !x.stopped && s.report.errors == 0); err != nil {
		_, closeErr := stream.Close(context.WithoutCancel(s.ctx), agent.Aborted)
		return errors.Join(err, closeErr)
	}
	if x.stopped {
		s.report.Result = StoppedErrorLimit
		_, err := stream.Close(s.ctx, agent.Aborted)
		return err
	}
	watermark, err := stream.Close(s.ctx, agent.Completed)
	if err != nil {
		return err
	}
	if s.report.errors > 0 {
		// What could not be read may be anything: nothing is concluded from what
		// was not seen, and the next import begins where this one did. But it came
		// to its end: one bad entry holds nobody else.
		s.finish(x.entries, CompletedDiscoveryErrors)
		return s.imported(func(state *space.AgentState) {
			state.Imported = state.Imported || x.complete || !delta
			state.Schema = &s.schema
		})
	}
	if x.complete {
		if err := x.obsolete(); err != nil {
			return err
		}
	}
	if err := x.reportTransients(); err != nil {
		return err
	}
	s.finish(x.entries+s.report.Staging[stageDelete], CompletedDiscoveryErrors)
	if x.transients > 0 {
		s.report.Result = CompletedTransients
	}
	return s.imported(func(state *space.AgentState) {
		state.Imported = state.Imported || x.complete || !delta
		state.Watermark = watermark
		state.Schema = &s.schema
	})
}

// imported remembers that an import came to its end.
func (s *step) imported(change func(*space.AgentState)) error {
	return s.space.Update(func(tx *space.Tx) error {
		state, err := tx.AgentState(s.agent.Name)
		if err != nil {
			return err
		}
		state.LastImport = s.now()
		change(&state)
		return tx.SetAgentState(s.agent.Name, state)
	})
}

// staging is an import while it runs.
type staging struct {
	*step
	complete bool
	newest   uint64 // the newest object before the import
	seen     bitmap // by sequence number
	entries  int
	stopped  bool
	digester *digester

	confirmedBatch uint64 // the last export that ended well, see confirm.go

	// see importnames.go
	staged     bitmap                 // objects whose entry was not the one known before
	moved      map[identity.ID]string // objects that gave up a name, and which
	doubtful   map[identity.ID]*doubt
	transients int
}

// unchanged reports whether an entry is what was staged last for its object,
// and marks the object as seen if so.
func (x *staging) unchanged(tx *space.Tx, e *agent.Entry, digest space.Digest) (bool, error) {
	if e.Err != nil || digest == (space.Digest{}) {
		return false, nil
	}
	id, stored, found, err := tx.ByAnchor(x.agent.Name, e.Anchor)
	if err != nil || !found || stored != digest || x.complete && x.seen.has(id.Sequence()) {
		return false, err
	}
	x.seen.set(id.Sequence())
	x.report.Staging[stageNoChange]++
	return true, nil
}

// entry stages one entry and counts it.
func (x *staging) entry(tx *space.Tx, e *agent.Entry, digest space.Digest) error {
	counter := ""
	err := fault.As(nil, "")
	if e.Err != nil {
		err = e.Err
		if id, _, found, lookupErr := tx.ByAnchor(x.agent.Name, e.Anchor); lookupErr == nil && found && e.Anchor != "" {
			x.seen.set(id.Sequence())
		}
	} else {
		unitErr := tx.Unit(func() (err error) {
			counter, err = x.stage(tx, e, digest)
			return err
		})
		if unitErr != nil && !errors.As(unitErr, &err) {
			return fmt.Errorf("stage %q: %w", e.Anchor, unitErr)
		}
	}
	if err != nil {
		x.report.Staging[stageFailure]++
		record := x.errorRecord(err)
		record.DN, record.Anchor = e.DN, e.Anchor
		if record.Line == 0 {
			record.Line = e.Line
		}
		x.report.add(&x.report.DiscoveryErrors, record)
		return nil
	}
	if counter == filteredDeletions {
		if x.report.Discovery == nil {
			x.report.Discovery = map[string]int{}
		}
		x.report.Discovery[counter]++
		return nil
	}
	x.report.Staging[counter]++
	return nil
}

// A bitmap is a set of sequence numbers.
type bitmap []uint64

func (b bitmap) has(n uint64) bool {
	return n/64 < uint64(len(b)) && b[n/64]&(1<<(n%64)) != 0
}

func (b *bitmap) set(n uint64) {
	for n/64 >= uint64(len(*b)) {
		*b = append(*b, 0)
	}
	(*b)[n/64] |= 1 << (n % 64)
}

func (b bitmap) len() int {
	n := 0
	for _, word := range b {
		n += bits.OnesCount64(word)
	}
	return n
}
