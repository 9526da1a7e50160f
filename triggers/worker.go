package triggers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/autosync/calendar"
	"github.com/metasync/metasync/engine/store"
)

const (
	firstPause   = 5 * time.Second // after a failure, doubling
	longestPause = 5 * time.Minute

	// maxSleep bounds how long a timer is relied on for a time of the clock: it may
	// be set.
	maxSleep = time.Minute

	// A time that is further ahead than this was noted by a clock that was wrong.
	maxAhead = time.Hour
)

// A worker is one trigger. It is a state machine: its times and its source make
// occasions, which wait until they may be served, and are served one after the
// other. Nothing counts as served before its requests and its mark are durable, in
// this order: a process that ends in between makes the requests again, and the
// scheduler makes one of two that are equal.
type worker struct {
	m      *Manager
	memory state // of the manager
	state  state // of the check
	calls  *calls
	runs   *runs // of a trigger that follows runs
	stop   func()

	checking sync.Mutex // while Check is being called; taken before mu

	mu        sync.Mutex
	spec      autosync.TriggerSpec
	interrupt context.CancelFunc // of the check that is going on
	health    Health
	ended     string // the definition that has ended by an error; "" if it goes on

	// Only the goroutine of run uses what follows.
	mark    mark
	times   schedule
	hours   calendar.Hours
	source  Source
	news    chan news
	mended  chan struct{} // holds one: somebody has changed what it asks or requests
	queue   []occasion
	retry   time.Time // no occasion is served before then, but those that are independent
	restart time.Time // when the source is started again; zero while it works
	skip    bool      // the source is to begin with what happens now
}

// An occasion is something that makes the trigger due.
type occasion struct {
	since time.Time
	Signal

	// Of one that keeps no other one back; see independent.
	failures int
	retry    time.Time // not before then
}

// news are what the goroutine of a source tells: signals, or why it ended.
type news struct {
	signals []Signal
	err     error
}

func newWorker(m *Manager, spec autosync.TriggerSpec) *worker {
	w := &worker{
		m: m, spec: spec, stop: func() {}, interrupt: func() {}, news: make(chan news), mended: make(chan struct{}, 1),
		memory: newState(m.options.Store, idOf(spec), ofManager),
		state:  newState(m.options.Store, idOf(spec), ofCheck),
		calls:  newCalls(newState(m.options.Store, idOf(spec), ofCalls)),
	}
	if spec.After != nil {
		w.runs = newRuns(*spec.After, spec.Name, m.options.History)
	}
	known, err := loadMark(w.memory)
	if err == nil && known.When == whenOf(&spec) {
		w.mark = known
	}
	w.calls.begin(w.mark.Source)
	if w.mark.Terminated == definitionOf(&spec) {
		w.ended = w.mark.Terminated
	}
	w.publish(w.resting(), time.Time{})
	return w
}

// resting is the state of a trigger that does not work.
func (w *worker) resting() State {
	switch {
	case w.spec.Disabled:
		return Disabled
	case w.ended != "":
		return Terminated
	}
	return Waiting
}

func (w *worker) current() autosync.TriggerSpec {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.spec
}

// canBecome reports whether the worker can go on with another spec of its trigger.
func (w *worker) canBecome(spec *autosync.TriggerSpec) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return workingOf(&w.spec) == workingOf(spec) && (w.ended == "" || w.ended == definitionOf(spec))
}

// swap replaces what the trigger asks and requests. When it returns the old
// check is not being called any more. If that has changed, a pause after a failure
// ends: somebody may have mended it.
func (w *worker) swap(spec autosync.TriggerSpec) {
	w.mu.Lock()
	if definitionOf(&w.spec) != definitionOf(&spec) {
		select {
		case w.mended <- struct{}{}:
		default:
		}
	}
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
	h.Agent, h.Name, h.Kind = w.spec.Agent, w.spec.Name, KindOf(&w.spec)
	return h
}

// publish says what the trigger is doing, and when it acts next.
func (w *worker) publish(s State, next time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.health = Health{
		State: s, Next: next, LastCheck: w.mark.Checked, LastFire: w.mark.Fired, LastResult: w.mark.Result,
		Failures: w.mark.Failures, LastError: w.mark.Error,
	}
	if s == BackingOff {
		w.health.Backoff = w.mark.Retry
	}
}

