package daemon

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/autosync"
	stephold "github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/notify"
	"github.com/metasync/metasync/engine/run"
)

// Holds is what thresholds keep back, and which limits were raised. Its JSON form is
// the public one.
type Holds struct {
	Holds  []stephold.Hold   `json:"holds"`
	Raised []stephold.Raised `json:"raised"`
}

// A HoldQuery chooses holds.
type HoldQuery struct {
	Agent string `json:"agent,omitempty"` // "" is all
}

// Holds tells what thresholds hold; see [engine.Engine.Holds].
func (d *Daemon) Holds(_ context.Context, q HoldQuery) (Holds, error) {
	list, err := d.engine.Holds(q.Agent)
	if err != nil {
		return Holds{}, err
	}
	raised, err := d.engine.RaisedLimits(q.Agent)
	return Holds{list, append([]stephold.Raised{}, raised...)}, err
}

// What a [Decision] may do about what is held.
const (
	DecideApprove = "approve"
	DecideReject  = "reject"
	DecideLimits  = "reject-limits" // take back what was raised
)

// A Decision is what an administrator does about what thresholds hold of an agent.
type Decision struct {
	Do     string        `json:"do"`
	Agent  string        `json:"agent"`
	Step   stephold.Step `json:"step,omitempty"`  // "" is all that is held
	Raise  bool          `json:"raise,omitempty"` // approve from now on, not once
	Reason string        `json:"reason,omitempty"`
	User   string        `json:"user,omitempty"`
}

// Decide carries out a decision and returns what it was about. It is durable when
// Decide returns, and in the log.
func (d *Daemon) Decide(_ context.Context, by Decision) (about Holds, err error) {
	note := Note{Kind: by.Do, Agent: by.Agent, User: by.User}
	defer func() {
		note.Text = strings.TrimSuffix(about.text(by)+": "+by.Reason, ": ")
		d.did(note, nil, err)
	}()
	v := engine.Verdict{Agent: by.Agent, Step: by.Step, Raise: by.Raise, Decision: stephold.Decision{By: by.User, Reason: by.Reason}}
	kind := autosync.StepApproved
	switch by.Do {
	case DecideApprove:
		about.Holds, err = d.engine.Approve(v)
	case DecideReject:
		kind = autosync.StepRejected
		about.Holds, err = d.engine.Reject(v)
	case DecideLimits:
		about.Raised, err = d.engine.ClearRaised(by.Agent)
		return about, err
	default:
		err = fmt.Errorf("unknown decision %q", by.Do)
	}
	if err != nil {
		return about, err
	}
	for _, h := range about.Holds {
		reason := stephold.Text(h.Reasons)
		if by.Reason != "" {
			reason += ": " + by.Reason
		}
		d.scheduler.Decided(kind, &h, reason, by.User)
		if err := d.again(&h, by.User); err != nil {
			d.options.Log.Warn("what was held does not go on by itself", "agent", h.Agent, "profile", h.Profile, "err", err)
		}
	}
	d.mu.Lock()
	running := d.running
	d.mu.Unlock()
	if !running {
		d.tell(context.Background())
	}
	return about, nil
}

// again asks for the run once more of which a step was held, unless the facts do.
func (d *Daemon) again(h *stephold.Hold, user string) error {
	if h.Step != stephold.Import && h.Rules == "" {
		return nil
	}
	return d.scheduler.Request(autosync.Request{
		Agent: h.Agent, Profile: h.Profile, Cause: autosync.Cause{Kind: autosync.CauseManual, Name: "decision", User: user},
	})
}

// text says what a decision was about, for the log.
func (h *Holds) text(by Decision) string {
	var parts []string
	for _, x := range h.Holds {
		part := string(x.Step)
		if by.Raise {
			part += " raised"
		}
		parts = append(parts, part+": "+stephold.Text(x.Reasons))
	}
	for _, r := range h.Raised {
		parts = append(parts, r.String())
	}
	return strings.Join(parts, "; ")
}

// tellHeld tells of what the steps of a run that passed the scheduler by have found.
func (d *Daemon) tellHeld(ctx context.Context, record *run.Record) {
	if record == nil {
		return
	}
	for _, e := range autosync.HeldEvents(autosync.Event{Record: record}) {
		e.At = d.options.Now()
		d.events.put(e)
	}
	d.tell(context.WithoutCancel(ctx))
}

// heldStep is what is told of a step that a threshold holds.
func heldStep(record *run.Record, step *run.Report) notify.Hold {
	h := notify.Hold{
		Agent: record.Agent, Profile: record.Profile, Run: record.Run,
		Reason: string(step.Held.Step) + ": " + stephold.Text(step.Held.Reasons), At: record.Ended,
	}
	if step.Result.Severity() == run.StoppedThreshold.Severity() {
		h.Result = step.Result
	}
	for _, o := range step.Held.Objects {
		h.Objects = append(h.Objects, cmp.Or(o.DN, o.Anchor, o.ID.String())+" "+o.What)
	}
	return h
}
