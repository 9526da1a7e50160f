package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/guard"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
	"github.com/metasync/metasync/internal/logging"
)

// SingleObject is the profile of the run that synchronizes one object from end to
// end (sync-engine §11). No agent can have a profile of that kind.
const SingleObject = "single-object"

// ImportObject is the type of a step that reads one object from its system (import
// type FullObject, sync-engine §10.1). No profile can have it.
const ImportObject StepType = "full-object-import"

// A Single is a run that takes one object through its steps. Its caller says which
// steps: what comes next depends on what the last one found.
//
// While it is open, nothing else runs. In a rehearsal its steps happen in a
// transaction that nobody commits, systems are read and not written, and there is
// no record.
type Single struct {
	*Runner
	ctx     context.Context
	env     *Environment
	record  *Record
	dry     bool
	release func()
	tx      *space.Tx // of the rehearsal
	reads   map[Wanted]*Reading
}

// OpenSingle begins the run for an object of an agent. The error is [ErrBusy] if
// anything runs. The run must be closed; it is in the history from its first step
// on.
func (r *Runner) OpenSingle(ctx context.Context, env *Environment, agentName string, dry bool, cause Cause) (*Single, error) {
	if _, err := env.agent(agentName); err != nil {
		return nil, err
	}
	needs := append(slices.Sorted(maps.Keys(env.Agents)), "")
	release, err := r.acquireAll(needs)
	if err != nil {
		return nil, err
	}
	return &Single{
		Runner: r, ctx: ctx, env: env, dry: dry, release: release, reads: map[Wanted]*Reading{},
		record: &Record{Agent: agentName, Profile: SingleObject, Cause: cause, Result: InProgress, Started: r.now(), Steps: []*Report{}},
	}, nil
}

// Close ends the run and returns its record. Without a step, or in a rehearsal, it
// is not in the history and its number is 0.
func (x *Single) Close() (*Record, error) {
	x.release()
	x.record.Result, x.record.Ended = x.record.severest(), x.now()
	if x.record.Run == 0 {
		return x.record, nil
	}
	x.log.Info("run ended", "agent", x.record.Agent, "run", x.record.Run, "profile", SingleObject, "result", x.record.Result)
	return x.record, x.history.end(x.record)
}

// Rehearse has the steps that do carries out happen in tx. Those of an earlier
// rehearsal are forgotten, but not what was read in it.
func (x *Single) Rehearse(tx *space.Tx, do func() error) error {
	x.tx, x.record.Steps = tx, []*Report{}
	defer func() { x.tx = nil }()
	return do()
}

// View calls fn with the state as the steps so far have left it.
func (x *Single) View(fn func(*space.Tx) error) error {
	if x.tx != nil {
		return x.tx.Unit(func() error { return fn(x.tx) })
	}
	return x.space.View(fn)
}

// update calls fn with a transaction for the changes of a step.
func (s *step) update(fn func(*space.Tx) error) error {
	if s.rehearsed != nil {
		return fn(s.rehearsed)
	}
	return s.space.Update(fn)
}

// view calls fn with what is there.
func (s *step) view(fn func(*space.Tx) error) error {
	if s.rehearsed != nil {
		return fn(s.rehearsed)
	}
	return s.space.View(fn)
}

// step begins a step of an agent.
func (x *Single) step(agentName string, t StepType) (*step, error) {
	definition, a := Step{Type: t}, x.env.Agents[agentName]
	if x.tx != nil { // so that it shows what this step changes
		var err error
		if x.tx, err = x.tx.Nested(); err != nil {
			return nil, err
		}
	}
	s := &step{
		Runner: x.Runner, ctx: x.ctx, env: x.env, agent: a, log: x.log.With("agent", agentName, "step", t),
		report: newReport(t, x.now()), progress: func(string, StepType, int, int) {}, definition: definition,
		limits: x.batched(limitsOf(definition, a.Thresholds)), rehearsed: x.tx, profile: SingleObject,
	}
	s.report.Agent = agentName
	x.record.Steps = append(x.record.Steps, s.report)
	if x.dry {
		s.log = slog.New(slog.DiscardHandler)
		return s, nil
	}
	if x.record.Run == 0 {
		if _, err := x.history.begin(x.record); err != nil {
			return nil, err
		}
	}
	s.log = s.log.With("run", x.record.Run, "profile", SingleObject)
	s.ctx = logging.With(x.ctx, slog.Uint64("run", x.record.Run), slog.String("agent", agentName), slog.String("profile", SingleObject))
	s.details, s.number = s.newDetails(x.record.Run, len(x.record.Steps)), x.record.Run
	return s, nil
}

