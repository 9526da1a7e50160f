package scripting

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/scripting/host"
)

// A Dependent is a function of the scripts whose answer depends on what earlier calls
// left behind: a counter, a cache, an array that grows. Its JSON form is the public
// one.
type Dependent struct {
	Kind     string `json:"kind"`
	Name     string `json:"name"`               // as it was registered; of a flow, the source and the name
	Function string `json:"function,omitempty"` // of an extension
	File     string `json:"file"`
	Line     int    `json:"line-number"`
	Column   int    `json:"column-number"`
	Calls    int    `json:"calls"`  // that were compared
	Differ   int    `json:"differ"` // of which so many answered otherwise
	Object   string `json:"object"` // that the first of them was about
	Fresh    string `json:"fresh"`  // what it answered in scripts that had just been loaded
	Used     string `json:"used"`   // and in those that had been called before
}

// An Isolation calls every rule function twice on the same: in scripts that were
// loaded for this one call, and in one copy of the scripts that keeps what the calls
// leave behind. The former counts, and the answers are compared. One goroutine uses
// it.
type Isolation struct {
	fresh, used *Generation
	keeps       *host.Apart
	object      string
	functions   []*isolated // by kind, in the order of the registrations
}

// isolated is a function that is watched.
type isolated struct{ Dependent }

// Isolate begins to watch the rule functions of a generation. The caller closes the
// isolation, and the generation after it.
func (g *Generation) Isolate() *Isolation {
	i := &Isolation{keeps: g.host.Apart()}
	i.fresh, i.used = g.in(g.host.Fresh()), g.in(i.keeps)
	return i
}

// in returns a generation with the same scripts, of which rule functions are called
// apart from others.
func (g *Generation) in(apart *host.Apart) *Generation {
	other := *g
	other.apart = apart
	other.functions = map[string]expr.Function{}
	for _, r := range g.host.Registrations(flowFunctionKind.Name) {
		other.functions[r.Name] = other.flowFunction(r)
	}
	other.rules = other.extensions()
	return &other
}

// Close ends the isolation.
func (i *Isolation) Close() { i.keeps.Close() }

// Next says which object the calls are about that follow. If first is true, a new
// copy of the scripts takes the place of the one that was used so far.
func (i *Isolation) Next(object string, first bool) {
	i.object = object
	if first {
		i.keeps.Close()
	}
}

// Dependents returns the functions that depend on what earlier calls left behind, in
// the order of the kinds, and in each of the files.
func (i *Isolation) Dependents() []Dependent {
	list := []Dependent{}
	for _, f := range i.functions {
		if f.Differ > 0 {
			list = append(list, f.Dependent)
		}
	}
	return list
}

// Calls returns how many calls were compared, and which functions nobody called.
func (i *Isolation) Calls() (n int, uncalled []string) {
	uncalled = []string{}
	for _, f := range i.functions {
		if n += f.Calls; f.Calls == 0 {
			uncalled = append(uncalled, strings.TrimSpace(f.Kind+" "+f.Name+" "+f.Function))
		}
	}
	return n, uncalled
}

func (i *Isolation) watch(r *host.Registration, name, function string) *isolated {
	f := &isolated{Dependent{
		Kind: r.Kind, Name: name, Function: function,
		File: r.Position.File, Line: r.Position.Line, Column: r.Position.Column,
	}}
	i.functions = append(i.functions, f)
	return f
}

// both makes a call in both ways and returns the answer of the fresh scripts.
func both[T any](i *Isolation, f *isolated, fresh, used func() (T, error), show func(T) any) (T, error) {
	answer, err := fresh()
	other, otherErr := used()
	if ended(err) || ended(otherErr) {
		return answer, err // by a clock, which is not the same twice
	}
	f.Calls++
	a, b := shownAnswer(answer, err, show), shownAnswer(other, otherErr, show)
	if a != b {
		if f.Differ++; f.Differ == 1 {
			f.Object, f.Fresh, f.Used = i.object, a, b
		}
	}
	return answer, err
}

// ended reports whether a call was ended from outside.
func ended(err error) bool {
	name := fault.Name(err)
	return name == "extension-dll-timeout" || name == host.NameMemory
}

