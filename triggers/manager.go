package triggers

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/internal/filewatch"
)

// Options say what a manager works with. Fire and Store are needed.
type Options struct {
	// Fire makes a request; [autosync.Scheduler.Request] is meant. If it fails,
	// the trigger tries again after a pause.
	Fire func(autosync.Request) error

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
	return &Manager{options: o, watch: filewatch.Watch}
}

// minInterval is the shortest interval that a trigger may have.
const minInterval = time.Second

// Validate returns what is wrong with a trigger, with its position.
func Validate(spec autosync.TriggerSpec) error {
	kinds := 0
	for _, set := range []bool{spec.Every != 0, spec.Cron != "", spec.Watch != ""} {
		if set {
			kinds++
		}
	}
	bad := func(format string, args ...any) error {
		err := fault.New("bad-trigger", "trigger %q: "+format, append([]any{spec.Name}, args...)...)
		err.Position, err.Agent = spec.Position, spec.Agent
		return err
	}
	switch {
	case spec.Name == "":
		return bad("it has no name")
	case strings.Contains(spec.Name+spec.Agent, "\x00"):
		return bad("its name holds a NUL character")
	case kinds != 1:
		return bad("it needs exactly one of every, cron and watch")
	case spec.Every < 0 || spec.Every > 0 && spec.Every < minInterval:
		return bad("every %v is shorter than %v", spec.Every, minInterval)
	case spec.Settle < 0:
		return bad("settle %v is negative", spec.Settle)
	case spec.Check == nil && (spec.Run == "" || spec.Agent == ""):
		return bad("it needs an agent and a run profile")
	case spec.Cron != "":
		if _, err := parseCron(spec.Cron, spec.TimeZone); err != nil {
			named := fault.As(err, "bad-trigger")
			named.Position, named.Agent = spec.Position, spec.Agent
			return named
		}
	case spec.Watch != "":
		if _, err := filepath.Match(filepath.Base(spec.Watch), ""); err != nil {
			return bad("watch %q is not a pattern", spec.Watch)
		}
		if !filepath.IsAbs(spec.Watch) {
			return bad("watch %q is not an absolute path", spec.Watch)
		}
	}
	return nil
}

// Replace makes specs the triggers that run. One that is the same as before, by
// agent, name and what it waits for, goes on undisturbed, with its new Run and
// Check. When Replace returns, no Check of the triggers before is being called
// any more, nor will be. One that was going on is cancelled: what it answers all
// the same is requested, for it may have noted that it did; if it fails and its
// trigger stays, that is due again at once. If a spec is not valid, or two of one agent
// have the same name, nothing changes and all that is wrong is returned.
//
// Until Run is called, and after it has ended, the triggers rest.
func (m *Manager) Replace(specs []autosync.TriggerSpec) error {
	var problems []error
	seen := map[id]bool{}
	for _, spec := range specs {
		problems = append(problems, Validate(spec))
		if seen[idOf(spec)] {
			err := fault.New("bad-trigger", "there are two triggers %q", spec.Name)
			err.Position, err.Agent = spec.Position, spec.Agent
			problems = append(problems, err)
		}
		seen[idOf(spec)] = true
	}
	if err := errors.Join(problems...); err != nil {
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
		if w := old[idOf(spec)]; w != nil && sameOccasions(w.current(), spec) {
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

// Health is how a trigger is doing.
type Health struct {
	Agent     string    `json:"agent,omitempty"`
	Name      string    `json:"name"`
	LastCheck time.Time `json:"lastCheck,omitzero"` // when it was last due, since the start
	LastFire  time.Time `json:"lastFire,omitzero"`  // when it last made a request, since the start
	Next      time.Time `json:"next,omitzero"`      // when it is due; zero for one that waits for files
	Failures  int       `json:"failures"`           // in a row
	Error     string    `json:"error,omitempty"`    // of the last failure, until it succeeds
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

// sameOccasions reports whether two triggers wait for the same.
func sameOccasions(a, b autosync.TriggerSpec) bool {
	zone := func(s autosync.TriggerSpec) string {
		if s.TimeZone == nil {
			return time.Local.String()
		}
		return s.TimeZone.String()
	}
	return a.Every == b.Every && a.Cron == b.Cron && zone(a) == zone(b) && a.Watch == b.Watch && a.Settle == b.Settle
}
