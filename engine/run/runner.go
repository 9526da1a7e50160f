package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	gosync "sync"
	"time"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/internal/logging"
)

// A Runner carries out run profiles over one store. It is safe for concurrent
// use: runs of different agents may overlap, but never two on one agent, and never
// two synchronizations.
type Runner struct {
	space   *space.Space
	history *History
	log     *slog.Logger
	now     func() time.Time

	mu      gosync.Mutex
	sends   sends           // of chains of follow-ups
	busy    map[string]bool // agents that run, "" for the synchronization
	current map[uint64]*Record
	batch   int // see SetBatch
}

// Options are the parts of a runner.
type Options struct {
	Space   *space.Space
	History *History
	Log     *slog.Logger
	Now     func() time.Time // nil is time.Now
}

// NewRunner returns a runner.
func NewRunner(o Options) *Runner {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Runner{
		space: o.Space, history: o.History, log: o.Log, now: func() time.Time { return o.Now().UTC() },
		busy: map[string]bool{}, current: map[uint64]*Record{},
	}
}

// An Environment is one configuration, ready to run. It never changes.
type Environment struct {
	Rules  *rules.Set
	Agents map[string]*Agent
	Redact func(text string) string // takes secrets out of what records show; nil leaves texts alone

	Details DetailOptions
}

// An Agent is a management agent with what the configuration says about running it.
type Agent struct {
	Name       string
	Agent      agent.Agent
	Schema     identity.Schema
	Required   []agent.Required
	Profiles   []Profile
	Thresholds Thresholds

	// ExportOff: nothing is exported but by a profile that somebody runs by hand.
	ExportOff bool
	// Configuration is a fingerprint of what decides what an import delivers, ""
	// if nobody knows; Strict refuses delta steps after a change of it, or of the
	// rules, until a full one has run. See [StepWarning].
	Configuration string
	Strict        bool
}

// Profile returns the profile with the given name, nil if there is none.
func (a *Agent) Profile(name string) *Profile {
	for i := range a.Profiles {
		if a.Profiles[i].Name == name {
			return &a.Profiles[i]
		}
	}
	return nil
}

// agent returns the agent with a name, or the error that there is none.
func (env *Environment) agent(name string) (*Agent, error) {
	if a := env.Agents[name]; a != nil {
		return a, nil
	}
	err := fault.New("unknown-agent", "there is no agent %q", name)
	err.Hint = hintFor(name, slices.Sorted(maps.Keys(env.Agents)))
	return nil, err
}

// ErrBusy is wrapped by the error of a run that was refused because another run
// is in its way (sync-engine §2.2).
var ErrBusy = errors.New("another run is active")

// A Progress is told how far a step is. total is 0 if nobody knows. It is called
// often and must be quick.
type Progress func(agent string, step StepType, done, total int)

// Run carries out a profile and returns its record, which is in the history
// already. The error is for what has no record: an unknown profile, a busy agent,
// a store that fails. A cancelled context ends the run soon; its record says so.
func (r *Runner) Run(ctx context.Context, env *Environment, agentName, profile string, cause Cause, progress Progress) (*Record, error) {
	a, err := env.agent(agentName)
	if err != nil {
		return nil, err
	}
	p := a.Profile(profile)
	if p == nil {
		names := make([]string, len(a.Profiles))
		for i, known := range a.Profiles {
			names[i] = known.Name
		}
		err := fault.New("unknown-run-profile", "agent %q has no run profile %q", agentName, profile)
		err.Hint = hintFor(profile, names)
		return nil, err
	}
	return r.run(ctx, env, a, p, job{}, cause, progress)
}

// A job is what a run is to do that no profile says.
type job struct {
	chosen  []identity.ID // what a resynchronization or an export is to do; nil is what is outdated, or pending
	removal *Removal      // what a removal is to remove
}

// run carries out a profile that is the given job.
func (r *Runner) run(ctx context.Context, env *Environment, a *Agent, p *Profile, what job, cause Cause, progress Progress) (*Record, error) {
	agentName, profile := a.Name, p.Name
	release, err := r.acquire(agentName, p, a.Agent != nil && a.Agent.Capabilities().NoConcurrency)
	if err != nil {
		return nil, err
	}
	defer release()

	record := &Record{Agent: agentName, Profile: profile, Cause: cause, Result: InProgress, Started: r.now(), Steps: []*Report{}}
	if record.Run, err = r.history.begin(record); err != nil {
		return nil, err
	}
	ctx = logging.With(ctx, slog.Uint64("run", record.Run), slog.String("agent", agentName), slog.String("profile", profile))
	log := r.log.With("agent", agentName, "run", record.Run, "profile", profile)
	log.Info("run started", "cause", cause.Kind, "name", cause.Name)
	if progress == nil {
		progress = func(string, StepType, int, int) {}
	}
	for _, definition := range p.Steps {
		s := &step{
			Runner: r, ctx: ctx, env: env, agent: a, log: log.With("step", definition.Type),
			report: newReport(definition.Type, r.now()), progress: progress,
			definition: definition, limits: r.batched(limitsOf(definition, a.Thresholds)), job: what,
			profile: profile, number: record.Run, depth: cause.Depth,
		}
		record.Steps = append(record.Steps, s.report)
		s.details = s.newDetails(record.Run, len(record.Steps))
		s.run()
		s.details.close()
		s.report.Ended = r.now()
		if s.report.Result.Stopped() {
			break
		}
	}
	record.Result, record.Ended = record.severest(), r.now()
	if err := r.history.end(record); err != nil {
		return nil, err
	}
	log = log.With("result", record.Result, "took", record.Ended.Sub(record.Started))
	if record.Result.Stopped() {
		log.Error("run ended", "err", record.why())
	} else {
		log.Info("run ended")
	}
	return record, nil
}

