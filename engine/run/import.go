package run

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/guard"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

const (
	importPages = 4    // pages between the agent and the connector space
	importBatch = 4000 // entries in a store transaction, if they are there in time, and the rest of the last page
)

// imports reads from the system and stages what it says, one partition after the
// other (sync-engine §2.3).
func (s *step) imports(delta bool) error {
	importer, ok := s.agent.Agent.(agent.Importer)
	if !ok {
		return fault.New("stopped-entry-point-not-implemented", "agent %q cannot import", s.agent.Name)
	}
	defer s.limitTime()()
	err := s.eachPartition(func() error { return s.importStep(importer, delta) })
	if err == nil && !s.report.Result.Stopped() {
		if err = s.conclude(); err == nil && s.limitsStaging() {
			err = s.closeStaged()
		}
	}
	if err != nil && errors.Is(context.Cause(s.ctx), errTimeLimit) {
		s.outOfTime()
		s.report.Result, err = s.halt, nil
	}
	return err
}

// importStep reads one partition, or an undivided system, and stages it.
func (s *step) importStep(importer agent.Importer, delta bool) error {
	var state space.PartitionState
	var unconfirmed bool
	var first, confirmedBatch uint64
	err := s.space.View(func(tx *space.Tx) error {
		counters := tx.Counters(s.agent.Name)
		unconfirmed = counters[space.CountUnconfirmed] > 0
		first = tx.LastSequence(s.agent.Name)
		whole, err := tx.AgentState(s.agent.Name)
		state, confirmedBatch, s.ledger.held = whole.Partition(s.partition), whole.ConfirmedBatch, whole.Held
		if err == nil && !s.definition.idle() {
			err = mustExport(tx, s.agent)
		}
		return err
	})
	if err != nil {
		return err
	}
	containers := s.env.Rules.Agent(s.agent.Name).Containers
	moved := state.Imported && state.Containers != containers.Fingerprint() // other ones than were read
	if delta && moved && s.agent.Agent.Capabilities().DeltaImport && !s.definition.idle() {
		err := fault.New(string(NoStartFullImport), "%s has other containers than were imported", s.place())
		err.Hint = "run a full import first: no change log tells of what they now hold, or no longer"
		return err
	}
	if delta && !state.Imported && !s.agent.Agent.Capabilities().DeltaBeforeFull && !s.definition.idle() {
		err := fault.New(string(NoStartFullImport), "%s has never been imported completely", s.place())
		err.Hint = "run a full import first"
		return err
	}
	partial := s.agent.Agent.Capabilities().DeltaImport && delta // it does not read the whole system
	if partial && !s.definition.idle() {
		if err := s.checkImport(state); err != nil {
			return err
		}
	}
	if s.schema = s.agent.Schema; s.definition.Resume == "" {
		if s.schema, err = s.agent.Agent.Schema(s.ctx); err != nil {
			return err
		}
	}
	req := agent.ImportRequest{
		Schema: s.schema, Required: s.agent.Required, Partition: s.partition,
		Delta: delta, Watermark: state.Watermark, PageSize: s.limits.page, Containers: containers,
	}
	if s.definition.SyncUnchanged && !delta {
		req.Watermark = nil // or a system that has not changed reports nothing
	}
	if (unconfirmed || moved || s.definition.idle()) && !s.agent.Agent.Capabilities().DeltaImport {
		req.Watermark = nil // read it all: what was exported must be looked at
	}
	if !partial && s.agent.Reconfigured(state) {
		req.Watermark = nil // the same content may mean something else now
	}
	stream, err := s.openImport(importer, req)
	if err != nil {
		return err
	}
	if s.definition.Drop != "" {
		return s.dropImport(stream)
	}
	x := &staging{
		step: s, of: s.partition, isLast: s.last, complete: stream.Complete(), newest: first,
		containers: containers, confirmedBatch: confirmedBatch, digester: newDigester(s.schema, s.partition),
		checker: guard.NewChecker(s.schema, s.agent.Agent.Capabilities()), ldapNames: s.agent.Agent.Capabilities().LDAPNames,
	}
	x.whole = x.complete || !delta
	if stream.Unchanged() {
		if _, err := stream.Close(s.ctx, agent.Completed); err != nil {
			return err
		}
		s.report.Result, s.ledger.unchanged = CompletedNoObjects, true
		return s.imported(false, func(*space.PartitionState) {})
	}
	if err := x.read(stream); err != nil {
		_, closeErr := stream.Close(context.WithoutCancel(s.ctx), agent.Aborted)
		return errors.Join(err, x.settleNames(false), closeErr)
	}
	if s.definition.SyncUnchanged {
		s.reported.add(x.seen)
	}
	if err := x.settleNames(x.complete && s.halt == "" && s.report.errors == 0); err != nil {
		_, closeErr := stream.Close(context.WithoutCancel(s.ctx), agent.Aborted)
		return errors.Join(err, closeErr)
	}
	if s.halt != "" {
		s.report.Result = s.halt
		_, err := stream.Close(context.WithoutCancel(s.ctx), agent.Aborted)
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
		s.unclean = true
		s.finish(x.entries, CompletedDiscoveryErrors)
		return s.imported(x.whole, x.wasRead)
	}
	x.watermark = watermark
	s.read = append(s.read, x)
	return nil
}

