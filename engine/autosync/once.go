package autosync

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/metasync/metasync/engine/run"
)

// A Summary is what a call of Once or Settle did.
type Summary struct {
	Runs   []Completed `json:"runs"`   // in the order in which they ended
	Left   []Waiting   `json:"left"`   // what should have happened and could not, but for objects with errors
	Failed bool        `json:"failed"` // a run stopped or did not start, or something is left
	Errors bool        `json:"errors"` // a run finished with errors on some objects, and no later one overcame them

	errors map[retryKey]bool // whose last run finished so
	full   map[string]bool   // agents that need a full import, and have not had it
}

func (s *Summary) add(c Completed, e *execution) {
	s.Runs = append(s.Runs, c)
	if s.errors == nil {
		s.errors, s.full = map[retryKey]bool{}, map[string]bool{}
	}
	full := slices.Contains(e.steps, run.FullImport)
	switch {
	case e.outcome.Result == run.NoStartFullImport && !full:
		s.full[e.agent] = true // it follows by itself
	case e.failed():
		s.Failed = true
	case full:
		delete(s.full, e.agent)
	}
	for _, k := range []kind{importing, syncing, exporting} {
		if !hasKind(e.steps, k) || e.failed() {
			continue
		}
		at := retryKey{e.agent, k}
		// Synchronization and export try all again that failed; an import need not
		// read again what was wrong.
		s.errors[at] = e.outcome.withErrors() || k == importing && s.errors[at]
	}
	s.Errors = false
	for _, failed := range s.errors {
		s.Errors = s.Errors || failed
	}
}

func (s *Summary) leave(waiting []Waiting) {
	s.Failed = s.Failed || len(s.full) > 0
	for _, w := range waiting {
		if w.Cause.Kind != CauseRetry {
			s.Left = append(s.Left, w)
			s.Failed = true
		}
	}
}

// A Sweep says how much Once and Settle look at.
type Sweep string

// The sweeps.
const (
	Changes    Sweep = "changes" // what has changed, as the delta imports of the agents tell
	Everything Sweep = "everything"
)

// Once does all there is to do and returns: it imports every agent, fully if
// that never happened or everything is looked at (and then synchronizes it fully), then synchronizes, exports and confirms until nothing is
// left, and carries out the requests that an earlier scheduler left. It waits
// for no back-off; what failed once is not tried again in this call, but for single
// objects once something has changed that may have been in their way. A failure is
// in the summary. An error says that the work was given up: because ctx is done,
// because the facts cannot be read, or with ErrRunning. The summary tells what was
// done until then.
func (s *Scheduler) Once(ctx context.Context, sweep Sweep) (Summary, error) {
	var summary Summary
	if err := s.begin(&summary); err != nil {
		return summary, err
	}
	defer s.end()
	list, err := s.engine.Facts()
	if err != nil {
		return summary, fmt.Errorf("reading what is to be done: %w", err)
	}
	imported := map[string]bool{}
	for _, f := range list {
		imported[f.Agent] = f.Imported
	}
	s.mu.Lock()
	s.sweep(sweep, func(a AgentSettings) bool { return imported[a.Name] })
	s.mu.Unlock()

	err = s.loop(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		summary.leave(s.waiting)
	}
	return summary, err
}

// sweep asks for an import of the agents that were imported before, and if everything
// is looked at for a full synchronization. The others are imported, and synchronized,
// fully in any case.
func (s *Scheduler) sweep(sweep Sweep, imported func(AgentSettings) bool) {
	now := s.clock()
	ask := func(agent, profile string, since time.Time, first bool) {
		if profile == "" {
			return
		}
		e := &entry{first: first}
		e.Request = Request{Agent: agent, Profile: profile, Cause: Cause{Kind: CauseManual, Name: "once"}}
		e.since, e.urgent = since, true
		s.enqueue(e)
		s.nudge(e.key(), CauseManual)
	}
	for _, a := range s.settings.Agents {
		switch {
		case !imported(a):
		case sweep == Everything:
			ask(a.Name, a.Operations[run.FullImport], now, true)
			ask(a.Name, a.Operations[run.FullSync], now.Add(1), false) // after the import
		default:
			ask(a.Name, a.Operations[run.DeltaImport], now, true)
		}
	}
}

// A settling is a call of Settle. Its summary grows until it is done.
type settling struct {
	summary Summary
	done    chan error // holds one
}

// Settle is what Once does, for a scheduler that is running: it has every agent
// imported and waits until nothing runs and nothing can start, whoever asked for
// it. Back-offs of runs go on; what waits for one is left. Objects that failed are tried
// once more, so that the summary tells of them. Everything that ran meanwhile is in it.
// When ctx is done, Settle returns its error and what was done until then; the work goes
// on. Before Run is called Settle waits for it; when it ends, Settle returns [ErrStopped].
func (s *Scheduler) Settle(ctx context.Context, sweep Sweep) (Summary, error) {
	w := &settling{done: make(chan error, 1)}
	s.mu.Lock()
	if s.state == stopped {
		s.mu.Unlock()
		return w.summary, ErrStopped
	}
	s.sweep(sweep, func(a AgentSettings) bool { return s.facts == nil || s.facts[a.Name].Imported })
	now := s.clock()
	for k, r := range s.retries {
		if r.next.After(now) {
			r.next = now
			s.retries[k] = r
		}
	}
	s.settling = append(s.settling, w)
	s.mu.Unlock()
	s.signal()

	var err error
	select {
	case err = <-w.done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settling = slices.DeleteFunc(s.settling, func(other *settling) bool { return other == w })
	return w.summary, err
}

// atRest answers the calls of Settle.
func (s *Scheduler) atRest() {
	for _, w := range s.settling {
		w.summary.leave(s.waiting)
		w.done <- nil
	}
	s.settling = nil
}
