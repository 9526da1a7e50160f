package scripting

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/scripting/host"
)

// testObject is the type of what a test is given. The functions under test run as
// in a run: in another worker, with values that are converted both ways.
var testObject = host.TestObject(
	"What a test compares and calls functions of the scripts with. Objects are plain: `{sn: \"Berg\", $dn: \"CN=1\"}`.\n"+
		"What a function throws, the call throws.",
	append([]host.Member{
		{
			Name: "call", Signature: "(name: string, ...args: any[]): any", Call: testCall,
			Doc: "Calls a flow function.",
		},
		{
			Name: "flow", Signature: "(source: string, name: string, entry: TestEntry, target?: TestEntry): any", Call: testFlow,
			Doc: "Calls a flow; undefined contributes nothing, null empties the attribute. The target is for ctx.target().",
		},
		{
			Name: "expression", Signature: "(text: string, attributes?: Record<string, Result>, options?: { dialect?: \"fim\" | \"entra\" }): any",
			Doc: "Evaluates an expression of a rule. Attributes whose names begin with $ are parameters.", Call: testExpression,
		},
		{
			Name: "filter", Signature: "(agent: string, cs: TestEntry): boolean", Call: testFilter,
			Doc: "Calls the connector filter of an extension.",
		},
		{
			Name: "join", Signature: "(agent: string, cs: TestEntry, name: string): readonly Value[]", Call: testJoin,
			Doc: "Calls joinValues of an extension.",
		},
		{
			Name: "resolveJoin", Signature: "(agent: string, cs: TestEntry, candidates: TestEntry[], rule?: string): " +
				"number | null | { join: number, type: string }",
			Doc: "Calls resolveJoin of an extension; returns the index of the candidate.", Call: testResolve,
		},
		{
			Name: "project", Signature: "(agent: string, cs: TestEntry): string | null", Call: testProject,
			Doc: "Calls project of an extension.",
		},
		{
			Name: "deprovision", Signature: "(agent: string, cs: TestEntry): \"disconnect\" | \"explicit-disconnect\" | \"delete\"",
			Doc: "Calls deprovision of an extension.", Call: testDeprovision,
		},
		{
			Name: "provision", Signature: "(type: string, mv: TestEntry): Asked[]", Call: testProvision,
			Doc: "Calls provision of a metaverse type; returns what it asked for, in its order.",
		},
		{
			Name: "shouldDelete", Signature: "(type: string, cs: TestEntry, mv: TestEntry): boolean", Call: testShouldDelete,
			Doc: "Calls shouldDelete of a metaverse type.",
		},
		{
			Name: "trigger", Signature: "(name: string, options?: { state?: Record<string, any>, request?: TestCall, run?: TestRun }): " +
				"{ requests: ({ agent: string, run: string } & RequestOptions)[], state: Record<string, any> }",
			Doc: "Fires a trigger, with the request that came to its webhook or the run that has ended: returns what it requests,\n" +
				"and what it remembers then.", Call: testTrigger,
		},
	}, slices.Concat(hookTests, testAgents, testStubs)...)...,
)

var testTypes = host.Type{
	Name: "Objects of tests",
	Doc:  "An object of a test: its attributes, and what else it says of itself.",
	Text: `interface TestEntry {
	[attribute: string]: any;
	/** Of any object; by default they are counted. */
	$id?: string;
	/** Of a connector-space object. */
	$agent?: string;
	$object?: string;
	$dn?: string;
	$anchor?: string;
	/** Of a metaverse object: its metaverse type. */
	$type?: string;
	/** Its connectors by agent. */
	$connectors?: Record<string, TestEntry[]>;
	/** The agents that contributed its attributes, and when. */
	$contributor?: Record<string, string>;
	$contributed?: Record<string, Date | string>;
}
/** What a provisioning function asked for. A connector is named by its dn, anchor or id. */
type Asked =
	{ create: { agent: string, object: string, attributes: Record<string, any> } } |
	{ rename: { agent: string, connector: string, dn: string } } |
	{ disconnect: { agent: string, connector: string } };
/** A call of a webhook. A body that is no text is sent as JSON. */
interface TestCall { body?: any; contentType?: string; query?: string }
/** A run that has ended. */
interface TestRun { number?: number; agent?: string; profile?: string; result?: string }`,
}

