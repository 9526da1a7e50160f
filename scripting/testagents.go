package scripting

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/guard"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/scripting/host"
	"github.com/metasync/metasync/scripting/modules"
)

// An agentTest is what the functions of an agent find in a test: its time, and the
// answers that it makes up in place of a network.
type agentTest struct {
	now time.Time
	env *modules.Env
}

// testAgents are the members of a test that call agent types.
var testAgents = []host.Member{
	{
		Name: "import", Signature: "(type: string, options?: TestAgentOptions): { objects: ImportedObject[], watermark?: any }",
		Doc: "Imports all pages with an agent type: everything, or with a watermark what changed since. Values are as the engine\n" +
			"has them, and an object that it would refuse has an error.",
		Call: testImport,
	},
	{
		Name: "export", Signature: "(type: string, changes: AgentChange[], options?: TestAgentOptions): ExportOutcome[]",
		Doc: "Exports changes with an agent type, and returns the results.", Call: testExport,
	},
	{
		Name: "read", Signature: "(type: string, key: ObjectKey, options?: TestAgentOptions): ImportedObject | null",
		Doc: "Reads one object with an agent type.", Call: testRead,
	},
}

var testAgentTypes = host.Type{
	Name: "Agents of tests",
	Doc:  "How a test calls an agent type. No network is there: each request gets the answer of http.",
	Text: `interface TestAgentOptions {
	settings?: Record<string, any>;
	/** Answers a request: what it throws is no answer at all. Secrets in headers are [secret]. */
	http?(request: TestRequest): TestResponse;
	/** The watermark of a delta import. */
	watermark?: any;
	/** 100 if absent. */
	pageSize?: number;
	partition?: string;
}
interface TestRequest {
	readonly method: string;
	readonly url: string;
	/** By name in lower case. */
	readonly headers: Readonly<Record<string, string>>;
	/** The body as a text, and what it stands for if it is JSON. */
	readonly body: string;
	readonly json: any;
}
interface TestResponse {
	/** 200 if absent. */
	status?: number;
	headers?: Record<string, string>;
	/** A text, bytes, or an object that is sent as JSON. */
	body?: any;
}`,
}

// A testedAgent is an agent of a test, and how it is asked.
type testedAgent struct {
	*scriptAgent
	schema    identity.Schema
	delta     bool
	watermark []byte
	pageSize  int
	partition string
}

// testedAgent opens an agent of the type that is the first argument.
func (r *arguments) testedAgent(optionsAt int) (*testedAgent, error) {
	name := r.text(0)
	if r.err != nil {
		return nil, r.err
	}
	run := testOf(r.a)
	byName := map[string]*host.Registration{}
	for _, registered := range run.generation.host.Registrations(agentTypeKind.Name) {
		byName[registered.Name] = registered
	}
	registered, ok := byName[name]
	if !ok {
		return nil, unregistered("agent type", name, byName)
	}
	given := r.at(optionsAt)
	if nothing(given) {
		given = r.a.Runtime().NewObject()
	}
	o := readOptions("the options", given, "settings", "http", "watermark", "pageSize", "partition")
	stub := o.function("http")
	t := &testedAgent{pageSize: o.whole("pageSize", 1, maxBatch), partition: o.text("partition"), delta: o.has("watermark")}
	if t.pageSize == 0 {
		t.pageSize = 100
	}
	if o.err != nil {
		return nil, o.err
	}
	spec := registered.Spec.(*agentTypeSpec)
	settings := map[string]any{}
	if o.has("settings") {
		obj, err := plainProperties("settings", o.fields["settings"])
		if err != nil {
			return nil, err
		}
		for _, key := range obj.Keys() {
			if settings[key] = plainSetting(obj.Get(key)); spec.Declared {
				continue
			}
			var err error
			if settings[key], err = r.a.Plain(obj.Get(key)); err != nil {
				return nil, err
			}
		}
	}
	settings, problem := spec.complete("settings", settings)
	if problem != nil {
		return nil, problem
	}
	var err error
	if t.delta {
		if t.watermark, err = toJSON(r.a, "a watermark", o.fields["watermark"]); err != nil {
			return nil, err
		}
	}
	t.scriptAgent = &scriptAgent{
		generation: run.generation, r: registered, spec: spec, name: name, timeout: host.MaxTimeout,
		settings: settings, secrets: spec.secrets(), test: &agentTest{now: r.a.Now(), env: stubbed(r.a, stub)},
	}
	if t.schema, err = t.Schema(testContext(r.a)); err != nil {
		return nil, called(err)
	}
	return t, nil
}

