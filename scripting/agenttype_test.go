package scripting

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/internal/hostlist"
)

const thingSchema = `schema: { thing: { anchor: "id", attributes: { id: "string", n: "integer", on: "boolean", at: "datetime",
	data: "binary", boss: "reference", tags: "string[]", ns: "integer[]", secret: { exportOnly: true }, seen: { importOnly: true } } } },
`

// agentOf loads a script with the agent type "x" and opens an agent of it.
func agentOf(t *testing.T, body string, objects ...agent.Object) agent.Agent {
	t.Helper()
	return openKind(t, script(t, `agentType("x", {`+body+`});`), objects...)
}

func openKind(t *testing.T, g *Generation, objects ...agent.Object) agent.Agent {
	t.Helper()
	kinds, err := g.Kinds(nil)
	if err != nil || len(kinds) != 1 {
		t.Fatalf("%d kinds, %v", len(kinds), err)
	}
	a, err := kinds[0].New().Open(agent.Env{Name: "X", Objects: objects})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func importRequest(t *testing.T, a agent.Agent) agent.ImportRequest {
	t.Helper()
	schema, err := a.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return agent.ImportRequest{Schema: schema, PageSize: 100}
}

// importAll reads an import to its end; what ended it early is the error.
func importAll(ctx context.Context, a agent.Agent, req agent.ImportRequest) (entries []agent.Entry, watermark string, err error) {
	imp, err := a.(agent.Importer).OpenImport(ctx, req)
	if err != nil {
		return nil, "", err
	}
	for page := new(agent.Page); ; {
		err := imp.Next(ctx, page)
		if errors.Is(err, io.EOF) {
			left, err := imp.Close(ctx, agent.Completed)
			return entries, string(left), err
		}
		if err != nil {
			_, closed := imp.Close(context.WithoutCancel(ctx), agent.Aborted)
			return entries, "", errors.Join(err, closed)
		}
		entries = append(entries, page.Entries...)
	}
}

func TestDeclareAgentType(t *testing.T) {
	const schema = `schema: {a: {anchor: "id", attributes: {id: "string"}}}, import() {}`
	for args, want := range map[string]string{
		`"x"`:                                  "takes a name and an object",
		`"X y", {}`:                            `"X y" is not the name of an agent type`,
		`"x", {schema: {a: {attributes: {}}}}`: `"x" needs import, export or both`,
		`"x", {import() {}}`:                   `"x" needs a schema`,
		`"x", {schema: {}, import() {}}`:       "no object types",
		`"x", {schema: {a: {}}, import() {}}`:  "has no attributes",
		`"x", {schema: {a: {anchor: "i", attributes: {id: "string"}}}, import() {}}`:             `no attribute "i", which is in its anchor`,
		`"x", {schema: {a: {anchor: "i", attributes: {i: "string[]"}}}, import() {}}`:            `"i" cannot be in the anchor`,
		`"x", {schema: {a: {attributes: {i: "text"}}}, import() {}}`:                             `has the type "text"`,
		`"x", {schema: {a: {attributes: {i: {importOnly: true, required: true}}}}, import() {}}`: "cannot be importOnly as well",
		`"x", {schema: {a: {attributes: {i: {size: 3}}}}, import() {}}`:                          `there is no option "size"`,
		`"x", {` + schema + `, exports() {}}`:                                                    `there is no option "exports"`,
		`"x", {` + schema + `, timeout: "31s"}`:                                                  "timeout is longer than 30s",
		`"x", {` + schema + `, batchSize: 0}`:                                                    "batchSize must be a whole number from 1",
		`"x", {` + schema + `, open: 1}`:                                                         "open must be a function",
		`"x", {` + schema + `, capabilities: {delta: true}}`:                                     `there is no option "delta"`,
		`"x", {` + schema + `, capabilities: {deltaImport: 1}}`:                                  "deltaImport must be true or false",
		`"x", {` + schema + `, capabilities: {exportLevel: "row"}}`:                              `exportLevel "row" is none of`,
		`"x", {` + schema + `, capabilities: {anchorIsDN: true, ldapNames: true}}`:               "cannot be both",
		`"x", {` + schema + `, capabilities: {allOrNothing: true}, export() {}}`:                 "allOrNothing needs close",
		`"x", {` + strings.Replace(schema, "import", "export", 1) + `, read() {}}`:               "read has a meaning only with import",
		`"x", {` + schema + `, settings: {"a b": "string"}}`:                                     "is not called like a key",
		`"x", {` + schema + `, settings: {a: "text"}}`:                                           `has the type "text"`,
		`"x", {` + schema + `, settings: {a: {type: "integer", default: "1"}}}`:                  "must be of type integer",
		`"x", {` + schema + `, settings: {a: {type: "secret", default: "1"}}}`:                   "cannot have a default",
		`"x", {` + schema + `, partitions: [1]}`:                                                 "a partition must be an object",
	} {
		l, _ := folder(t, "a.js", "agentType("+args+")")
		g, err := l.Load(t.Context())
		if err == nil {
			g.Close()
		}
		wantError(t, err, "scripts/a.js:1:1: script-registration-invalid: agentType: ")
		wantError(t, err, want)
	}
	g := script(t, `agentType("csv", {`+schema+`})`)
	_, err := g.Kinds([]agent.Kind{{Name: "csv"}})
	wantError(t, err, `scripts/a.js:1:1: script-registration-invalid: agentType: the type "csv" is built in`)
}

// Every capability of an agent can be declared, and what is declared arrives.
func TestAgentCapabilities(t *testing.T) {
	var zero agent.Capabilities
	flags := map[*bool]bool{}
	var names []string
	for _, flag := range capabilityFlags {
		flags[flag.of(&zero)] = true
		names = append(names, flag.name)
		if flag.name == "ldapNames" || flag.name == "allOrNothing" {
			continue
		}
		a := agentOf(t, thingSchema+`import() {}, capabilities: {`+flag.name+`: true}`)
		if got := a.Capabilities(); !*flag.of(&got) || got.ExportLevel != agent.AttributeLevel {
			t.Errorf("%s: %+v", flag.name, got)
		}
	}
	kinds := 0
	for i := range reflect.TypeFor[agent.Capabilities]().NumField() {
		if reflect.TypeFor[agent.Capabilities]().Field(i).Type.Kind() == reflect.Bool {
			kinds++
		}
	}
	if len(flags) != kinds {
		t.Errorf("%d of %d capabilities can be declared", len(flags), kinds)
	}
	declared := matches(interfaceBody(t, "AgentCapabilities"), `(?m)^\t(\w+)\?:`)
	slices.Sort(declared)
	names = append(names, "exportLevel", "confirmation")
	slices.Sort(names)
	if diff := cmp.Diff(declared, names); diff != "" {
		t.Errorf("declared, taken: %s", diff)
	}
	for i, level := range exportLevels {
		a := agentOf(t, thingSchema+`export() {}, capabilities: {exportLevel: "`+level+`", confirmation: "none"}`)
		if got := a.Capabilities(); got.ExportLevel != agent.ExportLevel(i) || got.Confirmation != agent.NoConfirmation {
			t.Errorf("%s: %+v", level, got)
		}
	}
	for action := agent.NoAction; action <= agent.StopRun; action++ {
		if exportActions[action] != action.String() {
			t.Errorf("%s is called %s", action, exportActions[action])
		}
	}
}

// What the types declare of an agent type and of its context is what there is.
func TestDeclaredAgentTypeIsBound(t *testing.T) {
	options := matches(interfaceBody(t, "AgentType"), `(?m)^\t(\w+)\??[:(]`)
	want := slices.Clone(agentOptions)
	slices.Sort(want)
	slices.Sort(options)
	if diff := cmp.Diff(options, want); diff != "" {
		t.Errorf("options declared, taken: %s", diff)
	}
	a := agentOf(t, thingSchema+`import(ctx) { throw new AgentError(Object.keys(ctx).join(" ")); }`)
	_, _, err := importAll(t.Context(), a, importRequest(t, a))
	got := strings.Fields(fault.As(err, "").Detail())
	slices.Sort(got)
	declared := declaredMembers(t, "AgentContext")
	slices.Sort(declared)
	if diff := cmp.Diff(declared, got); diff != "" {
		t.Errorf("context declared, bound: %s", diff)
	}
	for name, keys := range map[string][]string{
		"ImportedObject": {"object", "anchor", "dn", "attributes", "changes", "delete", "error"},
		"ImportPage":     {"objects", "next", "watermark"},
		"ExportOutcome":  {"anchor", "dn", "error", "refused", "action"},
		"AgentChange":    {"op", "object", "dn", "anchor", "newDN", "attributes", "repeated", "newObject", "namePassed"},
	} {
		declared := matches(interfaceBody(t, name), `(?m)^\t(\w+)\??:`)
		slices.Sort(declared)
		slices.Sort(keys)
		if diff := cmp.Diff(declared, keys); diff != "" {
			t.Errorf("%s: declared, taken: %s", name, diff)
		}
	}
}

// An agent can do what its script can.
func TestAgentInterfaces(t *testing.T) {
	for body, want := range map[string][2]bool{`import() {}`: {true, false}, `export() {}`: {false, true}, `import() {}, export() {}`: {true, true}} {
		a := agentOf(t, thingSchema+body)
		_, imports := a.(agent.Importer)
		_, exports := a.(agent.Exporter)
		if imports != want[0] || exports != want[1] {
			t.Errorf("%s: import %v, export %v", body, imports, exports)
		}
		if err := a.(agent.ObjectReader).ReadObject(t.Context(), agent.ObjectRequest{}, &agent.Page{}); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", body, err)
		}
		if parts, err := a.(agent.Partitioner).Partitions(t.Context()); len(parts) > 0 || err != nil {
			t.Errorf("%s: %v, %v", body, parts, err)
		}
	}
}

