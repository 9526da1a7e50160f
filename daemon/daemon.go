package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/metasync/metasync/daemon/metrics"
	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/notify"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/engine/workflow"
	"github.com/metasync/metasync/scripting"
	"github.com/metasync/metasync/triggers"
)

// A Daemon is one configuration at work. It holds the store: there is only one
// of them on a state folder. Its methods may be called from several goroutines.
type Daemon struct {
	options   Options
	state     store.Store
	history   store.Store
	engine    *engine.Engine
	notifier  *notify.Notifier
	scheduler *autosync.Scheduler
	triggers  *triggers.Manager
	listening *listening
	metrics   *metrics.Metrics
	queue     *workflow.Queue
	started   time.Time

	reloading sync.Mutex // one reload at a time
	seen      sighted    // before what is in force was read

	mu       sync.Mutex
	active   *candidate
	since    time.Time // when active took effect
	rejected *rejection
	held     *hold // a change that waits for approval; see guard.go
	warnings []error
	running  bool // Run is at work

	events        mailbox
	workflowsWake chan struct{} // holds one
	pruneWake     chan struct{} // holds one
	listeners     map[int]run.Progress
	nextID        int
}

// rejection is a change of configuration or scripts that did not take effect.
type rejection struct {
	at         time.Time
	generation string // of the scripts; "" if they could not be read
	err        error
}

// Files in the state folder.
const (
	stateFile   = "state.db"
	historyFile = "history.db"
)

// Open loads the configuration, opens the store and compiles everything. With
// the scripts folder broken it goes on with the last good scripts, if there are
// any; with a change that is held, with all that was in force last. The error is
// [store.ErrLocked] if another process holds the state folder.
func Open(ctx context.Context, o Options) (_ *Daemon, err error) {
	o = o.withDefaults()
	d := &Daemon{options: o, started: o.Now(), listeners: map[int]run.Progress{}, events: mailbox{wake: make(chan struct{}, 1)}, workflowsWake: make(chan struct{}, 1), pruneWake: make(chan struct{}, 1)}
	d.seen = sight(ctx, o, rootsOf(o))
	c, scriptErr := assemble(ctx, o, fromFolder)
	folder := StateFolder(o)
	if c != nil {
		folder = c.config.State
		defer func() {
			if err != nil {
				c.scripts.Close()
			}
		}()
	}
	if c == nil {
		if _, statErr := os.Stat(filepath.Join(folder, stateFile)); statErr != nil {
			return nil, scriptErr // there is nothing to fall back to
		}
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("create state folder: %w", err)
	}
	if d.state, err = store.OpenBolt(filepath.Join(folder, stateFile), store.BoltOptions{Log: o.Log}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.state.Close())
		}
	}()
	if err := removeLeftovers(folder); err != nil {
		return nil, err
	}
	if d.history, err = store.OpenBolt(filepath.Join(folder, historyFile), store.BoltOptions{Log: o.Log}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.history.Close())
		}
	}()
	if c == nil {
		if c, err = assemble(ctx, o, d.lastGood(scriptErr)); err != nil {
			return nil, err
		}
		d.rejected = &rejection{o.Now(), scripting.FolderID(c.config.Scripts), scriptErr}
		o.Log.Error("the scripts are broken; going on with the last good ones", "generation", c.scripts.ID(), "err", scriptErr)
	}
	d.options.Log = redacted(o.Log, c.config.Secrets)
	if d.engine, err = engine.Open(engine.Options{State: d.state, History: d.history, Log: d.options.Log, Now: o.Now}); err != nil {
		return nil, err
	}
	if d.notifier, err = notify.New(notify.Options{Store: d.state, History: d.engine.History(), Now: o.Now, Log: d.options.Log}); err != nil {
		return nil, err
	}
	d.queue = workflow.New(workflow.Options{Store: d.state, Source: d.engine, Log: d.options.Log, Now: o.Now})
	chosen, held, err := d.startWith(ctx, c)
	if err != nil {
		return nil, err
	}
	c = chosen
	if err := d.activate(ctx, c); err != nil {
		return nil, err
	}
	if err := d.setHold(held); err != nil {
		return nil, err
	}
	if d.scheduler, err = autosync.New(autosync.Options{
		Engine: (*schedulerEngine)(d), Store: d.state, Settings: d.settings(c), Clock: o.Now, Log: d.options.Log, Event: d.happened,
	}); err != nil {
		return nil, err
	}
	d.metrics = metrics.New(metrics.Options{Version: o.Version, View: d.measure, History: d.engine.History(), Log: d.options.Log})
	d.triggers, d.listening = d.newTriggers(), d.newListening()
	if err := d.triggers.Replace(d.supervised(c)); err != nil {
		return nil, err
	}
	return d, nil
}

// lastGood loads the scripts that were in force last. If there are none, the
// error is the one that the folder gave.
func (d *Daemon) lastGood(broken error) func(context.Context, *scripting.Loader) (*scripting.Generation, error) {
	return func(ctx context.Context, l *scripting.Loader) (*scripting.Generation, error) {
		kept, err := d.good()
		if err != nil || kept == nil {
			return nil, errors.Join(broken, err)
		}
		g, err := l.LoadKept(ctx, &kept.scripts)
		if err != nil {
			return nil, errors.Join(broken, err)
		}
		return g, nil
	}
}

