package triggers

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/internal/filewatch"
)

const (
	firstPause    = 5 * time.Second // after a failure, doubling
	longestPause  = 5 * time.Minute
	defaultSettle = time.Second

	// maxSleep bounds how long a timer is relied on: the clock may be set.
	maxSleep = time.Minute

	// A time that is further ahead than this was noted by a clock that was wrong.
	maxAhead = time.Hour
)

// A worker is one trigger.
type worker struct {
	m      *Manager
	memory state // of the manager
	state  state // of the check
	stop   func()

	checking sync.Mutex // while Check is being called; taken before mu

	mu        sync.Mutex
	spec      autosync.TriggerSpec
	interrupt context.CancelFunc // of the check that is going on
	health    Health
}

func newWorker(m *Manager, spec autosync.TriggerSpec) *worker {
	return &worker{
		m: m, spec: spec, stop: func() {}, interrupt: func() {},
		memory: newState(m.options.Store, idOf(spec), ofManager),
		state:  newState(m.options.Store, idOf(spec), ofCheck),
	}
}

func (w *worker) current() autosync.TriggerSpec {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.spec
}

// swap replaces what the trigger asks and requests. When it returns the old
// check is not being called any more.
func (w *worker) swap(spec autosync.TriggerSpec) {
	w.mu.Lock()
	w.spec = spec
	w.interrupt()
	w.mu.Unlock()
	w.checking.Lock()
	defer w.checking.Unlock()
}

func (w *worker) report() Health {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.health
	h.Agent, h.Name = w.spec.Agent, w.spec.Name
	return h
}

// run works until ctx is done.
func (w *worker) run(ctx context.Context) {
	spec := w.current()
	switch {
	case spec.Watch != "":
		w.runFiles(ctx, spec)
	case spec.Every > 0:
		w.runTimes(ctx, every(spec.Every))
	default:
		times, err := parseCron(spec.Cron, spec.TimeZone)
		if err != nil { // Replace has refused it
			w.failed(ctx, err)
			return
		}
		w.runTimes(ctx, times)
	}
}

// runTimes fires at the times of a schedule.
func (w *worker) runTimes(ctx context.Context, times schedule) {
	last, ok := w.recall(ctx)
	if !ok {
		return
	}
	var retry time.Time
	for {
		due := times.next(last)
		if due.Before(retry) {
			due = retry
		}
		if !w.sleepUntil(ctx, due) {
			return
		}
		if retry = w.attempt(ctx); retry.IsZero() {
			last = times.passed(last, w.m.options.Clock())
			w.remember(ctx, lastKey, []byte(last.UTC().Format(time.RFC3339Nano)))
		}
	}
}

// recall returns when the trigger was last due. A trigger that is new begins now.
func (w *worker) recall(ctx context.Context) (last time.Time, ok bool) {
	value, ok := w.remembered(ctx, lastKey)
	if !ok {
		return last, false
	}
	now := w.m.options.Clock()
	last, err := time.Parse(time.RFC3339Nano, string(value))
	if value == nil || err != nil || last.After(now.Add(maxAhead)) {
		last = now
		w.remember(ctx, lastKey, []byte(last.UTC().Format(time.RFC3339Nano)))
	}
	return last, true
}

// runFiles fires when the contents of files have changed and come to rest. That
// they disappear is no reason: there is nothing to read.
func (w *worker) runFiles(ctx context.Context, spec autosync.TriggerSpec) {
	value, ok := w.remembered(ctx, fingerprintKey)
	if !ok {
		return
	}
	nothing := filewatch.Scan(ctx, filewatch.Options{})
	known := nothing // a trigger that is new fires for what is there
	if value != nil {
		known = filewatch.Fingerprint(value)
	}
	changes := make(chan filewatch.Fingerprint)
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() {
		o := filewatch.Options{Roots: []string{spec.Watch}, Quiet: spec.Settle, Max: -1, Since: known, Log: w.m.options.Log}
		if o.Quiet == 0 {
			o.Quiet = defaultSettle
		}
		w.m.watch(ctx, o, func(ctx context.Context, now filewatch.Fingerprint) {
			select {
			case changes <- now:
			case <-ctx.Done():
			}
		})
	})

	latest := known
	retry := time.NewTimer(0)
	retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case latest = <-changes:
		case <-retry.C:
		}
		retry.Stop()
		if latest == known || latest == nothing {
			continue
		}
		if again := w.attempt(ctx); again.IsZero() {
			known = latest
			w.remember(ctx, fingerprintKey, []byte(known))
		} else {
			retry.Reset(again.Sub(w.m.options.Clock()))
		}
	}
}

