package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/guard"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/store"
)

// A Definition is everything that an administrator decides: the rules, and the
// connected systems.
type Definition struct {
	// Model holds the metaverse and the rules. The engine fills in what it learns
	// from the agents themselves: their schemas and how they name objects.
	Model rules.Model

	// Agents are the connected systems, one for each agent of the model. Those
	// that Model.Agents does not name are added behind it, with the defaults of
	// [rules.Agent]; so it only has to name those of which it has to say more,
	// and those whose order, the default precedence, is another than here.
	Agents []Agent

	// Redact takes secrets out of the texts of run records; nil leaves them alone.
	Redact func(text string) string

	// Details says what is kept of the objects behind counters.
	Details run.DetailOptions

	// Watches say about which of them something is to be done; see
	// [Engine.Occurrences].
	Watches []Watch
}

// An Agent is a connected system and how it is run.
type Agent struct {
	Name       string
	Agent      agent.Agent
	Objects    []agent.Object // what the configuration says of its object types
	Profiles   []run.Profile  // nil is run.DefaultProfiles
	Thresholds run.Thresholds

	// ExportOff: nothing is exported but by a profile that somebody runs by hand. The
	// scheduler has settings of its own; this holds [Engine.SyncObject].
	ExportOff bool
	// Configuration is a fingerprint of the settings that decide what an import
	// delivers. If it is not that of the last full import, another one is due. ""
	// asks for none.
	Configuration string

	// Strict refuses a delta import or delta synchronization after a change of the
	// configuration, until a full one has run. Otherwise it has a warning.
	Strict bool
}

// Cause says why a run happens.
type Cause = run.Cause

// Record is what a run did.
type Record = run.Record

// Options are the parts of an engine.
type Options struct {
	// State keeps the objects; it is needed. History keeps run records, in a store
	// of its own, because it is written while the state is being changed; nil keeps
	// them in memory, for as long as the engine is used. The engine closes neither.
	State, History store.Store

	Log *slog.Logger     // nil discards
	Now func() time.Time // nil is time.Now
}

// An Engine synchronizes. It is safe for concurrent use.
type Engine struct {
	space   *space.Space
	runner  *run.Runner
	history *run.History
	log     *slog.Logger
	guard   *guard.Keeper
	now     func() time.Time
	current atomic.Pointer[environment]
}

type environment struct {
	run.Environment
	order   []string // the agents, in the order of the model
	watches []*watch

	types      map[string][]string // by agent: the object types that it has
	partitions map[string][]string // by agent: the partitions of a system that is divided, as far as it has said
}