// carryOut does what the step consists of. The error is one of the store of the
// history; any other is in the report.
func (x *Single) carryOut(agentName string, t StepType, do func(*step) error) (*Report, error) {
	s, err := x.step(agentName, t)
	if err != nil {
		return nil, err
	}
	s.ended(do(s))
	s.details.close()
	s.report.Ended = x.now()
	return s.report, nil
}

// A Wanted is an object to be read.
type Wanted struct {
	Agent      string
	ObjectType string // "" if it is not known
	Partition  string // where it was seen last, "" if that is not known
	Anchor     string // "" if it is not known
	DN         string
}

// A Reading is what a system says of one object.
type Reading struct {
	Entry *agent.Entry // nil if there is none
	Gone  bool         // the system surely does not have it
	Err   error        // why it could not be read; named cd-missing-object if it was not found
	Whole bool         // the agent cannot read one object: a full import was opened for it

	Partition string
	schema    identity.Schema
	page      agent.Page // that holds the entry
}

// ErrUnread says that a rehearsal needs an object which was not read yet: no
// transaction is kept open while a system answers. Read it, and rehearse again.
var ErrUnread = errors.New("an object has to be read first")

// Read reads an object from its system, once in a run. The error is [ErrUnread] in
// a rehearsal; what the system says is in the reading.
func (x *Single) Read(w Wanted) (*Reading, error) {
	if known := x.reads[w]; known != nil {
		return known, nil
	}
	if x.tx != nil {
		return nil, ErrUnread
	}
	r := x.ask(w)
	x.reads[w] = r
	return r, nil
}

// Forget has an object read anew: it was changed.
func (x *Single) Forget(w Wanted) { delete(x.reads, w) }