// stubbed returns what a test grants: nothing but the answers that it makes up.
func stubbed(a *host.Active, stub goja.Value) *modules.Env {
	if nothing(stub) {
		stub = testOf(a).made.http
	}
	env := &modules.Env{Stub: func(*http.Request) (*http.Response, error) {
		return nil, errors.New("the test has no answers: t.http(fn) gives them, or the option http of an agent type")
	}}
	if loaded, ok := a.Env().(*modules.Env); ok {
		env.Base, env.Secrets, env.Tables = loaded.Base, loaded.Secrets, loaded.Tables
	}
	if answer, ok := goja.AssertFunction(stub); ok {
		env.Stub = func(q *http.Request) (out *http.Response, err error) {
			err = a.Guard(func() error {
				request, err := shownRequest(a, q)
				if err != nil {
					return err
				}
				v, err := answer(goja.Undefined(), request)
				if err != nil {
					return a.Fault(err)
				}
				out, err = readAnswer(a, v)
				return err
			})
			return out, err
		}
	}
	return env
}

func shownRequest(a *host.Active, q *http.Request) (goja.Value, error) {
	headers := map[string]any{}
	for name, values := range q.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	shown := map[string]any{"method": q.Method, "url": q.URL.String(), "headers": headers, "body": "", "json": goja.Undefined()}
	if q.Body != nil {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return nil, err
		}
		shown["body"] = string(body)
		if v, err := a.ParseJSON(string(body)); err == nil {
			shown["json"] = v
		}
	}
	return a.ToScript(shown)
}

func readAnswer(a *host.Active, v goja.Value) (*http.Response, error) {
	o := readOptions("the answer", v, "status", "headers", "body")
	answer := &http.Response{StatusCode: o.whole("status", 100, 599), Header: http.Header{}}
	if answer.StatusCode == 0 {
		answer.StatusCode = http.StatusOK
	}
	if o.err != nil {
		return nil, o.err
	}
	var body []byte
	switch given := o.fields["body"].(type) {
	case nil:
	case *goja.Object:
		var isBytes bool
		if body, isBytes = host.Uint8Array(given); isBytes {
			break
		}
		text, err := a.FormatJSON(given)
		if err != nil {
			return nil, err
		}
		body = []byte(text)
		answer.Header.Set("Content-Type", "application/json")
	default:
		body = []byte(given.String())
	}
	if o.has("headers") {
		headers, err := plainProperties("headers", o.fields["headers"])
		if err != nil {
			return nil, err
		}
		for _, name := range headers.Keys() {
			answer.Header.Set(name, headers.Get(name).String())
		}
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, nil
}

func testImport(a *host.Active, args []goja.Value) (goja.Value, error) {
	t, err := argumentsOf(a, "import takes an agent type and options", args, 1, 2).testedAgent(1)
	if err != nil {
		return nil, err
	}
	if !t.spec.has(hookImport) {
		return nil, lacks("agent type", t.name, hookImport)
	}
	ctx := testContext(a)
	m, err := importing{t.scriptAgent}.OpenImport(ctx, agent.ImportRequest{
		Schema: t.schema, Partition: t.partition, Delta: t.delta, Watermark: t.watermark, PageSize: t.pageSize,
	})
	if err != nil {
		return nil, called(err)
	}
	objects := []any{}
	checker := guard.NewChecker(t.schema, t.spec.Capabilities)
	for page := new(agent.Page); ; {
		err := m.Next(ctx, page)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			_, _ = m.Close(ctx, agent.Aborted) // why it ended is what matters
			return nil, called(err)
		}
		for i := range page.Entries {
			shown, err := shownEntry(a, t.schema, checker, &page.Entries[i])
			if err != nil {
				return nil, err
			}
			objects = append(objects, shown)
		}
	}
	watermark, err := m.Close(ctx, agent.Completed)
	if err != nil {
		return nil, called(err)
	}
	out := map[string]any{"objects": objects}
	if watermark != nil {
		if out["watermark"], err = a.ParseJSON(string(watermark)); err != nil {
			return nil, err
		}
	}
	return a.ToScript(out)
}

