package scripting

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// put exports changes and returns the results.
func put(t *testing.T, a agent.Agent, changes ...agent.Change) ([]agent.Result, error) {
	t.Helper()
	schema, err := a.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exp, err := a.(agent.Exporter).OpenExport(t.Context(), agent.ExportRequest{Schema: schema})
	if err != nil {
		t.Fatal(err)
	}
	results, err := exp.Put(t.Context(), changes)
	outcome := agent.Completed
	if err != nil {
		outcome = agent.Aborted
	}
	if closeErr := exp.Close(t.Context(), outcome); closeErr != nil {
		t.Error(closeErr)
	}
	return results, err
}

func deletions(n int) []agent.Change {
	changes := make([]agent.Change, n)
	for i := range changes {
		changes[i] = agent.Change{Op: identity.Delete, ObjectType: "thing", DN: fmt.Sprint(i), Anchor: fmt.Sprint(i)}
	}
	return changes
}

// What does not say that it succeeded has not.
func TestExportResults(t *testing.T) {
	for result, want := range map[string]string{
		`true`:                           "",
		`{}`:                             "",
		`{anchor: 7, dn: "n"}`:           "7 n",
		`{anchor: ["a+", "b"]}`:          `a\++b`,
		`{refused: ["n"]}`:               "refused [n]",
		`{action: "retry-references"}`:   "retry-references",
		`Promise.resolve({anchor: "p"})`: "p",
		`(async () => true)()`:           "",

		`undefined`:                "unexpected-error: the script returned undefined",
		`null`:                     "unexpected-error: the script returned null",
		`false`:                    "unexpected-error: the script returned false",
		`"ok"`:                     "unexpected-error: the script returned ok",
		`[]`:                       "unexpected-error: the script returned []",
		`{ok: true}`:               `unexpected-error: the result: there is no option "ok"`,
		`{anchor: {}}`:             "unexpected-error: {} cannot be an anchor",
		`{action: "again"}`:        `unexpected-error: the result: action "again" is none of none, retry-references, convert-update-to-add, convert-add-to-update, provision-parent, stop-run`,
		`{refused: [1]}`:           "unexpected-error: refused must be a list of names",
		`new Error("no")`:          "cd-error: Error: no",
		`{error: "no"}`:            "cd-error: no",
		`{error: new Error("no")}`: "cd-error: Error: no",
		`{error: {name: "cd-existing-object", text: "no"}}`:                            "cd-existing-object: no",
		`new AgentError("no", {name: "permission-issue"})`:                             "permission-issue: no",
		`new AgentError("no")`:                                                         "cd-error: no",
		`Promise.reject(new AgentError("no", {name: "permission-issue"}))`:             "permission-issue: no",
		`(() => { try { http.get("http://127.0.0.1:1/") } catch (e) { return e } })()`: "cd-error: the host 127.0.0.1:1 is not granted",
	} {
		a := agentOf(t, thingSchema+"export: (ctx, changes) => [true, "+result+", true]")
		results, err := put(t, a, deletions(3)...)
		if err != nil || len(results) != 3 {
			t.Errorf("%s: %v", result, err)
			continue
		}
		r := results[1]
		got := strings.TrimSpace(r.Anchor + " " + r.DN)
		switch {
		case r.Err != nil:
			got = r.Err.Name + ": " + r.Err.Detail()
			if r.Err.Position.File != "scripts/a.js" {
				t.Errorf("%s: no place: %+v", result, r.Err)
			}
		case len(r.Refused) > 0:
			got = fmt.Sprint("refused ", r.Refused)
		case r.Action != agent.NoAction:
			got = r.Action.String()
		}
		if got != want && (want == "" || !strings.HasPrefix(got, want)) {
			t.Errorf("%s\ngot  %s\nwant %s", result, got, want)
		}
		if results[0].Err != nil || results[2].Err != nil {
			t.Errorf("%s: the others are %+v", result, results)
		}
	}
}