// run works until ctx is done.
func (w *worker) run(ctx context.Context) {
	if !w.begin(ctx) {
		return
	}
	if w.times == nil && w.source == nil || w.ended != "" {
		<-ctx.Done()
		return
	}
	var watching sync.WaitGroup
	defer watching.Wait()
	watched, cancel := context.WithCancel(ctx)
	defer cancel()
	if w.source != nil {
		w.watch(watched, &watching)
	}
	defer w.keepPending()
	for ctx.Err() == nil {
		if w.ended != "" {
			w.queue = nil // it begins anew, if ever
			w.publish(Terminated, time.Time{})
			cancel()
			<-ctx.Done()
			return
		}
		now := w.m.options.Clock()
		if !w.restart.IsZero() && !w.restart.After(now) {
			w.restart = time.Time{}
			w.watch(watched, &watching)
		}
		w.look(now)
		at, s := w.turn(now)
		if len(w.queue) > 0 && !at.IsZero() && !at.After(now) {
			w.serve(ctx)
			continue
		}
		w.keepPending()
		w.publish(s, at)
		w.wait(ctx, at)
	}
}

// begin reads what is known of the trigger. It returns false when ctx is done.
func (w *worker) begin(ctx context.Context) bool {
	spec, now := w.current(), w.m.options.Clock()
	w.queue, w.retry, w.restart = nil, time.Time{}, time.Time{}
	for unread := 0; ; {
		known, err := loadMark(w.memory)
		if err == nil {
			if unread > 0 {
				w.event(Event{At: w.m.options.Clock(), Kind: EventRecovered, Failures: unread})
			}
			w.mark = known
			break
		}
		unread++
		w.failed(ctx, err)
		w.publish(BackingOff, w.mark.Retry)
		if !w.pause(ctx, w.mark.Retry) {
			return false
		}
	}
	if w.mark.When != whenOf(&spec) {
		w.anew(now)
		w.mark = mark{When: whenOf(&spec), Last: now}
	}
	if spec.Disabled {
		w.mark.Disabled = true
		w.save()
		w.publish(Disabled, time.Time{})
		w.source, w.times = nil, nil
		return true
	}
	if w.mark.Terminated != "" && w.mark.Terminated != definitionOf(&spec) {
		w.anew(now)
		w.mark.Terminated, w.mark.Failures, w.mark.Error, w.mark.Retry = "", 0, "", time.Time{}
	}
	if w.end(w.mark.Terminated); w.mark.Terminated != "" {
		w.publish(Terminated, time.Time{})
		return true
	}
	var err error
	if w.times, err = newSchedule(&spec); err == nil {
		w.hours, err = calendar.NewHours(spec.During, spec.Exclusions, spec.TimeZone)
	}
	if err != nil { // Replace has refused it
		w.failed(ctx, err)
		w.publish(BackingOff, time.Time{})
		w.times, w.source = nil, nil
		return true
	}
	w.source, w.skip = w.newSource(&spec), spec.SkipMissed
	m := &w.mark
	switch {
	case m.Last.IsZero() || m.Last.After(now.Add(maxAhead)) || m.Disabled:
		m.Last = now
	case spec.SkipMissed && w.times != nil:
		if due(w.times, calendar.Hours{}, false, m.Last, now) != (time.Time{}) {
			m.Result = "skipped what was missed"
		}
		m.Last = passed(w.times, m.Last, now)
	}
	m.Disabled = false
	if m.Acted.After(now) {
		m.Acted = now
	}
	if m.Retry.After(now.Add(longestPause)) {
		m.Retry = now
	}
	if spec.Webhook == nil || spec.Check == nil {
		w.retry = m.Retry
	}
	if p := m.Pending; p != nil {
		w.queue = []occasion{{since: p.Since, Signal: Signal{Mark: p.Source, Run: p.Run}}}
	}
	w.save()
	return true
}

// anew says that failures are over because the trigger is another one now.
func (w *worker) anew(now time.Time) {
	if w.mark.Failures > 0 {
		w.event(Event{At: now, Kind: EventRecovered, Failures: w.mark.Failures})
	}
}