// conclude draws the conclusions of what was read, of all partitions together:
// so that a threshold is exceeded by all of them or by none.
func (s *step) conclude() error {
	if len(s.read) == 0 {
		return s.foundUnchanged()
	}
	all := missing{whole: true}
	for _, x := range s.read {
		s.partition, s.last = x.of, x.isLast
		if err := x.findMissing(); err != nil {
			return err
		}
		all.gone, all.total = append(all.gone, x.gone...), all.total+x.total
		all.whole = all.whole && x.complete
		if all.nothing == nil {
			all.nothing = x.nothing
		}
	}
	var err error
	if s.ledger.meter, err = s.allow(all); err != nil {
		return err
	}
	for _, x := range s.read {
		s.partition = x.of
		if err := s.part(x.conclude); err != nil {
			return err
		}
	}
	return s.concluded()
}

// conclude marks what is gone, and remembers that the partition was imported.
func (x *staging) conclude() error {
	before := x.report.Staging[stageDelete]
	if err := x.obsolete(); err != nil {
		return err
	}
	if err := x.reportTransients(); err != nil {
		return err
	}
	x.finish(x.entries+x.report.Staging[stageDelete]-before, CompletedDiscoveryErrors)
	if x.transients > 0 {
		x.report.Result = CompletedTransients
	}
	return x.imported(x.whole, func(state *space.PartitionState) {
		x.wasRead(state)
		if x.definition.Resume == "" && !x.ledger.leftOut { // a file says nothing of where the system is now
			state.Watermark = x.watermark
		}
	})
}

// wasRead remembers of a partition that was read from its beginning to its end that
// it was, and in which containers.
func (x *staging) wasRead(state *space.PartitionState) {
	if x.whole || !state.Imported {
		state.Imported, state.Containers = true, x.containers.Fingerprint()
	}
}

// imported remembers that an import came to its end. An agent whose system is
// divided has been imported once all partitions have. whole says that it was read
// from its beginning to its end.
func (s *step) imported(whole bool, change func(*space.PartitionState)) error {
	return s.space.Update(func(tx *space.Tx) error {
		state, err := tx.AgentState(s.agent.Name)
		if err != nil {
			return err
		}
		state.LastImport, state.Schema = s.now(), &s.schema
		if s.definition.Resume == "" {
			state.Stale, state.Outnamed = false, state.Outnamed && !whole
		}
		for counter, n := range s.report.Staging {
			state.Seen = state.Seen || n > 0 && counter != stageFailure
		}
		part := state.Partition(s.partition)
		change(&part)
		part.Imported = part.Imported || whole
		if (whole || part.Configuration == "") && s.definition.Resume == "" { // a file says nothing of the system
			part.Configuration = s.agent.Configuration
		}
		state.SetPartition(s.partition, part)
		if s.partition != "" {
			state.Imported = state.Imported || !slices.ContainsFunc(s.known, func(p agent.Partition) bool {
				return !state.Partition(p.Name).Imported
			})
		}
		return tx.SetAgentState(s.agent.Name, state)
	})
}

// staging is an import while it runs.
type staging struct {
	*step
	of       string // the partition that was read
	isLast   bool   // see [step.last]
	whole    bool   // it was read from its beginning to its end
	complete bool
	newest   uint64 // the newest object before the import
	seen     bitmap // by sequence number
	entries  int
	digester *digester
	checker  *guard.Checker

	ldapNames bool // see subtree.go

	// see containers.go
	containers identity.Containers
	filtered   int                    // entries that were outside
	leaving    map[identity.ID]string // objects that have moved outside, and their names there

	confirmedBatch uint64 // the last export that ended well, see confirm.go

	// what is known once all was read
	watermark []byte
	unseen    []identity.ID // what was not delivered
	gone      []identity.ID // objects that are gone by that
	total     int           // of how many
	nothing   *fault.Error  // the system delivered nothing at all

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
	x.checker.Check(e) // here, because entries that are as they were staged once need none
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
		x.details.stagedEntry(stageFailure, e)
		if record.Line == 0 {
			record.Line = e.Line
		}
		x.report.add(&x.report.DiscoveryErrors, record)
		return nil
	}
	if counter == filteredDeletions || counter == filteredObjects {
		x.filter(counter)
		return nil
	}
	x.report.Staging[counter]++
	x.details.stagedEntry(counter, e)
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

// add adds what another set holds.
func (b *bitmap) add(other bitmap) {
	for i, word := range other {
		if i == len(*b) {
			*b = append(*b, 0)
		}
		(*b)[i] |= word
	}
}

func (b bitmap) len() int {
	n := 0
	for _, word := range b {
		n += bits.OnesCount64(word)
	}
	return n
}
