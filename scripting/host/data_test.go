package host

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/fault"
)

type thing struct {
	Name  string  `json:"name"`
	Parts []thing `json:"parts,omitempty"`
}

// Go values arrive as what encoding/json makes of them, and results come back so.
func TestCallsOfData(t *testing.T) {
	api := testAPI()
	api.Kinds[0].Many = true
	g, err := Load(t.Context(), files(
		"a.js", `hook("same", v => v); hook("type", v => typeof v + " " + v); hook("keys", v => Object.keys(v).join());
			hook("change", v => { v.name = "x"; v.parts[0].name = "y"; });
			hook("two", async () => 1); hook("bad", () => () => 1);`,
		"b.js", `hook("two", () => { throw new Error("no") });`, "c.js", `hook("two", () => [3]);`,
	), api, Options{Prefix: "scripts", Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	given := &thing{Name: "a", Parts: []thing{{Name: "b"}}}
	for _, test := range []struct {
		name string
		arg  any
		want any
	}{
		{"same", given, map[string]any{"name": "a", "parts": []any{map[string]any{"name": "b"}}}},
		{"same", []int{1, 2}, []any{1.0, 2.0}},
		{"same", nil, nil},
		{"same", 1.5, 1.5},
		{"type", int64(1<<53 - 1), "number 9007199254740991"},
		{"type", uint64(math.MaxUint64), "bigint 18446744073709551615"},
		{"type", int64(math.MinInt64), "bigint -9223372036854775808"},
		{"keys", map[string]int{"b": 1, "a": 2, "c": 3}, "a,b,c"},
	} {
		got, err := g.Call(t.Context(), "hook", test.name, test.arg)
		if diff := cmp.Diff([]any{test.want}, got); diff != "" || err != nil {
			t.Errorf("%s %v: %v %s", test.name, test.arg, err, diff)
		}
	}
	if _, err := g.Call(t.Context(), "hook", "change", given); err != nil || given.Name != "a" || given.Parts[0].Name != "b" {
		t.Errorf("a script changed a Go value: %+v, %v", given, err)
	}

	results, err := g.Call(t.Context(), "hook", "two")
	if diff := cmp.Diff([]any{1.0, nil, []any{3.0}}, results); diff != "" {
		t.Error(diff)
	}
	if err == nil || !strings.HasPrefix(err.Error(), "scripts/b.js:1:") || !strings.HasSuffix(err.Error(), "Error: no") {
		t.Errorf("got %v", err)
	}
	if results, err := g.Call(t.Context(), "hook", "none"); len(results) != 0 || err != nil {
		t.Errorf("nothing was registered: %v, %v", results, err)
	}
	if _, err := g.Call(t.Context(), "hook", "bad"); fault.Name(err) != NameUnexpectedValue || !strings.Contains(err.Error(), "scripts/a.js:3:") {
		t.Errorf("got %v", err)
	}
	if _, err := g.Call(t.Context(), "hook", "same", make(chan int)); err == nil {
		t.Error("a channel is given to a script")
	}
}

func TestFunc(t *testing.T) {
	type key struct{}
	api := testAPI()
	member := func(name string, f any) { api.Functions = append(api.Functions, Member{Name: name, Call: Func(f)}) }
	member("add", func(a, b int) int { return a + b })
	member("who", func(ctx context.Context) any { return ctx.Value(key{}) })
	member("parts", func(v thing) int { return len(v.Parts) })
	member("opt", func(a string, b *string) string {
		if b == nil {
			return a
		}
		return a + *b
	})
	member("fail", func(any) (int, error) { return 1, errHost })
	member("big", func() uint64 { return math.MaxUint64 })
	member("list", func() []thing { return []thing{{Name: "x"}} })
	member("done", func() {})
	for _, test := range []struct{ js, want string }{
		{`add(1, 2)`, "3"},
		{`add(1)`, "takes 2 arguments, not 1"},
		{`add(1, 2, 3)`, "takes 2 arguments, not 3"},
		{`add(1, "2")`, "argument 2: 2 is no int"},
		{`add(1, 2.5)`, "argument 2: 2.5 is no int"},
		{`add(1, undefined)`, "argument 2: undefined is no int"},
		{`add(1, null)`, "argument 2: null is no int"},
		{`add(1, NaN)`, "NaN cannot be kept as JSON"},
		{`who()`, "Ada"},
		{`parts({name: "a", parts: [{}, {}]})`, "2"},
		{`parts({parts: 7})`, `argument 1: {"parts":7} is no host.thing`},
		{`opt("a")`, "a"},
		{`opt("a", undefined)`, "a"},
		{`opt("a", "b")`, "ab"},
		{`fail(1)`, errHost.Error()},
		{`typeof big()`, "bigint"},
		{`list()`, `[{"name":"x"}]`},
		{`String(done())`, "undefined"},
	} {
		g, err := Load(t.Context(), files("a.js", `hook("f", () => `+test.js+`)`), api, Options{Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		got, err := call(context.WithValue(t.Context(), key{}, "Ada"), t, g, Call{}, "f")
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != test.want || err != nil && !strings.HasSuffix(got, test.want) {
			t.Errorf("%s: got %s, want %s", test.js, got, test.want)
		}
		if strings.HasPrefix(test.js, "fail") && !errors.Is(err, errHost) {
			t.Errorf("the error of the function is not wrapped: %v", err)
		}
		g.Close()
	}
	for _, f := range []any{func(...int) {}, func() (int, int) { return 1, 2 }, func() (a, b int, err error) { return 1, 2, nil }} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%T is bound", f)
				}
			}()
			Func(f)
		}()
	}
}

func TestEvents(t *testing.T) {
	api := &API{Kinds: []Kind{Events("on", "Listens.",
		Event{Name: "order.placed", Type: "Order", Result: "string", Doc: "Somebody orders."},
		Event{Name: "order.paid", Type: "Order", Doc: "Somebody has paid."},
	)}}
	g, err := Load(t.Context(), files("a.js", `on("order.placed", o => "a" + o.n); on("order.placed", o => "b" + o.n)`, "b.js", `on("order.placed", o => "c" + o.n)`), api, Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	got, err := g.Call(t.Context(), "on", "order.placed", map[string]int{"n": 1})
	if diff := cmp.Diff([]any{"a1", "b1", "c1"}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	_, err = Load(t.Context(), files("a.js", `on("order.plaecd", () => 1)`), api, Options{})
	if e := fault.As(err, ""); e == nil || e.Name != NameInvalid || e.Hint != `did you mean "order.placed"?` || e.Position.Line != 1 {
		t.Errorf("got %v", err)
	}
	want := `declare function on<E extends "order.placed" | "order.paid">(event: E, listener: ` +
		`{ "order.placed": (event: Order) => string | Promise<string>; "order.paid": (event: Order) => void | Promise<void> }[E]): void;`
	if dts := api.DTS(); !strings.Contains(dts, want) || !strings.Contains(dts, "order.paid`: Somebody has paid.") {
		t.Errorf("got %s", dts)
	}
}
