package daemon

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/internal/sqlconn"
	"github.com/metasync/metasync/triggers"
	"github.com/metasync/metasync/triggers/database"
)

// connectTriggers gives the triggers that watch databases what they listen to.
func (c *candidate) connectTriggers() (problems []error) {
	var names []string
	for _, d := range c.config.Scripting.SQL {
		names = append(names, d.Name)
	}
	for i := range c.triggers {
		t := &c.triggers[i]
		if t.Changes {
			if err := c.listen(t); err != nil {
				problems = append(problems, err)
			}
		}
		if t.SQL == nil {
			continue
		}
		at := slices.Index(names, t.SQL.Connection)
		if at < 0 {
			err := fault.New("unknown-connection", "trigger %q: there is no database %q", t.Name, t.SQL.Connection)
			err.Position, err.Hint = t.Position, "declare it in scripting.sql"
			if near := fault.Suggest(t.SQL.Connection, names); near != "" {
				err.Hint = fmt.Sprintf("did you mean %q?", near)
			}
			problems = append(problems, err)
			continue
		}
		declared := c.config.Scripting.SQL[at]
		source, err := sqlconn.Parse(declared.Driver, declared.DSN, c.config.Dir)
		if err != nil {
			named := fault.As(err, "bad-connection")
			named.Position = declared.Position
			problems = append(problems, named)
			continue
		}
		t.External = database.Watch(source, *t.SQL)
	}
	return problems
}

// listen has a trigger hear what the system of its agent tells.
func (c *candidate) listen(t *autosync.TriggerSpec) error {
	w := c.watcher(t.Agent)
	if w == nil {
		err := fault.New("bad-trigger", "trigger %q: the system of agent %q does not tell of changes", t.Name, t.Agent)
		err.Position = t.Position
		return err
	}
	t.External = &autosync.External{Kind: "changes", Text: "changes of " + t.Agent + " " + c.fingerprint(t.Agent)}
	if slices.Contains(c.automatic, t.Name) {
		name := t.Agent
		t.External.Watch = func(ctx context.Context, _ []byte, skip bool, report func([]byte, bool)) error {
			return c.listening.watch(ctx, name, w, skip, report)
		}
		return nil
	}
	t.External.Watch = func(ctx context.Context, _ []byte, skip bool, report func([]byte, bool)) error {
		return w.Watch(ctx, func() {
			report(autosync.Heard(), !skip)
			skip = false
		})
	}
	return nil
}

// fingerprint tells of what system an agent hears: of another one, what was heard before
// does not count.
func (c *candidate) fingerprint(name string) string {
	at := slices.IndexFunc(c.config.Agents, func(a config.Agent) bool { return a.Name == name })
	return c.config.Agents[at].Fingerprint
}

// watcher returns an agent that hears of changes, nil if it does not.
func (c *candidate) watcher(name string) agent.Watcher {
	for _, a := range c.definition.Agents {
		if w, ok := a.Agent.(agent.Watcher); ok && a.Name == name {
			return w
		}
	}
	return nil
}

// checkTrigger finds out whether what a trigger names exists.
func (c *candidate) checkTrigger(spec *autosync.TriggerSpec) error {
	if spec.Agent != "" {
		if err := c.checkTarget(spec, spec.Agent, ""); err != nil {
			return err
		}
	}
	for _, r := range spec.Run {
		r = spec.Complete(r)
		if err := c.checkTarget(spec, r.Agent, r.Profile); err != nil {
			return err
		}
	}
	if spec.After != nil {
		if err := c.checkTarget(spec, spec.After.Agent, spec.After.Run); err != nil {
			return err
		}
	}
	if spec.Webhook != nil && c.config.Console.Listen == "" {
		err := fault.New("bad-trigger", "trigger %q: a webhook needs console.listen, the address at which it is called", spec.Name)
		err.Position, err.Hint = spec.Position, "write console: {listen: 127.0.0.1:8080} in the configuration"
		return err
	}
	return nil
}

// checkTarget finds out whether an agent exists and has a run profile; "" is any.
func (c *candidate) checkTarget(spec *autosync.TriggerSpec, agent, profile string) error {
	missing := func(name, known string, names []string, format string, args ...any) error {
		err := fault.New(name, "trigger %q: "+format, append([]any{spec.Name}, args...)...)
		err.Position = spec.Position
		if near := fault.Suggest(known, names); near != "" {
			err.Hint = fmt.Sprintf("did you mean %q?", near)
		}
		return err
	}
	i := slices.IndexFunc(c.config.Agents, func(a config.Agent) bool { return a.Name == agent })
	if i < 0 {
		var names []string
		for _, a := range c.config.Agents {
			names = append(names, a.Name)
		}
		return missing("unknown-agent", agent, names, "there is no agent %q", agent)
	}
	if profile == "" {
		return nil
	}
	var names []string
	for _, p := range c.config.Agents[i].Profiles {
		if p.Name == profile {
			return nil
		}
		names = append(names, p.Name)
	}
	return missing("unknown-run-profile", profile, names, "agent %q has no run profile %q", agent, profile)
}

// triggered reports whether a trigger asks for imports of an agent in place of its
// schedule.
func (c *candidate) triggered(agent string) bool {
	return slices.ContainsFunc(c.triggers, func(t autosync.TriggerSpec) bool { return t.Agent == agent && !t.Disabled })
}

// newTriggers makes the manager of the triggers.
func (d *Daemon) newTriggers() *triggers.Manager {
	return triggers.New(triggers.Options{
		Fire: d.scheduler.Request, Event: d.triggerEvent, History: (*runHistory)(d),
		Store: d.state, Clock: d.options.Now, Log: d.options.Log,
	})
}

// triggerEvent logs what happens to triggers, and tells who wants to know.
func (d *Daemon) triggerEvent(e triggers.Event) {
	d.notices().triggerEvent(e)
	log := d.options.Log.With("agent", e.Agent, "trigger", e.Trigger)
	switch e.Kind {
	case triggers.EventFailed:
		log.Warn("a trigger failed, and will try again", "failures", e.Failures, "next", e.Next, "err", e.Err)
	case triggers.EventTerminated:
		log.Error("a trigger failed, and has ended; it begins anew when it is changed", "failures", e.Failures, "err", e.Err)
	case triggers.EventRecovered:
		log.Info("a trigger works again", "failures", e.Failures)
	case triggers.EventDropped:
		log.Debug("what happened outside of the times of a trigger is dropped")
	}
}

// happened takes an event of the scheduler: triggers may follow the end of a run.
func (d *Daemon) happened(e autosync.Event) {
	d.events.put(e)
	if e.Kind == autosync.RunCompleted && e.Record != nil {
		d.triggers.Completed(completed(e.Record))
	}
}

// Console says where the daemon listens.
func (d *Daemon) Console() config.Console { return d.current().config.Console }

// runHistory is the run history as triggers see it.
type runHistory Daemon

// Ended implements [triggers.History].
func (h *runHistory) Ended(after uint64) iter.Seq2[autosync.Completed, error] {
	return func(yield func(autosync.Completed, error) bool) {
		for record, err := range h.engine.History().Records(after) {
			if err != nil {
				yield(autosync.Completed{}, err)
				return
			}
			if record.Result != run.InProgress && !yield(completed(record), nil) {
				return
			}
		}
	}
}

// completed is a run that has ended, as triggers see it.
func completed(r *run.Record) autosync.Completed {
	return autosync.Completed{
		Run: r.Run, Agent: r.Agent, Profile: r.Profile, Cause: r.Cause, Started: r.Started, Ended: r.Ended, Result: r.Result,
	}
}
