package host

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"
	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/fault"
)

// TestBroken loads folders with mistakes. All of them are found, each at the
// place where the administrator made it.
func TestBroken(t *testing.T) {
	tests := []struct {
		name  string
		files Files
		want  []string // the beginning of each error
	}{
		{
			"syntax of every file", files("a.js", "let x = ;", "b.ts", "\nconst n: number = (;", "c.js", "hook('fine', () => 1)"),
			[]string{"scripts/a.js:1:9: script-syntax-error: Unexpected", "scripts/b.ts:2:20: script-syntax-error: Unexpected"},
		},
		{
			"syntax and throw", files("a.js", "\n\n  throw new Error('no')", "b.js", "}", "c.js", "undeclared()"),
			[]string{
				"scripts/a.js:3:9: extension-dll-exception: Error: no", "scripts/b.js:1:1: script-syntax-error: Unexpected",
				"scripts/c.js:1:1: extension-dll-exception: ReferenceError: undeclared is not defined",
			},
		},
		{
			"throw in TypeScript behind an import",
			files("a.ts", "import { k } from './lib/k'\n\ninterface X { a: string }\nfunction f(x: X): never {\n\tthrow new Error('ä' + k + x.a)\n}\nf({ a: 'b' })", "lib/k.ts", "export const k: string = 'k'"),
			[]string{"scripts/a.ts:5:8: extension-dll-exception: Error: äkb"},
		},
		{
			"only the broken file is named", files("a.js", "import './b.js'", "b.js", "const c = require('./c')", "c.js", "null.x"),
			[]string{"scripts/c.js:1:6: extension-dll-exception: TypeError: Cannot read property 'x' of"},
		},
		{
			"import of a file with a syntax error", files("a.js", "import './b.js'", "b.js", "("),
			[]string{"scripts/b.js:1:2: script-syntax-error: Unexpected end of file"},
		},
		{
			"missing import", files("a.js", "\nimport { x } from './nowhere'\nx()", "b.js", "require('fs')"),
			[]string{
				`scripts/a.js:2:19: script-import-not-found: there is no file "./nowhere" in the scripts folder`,
				`scripts/b.js:1:1: script-import-not-found: there is no file "fs" in the scripts folder`,
			},
		},
		{
			"no way out", files("a.js", "require('../../etc/passwd')"),
			[]string{`scripts/a.js:1:1: script-import-not-found`},
		},
		{
			"unicode properties", files("a.js", "const ok = /\\\\p{L}/;\nhook('f', s => /^[\\p{L}]+$/u.test(s));\nhook('g', s => /\\P{Lu}/.test(s))"),
			[]string{`scripts/a.js:2:16: script-syntax-error: \p{...} in a regular expression would never match`, "scripts/a.js:3:16: script-syntax-error"},
		},
		{
			"flags that goja lacks", files("a.js", "const a = /a/d\nconst b = /b/v"),
			[]string{`scripts/a.js:1:14: script-syntax-error: The regular expression flag "d" is not available`, `scripts/a.js:2:14: script-syntax-error`},
		},
		{
			"bad regular expression", files("a.js", "const a =\n  /(/"),
			[]string{"scripts/a.js:2:"},
		},
		{
			"twice", files("a.js", "hook('f', () => 1)", "b.js", "\n hook('f', () => 2)\nhook('f', () => 3)"),
			[]string{
				`scripts/b.js:2:2: script-registration-invalid: hook: "f" is already registered at scripts/a.js:1:1`,
				`scripts/b.js:3:1: script-registration-invalid: hook: "f" is already registered at scripts/a.js:1:1`,
			},
		},
		{
			"bad registrations", files("a.js", "hook('f')\nhook('g', 7)\nhook('h', () => 1)"),
			[]string{
				"scripts/a.js:1:1: script-registration-invalid: hook: takes a name and a function",
				`scripts/a.js:2:1: script-registration-invalid: hook: "g":  is not a function`,
			},
		},
		{"strict", files("a.js", "undeclared = 1"), []string{"scripts/a.js:1:1: extension-dll-exception: ReferenceError"}},
		{"top-level await", files("a.js", "\nawait 1"), []string{"scripts/a.js:2:1: script-syntax-error: Top-level await"}},
		{"strange name", files("a b%41?.js", "\n  null.x"), []string{"scripts/a b%41?.js:2:8: extension-dll-exception"}},
		{"thrown null", files("a.js", "throw null"), []string{"scripts/a.js:1:1: extension-dll-exception: null"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Load(t.Context(), test.files, testAPI(), Options{Prefix: "scripts", Workers: 2})
			var list fault.List
			if !errors.As(err, &list) || len(list) != len(test.want) {
				t.Fatalf("got %v, want %d errors", err, len(test.want))
			}
			for i, want := range test.want {
				if got := list[i].Error(); !strings.HasPrefix(got, want) {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			}
		})
	}
}

func TestEndlessLoad(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := Load(ctx, files("a.js", "for (;;);", "b.js", "for (;;);"), testAPI(), Options{Workers: 1})
	if fault.Name(err) != "extension-dll-timeout" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a timeout", err)
	}
}

