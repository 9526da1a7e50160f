package autosync

import (
	"context"
	"time"
)

var noTime time.Time

// A barrier is a function that is to be called while nothing runs.
type barrier struct {
	fn   func() error
	done chan error // holds one
}

// Barrier calls fn while no run is active and returns its error: configuration
// and scripts are replaced so. No run starts before fn was called, so that it
// has its turn as soon as what runs now has ended. fn may call
// [Scheduler.SetSettings] and [Scheduler.Request], but neither Do,
// Settle nor Barrier.
//
// When ctx is done before fn was called, it is not called and Barrier returns
// the error of ctx. Before Run or Once is called, Barrier waits for it; after
// they have ended it returns [ErrStopped].
func (s *Scheduler) Barrier(ctx context.Context, fn func() error) error {
	b := &barrier{fn: fn, done: make(chan error, 1)}
	s.mu.Lock()
	if s.state == stopped {
		s.mu.Unlock()
		return ErrStopped
	}
	s.barriers = append(s.barriers, b)
	s.mu.Unlock()
	s.signal()
	select {
	case err := <-b.done:
		return err
	case <-ctx.Done():
	}
	s.mu.Lock()
	for i, other := range s.barriers {
		if other == b {
			s.barriers = append(s.barriers[:i], s.barriers[i+1:]...)
			s.mu.Unlock()
			s.signal()
			return ctx.Err()
		}
	}
	s.mu.Unlock()
	return <-b.done // it has begun
}

// passBarriers calls what waits for nothing to run, if nothing runs.
func (s *Scheduler) passBarriers() {
	for {
		s.mu.Lock()
		if len(s.running) > 0 || len(s.barriers) == 0 {
			s.mu.Unlock()
			return
		}
		b := s.barriers[0]
		s.barriers = s.barriers[1:]
		s.passing = s.clock()
		s.mu.Unlock()
		err := b.fn()
		s.mu.Lock()
		s.passing = noTime
		s.mu.Unlock()
		b.done <- err
	}
}

// SetSettings replaces the settings. Called within a [Scheduler.Barrier], no
// run sees the change. Requests for what they no longer have are dropped. On
// error, for contradictory settings, the old ones stay.
func (s *Scheduler) SetSettings(settings Settings) error {
	if err := settings.validate(); err != nil {
		return err
	}
	s.mu.Lock()
	s.settings = settings
	s.mu.Unlock()
	s.signal()
	return nil
}

// Anew says that somebody has put something right that failures may have come from:
// all that waits for a back-off, or for a controller, is tried at once, as if for the first time.
func (s *Scheduler) Anew() {
	s.mu.Lock()
	clear(s.delays)
	now := s.clock()
	for k, r := range s.retries {
		s.retries[k] = retry{failed: r.failed, next: now}
	}
	s.mu.Unlock()
	s.signal()
}