// Open returns an engine over its stores. It can run nothing until it is
// configured, but everything in it can be looked at.
func Open(o Options) (*Engine, error) {
	if o.State == nil {
		return nil, errors.New("an engine needs a store for its state")
	}
	if o.History == nil {
		o.History = store.NewMemory()
	}
	if o.History == o.State {
		return nil, errors.New("state and history need a store each")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s, err := space.Open(o.State)
	if err != nil {
		return nil, err
	}
	history, err := run.NewHistory(o.History)
	if err != nil {
		return nil, err
	}
	return &Engine{
		space: s, history: history, log: o.Log, guard: &guard.Keeper{Log: o.Log}, now: o.Now,
		runner: run.NewRunner(run.Options{Space: s, History: history, Log: o.Log, Now: o.Now}),
	}, nil
}

// Configure compiles a definition and makes it the current one. If anything is
// wrong the error joins all of it and the definition before stays in force.
//
// Agents are asked for their schemas. A system that does not answer is assumed
// to be as its last complete import found it, or else as the rules expect; the
// problem is returned as a warning, and shows as the result of the next import.
// What the model may say but should not is a warning, too.
func (e *Engine) Configure(ctx context.Context, d Definition, functions rules.Functions) (warnings []error, err error) {
	env, warnings, err := e.compile(ctx, d, functions)
	if err != nil {
		return warnings, err
	}
	for _, name := range env.order { // so that agents get the same numbers in every store
		if err := e.space.Register(name, naming(env.Agents[name])); err != nil {
			return warnings, err
		}
	}
	index := space.Indexes{Metaverse: env.Rules.Indexed, Connectors: env.Rules.IndexedConnectors}
	if err := e.space.SetIndexes(index); err != nil {
		return warnings, err
	}
	orphans, err := e.orphaned(ctx, env)
	if err != nil {
		return warnings, err
	}
	if err := errors.Join(e.remember(env, orphans), e.nameFormer(env)); err != nil {
		return warnings, err
	}
	if _, err := e.runner.ReleaseUncontributed(&env.Environment); err != nil {
		return warnings, fmt.Errorf("release what no rule contributes any more: %w", err)
	}
	e.current.Store(env)
	return append(warnings, warningsOf(orphans)...), nil
}

// orphaned returns the orphans of a configuration that is new.
func (e *Engine) orphaned(ctx context.Context, env *environment) ([]Orphan, error) {
	if err := e.askPartitions(ctx, env); err != nil {
		return nil, err
	}
	return e.orphans(env)
}

func warningsOf(orphans []Orphan) (warnings []error) {
	for _, o := range orphans {
		warnings = append(warnings, o.Warning())
	}
	return warnings
}

// Check compiles a definition like [Engine.Configure] and changes nothing.
func (e *Engine) Check(ctx context.Context, d Definition, functions rules.Functions) (warnings []error, err error) {
	env, warnings, err := e.compile(ctx, d, functions)
	if err != nil {
		return warnings, err
	}
	orphans, err := e.orphaned(ctx, env)
	return append(warnings, warningsOf(orphans)...), err
}

func (e *Engine) compile(ctx context.Context, d Definition, functions rules.Functions) (env *environment, warnings []error, err error) {
	env = &environment{
		Environment: run.Environment{Agents: map[string]*run.Agent{}, Redact: d.Redact, Details: d.Details},
		types:       map[string][]string{},
	}
	if d.Model.Agents, err = d.agents(); err != nil {
		return nil, nil, err
	}
	var problems, unknown []error
	for i := range d.Model.Agents {
		m := &d.Model.Agents[i]
		at := slices.IndexFunc(d.Agents, func(a Agent) bool { return a.Name == m.Name })
		if at < 0 {
			return nil, warnings, fmt.Errorf("the definition has no agent %q", m.Name)
		}
		a := d.Agents[at]
		a.Agent = e.guard.Wrap(a.Name, a.Agent)
		capabilities := a.Agent.Capabilities()
		m.AnchorIsDN, m.LDAPNames = capabilities.AnchorIsDN, capabilities.LDAPNames
		m.NoRename, m.NoContainerRename = capabilities.NoRename, capabilities.NoContainerRename
		m.NoEmptyText = capabilities.NoEmptyText
		schema, err := e.schema(ctx, a)
		if schema.Silent != nil {
			warnings = append(warnings, schema.Silent)
		}
		if err != nil {
			return nil, warnings, err
		}
		m.Schema, m.Assumed = confirmations(schema.Schema, a.Objects), schema.Assumed
		if schema.Assumed {
			unknown = append(unknown, schema.Silent)
		}
		if err := checkPartitions(ctx, a.Name, a.Agent, a.profiles()); err != nil {
			problems = append(problems, err)
		}
		if err := checkFull(a.Name, capabilities, a.profiles()); err != nil {
			problems = append(problems, err)
		}
		env.Agents[a.Name] = &run.Agent{
			Name: a.Name, Agent: a.Agent, Schema: m.Schema, Profiles: a.profiles(),
			Thresholds: a.Thresholds, ExportOff: a.ExportOff, Configuration: a.Configuration, Strict: a.Strict,
		}
		env.types[a.Name] = typesOf(m, a.Objects)
		env.order = append(env.order, a.Name)
	}
	env.Rules, err = rules.Compile(d.Model, functions)
	if err = errors.Join(append(problems, err)...); err != nil {
		// What looks wrong may be right once the system can be asked.
		return nil, warnings, errors.Join(append([]error{err}, unknown...)...)
	}
	if err := d.watches(env); err != nil {
		return nil, warnings, err
	}
	for _, w := range env.Rules.Warnings {
		warnings = append(warnings, w)
	}
	for _, a := range env.Agents {
		for _, t := range a.Schema.Types {
			for _, name := range env.Rules.Agent(a.Name).Objects[t.Name].Reads {
				a.Required = append(a.Required, agent.Required{ObjectType: t.Name, Attribute: name})
			}
		}
	}
	return env, warnings, nil
}

// confirmations returns the schema with what the configuration says of the
// confirmation of exports, which no system can know.
func confirmations(schema identity.Schema, objects []agent.Object) identity.Schema {
	schema.Types = slices.Clone(schema.Types)
	for i := range schema.Types {
		t := &schema.Types[i]
		t.Attributes = slices.Clone(t.Attributes)
		for j := range t.Attributes {
			t.Attributes[j].Confirm = identity.Exact
		}
		for _, o := range objects {
			if o.Name != t.Name {
				continue
			}
			for _, a := range o.Attributes {
				if known := t.Attribute(a.Name); known != nil {
					known.Confirm = a.Confirm
				}
			}
		}
	}
	return schema
}

// checkPartitions returns an error for each step that names a partition which the
// agent does not have. If the system does not answer, the run will tell.
func checkPartitions(ctx context.Context, name string, a agent.Agent, profiles []run.Profile) error {
	var problems []error
	var known []agent.Partition
	asked := false
	for _, p := range profiles {
		for _, step := range p.Steps {
			if step.Partition == "" {
				continue
			}
			if partitioner, ok := a.(agent.Partitioner); ok && !asked {
				var err error
				if known, err = partitioner.Partitions(ctx); err != nil {
					return nil
				}
			}
			asked = true
			if slices.ContainsFunc(known, func(k agent.Partition) bool { return k.Name == step.Partition }) {
				continue
			}
			err := fault.New("unknown-partition", "run profile %q: there is no partition %q", p.Name, step.Partition)
			err.Agent, err.Position = name, step.PartitionAt
			var names []string
			for _, k := range known {
				names = append(names, k.Name)
			}
			switch near := fault.Suggest(step.Partition, names); {
			case len(known) == 0:
				err.Hint = "the system is not divided into partitions"
			case near != "":
				err.Hint = fmt.Sprintf("did you mean %q?", near)
			default:
				err.Hint = fmt.Sprintf("there are %q", names)
			}
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// checkFull returns an error if a step is a full export and the agent has none.
func checkFull(name string, capabilities agent.Capabilities, profiles []run.Profile) error {
	for _, p := range profiles {
		if i := slices.IndexFunc(p.Steps, func(s run.Step) bool { return s.Full }); i >= 0 && !capabilities.FullExport {
			err := fault.New("unsupported-step", "run profile %q: the agent has no full export", p.Name)
			err.Agent, err.Position = name, p.Position
			return err
		}
	}
	return nil
}

// agents returns a copy of the model's agents with those added that only
// d.Agents has.
func (d *Definition) agents() ([]rules.Agent, error) {
	list := slices.Clone(d.Model.Agents)
	for i, a := range d.Agents {
		if slices.ContainsFunc(d.Agents[:i], func(other Agent) bool { return other.Name == a.Name }) {
			return nil, fmt.Errorf("the definition has two agents %q", a.Name)
		}
		if !slices.ContainsFunc(list, func(m rules.Agent) bool { return m.Name == a.Name }) {
			list = append(list, rules.Agent{Name: a.Name})
		}
	}
	return list, nil
}

// naming is how the objects of an agent are named.
func naming(a *run.Agent) space.Naming {
	capabilities := a.Agent.Capabilities()
	return namingOf(capabilities.AnchorIsDN, capabilities.LDAPNames, capabilities.IgnoreCase)
}

func namingOf(anchorIsDN, ldapNames, ignoreCase bool) space.Naming {
	n := space.Naming{AnchorIsDN: anchorIsDN}
	switch {
	case ldapNames:
		n.Fold, n.Container = foldDN, containerDN
	case ignoreCase && !anchorIsDN:
		n.Fold = identity.Fold
	}
	return n
}

func foldDN(dn string) string {
	parsed, err := identity.ParseDN(dn)
	if err != nil {
		return identity.Fold(dn)
	}
	return parsed.FoldFromRoot()
}

// containerDN is what foldDN gives for everything below a DN begins with.
func containerDN(dn string) string {
	parsed, err := identity.ParseDN(dn)
	if err != nil || len(parsed) == 0 {
		return ""
	}
	return parsed.FoldFromRoot() + ","
}

// ErrNotConfigured is returned for runs before the first [Engine.Configure].
var ErrNotConfigured = errors.New("the engine is not configured")

// Run carries out a run profile of an agent and returns its record. See
// [run.Runner.Run] for errors and cancellation; progress may be nil.
func (e *Engine) Run(ctx context.Context, agentName, profile string, cause Cause, progress run.Progress) (*Record, error) {
	env := e.current.Load()
	if env == nil {
		return nil, ErrNotConfigured
	}
	return e.runner.Run(ctx, &env.Environment, agentName, profile, cause, progress)
}

// History returns the run history.
func (e *Engine) History() *run.History { return e.history }

// Facts returns what every agent has left to do, in the order of the model.
func (e *Engine) Facts() ([]autosync.Facts, error) {
	env := e.current.Load()
	if env == nil {
		return nil, ErrNotConfigured
	}
	facts := make([]autosync.Facts, 0, len(env.order))
	err := e.space.View(func(tx *space.Tx) error {
		for _, name := range env.order {
			state, err := tx.AgentState(name)
			if err != nil {
				return err
			}
			c := tx.Counters(name)
			f := autosync.Facts{
				Agent: name, Imported: state.Imported,
				PendingImports: int(c[space.CountToSync]), FailedImports: int(c[space.CountSyncFailed]),
				PendingExports: int(c[space.CountToExport]), FailedExports: int(c[space.CountExportFailed]),
				Unconfirmed: int(c[space.CountUnconfirmed]), Stale: state.Stale, NeedsJoin: state.Rules != "" && tx.Awake(name),
			}
			f.Outnamed = state.Outnamed && state.Batch == state.ConfirmedBatch
			f.NeedsFullImport = env.needsFullImport(name, &state)
			if state.Imported {
				if f.Outdated, err = run.FindOutdated(tx, env.Rules, name); err != nil {
					return err
				}
				f.NeedsFullSync = state.Rules == "" || len(f.Outdated) > 0
			}
			if state.Batch != state.ConfirmedBatch {
				// An export was cut short: nobody knows what arrived, so it is sent
				// again before anything is confirmed.
				f.PendingExports, f.Unconfirmed = f.PendingExports+f.Unconfirmed, 0
				f.Stale = false
				if f.MustExport, err = run.MustExport(tx, env.Agents[name]); err != nil {
					return err
				}
			}
			if state.Held {
				if err := env.addHeld(tx, &f); err != nil {
					return err
				}
			}
			facts = append(facts, f)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read facts: %w", err)
	}
	return facts, nil
}

// needsFullImport reports whether the last full import of an agent was one by
// another configuration than the present.
func (env *environment) needsFullImport(name string, state *space.AgentState) bool {
	a := env.Agents[name]
	if len(env.partitions[name]) == 0 {
		return a.Reconfigured(state.Partition(""))
	}
	return slices.ContainsFunc(env.partitions[name], func(part string) bool { return a.Reconfigured(state.Partition(part)) })
}

// unknownAgent is the error for a name that no agent has.
func (e *Engine) unknownAgent(name string) error {
	err := fault.New("unknown-agent", "there is no agent %q", name)
	if env := e.current.Load(); env != nil {
		if near := fault.Suggest(name, env.order); near != "" {
			err.Hint = fmt.Sprintf("did you mean %q?", near)
		}
	}
	return err
}
