package autosync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
)

// The errors of a scheduler.
var (
	// ErrRunning says that Run or Once is already working.
	ErrRunning = errors.New("the scheduler is already running")

	// ErrStopped says that Run or Once has ended.
	ErrStopped = errors.New("the scheduler has stopped")
)

// Options say what a scheduler works on. Engine and Store are needed.
type Options struct {
	Engine   Engine
	Store    store.Store // for requests and the times of imports, in buckets of its own
	Settings Settings
	Clock    func() time.Time // nil is time.Now
	Log      *slog.Logger     // nil discards

	// Event, if set, is told what happens, one event at a time and in order. It
	// must return at once, and call no method of the scheduler.
	Event func(Event)
}

// A Scheduler drives an engine. Its methods may be called from several
// goroutines.
type Scheduler struct {
	engine Engine
	store  store.Store
	clock  func() time.Time
	log    *slog.Logger

	onEvent func(Event)
	eventMu sync.Mutex

	wake   chan struct{} // holds one; the situation may have changed
	turn   chan struct{} // the loop takes from it each time it comes round; see Alive
	ended  chan *execution
	asking sync.Mutex // one durable request at a time; taken before mu

	mu       sync.Mutex
	settings Settings
	state    state
	once     *Summary // of the call of Once that works now
	imports  bool     // its first phase
	numbers  uint64   // of durable requests
	queue    map[key]*entry
	running  map[string]*execution // by agent
	judge    []*execution          // ended, and not yet compared with the facts
	barriers []*barrier
	passing  time.Time // since when the function of a barrier works, zero if none does
	settling []*settling

	facts     map[string]Facts
	factDelay delay // of an engine that cannot tell its facts
	delays    map[key]delay
	retries   map[retryKey]retry
	progress  map[retryKey]uint64 // how often something changed that failed objects may have waited for
	origins   map[string]origins
	wanted    map[need]time.Time
	controls  map[string]Control // by agent, "" for all
	imported  map[string]time.Time
	fullOnly  map[string]uint64
	circling  map[string]bool       // agents whose follow-ups go round in circles, as was reported
	usual     map[key]time.Duration // how long the runs take that come to their end
	started   time.Time
	last      map[string]Completed // by agent
	waiting   []Waiting            // of the last plan
	decided   time.Time            // when that was made
	waited    map[string]Waited
}

type state int

const (
	idle state = iota // Run was not called yet
	active
	stopped
)

// An execution is a run that is going on, or that has just ended.
type execution struct {
	want
	steps   []run.StepType
	started time.Time
	before  map[string]Facts
	serves  []*entry // the requests that it carries out
	result
	permission  Permission
	cancel      context.CancelFunc
	cut         atomic.Int32 // a cut
	stuck       bool         // it was reported so
	interrupted bool         // it was stopped because the scheduler stops
	overlapped  bool         // another run went on at the same time

	seen map[kind]uint64 // the progress of the agent when it started
}

func (e *execution) failed() bool { return e.err != nil || e.outcome.failed() }

// reason says why a run failed.
func (e *execution) reason() string {
	switch {
	case e.err != nil:
		return e.err.Error()
	case e.outcome.Err != nil:
		return e.outcome.Err.Error()
	}
	return string(e.outcome.Result)
}

// New returns a scheduler that goes on where an earlier one on this store ended.
func New(o Options) (*Scheduler, error) {
	if err := o.Settings.validate(); err != nil {
		return nil, err
	}
	queue, imported, err := load(o.Store)
	if err != nil {
		return nil, err
	}
	controls, err := loadControls(o.Store)
	if err != nil {
		return nil, err
	}
	s := &Scheduler{
		engine: o.Engine, store: o.Store, clock: o.Clock, log: o.Log, settings: o.Settings, onEvent: o.Event, controls: controls,
		wake: make(chan struct{}, 1), turn: make(chan struct{}), ended: make(chan *execution),
		queue: queue, imported: imported, running: map[string]*execution{},
		delays: map[key]delay{}, retries: map[retryKey]retry{}, progress: map[retryKey]uint64{}, origins: map[string]origins{},
		wanted: map[need]time.Time{}, fullOnly: map[string]uint64{}, last: map[string]Completed{},
		usual: map[key]time.Duration{}, circling: map[string]bool{}, waited: map[string]Waited{},
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	for _, e := range queue {
		s.numbers = max(s.numbers, e.number)
	}
	return s, nil
}

// maxSleep bounds how long the scheduler relies on a timer: after it, it looks
// at the facts and at the clock again.
const maxSleep = time.Minute

// Run is the daemon: it works until ctx is done, then has the running steps
// stopped, waits for them and returns nil. Requests that it did not get to
// remain in the store. While it or Once is working it returns ErrRunning.
func (s *Scheduler) Run(ctx context.Context) error {
	if err := s.begin(nil); err != nil {
		return err
	}
	defer s.end()
	_ = s.loop(ctx) // the error of ctx
	return nil
}

// Expect says that Run is about to be called, after an earlier call of Run or Once
// has ended: what is asked for until then waits for it.
func (s *Scheduler) Expect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stopped {
		s.state = idle
	}
}

