package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/autosync/calendar"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/scripting"
	"github.com/metasync/metasync/scripting/modules"
	"github.com/metasync/metasync/triggers"
)

// Options say what to run.
type Options struct {
	File    string       // the configuration
	Kinds   []agent.Kind // what `type:` may name, beside the agent types of scripts
	Version string       // of the program, for the status
	Log     *slog.Logger // nil discards
	Now     func() time.Time

	// DryRun: everything is imported and synchronized, and no export reaches any
	// system, by whomever it is asked for.
	DryRun bool

	// Logging, if set, is told how the log is to be written whenever a configuration
	// takes effect. Its error keeps the configuration from it.
	Logging func(config.Log) error

	kept *configFiles // a configuration to be read instead of its files; see kept.go
}

// candidate is a configuration with its scripts: what runs, or could.
type candidate struct {
	config     *config.Config
	scripts    *scripting.Generation
	definition engine.Definition
	functions  rules.Functions
	triggers   []autosync.TriggerSpec
	automatic  []string               // the names of those that nobody declared
	listening  *listening             // of the daemon in which it is in force
	tests      []scripting.TestResult // of the scripts; all passed
	settings   autosync.Settings

	sources configFiles // what the configuration says
	mark    string      // of exactly these sources and scripts
}

// assemble loads the configuration and, with it, the scripts, whose tests must
// pass. The order: where the scripts are and what they are granted; the scripts; with
// the agent types and the changes of the configuration that they register, the
// configuration.
func assemble(ctx context.Context, o Options, loadScripts func(context.Context, *scripting.Loader) (*scripting.Generation, error)) (*candidate, error) {
	files := newConfigReader(o)
	base, err := config.LoadBase(o.File, files.options(o))
	if err != nil {
		return nil, err
	}
	// What scripts are granted is what is written: they cannot grant it themselves.
	scripts, err := loadScripts(ctx, loaderOf(base, o))
	if err != nil {
		wanted := files.options(o)
		wanted.OtherKinds = true
		_, wrong := config.Load(o.File, wanted) // perhaps it is wrong, too
		return nil, errors.Join(wrong, redactedError(err, base.Secrets))
	}
	options, err := withScripts(ctx, o, scripts)
	if err != nil {
		scripts.Close()
		return nil, err
	}
	reading := files.options(o)
	options.ReadFile, options.Glob = reading.ReadFile, reading.Glob
	cfg, err := config.Load(o.File, options)
	if err != nil {
		scripts.Close()
		return nil, err
	}
	c := &candidate{config: cfg, scripts: scripts, sources: files.sources(cfg)}
	err = errors.Join(c.complete(o), c.setMark())
	c.tests = scripts.Test(ctx, scripting.TestOptions{Dialect: expr.Dialect(cfg.Model.Dialect)})
	if err := errors.Join(err, scripting.TestError(c.tests)); err != nil {
		scripts.Close()
		return nil, redactedError(err, cfg.Secrets)
	}
	return c, nil
}

// loaderOf returns the loader of the scripts of a configuration.
func loaderOf(base config.Base, o Options) *scripting.Loader {
	return scripting.NewLoader(scriptOptions(base, o.Log))
}

// withScripts says how a configuration is read whose scripts have been loaded: with
// their agent types, and with what they change of it.
func withScripts(ctx context.Context, o Options, scripts *scripting.Generation) (config.Options, error) {
	kinds, err := scripts.Kinds(o.Kinds)
	options := config.Options{Kinds: kinds}
	for _, change := range scripts.Overrides(ctx) {
		options.Overrides = append(options.Overrides, config.Override{Position: change.Position, Apply: change.Apply})
	}
	return options, err
}

// Settings returns all that the configuration says, with what scripts change of it.
func Settings(ctx context.Context, o Options) ([]config.Setting, error) {
	c, err := assemble(ctx, o.withDefaults(), fromFolder)
	if err != nil {
		return nil, err
	}
	defer c.scripts.Close()
	options, err := withScripts(ctx, o, c.scripts)
	if err != nil {
		return nil, err
	}
	return config.Settings(o.File, options)
}