// ask reads an object: where it was seen last, else in the other partitions.
func (x *Single) ask(w Wanted) *Reading {
	a := x.env.Agents[w.Agent]
	r := &Reading{}
	if r.schema, r.Err = a.Agent.Schema(x.ctx); r.Err != nil {
		return r
	}
	partitions := []string{""}
	if p, ok := a.Agent.(agent.Partitioner); ok {
		known, err := p.Partitions(x.ctx)
		if err != nil {
			r.Err = err
			return r
		}
		if len(known) > 0 {
			partitions = partitionNames(known)
			first := w.Partition
			if first == "" {
				first = agent.PartitionOf(known, w.DN)
			}
			slices.SortStableFunc(partitions, func(a, b string) int {
				return boolInt(b == first) - boolInt(a == first)
			})
		}
	}
	var unsure error
	for _, r.Partition = range partitions {
		err := x.readIn(a, w, r)
		switch {
		case fault.Name(err) == missingObject:
			unsure = err
		case err != nil:
			r.Err = err
			return r
		case len(r.page.Entries) > 0:
			r.Entry = &r.page.Entries[0]
			return r
		}
	}
	r.Partition, r.Err, r.Gone = "", unsure, unsure == nil
	return r
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

const missingObject = "cd-missing-object"

// readIn reads an object from one partition: its page is empty if it is not there.
func (x *Single) readIn(a *Agent, w Wanted, r *Reading) error {
	if reader, ok := a.Agent.(agent.ObjectReader); ok {
		err := reader.ReadObject(x.ctx, agent.ObjectRequest{
			Schema: r.schema, Required: a.Required, Partition: r.Partition, ObjectType: w.ObjectType, Anchor: w.Anchor, DN: w.DN,
		}, &r.page)
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	importer, ok := a.Agent.(agent.Importer)
	if !ok {
		return fault.New("stopped-entry-point-not-implemented", "agent %q cannot import", a.Name)
	}
	r.Whole = true
	stream, err := importer.OpenImport(x.ctx, agent.ImportRequest{
		Schema: r.schema, Required: a.Required, Partition: r.Partition, PageSize: x.batchOf(importPage),
	})
	if err != nil {
		return err
	}
	found, err := x.take(stream, w, r)
	outcome := agent.Completed
	if found || err != nil {
		outcome = agent.Aborted
	}
	_, closeErr := stream.Close(context.WithoutCancel(x.ctx), outcome)
	if err == nil && !found {
		err = closeErr
	}
	return err
}

// take reads a full import until the object comes. That it does not come says that
// it is gone only if it could not be one of the entries that cannot be read.
func (x *Single) take(stream agent.Import, w Wanted, r *Reading) (found bool, err error) {
	complete, entries, unreadable := stream.Complete(), 0, 0
	for {
		err := stream.Next(x.ctx, &r.page)
		if err != nil {
			r.page.Reset()
		}
		switch {
		case err == nil:
		case !errors.Is(err, io.EOF):
			return false, err
		case unreadable > 0:
			return false, fault.New(missingObject, "it is not among the entries that can be read, and %d cannot", unreadable)
		case entries == 0:
			return false, fault.New(missingObject, "the system delivered no object at all")
		case !complete:
			return false, fault.New(missingObject, "the system did not deliver it, and the agent cannot say that it is gone")
		default:
			return false, nil
		}
		entries += len(r.page.Entries)
		for i := range r.page.Entries {
			e := &r.page.Entries[i]
			if e.Anchor == "" {
				unreadable++
				continue
			}
			if e.Anchor == w.Anchor || w.Anchor == "" && x.space.SameDN(w.Agent, e.DN, w.DN) {
				r.page.Entries = r.page.Entries[i : i+1]
				return true, nil
			}
		}
	}
}

// Import stages what was read: id is the object, 0 if it was not known. It returns
// the object that it is now; 0 if there is none.
func (x *Single) Import(w Wanted, id identity.ID, reading *Reading) (*Report, identity.ID, error) {
	report, err := x.carryOut(w.Agent, ImportObject, func(s *step) error {
		if r := reading; r.Err != nil {
			if fault.Name(r.Err) != missingObject {
				return r.Err
			}
			record := s.errorRecord(fault.As(r.Err, ""))
			record.ID, record.DN, record.Anchor = id, w.DN, w.Anchor
			s.report.add(&s.report.DiscoveryErrors, record)
			s.finish(1, CompletedDiscoveryErrors)
			return nil
		}
		s.schema, s.partition = reading.schema, reading.Partition
		return s.update(func(tx *space.Tx) (err error) {
			id, err = s.stageSingle(tx, id, reading)
			return err
		})
	})
	return report, id, err
}

// stageSingle stages one object in the way of an import of changes: nothing is
// concluded about others, and where the next import begins stays as it is.
func (s *step) stageSingle(tx *space.Tx, id identity.ID, reading *Reading) (identity.ID, error) {
	state, err := tx.AgentState(s.agent.Name)
	if err != nil {
		return id, err
	}
	capabilities := s.agent.Agent.Capabilities()
	x := &staging{
		step: s, of: s.partition, newest: tx.LastSequence(s.agent.Name), confirmedBatch: state.ConfirmedBatch,
		digester: newDigester(s.schema, s.partition), checker: guard.NewChecker(s.schema, capabilities), ldapNames: capabilities.LDAPNames,
	}
	if reading.Gone {
		if id == 0 {
			s.finish(0, "")
			return 0, nil
		}
		if err := x.stageGone(tx, id); err != nil {
			return id, err
		}
		x.finish(1, CompletedDiscoveryErrors)
		return id, nil
	}
	e := *reading.Entry // it may be staged again in another rehearsal
	if !s.env.Rules.Agent(s.agent.Name).Containers.Holds(e.DN) {
		// Whether it has left is for an import of all containers to find out.
		x.filter(filteredObjects)
		x.finish(1, CompletedDiscoveryErrors)
		return id, nil
	}
	digest := x.digester.of(&e)
	unchanged, err := x.unchanged(tx, &e, digest)
	if err == nil && !unchanged {
		err = x.entry(tx, &e, digest)
	}
	if err != nil {
		return id, err
	}
	if err := x.settleNames(false); err != nil {
		return id, err
	}
	if err := x.reportTransients(); err != nil {
		return id, err
	}
	if err := x.reportMissed(tx, e.Anchor); err != nil {
		return id, err
	}
	if x.finish(1, CompletedDiscoveryErrors); x.transients > 0 {
		x.report.Result = x.report.Result.with(CompletedTransients)
	}
	found, _, _, err := tx.ByAnchor(s.agent.Name, e.Anchor)
	if err != nil || found == 0 {
		return id, err
	}
	if !state.Seen {
		state.Seen = true
		err = tx.SetAgentState(s.agent.Name, state)
	}
	return found, err
}

// reportMissed warns of what was exported to the object and what its system does
// not show. The next synchronization takes it for an error.
func (x *staging) reportMissed(tx *space.Tx, anchor string) error {
	return tx.Unit(func() error {
		id, _, found, err := tx.ByAnchor(x.agent.Name, anchor)
		if err != nil || !found {
			return err
		}
		c, err := tx.Connector(id)
		if err != nil || c == nil || !c.NotReimported || c.Exported == nil {
			return err
		}
		names := make([]string, len(c.Exported.Changes))
		for i, change := range c.Exported.Changes {
			names[i] = change.Name
		}
		record := x.errorRecord(fault.New("exported-change-not-reimported", "the system does not show what was exported to %s", strings.Join(names, ", "))).of(c, nil)
		record.Warning = true
		x.report.add(&x.report.DiscoveryErrors, record)
		return nil
	})
}

// stageGone stages that the system no longer has an object, if the threshold for
// deletions allows one.
func (x *staging) stageGone(tx *space.Tx, id identity.ID) error {
	gone := 0
	err := tx.Unit(func() error {
		c, err := tx.Connector(id)
		if err == nil && c != nil && x.missing(c) && (c.Exported == nil || c.Exported.Op != identity.Delete) && (c.Import == nil || !c.Import.Op.Removes()) {
			gone++
		}
		return err
	})
	if err != nil {
		return err
	}
	counters, total := tx.Counters(x.agent.Name), 0
	for _, n := range counters[:space.CountPlaceholder+1] { // those of the states
		total += int(n)
	}
	reasons, err := x.exceeded(tx.Store(), hold.Import, hold.Counts{hold.Deletes: gone}, nil, total)
	if err != nil {
		return err
	}
	if len(reasons) > 0 {
		stopped := fault.New(string(StoppedDeletionLimit), "the object is gone from its system, and no deletion is allowed: %s", x.limits.deletesNamed)
		if reasons[0].Window != "" {
			stopped.Text = "the object is gone from its system: " + hold.Text(reasons)
		}
		stopped.Hint = "if that is right, raise the threshold; nothing has been deleted"
		return stopped
	}
	if err := x.newMeter(x.heldAt(hold.Import, hold.Import), false).add(tx.Store(), hold.Deletes, gone); err != nil {
		return err
	}
	return tx.Unit(func() error { return x.obsoleteObject(tx, id) })
}

// Sync synchronizes an object of an agent: do carries it out with the synchronizer
// of the step, and id is the object that errors are about.
func (x *Single) Sync(agentName string, t StepType, id identity.ID, do func(*sync.Synchronizer, *space.Tx) (sync.Result, error)) (*Report, error) {
	return x.carryOut(agentName, t, func(s *step) error {
		err := s.update(func(tx *space.Tx) error {
			y := &synchronization{step: s, sync: sync.New(s.ctx, s.env.Rules, tx.Space(), s.report.Started)}
			limited := y.limitLone(tx)
			result, err := do(y.sync, tx)
			if err != nil {
				return err
			}
			if err := limited.conclude(&result); err != nil {
				return err
			}
			if result.Inbound != "" {
				s.report.Inbound[result.Inbound]++
				s.details.inbound(&result)
			}
			if err := y.record(tx, id, result); err != nil {
				return err
			}
			return s.details.secure()
		})
		if err == nil {
			s.finish(1, CompletedSyncErrors)
		}
		return err
	})
}

// Export sends what is pending for the given objects of an agent, and nothing else.
// For the threshold of deletions all deletions count that wait in the agent, if one
// of the objects is to be deleted: so that a held export cannot be got past one by
// one.
func (x *Single) Export(agentName string, ids []identity.ID) (*Report, error) {
	if x.dry {
		return nil, errors.New("a rehearsal exports nothing")
	}
	return x.carryOut(agentName, Export, func(s *step) error {
		s.chosen = append([]identity.ID{}, ids...)
		slices.Sort(s.chosen)
		if err := s.importedOnce(); err != nil {
			return err
		}
		return s.exportStep()
	})
}

// importedOnce refuses to write one object to a system that was never read: nobody
// knows whether it is there already.
func (s *step) importedOnce() error {
	return s.space.View(func(tx *space.Tx) error {
		state, err := tx.AgentState(s.agent.Name)
		if err != nil || state.Imported {
			return err
		}
		refused := fault.New(string(NoStartFullImport), "%s has never been imported completely: nobody knows whether it has the object already", s.place())
		refused.Hint = "run a full import first"
		return refused
	})
}

// scanChosen plans those of the chosen objects for which something is pending, or
// was left by an interrupted export.
func (p *planner) scanChosen() error {
	return p.space.View(func(tx *space.Tx) error {
		for _, id := range p.chosen {
			c, err := tx.Connector(id)
			if err != nil {
				return err
			}
			if c == nil || p.isNameless(c) || !p.isInterrupted(c) && c.Unapplied.IsZero() {
				continue
			}
			if !p.isInterrupted(c) && p.isLeftOut(c) {
				continue
			}
			if err := p.add(tx, c); err != nil {
				return fmt.Errorf("plan the export of %s: %w", id, err)
			}
		}
		return nil
	})
}