func (s *Scheduler) begin(once *Summary) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == active {
		return ErrRunning
	}
	s.state, s.once, s.imports = active, once, once != nil
	if once != nil { // every call tries everything anew
		clear(s.delays)
		clear(s.retries)
		clear(s.progress)
	}
	return nil
}

// end answers all who wait for something that will not happen any more.
func (s *Scheduler) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.once, s.imports = stopped, nil, false
	for k, e := range s.queue {
		e.reply(result{err: ErrStopped})
		if e.number == 0 {
			delete(s.queue, k)
		}
	}
	for _, b := range s.barriers {
		b.done <- ErrStopped
	}
	s.barriers = nil
	for _, w := range s.settling {
		w.done <- ErrStopped
	}
	s.settling = nil
}

// loop decides, starts and collects runs. In a call of Once it returns nil when
// nothing is left to do; otherwise it returns the error of ctx. No run is
// active any more when it returns.
func (s *Scheduler) loop(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, quiet, err := s.step(ctx)
		if quiet || err != nil {
			s.drain(ctx)
			return err
		}
		sleep := maxSleep
		if !next.IsZero() {
			sleep = max(0, min(sleep, next.Sub(s.clock())))
		}
		timer.Reset(sleep)
		select {
		case <-ctx.Done():
			s.drain(ctx)
			return ctx.Err()
		case e := <-s.ended:
			s.finish(ctx, e)
		case <-s.wake:
		case <-s.turn:
		case <-timer.C:
		}
	}
}

// drain waits for the runs that are going on.
func (s *Scheduler) drain(ctx context.Context) {
	for {
		s.mu.Lock()
		n := len(s.running)
		s.mu.Unlock()
		if n == 0 {
			return
		}
		s.finish(ctx, <-s.ended)
	}
}

// step looks at the situation once and starts what can be started. It returns
// when to look again even if nothing happens; quiet means that a call of Once is
// done. An error is one that Once cannot go on from.
func (s *Scheduler) step(ctx context.Context) (next time.Time, quiet bool, err error) {
	if ctx.Err() != nil {
		return next, false, nil
	}
	s.passBarriers()
	s.endControls()
	s.watchdog()
	list, err := s.engine.Facts()

	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	if err != nil {
		if s.once != nil {
			return next, false, fmt.Errorf("reading what is to be done: %w", err)
		}
		s.log.Error("cannot read what is to be done", "err", err)
		s.factDelay = s.factDelay.again(failurePause, now, err.Error())
		return s.factDelay.next, false, nil
	}
	s.factDelay = delay{}
	facts := make(map[string]Facts, len(list))
	for _, f := range list {
		facts[f.Agent] = f
	}
	s.learn(facts, now)
	s.dropUnknown()
	s.countWaits(now)

	view := s.situation(now)
	p := view.plan()
	if s.once != nil && s.imports && len(s.running) == 0 && len(p.start) == 0 && !p.soon {
		s.imports = false
		view = s.situation(now)
		p = view.plan()
	}
	s.wanted, s.waiting = p.wanted, p.waiting
	s.reportCircles()
	if len(s.barriers) > 0 {
		for _, w := range p.start {
			p.wait(w, "a change of the configuration")
		}
		s.waiting, p.start = p.waiting, nil
	}
	s.refuse(&view)
	for _, w := range p.start {
		s.launch(ctx, w, now)
	}
	rests := len(s.running) == 0 && len(s.barriers) == 0 && !p.soon
	if rests {
		s.atRest()
	}
	return p.next, s.once != nil && rests, nil
}

// reportCircles tells of follow-ups that have begun to go round in circles.
func (s *Scheduler) reportCircles() {
	now := map[string]bool{}
	for _, w := range s.waiting {
		if w.For != circles {
			continue
		}
		now[w.Agent] = true
		if !s.circling[w.Agent] {
			s.log.Warn("changes go round in circles; the next steps come slower", "agent", w.Agent, "profile", w.Profile, "next", w.NotBefore)
			s.emit(Event{Kind: ChainParked, Agent: w.Agent, Profile: w.Profile, Cause: w.Cause, Reason: circles, Until: w.NotBefore})
		}
	}
	s.circling = now
}