func testRead(a *host.Active, args []goja.Value) (goja.Value, error) {
	r := argumentsOf(a, "read takes an agent type, a key and options", args, 2, 3)
	t, err := r.testedAgent(2)
	if err != nil {
		return nil, err
	}
	if !t.spec.has(hookRead) {
		return nil, lacks("agent type", t.name, hookRead)
	}
	o := readOptions("the key", args[1], "object", "anchor", "dn")
	req := agent.ObjectRequest{
		Schema: t.schema, Partition: t.partition, ObjectType: o.optional("object"), Anchor: o.optional("anchor"), DN: o.optional("dn"),
	}
	if o.err != nil {
		return nil, o.err
	}
	var page agent.Page
	if err := t.ReadObject(testContext(a), req, &page); err != nil {
		return nil, called(err)
	}
	if len(page.Entries) == 0 {
		return goja.Null(), nil
	}
	shown, err := shownEntry(a, t.schema, guard.NewChecker(t.schema, t.spec.Capabilities), &page.Entries[0])
	if err != nil {
		return nil, err
	}
	return a.ToScript(shown)
}

// shownEntry is what an import delivered, in the form in which scripts deliver it.
func shownEntry(a *host.Active, schema identity.Schema, checker *guard.Checker, e *agent.Entry) (any, error) {
	checker.Check(e)
	out := map[string]any{"object": e.ObjectType, "anchor": e.Anchor, "dn": e.DN}
	for _, name := range []string{"object", "anchor", "dn"} {
		if out[name] == "" {
			delete(out, name)
		}
	}
	t := schema.Type(e.ObjectType)
	multi := func(name string) bool { return t != nil && t.Attribute(name) != nil && t.Attribute(name).Multi }
	values := map[string]any{}
	switch {
	case e.Err != nil:
		out["error"] = shownFault(e.Err)
	case e.Op == identity.Delete:
		out["delete"] = true
	case e.Op == identity.Update:
		out["changes"] = values
	default:
		out["attributes"] = values
	}
	var err error
	for _, attribute := range e.Attributes {
		if values[attribute.Name], err = shownValues(a, attribute.Values, multi(attribute.Name)); err != nil {
			return nil, err
		}
	}
	for _, c := range e.Changes {
		var added, removed any
		if added, err = shownValues(a, c.Values, c.Op == identity.Update || multi(c.Name)); err != nil {
			return nil, err
		}
		if removed, err = shownValues(a, c.Removed, true); err != nil {
			return nil, err
		}
		switch c.Op {
		case identity.Delete:
			values[c.Name] = nil
		case identity.Update:
			values[c.Name] = map[string]any{"add": added, "remove": removed}
		default:
			values[c.Name] = added
		}
	}
	return out, nil
}

func shownFault(err *fault.Error) map[string]any {
	shown := map[string]any{"name": err.Name, "text": err.Detail()}
	if err.Attribute != "" {
		shown["attribute"] = err.Attribute
	}
	return shown
}

