package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dlclark/regexp2/v2"

	"github.com/metasync/metasync/engine/fault"
)

const (
	// MaxTimeout is the longest deadline of a call.
	MaxTimeout = 30 * time.Second

	loadTimeout  = 5 * time.Second // for each file to run
	abortTimeout = time.Second     // for interrupted calls to end
)

// A regular expression that backtracks can run for minutes, and goja cannot
// interrupt it. regexp2 gives up after this time, but then says "no match",
// which is a wrong answer: so it must be longer than any deadline, after which
// nobody uses the answer any more. The setting is global to the program; nothing
// but goja uses the package.
func init() { regexp2.DefaultMatchTimeout = MaxTimeout + 5*time.Second }

// ErrClosed is wrapped by the error of a call in a closed generation.
var ErrClosed = errors.New("these scripts are no longer in use")

// Options say how scripts are run. The zero value is usable.
type Options struct {
	Prefix  string        // in front of file names in positions
	Workers int           // calls at a time; 0 is GOMAXPROCS
	Timeout time.Duration // of a call, at most [MaxTimeout]; 0 is 1 s
	Grace   time.Duration // for running calls when a generation is closed; 0 is 10 s
	Memory  int64         // bytes by which the heap may grow while scripts run; 0 is [DefaultMemory]
	Log     *slog.Logger  // for what scripts log; nil discards it
	Env     any           // for the functions of the API: see [Active.Env]

	// Meanings holds the version of what a global name means, for names whose
	// meaning may change while the files stay the same. It counts for the
	// version of every registration whose files mention the name.
	Meanings map[string]string
}

func (o Options) withDefaults() Options {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Timeout <= 0 {
		o.Timeout = time.Second
	}
	if o.Grace <= 0 {
		o.Grace = 10 * time.Second
	}
	if o.Memory <= 0 {
		o.Memory = DefaultMemory
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// A Generation is a folder of scripts, loaded. It does not change, may be used
// by many goroutines, and holds no goroutine of its own. Whoever holds it can
// call it until somebody closes it.
type Generation struct {
	api           *API
	options       Options
	files         Files
	id            string
	number        uint64 // of the loader
	loaded        time.Time
	programs      []*program
	registrations []*Registration
	limiter       *limiter
	heap          *heapWatch
	epoch         atomic.Uint64 // of the workers; older ones are not used again

	pool    chan *worker // idle workers; nil stands for one that must be made anew
	closing chan struct{}
	close   sync.Once
	aborted atomic.Bool

	mu      sync.Mutex
	workers map[*worker]bool // idle or not
	holders int              // see hold.go
	retired bool
}

// A Registration is what a script offers.
type Registration struct {
	Kind     string
	Name     string
	Position fault.Position // of the registration
	Spec     any            // what the kind made of it
	Version  string         // of the files that it depends on, see version.go

	file  string // that registered it
	index int
}

// Load compiles all files, runs them in every worker and compares what they
// register. The error tells everything that is wrong with them: it unwraps to a
// list of *fault.Error. A generation is all of the files; there is never a part
// of one.
//
// What goja would answer wrongly without saying so is refused: properties of
// characters in regular expressions (\p{...}), and functions that are given a
// language, which it ignores, such as localeCompare.
func Load(ctx context.Context, files Files, api *API, o Options) (*Generation, error) {
	o = o.withDefaults()
	g := &Generation{
		api: api, options: o, files: files, id: files.ID(), loaded: time.Now(),
		pool:    make(chan *worker, o.Workers),
		closing: make(chan struct{}),
		workers: make(map[*worker]bool, o.Workers),
	}
	g.limiter = newLimiter(o.Log)
	g.heap = newHeapWatch(g)
	var wrong fault.List
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("load scripts: %w", err)
		}
		p, warnings, broken := compile(f, o.Prefix, api.Instead)
		g.programs = append(g.programs, p)
		wrong = append(wrong, broken...)
		for _, w := range warnings {
			o.Log.Warn("suspicious script", "script", w.Position.String(), "err", w.Text)
		}
	}
	first := g.newWorker(ctx)
	if wrong = append(wrong, first.problems...); len(wrong) > 0 {
		g.release()
		return nil, wrong.Err()
	}
	g.registrations = first.registrations
	g.setVersions(first.modules)
	g.pool <- first
	for range o.Workers - 1 {
		w, err := g.anotherWorker(ctx)
		if err != nil {
			g.release()
			return nil, err
		}
		g.pool <- w
	}
	return g, nil
}

func (g *Generation) newWorker(ctx context.Context) *worker {
	w := newWorker(g)
	g.mu.Lock()
	g.workers[w] = true
	g.mu.Unlock()
	w.load(ctx)
	return w
}