// situation is what the planner sees.
func (s *Scheduler) situation(now time.Time) situation {
	view := situation{
		now: now, settings: s.settings, facts: s.facts, delays: s.delays, retries: s.retries,
		origins: s.origins, wanted: s.wanted, imported: s.imported, fullOnly: s.fullOnly,
		started: s.started, once: s.once != nil, importsOnly: s.imports, controls: s.controls,
	}
	entries := make([]*entry, 0, len(s.queue))
	for _, e := range s.queue {
		if !s.imports || e.first {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b *entry) int {
		if c := a.since.Compare(b.since); c != 0 {
			return c
		}
		return strings.Compare(a.Agent+"\x00"+a.Profile, b.Agent+"\x00"+b.Profile)
	})
	for _, e := range entries {
		view.requests = append(view.requests, e.pending)
	}
	for _, e := range s.running {
		view.running = append(view.running, work{e.key, hasKind(e.steps, syncing), e.exclusive})
	}
	slices.SortFunc(view.running, func(a, b work) int { return strings.Compare(a.agent, b.agent) })
	return view
}

// launch starts a run. It carries out every request for the same profile, and
// those that it covers and nobody waits for.
func (s *Scheduler) launch(ctx context.Context, w want, now time.Time) {
	e := &execution{want: w, steps: s.settings.steps(w.key), started: now, before: s.facts, overlapped: len(s.running) > 0}
	for _, other := range s.running {
		other.overlapped = true
	}
	e.seen = map[kind]uint64{}
	for _, k := range []kind{syncing, exporting} {
		e.seen[k] = s.progress[retryKey{w.agent, k}]
	}
	for k, request := range s.queue {
		same := k == w.key
		covered := k.agent == w.agent && len(request.waiters) == 0 && covers(s.settings.wholeSteps(w.key), s.settings.wholeSteps(k))
		if same || covered {
			e.serves = append(e.serves, request)
			delete(s.queue, k)
		}
	}
	s.running[w.agent] = e
	s.started = now
	maps.DeleteFunc(s.wanted, func(n need, _ time.Time) bool { return n.key == w.key })
	a, _ := s.settings.agent(w.agent)
	planned := Planned{Agent: w.agent, Profile: w.profile, Partition: w.partition, Exclusive: w.exclusive, Cause: w.cause}
	running, cancel := context.WithCancel(ctx)
	e.cancel = cancel
	go func() {
		defer cancel()
		if e.permission, e.err = s.permit(running, a.Controller, planned); e.err == nil {
			s.emit(Event{Kind: RunStarted, Agent: w.agent, Profile: w.profile, Cause: w.cause})
			e.result = s.execute(running, w)
			s.conclude(ctx, a.Controller, planned, e.result)
		} else if s.stopIfUnexpected(e.err, w.agent, "shouldExecute of "+w.agent) {
			e.permission = Permission{Refused: true, Reason: e.err.Error()}
		} else if !errors.Is(e.err, errRefused) && running.Err() == nil {
			s.emit(Event{Kind: HookFailed, Agent: w.agent, Profile: w.profile, Cause: w.cause, Reason: e.err.Error(), By: "shouldExecute"})
		}
		e.interrupted = e.failed() && (ctx.Err() != nil || e.cut.Load() == hardStop)
		if !e.interrupted {
			var imported time.Time
			if !e.failed() && hasKind(e.steps, importing) {
				imported = s.clock()
			}
			if err := settle(s.store, e.done(), w.agent, imported); err != nil {
				e.err = err
			}
		}
		s.ended <- e
	}()
}

// execute calls the engine. A panic in it is a failed run and not the end of
// the daemon: no transaction that it was in has been committed.
func (s *Scheduler) execute(ctx context.Context, w want) (r result) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("a run panicked", "agent", w.agent, "profile", w.profile, "err", p, "stack", string(debug.Stack()))
			r.err = fmt.Errorf("panic: %v", p)
		}
	}()
	cause := w.cause
	cause.Depth = w.depth
	r.outcome, r.err = s.engine.Execute(ctx, w.agent, w.profile, cause)
	return r
}

// done returns the requests that are settled: all if the run came to its end, if a
// threshold holds it, if somebody cancelled it, or if its controller refused it for good; otherwise those
// that are not to be repeated.
func (e *execution) done() []*entry {
	if e.held() || e.cut.Load() == byHand || e.permission.Refused && e.permission.RetryAfter == 0 && errors.Is(e.err, errRefused) {
		return e.serves
	}
	return slices.DeleteFunc(slices.Clone(e.serves), func(r *entry) bool { return e.failed() && (r.keep || e.permission.RetryAfter > 0 && r.number != 0) })
}

