package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/notify"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/triggers"
)

// notifications returns who is told what.
func (c *candidate) notifications() notify.Settings {
	s := c.config.Notify
	s.Redact = c.definition.Redact
	s.Exists = c.exists
	return s
}

// exists reports whether the configuration has what an incident is about.
func (c *candidate) exists(i notify.Incident) bool {
	if i.Kind == notify.Trigger {
		return slices.ContainsFunc(c.triggers, func(t autosync.TriggerSpec) bool { return t.Agent == i.Agent && t.Name == i.Name })
	}
	if i.Agent == "" {
		return true
	}
	at := slices.IndexFunc(c.config.Agents, func(a config.Agent) bool { return a.Name == i.Agent })
	if at < 0 {
		return false
	}
	isOfProfile := i.Kind == notify.Runs || i.Kind == notify.Stuck
	return !isOfProfile || slices.ContainsFunc(c.config.Agents[at].Profiles, func(p run.Profile) bool { return p.Name == i.Name })
}

// notices are what happens in a daemon and somebody may want to know. Only Run fills
// the outbox: what a command does by itself, it tells whoever typed it.
type notices Daemon

func (d *Daemon) notices() *notices { return (*notices)(d) }

func (n *notices) post(e notify.Event) {
	n.mu.Lock()
	running := n.running
	n.mu.Unlock()
	if running {
		n.notifier.Post(e)
	}
}

// run sends what there is to tell until ctx is done.
func (n *notices) run(ctx context.Context) error {
	n.begun()
	return n.notifier.Run(ctx)
}

// begun says whether the daemon starts with what is in its files, and brings what was
// told in line with what is known: commands may have worked meanwhile.
func (n *notices) begun() {
	stopped := map[string]bool{}
	for _, c := range n.scheduler.Status().Controls {
		if c.Mode == autosync.Stopped {
			stopped[c.Agent] = true
			n.post(notify.Stopped(c.Agent, c.Reason, c.Since))
		}
	}
	for _, i := range n.notifier.Incidents() {
		if i.Kind == notify.Stuck || i.Kind == notify.HardStop && !stopped[i.Agent] {
			n.recovered(i.Kind, i.Agent, i.Name)
		}
	}
	n.triggersWork()
	n.parkedNoMore()
	n.mu.Lock()
	rejected := n.rejected
	n.mu.Unlock()
	if rejected != nil {
		n.refused(rejected.err)
		return
	}
	n.filesRead()
}

// runEnded says that a run has ended, however it did, and before that what thresholds
// hold of it.
func (n *notices) runEnded(record *run.Record) {
	for _, step := range record.Steps {
		if step.Held != nil && step.Held.Rejected == nil {
			n.Held(heldStep(record, step))
		}
	}
	n.post(notify.RunEnded(record))
}

// notStarted says that there was no run. One that gave way to another one, or to the
// end of the daemon, comes again.
func (n *notices) notStarted(ctx context.Context, agent, profile string, err error) {
	if ctx.Err() == nil && !errors.Is(err, run.ErrBusy) {
		n.post(notify.NotStarted(agent, profile, err, n.options.Now()))
	}
}

// refused says that a change of configuration or scripts did not take effect.
func (n *notices) refused(err error) { n.post(notify.Refused(err, n.options.Now())) }

// filesRead says that what is in the files is in force; or else that it is held, unless
// somebody has decided that it shall stay out.
func (n *notices) filesRead() {
	held := (*Daemon)(n).heldNow()
	switch {
	case held == nil:
		n.post(notify.Recovered(notify.Configuration, "", "", n.options.Now()))
	case held.Rejected != nil:
		n.post(notify.ChangeRejected(held.Rejected.User, held.Rejected.At))
	default:
		n.post(notify.ChangeHeld(heldChange(held)))
	}
}

// heldChange is a change that is held, as it is told.
func heldChange(h *Held) notify.Change {
	c := notify.Change{Generation: h.Generation, Running: h.Running, At: h.At, More: h.Deletes - len(h.First)}
	objects := "objects"
	if h.Deletes == 1 {
		objects = "object"
	}
	c.Reason = fmt.Sprintf("%d %s would newly be deleted or disconnected, of %d of %d objects looked at; scripting.guard.deletes allows %d",
		h.Deletes, objects, h.Looked, h.Objects, h.Limit)
	for _, f := range h.Changed {
		c.Files = append(c.Files, f.File+": "+f.Change)
	}
	for _, o := range h.First {
		c.Objects = append(c.Objects, strings.TrimSpace(fmt.Sprintf("%s %s %s: %s", o.Agent, o.Object, o.DN, o.Text)))
	}
	return c
}

// triggerFailed says that a trigger failed, or was given up.
func (n *notices) triggerFailed(agent, name, kind string, err error, terminated bool) {
	n.post(notify.TriggerFailed(agent, name, kind, err, terminated, n.options.Now()))
}

// recovered says that something works again: a trigger, an agent that was stopped, a
// run that was stuck, an object that was parked.
func (n *notices) recovered(kind notify.Kind, agent, name string) {
	n.post(notify.Recovered(kind, agent, name, n.options.Now()))
}

// Held says that a step waits for somebody to say that it may go on.
func (n *notices) Held(h notify.Hold) { n.post(notify.Held(h)) }

