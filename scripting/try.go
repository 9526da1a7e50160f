package scripting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/scripting/host"
)

// A Trial is one call of a function of the scripts, as somebody asks for it.
type Trial struct {
	Kind string // flowFunction, flow, extension or metaverse

	// Name is what was registered, and what follows it: the name of a flow function and
	// expressions for its arguments; the source and the name of a flow; the agent or
	// metaverse type of an extension, its function, and of joinValues and resolveJoin
	// the name that they are given.
	Name []string

	Dialect expr.Dialect // of such expressions; "" is FIM

	Object rules.Entry
	With   []rules.Entry // the candidates of resolveJoin; the connector of shouldDelete
}

// Try calls one function of the scripts on objects and returns what came of it, as
// plain data for encoding/json in the form of [expr.FromJSON]. A provisioning
// function does nothing: what it asks for is returned. The time is that of the
// context. called is false if the error is about the trial, and not of the function.
func (g *Generation) Try(ctx context.Context, t Trial) (returned any, called bool, err error) {
	var call func() (any, error)
	switch t.Kind {
	case flowFunctionKind.Name:
		call, err = g.tryFunction(ctx, t)
	case flowKind.Name:
		call, err = g.tryFlow(ctx, t)
	case extensionKind.Name:
		call, err = g.tryExtension(ctx, t)
	case metaverseKind.Name:
		call, err = g.tryMetaverse(ctx, t)
	default:
		kinds := []string{flowFunctionKind.Name, flowKind.Name, extensionKind.Name, metaverseKind.Name}
		unknown := fault.New("unknown-function", "%q is no kind of function; the kinds are %s", t.Kind, strings.Join(kinds, ", "))
		if near := fault.Suggest(t.Kind, kinds); near != "" {
			unknown.Hint = fmt.Sprintf("did you mean %q?", near)
		}
		err = unknown
	}
	if err != nil {
		return nil, false, err
	}
	returned, err = rules.Call(call)
	if errors.Is(err, rules.ErrDeclineMapping) {
		return expr.OfLiteral(expr.IgnoreThisFlow).JSON(), true, nil
	}
	return returned, true, err
}

func usage(format string, args ...any) error {
	return fault.New("unknown-function", format, args...)
}

func (g *Generation) tryFunction(ctx context.Context, t Trial) (func() (any, error), error) {
	if len(t.Name) == 0 {
		return nil, usage("flowFunction needs the name of a function, and an expression for each of its arguments")
	}
	if _, ok := g.functions[t.Name[0]]; !ok {
		return nil, unregistered("flow function", t.Name[0], g.functions)
	}
	source := t.Name[0] + "(" + strings.Join(t.Name[1:], ", ") + ")"
	program, err := expr.Compile(source, expr.Options{Dialect: t.Dialect, Functions: g.functions})
	if err != nil {
		return nil, err
	}
	return func() (any, error) {
		v, err := program.Eval(&expr.Context{Context: ctx, Object: t.Object, Now: rules.Now(ctx)})
		return v.JSON(), err
	}, nil
}

func (g *Generation) tryFlow(ctx context.Context, t Trial) (func() (any, error), error) {
	if len(t.Name) != 2 {
		return nil, usage("flow needs a source, such as HR.employee, and the name of a flow")
	}
	flower, name, err := g.flowOf(t.Name[0], t.Name[1])
	if err != nil {
		return nil, err
	}
	agent := ""
	if c, ok := t.Object.(rules.ConnectorEntry); ok {
		agent = c.Agent()
	}
	if agent != name.Agent || t.Object.ObjectType() != name.Object {
		return nil, usage("the flow %q is not about this object, which is a %s", flowText(name), objectText(t.Object))
	}
	return func() (any, error) {
		v, err := flower(ctx, t.Object)
		return v.JSON(), err
	}, nil
}

// objectText says what an object is.
func objectText(e rules.Entry) string {
	if c, ok := e.(rules.ConnectorEntry); ok {
		return c.Agent() + "." + c.ObjectType()
	}
	return e.ObjectType() + " of the metaverse"
}

