package autosync

import (
	"context"
	"fmt"

	"github.com/metasync/metasync/engine/run"
)

// A Summary is what a call of Once did.
type Summary struct {
	Runs   []Completed `json:"runs"`   // in the order in which they ended
	Left   []Waiting   `json:"left"`   // what should have happened and could not
	Failed bool        `json:"failed"` // a run stopped or did not start, or something is left
	Errors bool        `json:"errors"` // a run finished with errors on some objects
}

func (s *Summary) add(c Completed, e *execution) {
	s.Runs = append(s.Runs, c)
	s.Failed = s.Failed || e.failed()
	s.Errors = s.Errors || e.outcome.withErrors()
}

// Once does all there is to do and returns: it imports every agent, fully if
// that never happened, then synchronizes, exports and confirms until nothing is
// left, and carries out the requests that an earlier scheduler left. It waits
// for no back-off; what failed once is not tried again in this call. A failure
// is in the summary. An error says that the work was given up: because ctx is
// done, because the facts cannot be read, or with ErrRunning. The summary tells
// what was done until then.
func (s *Scheduler) Once(ctx context.Context) (Summary, error) {
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
	for _, a := range s.settings.Agents {
		if profile := a.Operations[run.DeltaImport]; profile != "" && imported[a.Name] {
			e := &entry{first: true}
			e.Request = Request{Agent: a.Name, Profile: profile, Cause: Cause{Kind: CauseManual, Name: "once"}}
			e.since = s.clock()
			s.enqueue(e)
		}
	}
	s.mu.Unlock()

	err = s.loop(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		summary.Left = s.waiting
		summary.Failed = summary.Failed || len(summary.Left) > 0
	}
	return summary, err
}
