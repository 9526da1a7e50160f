package triggers

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/internal/filewatch"
)

// Options say what a manager works with. Fire and Store are needed.
type Options struct {
	// Fire makes a request; [autosync.Scheduler.Request] is meant. When it
	// returns nil the request is durable. If it fails, the trigger tries again after
	// a pause.
	Fire func(autosync.Request) error

	// Event, if set, is told what happens to triggers. It must return soon, and not
	// call the manager.
	Event func(Event)

	// History, if set, is where triggers that follow runs find those that ended
	// while they did not work.
	History History

	Store store.Store      // for what triggers must not forget, in a bucket of its own
	Clock func() time.Time // nil is time.Now
	Log   *slog.Logger     // nil discards
}

// A Manager runs triggers. Its methods may be called from several goroutines.
type Manager struct {
	options Options
	watch   watchFunc

	replacing sync.Mutex // while workers are started and stopped; taken before mu

	mu      sync.Mutex
	workers []*worker     // in the order of their specs
	start   func(*worker) // while Run is working
}

// watchFunc is [filewatch.Watch].
type watchFunc func(context.Context, filewatch.Options, func(context.Context, filewatch.Fingerprint))

// New returns a manager without triggers.
func New(o Options) *Manager {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Event == nil {
		o.Event = func(Event) {}
	}
	return &Manager{options: o, watch: filewatch.Watch}
}

// Replace makes specs the triggers that run. One that is the same as before, by
// agent, name and what it waits for, goes on undisturbed, with its new Run and
// Check. When Replace returns, no Check of the triggers before is being called
// any more, nor will be. One that was going on is cancelled: what it answers all
// the same is requested; if it fails and its trigger stays, that is due again at
// once. If [Validate] finds something, nothing changes and that is returned.
//
// Until Run is called, and after it has ended, the triggers rest.
func (m *Manager) Replace(specs []autosync.TriggerSpec) error {
	if err := Validate(specs); err != nil {
		return err
	}
	m.replacing.Lock()
	defer m.replacing.Unlock()
	m.mu.Lock()
	old := map[id]*worker{}
	for _, w := range m.workers {
		old[idOf(w.current())] = w
	}
	m.mu.Unlock()

	next := make([]*worker, len(specs))
	for i, spec := range specs {
		if w := old[idOf(spec)]; w != nil && w.canBecome(&spec) {
			w.swap(spec)
			next[i] = w
			delete(old, idOf(spec))
		}
	}
	for _, w := range old {
		w.stop()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, spec := range specs {
		if next[i] == nil {
			next[i] = newWorker(m, spec)
			if m.start != nil {
				m.start(next[i])
			}
		}
	}
	m.workers = next
	return nil
}

// Run has the triggers work until ctx is done, waits for them and returns nil.
// It returns an error if it is already running.
func (m *Manager) Run(ctx context.Context) error {
	var working sync.WaitGroup
	m.replacing.Lock()
	m.mu.Lock()
	if m.start != nil {
		m.mu.Unlock()
		m.replacing.Unlock()
		return errors.New("the triggers are already running")
	}
	m.start = func(w *worker) {
		ctx, cancel := context.WithCancel(ctx)
		ended := make(chan struct{})
		w.stop = func() { cancel(); <-ended }
		working.Go(func() {
			defer close(ended)
			defer cancel()
			w.run(ctx)
		})
	}
	for _, w := range m.workers {
		m.start(w)
	}
	m.mu.Unlock()
	m.replacing.Unlock()

	<-ctx.Done()
	m.mu.Lock()
	m.start = nil
	m.mu.Unlock()
	working.Wait()
	return nil
}

// Completed says that a run has ended, to the triggers that follow runs. It does
// not wait for them.
func (m *Manager) Completed(c autosync.Completed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.workers {
		if w.runs != nil {
			w.runs.completed(c)
		}
	}
}

// Health returns how the triggers are doing, in the order of their specs.
func (m *Manager) Health() []Health {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]Health, len(m.workers))
	for i, w := range m.workers {
		list[i] = w.report()
	}
	return list
}

// An id names a trigger.
type id struct{ agent, name string }

func idOf(spec autosync.TriggerSpec) id { return id{spec.Agent, spec.Name} }
