package scripting

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
)

// fakeObject is what both kinds of entry have: an attribute of every sort.
type fakeObject struct{}

func (fakeObject) Attributes() identity.Attributes {
	var a identity.Attributes
	a = a.Set("name", identity.String("x")).Set("numbers", identity.Integer(1))
	return a.Set("two", identity.Boolean(false), identity.Boolean(true))
}

func (o fakeObject) Get(name string) []identity.Value { return o.Attributes().Get(name) }
func (fakeObject) ID() identity.ID                    { return 1 }
func (fakeObject) ObjectType() string                 { return "t" }
func (fakeObject) Multi(name string) bool             { return name != "name" }

type fakeConnector struct{ fakeObject }

func (fakeConnector) Agent() string                { return "HR" }
func (fakeConnector) DN() string                   { return "dn" }
func (fakeConnector) Anchor() string               { return "anchor" }
func (fakeConnector) Target() rules.MetaverseEntry { return fakeMetaverse{} }

type fakeMetaverse struct{ fakeObject }

func (fakeMetaverse) Connectors(string) ([]rules.ConnectorEntry, error) { return nil, nil }
func (fakeMetaverse) Contributor(string) (string, time.Time)            { return "HR", time.Unix(0, 0) }

func (fakeMetaverse) NewConnector(_, _, _ string, _ identity.Attributes) error { return nil }
func (fakeMetaverse) Rename(identity.ID, string) error                         { return nil }
func (fakeMetaverse) Disconnect(identity.ID) error                             { return nil }
func (fakeMetaverse) Taken(_, _ string) (bool, error)                          { return false, nil }

// What the types declare of entries and of the contexts of rule functions is what a
// script finds.
func TestDeclaredEntriesAreBound(t *testing.T) {
	properties := []string{entryID, entryType, entryObject, entryAgent, entryDN, entryAnchor, entryConnectors, entryBy, entryTime}
	list, err := json.Marshal(properties)
	if err != nil {
		t.Fatal(err)
	}
	g := script(t, `
		const found = (entry, ...contexts) => [...`+string(list)+`.filter(name => entry[name] !== undefined), ...contexts.flatMap(Object.keys)];
		flow("HR.t", "members", (entry, ctx) => found(entry, ctx));
		flow("t", "members", entry => found(entry));
		flow("HR.t", "shapes", entry => Object.keys(entry).map(name => name + (Array.isArray(entry[name]) ? entry[name].length : "")));
		extension("HR", { joinValues: (entry, name, ctx) => Object.keys(ctx) });
		metaverse("t", { provision(entry, ctx) { throw new Error(Object.keys(ctx).join(" ")); } });`)
	flow := func(agent, name string, entry rules.Entry) []string {
		t.Helper()
		v, err := g.Rules().Flows[rules.FlowName{Agent: agent, Object: "t", Name: name}](t.Context(), entry)
		if err != nil {
			t.Fatal(err)
		}
		return texts(v)
	}
	same := func(what string, got []string, declared ...string) {
		t.Helper()
		var want []string
		for _, name := range declared {
			want = append(want, matches(interfaceBody(t, name), `(?m)^\t(?:readonly )?([$\w]+)[:(<]`)...)
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: declared, bound: %s", what, diff)
		}
	}
	same("connector", flow("HR", "members", fakeConnector{}), "Entry", "Connector", "FlowContext")
	same("metaverse", flow("", "members", fakeMetaverse{}), "Entry", "MetaverseObject")
	values, err := g.Rules().Agents["HR"].JoinValues(t.Context(), "x", fakeConnector{})
	if err != nil {
		t.Fatal(err)
	}
	same("rule function", texts(expr.OfValues(values)), "RuleContext")
	err = g.Rules().Metaverse["t"].Provision(context.Background(), fakeMetaverse{})
	if err == nil {
		t.Fatal("provision did not throw")
	}
	_, thrown, _ := strings.Cut(err.Error(), "Error: ")
	same("provision", strings.Fields(thrown), "ProvisionContext")

	if diff := cmp.Diff([]string{"name", "numbers1", "two2"}, flow("HR", "shapes", fakeConnector{})); diff != "" {
		t.Errorf("an attribute that may have several values is an array: %s", diff)
	}
}

// The functions of rules extensions that are documented are those that are taken.
func TestExtensionFunctionsAreDeclared(t *testing.T) {
	for kind, name := range map[string]string{"extension": "Extension", "metaverse": "MetaverseExtension"} {
		functions := matches(interfaceBody(t, name+"<"), `(?m)^\t(\w+)\?\(`)
		if len(functions) < 2 {
			t.Errorf("%s: %q", name, functions)
		}
		script(t, kind+`("x", {`+strings.Join(functions, "() {}, ")+`() {}})`)
		l, _ := folder(t, "a.js", kind+`("x", {other() {}})`)
		_, err := l.Load(t.Context())
		wantError(t, err, "there is no option")
		want := "the options are " + strings.Join(functions, ", ")
		if diff := cmp.Diff(want, fault.As(err, "").Hint); diff != "" {
			t.Errorf("%s: declared, taken: %s", name, diff)
		}
	}
}

func texts(v expr.Value) []string {
	var list []string
	for _, value := range v.Values() {
		list = append(list, value.Str())
	}
	return list
}
