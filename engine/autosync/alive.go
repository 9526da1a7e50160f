package autosync

import (
	"context"
	"time"
)

// patienceWithBarrier is how long a function of a [Scheduler.Barrier] may work before
// the scheduler no longer counts as alive.
const patienceWithBarrier = time.Hour

// Alive returns nil as soon as the scheduler's loop has come round, or while it works
// on a [Scheduler.Barrier] that has not lasted for an hour. It waits for the loop
// until ctx is done, whose error it then returns; before Run or Once is called it
// waits for them.
func (s *Scheduler) Alive(ctx context.Context) error {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case s.turn <- struct{}{}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
		s.mu.Lock()
		since := s.passing
		s.mu.Unlock()
		if !since.IsZero() && s.clock().Sub(since) < patienceWithBarrier {
			return nil
		}
	}
}

// Controls returns what is paused, drained or stopped; that of all comes first.
func (s *Scheduler) Controls() []Control {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sortedControls(s.controls)
}