func (g *Generation) forget(w *worker) {
	g.mu.Lock()
	delete(g.workers, w)
	g.mu.Unlock()
}

// anotherWorker makes a worker that offers what the first one offered.
func (g *Generation) anotherWorker(ctx context.Context) (*worker, error) {
	w := g.newWorker(ctx)
	if err := w.problems.Err(); err != nil {
		g.forget(w)
		return nil, err
	}
	for i := range max(len(g.registrations), len(w.registrations)) {
		var a, b Registration
		if i < len(g.registrations) {
			a = *g.registrations[i]
		}
		if i < len(w.registrations) {
			b = *w.registrations[i]
			b.Version = a.Version // only the first worker's have one
		}
		if reflect.DeepEqual(a, b) {
			continue
		}
		if a.Name == "" {
			a = b
		}
		e := fault.New("script-registration-unstable", "%s %q is not registered alike each time the scripts are run", a.Kind, a.Name)
		e.Position = a.Position
		g.forget(w)
		return nil, fault.List{e}
	}
	return w, nil
}

// ID returns a short name for exactly these files.
func (g *Generation) ID() string { return g.id }

// Number counts the generations of a [Loader], from 1; 0 if it is of none.
func (g *Generation) Number() uint64 { return g.number }

// Files returns the text of the scripts. Treat it as read-only.
func (g *Generation) Files() Files { return g.files }

// Loaded returns when the scripts were loaded.
func (g *Generation) Loaded() time.Time { return g.loaded }

// Registrations returns what was registered of a kind, in the order in which the
// files, sorted by name, did so.
func (g *Generation) Registrations(kind string) []*Registration {
	var list []*Registration
	for _, r := range g.registrations {
		if r.Kind == kind {
			list = append(list, r)
		}
	}
	return list
}

// Do makes a call: it waits for a worker, or for ctx, and runs body on the
// caller's goroutine. The time limit begins with body and includes everything
// that it does with the script. After it, or after ctx has ended, the error says
// so, whatever body returned. An error of the script is a *fault.Error under one
// of the names extension-dll-exception, extension-dll-timeout and
// extension-dll-crash, with the place in the script; any other error is that of
// body. A call never affects another one.
func (g *Generation) Do(ctx context.Context, c Call, body func(*Active) error) error {
	if c.Apart != nil {
		return c.Apart.Do(ctx, c, body)
	}
	w, err := g.acquire(ctx)
	if err != nil {
		return err
	}
	err = w.run(ctx, c, body)
	if w.spent(err) {
		g.forget(w)
		w = nil
	}
	g.pool <- w
	return err
}

func (g *Generation) acquire(ctx context.Context) (*worker, error) {
	var w *worker
	select {
	case <-g.closing:
		return nil, fault.Wrap(nameException, ErrClosed)
	default:
	}
	select {
	case w = <-g.pool:
	default:
		select {
		case w = <-g.pool:
		case <-g.closing:
			return nil, fault.Wrap(nameException, ErrClosed)
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a script worker: %w", ctx.Err())
		}
	}
	if w != nil {
		return w, nil
	}
	w, err := g.anotherWorker(ctx)
	if err != nil {
		g.pool <- nil
		return nil, err
	}
	return w, nil
}

// Close ends the use of the generation: calls that come now fail with
// [ErrClosed], those that are going on get Options.Grace to end and are then
// interrupted. It returns when all have ended, or soon after the interrupt; one
// that is stuck in a built-in ends on its caller's goroutine. Closing again
// waits for nothing.
func (g *Generation) Close() {
	g.close.Do(func() {
		close(g.closing)
		grace := time.NewTimer(g.options.Grace)
		defer grace.Stop()
		if idle := g.drain(g.options.Workers, grace.C); idle < g.options.Workers {
			g.abort()
			grace.Reset(abortTimeout)
			g.drain(g.options.Workers-idle, grace.C)
		}
		g.release()
	})
}

// release ends what goes on beside the calls.
func (g *Generation) release() {
	g.heap.close()
	g.limiter.close()
}

// drain takes n workers out of the pool and returns how many it got in time.
func (g *Generation) drain(n int, timeout <-chan time.Time) int {
	for i := range n {
		select {
		case <-g.pool:
		case <-timeout:
			return i
		}
	}
	return n
}

// abort interrupts all calls that are going on.
func (g *Generation) abort() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.aborted.Store(true)
	for w := range g.workers {
		w.rt.Interrupt(ErrClosed)
		if w.cancel != nil {
			w.cancel()
		}
	}
}
