package autosync

import (
	"maps"
	"slices"
	"time"
)

// A Lock is what keeps a run from starting that could start otherwise.
type Lock string

// The locks.
const (
	LockSync      Lock = "synchronization" // one synchronization at a time
	LockExclusive Lock = "exclusive"       // this run, or the other, wants to be alone
	LockTogether  Lock = "never-together"  // the other run is of an agent that never runs beside this one
	LockStagger   Lock = "stagger"         // the time between two starts
)

// lockOf returns what keeps two runs of different agents from overlapping, "" if they may.
func (s *Settings) lockOf(a, b work) Lock {
	switch {
	case a.exclusive, b.exclusive, s.Mode == Exclusive:
		return LockExclusive
	case a.sync && b.sync:
		return LockSync
	case s.Mode == Supported && (a.sync || b.sync):
		return LockExclusive
	}
	for _, group := range s.NeverTogether {
		if slices.Contains(group, a.agent) && slices.Contains(group, b.agent) {
			return LockTogether
		}
	}
	return ""
}

// A Waited says how long runs of an agent have waited for a lock, all together.
type Waited map[Lock]time.Duration

// countWaits adds the time since the last decision to the locks for which runs have
// waited since then.
func (s *Scheduler) countWaits(now time.Time) {
	since := s.decided
	s.decided = now
	if since.IsZero() {
		return
	}
	for _, w := range s.waiting {
		if w.Lock == "" {
			continue
		}
		if s.waited[w.Agent] == nil {
			s.waited[w.Agent] = Waited{}
		}
		s.waited[w.Agent][w.Lock] += now.Sub(since)
	}
}

// Waited returns how long the runs of each agent have waited for locks since the
// scheduler was made.
func (s *Scheduler) Waited() map[string]Waited {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]Waited, len(s.waited))
	for agent, waited := range s.waited {
		all[agent] = maps.Clone(waited)
	}
	return all
}
