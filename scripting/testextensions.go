package scripting

import (
	"context"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/scripting/host"
)

// What tests call of rules extensions.

// agentCall reads the arguments that the functions of an extension have in common.
func agentCall(a *host.Active, function string, args []goja.Value, most int) (rules.AgentExtension, *plainConnector, *arguments) {
	r := argumentsOf(a, function+" takes an agent and an object", args, 2, most)
	agent := r.text(0)
	if r.err != nil {
		return rules.AgentExtension{}, nil, r
	}
	e, err := testOf(a).generation.agentOf(agent)
	if r.err = err; err != nil {
		return e, nil, r
	}
	return e, r.connector(1, agent, ""), r
}

func testFilter(a *host.Active, args []goja.Value) (goja.Value, error) {
	e, cs, r := agentCall(a, "filter", args, 2)
	if r.err == nil && e.Filter == nil {
		r.err = lacks("extension", cs.agent, "filter")
	}
	if r.err != nil {
		return nil, r.err
	}
	filtered, err := e.Filter(testContext(a), cs)
	if err != nil {
		return nil, called(err)
	}
	return a.Runtime().ToValue(filtered), nil
}

func testJoin(a *host.Active, args []goja.Value) (goja.Value, error) {
	e, cs, r := agentCall(a, "join", args, 3)
	name := ""
	if !nothing(r.at(2)) {
		name = r.text(2)
	}
	if r.err == nil && e.JoinValues == nil {
		r.err = lacks("extension", cs.agent, "joinValues")
	}
	if r.err != nil {
		return nil, r.err
	}
	values, err := e.JoinValues(testContext(a), name, cs)
	if err != nil {
		return nil, called(err)
	}
	items := make([]any, len(values))
	for i, v := range values {
		if items[i], err = singleToScript(a, v); err != nil {
			return nil, err
		}
	}
	return a.Array(items), nil
}

func testResolve(a *host.Active, args []goja.Value) (goja.Value, error) {
	e, cs, r := agentCall(a, "resolveJoin", args, 4)
	rule := ""
	if !nothing(r.at(3)) {
		rule = r.text(3)
	}
	if r.err == nil && e.ResolveJoin == nil {
		r.err = lacks("extension", cs.agent, "resolveJoin")
	}
	if r.err != nil {
		return nil, r.err
	}
	items, err := arrayOf(a, r.at(2), "the candidates must be an array")
	if err != nil {
		return nil, err
	}
	candidates := make([]rules.MetaverseEntry, len(items))
	for i, item := range items {
		if candidates[i], err = testOf(a).object(a, item, ""); err != nil {
			return nil, err
		}
	}
	resolution, err := e.ResolveJoin(testContext(a), rule, cs, candidates)
	switch {
	case err != nil:
		return nil, called(err)
	case !resolution.Join:
		return goja.Null(), nil
	case resolution.Index < 0 || resolution.Index >= len(candidates):
		return nil, unexpected("candidate %d of %d", resolution.Index, len(candidates))
	}
	return a.ToScript(resolutionView(resolution))
}

// resolutionView is the answer of a join resolver as people see it.
func resolutionView(r rules.Resolution) any {
	switch {
	case !r.Join:
		return nil
	case r.Type == "":
		return r.Index
	}
	return map[string]any{"join": r.Index, "type": r.Type}
}

func testProject(a *host.Active, args []goja.Value) (goja.Value, error) {
	e, cs, r := agentCall(a, "project", args, 2)
	if r.err == nil && e.Project == nil {
		r.err = lacks("extension", cs.agent, "project")
	}
	if r.err != nil {
		return nil, r.err
	}
	metaverseType, err := e.Project(testContext(a), cs)
	switch {
	case err != nil:
		return nil, called(err)
	case metaverseType == "":
		return goja.Null(), nil
	}
	return a.Runtime().ToValue(metaverseType), nil
}

func testDeprovision(a *host.Active, args []goja.Value) (goja.Value, error) {
	e, cs, r := agentCall(a, "deprovision", args, 2)
	if r.err == nil && e.Deprovision == nil {
		r.err = lacks("extension", cs.agent, "deprovision")
	}
	if r.err != nil {
		return nil, r.err
	}
	answer, err := decideDeprovision(testContext(a), e, cs)
	if err != nil {
		return nil, called(err)
	}
	return a.Runtime().ToValue(string(answer)), nil
}

// decideDeprovision asks as a run does: an answer that is none is an error.
func decideDeprovision(ctx context.Context, e rules.AgentExtension, cs rules.ConnectorEntry) (rules.Deprovision, error) {
	asking := rules.AgentRules{}
	asking.Name, asking.Deprovision = cs.Agent(), rules.DeprovisionScript
	return asking.Decide(func() (rules.Deprovision, error) { return e.Deprovision(ctx, cs) })
}

func testProvision(a *host.Active, args []goja.Value) (goja.Value, error) {
	r := argumentsOf(a, "provision takes a metaverse type and an object", args, 2, 2)
	metaverseType := r.text(0)
	if r.err != nil {
		return nil, r.err
	}
	e, err := testOf(a).generation.metaverseOf(metaverseType)
	if err != nil {
		return nil, err
	}
	if e.Provision == nil {
		return nil, lacks("metaverse extension", metaverseType, "provision")
	}
	mv := r.object(1, metaverseType)
	if r.err != nil {
		return nil, r.err
	}
	recorded := &recorder{MetaverseEntry: mv}
	if err := e.Provision(testContext(a), recorded); err != nil {
		return nil, called(err)
	}
	items := make([]any, len(recorded.asked))
	for i, one := range recorded.asked {
		view, err := one.view(func(v expr.Value) (any, error) { return toScript(a, v) })
		if err != nil {
			return nil, err
		}
		if items[i], err = a.ToScript(view); err != nil {
			return nil, err
		}
	}
	return a.Array(items), nil
}

func testShouldDelete(a *host.Active, args []goja.Value) (goja.Value, error) {
	r := argumentsOf(a, "shouldDelete takes a metaverse type, the object that was disconnected and the metaverse object", args, 3, 3)
	metaverseType := r.text(0)
	if r.err != nil {
		return nil, r.err
	}
	e, err := testOf(a).generation.metaverseOf(metaverseType)
	if err != nil {
		return nil, err
	}
	if e.ShouldDelete == nil {
		return nil, lacks("metaverse extension", metaverseType, "shouldDelete")
	}
	cs, mv := r.connector(1, "", ""), r.object(2, metaverseType)
	if r.err != nil {
		return nil, r.err
	}
	gone, err := e.ShouldDelete(testContext(a), cs, mv)
	if err != nil {
		return nil, called(err)
	}
	return a.Runtime().ToValue(gone), nil
}