// scriptOptions says where the scripts are, how they are run and what they are
// granted. What they log shows no secret.
func scriptOptions(cfg config.Base, log *slog.Logger) scripting.Options {
	o := scripting.Options{
		Folder: cfg.Scripts, Base: cfg.Dir, Optional: true,
		Workers: cfg.Scripting.Workers, Timeout: cfg.Scripting.Timeout, Memory: int64(cfg.Scripting.Memory), Log: redacted(log, cfg.Secrets),
		Env: modules.Env{HTTP: cfg.Scripting.Allow.HTTP.List, Secrets: cfg.Scripting.Secrets},
	}
	for _, folder := range cfg.Scripting.Allow.Read {
		o.Env.Read = append(o.Env.Read, string(folder))
	}
	for _, folder := range cfg.Scripting.Allow.Write {
		o.Env.Write = append(o.Env.Write, string(folder))
	}
	for _, d := range cfg.Scripting.SQL {
		o.Env.Databases = append(o.Env.Databases, modules.DatabaseSpec(d))
	}
	for _, d := range cfg.Scripting.LDAP {
		o.Env.Directories = append(o.Env.Directories, modules.DirectorySpec(d))
	}
	for _, t := range cfg.Lookups {
		o.Tables = append(o.Tables, modules.TableSpec{Name: t.Name, File: t.File, Key: t.Key, Delimiter: t.Delimiter, Position: t.Position})
	}
	return o
}

func fromFolder(ctx context.Context, l *scripting.Loader) (*scripting.Generation, error) {
	return l.Load(ctx)
}

// complete opens the agents and derives everything else.
func (c *candidate) complete(o Options) error {
	c.functions = c.scripts.Rules()
	c.triggers = slices.Clone(c.scripts.Triggers())
	for i := range c.triggers {
		c.triggers[i].Check = redactedCheck(c.triggers[i].Check, c.config.Secrets)
	}
	for _, a := range c.config.Agents {
		c.triggers = append(c.triggers, a.Triggers...)
	}
	problems := c.define(o.Log)
	for _, t := range c.automaticTriggers() {
		c.triggers = append(c.triggers, t)
		c.automatic = append(c.automatic, t.Name)
	}
	problems = append(problems, c.connectTriggers()...)
	if err := triggers.Validate(c.triggers); err != nil {
		problems = append(problems, err)
	}
	for i := range c.triggers {
		if err := c.checkTrigger(&c.triggers[i]); err != nil {
			problems = append(problems, err)
		}
	}
	for _, w := range c.config.Workflows {
		if err := c.checkWorkflow(w); err != nil {
			problems = append(problems, err)
		}
	}
	for _, ref := range c.scripts.References() {
		if err := c.checkReference(ref); err != nil {
			problems = append(problems, err)
		}
	}
	if o.DryRun {
		c.holdExports()
	}
	c.settings = c.schedulerSettings()
	return errors.Join(problems...)
}

// define makes the definition: it opens the agents. It does not look at the scripts.
func (c *candidate) define(log *slog.Logger) (problems []error) {
	c.definition.Model = c.config.Model
	c.definition.Redact = func(text string) string { return config.Redact(c.config.Secrets, text) }
	c.definition.Watches = c.watches()
	c.definition.Details = run.DetailOptions{Off: !c.config.History.Details, Limit: c.config.History.DetailsLimit}
	for _, a := range c.config.Agents {
		if a.Settings == nil {
			a.Settings = missingType{}
		}
		opened, err := a.Settings.Open(agent.Env{Name: a.Name, Objects: a.Objects, Log: log.With("agent", a.Name)})
		if err != nil {
			named := fault.As(err, "no-start-bad-ma-configuration")
			named.Agent = a.Name
			if named.Position.IsZero() {
				named.Position = a.Position
			}
			problems = append(problems, named)
			continue
		}
		c.definition.Agents = append(c.definition.Agents, engine.Agent{
			Name: a.Name, Agent: opened, Objects: a.Objects, Profiles: a.Profiles, Thresholds: a.Thresholds,
			ExportOff:     !a.Export || c.config.Autosync.Export == "off",
			Configuration: a.Fingerprint, Strict: a.Strict,
		})
	}
	return problems
}

// holdExports takes everything out that reaches a system: the scheduler exports
// nothing, and profiles lose their exports.
func (c *candidate) holdExports() {
	c.config.Autosync.Export = "off"
	for i := range c.definition.Agents {
		a := &c.definition.Agents[i]
		a.ExportOff = true
		a.Profiles = withoutExports(a.Profiles)
	}
	for i := range c.config.Agents {
		c.config.Agents[i].Profiles = withoutExports(c.config.Agents[i].Profiles)
	}
}