func TestModules(t *testing.T) {
	g := load(t, files(
		"a.js", `
			import fallback, { add, count, Point } from "./lib/math.js";
			import * as all from "./lib";
			const { twice } = require("./common");
			hook("f", () => [add(1, 2), fallback, twice(4), all.name, new Point(3).x, count()].join());`,
		"common.js", `exports.twice = n => 2 * n`,
		"cycle/one.js", `exports.early = 1; exports.two = require("./two").seen`,
		"cycle/two.js", `exports.seen = require("./one").early`,
		"lib/index.ts", `export const name: string = "lib"; export type { Shape } from "./math"`,
		"lib/math.ts", `
			export type Shape = { x: number };
			export class Point implements Shape { constructor(public x: number) {} }
			let loads = 0; loads++;
			export const add = (a: number, b: number) => a + b, count = () => loads;
			export default "default"`,
		"z.js", `
			import { count } from "./lib/math";
			hook("loads", () => count());
			hook("cycle", () => require("./cycle/one").two);
			hook("scope", () => typeof loads + typeof add);
			hook("lazy", async () => (await import("./common")).twice(5));`,
	), Options{})
	for name, want := range map[string]string{
		"f": "3,default,8,lib,3,1", "loads": "1", "cycle": "1", "scope": "undefinedundefined", "lazy": "10",
	} {
		if got, err := call(t.Context(), t, g, Call{}, name); got != want {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestFilesSeeOneTimeInAllWorkers(t *testing.T) {
	g := load(t, files("a.js", `const at = Date.now(), n = Math.random(); hook("f", () => at + " " + n)`), Options{Workers: 8})
	seen := map[string]bool{}
	for range 16 {
		got, err := call(t.Context(), t, g, Call{}, "f")
		if err != nil {
			t.Fatal(err)
		}
		seen[got] = true
	}
	if len(seen) != 1 {
		t.Errorf("workers differ: %v", seen)
	}
}

func TestRegistrationsMustBeStable(t *testing.T) {
	api := testAPI()
	n := 0
	api.Objects = append(api.Objects, Object{Name: "Counter", Globals: []string{"counter"}, Members: []Member{{
		Name: "next", Call: func(a *Active, _ []goja.Value) (goja.Value, error) {
			n++
			return a.Runtime().ToValue(n), nil
		},
	}}})
	for _, script := range []string{
		`hook("f" + counter.next(), () => 1)`,
		`if (counter.next() === 1) hook("f", () => 1)`,
		`if (counter.next() === 2) hook("f", () => 1)`,
	} {
		n = 0
		_, err := Load(t.Context(), files("a.js", script), api, Options{Workers: 2})
		if fault.Name(err) != "script-registration-unstable" {
			t.Errorf("%s: got %v", script, err)
		}
	}
}

func TestWorkerIsReplacedAfterPanic(t *testing.T) {
	g := load(t, files("a.js", `let n = 0; hook("f", () => ++n); hook("p", () => host.panic())`), Options{Workers: 1})
	for _, want := range []string{"1", "2"} {
		if got, err := call(t.Context(), t, g, Call{}, "f"); got != want {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	}
	if _, err := call(t.Context(), t, g, Call{}, "p"); fault.Name(err) != "extension-dll-crash" {
		t.Fatal(err)
	}
	if got, err := call(t.Context(), t, g, Call{}, "f"); got != "1" {
		t.Errorf("got %q, %v; want a new worker", got, err)
	}
}

func TestCancel(t *testing.T) {
	g := load(t, files("a.js", `hook("loop", () => { for (;;); }); hook("wait", () => host.wait()); hook("f", () => 1)`), Options{Workers: 1})
	for _, name := range []string{"loop", "wait"} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, cancel)
		if _, err := call(ctx, t, g, Call{Timeout: MaxTimeout}, name); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", name, err)
		}
		if got, err := call(t.Context(), t, g, Call{}, "f"); got != "1" {
			t.Errorf("after %s: got %q, %v", name, got, err)
		}
		if _, err := call(ctx, t, g, Call{}, "f"); !errors.Is(err, context.Canceled) {
			t.Errorf("a call with a context that has ended: %v", err)
		}
	}
}

func TestWaitForWorkerEndsWithContext(t *testing.T) {
	g := load(t, files("a.js", `hook("f", () => 1)`), Options{Workers: 1})
	err := g.Do(t.Context(), Call{Of: hook(t, g, "f")}, func(*Active) error {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := call(ctx, t, g, Call{}, "f")
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestClose(t *testing.T) {
	for _, name := range []string{"loop", "wait"} {
		g := load(t, files("a.js", `hook("loop", () => { for (;;); }); hook("wait", () => host.wait())`), Options{Workers: 2, Grace: time.Millisecond})
		started, ended := make(chan struct{}), make(chan error)
		go func() {
			ended <- g.Do(context.Background(), Call{Of: hook(t, g, name), Timeout: MaxTimeout}, func(a *Active) error {
				close(started)
				_, err := a.Invoke("")
				return err
			})
		}()
		<-started
		go g.Close()
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("%s: the running call: %v", name, err)
		}
		g.Close()
		if _, err := call(t.Context(), t, g, Call{}, name); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: a later call: %v", name, err)
		}
	}
}

func TestPlain(t *testing.T) {
	tests := []struct {
		js      string
		want    any
		wantErr string
	}{
		{js: `({b: [1, "x", null, true], a: {c: undefined, d: new Date(0)}})`, want: map[string]any{
			"b": []any{1.0, "x", nil, true}, "a": map[string]any{"d": "1970-01-01T00:00:00Z"},
		}},
		{js: `null`},
		{js: `NaN`, wantErr: "NaN cannot be kept as JSON"},
		{js: `[() => 1]`, wantErr: "a function cannot be kept as JSON"},
		{js: `({p: Promise.resolve()})`, wantErr: "a promise cannot be kept as JSON"},
		{js: `(() => { const o = {}; o.o = o; return o })()`, wantErr: "nested too deeply"},
		{js: `({get a() { throw new Error("got") }})`, wantErr: "Error: got"},
		{js: `1n`, wantErr: "1 cannot be kept as JSON"},
	}
	for _, test := range tests {
		g := load(t, files("a.js", `hook("f", () => `+test.js+`)`), Options{})
		var got any
		err := g.Do(t.Context(), Call{Of: hook(t, g, "f")}, func(a *Active) error {
			v, err := a.Invoke("")
			if err == nil {
				got, err = a.Plain(v)
			}
			return err
		})
		if test.wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("%s: got %v, want %q", test.js, err, test.wantErr)
			}
			continue
		}
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", test.js, err, diff)
		}
	}
}

// The names that scripts see are those of the table, no more and no fewer.
func TestDeclaredIsBound(t *testing.T) {
	api := testAPI()
	want := []string{"hook", "log", "console", "host"}
	for _, name := range want {
		if !strings.Contains(api.DTS(), " "+name) {
			t.Errorf("%s is not declared", name)
		}
	}
	keys := func(rt *goja.Runtime) []string { return rt.GlobalObject().GetOwnPropertyNames() }
	builtIn := keys(goja.New())
	g := load(t, files("a.js", `hook("f", () => Object.keys(log).concat(Object.keys(console)))`), Options{})
	w := <-g.pool
	got := slices.DeleteFunc(keys(w.rt), func(name string) bool { return slices.Contains(builtIn, name) })
	g.pool <- w
	if !reflect.DeepEqual(got, want) {
		t.Errorf("bound %v, want %v", got, want)
	}
	members, err := call(t.Context(), t, g, Call{}, "f")
	if want := `["debug","info","warn","error","debug","log","info","warn","error"]`; members != want {
		t.Errorf("got %s, %v; want %s", members, err, want)
	}
}
