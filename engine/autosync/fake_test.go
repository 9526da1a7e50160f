package autosync

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

// fakeEngine counts changes as they move from outside a system through imports,
// synchronizations and exports, and checks what the scheduler promises.
type fakeEngine struct {
	mode  Mode
	clock func() time.Time

	// wait says how long a run takes and how it ends; the zero function takes a
	// second and succeeds. It is called without lock.
	wait func(ctx context.Context, agent, profile string) (result run.Result, err error)
	// targets says where a change of an agent is exported to.
	targets func(agent string) []string
	// failObjects of the objects of each step fail.
	failObjects func() int

	mu      sync.Mutex
	order   []string
	agents  map[string]*fakeAgent
	active  map[string][]run.StepType
	history []executed
	broken  []string // promises that were not kept
	factErr error
}

type fakeAgent struct {
	Facts
	outside int // changes that no import has seen
	echo    int // changes that an import will see of what was exported
}

type executed struct {
	agent, profile string
	cause          Cause
	started, ended time.Time
	result         run.Result
}

func newFake(mode Mode, agents ...string) *fakeEngine {
	f := &fakeEngine{mode: mode, clock: time.Now, order: agents, agents: map[string]*fakeAgent{}, active: map[string][]run.StepType{}}
	for _, name := range agents {
		f.agents[name] = &fakeAgent{Facts: Facts{Agent: name}}
	}
	f.wait = func(ctx context.Context, _, _ string) (run.Result, error) { return "success", sleep(ctx, time.Second) }
	f.targets = func(agent string) []string {
		return slices.DeleteFunc(slices.Clone(agents), func(name string) bool { return name == agent })
	}
	f.failObjects = func() int { return 0 }
	return f
}

// sleep waits and returns the error of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (f *fakeEngine) Facts() ([]Facts, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []Facts
	for _, name := range f.order {
		list = append(list, f.agents[name].Facts)
	}
	return list, f.factErr
}

// change makes n changes in a system.
func (f *fakeEngine) change(agent string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.agents[agent].outside += n
}

func (f *fakeEngine) Execute(ctx context.Context, agent, profile string, cause Cause) (Outcome, error) {
	steps := settingsFor(f.mode, agent).steps(key{agent, profile})
	f.begin(agent, steps)
	started := f.clock()
	result, err := f.wait(ctx, agent, profile)
	if err != nil && !errors.Is(err, context.Canceled) {
		f.end(agent)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.history = append(f.history, executed{agent, profile, cause, started, f.clock(), "no-start-error"})
		return Outcome{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var failure error
	switch {
	case err != nil:
		result, failure = "stopped-service-shutdown", err
	case Outcome{Result: result}.failed():
		failure = fault.New(string(result), "the fake fails")
	default:
		result = f.work(agent, steps[0], result)
	}
	delete(f.active, agent)
	f.history = append(f.history, executed{agent, profile, cause, started, f.clock(), result})
	number := uint64(len(f.history))
	return Outcome{Run: number, Result: result, Steps: steps, Err: failure, Record: &run.Record{Run: number, Result: result}}, nil
}

func (f *fakeEngine) work(agent string, step run.StepType, result run.Result) run.Result {
	a := f.agents[agent]
	switch step {
	case run.FullImport, run.DeltaImport:
		if step == run.DeltaImport && !a.Imported {
			return run.NoStartFullImport
		}
		a.PendingImports += a.outside + a.echo
		a.outside, a.echo, a.Unconfirmed = 0, 0, 0
		a.Imported = true
	case run.FullSync, run.DeltaSync:
		n := a.PendingImports + a.FailedImports
		a.FailedImports = min(n, f.failObjects())
		a.PendingImports = 0
		for _, target := range f.targets(agent) {
			f.agents[target].PendingExports += n - a.FailedImports
		}
		if step == run.FullSync {
			a.NeedsFullSync, a.Outdated = false, nil
		}
		if a.FailedImports > 0 {
			result = "completed-sync-errors"
		}
	case run.Resync:
		for _, target := range f.targets(agent) {
			f.agents[target].PendingExports += len(a.Outdated)
		}
		for _, other := range f.agents { // outbound, it is the work of all
			other.Outdated = slices.DeleteFunc(other.Outdated, func(o run.Outdated) bool { return o.Outbound || other == a })
			other.NeedsFullSync = other.NeedsFullSync && len(other.Outdated) > 0
		}
	case run.Export:
		n := a.PendingExports + a.FailedExports
		a.FailedExports = min(n, f.failObjects())
		a.PendingExports = 0
		a.Unconfirmed += n - a.FailedExports
		if a.FailedExports > 0 {
			result = "completed-export-errors"
		}
	}
	return result
}

func (f *fakeEngine) begin(agent string, steps []run.StepType) {
	f.mu.Lock()
	defer f.mu.Unlock()
	broken := func(format string, args ...any) { f.broken = append(f.broken, fmt.Sprintf(format, args...)) }
	isSync := hasKind(steps, syncing)
	for other, otherSteps := range f.active {
		otherSync := hasKind(otherSteps, syncing)
		switch {
		case other == agent:
			broken("%s runs twice", agent)
		case isSync && otherSync:
			broken("%s and %s synchronize together", agent, other)
		case f.mode == Supported && (isSync || otherSync):
			broken("%s %v and %s %v overlap in mode supported", agent, steps, other, otherSteps)
		case f.mode == Exclusive:
			broken("%s and %s overlap in mode exclusive", agent, other)
		}
	}
	if isSync {
		for _, a := range f.agents {
			if !a.Imported {
				broken("%s is synchronized before %s was imported", agent, a.Agent)
			}
		}
	}
	f.active[agent] = steps
}

func (f *fakeEngine) end(agent string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.active, agent)
}

// runs returns what ran, as "agent profile".
func (f *fakeEngine) runs() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []string
	for _, e := range f.history {
		list = append(list, e.agent+" "+e.profile)
	}
	return list
}

// left returns the agents that have something left to do.
func (f *fakeEngine) left() []fakeAgent {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []fakeAgent
	for _, name := range f.order {
		a := *f.agents[name]
		if want := (fakeAgent{Facts: Facts{Agent: name, Imported: true}}); !reflect.DeepEqual(a, want) {
			list = append(list, a)
		}
	}
	return list
}
