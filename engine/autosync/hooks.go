package autosync

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Controller has a say in the runs of one agent (autosync §5). Its functions may
// be nil. They are called while the run holds its locks, for one run of the agent
// at a time, and have to keep a deadline of their own.
type Controller struct {
	// ShouldExecute is asked right before a run starts. An error keeps the run
	// back as a refusal does.
	ShouldExecute func(context.Context, Planned) (Permission, error)

	// ExecutionComplete is told how a run ended that has a record, before anything
	// follows from it. Its error is reported and changes nothing, but for an
	// [UnexpectedChange].
	ExecutionComplete func(context.Context, Planned, Outcome) error
}

// Planned is a run that is about to start, or that has just ended.
type Planned struct {
	Agent     string
	Profile   string
	Partition string // of the request, "" for all
	Exclusive bool
	Cause     Cause
}

// Permission is the answer of a controller. The zero Permission allows the run.
type Permission struct {
	Refused    bool
	Reason     string        // of the refusal, for people
	RetryAfter time.Duration // when to ask again; 0 drops a request, and asks about pending work after a while
}

// An UnexpectedChange is the error by which a hook stops an agent, or all of
// them, until an administrator resumes it: the hard stop of autosync §3.17.
type UnexpectedChange struct {
	Message string
	All     bool
}

// Error implements error.
func (e *UnexpectedChange) Error() string {
	if e.Message == "" {
		return "unexpected change"
	}
	return "unexpected change: " + e.Message
}

// errRefused is the error of a run that its controller did not allow.
var errRefused = errors.New("the controller refuses it")

// refusalPause is how long pending work waits that a controller refused without
// saying for how long.
var refusalPause = pause{first: time.Minute, most: 15 * time.Minute}

// permit asks the controller of an agent about a run. A nil error allows it.
func (s *Scheduler) permit(ctx context.Context, c Controller, p Planned) (Permission, error) {
	if c.ShouldExecute == nil {
		return Permission{}, nil
	}
	permission, err := c.ShouldExecute(ctx, p)
	switch {
	case err != nil:
		return Permission{Refused: true, Reason: err.Error()}, fmt.Errorf("shouldExecute: %w", err)
	case permission.Refused && permission.Reason != "":
		return permission, fmt.Errorf("%w: %s", errRefused, permission.Reason)
	case permission.Refused:
		return permission, errRefused
	}
	return permission, nil
}

// conclude tells the controller how a run ended, and carries out a hard stop that
// the run, or the controller, called for.
func (s *Scheduler) conclude(ctx context.Context, c Controller, p Planned, r result) {
	if c.ExecutionComplete == nil || r.outcome.Record == nil {
		return
	}
	err := c.ExecutionComplete(ctx, p, r.outcome)
	if err == nil || s.stopIfUnexpected(err, p.Agent, "executionComplete of "+p.Agent) {
		return
	}
	s.log.Error("executionComplete failed", "agent", p.Agent, "profile", p.Profile, "run", r.outcome.Run, "err", err)
	s.emit(Event{Kind: HookFailed, Agent: p.Agent, Profile: p.Profile, Run: r.outcome.Run, Reason: err.Error(), By: "executionComplete"})
}

// Unexpected carries out the hard stop that the error of a hook asks for; hook says
// which one it was. It reports whether the error is one: see [UnexpectedChange].
func (s *Scheduler) Unexpected(err error, agent, hook string) bool {
	return s.stopIfUnexpected(err, agent, hook)
}

func (s *Scheduler) stopIfUnexpected(err error, agent, hook string) bool {
	var unexpected *UnexpectedChange
	if !errors.As(err, &unexpected) {
		return false
	}
	if unexpected.All {
		agent = ""
	}
	c := Control{Agent: agent, Mode: Stopped, Reason: unexpected.Message, By: hook}
	if err := s.Control(c); err != nil {
		s.log.Error("a hard stop cannot be stored; it holds until the daemon ends", "agent", agent, "err", err)
	}
	s.cut(agent, hardStop)
	return true
}