func shownAnswer[T any](answer T, err error, show func(T) any) string {
	switch {
	case errors.Is(err, rules.ErrDeclineMapping):
		return "DeclineMapping"
	case err != nil:
		e := fault.As(err, "")
		return strings.TrimPrefix(e.Name+": ", ": ") + e.Detail()
	}
	text, err := json.Marshal(show(answer))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Rules returns the rules extensions of the generation as they are watched.
func (i *Isolation) Rules() rules.Functions {
	fresh, used := i.fresh.rules, i.used.rules
	out := fresh
	out.ByName, out.Flows = map[string]expr.Function{}, map[rules.FlowName]rules.Flower{}
	out.Agents, out.Metaverse = map[string]rules.AgentExtension{}, map[string]rules.MetaverseExtension{}
	for _, r := range i.fresh.host.Registrations(flowFunctionKind.Name) {
		out.ByName[r.Name] = i.flowFunction(r)
	}
	for _, r := range i.fresh.host.Registrations(flowKind.Name) {
		name := r.Spec.(rules.FlowName)
		f, a, b := i.watch(r, flowText(name), ""), fresh.Flows[name], used.Flows[name]
		out.Flows[name] = func(ctx context.Context, source rules.Entry) (expr.Value, error) {
			return both(i, f,
				func() (expr.Value, error) { return a(ctx, source) },
				func() (expr.Value, error) { return b(ctx, source) }, expr.Value.JSON)
		}
	}
	for _, r := range i.fresh.host.Registrations(extensionKind.Name) {
		out.Agents[r.Name] = i.agent(r, fresh.Agents[r.Name], used.Agents[r.Name])
	}
	for _, r := range i.fresh.host.Registrations(metaverseKind.Name) {
		out.Metaverse[r.Name] = i.metaverse(r, fresh.Metaverse[r.Name], used.Metaverse[r.Name])
	}
	return out
}

func (i *Isolation) flowFunction(r *host.Registration) expr.Function {
	f, a, b := i.watch(r, r.Name, ""), i.fresh.functions[r.Name], i.used.functions[r.Name]
	out := a
	out.Call = func(ctx *expr.Context, args []expr.Value) (expr.Value, error) {
		first, second := *ctx, *ctx
		if ctx.Random != nil { // both get the same numbers
			var drawn []int64
			first.Random = func(n int64) int64 {
				drawn = append(drawn, ctx.Random(n))
				return drawn[len(drawn)-1]
			}
			second.Random = func(n int64) int64 {
				if len(drawn) == 0 {
					return ctx.Random(n)
				}
				next := drawn[0]
				drawn = drawn[1:]
				return next
			}
		}
		return both(i, f,
			func() (expr.Value, error) { return a.Call(&first, args) },
			func() (expr.Value, error) { return b.Call(&second, args) }, expr.Value.JSON)
	}
	return out
}

func itself[T any](v T) any { return v }

func (i *Isolation) agent(r *host.Registration, a, b rules.AgentExtension) rules.AgentExtension {
	out := rules.AgentExtension{Version: a.Version}
	watch := func(function string) *isolated {
		if slices.Contains(r.Spec.([]string), function) {
			return i.watch(r, r.Name, function)
		}
		return nil
	}
	if f := watch("filter"); f != nil {
		out.Filter = func(ctx context.Context, cs rules.ConnectorEntry) (bool, error) {
			return both(i, f,
				func() (bool, error) { return a.Filter(ctx, cs) },
				func() (bool, error) { return b.Filter(ctx, cs) }, itself)
		}
	}
	if f := watch("joinValues"); f != nil {
		out.JoinValues = func(ctx context.Context, script string, cs rules.ConnectorEntry) ([]identity.Value, error) {
			return both(i, f,
				func() ([]identity.Value, error) { return a.JoinValues(ctx, script, cs) },
				func() ([]identity.Value, error) { return b.JoinValues(ctx, script, cs) },
				func(values []identity.Value) any { return expr.OfList(values).JSON() })
		}
	}
	if f := watch("resolveJoin"); f != nil {
		out.ResolveJoin = func(ctx context.Context, name string, cs rules.ConnectorEntry, candidates []rules.MetaverseEntry) (rules.Resolution, error) {
			return both(i, f,
				func() (rules.Resolution, error) { return a.ResolveJoin(ctx, name, cs, candidates) },
				func() (rules.Resolution, error) { return b.ResolveJoin(ctx, name, cs, candidates) }, resolutionView)
		}
	}
	if f := watch("project"); f != nil {
		out.Project = func(ctx context.Context, cs rules.ConnectorEntry) (string, error) {
			return both(i, f,
				func() (string, error) { return a.Project(ctx, cs) },
				func() (string, error) { return b.Project(ctx, cs) }, itself)
		}
	}
	if f := watch("deprovision"); f != nil {
		out.Deprovision = func(ctx context.Context, cs rules.ConnectorEntry) (rules.Deprovision, error) {
			return both(i, f,
				func() (rules.Deprovision, error) { return a.Deprovision(ctx, cs) },
				func() (rules.Deprovision, error) { return b.Deprovision(ctx, cs) }, itself)
		}
	}
	return out
}

func (i *Isolation) metaverse(r *host.Registration, a, b rules.MetaverseExtension) rules.MetaverseExtension {
	out := rules.MetaverseExtension{Version: a.Version}
	if slices.Contains(r.Spec.([]string), "provision") {
		f := i.watch(r, r.Name, "provision")
		out.Provision = func(ctx context.Context, mv rules.ProvisioningEntry) error {
			// What it asks for is compared without doing it, for it is done once.
			_, _ = both(i, f,
				func() (any, error) { return tryProvision(ctx, a, mv) },
				func() (any, error) { return tryProvision(ctx, b, mv) }, itself)
			return a.Provision(ctx, mv)
		}
	}
	if slices.Contains(r.Spec.([]string), "shouldDelete") {
		f := i.watch(r, r.Name, "shouldDelete")
		out.ShouldDelete = func(ctx context.Context, cs rules.ConnectorEntry, mv rules.MetaverseEntry) (bool, error) {
			return both(i, f,
				func() (bool, error) { return a.ShouldDelete(ctx, cs, mv) },
				func() (bool, error) { return b.ShouldDelete(ctx, cs, mv) }, itself)
		}
	}
	return out
}
