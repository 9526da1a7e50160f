package autosync

import (
	"fmt"
	"slices"
	"time"

	"github.com/metasync/metasync/engine/run"
)

// learn compares the facts with those from before the runs that have ended:
// what they left, whether they got anywhere, and what is due again when.
func (s *Scheduler) learn(facts map[string]Facts, now time.Time) {
	for _, e := range s.judge {
		if e.outcome.Run != 0 {
			s.trace(e, facts, now)
		}
		if e.failed() {
			continue
		}
		before, after := e.before[e.agent], facts[e.agent]
		// Of runs that overlap nobody can say whose doing the facts are: while one
		// exports, a synchronization stages the next changes.
		if !e.overlapped && stalled(e.steps, before, after) {
			s.postpone(e.key, stallPause, now, fmt.Sprintf("it ended with %q and left all that it was for", e.outcome.Result))
			s.readAll(e, after)
		} else {
			for k := range s.delays {
				if k == e.key || k.agent == e.agent && covers(s.settings.wholeSteps(e.key), s.settings.wholeSteps(k)) {
					delete(s.delays, k)
				}
			}
		}
		if hasKind(e.steps, syncing) {
			s.tried(retryKey{e.agent, syncing}, after.FailedImports, e.seen[syncing], now)
		}
		if hasKind(e.steps, exporting) {
			s.tried(retryKey{e.agent, exporting}, after.FailedExports, e.seen[exporting], now)
		}
		if e.moves(after) {
			s.proceed(e, now)
		}
	}
	s.judge = nil
	s.facts = facts
	for agent, f := range facts {
		from := s.origins[agent]
		if f.PendingImports == 0 {
			from.imports = origin{}
		}
		if f.PendingExports == 0 {
			from.exports = origin{}
		}
		if f.Unconfirmed == 0 && !f.Stale {
			from.unconfirmed = origin{}
		}
		if !f.NeedsJoin {
			from.partners = origin{}
		}
		s.origins[agent] = from
		s.expect(retryKey{agent, syncing}, f.FailedImports, now)
		s.expect(retryKey{agent, exporting}, f.FailedExports, now)
	}
}

// readAll has an agent imported fully whose delta import did not show what was
// exported: a change that changed nothing, because the system was so already, is in
// no change log.
func (s *Scheduler) readAll(e *execution, after Facts) {
	a, found := s.settings.agent(e.agent)
	full := a.Operations[run.FullImport]
	if found && after.Unconfirmed > 0 && slices.Contains(e.steps, run.DeltaImport) && full != "" && full != e.profile {
		s.fullOnly[e.agent] = e.outcome.Run
	}
}

// stalled reports whether a run that came to its end left all that it was to
// do. Without this check a fault in the engine would have it repeated at once,
// for ever.
func stalled(steps []run.StepType, before, after Facts) bool {
	same := func(before, after int) bool { return before > 0 && after >= before }
	return slices.ContainsFunc(steps, func(t run.StepType) bool {
		switch t {
		case run.FullImport:
			return !after.Imported || before.Outnamed && after.Outnamed || before.NeedsFullImport && after.NeedsFullImport || same(before.Unconfirmed, after.Unconfirmed) || before.Stale && after.Stale
		case run.DeltaImport:
			return same(before.Unconfirmed, after.Unconfirmed) || before.Stale && after.Stale
		case run.FullSync:
			return before.NeedsFullSync && after.NeedsFullSync || same(before.PendingImports, after.PendingImports)
		case run.Resync:
			return same(len(before.Outdated), len(after.Outdated))
		case run.DeltaSync:
			return same(before.PendingImports, after.PendingImports) || before.NeedsJoin && after.NeedsJoin && before.PendingImports == 0
		case run.Export:
			return same(before.PendingExports, after.PendingExports)
		}
		return false
	})
}

// trace notes which run the pending work of the agents comes from.
func (s *Scheduler) trace(e *execution, facts map[string]Facts, now time.Time) {
	o := origin{run: e.outcome.Run, depth: e.depth, at: now}
	own, before, after := s.origins[e.agent], e.before[e.agent], facts[e.agent]
	if hasKind(e.steps, importing) && after.PendingImports != before.PendingImports {
		own.imports = o
	}
	if hasKind(e.steps, exporting) {
		own.unconfirmed = o
	}
	s.origins[e.agent] = own
	if !hasKind(e.steps, syncing) {
		return
	}
	for agent, f := range facts {
		if f.PendingExports > e.before[agent].PendingExports {
			target := s.origins[agent]
			target.exports = o
			s.origins[agent] = target
		}
		if f.NeedsJoin && !e.before[agent].NeedsJoin {
			seeker := s.origins[agent]
			seeker.partners = o
			s.origins[agent] = seeker
		}
	}
}

// moves reports whether a run changed something that objects may have waited for
// which failed. What was exported is believed when an import has seen it, or when
// none has to.
func (e *execution) moves(after Facts) bool {
	before := e.before[e.agent]
	switch {
	case hasKind(e.steps, importing), hasKind(e.steps, syncing):
		left := func(f Facts) int {
			return f.Unconfirmed + f.PendingImports + f.FailedImports + f.PendingExports + f.FailedExports
		}
		confirmed := !hasKind(e.steps, syncing) && before.Unconfirmed > after.Unconfirmed && left(before) > left(after)
		return e.outcome.Changed || confirmed
	}
	return e.outcome.Changed && after.Unconfirmed == 0
}

// proceed has failed objects tried again at once for which a run has changed
// something: an import of a system what was to be exported to it, and every run
// what was to be synchronized. A run itself has tried what it is about.
func (s *Scheduler) proceed(e *execution, now time.Time) {
	for _, a := range s.settings.Agents {
		if a.Name != e.agent || !hasKind(e.steps, syncing) {
			s.hasten(retryKey{a.Name, syncing}, now)
		}
	}
	if hasKind(e.steps, importing) && !hasKind(e.steps, exporting) {
		s.hasten(retryKey{e.agent, exporting}, now)
	}
}

// hasten brings the next try of failed objects forward, unless several such tries
// in a row were in vain.
func (s *Scheduler) hasten(k retryKey, now time.Time) {
	s.progress[k]++
	if r, known := s.retries[k]; known {
		s.retries[k] = r.hastened(now)
	}
}

// tried notes that a run has tried failed objects again; seen is the progress when
// it began. What changed meanwhile may have come too late for it.
func (s *Scheduler) tried(k retryKey, failed int, seen uint64, now time.Time) {
	r := s.retries[k].again(failed, now)
	if s.once != nil {
		r.next = never
	}
	if s.progress[k] != seen {
		r = r.hastened(now)
	}
	s.retries[k] = r
}

// expect sets a time for failed objects that have none, and forgets those that
// are gone. A call of Once tries at once what failed before it.
func (s *Scheduler) expect(k retryKey, failed int, now time.Time) {
	_, known := s.retries[k]
	switch {
	case failed == 0:
		delete(s.retries, k)
	case known:
	case s.once != nil:
		s.retries[k] = retry{failed: failed, next: now}
	default:
		s.retries[k] = retry{}.again(failed, now)
	}
}
