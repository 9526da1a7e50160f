package engine_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/metasync/metasync/agents/csv"
	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/store"
)

// A world is an engine with connected systems in memory.
type world struct {
	t       testing.TB
	state   store.Store
	history store.Store
	now     time.Time
	late    atomic.Int64 // what slow systems add to it
	engine  *engine.Engine
	systems map[string]*system
	instead map[string]agent.Agent // agents that take the place of a system's own
	config  *config.Config
	plan    autosync.Settings // of a scheduler
	edges   int               // see space.Space.KeepEdges; 0 is the default

	mirror *world // to which everything happens as well

	functions rules.Functions
}

// newWorld returns a world that a configuration describes.
func newWorld(t testing.TB, configuration string) *world {
	t.Helper()
	return newExtendedWorld(t, configuration, rules.Functions{})
}

// newExtendedWorld returns a world that a configuration describes, with extensions.
func newExtendedWorld(t testing.TB, configuration string, functions rules.Functions) *world {
	t.Helper()
	w := closedWorld(t, configuration, functions)
	w.open()
	return w
}

// closedWorld returns a world that has yet to be opened.
func closedWorld(t testing.TB, configuration string, functions rules.Functions) *world {
	t.Helper()
	w := &world{
		t: t, state: store.NewMemory(), history: store.NewMemory(), functions: functions,
		now: time.Date(2026, 1, 5, 2, 0, 0, 0, time.UTC), systems: map[string]*system{}, instead: map[string]agent.Agent{},
	}
	w.load(configuration)
	return w
}

// keepEdges has attributes of so many references or more stored apart.
func (w *world) keepEdges(from int) {
	w.edges = from
	w.engine.Space().KeepEdges(from)
}