// withoutExports returns profiles whose exports only write a file, if they do so.
func withoutExports(profiles []run.Profile) []run.Profile {
	var list []run.Profile
	for _, p := range profiles {
		p.Steps = slices.DeleteFunc(slices.Clone(p.Steps), func(s run.Step) bool { return s.Type == run.Export && s.Drop == "" })
		list = append(list, p)
	}
	return list
}

// checkReference finds out whether what a script names exists.
func (c *candidate) checkReference(ref scripting.Reference) error {
	missing := func(what, name string, names []string) error {
		err := fault.New("script-registration-invalid", "%s: there is no %s %q", ref.What, what, name)
		err.Position = ref.Position
		if near := fault.Suggest(name, names); near != "" {
			err.Hint = fmt.Sprintf("did you mean %q?", near)
		}
		return err
	}
	if ref.Type != "" {
		var names []string
		for _, t := range c.config.Model.Types {
			names = append(names, t.Name)
		}
		if !slices.Contains(names, ref.Type) {
			return missing("metaverse type", ref.Type, names)
		}
		return nil
	}
	var agents []string
	for _, a := range c.config.Agents {
		agents = append(agents, a.Name)
		if a.Name != ref.Agent {
			continue
		}
		var objects []string
		for _, o := range a.Objects {
			objects = append(objects, o.Name)
		}
		if ref.Object != "" && !slices.Contains(objects, ref.Object) {
			return missing("object type", ref.Agent+"."+ref.Object, objects)
		}
		return nil
	}
	return missing("agent", ref.Agent, agents)
}

func (c *candidate) schedulerSettings() autosync.Settings {
	s := autosync.Settings{
		Mode: autosync.Mode(c.config.Autosync.Mode), Stagger: c.config.Autosync.Stagger,
		NeverTogether:        c.config.Autosync.NeverTogether,
		FullSyncOnRuleChange: c.config.Autosync.FullSyncOnRuleChange == "auto",
		HoldOnRuleChange:     c.config.Autosync.FullSyncOnRuleChange == "hold",
		ExportOff:            c.config.Autosync.Export == "off",
		Coalesce:             c.config.Autosync.Coalesce,
		StuckAfter:           c.config.Autosync.StuckAfter,
		Retry:                retryOf(c.config.Autosync.Retry),
	}
	for _, x := range c.config.Autosync.Exclusions {
		s.Exclusions = append(s.Exclusions, exclusionOf(x))
	}
	for _, a := range c.config.Agents {
		operations := autosync.DefaultOperations(a.Profiles)
		if !a.Export || s.ExportOff {
			delete(operations, "export")
		}
		s.Agents = append(s.Agents, autosync.AgentSettings{
			Name: a.Name, Profiles: a.Profiles, Operations: operations,
			Import:    autosync.Schedule{Off: a.Import.Off, Every: a.Import.Every},
			Triggered: c.triggered(a.Name),
		})
	}
	return s
}

// exclusionOf returns an exclusion as the scheduler asks about it. One that never ends,
// as far as one can see, is asked about again a day later.
func exclusionOf(x config.Exclusion) autosync.Exclusion {
	hours, err := calendar.NewHours(nil, []calendar.Window{x.Window}, x.TimeZone)
	if err != nil {
		return autosync.Exclusion{Within: func(time.Time) time.Time { return time.Time{} }} // it was checked before
	}
	return autosync.Exclusion{Agents: x.Agents, Within: func(now time.Time) time.Time {
		switch until := hours.NextOpen(now); {
		case hours.Open(now):
			return time.Time{}
		case until.IsZero():
			return now.Add(24 * time.Hour)
		default:
			return until
		}
	}}
}

// retryOf returns the runs that are tried again soon; without a list, those that
// lost a system for a moment.
func retryOf(r config.Retry) autosync.Retry {
	retry := autosync.Retry{Times: r.Times, Wait: r.Wait, Results: []run.Result{"stopped-deadlocked", "stopped-connectivity"}}
	if r.Results != nil {
		retry.Results = nil
		for _, result := range r.Results {
			retry.Results = append(retry.Results, run.Result(result))
		}
	}
	return retry
}

// Summary says what a valid configuration holds.
type Summary struct {
	File     string   `json:"file"`
	Agents   int      `json:"agents"`
	Types    int      `json:"metaverseTypes"`
	Rules    int      `json:"rules"`
	Triggers int      `json:"triggers"`
	Scripts  []string `json:"scripts"`
	Warnings []string `json:"warnings"` // such as systems that could not be asked for their attributes

	StateInUse bool `json:"-"` // another process is at work on the state: what it holds was not looked at
}