// finish takes notice that a run has ended.
func (s *Scheduler) finish(ctx context.Context, e *execution) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	delete(s.running, e.agent)
	if len(e.outcome.Steps) > 0 {
		e.steps = e.outcome.Steps
	}
	completed := e.completed(now)
	s.last[e.agent] = completed
	if s.once != nil {
		s.once.add(completed, e)
	}
	for _, w := range s.settling {
		w.summary.add(completed, e)
	}
	done := e.done()
	for _, r := range e.serves {
		again := e.interrupted && r.number != 0 || !slices.Contains(done, r)
		r.reply(e.result)
		if again {
			s.enqueue(r)
		}
	}
	switch {
	case e.interrupted:
	case e.permission.Refused:
		s.refused(e, now)
	case e.failed():
		s.retreat(e, now)
		a, _ := s.settings.agent(e.agent)
		if e.outcome.Result == run.NoStartFullImport && e.profile != a.Operations[run.FullImport] {
			s.fullOnly[e.agent] = e.outcome.Run
		}
		log := s.log.With("agent", e.agent, "profile", e.profile)
		if e.outcome.Run == 0 {
			log.Error("a run did not start", "err", e.reason())
		}
		if next := s.delays[e.key].next; e.held() {
			log.Warn("a step is held until somebody approves or rejects it", "run", e.outcome.Run)
		} else if next.Before(never) {
			log.Info("a failed run will be tried again", "run", e.outcome.Run, "next", next)
		}
	default:
		if hasKind(e.steps, importing) {
			s.imported[e.agent] = now
		}
		if slices.Contains(e.steps, run.FullImport) {
			delete(s.fullOnly, e.agent)
		}
		s.usual[e.key] = max(s.usual[e.key]*9/10, now.Sub(e.started))
		s.log.Debug("a run ended", "agent", e.agent, "profile", e.profile, "run", e.outcome.Run, "result", e.outcome.Result)
	}
	s.tell(e)
	s.judge = append(s.judge, e)
}

// tell has the event of a run told that has ended.
func (s *Scheduler) tell(e *execution) {
	event := Event{Kind: RunCompleted, Agent: e.agent, Profile: e.profile, Run: e.outcome.Run, Cause: e.cause, Result: e.outcome.Result, Record: e.outcome.Record}
	if e.failed() {
		event.Reason = e.reason()
	}
	switch {
	case e.permission.Refused:
		event.Kind = RunRefused
	case e.outcome.Run == 0:
		event.Kind = RunFailed
	}
	s.emit(event)
	for _, held := range HeldEvents(event) {
		s.emit(held)
	}
	for _, p := range e.outcome.Parked {
		s.log.Warn("an object is parked: its changes go round", "agent", e.agent, "run", e.outcome.Run, "object", p.Name(), "err", p.Detail)
		s.emit(Event{
			Kind: ObjectParked, Agent: e.agent, Profile: e.profile, Run: e.outcome.Run, Cause: e.cause,
			Object: p.Name(), Reason: p.Detail,
		})
	}
}

// refused keeps back what a controller did not allow.
func (s *Scheduler) refused(e *execution, now time.Time) {
	if e.permission.RetryAfter > 0 && s.once == nil {
		s.delays[e.key] = delay{at: now, next: now.Add(e.permission.RetryAfter), reason: e.reason()}
	} else {
		s.postpone(e.key, refusalPause, now, e.reason())
	}
	d := s.delays[e.key]
	d.refused = true
	s.delays[e.key] = d
	s.log.Info("a run was refused by its controller", "agent", e.agent, "profile", e.profile, "reason", e.reason(), "next", s.delays[e.key].next)
}

// retreat keeps back what failed: as the settings say for its result, and
// otherwise for a growing time.
func (s *Scheduler) retreat(e *execution, now time.Time) {
	d := s.delays[e.key]
	wait, listed := s.settings.Retry.wait(e.outcome.Result, d.failures+1)
	if !listed || s.once != nil {
		s.postpone(e.key, failurePause, now, e.reason())
		d = s.delays[e.key]
		d.held = e.held()
		s.delays[e.key] = d
		return
	}
	s.delays[e.key] = delay{failures: d.failures + 1, at: now, next: now.Add(wait), reason: e.reason()}
}

// postpone keeps what failed back: for a growing time, or for the rest of a
// call of Once.
func (s *Scheduler) postpone(k key, p pause, now time.Time, reason string) {
	d := s.delays[k].again(p, now, reason)
	if s.once != nil {
		d.next = never
	}
	s.delays[k] = d
}

func (s *Scheduler) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