// attempt makes the requests of the trigger. It returns when to try again, the
// zero time if it succeeded.
func (w *worker) attempt(ctx context.Context) (retry time.Time) {
	fired, err := w.fire(ctx)
	if err != nil {
		return w.failed(ctx, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.health.LastCheck, w.health.Failures, w.health.Error, w.health.Next = w.m.options.Clock(), 0, "", time.Time{}
	if fired {
		w.health.LastFire = w.health.LastCheck
	}
	return retry
}

// failed takes note of an error and returns when to try again. That something
// was broken off because ctx is done is no failure of its own.
func (w *worker) failed(ctx context.Context, err error) (retry time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.m.options.Clock()
	if ctx.Err() != nil {
		return now
	}
	w.health.LastCheck, w.health.Error = now, err.Error()
	w.health.Failures++
	pause := firstPause
	for n := w.health.Failures; n > 1 && pause < longestPause; n-- {
		pause *= 2
	}
	w.health.Next = now.Add(min(pause, longestPause))
	w.m.options.Log.Warn("a trigger failed", "agent", w.spec.Agent, "trigger", w.spec.Name,
		"failures", w.health.Failures, "next", w.health.Next, "err", err)
	return w.health.Next
}

// fire asks what to request and requests it. All requests are made, even if
// some are refused; fired says whether one was accepted.
func (w *worker) fire(ctx context.Context) (fired bool, err error) {
	spec, requests, err := w.ask(ctx)
	if err != nil {
		return false, err
	}
	var problems []error
	for _, r := range requests {
		if r.Agent == "" {
			r.Agent = spec.Agent
		}
		if r.Profile == "" {
			r.Profile = spec.Run
		}
		r.Cause = autosync.Cause{Kind: autosync.CauseTrigger, Name: spec.Name}
		err := w.m.options.Fire(r)
		fired = fired || err == nil
		problems = append(problems, err)
	}
	return fired, errors.Join(problems...)
}

// ask returns the requests to make now, and the spec that they come from. If the
// spec is replaced meanwhile, and the old check had no answer, it asks again.
func (w *worker) ask(ctx context.Context) (autosync.TriggerSpec, []autosync.Request, error) {
	for {
		spec, requests, replaced, err := w.askOnce(ctx)
		if err == nil || !replaced || ctx.Err() != nil {
			return spec, requests, err
		}
	}
}

func (w *worker) askOnce(ctx context.Context) (spec autosync.TriggerSpec, requests []autosync.Request, replaced bool, err error) {
	w.checking.Lock()
	defer w.checking.Unlock()
	check, cancel := context.WithCancel(ctx)
	defer cancel()
	w.mu.Lock()
	spec, w.interrupt = w.spec, cancel
	w.mu.Unlock()
	if spec.Check == nil {
		return spec, []autosync.Request{{}}, false, nil
	}
	requests, err = safely(check, spec.Check, w.state)
	return spec, requests, check.Err() != nil, err
}

// safely calls a check; a panic is an error.
func safely(ctx context.Context, check func(context.Context, autosync.State) ([]autosync.Request, error), s autosync.State) (requests []autosync.Request, err error) {
	defer func() {
		if p := recover(); p != nil {
			requests, err = nil, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return check(ctx, s)
}

// remembered reads what was remembered, and tries until it can. It returns false
// when ctx is done.
func (w *worker) remembered(ctx context.Context, key string) (value []byte, ok bool) {
	for {
		value, err := w.memory.Get(key)
		if err == nil {
			return value, true
		}
		if !w.sleepUntil(ctx, w.failed(ctx, err)) {
			return nil, false
		}
	}
}

// remember makes a value durable. If it cannot, the trigger may fire once more
// after a restart.
func (w *worker) remember(ctx context.Context, key string, value []byte) {
	if err := w.memory.Set(key, value); err != nil {
		w.failed(ctx, err)
	}
}

func (w *worker) due(t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.health.Next = t
}

// sleepUntil waits for a time, for ever if it is zero. It returns false when ctx
// is done.
func (w *worker) sleepUntil(ctx context.Context, t time.Time) bool {
	w.due(t)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		sleep := maxSleep
		if !t.IsZero() {
			sleep = min(sleep, t.Sub(w.m.options.Clock()))
		}
		if sleep <= 0 {
			return ctx.Err() == nil
		}
		timer.Reset(sleep)
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
		}
	}
}
