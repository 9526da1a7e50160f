package daemon

import (
	"context"
	"encoding/json"
	"slices"
	"sync"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/scripting"
	"github.com/metasync/metasync/triggers"
)

// The hooks of scripts: controllers and triggers, which may stop everything, and
// functions that hear of events.

// surroundings are what hooks reach.
func (d *Daemon) surroundings() scripting.Surroundings {
	return scripting.Surroundings{
		State: func(kind, name string) autosync.State { return triggers.StateOf(d.state, kind, name) },
		Details: func(run uint64, counter string, step, limit int) ([]byte, error) {
			details, err := d.engine.Details(engine.DetailQuery{Run: run, Counter: counter, Step: step, Limit: limit})
			if err != nil {
				return nil, err
			}
			if details == nil {
				details = []engine.DetailView{}
			}
			return json.Marshal(details)
		},
	}
}

// settings are those of a candidate, with the controllers of its scripts.
func (d *Daemon) settings(c *candidate) autosync.Settings {
	s := c.settings
	s.Agents = slices.Clone(s.Agents)
	d.choose(c, &s)
	controllers := c.scripts.Controllers(d.surroundings())
	for i := range s.Agents {
		s.Agents[i].Controller = redactedController(controllers[s.Agents[i].Name], c.config.Secrets)
	}
	return s
}

// redactedController returns a controller with errors and reasons that show no secret.
func redactedController(c autosync.Controller, secrets []string) autosync.Controller {
	if len(secrets) == 0 {
		return c
	}
	if should := c.ShouldExecute; should != nil {
		c.ShouldExecute = func(ctx context.Context, p autosync.Planned) (autosync.Permission, error) {
			permission, err := should(ctx, p)
			permission.Reason = config.Redact(secrets, permission.Reason)
			return permission, redactedError(err, secrets)
		}
	}
	if complete := c.ExecutionComplete; complete != nil {
		c.ExecutionComplete = func(ctx context.Context, p autosync.Planned, o autosync.Outcome) error {
			return redactedError(complete(ctx, p, o), secrets)
		}
	}
	return c
}

// supervised are the triggers of a candidate, whose checks may stop an agent or all.
func (d *Daemon) supervised(c *candidate) []autosync.TriggerSpec {
	c.listening = d.listening
	specs := make([]autosync.TriggerSpec, len(c.triggers))
	for i, spec := range c.triggers {
		specs[i] = spec
		if spec.Check == nil {
			continue
		}
		specs[i].Check = func(ctx context.Context, on autosync.Occasion) ([]autosync.Request, error) {
			requests, err := spec.Check(ctx, on)
			if err != nil {
				d.scheduler.Unexpected(err, spec.Agent, "trigger "+spec.Name)
			}
			return requests, err
		}
	}
	return specs
}

// A mailbox holds the events that nobody was told of yet.
type mailbox struct {
	mu     sync.Mutex
	events []autosync.Event
	wake   chan struct{} // holds one
}

func (m *mailbox) put(e autosync.Event) {
	m.mu.Lock()
	m.events = append(m.events, e)
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *mailbox) take() []autosync.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	events := m.events
	m.events = nil
	return events
}

// deliver tells of events until ctx is done, and then of those that are left.
func (d *Daemon) deliver(ctx context.Context) error {
	for {
		d.tell(context.WithoutCancel(ctx))
		select {
		case <-ctx.Done():
			d.tell(context.WithoutCancel(ctx))
			return nil
		case <-d.events.wake:
		}
	}
}

// tell tells of the events that have happened until now. What a script does about
// them is bounded by the deadline of hooks.
func (d *Daemon) tell(ctx context.Context) {
	for _, e := range d.events.take() {
		d.noteEvent(e)
		d.notices().happened(e)
		d.tellScripts(ctx, e)
	}
}

func (d *Daemon) tellScripts(ctx context.Context, e autosync.Event) {
	c, done := d.acquire()
	defer done()
	if !c.scripts.Hears(e.Kind) {
		return
	}
	err := redactedError(c.scripts.Tell(ctx, d.surroundings(), e), c.config.Secrets)
	if err != nil && !d.scheduler.Unexpected(err, e.Agent, "on "+string(e.Kind)) {
		d.options.Log.Error("a script that heard of an event failed", "event", e.Kind, "agent", e.Agent, "err", err)
	}
}
