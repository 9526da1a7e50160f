package autosync

import (
	"context"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

// Request asks for a run. When it returns nil the request is durable: it is
// carried out even if the process dies now, and repeated until its run comes to
// an end; one by hand ([CauseManual]) is tried once. As long as a run has not
// started, further requests for the same profile of the same agent are served by
// it; once it has, they yield exactly one later run. A request for an agent or
// a profile that does not exist is an error. With a partition, the profile may
// also be a step type: then it is the profile that does just that to the partition.
//
// A request by hand ends the back-off of what it asks for. One of a trigger
// brings the next try forward.
func (s *Scheduler) Request(r Request) error {
	s.asking.Lock()
	defer s.asking.Unlock()
	e := &entry{keep: r.Cause.Kind != CauseManual}
	e.Request, e.urgent = r, !e.keep

	s.mu.Lock()
	if err := s.settings.resolve(&e.Request); err != nil {
		s.mu.Unlock()
		return err
	}
	e.since = s.clock()
	waiting := s.queue[e.key()]
	if waiting != nil && waiting.number != 0 && (waiting.keep || !e.keep) && waiting.serves(e.Request) {
		waiting.urgent = waiting.urgent || e.urgent
	} else {
		if waiting != nil {
			e.since, e.Cause = waiting.since, waiting.Cause
			e.Exclusive, e.Immediate = e.Exclusive || waiting.Exclusive, e.Immediate || waiting.Immediate
		}
		s.numbers++
		e.number = s.numbers
		s.mu.Unlock()
		if err := saveRequest(s.store, e); err != nil {
			return err
		}
		s.mu.Lock()
		s.enqueue(e)
	}
	s.nudge(e.key(), r.Cause.Kind)
	s.mu.Unlock()
	s.signal()
	return nil
}

// Do has a run carried out and returns how it ended. It goes through the same
// queue and waits for the same locks as every other run, but is tried only once
// and not durable. An error says that there was no run, such as
// no-start-full-import-required for a synchronization while the first import of
// some agent fails. When ctx is done Do returns its error; a run that has
// started goes on. Before Run or Once is called, Do waits for it; after they
// have ended it returns [ErrStopped].
func (s *Scheduler) Do(ctx context.Context, r Request) (Outcome, error) {
	w := &waiter{done: make(chan result, 1)}
	e := &entry{waiters: []*waiter{w}}
	e.Request, e.urgent = r, true

	s.mu.Lock()
	err := s.settings.resolve(&e.Request)
	if s.state == stopped {
		err = ErrStopped
	}
	if err != nil {
		s.mu.Unlock()
		return Outcome{}, err
	}
	e.since = s.clock()
	s.enqueue(e)
	s.nudge(e.key(), CauseManual)
	s.mu.Unlock()
	s.signal()

	select {
	case r := <-w.done:
		return r.outcome, r.err
	case <-ctx.Done():
		s.abandon(e.key(), w)
		return Outcome{}, ctx.Err()
	}
}

// abandon takes back what one call of Do asked for.
func (s *Scheduler) abandon(k key, w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.queue[k]
	if e == nil {
		return
	}
	for i, other := range e.waiters {
		if other == w {
			e.waiters = append(e.waiters[:i], e.waiters[i+1:]...)
			break
		}
	}
	if len(e.waiters) == 0 && e.number == 0 && !e.first {
		delete(s.queue, k)
	}
}

// enqueue adds a request to the queue, or to the one that waits there already.
func (s *Scheduler) enqueue(e *entry) {
	waiting := s.queue[e.key()]
	if waiting == nil {
		s.queue[e.key()] = e
		return
	}
	if e.since.Before(waiting.since) {
		waiting.since, waiting.Cause = e.since, e.Cause
	}
	waiting.number = max(waiting.number, e.number)
	waiting.urgent = waiting.urgent || e.urgent
	waiting.keep = waiting.keep || e.keep
	waiting.first = waiting.first || e.first
	waiting.Exclusive = waiting.Exclusive || e.Exclusive
	waiting.Immediate = waiting.Immediate || e.Immediate
	waiting.waiters = append(waiting.waiters, e.waiters...)
}

// nudge shortens the back-off of what was asked for.
func (s *Scheduler) nudge(k key, kind string) {
	d, ok := s.delays[k]
	switch {
	case !ok:
	case kind == CauseManual:
		delete(s.delays, k)
	case kind == CauseTrigger:
		s.delays[k] = d.nudged()
	}
}

// dropUnknown removes requests for what the settings no longer have.
func (s *Scheduler) dropUnknown() {
	for k, e := range s.queue {
		err := s.settings.check(k)
		if err == nil {
			continue
		}
		delete(s.queue, k)
		e.reply(result{err: err})
		s.log.Warn("a request is dropped", "agent", k.agent, "profile", k.profile, "err", err)
		if err := settle(s.store, []*entry{e}, k.agent, noTime); err != nil {
			s.log.Error("cannot drop a request", "agent", k.agent, "profile", k.profile, "err", err)
		}
	}
}

// refuse answers those who wait for a run that will not happen before an
// administrator has done something.
func (s *Scheduler) refuse(view *situation) {
	for k, e := range s.queue {
		c, ok := view.control(k.agent)
		if !ok || len(e.waiters) == 0 {
			continue
		}
		err := fault.New("no-start-"+string(c.Mode), "it waits for %s", c.text())
		err.Agent = k.agent
		s.turnAway(e, err)
	}
	why, failed := view.hold()
	if !failed {
		return
	}
	for k, e := range s.queue {
		if len(e.waiters) == 0 || !hasKind(s.settings.steps(k), syncing) {
			continue
		}
		err := fault.New(string(run.NoStartFullImport), "it waits for %s", why)
		err.Agent = k.agent
		s.turnAway(e, err)
	}
}

// turnAway answers those who wait for a request with an error. Unless it is durable,
// nobody wants it any more.
func (s *Scheduler) turnAway(e *entry, err error) {
	e.reply(result{err: err})
	if e.number == 0 {
		delete(s.queue, e.key())
	}
}

// Wake says that the facts may have changed, because somebody else than the
// scheduler worked with the engine.
func (s *Scheduler) Wake() { s.signal() }