// activate makes a candidate the one that runs. No run may be active.
func (d *Daemon) activate(ctx context.Context, c *candidate) (err error) {
	if d.options.Logging != nil {
		if err := d.options.Logging(c.config.Log); err != nil {
			return fault.Wrap("log-not-writable", err)
		}
		before := d.current()
		defer func() {
			if err != nil && before != nil {
				err = errors.Join(err, d.options.Logging(before.config.Log))
			}
		}()
	}
	warnings, err := d.engine.Configure(ctx, c.definition, c.functions)
	if err != nil {
		return redactedError(err, c.config.Secrets)
	}
	for _, w := range warnings {
		log := d.options.Log
		if hint := fault.As(w, "").Hint; hint != "" {
			log = log.With("hint", hint)
		}
		log.Warn("warning about the configuration", "err", w)
	}
	if err := d.keep(c); err != nil {
		return err
	}
	if err := d.queue.Begin(c.workflows()); err != nil {
		return err
	}
	d.notifier.Configure(c.notifications())
	d.mu.Lock()
	defer d.mu.Unlock()
	d.active, d.since, d.warnings = c, d.options.Now(), warnings
	return nil
}

// Close releases the store. Nothing else may be going on.
func (d *Daemon) Close() error {
	d.mu.Lock()
	active := d.active
	d.mu.Unlock()
	if active != nil {
		active.scripts.Close()
	}
	return errors.Join(d.state.Close(), d.history.Close())
}

// StateFolder returns where the state is.
func (d *Daemon) StateFolder() string { return d.current().config.State }

func (d *Daemon) current() *candidate {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.active
}

// Run keeps the connected systems in step until ctx is done: scheduler, triggers,
// notifications and the watch over configuration and scripts. It then ends the
// running steps, waits for everything and returns nil.
func (d *Daemon) Run(ctx context.Context) error {
	d.Expect()
	defer d.setRunning(false)
	if err := d.metrics.Begin(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts := map[string]func(context.Context) error{
		"scheduler": d.scheduler.Run, "triggers": d.triggers.Run, "watch": d.watch, "history": d.prune, "events": d.deliver,
		"notifications": d.notices().run,
		"workflows":     d.runWorkflows,
	}
	ended := make(chan error, len(parts))
	for name, part := range parts {
		go func() {
			err := part(ctx)
			if err != nil {
				err = fmt.Errorf("%s: %w", name, err)
			}
			cancel()
			ended <- err
		}()
	}
	var errs []error
	for range parts {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}

// Expect says that Run is about to be called: what is asked of the daemon from now on
// waits for it, instead of being done beside it.
func (d *Daemon) Expect() {
	d.scheduler.Expect()
	d.setRunning(true)
}

func (d *Daemon) setRunning(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running = on
}

// Once imports every agent, or everything of it, synchronizes, exports and confirms until nothing is
// left to do. While Run is at work, it has Run do that; otherwise nothing is done,
// with a [HeldError], as long as a change is held. progress may be nil.
func (d *Daemon) Once(ctx context.Context, sweep autosync.Sweep, progress run.Progress) (autosync.Summary, error) {
	if err := d.refuseHeld(); err != nil {
		return autosync.Summary{}, err
	}
	defer d.listen(progress)()
	d.mu.Lock()
	running := d.running
	d.mu.Unlock()
	if running {
		return d.scheduler.Settle(ctx, sweep)
	}
	defer d.work(ctx)
	defer d.tell(context.WithoutCancel(ctx))
	return d.scheduler.Once(ctx, sweep)
}

// Exec carries out one run profile by hand, for the given user, and returns its
// record. While Run is at work the run goes through the scheduler's queue. If ctx
// is done while it waits there, it is not started; a run that has started there
// goes on. For a change that is held see [Daemon.Once].
func (d *Daemon) Exec(ctx context.Context, agent, profile, user string, progress run.Progress) (record *run.Record, err error) {
	if err := d.refuseHeld(); err != nil {
		return nil, err
	}
	defer d.listen(progress)()
	defer func() { d.did(Note{Kind: "exec", Agent: agent, Profile: profile, User: user}, record, err) }()
	cause := run.Cause{Kind: autosync.CauseManual, User: user}
	d.mu.Lock()
	running := d.running
	d.mu.Unlock()
	if !running {
		defer d.work(ctx)
		record, err = d.engine.Run(ctx, agent, profile, cause, d.report)
		d.tellHeld(ctx, record)
		return record, err
	}
	outcome, err := d.scheduler.Do(ctx, autosync.Request{Agent: agent, Profile: profile, Cause: cause})
	if err != nil {
		return nil, err
	}
	if outcome.Run == 0 {
		return nil, outcome.Err
	}
	return d.engine.History().Record(outcome.Run)
}

// listen has progress called for everything that runs, until the returned
// function is called.
func (d *Daemon) listen(progress run.Progress) (stop func()) {
	if progress == nil {
		return func() {}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	id := d.nextID
	d.nextID++
	d.listeners[id] = progress
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.listeners, id)
	}
}

func (d *Daemon) report(agent string, step run.StepType, done, total int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, progress := range d.listeners {
		progress(agent, step, done, total)
	}
}

// schedulerEngine is the engine as the scheduler sees it.
type schedulerEngine Daemon

// Facts implements [autosync.Engine].
func (e *schedulerEngine) Facts() ([]autosync.Facts, error) { return e.engine.Facts() }

// Execute implements [autosync.Engine].
func (e *schedulerEngine) Execute(ctx context.Context, agent, profile string, cause run.Cause) (autosync.Outcome, error) {
	record, err := e.engine.Run(ctx, agent, profile, cause, (*Daemon)(e).report)
	if err != nil {
		(*Daemon)(e).notices().notStarted(ctx, agent, profile, err)
		return autosync.Outcome{}, err
	}
	(*Daemon)(e).notices().runEnded(record)
	(*Daemon)(e).wakeWorkflows()
	return autosync.OutcomeOf(record), nil
}