// load reads a configuration. Systems that exist stay as they are.
func (w *world) load(configuration string) {
	w.t.Helper()
	kind := memoryKind(func(env agent.Env, settings *memorySettings) (agent.Agent, error) {
		if w.systems[env.Name] == nil {
			w.systems[env.Name] = newSystem(env, settings)
		}
		w.systems[env.Name].divide(settings.Partitions)
		return narrow(w.systems[env.Name], env.Objects), nil
	})
	c, err := config.Load("/world/metasync.yaml", config.Options{
		Kinds:    []agent.Kind{kind, csv.Kind},
		ReadFile: func(string) ([]byte, error) { return []byte(configuration), nil },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.config = c
}

// open opens the engine, as after a restart, and configures it.
func (w *world) open() {
	w.t.Helper()
	if w.mirror != nil {
		w.mirror.open()
	}
	if err := w.tryOpen(w.state); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) tryOpen(state store.Store) error {
	e, err := engine.Open(engine.Options{State: state, History: w.history, Now: func() time.Time { return w.now.Add(time.Duration(w.late.Load())) }})
	if err != nil {
		return err
	}
	if w.edges > 0 {
		e.Space().KeepEdges(w.edges)
	}
	definition := engine.Definition{
		Model:   w.config.Model,
		Details: run.DetailOptions{Off: !w.config.History.Details, Limit: w.config.History.DetailsLimit},
	}
	for _, f := range w.config.Workflows {
		definition.Watches = append(definition.Watches, engine.Watch{Name: f.Name, Counter: f.On, Agent: f.Agent, Object: f.Object, Where: f.Where})
	}
	for _, a := range w.config.Agents {
		opened, err := a.Settings.Open(agent.Env{Name: a.Name, Objects: a.Objects})
		if err != nil {
			return err
		}
		if other := w.instead[a.Name]; other != nil {
			opened = other
		}
		definition.Agents = append(definition.Agents, engine.Agent{
			Name: a.Name, Agent: opened, Objects: a.Objects, Profiles: withCombined(a.Profiles), Thresholds: a.Thresholds,
			Configuration: a.Fingerprint, Strict: a.Strict,
		})
	}
	if _, err := e.Configure(w.t.Context(), definition, w.functions); err != nil {
		return err
	}
	w.engine = e
	w.plan = definition.Scheduling()
	w.plan.Mode = autosync.Exclusive // so that runs come in the same order every time
	return nil
}

// once does all there is to do, by a scheduler, and returns the records of its runs.
func (w *world) once() ([]*engine.Record, autosync.Summary) {
	w.t.Helper()
	clock := func() time.Time { return w.now }
	scheduler, err := autosync.New(autosync.Options{Engine: w.engine, Store: store.NewMemory(), Settings: w.plan, Clock: clock})
	if err != nil {
		w.t.Fatal(err)
	}
	w.now = w.now.Add(time.Minute)
	summary, err := scheduler.Once(w.t.Context(), autosync.Changes)
	if err != nil {
		w.t.Fatal(err)
	}
	var records []*engine.Record
	for _, completed := range summary.Runs {
		record, err := w.engine.History().Record(completed.Run)
		if err != nil {
			w.t.Fatalf("%+v: %v", completed, err)
		}
		records = append(records, record)
	}
	return records, summary
}

// withCombined adds a profile for each combined step type, so that tests can run
// all types by their names.
func withCombined(profiles []run.Profile) []run.Profile {
	for _, t := range run.StepTypes {
		if !slices.ContainsFunc(profiles, func(p run.Profile) bool { return p.Name == string(t) }) {
			profiles = append(slices.Clip(profiles), run.Profile{Name: string(t), Steps: []run.Step{{Type: t}}})
		}
	}
	return profiles
}

func (w *world) agents() []string {
	names := make([]string, len(w.config.Agents))
	for i, a := range w.config.Agents {
		names[i] = a.Name
	}
	return names
}

// run carries out a profile, with the clock a minute further.
func (w *world) run(agentName, profile string) *engine.Record {
	w.t.Helper()
	if w.mirror != nil {
		w.mirror.run(agentName, profile)
	}
	record, err := w.tryRun(w.t.Context(), agentName, profile)
	if err != nil {
		w.t.Fatalf("run %s %s: %v", agentName, profile, err)
	}
	return record
}

func (w *world) tryRun(ctx context.Context, agentName, profile string) (*engine.Record, error) {
	w.now = w.now.Add(time.Minute)
	return w.engine.Run(ctx, agentName, profile, engine.Cause{Kind: "manual"}, nil)
}

// cycleProfiles is a full cycle: every agent does the first, then every agent
// the second, and so on.
var cycleProfiles = []run.StepType{run.FullImport, run.FullSync, run.Export, run.FullImport, run.FullSync}

// cycle runs a full cycle and returns its records.
func (w *world) cycle() []*engine.Record {
	w.t.Helper()
	var records []*engine.Record
	for _, profile := range cycleProfiles {
		for _, name := range w.agents() {
			records = append(records, w.run(name, string(profile)))
		}
	}
	return records
}

// check fails the test unless everything that the store derives from its
// records is right.
func (w *world) check() {
	w.t.Helper()
	if err := w.engine.Space().Check(); err != nil {
		w.t.Fatalf("the store is not sound:\n%v", err)
	}
}

// changes is how many changes all systems have seen.
func (w *world) changes() (n uint64) {
	for _, s := range w.systems {
		n += s.ChangeNumber()
	}
	return n
}

// String shows everything that matters in a world: the metaverse, the connector
// spaces and the systems.
func (w *world) String() string {
	var b strings.Builder
	b.WriteString("metaverse\n" + w.showMetaverse())
	for _, name := range w.agents() {
		fmt.Fprintf(&b, "space %s\n%s", name, w.showSpace(name))
		fmt.Fprintf(&b, "system %s\n%s", name, w.systems[name])
	}
	return b.String()
}

func (w *world) view(fn func(tx *space.Tx) error) {
	w.t.Helper()
	if err := w.engine.Space().View(fn); err != nil {
		w.t.Fatal(err)
	}
}

// showMetaverse shows metaverse objects: values with their contributors, and
// connectors.
func (w *world) showMetaverse() string {
	w.t.Helper()
	var b strings.Builder
	w.view(func(tx *space.Tx) error {
		for o, err := range tx.Objects() {
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "%s #%d:", o.Type, o.ID.Sequence())
			for _, a := range o.Attributes {
				var from []string
				for _, c := range o.Contributed(a.Name) {
					from = append(from, w.engine.Space().AgentOf(c.By.Connector))
				}
				if !slices.ContainsFunc(from, func(name string) bool { return name != from[0] }) {
					from = from[:1]
				}
				fmt.Fprintf(&b, " %s=%s(%s)", a.Name, w.resolve(tx, a.All()), strings.Join(from, ";"))
			}
			for _, name := range o.Nulls() {
				by, _ := o.Contribution(name)
				fmt.Fprintf(&b, " no %s(%s)", name, w.engine.Space().AgentOf(by.Connector))
			}
			for _, id := range o.Connectors {
				c, err := tx.Connector(id)
				if err != nil {
					return err
				}
				fmt.Fprintf(&b, " <%s %s>", w.engine.Space().AgentOf(id), c.DN)
			}
			b.WriteByte('\n')
		}
		return nil
	})
	return b.String()
}

// resolve shows values, references as what they point to.
func (w *world) resolve(tx *space.Tx, values []identity.Value) string {
	shown := slices.Clone(values)
	for i, v := range shown {
		switch id := v.Ref(); {
		case id == 0:
		case id.Space() == 0:
			shown[i] = identity.String(fmt.Sprintf("#%d", id.Sequence()))
		default:
			c, err := tx.Connector(id)
			if err != nil || c == nil {
				shown[i] = identity.String("<lost>")
				continue
			}
			shown[i] = identity.String("@" + c.DN)
			if c.NameLost {
				shown[i] = identity.String("@" + c.DN + "(deleted)")
			}
		}
	}
	return showValues(shown)
}

// showSpace shows the objects of a connector space and what is pending for them.
func (w *world) showSpace(agentName string) string {
	w.t.Helper()
	var lines []string
	w.view(func(tx *space.Tx) error {
		for c, err := range tx.Connectors(agentName) {
			if err != nil {
				return err
			}
			lines = append(lines, w.showConnector(tx, c))
		}
		return nil
	})
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func (w *world) showConnector(tx *space.Tx, c *space.Connector) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", cmp.Or(c.DN, "-"), c.State)
	if c.Link != 0 {
		fmt.Fprintf(&b, " #%d", c.Link.Sequence())
	}
	if c.ObjectType != "" {
		fmt.Fprintf(&b, " %s:", c.ObjectType)
	}
	for _, a := range c.Synchronized {
		fmt.Fprintf(&b, " %s=%s", a.Name, w.resolve(tx, a.All()))
	}
	for _, d := range []struct {
		name  string
		delta *identity.Delta
	}{{"import", c.Import}, {"exported", c.Exported}, {"export", c.Unapplied}} {
		if !d.delta.IsZero() {
			fmt.Fprintf(&b, "\n    %s %s", d.name, w.showDelta(tx, d.delta))
		}
	}
	for _, flag := range []struct {
		on   bool
		text string
	}{
		{c.NotReimported, "not reimported"},
		{c.RetryReferences, "retries references"},
		{c.Deleted, "deleted"},
		{c.NameLost, "deleted, another one has the name"},
		{len(c.Detected) > 0, fmt.Sprintf("detected %q", c.Detected)},
		{c.Attempts > 0, fmt.Sprintf("%d attempts", c.Attempts)},
	} {
		if flag.on {
			b.WriteString("\n    " + flag.text)
		}
	}
	for _, e := range []struct {
		name string
		err  *space.ObjectError
	}{{"import error", c.ImportError}, {"export error", c.ExportError}} {
		if e.err != nil {
			fmt.Fprintf(&b, "\n    %s %s", e.name, e.err.Name)
			if e.err.Retries > 0 {
				fmt.Fprintf(&b, ", retried %d", e.err.Retries)
			}
		}
	}
	return b.String() + "\n"
}

func (w *world) showDelta(tx *space.Tx, d *identity.Delta) string {
	text := d.Op.String()
	if d.DN != "" {
		text += " dn=" + quoteIfNeeded(d.DN)
	}
	for _, c := range d.Changes {
		switch c.Op {
		case identity.Delete:
			text += " -" + c.Name
		case identity.Update:
			text += fmt.Sprintf(" %s+(%s)-(%s)", c.Name, w.resolve(tx, c.Values), w.resolve(tx, c.Removed))
		default:
			text += fmt.Sprintf(" %s=%s", c.Name, w.resolve(tx, c.Values))
		}
	}
	return text
}

// showRecord shows a run record: a line per step, and one per error.
func showRecord(r *engine.Record) string {
	var b strings.Builder
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "%s %s: %s%s", r.Agent, s.Type, s.Result, showCounters(s.Staging)+showCounters(s.Discovery)+showCounters(s.Inbound)+showCounters(s.Exports)+showCounters(s.Removed))
		if s.Error != "" {
			fmt.Fprintf(&b, "\n  %s", s.Error)
		}
		b.WriteByte('\n')
		for _, w := range s.Warnings {
			fmt.Fprintf(&b, "  warning %s: %s\n", w.Type, w.Detail)
		}
		if s.File != "" {
			fmt.Fprintf(&b, "  %d in %s\n", s.Written, s.File)
		}
		for _, name := range slices.Sorted(maps.Keys(s.Outbound)) {
			if counters := showCounters(s.Outbound[name]); counters != "" {
				fmt.Fprintf(&b, "  to %s%s\n", name, counters)
			}
		}
		for _, e := range slices.Concat(s.DiscoveryErrors, s.SyncErrors, s.RetryErrors, s.ExportErrors) {
			kind := "error"
			if e.Warning {
				kind = "warning"
			}
			fmt.Fprintf(&b, "  %s %s", kind, e.Type)
			object := cmp.Or(e.DN, e.Anchor)
			if e.Object != 0 {
				object = fmt.Sprintf("#%d", e.Object.Sequence())
			}
			for _, part := range []string{object, e.Rule, e.Attribute} {
				if part != "" {
					fmt.Fprintf(&b, " %q", part)
				}
			}
			fmt.Fprintf(&b, ": %s\n", e.Detail)
		}
	}
	return b.String()
}

func showCounters[K ~string](counters map[K]int) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(counters)) {
		if counters[name] != 0 {
			fmt.Fprintf(&b, ", %s %d", name, counters[name])
		}
	}
	return b.String()
}

// quiet reports whether a run has done nothing but look.
func quiet(r *engine.Record) bool {
	for _, s := range r.Steps {
		if s.Result.Severity() > 0 || s.Error != "" || len(s.Exports) > 0 {
			return false
		}
		for name, n := range s.Staging {
			if n > 0 && name != "stage-no-change" {
				return false
			}
		}
		for name, n := range s.Inbound {
			if n > 0 && name != "connector-no-flow" && name != "disconnector-remains" && name != "disconnector-filtered" {
				return false
			}
		}
		for _, counters := range s.Outbound {
			for name, n := range counters {
				if n > 0 && name != "connector-no-flow" {
					return false
				}
			}
		}
	}
	return true
}