// An argument reader takes the arguments of a call apart; the first mistake sticks.
type arguments struct {
	a    *host.Active
	what string
	list []goja.Value
	err  error
}

func argumentsOf(a *host.Active, what string, list []goja.Value, least, most int) *arguments {
	r := &arguments{a: a, what: what, list: list}
	if len(list) < least || most >= 0 && len(list) > most {
		r.err = errors.New(what)
	}
	return r
}

func (r *arguments) text(i int) string {
	if r.err == nil && !goja.IsString(r.list[i]) {
		r.err = errors.New(r.what)
	}
	if r.err != nil {
		return ""
	}
	return r.list[i].String()
}

func (r *arguments) at(i int) goja.Value {
	if i < len(r.list) {
		return r.list[i]
	}
	return nil
}

func (r *arguments) connector(i int, agent, objectType string) *plainConnector {
	if r.err != nil {
		return nil
	}
	c, err := testOf(r.a).connector(r.a, r.at(i), agent, objectType)
	r.err = err
	return c
}

func (r *arguments) object(i int, metaverseType string) *plainObject {
	if r.err != nil {
		return nil
	}
	o, err := testOf(r.a).object(r.a, r.at(i), metaverseType)
	r.err = err
	return o
}

// unregistered is the error about something that no script registers.
func unregistered[V any](what, name string, registered map[string]V) error {
	e := fault.New(host.NameInvalid, "no script registers the %s %q", what, name)
	if near := fault.Suggest(name, slices.Sorted(maps.Keys(registered))); near != "" {
		e.Hint = fmt.Sprintf("did you mean %q?", near)
	}
	return e
}

func (g *Generation) agentOf(name string) (rules.AgentExtension, error) {
	e, ok := g.rules.Agents[name]
	if !ok {
		return e, unregistered("extension", name, g.rules.Agents)
	}
	return e, nil
}

func (g *Generation) metaverseOf(name string) (rules.MetaverseExtension, error) {
	e, ok := g.rules.Metaverse[name]
	if !ok {
		return e, unregistered("metaverse extension", name, g.rules.Metaverse)
	}
	return e, nil
}

func (g *Generation) flowOf(source, name string) (rules.Flower, rules.FlowName, error) {
	wanted := flowName(source, name)
	if flower, ok := g.rules.Flows[wanted]; ok {
		return flower, wanted, nil
	}
	names := map[string]bool{}
	for known := range g.rules.Flows {
		names[flowText(known)] = true
	}
	return nil, wanted, unregistered("flow", flowText(wanted), names)
}

func flowText(n rules.FlowName) string {
	if n.Agent == "" {
		return n.Object + " " + n.Name
	}
	return n.Agent + "." + n.Object + " " + n.Name
}

// flowName takes the source of a flow apart: AGENT.OBJECT, or a metaverse type.
func flowName(source, name string) rules.FlowName {
	if i := strings.LastIndexByte(source, '.'); i >= 0 {
		return rules.FlowName{Agent: source[:i], Object: source[i+1:], Name: name}
	}
	return rules.FlowName{Object: source, Name: name}
}

// lacks is the error about a function that an extension does not have.
func lacks(what, name, function string) error {
	return fault.New(host.NameInvalid, "the %s %q has no %s", what, name, function)
}

func testCall(a *host.Active, args []goja.Value) (goja.Value, error) {
	r := argumentsOf(a, "call takes the name of a flow function and its arguments", args, 1, -1)
	name := r.text(0)
	if r.err != nil {
		return nil, r.err
	}
	run := testOf(a)
	fn, ok := run.generation.functions[name]
	if !ok {
		return nil, unregistered("flow function", name, run.generation.functions)
	}
	values := make([]expr.Value, len(args)-1)
	for i, arg := range args[1:] {
		v, err := fromScript(a, arg)
		if err != nil {
			return nil, invalid("argument %d: %s", i+1, fault.As(err, "").Detail())
		}
		values[i] = v
	}
	if n := len(values); n < fn.MinArgs || fn.MaxArgs >= 0 && n > fn.MaxArgs {
		e := invalid("an expression could not call %s with %d arguments", fn.Signature, n)
		e.Hint = "give undefined for an attribute without a value"
		return nil, e
	}
	result, err := fn.Call(&expr.Context{Context: testContext(a), Now: a.Now()}, values)
	if err != nil {
		return nil, called(err)
	}
	return resultToScript(a, result)
}

