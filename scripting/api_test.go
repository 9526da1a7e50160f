package scripting

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/scripting/host"
	"github.com/metasync/metasync/scripting/modules"
)

// What the types declare is what a script finds, no more and no less.
func TestDeclaredIsBound(t *testing.T) {
	l, base := folder(t, "metasync.d.ts", Types(Known{}), "a.ts", `
		const members = (o: object) => Object.keys(o);
		trigger("T", {agent: "HR", every: "1s", check: (ctx) => [...members(ctx), ...members(ctx.state)]});
		flowFunction("globals", () => Object.getOwnPropertyNames(globalThis)
			.concat("require module exports".split(" ").filter(name => eval("typeof " + name) !== "undefined")));
		test("T", (t) => { throw new Error(members(t).join(" ")) });
		flowFunction("log", () => members(log));
		flowFunction("console", () => members(console));
		flowFunction("module", name => members(eval(name)));`)
	g := load(t, l)
	list := func(name string, args ...expr.Value) []string {
		v, err := call(t, g, name, args...)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, value := range v.Values() {
			names = append(names, value.Str())
		}
		return names
	}
	plain, err := host.Load(t.Context(), nil, &host.API{}, host.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	var builtIn []string
	if err := plain.Do(t.Context(), host.Call{}, func(a *host.Active) error {
		builtIn = a.Runtime().GlobalObject().GetOwnPropertyNames()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	bound := slices.DeleteFunc(list("globals"), func(name string) bool { return slices.Contains(builtIn, name) })
	same := func(what string, want, got []string) {
		slices.Sort(want)
		want = slices.Compact(want) // overloads
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: declared, bound: %s", what, diff)
		}
	}
	same("globals", matches(Types(Known{}), `(?m)^declare (?:function|const|class) (\w+)`), bound)
	same("log", declaredMembers(t, "Log"), list("log"))
	same("console", declaredMembers(t, "Console"), list("console"))
	for _, object := range modules.Objects {
		same(object.Name, declaredMembers(t, object.Name), list("module", expr.Str(object.Globals[0])))
	}
	requests, err := g.Triggers()[0].Check(t.Context(), autosync.Occasion{State: memory{}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range requests {
		got = append(got, r.Profile)
	}
	same("ctx", append(declaredMembers(t, "TriggerContext"), declaredMembers(t, "TriggerState")...), got)

	_, thrown, _ := strings.Cut(g.Test(t.Context(), TestOptions{})[0].Err.Text, "Error: ")
	same("t", declaredMembers(t, "Test"), strings.Fields(thrown))

	// The declarations are TypeScript.
	write(t, base+"/scripts/types.ts", Types(Known{}))
	if _, err := l.Load(t.Context()); err != nil {
		t.Error(err)
	}
}

// The options that are documented are those that a trigger takes.
func TestTriggerOptionsAreDeclared(t *testing.T) {
	text := interfaceBody(t, "TriggerOptions")
	for _, name := range matches(text, `(?m)^\t(\w+)\?[:(]`) {
		l, _ := folder(t, "a.js", `trigger("T", {`+name+`: "x"})`)
		_, err := l.Load(t.Context())
		if err == nil || strings.Contains(err.Error(), "there is no option") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func declaredMembers(t *testing.T, name string) []string {
	return matches(interfaceBody(t, name), `(?m)^\t(?:readonly )?(\w+)[:(]`)
}

func interfaceBody(t *testing.T, name string) string {
	t.Helper()
	_, body, found := strings.Cut(Types(Known{}), "interface "+name)
	_, body, _ = strings.Cut(body, " {\n")
	body, _, ended := strings.Cut(body, "\n}\n")
	if !found || !ended {
		t.Fatalf("no interface %s in\n%s", name, Types(Known{}))
	}
	return body + "\n"
}

func matches(text, pattern string) []string {
	var names []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}
