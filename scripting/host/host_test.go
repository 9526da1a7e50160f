package host

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"
	"go.uber.org/goleak"

	"github.com/metasync/metasync/engine/fault"
)

func TestMain(m *testing.M) {
	// regexp2 keeps a clock running for as long as its longest match may take.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2/v2.runClock"))
}

// testAPI has one kind, which registers a function, and an object of the host.
func testAPI() *API {
	return &API{
		Kinds: []Kind{{
			Name: "hook", Signature: "(name: string, fn: (...args: any[]) => any): void", Doc: "Registers a function.",
			Declare: func(args []goja.Value) (Declaration, error) {
				if len(args) != 2 {
					return Declaration{}, errors.New("takes a name and a function")
				}
				return Declaration{
					Name: args[0].String(), Spec: len(args),
					Hooks: map[string]goja.Value{"": args[1]},
				}, nil
			},
		}},
		Objects: []Object{*Log, *Console, {
			Name: "Host", Globals: []string{"host"},
			Members: []Member{
				{Name: "fail", Signature: "(): void", Call: func(*Active, []goja.Value) (goja.Value, error) {
					return nil, errHost
				}},
				{Name: "panic", Signature: "(): void", Call: func(*Active, []goja.Value) (goja.Value, error) {
					panic("a mistake in the host")
				}},
				{Name: "until", Signature: "(): void", Call: func(a *Active, _ []goja.Value) (goja.Value, error) {
					for time.Now().Before(a.until) {
					}
					return nil, errHost
				}},
				{Name: "wait", Signature: "(): void", Call: func(a *Active, _ []goja.Value) (goja.Value, error) {
					<-a.Context().Done()
					return nil, a.Context().Err()
				}},
			},
		}},
		Types: []Type{Module},
	}
}

var errHost = errors.New("the host says no")

// files makes Files from pairs of name and text.
func files(pairs ...string) Files {
	var f Files
	for i := 0; i < len(pairs); i += 2 {
		f = append(f, File{pairs[i], pairs[i+1]})
	}
	return f
}