// resultToScript gives a test the value of a flow.
func resultToScript(a *host.Active, v expr.Value) (goja.Value, error) {
	if v.Literal() == expr.AuthoritativeNull {
		return goja.Null(), nil
	}
	if v.Literal() != expr.NoLiteral {
		return a.Runtime().ToValue(v.Literal().String()), nil
	}
	return toScript(a, v)
}

func testFlow(a *host.Active, args []goja.Value) (goja.Value, error) {
	r := argumentsOf(a, "flow takes a source, a name and an object", args, 3, 4)
	source, name := r.text(0), r.text(1)
	if r.err != nil {
		return nil, r.err
	}
	run := testOf(a)
	flower, wanted, err := run.generation.flowOf(source, name)
	if err != nil {
		return nil, err
	}
	var entry rules.Entry
	if wanted.Agent != "" {
		c := r.connector(2, wanted.Agent, wanted.Object)
		if r.err == nil && !nothing(r.at(3)) {
			c.target = r.object(3, "")
		}
		entry = c
	} else {
		entry = r.object(2, wanted.Object)
	}
	if r.err != nil {
		return nil, r.err
	}
	result, err := flower(testContext(a), entry)
	if err != nil {
		return nil, called(err)
	}
	return resultToScript(a, result)
}

func testExpression(a *host.Active, args []goja.Value) (goja.Value, error) {
	r := argumentsOf(a, "expression takes an expression and the attributes", args, 1, 3)
	source := strings.TrimPrefix(strings.TrimSpace(r.text(0)), "=")
	if r.err != nil {
		return nil, r.err
	}
	run := testOf(a)
	dialect := run.dialect
	if !nothing(r.at(2)) {
		o := readOptions("the options", r.at(2), "dialect")
		if text := o.text("dialect"); text != "" {
			dialect = expr.Dialect(text)
		}
		if o.err == nil && dialect != expr.FIM && dialect != expr.Entra && dialect != "" {
			o.fail(invalid("there is no dialect %q; there are %s and %s", dialect, expr.FIM, expr.Entra))
		}
		if o.err != nil {
			return nil, o.err
		}
	}
	in, err := readInput(a, r.at(1))
	if err != nil {
		return nil, err
	}
	program, err := expr.Compile(source, expr.Options{Dialect: dialect, Attribute: in.attribute, Functions: run.generation.functions})
	if err != nil {
		return nil, expressionError(err)
	}
	random := rand.New(rand.NewPCG(uint64(a.Now().UnixNano()), 1))
	result, err := program.Eval(&expr.Context{
		Context: testContext(a), Object: in, Now: a.Now(), Random: random.Int64N,
		Parameters: func(name string) expr.Value { return in["$"+identity.Fold(name)] },
	})
	if err != nil {
		return nil, expressionError(err)
	}
	return resultToScript(a, result)
}

// expressionError takes the place within the expression into the text: the error
// gets one in the script.
func expressionError(err error) error {
	named := fault.As(err, "")
	return &fault.Error{Name: named.Name, Hint: named.Hint, Err: err}
}

// An input is what an expression of a test sees, by name without regard to case, as
// rules count it.
type input map[string]expr.Value

// Get implements [expr.Getter].
func (in input) Get(name string) []identity.Value { return in[identity.Fold(name)].Values() }

func (in input) attribute(name string) (identity.AttributeType, bool) {
	return identity.AttributeType{Name: name, Multi: in[identity.Fold(name)].IsList()}, true
}

func readInput(a *host.Active, v goja.Value) (input, error) {
	in := input{}
	if nothing(v) {
		return in, nil
	}
	obj, err := plainObjectOf(a, v, "the attributes must be a plain object")
	if err != nil {
		return nil, err
	}
	for _, key := range obj.Keys() {
		value, err := fromScript(a, obj.Get(key))
		if err != nil {
			return nil, invalid("attribute %q: %s", key, fault.As(err, "").Detail())
		}
		if array, ok := obj.Get(key).(*goja.Object); ok && array.ClassName() == "Array" {
			value = expr.OfList(value.Values())
		}
		in[identity.Fold(key)] = value
	}
	return in, nil
}

