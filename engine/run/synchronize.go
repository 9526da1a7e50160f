package run

import (
	"errors"
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// Units are gathered into one store transaction until one of these is reached.
const (
	syncBatchObjects = 8000  // objects
	syncBatchWrites  = 40000 // store operations
)

// maxRetryRounds bounds how often references wake each other in one step. What
// is left then is done by the next step.
const maxRetryRounds = 10

// syncStep synchronizes the agent's objects in the order of sync-engine §3.1:
// ordinary objects, deleted ones, then those that waited for a reference, then
// metaverse objects that did.
func (s *step) syncStep(t StepType) error {
	if held, err := s.gate(); err != nil || held {
		return err
	}
	x := s.synchronization()
	x.batches = s.space.Batches
	x.limitRemovals(t)
	if t == Resync {
		return x.resync()
	}
	if t == DeltaSync {
		if err := s.checkRules(); err != nil {
			return err
		}
	}
	if err := x.all(t == FullSync); err != nil {
		return err
	}
	if t == FullSync && s.halt == "" {
		if err := s.rememberRules(); err != nil {
			return err
		}
	}
	s.finish(x.processed, CompletedSyncErrors)
	return nil
}

func (s *step) synchronization() *synchronization {
	x := &synchronization{step: s, sync: sync.New(s.ctx, s.env.Rules, s.space, s.now()), mode: sync.Delta}
	if s.definition.JoinAll {
		x.sync.JoinAgain()
	}
	return x
}

// all synchronizes all objects that there are to synchronize.
func (x *synchronization) all(full bool) error {
	next := func(tx *space.Tx, after identity.ID, limit int) ([]identity.ID, error) {
		return tx.List(space.ToSync, x.agent.Name, after, limit)
	}
	err := x.batches(func(tx *space.Tx) (bool, error) {
		counters := tx.Counters(x.agent.Name)
		x.total = int(counters[space.CountToSync] + counters[space.CountSyncFailed] + counters[space.CountDisconnector])
		if full {
			x.total = int(tx.LastSequence(x.agent.Name))
		}
		return false, tx.BeginSeeking(x.agent.Name)
	})
	if err != nil {
		return err
	}
	if len(x.reported) > 0 {
		next = x.listReported
	}
	if full {
		x.mode = sync.Full
		next = func(tx *space.Tx, after identity.ID, limit int) ([]identity.ID, error) {
			return tx.IDs(x.agent.Name, after, limit)
		}
	}
	looked, cut := 0, false
	if err := x.walk(func(tx *space.Tx, after identity.ID, limit int) ([]identity.ID, error) {
		ids, err := next(tx, after, limit)
		room := x.room(looked, len(ids))
		cut = cut || room < len(ids)
		return ids[:room], err
	}, func(tx *space.Tx, id identity.ID) error {
		looked++
		return x.reportedOrOrdinary(tx, id)
	}); err != nil {
		return err
	}
	if err := x.rest(); err != nil {
		return err
	}
	if cut && x.halt == "" {
		x.tooMany()
	}
	if x.halt != "" {
		return nil
	}
	return x.batches(func(tx *space.Tx) (bool, error) { return false, tx.EndSeeking(x.agent.Name) })
}

// rest synchronizes what comes after the ordinary objects.
func (x *synchronization) rest() error {
	if err := x.walk(listed(&x.deleted), x.object); err != nil {
		return err
	}
	for again := true; again; {
		if _, err := x.removals.carryOut(); err != nil {
			return err
		}
		if err := x.unblock(); err != nil {
			return err
		}
		err := x.retries()
		if err != nil {
			return err
		}
		if again, err = x.removals.carryOut(); err != nil { // what these have set aside
			return err
		}
	}
	if x.terminated != nil {
		return x.terminated
	}
	return x.removals.conclude()
}

// listed lists the ids of an ordered list, for walk.
func listed(ids *[]identity.ID) func(tx *space.Tx, after identity.ID, limit int) ([]identity.ID, error) {
	return func(_ *space.Tx, after identity.ID, limit int) ([]identity.ID, error) {
		i, _ := slices.BinarySearch(*ids, after+1)
		return (*ids)[i:min(i+limit, len(*ids))], nil
	}
}

// A synchronization is a step of synchronization while it runs.
type synchronization struct {
	*step
	sync       *sync.Synchronizer
	batches    func(fn func(*space.Tx) (more bool, err error)) error // as space.Space.Batches
	mode       sync.Mode
	deleted    []identity.ID // for later: objects that are gone, ordered
	blocked    blockedObjects
	visited    map[identity.ID]bool // of those: tried again
	processed  int
	total      int
	terminated error // an extension ended the run

	removals *removals // nil if they are not limited
}

// walk calls visit for the objects that next lists, many to a transaction.
func (x *synchronization) walk(next func(tx *space.Tx, after identity.ID, limit int) ([]identity.ID, error), visit func(*space.Tx, identity.ID) error) error {
	after := identity.ID(0)
	return x.batches(func(tx *space.Tx) (more bool, err error) {
		if err := x.ctx.Err(); err != nil {
			return false, err
		}
		before := tx.Len() // a rehearsal goes on in the same transaction
		if x.mustStop() {
			return false, nil
		}
		ids, err := next(tx, after, x.limits.batch)
		if err != nil {
			return false, err
		}
		more = len(ids) == x.limits.batch
		for _, id := range ids {
			after = id
			if err := visit(tx, id); err != nil {
				return false, err
			}
			if tx.Len()-before > syncBatchWrites {
				more = true
				break
			}
			if x.mustStop() {
				break
			}
		}
		x.progress(x.agent.Name, x.report.Type, x.processed, x.total)
		return more && x.halt == "", x.details.secure()
	})
}

// ordinary synchronizes an object unless it is gone: those come last.
func (x *synchronization) ordinary(tx *space.Tx, id identity.ID) error {
	c, err := tx.Connector(id)
	if err != nil {
		return err
	}
	if c != nil && c.Import != nil && c.Import.Op.Removes() {
		x.deleted = append(x.deleted, id)
		return nil
	}
	return x.object(tx, id)
}

// object synchronizes an object and counts what happened.
func (x *synchronization) object(tx *space.Tx, id identity.ID) error {
	result, err := x.sync.Connector(tx, id, x.mode)
	if err != nil {
		return x.end(err)
	}
	if aside, err := x.removals.note(tx, id, &result); err != nil || aside {
		return err
	}
	x.processed++
	if result.Inbound != "" {
		x.report.Inbound[result.Inbound]++
		x.details.inbound(&result)
	}
	x.note(id, &result)
	return x.record(tx, id, result)
}

// end ends the step if an extension wants that: what was done until then stays
// done. Any other error is returned.
func (x *synchronization) end(err error) error {
	if !errors.Is(err, rules.ErrTerminateRun) {
		return err
	}
	x.halt, x.terminated = rules.TerminatedByExtension, err
	return nil
}

func (x *synchronization) record(tx *space.Tx, id identity.ID, result sync.Result) error {
	x.report.countOutbound(result.Outbound)
	x.details.outbound(result.Outbound)
	if result.Err == nil && len(result.Warnings) == 0 {
		return nil
	}
	c, err := tx.Connector(id)
	if err != nil {
		return err
	}
	add := func(err *fault.Error, warning bool) {
		e := x.errorRecord(err)
		e.Warning = warning
		if c != nil {
			e = e.of(c, c.ImportError)
		}
		e.ID = id
		x.report.add(&x.report.SyncErrors, e)
	}
	for _, w := range result.Warnings {
		add(w, true)
	}
	if result.Err != nil {
		add(result.Err, false)
	}
	return nil
}

// retries synchronizes again what waited for a reference, until nothing waits
// for anything that happened in this step.
func (x *synchronization) retries() error {
	mode := x.mode
	x.mode = sync.Delta
	defer func() { x.mode = mode }()
	failed := map[identity.ID]bool{} // once in a step is enough
	for range maxRetryRounds {
		before := x.processed
		retryObjects := 0
		err := x.walk(func(tx *space.Tx, after identity.ID, limit int) ([]identity.ID, error) {
			return tx.List(space.Retry, x.agent.Name, after, limit)
		}, func(tx *space.Tx, id identity.ID) error {
			result, err := x.sync.Connector(tx, id, sync.Delta)
			if err != nil {
				return x.end(err)
			}
			if aside, err := x.removals.note(tx, id, &result); err != nil || aside {
				return err
			}
			x.processed++
			return x.record(tx, id, result)
		})
		if err != nil {
			return err
		}
		err = x.walk(func(tx *space.Tx, after identity.ID, limit int) ([]identity.ID, error) {
			return tx.ObjectRetries(after, limit), nil
		}, func(tx *space.Tx, id identity.ID) error {
			if failed[id] || x.removals.has(id) {
				return nil
			}
			retryObjects++
			result, err := x.sync.Object(tx, id)
			if err != nil {
				return x.end(err)
			}
			if aside, err := x.removals.note(tx, id, &result); err != nil || aside {
				return err
			}
			x.report.countOutbound(result.Outbound)
			if result.Err != nil {
				failed[id] = true
				e := x.errorRecord(result.Err)
				e.Object = id
				x.report.add(&x.report.RetryErrors, e)
			}
			return nil
		})
		if err != nil || x.processed == before && retryObjects == 0 {
			return err
		}
	}
	return nil
}