// shown writes an entry down: what it is, or its error.
func shownTest(e *agent.Entry) string {
	if e.Err != nil {
		return fmt.Sprintf("%s %q %s: %s", e.Err.Name, e.Err.Attribute, e.Anchor, e.Err.Detail())
	}
	out := fmt.Sprintf("%s %s %s %s", e.Op, e.ObjectType, e.Anchor, e.DN)
	for _, a := range e.Attributes {
		out += " " + a.Name + "="
		for i, v := range a.Values {
			if i > 0 {
				out += "|"
			}
			out += v.Type().String()[:3] + ":" + v.Text()
		}
	}
	for _, c := range e.Changes {
		out += fmt.Sprintf(" %s %s %v -%v", c.Op, c.Name, c.Values, c.Removed)
	}
	return out
}

// Values are of the types of the schema, and what is not is an error of its object.
func TestImportedObjects(t *testing.T) {
	for object, want := range map[string]string{
		`{dn: "d", attributes: {id: "1"}}`: "add thing 1 d id=str:1",
		`{dn: "d", attributes: {id: "1", n: 7, on: false, at: "2026-01-05T10:00:00+01:00", data: "AQI=", boss: "b", tags: ["y", "x", "y"], ns: [2, 1n]}}`: "add thing 1 d at=dat:2026-01-05 09:00:00.000 boss=ref:b data=bin:AQI= id=str:1 n=int:7 ns=int:1|int:2 on=boo:false tags=str:x|str:y",
		`{dn: "d", attributes: {id: "1", n: "7", on: "true", at: new Date(0), data: new Uint8Array([1]), tags: "x", ns: null, boss: undefined}}`:          "add thing 1 d at=dat:1970-01-01 00:00:00.000 data=bin:AQ== id=str:1 n=int:7 on=boo:true tags=str:x",
		`{anchor: "1", dn: "d", attributes: {id: "1"}}`: "add thing 1 d id=str:1",
		`{anchor: ["1"], delete: true}`:                 "delete thing 1 ",
		`{anchor: 17, delete: true}`:                    "delete thing 17 ",
		`{anchor: "1", changes: {n: 8, on: null, tags: {add: ["a"], remove: ["b"]}, at: undefined}}`: "update thing 1  replace n [8] -[] delete on [] -[] update tags [a] -[b]",
		`{anchor: "1", error: "torn"}`:            `read-error "" 1: torn`,
		`{anchor: "1", error: new Error("torn")}`: `read-error "" 1: Error: torn`,
		`{anchor: "1", error: new AgentError("torn", {name: "invalid-attribute-value", attribute: "n"})}`: `invalid-attribute-value "n" 1: torn`,
		`{anchor: "1", error: {name: "parse-error", text: "torn", attribute: "n"}}`:                       `parse-error "n" 1: torn`,
		`{anchor: "1", error: {name: "Not a name", text: "torn"}}`:                                        `read-error "" 1: torn`,

		`7`:                                  `parse-error "" : the object must be an object`,
		`undefined`:                          `parse-error "" : the object must be an object`,
		`{dn: "d", atributes: {id: "1"}}`:    `parse-error "" : the object: there is no option "atributes"`,
		`{anchor: "1", dn: "d"}`:             `missing-change-type "" 1: the object has none of attributes, changes and delete`,
		`{dn: "d", attributes: {n: 1}}`:      `missing-anchor-component "id" : there is no value of "id"`,
		`{anchor: {}, delete: true}`:         `missing-anchor-component "" : {} cannot be an anchor`,
		`{anchor: ["1", "2"], delete: true}`: `missing-anchor-component "" : the anchor has 2 parts, according to the schema they are id`,
		`{anchor: "2", dn: "d", attributes: {id: "1"}}`:       `invalid-attribute-value "" 2: the anchor is "2", and by the attributes it is "1"`,
		`{object: "other", anchor: "1", attributes: {}}`:      `unmappable-object-type "" 1: there is no object type "other"`,
		`{dn: "d", attributes: {id: "1", m: 1}}`:              `invalid-attribute-value "m" 1: the schema has no such attribute`,
		`{dn: "d", attributes: {id: 1}}`:                      `invalid-attribute-value "id" : 1 is a value of type integer, according to the schema it is string`,
		`{dn: "d", attributes: {id: "1", n: 1.5}}`:            `invalid-attribute-value "n" 1: the script returned the number 1.5`,
		`{dn: "d", attributes: {id: "1", n: "x"}}`:            `invalid-numeric-value "n" 1: "x" is not a value of type integer`,
		`{dn: "d", attributes: {id: "1", on: "x"}}`:           `invalid-boolean-value "on" 1: "x" is not a value of type boolean`,
		`{dn: "d", attributes: {id: "1", on: 1}}`:             `invalid-attribute-value "on" 1: 1 is a value of type integer, according to the schema it is boolean`,
		`{dn: "d", attributes: {id: "1", data: "?"}}`:         `invalid-base64-value "data" 1: "?" is not a value of type binary`,
		`{dn: "d", attributes: {id: "1", at: "soon"}}`:        `invalid-attribute-value "at" 1: "soon" is not a value of type datetime`,
		`{dn: "d", attributes: {id: "1", n: [1, 2]}}`:         `multi-single-mismatch "n" 1: 2 values for one`,
		`{dn: "d", attributes: {id: "1", tags: ["a", null]}}`: `invalid-attribute-value "tags" 1: the script returned an array that holds null`,
		`{dn: "d", attributes: {id: "1", tags: {}}}`:          `invalid-attribute-value "tags" 1: the script returned the object {}`,
		`{dn: 7, attributes: {id: "1"}}`:                      `parse-error "" 1: the object: dn must be a text`,
		`{anchor: "1", attributes: {}, delete: true}`:         `conflicting-modification-types "" 1: an object that is deleted has neither attributes nor changes`,
		`{anchor: "1", attributes: {id: "1"}, changes: {}}`:   `conflicting-modification-types "" 1: an object has attributes or changes, not both`,
		`{anchor: "1", changes: {tags: {ad: []}}}`:            `invalid-modification-type "" 1: "tags": there is no option "ad"`,
	} {
		a := agentOf(t, thingSchema+"import: () => ({objects: ["+object+`, {dn: "good", attributes: {id: "good"}}]})`)
		entries, _, err := importAll(t.Context(), a, importRequest(t, a))
		if err != nil || len(entries) != 2 {
			t.Errorf("%s: %d entries, %v", object, len(entries), err)
			continue
		}
		if got := shownTest(&entries[0]); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", object, got, want)
		}
		if e := entries[0].Err; e != nil && e.Position.File != "scripts/a.js" {
			t.Errorf("%s: the error has no place: %+v", object, e)
		}
		if shownTest(&entries[1]) != "add thing good good id=str:good" {
			t.Errorf("%s: the other object is %s", object, shownTest(&entries[1]))
		}
	}
}