// Check loads a configuration and its scripts and compiles the rules against
// the connected systems. It changes nothing. The error joins everything that is
// wrong, each as a *[fault.Error].
func Check(ctx context.Context, o Options) (_ Summary, err error) {
	o = o.withDefaults()
	c, err := assemble(ctx, o, fromFolder)
	if err != nil {
		return Summary{}, err
	}
	defer c.scripts.Close()
	state, inUse, unreadable := existingState(c.config.State, o.Log)
	defer func() { err = errors.Join(err, state.Close()) }()
	e, err := engine.Open(engine.Options{State: state, History: store.NewMemory()})
	if err != nil {
		return Summary{}, err
	}
	warnings, err := e.Check(ctx, c.definition, c.functions)
	if err != nil {
		return Summary{}, redactedError(err, c.config.Secrets)
	}
	s := Summary{
		File: c.config.File, Agents: len(c.config.Agents), Types: len(c.config.Model.Types),
		Rules: len(c.config.Model.Rules), Triggers: len(c.triggers), Scripts: c.scripts.Files(), Warnings: []string{},
		StateInUse: inUse,
	}
	if unreadable != nil {
		s.Warnings = append(s.Warnings, "the state cannot be looked at: "+unreadable.Error())
	}
	for _, w := range warnings {
		text := w.Error()
		if hint := fault.As(w, "").Hint; engine.IsOrphan(w) && hint != "" {
			text += "; " + hint
		}
		s.Warnings = append(s.Warnings, config.Redact(c.config.Secrets, text))
	}
	return s, nil
}

// AddOrphans adds the warnings of what a configuration does not have and the state
// holds, as the daemon that is at work on it has found out.
func (s *Summary) AddOrphans(orphans []engine.Orphan) {
	for _, o := range orphans {
		s.Warnings = append(s.Warnings, orphanText(o))
	}
}

// existingState opens the state in a folder, to be looked at; an empty one if there
// is none, or if another process is at work on it.
func existingState(folder string, log *slog.Logger) (state store.Store, inUse bool, err error) {
	file := filepath.Join(folder, stateFile)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return store.NewMemory(), false, nil
	}
	state, err = store.OpenBolt(file, store.BoltOptions{Log: log})
	switch {
	case errors.Is(err, store.ErrLocked):
		return store.NewMemory(), true, nil
	case err != nil:
		return store.NewMemory(), false, err
	}
	return state, false, nil
}

// Functions returns the functions that the scripts of a configuration add to
// the expression language, and what ends their use.
func Functions(ctx context.Context, o Options) (functions map[string]expr.Function, release func(), err error) {
	c, err := assemble(ctx, o.withDefaults(), fromFolder)
	if err != nil {
		return nil, nil, err
	}
	return c.scripts.Functions(), c.scripts.Close, nil
}

// ConfiguredState returns the state folder that a configuration names, or what is
// wrong with the configuration.
func ConfiguredState(o Options) (string, error) {
	base, err := config.LoadBase(o.File, config.Options{Kinds: o.Kinds})
	if err != nil {
		return "", err
	}
	return base.State, nil
}

// StateFolder returns where the state of a configuration is kept, also if the
// configuration cannot be loaded: then it is the default folder.
func StateFolder(o Options) string {
	if base, err := config.LoadBase(o.File, config.Options{Kinds: o.Kinds}); err == nil {
		return base.State
	}
	return filepath.Join(filepath.Dir(o.File), config.DefaultState)
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// A glance is a configuration for those who only look at what it names: its scripts count
// if they can be loaded, and it need not be complete.
type glance struct {
	config  *config.Config
	options config.Options
	broken  error // why the scripts could not be loaded
	scripts *scripting.Generation
}

func glanceAt(ctx context.Context, o Options) (_ *glance, err error) {
	base, err := config.LoadBase(o.File, config.Options{Kinds: o.Kinds})
	if err != nil {
		return nil, err
	}
	g := &glance{options: config.Options{Kinds: o.Kinds, OtherKinds: true}}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if g.scripts, g.broken = fromFolder(ctx, loaderOf(base, o)); g.broken == nil {
		if g.options, err = withScripts(ctx, o, g.scripts); err != nil {
			return nil, err
		}
	}
	if g.config, err = config.Load(o.File, g.options); err != nil {
		return nil, errors.Join(err, g.broken)
	}
	return g, nil
}

func (g *glance) close() {
	if g.broken == nil && g.scripts != nil {
		g.scripts.Close()
	}
}
