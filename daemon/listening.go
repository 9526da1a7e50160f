package daemon

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/fault"
)

// Whether a server tells of changes is known only when it is asked. So a source that
// nobody gave a trigger, and whose kind can hear of changes, is listened to; while its
// server says that it cannot tell, it is polled, and asked again with each look.

// How an automatic trigger finds changes.
const (
	ByFiles        = "files"        // they are watched
	ByNotification = "notification" // the system tells
	ByPolling      = "polling"      // the system cannot tell
)

// A Choice is how an automatic trigger finds changes, and why. Its JSON form is the
// public one.
type Choice struct {
	By    string    `json:"by,omitempty"`    // "" as long as nobody has asked the system
	Every string    `json:"every,omitempty"` // how often, of polling
	Why   string    `json:"why"`
	Since time.Time `json:"since,omitzero"`
}

// unheard is how long a system that tells of changes may say nothing before it is
// looked at all the same: a connection may be dead, and nobody know.
const unheard = longest

// automaticPause is the least time between two imports of what a system tells.
const automaticPause = 10 * time.Second

// listening listens to the systems of agents that nobody gave a trigger. It goes on over
// reloads.
type listening struct {
	every func(agent string) time.Duration // how often to poll
	now   func() time.Time
	log   *slog.Logger

	mu      sync.Mutex
	choices map[string]Choice // by agent
}

func (d *Daemon) newListening() *listening {
	every := func(agent string) time.Duration {
		every, _, err := d.suggest(agent)
		if err != nil {
			d.options.Log.Warn("the polling interval cannot be chosen from the run history", "agent", agent, "err", err)
			return autosync.DefaultImportInterval
		}
		return every
	}
	return &listening{every: every, now: d.options.Now, log: d.options.Log, choices: map[string]Choice{}}
}

// choice returns what was found about the system of an agent.
func (l *listening) choice(agent string) Choice {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, known := l.choices[agent]
	if !known {
		c.Why = "the system is asked whether it tells of changes as soon as a daemon runs"
	}
	return c
}

// chose notes how changes are found, and reports whether that is new.
func (l *listening) chose(agent string, c Choice) (changed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.choices[agent]
	c.Since = before.Since
	if changed = before.By != c.By; changed {
		c.Since = l.now()
	}
	l.choices[agent] = c
	return changed
}

// watch reports when the system of an agent tells of changes, and where it cannot, when
// it is time to look. It is [autosync.External.Watch].
func (l *listening) watch(ctx context.Context, name string, w agent.Watcher, skip bool, report func([]byte, bool)) error {
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	heard, ended := make(chan struct{}, 1), make(chan error, 1)
	ask := func() {
		asking.Go(func() {
			ended <- w.Watch(ctx, func() {
				select {
				case heard <- struct{}{}:
				default: // several changes are one
				}
			})
		})
	}
	ask()
	asked := true
	next := time.NewTimer(l.every(name)) // until it has told anything
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-heard:
			if l.chose(name, Choice{By: ByNotification, Why: "the system tells of changes"}) {
				l.log.Info("the system tells of changes", "agent", name)
			}
			report(autosync.Heard(), !skip)
			skip = false
			next.Reset(unheard)
		case err := <-ended:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			asked = false
			every := l.every(name)
			why := "the system does not tell of changes: it has ended the connection"
			if err != nil {
				why = "the system does not tell of changes: " + fault.As(err, "").Detail()
			}
			if l.chose(name, Choice{By: ByPolling, Every: every.String(), Why: why}) {
				l.log.Info("the system does not tell of changes, and is polled", "agent", name, "every", every, "err", err)
				report(autosync.Heard(), !skip)
			}
			skip = false
			next.Reset(every)
		case <-next.C:
			report(autosync.Heard(), true)
			next.Reset(min(unheard, l.every(name)))
			if !asked {
				ask()
				asked = true
			}
		}
	}
}