// Whatever goes wrong with a page ends the import under a name, and nothing of the
// page is delivered.
func TestImportFailures(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	closed := server.URL
	server.Close()
	for body, want := range map[string]string{
		`null.x`:                     "stopped-extension-dll-exception",
		`throw new Error("no")`:      "stopped-extension-dll-exception",
		`throw new AgentError("no")`: "stopped-connectivity",
		`throw new AgentError("no", {name: "stopped-bad-server-credentials"})`: "stopped-bad-server-credentials",
		`throw new AgentError("no", {name: "no-start-full-import-required"})`:  "no-start-full-import-required",
		`throw new AgentError("no", {name: "cd-error"})`:                       "stopped-connectivity",
		`throw new TerminateRun()`:                                             "stopped-user-termination-from-extension",
		`http.get("` + closed + `")`:                                           "stopped-connectivity",
		`http.get("http://192.0.2.1/")`:                                        "stopped-bad-ma-configuration",
		`files.read("x")`:                                                      "stopped-bad-ma-configuration",
		`for (;;);`:                                                            "stopped-ma-extension-timeout",
		`return`:                                                               "stopped-unexpected-data",
		`return {}`:                                                            "stopped-unexpected-data",
		`return {objects: 7}`:                                                  "stopped-unexpected-data",
		`return {objects: [], nxt: 1}`:                                         "stopped-unexpected-data",
		`return {objects: [], next: () => 1}`:                                  "stopped-unexpected-data",
		`return {objects: [], next: "same"}`:                                   "stopped-unexpected-data",
		`return {objects: [], next: {n: (ctx.cursor?.n ?? 0) + 1}}`:            "stopped-unexpected-data",
		`return {objects: [{anchor: "1", error: new AgentError("no", {name: "stopped-server-down"})}]}`: "stopped-server-down",
		`return new Promise(() => {})`: "stopped-unexpected-data",
		`return Promise.reject(new AgentError("no", {name: "stopped-server-down"}))`:            "stopped-server-down",
		`return {get objects() { throw new AgentError("no", {name: "stopped-server-down"}); }}`: "stopped-server-down",
	} {
		l, _ := folder(t, "a.js", `agentType("x", {`+thingSchema+`timeout: "300ms", import(ctx) { `+body+`
}})`)
		granted, err := hostlist.Parse(strings.TrimPrefix(closed, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		l.options.Env.HTTP = hostlist.List{granted}
		a := openKind(t, load(t, l))
		entries, _, err := importAll(t.Context(), a, importRequest(t, a))
		if fault.Name(err) != want || len(entries) > 0 {
			t.Errorf("%s: %d entries, %v; want %s", body, len(entries), err, want)
		}
		if named := fault.As(err, ""); named.Position.File != "scripts/a.js" || named.Agent != "X" {
			t.Errorf("%s: the error has no place: %+v", body, named)
		}
	}
}

// An import is the pages that follow each other, async or not; the watermark is the
// last one given, and without one a delta import ends where it began.
func TestImportPages(t *testing.T) {
	const body = thingSchema + `capabilities: {deltaImport: true, anchorIsDN: true}, partitions: ["p", {name: "q"}],
	open: ctx => ({ calls: [ctx.run, ctx.partition, ctx.full, ctx.watermark ?? null] }),
	async import(ctx) {
		const n = await Promise.resolve(ctx.cursor ?? 0);
		const objects = n % 2 ? [] : [0, 1, 2].map(i => ({ attributes: { id: n + "-" + i, tags: [JSON.stringify(ctx.session), ctx.agent, ctx.objects, ctx.pageSize].map(String) } }));
		return { objects, next: n < 4 ? n + 1 : null, watermark: ctx.full ? { n } : undefined };
	},
	close(ctx, outcome) { log.info("closed " + outcome + " " + ctx.session.calls[0]); }`
	g := script(t, `agentType("x", {`+body+`});`)
	a := openKind(t, g)
	req := importRequest(t, a)
	req.Partition, req.PageSize = "q", 2
	if parts, err := a.(agent.Partitioner).Partitions(t.Context()); err != nil || len(parts) != 2 || parts[1].Name != "q" {
		t.Errorf("partitions %v, %v", parts, err)
	}
	entries, watermark, err := importAll(t.Context(), a, req)
	if err != nil || len(entries) != 9 || watermark != `{"n":4}` {
		t.Fatalf("%d entries, %s, %v", len(entries), watermark, err)
	}
	want := `add thing 0-0 0-0 id=str:0-0 tags=str:2|str:X|str:thing|str:{"calls":["import","q",true,null]}`
	if got := shownTest(&entries[0]); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	req.Delta = true
	if _, _, err := importAll(t.Context(), a, req); fault.Name(err) != "no-start-full-import-required" {
		t.Errorf("a delta import without a watermark: %v", err)
	}
	req.Watermark = []byte(watermark)
	entries, watermark, err = importAll(t.Context(), a, req)
	if err != nil || len(entries) != 9 || watermark != `{"n":4}` || !strings.Contains(shownTest(&entries[0]), `{"calls":["import","q",false,{"n":4}]}`) {
		t.Errorf("%d entries, %s, %v", len(entries), watermark, err)
	}
	imp, err := a.(agent.Importer).OpenImport(t.Context(), req)
	if err != nil || imp.Complete() || imp.Unchanged() {
		t.Fatal(err)
	}
	if _, err := imp.Close(t.Context(), agent.Aborted); err != nil {
		t.Error(err)
	}

	forgetful := agentOf(t, thingSchema+`capabilities: {deltaImport: true}, import: () => ({objects: []})`)
	_, _, err = importAll(t.Context(), forgetful, importRequest(t, forgetful))
	wantError(t, err, "stopped-unexpected-data")
	wantError(t, err, "no watermark in the last page")
}

// A cancelled import ends in the middle of a call.
func TestImportIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan bool, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- true
		<-r.Context().Done()
	}))
	defer server.Close()
	l, _ := folder(t, "a.js", `agentType("x", {`+thingSchema+`import() { http.get("`+server.URL+`"); return {objects: []}; }})`)
	granted, err := hostlist.Parse(strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	l.options.Env.HTTP = hostlist.List{granted}
	a := openKind(t, load(t, l))
	go func() {
		<-asked
		cancel()
	}()
	began := time.Now()
	if _, _, err := importAll(ctx, a, importRequest(t, a)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if time.Since(began) > 15*time.Second {
		t.Error("it went on")
	}
}
