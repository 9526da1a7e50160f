package scripting

import (
	"errors"
	"slices"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/scripting/host"
)

// What tests call of controllers and of functions that listen to events.

var hookTests = []host.Member{
	{
		Name: "shouldExecute", Signature: "(agent: string, run?: Record<string, any>, options?: { state?: Record<string, any> }): " +
			"{ allow: boolean, reason: string, retryAfter: number, state: Record<string, any> }",
		Doc: "Asks a controller about a run, `{run: \"export\"}`; retryAfter is in seconds.", Call: testShouldExecute,
	},
	{
		Name: "executionComplete", Signature: "(agent: string, record: Record<string, any>, options?: { state?: Record<string, any> }): Record<string, any>",
		Doc: "Tells a controller how a run ended; returns what it remembers then.", Call: testExecutionComplete,
	},
	{
		Name: "event", Signature: "(name: EventName, event?: Record<string, any>, options?: { state?: Record<string, any> }): Record<string, any>",
		Doc: "Tells all functions that listen to an event; returns what they remember then.", Call: testEvent,
	},
}

// A hookTest is a call of hooks in a test.
type hookTest struct {
	name     string
	document map[string]any
	state    memoryState
}

func readHookTest(a *host.Active, what string, args []goja.Value) (*hookTest, error) {
	r := argumentsOf(a, what, args, 1, 3)
	t := &hookTest{name: r.text(0), document: map[string]any{}}
	if r.err != nil {
		return nil, r.err
	}
	if !nothing(r.at(1)) {
		plain, err := a.Plain(r.at(1))
		if err != nil {
			return nil, err
		}
		document, ok := plain.(map[string]any)
		if !ok {
			return nil, errors.New(what)
		}
		t.document = document
	}
	var err error
	t.state, err = readState(a, r.at(2))
	return t, err
}

func (t *hookTest) surroundings() Surroundings {
	return Surroundings{State: func(string, string) autosync.State { return t.state }}
}

// controllerOf returns the registration of the controller of an agent that has a
// function.
func (g *Generation) controllerOf(agent, function string) (*host.Registration, error) {
	byName := map[string]bool{}
	for _, r := range g.host.Registrations(controllerKind.Name) {
		byName[r.Name] = true
		switch {
		case r.Name != agent:
		case !slices.Contains(r.Spec.(controllerSpec).Functions, function):
			return nil, lacks("controller", agent, function)
		default:
			return r, nil
		}
	}
	return nil, unregistered("controller", agent, byName)
}

func testShouldExecute(a *host.Active, args []goja.Value) (goja.Value, error) {
	t, err := readHookTest(a, "shouldExecute takes an agent, a run and options", args)
	if err != nil {
		return nil, err
	}
	g := testOf(a).generation
	r, err := g.controllerOf(t.name, "shouldExecute")
	if err != nil {
		return nil, err
	}
	t.document["agent"] = t.name
	var out autosync.Permission
	err = g.hook(testContext(a), r, t.surroundings(), t.name, 0, "shouldExecute", t.document, func(a *host.Active, v goja.Value) (err error) {
		out, err = readPermission(a, v)
		return err
	})
	if err != nil {
		return nil, called(err)
	}
	remembered, err := t.state.values(a)
	if err != nil {
		return nil, err
	}
	return a.ToScript(map[string]any{
		"allow": !out.Refused, "reason": out.Reason, "retryAfter": int64(out.RetryAfter.Seconds()), "state": remembered,
	})
}

func testExecutionComplete(a *host.Active, args []goja.Value) (goja.Value, error) {
	t, err := readHookTest(a, "executionComplete takes an agent, a run record and options", args)
	if err != nil {
		return nil, err
	}
	g := testOf(a).generation
	r, err := g.controllerOf(t.name, "executionComplete")
	if err != nil {
		return nil, err
	}
	t.document["agent"] = t.name
	if err := g.hook(testContext(a), r, t.surroundings(), t.name, 0, "executionComplete", t.document, nil); err != nil {
		return nil, called(err)
	}
	return t.answer(a)
}

func testEvent(a *host.Active, args []goja.Value) (goja.Value, error) {
	t, err := readHookTest(a, "event takes a name, an event and options", args)
	if err != nil {
		return nil, err
	}
	g := testOf(a).generation
	if !g.Hears(autosync.EventKind(t.name)) {
		return nil, unregistered("function on", t.name, map[string]bool{})
	}
	t.document["event"] = t.name
	agent, _ := t.document["agent"].(string)
	for _, r := range g.host.Registrations(onKind.Name) {
		if r.Name != t.name {
			continue
		}
		if err := g.hook(testContext(a), r, t.surroundings(), agent, 0, "", t.document, nil); err != nil {
			return nil, called(err)
		}
	}
	return t.answer(a)
}

func (t *hookTest) answer(a *host.Active) (goja.Value, error) {
	remembered, err := t.state.values(a)
	if err != nil {
		return nil, err
	}
	return a.ToScript(remembered)
}
