package daemon

import (
	"context"
	"fmt"
	"strings"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/store"
)

// Alive returns nil as soon as the scheduler has taken its next decision and both
// stores have let a writer in. It waits for that as long as it takes: whoever wants to
// know whether the daemon hangs sets ctx a deadline, or waits as systemd's watchdog
// does. A change of the configuration or a removal, which the scheduler waits for,
// counts as life for an hour. While Run is not at work it waits for it.
func (d *Daemon) Alive(ctx context.Context) error {
	if err := d.scheduler.Alive(ctx); err != nil {
		return fmt.Errorf("the scheduler: %w", err)
	}
	for _, st := range []store.Store{d.state, d.history} {
		tried := make(chan error, 1)
		go func() { tried <- st.Update(func(store.Tx) error { return nil }) }()
		select {
		case err := <-tried:
			if err != nil {
				return fmt.Errorf("the store: %w", err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Reload loads configuration and scripts as if they had changed. What comes of it is
// in the log and in [Status]. The error is that of ctx.
func (d *Daemon) Reload(ctx context.Context) error {
	d.reload(ctx)
	return ctx.Err()
}

// Brief says in one line how the daemon is, for service managers.
func (d *Daemon) Brief() string {
	d.mu.Lock()
	agents, triggers := len(d.active.config.Agents), len(d.active.triggers)
	generation, rejected, held := d.active.scripts.ID(), d.rejected != nil, d.held != nil
	d.mu.Unlock()
	parts := []string{fmt.Sprintf("agents: %d, triggers: %d, scripts: generation %s", agents, triggers, generation)}
	if rejected {
		parts = append(parts, "a change of configuration or scripts was refused")
	}
	if held {
		parts = append(parts, "a change of configuration or scripts is held")
	}
	kept := map[autosync.ControlMode][]string{}
	for _, c := range d.scheduler.Controls() {
		name := c.Agent
		if name == "" {
			name = "everything"
		}
		kept[c.Mode] = append(kept[c.Mode], name)
	}
	for _, mode := range []autosync.ControlMode{autosync.Stopped, autosync.Paused, autosync.Draining} {
		if names := kept[mode]; len(names) > 0 {
			parts = append(parts, string(mode)+": "+strings.Join(names, ", "))
		}
	}
	return strings.Join(parts, "; ")
}