func testTrigger(a *host.Active, args []goja.Value) (goja.Value, error) {
	r := argumentsOf(a, "trigger takes the name of a trigger and options", args, 1, 2)
	name := r.text(0)
	if r.err != nil {
		return nil, r.err
	}
	g := testOf(a).generation
	byName := map[string]autosync.TriggerSpec{}
	for _, spec := range g.triggers {
		byName[spec.Name] = spec
	}
	spec, ok := byName[name]
	if !ok {
		return nil, unregistered("trigger", name, byName)
	}
	state, on, err := readOccasion(a, r.at(1))
	if err != nil {
		return nil, err
	}
	requests := spec.Run
	if spec.Check != nil {
		if requests, err = spec.Check(testContext(a), on); err != nil {
			return nil, called(err)
		}
	}
	list := make([]any, len(requests))
	for i, request := range requests {
		request = spec.Complete(request)
		shown := map[string]any{"agent": request.Agent, "run": request.Profile}
		if request.Partition != "" {
			shown["partition"] = request.Partition
		}
		if request.Exclusive {
			shown["exclusive"] = true
		}
		if request.Immediate {
			shown["immediate"] = true
		}
		list[i] = shown
	}
	remembered, err := state.values(a)
	if err != nil {
		return nil, err
	}
	return a.ToScript(map[string]any{"requests": list, "state": remembered})
}

// A memoryState is what a trigger remembers in a test.
type memoryState map[string][]byte

// Get implements [autosync.State].
func (m memoryState) Get(key string) ([]byte, error) { return m[key], nil }

// Set implements [autosync.State].
func (m memoryState) Set(key string, value []byte) error {
	if value == nil {
		delete(m, key)
		return nil
	}
	m[key] = value
	return nil
}

// values returns what is kept, as values of scripts.
func (m memoryState) values(a *host.Active) (map[string]any, error) {
	values := map[string]any{}
	for key, text := range m {
		v, err := a.ParseJSON(string(text))
		if err != nil {
			return nil, err
		}
		values[key] = v
	}
	return values, nil
}

// readOccasion reads what a check is asked about in a test.
func readOccasion(a *host.Active, v goja.Value) (memoryState, autosync.Occasion, error) {
	state := memoryState{}
	on := autosync.Occasion{State: state}
	if nothing(v) {
		return state, on, nil
	}
	o := readOptions("the options", v, "state", "request", "run")
	if o.has("request") {
		request := readOptions("request", o.fields["request"], "body", "contentType", "query")
		on.Call = &autosync.WebhookCall{ContentType: request.text("contentType"), Query: request.text("query")}
		if body := request.fields["body"]; goja.IsString(body) {
			on.Call.Body = body.String()
		} else if body != nil {
			text, err := a.FormatJSON(body)
			if err != nil {
				return nil, on, err
			}
			on.Call.Body = text
		}
		o.adopt(request)
	}
	if o.has("run") {
		r := readOptions("run", o.fields["run"], "number", "agent", "profile", "result")
		on.Run = &autosync.Completed{
			Run: uint64(r.integer("number", 1)), Agent: r.text("agent"), Profile: r.text("profile"), Result: run.Result(r.text("result")),
		}
		o.adopt(r)
	}
	if o.err != nil {
		return nil, on, o.err
	}
	return state, on, readStateOf(a, o, state)
}

// readState reads what a hook remembers in a test.
func readState(a *host.Active, v goja.Value) (memoryState, error) {
	state := memoryState{}
	if nothing(v) {
		return state, nil
	}
	o := readOptions("the options", v, "state")
	if o.err != nil {
		return nil, o.err
	}
	return state, readStateOf(a, o, state)
}

// readStateOf fills a state from the option of that name.
func readStateOf(a *host.Active, o *options, state memoryState) error {
	if !o.has("state") {
		return nil
	}
	obj, err := plainObjectOf(a, o.fields["state"], "state must be an object of values by key")
	if err != nil {
		return err
	}
	for _, key := range obj.Keys() {
		plain, err := a.Plain(obj.Get(key))
		if err != nil {
			return err
		}
		if state[key], err = json.Marshal(plain); err != nil {
			return fmt.Errorf("state %q: %w", key, err)
		}
	}
	return nil
}