// Released says that somebody approved or rejected what was held.
func (n *notices) Released(agent, profile, how string) {
	n.post(notify.Released(agent, profile, how, n.options.Now()))
}

// happened tells of what the scheduler did or noticed. Runs that have ended are told
// by runEnded, before anything follows from them.
func (n *notices) happened(e autosync.Event) {
	switch e.Kind {
	case autosync.AgentStopped:
		n.post(notify.Stopped(e.Agent, e.Reason, e.At))
	case autosync.AgentResumed:
		n.recovered(notify.HardStop, e.Agent, "")
	case autosync.RunStuck:
		n.post(notify.RunStuck(e.Agent, e.Profile, e.Reason, e.At))
	case autosync.RunCompleted, autosync.RunFailed:
		n.recovered(notify.Stuck, e.Agent, e.Profile)
		n.parkedNoMore()
	case autosync.ObjectParked:
		n.Parked(e.Agent, e.Object, e.Reason)
	case autosync.ChainParked:
		n.post(notify.ChainParked(e.Agent, e.Profile, e.Reason, e.Until, e.At))
	case autosync.StepApproved, autosync.StepRejected:
		how := "approved"
		if e.Kind == autosync.StepRejected {
			how = "rejected"
		}
		if e.By != "" {
			how += " by " + e.By
		}
		n.Released(e.Agent, e.Profile, how)
	case autosync.HookFailed:
		n.post(notify.HookFailed(e.Agent, e.By, e.Reason, e.At))
	}
}

// Parked says that an object is left alone until somebody looks at it.
func (n *notices) Parked(agent, object, reason string) {
	n.post(notify.ObjectParked(agent, object, reason, n.options.Now()))
}

// parkedNoMore says of objects that were parked that they no longer are: another change
// came, somebody released them, or they are gone.
func (n *notices) parkedNoMore() {
	known := map[string]map[string]bool{} // by agent: what is called parked
	for _, i := range n.notifier.Incidents() {
		if i.Kind != notify.Parked || (*Daemon)(n).isProfile(i.Agent, i.Name) {
			continue
		}
		if known[i.Agent] == nil {
			known[i.Agent] = map[string]bool{}
			list, err := n.engine.Parked(i.Agent)
			if err != nil {
				n.options.Log.Error("it is not known which objects are parked", "agent", i.Agent, "err", err)
				return
			}
			for _, p := range list {
				known[i.Agent][p.Name()] = true
			}
		}
		if !known[i.Agent][i.Name] {
			n.recovered(notify.Parked, i.Agent, i.Name)
		}
	}
}

// isProfile reports whether a name is that of a run profile of an agent.
func (d *Daemon) isProfile(agent, name string) bool {
	return slices.ContainsFunc(d.current().config.Agents, func(a config.Agent) bool {
		return a.Name == agent && slices.ContainsFunc(a.Profiles, func(p run.Profile) bool { return p.Name == name })
	})
}

// triggerEvent says which triggers fail, and which work again.
func (n *notices) triggerEvent(e triggers.Event) {
	switch e.Kind {
	case triggers.EventFailed, triggers.EventTerminated:
		n.triggerFailed(e.Agent, e.Trigger, n.triggerKind(e.Agent, e.Trigger), e.Err, e.Kind == triggers.EventTerminated)
	case triggers.EventRecovered:
		n.recovered(notify.Trigger, e.Agent, e.Trigger)
	}
}

// triggersWork says of triggers that are called failed that they are not: nobody told
// of it before the daemon ended.
func (n *notices) triggersWork() {
	incidents := n.notifier.Incidents()
	health := n.triggers.Health()
	for _, i := range incidents {
		works := func(h triggers.Health) bool { return h.Agent == i.Agent && h.Name == i.Name && h.Failures == 0 }
		if i.Kind == notify.Trigger && slices.ContainsFunc(health, works) {
			n.recovered(i.Kind, i.Agent, i.Name)
		}
	}
}

// triggerKind says what a trigger waits for.
func (n *notices) triggerKind(agent, name string) string {
	for _, t := range (*Daemon)(n).current().triggers {
		if t.Agent != agent || t.Name != name {
			continue
		}
		switch {
		case t.Check != nil:
			return "script"
		case t.Cron != "":
			return "cron"
		case t.Every > 0:
			return "interval"
		}
		return triggers.KindOf(&t)
	}
	return ""
}

// CloseIncident ends an open incident for the given user; see [notify.Notifier.Close].
func (d *Daemon) CloseIncident(_ context.Context, q IncidentClosing) (*notify.Incident, error) {
	closed, err := d.notifier.Close(q.Incident, q.User, q.Reason)
	if err != nil {
		return nil, err
	}
	text := closed.Key()
	if q.Reason != "" {
		text += ": " + q.Reason
	}
	return closed, d.note(Note{Kind: "notify-close", Agent: closed.Agent, User: q.User, Text: text})
}

// An IncidentClosing says which incident is over, and who says so.
type IncidentClosing struct {
	Incident string `json:"incident"` // its id, or its key
	User     string `json:"user"`
	Reason   string `json:"reason,omitempty"`
}

// NotifyTest sends a test message through every channel; see [notify.Notifier.Test].
func (d *Daemon) NotifyTest(ctx context.Context, to string) ([]notify.Trial, error) {
	return d.notifier.Test(ctx, to)
}