func (g *Generation) tryExtension(ctx context.Context, t Trial) (func() (any, error), error) {
	if len(t.Name) < 2 || len(t.Name) > 3 {
		return nil, usage("extension needs an agent and the name of a function")
	}
	agent, function, script := t.Name[0], t.Name[1], strings.Join(t.Name[2:], "")
	e, err := g.agentOf(agent)
	if err != nil {
		return nil, err
	}
	cs, ok := t.Object.(rules.ConnectorEntry)
	if !ok || cs.Agent() != agent {
		return nil, usage("the extension of %q is not about this object, which is a %s", agent, objectText(t.Object))
	}
	if err := g.has(extensionKind.Name, agent, function); err != nil {
		return nil, err
	}
	switch function {
	case "filter":
		return func() (any, error) { return e.Filter(ctx, cs) }, nil
	case "project":
		return func() (any, error) {
			metaverseType, err := e.Project(ctx, cs)
			if metaverseType == "" {
				return nil, err
			}
			return metaverseType, err
		}, nil
	case "deprovision":
		return func() (any, error) { return decideDeprovision(ctx, e, cs) }, nil
	case "joinValues":
		return func() (any, error) {
			values, err := e.JoinValues(ctx, script, cs)
			return expr.OfList(values).JSON(), err
		}, nil
	}
	var candidates []rules.MetaverseEntry
	for _, other := range t.With {
		mv, ok := other.(rules.MetaverseEntry)
		if !ok {
			return nil, usage("resolveJoin chooses among metaverse objects, and not a %s", objectText(other))
		}
		candidates = append(candidates, mv)
	}
	if len(candidates) == 0 {
		return nil, usage("resolveJoin needs its candidates")
	}
	return func() (any, error) {
		resolution, err := e.ResolveJoin(ctx, script, cs, candidates)
		if err == nil && resolution.Join && (resolution.Index < 0 || resolution.Index >= len(candidates)) {
			err = unexpected("candidate %d of %d", resolution.Index, len(candidates))
		}
		return resolutionView(resolution), err
	}, nil
}

func (g *Generation) tryMetaverse(ctx context.Context, t Trial) (func() (any, error), error) {
	if len(t.Name) != 2 {
		return nil, usage("metaverse needs a metaverse type and the name of a function")
	}
	e, err := g.metaverseOf(t.Name[0])
	if err != nil {
		return nil, err
	}
	mv, ok := t.Object.(rules.MetaverseEntry)
	if !ok || mv.ObjectType() != t.Name[0] {
		return nil, usage("the metaverse extension of %q is not about this object, which is a %s", t.Name[0], objectText(t.Object))
	}
	if err := g.has(metaverseKind.Name, t.Name[0], t.Name[1]); err != nil {
		return nil, err
	}
	if t.Name[1] == "provision" {
		return func() (any, error) { return tryProvision(ctx, e, mv) }, nil
	}
	if len(t.With) != 1 {
		return nil, usage("shouldDelete needs the connector-space object that was disconnected")
	}
	cs, ok := t.With[0].(rules.ConnectorEntry)
	if !ok {
		return nil, usage("shouldDelete is about a connector-space object that was disconnected, and not a %s", objectText(t.With[0]))
	}
	return func() (any, error) { return e.ShouldDelete(ctx, cs, mv) }, nil
}

// tryProvision returns what a provisioning function asks for.
func tryProvision(ctx context.Context, e rules.MetaverseExtension, mv rules.MetaverseEntry) (any, error) {
	recorded := &recorder{MetaverseEntry: mv}
	if err := e.Provision(ctx, recorded); err != nil {
		return nil, err
	}
	list := []any{}
	for _, one := range recorded.asked {
		view, err := one.view(func(v expr.Value) (any, error) { return v.JSON(), nil })
		if err != nil {
			return nil, err
		}
		list = append(list, view)
	}
	return list, nil
}

// has finds out whether an extension has a function.
func (g *Generation) has(kind, name, function string) error {
	for _, r := range g.host.Registrations(kind) {
		given := r.Spec.([]string)
		if r.Name != name || slices.Contains(given, function) {
			continue
		}
		e := fault.New("unknown-function", "the %s %q has no function %q", kind, name, function)
		e.Hint = "it has " + strings.Join(given, ", ")
		return e
	}
	return nil
}

// WithLog returns a context in which what scripts log goes to a log of its own.
func WithLog(ctx context.Context, log *slog.Logger) context.Context { return host.WithLog(ctx, log) }