// Results that are missing are errors of their objects; more of them, or none at all,
// end the export, and nobody takes a change for done.
func TestExportAnswers(t *testing.T) {
	for body, want := range map[string]string{
		`return [true]`:                        "1 of 3",
		`return [, true]`:                      "1 of 3",
		`return []`:                            "0 of 3",
		`return changes.map(() => true)`:       "3 of 3",
		`return changes.map(async () => ({}))`: "3 of 3",

		`return Promise.all(changes.map(async () => ({})))`: "3 of 3",

		`return`:                     "stopped-unexpected-data",
		`return true`:                "stopped-unexpected-data",
		`return [1, 2, 3, 4]`:        "stopped-unexpected-data",
		`throw new Error("no")`:      "stopped-extension-dll-exception",
		`throw new AgentError("no")`: "stopped-connectivity",

		`return [true, new AgentError("no", {name: "stopped-server-down"})]`: "stopped-server-down",
	} {
		a := agentOf(t, thingSchema+"export(ctx, changes) { "+body+" }")
		results, err := put(t, a, deletions(3)...)
		got := fault.Name(err)
		if err == nil {
			n := 0
			for _, r := range results {
				if r.Err == nil {
					n++
				} else if r.Err.Name != "unexpected-error" {
					t.Errorf("%s: %v", body, r.Err)
				}
			}
			got = fmt.Sprintf("%d of %d", n, len(results))
		}
		if got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

// Changes come in batches, as plain objects; what the schema does not admit never
// comes.
func TestExportedChanges(t *testing.T) {
	var log bytes.Buffer
	l, _ := folder(t, "a.js", `agentType("x", {`+thingSchema+`batchSize: 2, capabilities: {exportLevel: "value"},
		open: ctx => ctx.run, close(ctx, outcome) { log.info(outcome + ctx.session); },
		export(ctx, changes) { return changes.map(c => ({dn: changes.length + JSON.stringify(c)})) } });`)
	l.options.Log = slog.New(slog.NewTextHandler(&log, nil))
	a := openKind(t, load(t, l))
	value := func(v ...identity.Value) []identity.Value { return v }
	changes := []agent.Change{
		{Op: identity.Add, ObjectType: "thing", DN: "d", Changes: identity.Diff(nil, agenttest.Attrs("id", "1").
			Set("n", identity.Integer(7)).Set("ns", identity.Integer(1)).Set("at", identity.DateTime(time.Unix(0, 0))).
			Set("boss", identity.Reference("b")).Set("on", identity.Boolean(true)).Set("secret", identity.String("s")))},
		{Op: identity.Update, ObjectType: "thing", DN: "d", Anchor: "1", NewDN: "e", Repeated: true, Changes: []identity.Change{
			{Name: "n", Op: identity.Delete},
			{Name: "tags", Op: identity.Update, Values: value(identity.String("a")), Removed: value(identity.String("b"))},
		}},
		{Op: identity.Update, ObjectType: "thing", DN: "d", Anchor: "1", Changes: []identity.Change{{Name: "other", Op: identity.Delete}}},
		{Op: identity.Update, ObjectType: "thing", DN: "d", Anchor: "1", Changes: []identity.Change{{Name: "seen", Op: identity.Delete}}},
		{Op: identity.Delete, ObjectType: "other", DN: "d", Anchor: "1"},
		{Op: identity.Delete, ObjectType: "thing", DN: "d", Anchor: "1"},
	}
	results, err := put(t, a, changes...)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		`2{"attributes":{"at":"1970-01-01T00:00:00.000Z","boss":"b","id":"1","n":7,"ns":[1],"on":true,"secret":"s"},"dn":"d","object":"thing","op":"add"}`,
		`2{"anchor":"1","attributes":{"n":null,"tags":{"add":["a"],"remove":["b"]}},"dn":"d","newDN":"e","object":"thing","op":"update","repeated":true}`,
		"schema-violation", "readonly-attribute", "no-export-to-this-object-type",
		`1{"anchor":"1","attributes":{},"dn":"d","object":"thing","op":"delete"}`,
	} {
		got := results[i].DN
		if results[i].Err != nil {
			got = results[i].Err.Name
		}
		if got != want {
			t.Errorf("change %d\ngot  %s\nwant %s", i, got, want)
		}
	}
	if !strings.Contains(log.String(), "msg=completedexport script=scripts/a.js:") || !strings.Contains(log.String(), "agentType=x agent=X") {
		t.Errorf("logged %s", log.String())
	}
}

// stop-run ends the export: what comes after it is not sent.
func TestExportStops(t *testing.T) {
	a := agentOf(t, thingSchema+`batchSize: 2, export: (ctx, changes) => changes.map(c => c.dn === "2" ? {action: "stop-run", error: "full"} : true)`)
	results, err := put(t, a, deletions(9)...)
	if err != nil || len(results) != 3 || results[2].Action != agent.StopRun || results[2].Err.Text != "full" {
		t.Errorf("%+v, %v", results, err)
	}
}

// The context of an open that failed is never closed, that of another one once.
func TestSessions(t *testing.T) {
	var log bytes.Buffer
	l, _ := folder(t, "a.js", `agentType("x", {`+thingSchema+`
		open() { throw new AgentError("no", {name: "no-start-credentials"}); }, close() { log.info("closed"); },
		import: () => ({objects: []}), export: () => [] });`)
	l.options.Log = slog.New(slog.NewTextHandler(&log, nil))
	a := openKind(t, load(t, l))
	if _, _, err := importAll(t.Context(), a, importRequest(t, a)); fault.Name(err) != "no-start-credentials" {
		t.Errorf("import: %v", err)
	}
	if _, err := a.(agent.Exporter).OpenExport(t.Context(), agent.ExportRequest{}); fault.Name(err) != "no-start-credentials" {
		t.Errorf("export: %v", err)
	}
	if strings.Contains(log.String(), "closed") {
		t.Errorf("logged %s", log.String())
	}
	a = agentOf(t, thingSchema+`open: () => ({f() {}}), import: () => ({objects: []})`)
	_, _, err := importAll(t.Context(), a, importRequest(t, a))
	wantError(t, err, "stopped-unexpected-data")
	a = agentOf(t, thingSchema+`close() { throw new AgentError("not closed"); }, import: () => ({objects: []})`)
	_, _, err = importAll(t.Context(), a, importRequest(t, a))
	wantError(t, err, "not closed")
}

// A system may tell its schema and partitions itself, and read single objects.
func TestAskedAgent(t *testing.T) {
	a := agentOf(t, `schema: async ctx => ({thing: {anchor: ["id"], attributes: {id: "string", who: ctx.run === "schema" ? "string" : "integer"}}}),
		partitions: ctx => [ctx.run], import() {},
		read: (ctx, key) => key.anchor === "gone" ? null : key.anchor === "change" ? {anchor: "change", delete: true} : key.anchor && {dn: "d", attributes: {id: key.anchor, who: key.dn}}`)
	req := importRequest(t, a)
	if got := req.Schema.Type("thing").Attribute("who").Type; got != identity.TypeString {
		t.Errorf("the schema was not asked for: %s", got)
	}
	if parts, err := a.(agent.Partitioner).Partitions(t.Context()); err != nil || len(parts) != 1 || parts[0].Name != "partitions" {
		t.Errorf("%v, %v", parts, err)
	}
	read := func(anchor string) (*agent.Page, error) {
		var page agent.Page
		err := a.(agent.ObjectReader).ReadObject(t.Context(), agent.ObjectRequest{Schema: req.Schema, Anchor: anchor, DN: "me"}, &page)
		return &page, err
	}
	if page, err := read("1"); err != nil || len(page.Entries) != 1 || shownTest(&page.Entries[0]) != "add thing 1 d id=str:1 who=str:me" {
		t.Errorf("%+v, %v", page, err)
	}
	if page, err := read("gone"); err != nil || len(page.Entries) != 0 {
		t.Errorf("%+v, %v", page, err)
	}
	if _, err := read(""); fault.Name(err) != "cd-missing-object" {
		t.Errorf("an object that was not found: %v", err)
	}
	if page, err := read("change"); fault.Name(err) != "stopped-unexpected-data" || len(page.Entries) > 0 {
		t.Errorf("a change: %+v, %v", page, err)
	}
	wrong := agentOf(t, `schema: () => ({thing: 7}), import() {}`)
	_, err := wrong.Schema(t.Context())
	wantError(t, err, "stopped-unexpected-data")
}

// The configuration chooses among the object types, and cannot contradict them.
func TestConfiguredObjects(t *testing.T) {
	const body = `schema: {a: {anchor: "id", attributes: {id: "string", n: "integer"}}, b: {attributes: {id: "string", all: "string[]"}}}, import() {}`
	attribute := func(name string, of identity.Type, multi bool) []agent.Attribute {
		return []agent.Attribute{{Name: name, Type: of, Multi: multi, Position: fault.Position{File: "c.yaml", Line: 7}}}
	}
	a := agentOf(t, body, agent.Object{Name: "b", Anchor: []string{"id"}, Attributes: attribute("all", identity.TypeString, true)})
	schema, err := a.Schema(t.Context())
	if err != nil || len(schema.Types) != 1 || !reflect.DeepEqual(schema.Types[0].Anchor, []string{"id"}) {
		t.Errorf("%+v, %v", schema, err)
	}
	g := script(t, `agentType("x", {`+body+`})`)
	kinds, err := g.Kinds(nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]agent.Object{
		`the system has no object type "c"`: {Name: "c"},
		`the anchor id, and no other`:       {Name: "a", Anchor: []string{"n"}},
		`"all" cannot be in the anchor`:     {Name: "b", Anchor: []string{"all"}},
		`has no attribute "m"`:              {Name: "a", Attributes: attribute("m", identity.TypeString, false)},
		`"n" is of type integer`:            {Name: "a", Attributes: attribute("n", identity.TypeString, false)},
		`"all" is of type string[]`:         {Name: "b", Attributes: attribute("all", identity.TypeString, false)},
	} {
		_, err := kinds[0].New().Open(agent.Env{Name: "X", Objects: []agent.Object{o}})
		if fault.Name(err) != "no-start-bad-ma-configuration" || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Settings are checked like any key of the configuration, and arrive as what they are.
func TestAgentSettings(t *testing.T) {
	const settings = `settings: {url: {type: "string", required: true, doc: "Where."}, pages: {type: "integer", default: 7}, deep: "boolean",
		only: {type: "string[]", default: ["a"]}, token: "secret"},`
	const body = thingSchema + `import(ctx) { log.info("t" + ctx.settings.token);
		throw new AgentError(JSON.stringify(ctx.settings) + typeof ctx.settings.token); }`
	read := func(script, yaml string) (*config.Config, error) {
		l, _ := folder(t, "a.js", `agentType("x", {`+script+`});`)
		g := load(t, l)
		kinds, err := g.Kinds(nil)
		if err != nil {
			t.Fatal(err)
		}
		return config.Load("m.yaml", config.Options{Kinds: kinds, Getenv: func(string) (string, bool) { return "s3cret", true }, ReadFile: func(string) ([]byte, error) {
			return []byte("agents:\n  X:\n    type: x\n" + yaml), nil
		}})
	}
	said := func(script, yaml string) string {
		t.Helper()
		cfg, err := read(script, yaml)
		if err != nil {
			t.Fatal(err)
		}
		a, err := cfg.Agents[0].Settings.Open(agent.Env{Name: "X"})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = importAll(t.Context(), a, importRequest(t, a))
		return fault.As(err, "").Detail()
	}
	if got, want := said(settings+body, "    settings: {url: u, token: '${env:T}', only: [b, c]}\n    timeout: 5s\n"),
		`{"only":["b","c"],"pages":7,"token":"[secret]","url":"u"}object`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := said(body, "    settings: {a: {b: [1, 1.5, true, null, x]}}\n"), `{"a":{"b":[1,1.5,true,null,"x"]}}undefined`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := said(body, ""); got != "{}undefined" {
		t.Errorf("got %s", got)
	}
	for yaml, want := range map[string]string{
		"":                                     `m.yaml:3:5: invalid-configuration: key "settings" is missing`,
		"    settings: {pages: 1}\n":           `m.yaml:4:15: invalid-configuration: key "url" is missing`,
		"    settings: {url: u, page: 1}\n":    `m.yaml:4:24: invalid-configuration: unknown key "page"; did you mean "pages"?`,
		"    settings: {url: u, pages: x}\n":   "m.yaml:4:31: invalid-configuration: want a number",
		"    settings: {url: u, only: [1]}\n":  "m.yaml:4:31: invalid-configuration: want a text",
		"    settings: {url: u, token: t}\n":   "m.yaml:4:31: invalid-configuration: a secret must not stand in the configuration",
		"    settings: {url: u}\n    url: u\n": `m.yaml:5:5: invalid-configuration: unknown key "url"`,
	} {
		_, err := read(settings+body, yaml)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v\nwant %s", yaml, err, want)
		}
	}
	cfg, err := read(body, "    timeout: 1m\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cfg.Agents[0].Settings.Open(agent.Env{}); fault.Name(err) != "no-start-bad-ma-configuration" {
		t.Errorf("a timeout that is too long: %v", err)
	}
	other, err := read(body+"\n", "    timeout: 1m\n")
	if err != nil || cfg.Agents[0].Fingerprint == other.Agents[0].Fingerprint {
		t.Errorf("a changed script leaves the fingerprint as it was: %v", err)
	}

	// Editors know them.
	l, _ := folder(t, "a.js", `agentType("x", {doc: "A system.", `+settings+body+`});`)
	kinds, err := load(t, l).Kinds(nil)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := config.Schema(kinds)
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Defs map[string]struct {
			Description string
			Required    []string
			Properties  map[string]struct {
				Required   []string
				Properties map[string]struct {
					Description string
					Default     any
				}
			}
		} `json:"$defs"`
	}
	if err := json.Unmarshal(schema, &document); err != nil {
		t.Fatal(err)
	}
	x := document.Defs["agent-x"]
	given := x.Properties["settings"]
	if x.Description != "A system." || fmt.Sprint(x.Required) != "[type settings]" || fmt.Sprint(given.Required) != "[url]" ||
		given.Properties["url"].Description != "Where." || fmt.Sprint(given.Properties["pages"].Default) != "7" {
		t.Errorf("the schema says %+v", x)
	}
}

// The example in the tests of scripts: an agent type with made-up answers.
func TestAgentsInTests(t *testing.T) {
	const rules = `agentType("x", { settings: {url: {type: "string", required: true}, token: "secret"},
		` + thingSchema + `capabilities: {deltaImport: true}, partitions: ["p"],
		import(ctx) {
			const answer = http.get(ctx.settings.url, {query: {page: ctx.cursor ?? 0, part: ctx.partition ?? ""}, auth: {bearer: ctx.settings.token}});
			if (!answer.ok) throw new AgentError("status " + answer.status, {name: "stopped-server-down"});
			const page = answer.json();
			return { objects: page.items, next: page.next, watermark: {at: Date.now(), since: ctx.watermark ?? null} };
		},
		read: (ctx, key) => http.get(ctx.settings.url + key.anchor).json(),
		export: (ctx, changes) => changes.map(c => { const a = http.post(ctx.settings.url, c.attributes); return a.ok ? {anchor: a.json().id} : {error: a.text()}; }),
	});
	agentType("only", { ` + thingSchema + `export: () => [] });`
	const options = `settings: {url: "http://api.test/", token: "s3cret"}`
	for body, want := range map[string]string{
		`const asked = [];
		 const got = t.import("x", {` + options + `, partition: "p", http: r => { asked.push([r.method, r.url, r.headers.authorization, r.body]); return {body: {items: [{dn: "d", attributes: {id: String(asked.length), n: "1"}}], next: asked.length < 2 ? 5 : null}} }});
		 t.equal(asked, [["GET", "http://api.test/?page=0&part=p", "[secret]", ""], ["GET", "http://api.test/?page=5&part=p", "[secret]", ""]]);
		 t.equal(got, {objects: [{object: "thing", anchor: "1", dn: "d", attributes: {id: "1", n: 1}}, {object: "thing", anchor: "2", dn: "d", attributes: {id: "2", n: 1}}], watermark: {at: 1767225600000, since: null}})`: "",
		`t.equal(t.import("x", {` + options + `, watermark: 7, http: () => ({body: {items: [{anchor: 1, delete: true}, {anchor: 2, changes: {n: null, tags: {add: ["a"]}}}]}})}),
		 {objects: [{object: "thing", anchor: "1", delete: true}, {object: "thing", anchor: "2", changes: {n: null, tags: {add: ["a"], remove: []}}}], watermark: {at: 1767225600000, since: 7}})`: "",
		`t.equal(t.import("x", {` + options + `, http: () => ({body: {items: [{dn: "d", attributes: {id: "1", n: "x"}}, {attributes: {id: "1"}}]}})}).objects.map(o => o.error.name), ["invalid-numeric-value", "missing-dn"])`: "",
		`t.throws(() => t.import("x", {` + options + `, http: () => ({status: 500})}), /^stopped-server-down: status 500$/)`:                                                                                                    "",
		`t.throws(() => t.import("x", {` + options + `, http: () => { throw new Error("no route") }}), /^stopped-connectivity: .*no route/)`:                                                                                    "",
		`t.throws(() => t.import("x", {` + options + `}), "the test has no answers")`:                                                                                                                                           "",
		`t.throws(() => t.import("x", {` + options + `, http: () => ({stats: 1})}), 'there is no option "stats"')`:                                                                                                              "",
		`t.throws(() => t.import("x", {http: () => ({})}), "settings.url is missing")`:                                                                                                                                          "",
		`t.throws(() => t.import("x", {settings: {url: 7}}), "settings.url must be of type string")`:                                                                                                                            "",
		`t.throws(() => t.import("x", {settings: {url: "u", uri: "u"}}), 'there is no setting "uri"')`:                                                                                                                          "",
		`t.throws(() => t.import("only"), 'has no import')`:                                                                                                                                                                     "",
		`t.equal(t.export("x", [{op: "add", dn: "d", attributes: {n: 7, tags: ["b", "a"]}}, {op: "delete", dn: "e", anchor: "2", attributes: {}}],
		 {` + options + `, http: r => r.json.n ? {status: 201, body: r.json.tags.concat(r.method).join() && {id: r.json.tags.join()}} : {status: 404, headers: {"content-type": "text/plain"}, body: "none"}}),
		 [{anchor: "a,b"}, {error: {name: "cd-error", text: "none"}}])`: "",
		`t.equal(t.read("x", {anchor: "9"}, {` + options + `, http: r => ({body: {dn: r.url, attributes: {id: "9"}}})}).dn, "http://api.test/9")`: "",
		`t.equal(t.read("x", {anchor: "9"}, {` + options + `, http: r => ({body: "null"})}), null)`:                                               "",
		`t.import("y")`: `no script registers the agent type "y"`,
		`t.export("x", [{op: "put"}], {` + options + `})`:        "op is one of add, delete, replace, update",
		`t.import("x", {` + options + `, http() { for (;;); }})`: "no answer within 2s",
		`http.get("http://api.test/")`:                           "cannot be used in test",
	} {
		l, _ := folder(t, "rules.js", rules, "tests.js", `test("T", t => { `+body+` })`)
		l.options.Workers = 1
		err := TestError(load(t, l).Test(t.Context(), TestOptions{}))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s\n%v", body, err)
		}
	}
}
