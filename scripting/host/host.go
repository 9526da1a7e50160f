package host

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/metasync/metasync/internal/filewatch"
)

// Config says what a [Host] runs. Folder and API are needed.
type Config struct {
	Folder   string // of the scripts
	Optional bool   // a folder that does not exist is like an empty one
	API      *API
	Options  Options // without a Prefix it is Folder

	// Check, if set, has the last word about scripts that were loaded and whose tests
	// passed: with an error they do not take effect. It may look at registrations and
	// call functions.
	Check func(ctx context.Context, next *Generation) error

	// Keep, if set, keeps the last good scripts, so that Open can go on with them when
	// the folder is broken.
	Keep Keeper

	// Changed, if set, is told what came of every look at the folder: by Open, by
	// Reload, and by Watch for each change. It is not called twice at a time, and does
	// not reload.
	Changed func(Outcome)

	// TestData makes the [Active.Data] of each test.
	TestData func() any

	Quiet  time.Duration // for how long the folder must be quiet before it is loaded; 0 is 250 ms
	Rescan time.Duration // the interval of looks without notifications; 0 is 60 s
}

// An Outcome is what came of a look at the folder.
type Outcome struct {
	Generation *Generation // that is in force now
	Swapped    bool        // it is another one than before

	// Err says why the folder as it is now did not take effect; nil if it did. It
	// unwraps to a list of *fault.Error, with places, where it is about the scripts.
	Err error
}

// A Host keeps the scripts of a folder in force: the newest that were good. Its
// methods may be called from several goroutines.
type Host struct {
	config Config
	loader Loader
	since  filewatch.Fingerprint // of the folder, before Open read it

	reload sync.Mutex // held while the folder is loaded and Changed is called

	mu       sync.Mutex
	current  *Generation
	stop     []func() // what ends Watch
	closed   bool
	watching sync.WaitGroup
}

// Open loads the folder: see [Load]. If it is broken and earlier scripts were kept,
// the host begins with those, and Config.Changed is told what is wrong; otherwise
// that is the error. The caller closes the host.
func Open(ctx context.Context, c Config) (*Host, error) {
	folder, err := filepath.Abs(c.Folder) // whatever becomes of the working directory
	if err != nil {
		return nil, err
	}
	if c.Options.Prefix == "" {
		c.Options.Prefix = filepath.ToSlash(c.Folder)
	}
	h := &Host{config: c, loader: Loader{Folder: folder, Optional: c.Optional, API: c.API}}
	h.since = filewatch.Scan(ctx, h.watched())
	g, err := h.admit(ctx, h.loader.Load)
	if err != nil {
		broken := err
		if g, err = h.admit(ctx, h.loadKept); errors.Is(err, ErrNothingKept) {
			return nil, broken
		}
		if err != nil {
			return nil, errors.Join(broken, fmt.Errorf("the last good scripts: %w", err))
		}
		err = broken
	} else if err := h.keep(g); err != nil {
		g.Close()
		return nil, err
	}
	h.current = g
	h.tell(Outcome{Generation: g, Swapped: true, Err: err})
	return h, nil
}

func (h *Host) loadKept(ctx context.Context, o Options) (*Generation, error) {
	if h.config.Keep == nil {
		return nil, ErrNothingKept
	}
	return h.loader.LoadKept(ctx, h.config.Keep, o)
}

// admit loads a generation, runs its tests and has it checked.
func (h *Host) admit(ctx context.Context, load func(context.Context, Options) (*Generation, error)) (*Generation, error) {
	g, err := load(ctx, h.config.Options)
	if err != nil {
		return nil, err
	}
	if err = TestError(g.Test(ctx, TestOptions{Data: h.config.TestData})); err == nil && h.config.Check != nil {
		err = h.config.Check(ctx, g)
	}
	if err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

func (h *Host) keep(g *Generation) error {
	if h.config.Keep == nil {
		return nil
	}
	return g.Keep(h.config.Keep)
}

func (h *Host) tell(o Outcome) {
	if h.config.Changed != nil {
		h.config.Changed(o)
	}
}

// Reload looks at the folder now. If it holds other scripts than those in force, they
// are loaded, tested, checked and kept, and then put in their place in one step;
// calls and units of work that have begun end with the scripts that they began with,
// and when the last of them has ended the old ones are closed. The error says why the
// folder did not take effect; then nothing has changed.
func (h *Host) Reload(ctx context.Context) error {
	h.reload.Lock()
	defer h.reload.Unlock()
	before := h.now()
	next, err := h.next(ctx, before)
	if ctx.Err() != nil {
		if next != nil {
			next.Close()
		}
		return ctx.Err() // nothing is known of the folder
	}
	if next == nil {
		h.tell(Outcome{Generation: before, Err: err})
		return err
	}
	h.mu.Lock()
	h.current = next
	h.mu.Unlock()
	h.tell(Outcome{Generation: next, Swapped: true})
	before.Retire()
	return nil
}

// next returns the generation to put in place of the one in force, nil if that has
// the same files.
func (h *Host) next(ctx context.Context, before *Generation) (*Generation, error) {
	files, err := h.loader.Read(h.config.Options.Prefix)
	if err != nil || files.ID() == before.ID() {
		return nil, err
	}
	next, err := h.admit(ctx, func(ctx context.Context, o Options) (*Generation, error) { return h.loader.load(ctx, files, o) })
	if err != nil {
		return nil, err
	}
	if err := h.keep(next); err != nil {
		next.Close()
		return nil, err
	}
	return next, nil
}

// Watch looks at the folder whenever something in it has changed and come to rest, as
// Reload does. What changed since Open counts. Touching a file, and what an editor
// leaves there while it writes, is no change; that a link was swapped is one. Watch returns when ctx is done or the host is closed.
func (h *Host) Watch(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return
	}
	h.stop = append(h.stop, cancel)
	h.watching.Add(1)
	h.mu.Unlock()
	defer h.watching.Done()
	filewatch.Watch(ctx, h.watched(), func(ctx context.Context, _ filewatch.Fingerprint) {
		_ = h.Reload(ctx) // Config.Changed was told
	})
}

func (h *Host) watched() filewatch.Options {
	return filewatch.Options{
		Roots: []string{h.loader.Folder}, Match: Match, Since: h.since, Reads: true,
		Quiet: h.config.Quiet, Rescan: h.config.Rescan, Log: h.config.Options.Log,
	}
}

func (h *Host) now() *Generation {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.current
}

// Acquire returns the generation in force for a unit of work: all calls made in it
// before release see the same scripts, whatever becomes of the folder.
func (h *Host) Acquire() (g *Generation, release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.current, h.current.Hold()
}

// Call calls functions of the scripts in force, as [Generation.Call] does.
func (h *Host) Call(ctx context.Context, kind, name string, args ...any) ([]any, error) {
	g, release := h.Acquire()
	defer release()
	return g.Call(ctx, kind, name, args...)
}

// Close ends Watch and waits for it, and then ends the use of the scripts in force, as
// [Generation.Close] does.
func (h *Host) Close() {
	h.mu.Lock()
	h.closed = true
	for _, stop := range h.stop {
		stop()
	}
	h.mu.Unlock()
	h.watching.Wait()
	h.now().Close()
}
