package filewatch

import (
	"context"
	"log/slog"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Options say what to watch. Only Roots is needed.
type Options struct {
	// Roots are folders, watched with everything below them; files; or
	// patterns of filepath.Match in the last element, for the files of one
	// folder. None of them needs to exist already. In folders and for patterns
	// the names that [Ignored] reports do not count.
	Roots []string

	// Match, if set, says which files of a folder count; false for a folder
	// leaves out everything below it. Single files and patterns always count.
	Match func(path string, folder bool) bool

	// Quiet is for how long nothing may happen before a change is reported;
	// 0 means 250 ms.
	Quiet time.Duration

	// Max is how long a change may be held back by further ones; 0 means 2 s,
	// a negative value for ever.
	Max time.Duration

	// Rescan is the interval of the poll; 0 means 60 s.
	Rescan time.Duration

	// Since, if set, is the state that the caller knows: what changed after it
	// is reported, even if it changed before the call. Otherwise the state at
	// the time of the call is the start.
	Since Fingerprint

	// Reads says that changed reads the contents. If they are not those that were reported
	// when it has returned, nobody knows which it has read: what they are then is reported
	// in any case, also if they have become what they were before.
	Reads bool

	// Log hears of watches that cannot be set up; nil discards them.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Quiet <= 0 {
		o.Quiet = 250 * time.Millisecond
	}
	if o.Max == 0 {
		o.Max = 2 * time.Second
	}
	if o.Rescan <= 0 {
		o.Rescan = 60 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Watch calls changed with the new fingerprint each time that the watched
// contents have changed and come to rest. It does so on the caller's goroutine,
// one call at a time: what changes meanwhile is reported afterwards, as one
// change. Watch returns when ctx is done, and leaves no goroutine behind.
func Watch(ctx context.Context, o Options, changed func(ctx context.Context, now Fingerprint)) {
	o = o.withDefaults()
	s := newScanner(o)
	hints := make(chan struct{}, 1)
	if watcher, err := fsnotify.NewWatcher(); err != nil {
		o.Log.Warn("cannot watch files, polling instead", "interval", o.Rescan, "err", err)
	} else {
		watches := &watches{watcher: watcher, log: o.Log}
		s.enter, s.done = watches.enter, watches.prune
		finished := make(chan struct{})
		go func() {
			defer close(finished)
			watches.forward(hints)
		}()
		defer func() { <-finished }()
		defer watcher.Close()
	}
	settle(ctx, o, hints, func() Fingerprint { return s.scan(ctx) }, changed)
}

// settle is the clockwork of Watch: hints start a look, which is taken when
// they have ceased for o.Quiet or gone on for o.Max.
func settle(ctx context.Context, o Options, hints <-chan struct{}, scan func() Fingerprint, changed func(context.Context, Fingerprint)) {
	var (
		reported = o.Since
		seen     Fingerprint // what the poll saw of a change that has to settle
		latest   time.Time   // when to report at the latest; zero while nothing is pending
		quiet    = time.NewTimer(0)
		poll     = time.NewTicker(o.Rescan)
	)
	defer poll.Stop()
	defer quiet.Stop()
	quiet.Stop()

	wait := func() {
		delay := o.Quiet
		if latest.IsZero() {
			latest = time.Now().Add(o.Max)
		}
		if o.Max > 0 {
			delay = max(0, min(delay, time.Until(latest)))
		}
		quiet.Reset(delay)
	}
	if first := scan(); reported == "" {
		reported = first
	} else if first != reported {
		seen = first
		wait()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-hints:
			wait()
		case <-poll.C:
			if !latest.IsZero() {
				continue
			}
			if seen = scan(); seen != reported {
				wait()
			}
		case <-quiet.C:
			now := scan()
			if ctx.Err() != nil {
				return
			}
			// Where no hints come, only two equal looks say that a file is at rest.
			if seen != "" && now != seen && now != reported && (o.Max < 0 || time.Now().Before(latest)) {
				seen = now
				wait()
				continue
			}
			seen, latest = "", time.Time{}
			if now != reported {
				reported = now
				changed(ctx, now)
				if o.Reads && ctx.Err() == nil && scan() != now {
					reported = ""
					wait()
				}
			}
		}
	}
}

// watches keeps the notifications of the operating system in step with the
// folders that a scan enters.
type watches struct {
	watcher *fsnotify.Watcher
	log     *slog.Logger
	entered map[string]bool // by the scan that is going on
	failed  bool
}

// enter watches a folder. It is called before the folder is read, so that what
// appears in it afterwards is not missed.
func (w *watches) enter(folder string) {
	if w.entered == nil {
		w.entered = map[string]bool{}
	}
	if w.entered[folder] {
		return
	}
	w.entered[folder] = true
	if err := w.watcher.Add(folder); err != nil && !w.failed {
		w.failed = true
		w.log.Warn("cannot watch a folder, polling it instead", "folder", folder, "err", err)
	}
}

// prune drops the watches on folders that the scan did not enter. It returns
// true if there were any. Then the scan has to be repeated: a folder that was
// renamed has one watch under both names, and loses it here.
func (w *watches) prune() (again bool) {
	for _, folder := range w.watcher.WatchList() {
		if !w.entered[folder] {
			_ = w.watcher.Remove(folder) // it may be gone with its folder
			again = true
		}
	}
	clear(w.entered)
	return again
}

// forward turns every notification, whatever it says, into a hint.
func (w *watches) forward(hints chan<- struct{}) {
	hint := func() {
		select {
		case hints <- struct{}{}:
		default:
		}
	}
	for {
		select {
		case _, ok := <-w.watcher.Events:
			if !ok {
				return
			}
			hint()
		case err, ok := <-w.watcher.Errors:
			if !ok {
				return
			}
			w.log.Warn("file notifications were lost", "err", err)
			hint()
		}
	}
}