func (w *worker) end(definition string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = definition
}

// watch has the source work in a goroutine of its own.
func (w *worker) watch(ctx context.Context, working *sync.WaitGroup) {
	since, skip := w.mark.Source, w.skip
	w.skip = false
	tell := func(n news) {
		select {
		case w.news <- n:
		case <-ctx.Done():
		}
	}
	working.Go(func() {
		err := safely(func() error {
			return w.source.Watch(ctx, since, skip, func(list ...Signal) { tell(news{signals: list}) })
		})
		if err == nil {
			err = errors.New("the source has ended")
		}
		tell(news{err: err})
	})
}

// look makes occasions of the times that have come.
func (w *worker) look(now time.Time) {
	if w.times == nil || len(w.queue) > 0 {
		return
	}
	drop := w.current().DropOutside
	if at := due(w.times, w.hours, drop, w.mark.Last, now); !at.IsZero() {
		w.queue = []occasion{{since: at}}
		return
	}
	if drop && !w.times.Next(w.mark.Last).IsZero() && !w.times.Next(w.mark.Last).After(now) {
		w.mark.Last = passed(w.times, w.mark.Last, now)
		w.mark.Result = "dropped: outside of its times"
	}
}

// heard takes what a source tells.
func (w *worker) heard(ctx context.Context, n news) {
	now := w.m.options.Clock()
	if n.err != nil {
		if ctx.Err() == nil {
			w.failed(ctx, n.err)
			w.restart = w.mark.Retry
		}
		return
	}
	for _, s := range n.signals {
		w.signalled(now, s)
	}
	if w.mark.Failures > 0 && len(w.queue) == 0 {
		w.recovered(now)
		w.save()
	}
}

// signalled takes one signal of a source.
func (w *worker) signalled(now time.Time, s Signal) {
	switch {
	case s.Nothing:
		w.mark.Checked = now
		if s.Mark != nil && !bytes.Equal(s.Mark, w.mark.Source) {
			w.mark.Source = s.Mark
			w.save()
		}
		return
	case !s.Apart && len(w.queue) == 0 && bytes.Equal(s.Mark, w.mark.Source):
		return // it was dealt with
	}
	spec := w.current()
	switch last := len(w.queue) - 1; {
	case spec.DropOutside && !w.hours.Open(now):
		w.drop(now, s)
	case last >= 0 && (!s.Apart || spec.Check == nil):
		w.queue[last].Signal = s
	case slices.ContainsFunc(w.queue, func(o occasion) bool { return bytes.Equal(s.Mark, o.Mark) }): // a source that was started again
	default:
		w.queue = append(w.queue, occasion{since: now, Signal: s})
	}
}

// drop passes over what happened outside of the times of the trigger.
func (w *worker) drop(now time.Time, s Signal) {
	w.mark.Source, w.mark.Checked, w.mark.Result = s.Mark, now, "dropped: outside of its times"
	if err := w.commit(nil, &s); err != nil {
		w.m.options.Log.Error("a trigger cannot be kept", "trigger", w.current().Name, "err", err)
	}
	w.event(Event{At: now, Kind: EventDropped})
}

// turn returns when the first occasion may be served, or, if there is none, when
// the next one comes; the zero time if nobody knows. The state says what for the
// trigger waits.
func (w *worker) turn(now time.Time) (at time.Time, s State) {
	spec := w.current()
	s = Waiting
	if !w.restart.IsZero() {
		s = BackingOff
	}
	if len(w.queue) == 0 {
		if w.times != nil {
			if at = upcoming(w.times, w.hours, spec.DropOutside, w.mark.Last); !at.IsZero() {
				at, _ = w.free(&spec, occasion{since: at})
			}
		}
		if s == BackingOff && (at.IsZero() || w.restart.Before(at)) {
			at = w.restart
		}
		return at, s
	}
	first := w.queue[0]
	at, held := w.free(&spec, first)
	for _, o := range w.queue[1:] {
		if earlier, isHeld := w.free(&spec, o); w.independent(o) && earlier.Before(at) {
			first, at, held = o, earlier, isHeld
		}
	}
	switch {
	case held && at.After(now) || at.IsZero():
		s = Held
	case w.retry.After(now) || first.retry.After(now):
		s = BackingOff
	}
	return at, s
}