func hintFor(text string, known []string) string {
	if near := fault.Suggest(text, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return fmt.Sprintf("there are %q", known)
}

// notConcurrent is what agents that do not run beside each other take.
const notConcurrent = "\x00"

func (r *Runner) acquire(agentName string, p *Profile, alone bool) (release func(), err error) {
	needs := []string{agentName}
	if alone {
		needs = append(needs, notConcurrent)
	}
	for _, s := range p.Steps {
		if s.Type.Sync() != "" || s.Type == Remove {
			needs = append(needs, "")
			break
		}
	}
	return r.acquireAll(needs)
}

// acquireAll takes the locks of agents, "" is that of the synchronization: all or
// none.
func (r *Runner) acquireAll(needs []string) (release func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range needs {
		if r.busy[name] && name == "" {
			return nil, fmt.Errorf("%w: a synchronization", ErrBusy)
		}
		if r.busy[name] && name == notConcurrent {
			return nil, fmt.Errorf("%w: of an agent beside which %q cannot run", ErrBusy, needs[0])
		}
		if r.busy[name] {
			return nil, fmt.Errorf("%w: of agent %q", ErrBusy, name)
		}
	}
	for _, name := range needs {
		r.busy[name] = true
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, name := range needs {
			delete(r.busy, name)
		}
	}, nil
}

// A step is one step while it runs.
type step struct {
	*Runner
	ctx      context.Context
	env      *Environment
	agent    *Agent
	log      *slog.Logger
	report   *Report
	progress Progress
	details  *details
	schema   identity.Schema // of an import: as the system has it now

	definition Step
	profile    string // of the run
	number     uint64 // of the run
	depth      int    // see Cause
	limits     limits
	halt       Result // why the step has to stop where it is, "" if it has not

	partition string            // what is imported or exported, "" for an undivided system
	known     []agent.Partition // all partitions of the system
	last      bool              // all partitions are imported, and this is the last one
	unclean   bool              // one of them had errors

	read   []*staging   // what was imported and has not been concluded from
	ledger stagedCounts // see importhold.go

	job

	rehearsed *space.Tx // see [Single.Rehearse]
	reported  bitmap    // what was imported, by sequence number, if the synchronization wants to know
}

// run carries out the step and sets its result.
func (s *step) run() {
	s.report.Dropped = s.definition.idle()
	if s.limits.length > 0 {
		s.limits.until = s.now().Add(s.limits.length)
	}
	s.ended(s.parts())
}

// ended sets the result of a step that did not come to its end.
func (s *step) ended(err error) {
	switch {
	case err == nil:
	case s.ctx.Err() != nil:
		s.report.Result, s.report.Error = StoppedServiceShutdown, context.Cause(s.ctx).Error()
	default:
		s.report.stop(err)
		if redact := s.env.Redact; redact != nil {
			s.report.Error = redact(s.report.Error)
		}
	}
}

// parts carries out what the step consists of: one after the other, until one is
// stopped.
func (s *step) parts() error {
	switch {
	case s.definition.Type == Remove:
		return s.part(s.remove)
	case s.definition.Type == Export:
		return s.part(s.exportStep)
	}
	if t := s.definition.Type.Import(); t != "" {
		if err := s.imports(t == DeltaImport); err != nil || s.report.Result.Stopped() {
			return err
		}
		s.limits.objects = 0 // it was that of the import
	}
	if t := s.definition.Type.Sync(); t != "" {
		return s.part(func() error { return s.syncStep(t) })
	}
	return nil
}

// part carries out a part of the step. Errors are counted for each part by
// itself; the result becomes the more severe one of those so far.
func (s *step) part(do func() error) error {
	r := s.report
	before := r.Result
	r.errors, r.warnings, r.Result = 0, 0, InProgress
	if err := do(); err != nil {
		return err
	}
	r.Result = before.with(r.Result)
	return nil
}

// finish sets the result of a step that came to its end. processed is the
// number of objects that it looked at.
func (s *step) finish(processed int, withErrors Result) {
	switch {
	case s.halt != "":
		s.report.Result = s.halt
	case s.report.errors > 0:
		s.report.Result = withErrors
	case s.report.warnings > 0:
		s.report.Result = CompletedWarnings
	case processed == 0:
		s.report.Result = CompletedNoObjects
	default:
		s.report.Result = Success
	}
}
