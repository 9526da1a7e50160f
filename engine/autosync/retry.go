package autosync

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/metasync/metasync/engine/run"
)

// Retry says how runs are tried again that stopped with certain results. Every
// other failure is tried again after a growing time, from seconds to minutes.
type Retry struct {
	Results []run.Result
	Times   int           // after that, such a failure is like every other; negative is for ever
	Wait    time.Duration // before the first try; before the n-th it is n times as long
}

// wait returns how long to wait after the n-th failure in a row with a result, and
// whether the result is listed. It varies by a tenth, so that what failed together
// is not tried together.
func (r Retry) wait(result run.Result, n int) (time.Duration, bool) {
	if !slices.Contains(r.Results, result) || r.Times >= 0 && n > r.Times {
		return 0, false
	}
	d := r.Wait * time.Duration(n)
	return d + time.Duration((rand.Float64()-0.5)/5*float64(d)), true
}

// DefaultStuckAfter is how long a run may take before it is reported as stuck,
// unless the settings say otherwise. A run that usually takes longer may take
// stuckFactor times its usual time.
const (
	DefaultStuckAfter = time.Hour
	stuckFactor       = 3
)

// watchdog reports runs that take much longer than they should. It leaves them
// alone: a run that is slow may still be right.
func (s *Scheduler) watchdog() {
	s.mu.Lock()
	now := s.clock()
	var stuck []*execution
	for _, e := range s.running {
		if !e.stuck && now.Sub(e.started) >= s.patienceWith(e) {
			e.stuck = true
			stuck = append(stuck, e)
		}
	}
	s.mu.Unlock()
	for _, e := range stuck {
		took := now.Sub(e.started).Round(time.Second)
		s.log.Warn("a run takes very long", "agent", e.agent, "profile", e.profile, "for", took)
		s.emit(Event{Kind: RunStuck, Agent: e.agent, Profile: e.profile, Cause: e.cause, Reason: "it has been running for " + took.String()})
	}
}

// patienceWith returns how long a run may take before it counts as stuck.
func (s *Scheduler) patienceWith(e *execution) time.Duration {
	limit := s.settings.StuckAfter
	if limit == 0 {
		limit = DefaultStuckAfter
	}
	return max(limit, stuckFactor*s.usual[e.key])
}