func testExport(a *host.Active, args []goja.Value) (goja.Value, error) {
	r := argumentsOf(a, "export takes an agent type, changes and options", args, 2, 3)
	t, err := r.testedAgent(2)
	if err != nil {
		return nil, err
	}
	if !t.spec.has(hookExport) {
		return nil, lacks("agent type", t.name, hookExport)
	}
	changes, err := t.readChanges(a, args[1])
	if err != nil {
		return nil, err
	}
	ctx := testContext(a)
	x, err := exporting{t.scriptAgent}.OpenExport(ctx, agent.ExportRequest{Schema: t.schema, Partition: t.partition})
	if err != nil {
		return nil, called(err)
	}
	results, err := x.Put(ctx, changes)
	if err != nil {
		_ = x.Close(ctx, agent.Aborted) // why it ended is what matters
		return nil, called(err)
	}
	if err := x.Close(ctx, agent.Completed); err != nil {
		return nil, called(err)
	}
	list := make([]any, len(results))
	for i, result := range results {
		shown := map[string]any{}
		for name, text := range map[string]string{"anchor": result.Anchor, "dn": result.DN} {
			if text != "" {
				shown[name] = text
			}
		}
		if result.Err != nil {
			shown["error"] = shownFault(result.Err)
		}
		if result.Action != agent.NoAction {
			shown["action"] = result.Action.String()
		}
		if len(result.Refused) > 0 {
			shown["refused"] = namesOf(result.Refused)
		}
		list[i] = shown
	}
	return a.ToScript(list)
}

func namesOf(names []string) []any {
	list := make([]any, len(names))
	for i, name := range names {
		list[i] = name
	}
	return list
}

// readChanges reads changes as a test writes them: as scripts get them.
func (t *testedAgent) readChanges(a *host.Active, v goja.Value) ([]agent.Change, error) {
	list, ok := v.(*goja.Object)
	if !ok || list.ClassName() != "Array" {
		return nil, errors.New("the changes must be an array")
	}
	changes := make([]agent.Change, min(list.Get("length").ToInteger(), maxBatch))
	for i := range changes {
		o := readOptions(fmt.Sprintf("change %d", i+1), list.Get(strconv.Itoa(i)),
			"op", "object", "dn", "anchor", "newDN", "attributes", "repeated", "newObject", "namePassed")
		c := &changes[i]
		ops := map[string]identity.Operation{"add": identity.Add, "update": identity.Update, "replace": identity.Replace, "delete": identity.Delete}
		c.Op = ops[o.text("op")]
		if o.err == nil && c.Op == identity.None {
			o.fail(invalid("change %d: op is one of %s", i+1, joined(slices.Sorted(maps.Keys(ops)))))
		}
		if c.ObjectType = o.optional("object"); c.ObjectType == "" && len(t.schema.Types) == 1 {
			c.ObjectType = t.schema.Types[0].Name
		}
		c.DN, c.Anchor, c.NewDN = o.optional("dn"), o.optional("anchor"), o.optional("newDN")
		c.Repeated, c.NewObject, c.NamePassed = o.flag("repeated"), o.flag("newObject"), o.flag("namePassed")
		e := agent.Entry{ObjectType: c.ObjectType}
		reader := &entryReader{agent: t.scriptAgent, a: a, e: &e, t: t.schema.Type(c.ObjectType)}
		if reader.t == nil {
			o.fail(invalid("change %d: there is no object type %q", i+1, c.ObjectType))
		}
		if o.err == nil && o.has("attributes") {
			reader.changes(o.fields["attributes"])
			o.fail(e.Err)
		}
		if o.err != nil {
			return nil, o.err
		}
		c.Changes = e.Changes
		for j := range c.Changes {
			if c.Op == identity.Add && c.Changes[j].Op == identity.Replace {
				c.Changes[j].Op = identity.Add
			}
		}
	}
	return changes, nil
}