// independent reports whether an occasion, the call of a webhook that has a check, keeps no
// other one back: what somebody sends that the check does not understand must not
// close the webhook to all.
func (w *worker) independent(o occasion) bool {
	return o.Apart && o.Call != nil && w.current().Check != nil
}

// free returns when an occasion may be served, and whether that is later only
// because of the hours.
func (w *worker) free(spec *autosync.TriggerSpec, o occasion) (at time.Time, held bool) {
	at = o.since.Add(delay(spec, o.since))
	if at.Before(o.retry) {
		at = o.retry
	}
	if earliest := w.mark.Acted.Add(spec.MinInterval); spec.MinInterval > 0 && !w.mark.Acted.IsZero() && at.Before(earliest) {
		at = earliest
	}
	if at.Before(w.retry) {
		at = w.retry
	}
	open := w.hours.NextOpen(at)
	return open, !open.Equal(at)
}

// wait waits for a time, for ever if it is zero, or for something to happen.
func (w *worker) wait(ctx context.Context, at time.Time) {
	var timer <-chan time.Time
	if !w.restart.IsZero() && (at.IsZero() || w.restart.Before(at)) {
		at = w.restart
	}
	if !at.IsZero() {
		t := time.NewTimer(min(maxSleep, at.Sub(w.m.options.Clock())))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
	case <-timer:
	case n := <-w.news:
		w.heard(ctx, n)
	case <-w.mended:
		w.retry = time.Time{}
		for i := range w.queue {
			w.queue[i].retry = time.Time{}
		}
		if !w.restart.IsZero() {
			w.restart = w.m.options.Clock()
		}
	}
}

// pause waits for a time. It returns false when ctx is done.
func (w *worker) pause(ctx context.Context, until time.Time) bool {
	timer := time.NewTimer(until.Sub(w.m.options.Clock()))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// serve serves the occasions that wait, until one fails that others have to wait for.
func (w *worker) serve(ctx context.Context) {
	for ctx.Err() == nil && w.ended == "" {
		now := w.m.options.Clock()
		i := slices.IndexFunc(w.queue, func(o occasion) bool { return !o.retry.After(now) })
		if i < 0 {
			return
		}
		if w.attempt(ctx, w.queue[i]) || w.putOff(ctx, i) {
			w.queue = slices.Delete(w.queue, i, i+1)
		} else if !w.independent(w.queue[i]) {
			return
		}
	}
}

// keepPending makes durable that something is due and has to wait.
func (w *worker) keepPending() {
	var p *pending
	if len(w.queue) > 0 && !w.queue[0].Apart {
		last := w.queue[len(w.queue)-1]
		p = &pending{w.queue[0].since, last.Mark, last.Run}
	}
	same := p == nil && w.mark.Pending == nil ||
		p != nil && w.mark.Pending != nil && p.Since.Equal(w.mark.Pending.Since) && bytes.Equal(p.Source, w.mark.Pending.Source)
	if !same {
		w.mark.Pending = p
		w.save()
	}
}

// save makes the mark durable. If it cannot, the trigger may act once more after a
// restart.
func (w *worker) save() {
	if err := w.commit(nil, nil); err != nil {
		w.mark.Error = err.Error()
	}
}

// commit makes the mark durable, together with what a check has set and what a
// source may forget: served, and what came before it unless a check is asked about each.
func (w *worker) commit(set *staged, served *Signal) error {
	value, err := json.Marshal(w.mark)
	if err != nil {
		return err
	}
	err = w.m.options.Store.Update(func(tx store.Tx) error {
		if set != nil {
			if err := set.write(tx); err != nil {
				return err
			}
		}
		if f, ok := w.source.(forgetter); ok && served != nil && served.Mark != nil {
			if err := f.forget(tx, served.Mark, w.independent(occasion{Signal: *served})); err != nil {
				return err
			}
		}
		return tx.Put(bucket, w.memory.key(markKey), value)
	})
	if err != nil {
		return fmt.Errorf("storing the state of a trigger: %w", err)
	}
	return nil
}