func load(t testing.TB, f Files, o Options) *Generation {
	t.Helper()
	if o.Workers == 0 {
		o.Workers = 2
	}
	if o.Timeout == 0 {
		o.Timeout = MaxTimeout // most tests are not about it
	}
	o.Prefix = "scripts"
	g, err := Load(context.Background(), f, testAPI(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// hook returns a registration by name.
func hook(t testing.TB, g *Generation, name string) *Registration {
	t.Helper()
	for _, r := range g.Registrations("hook") {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("no hook %q", name)
	return nil
}

// call calls a hook and shows its result as text.
func call(ctx context.Context, t testing.TB, g *Generation, c Call, name string, args ...any) (string, error) {
	t.Helper()
	c.Of = hook(t, g, name)
	text := ""
	err := g.Do(ctx, c, func(a *Active) error {
		values := make([]goja.Value, len(args))
		for i, arg := range args {
			values[i] = a.Runtime().ToValue(arg)
		}
		result, err := a.Invoke("", values...)
		if err == nil {
			text = a.Describe(result)
		}
		return err
	})
	return text, err
}

func TestCalls(t *testing.T) {
	tests := []struct {
		name, script string
		args         []any
		want         string // of the result
		wantErr      string // text of the error, or a part of it
	}{
		{name: "strings", script: `hook("f", (a, b) => a + b)`, args: []any{"ä", "b"}, want: "äb"},
		{name: "async", script: `hook("f", async a => { const b = await a; return b + 1 })`, args: []any{1}, want: "2"},
		{name: "generators", script: `hook("f", () => { function* g() { yield 1; yield 2 } return [...g()] })`, want: "[1,2]"},
		{name: "async generator", script: `hook("f", async () => { async function* g() { yield 1; yield 2 } const l = []; for await (const x of g()) l.push(x); return l })`, want: "[1,2]"},
		{name: "undefined", script: `hook("f", () => {})`, want: "undefined"},
		{
			name: "thrown error", script: "hook('f', () => {\n  throw new TypeError('no such person') })",
			wantErr: "scripts/a.js:2:9: extension-dll-exception: TypeError: no such person",
		},
		{
			name: "mistake", script: "hook('f', x => {\n  const n = 1; return x.y.z })", args: []any{map[string]any{}},
			wantErr: "scripts/a.js:2:27: extension-dll-exception: TypeError: Cannot read property 'z' of undefined",
		},
		{name: "thrown null", script: "hook('f', () => { throw null })", wantErr: "scripts/a.js:1:19: extension-dll-exception: null"},
		{name: "thrown object", script: "hook('f', () => { throw {code: 7} })", wantErr: `extension-dll-exception: {"code":7}`},
		{
			name: "thrown thing that throws", script: "hook('f', () => { throw {get a() { throw 1 }} })",
			wantErr: "extension-dll-exception: something that cannot be shown was thrown",
		},
		{
			name: "rejected", script: "hook('f', async () => {\n await 0;\n throw new Error('late') })",
			wantErr: "scripts/a.js:3:8: extension-dll-exception: Error: late",
		},
		{
			name: "never settled", script: "hook('f', () => new Promise(() => {}))",
			wantErr: "extension-unexpected-attribute-value: the promise can never be settled",
		},
		{
			name: "recursion", script: "function f() { return f() + 1 }; hook('f', f)",
			wantErr: "scripts/a.js:1:23: extension-dll-exception: functions call each other more than 1024 deep",
		},
		{
			name: "error of the host", script: "hook('f', () => { host.fail() })",
			wantErr: "scripts/a.js:1:24: extension-dll-exception: the host says no",
		},
		{name: "caught error of the host", script: "hook('f', () => { try { host.fail() } catch (e) { return e instanceof Error && String(e) } })", want: "Error: the host says no"},
		{
			name: "panic of the host", script: "hook('f', () => { try { host.panic() } catch { return 1 } })",
			wantErr: "extension-dll-crash: a function that the script used failed: a mistake in the host",
		},
		{name: "strict", script: "hook('f', () => { undeclared = 1 })", wantErr: "ReferenceError: undeclared is not defined"},
		{name: "read-only", script: "hook('f', () => { log.info = 1 })", wantErr: "TypeError: Cannot assign to read only property 'info'"},
		{name: "late registration", script: "hook('f', () => { hook('g', () => 1) })", wantErr: "hook registers while the scripts are loaded, not later"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := load(t, files("a.js", test.script+"\n;hook('after', () => 'well')"), Options{Workers: 1})
			got, err := call(t.Context(), t, g, Call{}, "f", test.args...)
			if test.wantErr == "" && (err != nil || got != test.want) {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
			if test.wantErr != "" && (err == nil || !strings.Contains(err.Error(), test.wantErr)) {
				t.Errorf("got %q, %v; want error %q", got, err, test.wantErr)
			}
			if got, err := call(t.Context(), t, g, Call{}, "after"); got != "well" {
				t.Errorf("the next call in the same worker: %q, %v", got, err)
			}
		})
	}
}

func TestErrorOfTheHostIsWrapped(t *testing.T) {
	g := load(t, files("a.js", `hook("f", () => host.fail())`), Options{})
	if _, err := call(t.Context(), t, g, Call{}, "f"); !errors.Is(err, errHost) {
		t.Errorf("got %v, want it to wrap %v", err, errHost)
	}
}

// A behind is a context whose deadline has passed, and that does not know it yet.
type behind struct{ context.Context }

func (behind) Deadline() (time.Time, bool) { return time.Now().Add(-time.Second), true }

// Whoever waits for a deadline with a clock of its own, as a socket does, may fail before
// the timers of the call go off: it is the deadline all the same.
func TestDeadlineThatAHostFunctionNoticed(t *testing.T) {
	g := load(t, files("a.js", `hook("until", () => host.until()); hook("fail", () => host.fail())`), Options{Workers: 1})
	for range 200 {
		if _, err := call(t.Context(), t, g, Call{Timeout: 50 * time.Microsecond}, "until"); fault.Name(err) != "extension-dll-timeout" || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("the deadline of the call: %v", err)
		}
	}
	if _, err := call(behind{t.Context()}, t, g, Call{}, "fail"); fault.Name(err) != "extension-dll-timeout" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the deadline of the caller: %v", err)
	}
}

func TestDeadline(t *testing.T) {
	tests := map[string]string{
		"loop":              `hook("f", () => { for (;;); })`,
		"caught":            `hook("f", () => { for (;;) try { for (;;); } catch {} finally { continue } })`,
		"jobs":              `hook("f", () => { const again = () => Promise.resolve().then(again); return again() })`,
		"getter of result":  `hook("f", () => ({ get a() { for (;;); } }))`,
		"text of exception": `hook("f", () => { throw { get message() { for (;;); } } })`,
		"proxy":             `hook("f", () => new Proxy({}, { ownKeys() { for (;;); } }))`,
		"host function":     `hook("f", () => { try { host.wait() } catch { return 1 } })`,
		"native":            `hook("f", RegExp.prototype.test.bind(/^(a+)+\1$/, "a".repeat(19) + "b"))`,
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			g := load(t, files("a.js", script+"\nhook('after', () => 'well')"), Options{Workers: 1})
			_, err := call(t.Context(), t, g, Call{Timeout: 10 * time.Millisecond}, "f")
			if fault.Name(err) != "extension-dll-timeout" || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want a timeout", err)
			}
			for range 3 {
				if got, err := call(t.Context(), t, g, Call{}, "after"); got != "well" {
					t.Fatalf("the next call: %q, %v", got, err)
				}
			}
		})
	}
}
