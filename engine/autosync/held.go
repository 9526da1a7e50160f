package autosync

import (
	"cmp"
	"slices"

	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/run"
)

// heldBack says why a threshold keeps a run back, "" if none does. What somebody asks
// for by hand is started all the same: the step compares anew, before it does anything.
// So is an import for which a trigger asks: its source is another one by now.
func (s *situation) heldBack(w want) string {
	held := s.facts[w.agent].Held
	if len(held) == 0 || w.cause.Kind == CauseManual {
		return ""
	}
	steps := s.settings.steps(w.key)
	for _, h := range held {
		looks := h.Step == hold.Import && w.cause.Kind == CauseTrigger
		if !looks && hasKind(steps, kindOfHeld(h.Step)) {
			return h.Reason
		}
	}
	return ""
}

func kindOfHeld(step hold.Step) kind {
	switch step {
	case hold.Import:
		return importing
	case hold.Sync:
		return syncing
	}
	return exporting
}

// held reports whether a threshold holds what the run found. Nobody has to ask for it
// again: it goes on once somebody has decided.
func (e *execution) held() bool {
	return e.outcome.Record != nil && slices.ContainsFunc(e.outcome.Record.Steps, func(r *run.Report) bool { return r.Held != nil })
}

// HeldEvents returns the events of what the steps of a run have found that a threshold
// holds, of the event of that run; none for what was known before.
func HeldEvents(e Event) []Event {
	if e.Record == nil {
		return nil
	}
	var events []Event
	for _, report := range e.Record.Steps {
		if report.Held != nil && !report.HeldBefore {
			events = append(events, HeldEvent(e.Record, report))
		}
	}
	return events
}

// HeldEvent returns the event of a step that a threshold holds.
func HeldEvent(record *run.Record, report *run.Report) Event {
	return Event{
		Kind: StepHeld, Agent: cmp.Or(report.Agent, record.Agent), Profile: record.Profile, Run: record.Run, Cause: record.Cause,
		Result: report.Result, Reason: hold.Text(report.Held.Reasons), Step: report.Held.Step, Hold: report.Held,
	}
}

// Decided tells the scheduler that somebody has approved or rejected a hold: kind is
// StepApproved or StepRejected. The agent is looked at anew, without a back-off.
func (s *Scheduler) Decided(kind EventKind, h *hold.Hold, reason, by string) {
	s.mu.Lock()
	for k := range s.delays {
		if k.agent == h.Agent {
			delete(s.delays, k)
		}
	}
	s.mu.Unlock()
	s.emit(Event{Kind: kind, Agent: h.Agent, Profile: h.Profile, Run: h.Run, Step: h.Step, Reason: reason, By: by})
	s.signal()
}
