package autosync

import (
	"time"

	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/run"
)

// An EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	RunStarted   EventKind = "run.started"
	RunCompleted EventKind = "run.completed" // it has a record
	RunFailed    EventKind = "run.failed"    // there was no run: it did not start
	RunRefused   EventKind = "run.refused"   // its controller did not allow it
	RunStuck     EventKind = "run.stuck"     // it takes much longer than usual
	HookFailed   EventKind = "hook.failed"   // a controller function failed
	AgentStopped EventKind = "agent.stopped" // a hook found an unexpected change
	AgentPaused  EventKind = "agent.paused"
	AgentResumed EventKind = "agent.resumed"
	StepHeld     EventKind = "step.held" // a threshold keeps a step back
	StepApproved EventKind = "step.approved"
	StepRejected EventKind = "step.rejected"
	ChainParked  EventKind = "chain.parked"  // follow-ups go round in circles
	ObjectParked EventKind = "object.parked" // what is exported to an object goes round in circles
)

// An Event is something that the scheduler did or noticed. Which fields are set
// depends on its kind.
type Event struct {
	Kind    EventKind
	At      time.Time
	Agent   string // "" is all agents
	Profile string
	Run     uint64
	Cause   Cause
	Result  run.Result
	Record  *run.Record // of RunCompleted
	Object  string      // of ObjectParked: its name
	Reason  string
	By      string // the user or the hook
	Until   time.Time

	Step hold.Step  // of StepHeld, StepApproved and StepRejected
	Hold *hold.Hold // of StepHeld: what was found
}

// emit has an event told. Events are told in the order in which they happened.
func (s *Scheduler) emit(e Event) {
	if s.onEvent == nil {
		return
	}
	e.At = s.clock()
	s.eventMu.Lock()
	defer s.eventMu.Unlock()
	s.onEvent(e)
}
