package triggers

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/internal/filewatch"
)

// A Source notices by itself that something has happened: files that changed, runs
// that ended. It knows nothing of pauses, windows and failures; those are the
// business of whoever supervises it.
type Source interface {
	// Watch calls report until ctx is done or it cannot go on; its error is why,
	// and it is called again after a pause. It begins after what since covers: the
	// Mark of the last signal that was dealt with, nil for a trigger that is new.
	// With skip it begins now, and what happened before does not count. report
	// blocks until the signals were taken; those of one call happened together.
	Watch(ctx context.Context, since []byte, skip bool, report func(...Signal)) error
}

// A Signal is what a source reports.
type Signal struct {
	// Mark stands for everything that has happened until now. It becomes durable
	// when the signal was dealt with.
	Mark []byte

	Nothing bool // nothing has happened: the source has looked, and all is well
	Apart   bool // a check is asked about this signal even if another one follows

	Call *autosync.WebhookCall
	Run  *autosync.Completed
}

// forgetter is a source that keeps something until its mark was dealt with, or one that
// came after it; with alone, only until its own was.
type forgetter interface {
	forget(tx store.Tx, mark []byte, alone bool) error
}

// newSource returns the source of a trigger, nil if it waits for a time.
func (w *worker) newSource(spec *autosync.TriggerSpec) Source {
	switch {
	case spec.Watch != "":
		return &files{spec.Watch, spec.Settle, w.m}
	case spec.Webhook != nil:
		return w.calls
	case spec.After != nil:
		return w.runs
	case spec.External != nil:
		return external{spec.External}
	}
	return nil
}

// An external source is brought by whoever hands the trigger over.
type external struct{ *autosync.External }

// Watch implements [Source].
func (e external) Watch(ctx context.Context, since []byte, skip bool, report func(...Signal)) error {
	return e.External.Watch(ctx, since, skip, func(mark []byte, happened bool) {
		report(Signal{Mark: mark, Nothing: !happened})
	})
}

// safely calls something of others; a panic is an error.
func safely(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// defaultSettle is how long files must be quiet unless a trigger says otherwise.
const defaultSettle = time.Second

// files reports that the contents of files have changed and come to rest. That they
// disappear is no reason: there is nothing to read. The mark is their fingerprint.
type files struct {
	pattern string
	settle  time.Duration
	m       *Manager
}

// Watch implements [Source].
func (f *files) Watch(ctx context.Context, since []byte, skip bool, report func(...Signal)) error {
	nothing := filewatch.Scan(ctx, filewatch.Options{})
	o := filewatch.Options{Roots: []string{f.pattern}, Quiet: f.settle, Max: -1, Log: f.m.options.Log}
	if o.Quiet == 0 {
		o.Quiet = defaultSettle
	}
	switch {
	case skip:
		o.Since = filewatch.Scan(ctx, o)
		report(Signal{Mark: []byte(o.Since), Nothing: true})
	case since == nil: // a trigger that is new fires for what is there
		o.Since = nothing
	default:
		o.Since = filewatch.Fingerprint(since)
	}
	f.m.watch(ctx, o, func(_ context.Context, now filewatch.Fingerprint) {
		if now != nothing {
			report(Signal{Mark: []byte(now)})
		}
	})
	return nil
}

// A mailbox holds what arrives until somebody takes it.
type mailbox[T any] struct {
	mu    sync.Mutex
	items []T
	news  chan struct{} // holds one
}

func newMailbox[T any]() *mailbox[T] { return &mailbox[T]{news: make(chan struct{}, 1)} }

// put adds an item; beyond limit the oldest go.
func (b *mailbox[T]) put(item T, limit int) {
	b.mu.Lock()
	b.items = append(b.items, item)
	if len(b.items) > limit {
		b.items = b.items[len(b.items)-limit:]
	}
	b.mu.Unlock()
	b.poke()
}

func (b *mailbox[T]) poke() {
	select {
	case b.news <- struct{}{}:
	default:
	}
}

func (b *mailbox[T]) take() []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	items := b.items
	b.items = nil
	return items
}
