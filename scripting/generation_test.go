package scripting

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/scripting/host"
)

func TestGenerations(t *testing.T) {
	l, base := folder(t, "a.js", `flowFunction("one", () => "1")`, "lib/b.ts", `export const b = 2`)
	first := load(t, l)
	if diff := cmp.Diff([]string{"a.js", "lib/b.ts"}, first.Files()); diff != "" {
		t.Error(diff)
	}
	same := load(t, l)
	if first.ID() != same.ID() || first.Number() != 1 || same.Number() != 2 || first.Loaded().IsZero() {
		t.Errorf("%s %d, %s %d", first.ID(), first.Number(), same.ID(), same.Number())
	}
	write(t, filepath.Join(base, "scripts/a.js"), `flowFunction("two", () => "2")`)
	other := load(t, l)
	if other.ID() == first.ID() {
		t.Error("other scripts have the same id")
	}
	if _, ok := other.Functions()["one"]; ok {
		t.Error("a function outlives its script")
	}
	if got, err := call(t, first, "one"); err != nil || got.Values()[0].Str() != "1" {
		t.Errorf("the old generation gives %v, %v", got, err)
	}
}

// A restart over a broken folder runs on what was good before.
func TestLastGoodScripts(t *testing.T) {
	l, base := folder(t, "a.ts", "import { x } from './b'\nflowFunction('f', () => x)", "b.js", "export const x = 'good'")
	good := load(t, l)
	keeper := host.KeepFile(filepath.Join(t.TempDir(), "kept"))
	if err := good.Keep(keeper); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(base, "scripts/b.js"), "export const x = ;")
	write(t, filepath.Join(base, "scripts/c.js"), "flowFunction('a-b', () => 1)")
	_, err := l.Load(t.Context())
	several, ok := err.(interface{ Unwrap() []error })
	if !ok || len(several.Unwrap()) != 2 {
		t.Fatalf("got %v, want two errors", err)
	}
	wantError(t, err, "scripts/b.js:1:18: script-syntax-error")
	wantError(t, err, `scripts/c.js:1:1: script-registration-invalid: flowFunction: "a-b" is not a name that an expression can use`)

	restarted := NewLoader(l.options)
	g, err := restarted.LoadKept(t.Context(), keeper)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if got, err := call(t, g, "f"); err != nil || got.Values()[0].Str() != "good" || g.ID() != good.ID() {
		t.Errorf("got %v, %v", got, err)
	}
	write(t, string(keeper), "{}")
	if _, err := restarted.LoadKept(t.Context(), keeper); err == nil {
		t.Error("damaged scripts are loaded")
	}
}

func TestMissingFolder(t *testing.T) {
	o := Options{Folder: filepath.Join(t.TempDir(), "scripts")}
	if _, err := NewLoader(o).Load(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	o.Optional = true
	if g := load(t, NewLoader(o)); len(g.Functions()) != 0 || len(g.Files()) != 0 {
		t.Error("it is not empty")
	}
}

func TestPlacesAreRelativeToTheConfiguration(t *testing.T) {
	elsewhere := t.TempDir()
	write(t, filepath.Join(elsewhere, "a.js"), "\n(")
	for base, want := range map[string]string{
		elsewhere:               "a.js:2:2: ",
		filepath.Dir(elsewhere): filepath.Base(elsewhere) + "/a.js:2:2: ",
		t.TempDir():             filepath.ToSlash(elsewhere) + "/a.js:2:2: ",
	} {
		_, err := NewLoader(Options{Folder: elsewhere, Base: base}).Load(t.Context())
		wantError(t, err, want)
	}
}

func TestDeclareFlowFunction(t *testing.T) {
	for args, want := range map[string]string{
		``:              "takes a name and a function",
		`"f"`:           "takes a name and a function",
		`"f", 1`:        `the second argument of "f" is not a function`,
		`"", () => 1`:   `"" is not a name`,
		`"1f", () => 1`: `"1f" is not a name`,
		`"ä", () => 1`:  `"ä" is not a name`,
		`7, () => 1`:    `7 is not a name`,
	} {
		l, _ := folder(t, "a.js", "flowFunction("+args+")")
		_, err := l.Load(t.Context())
		wantError(t, err, "scripts/a.js:1:1: script-registration-invalid: flowFunction: "+want)
	}
	for _, name := range []string{"Left", "uppercase", "PCase"} { // of both dialects, of fim in any case, of entra
		l, _ := folder(t, "a.js", `flowFunction("`+name+`", () => 1)`)
		_, err := l.Load(t.Context())
		wantError(t, err, `there is a built-in function of this name`)
	}
	l, _ := folder(t, "a.js", `flowFunction("pcase", () => 1)`) // entra would not find PCase so
	load(t, l)
}

func TestFlowFunctionTimesOut(t *testing.T) {
	l, _ := folder(t, "a.js", "flowFunction('f', () => {\n  for (;;) {\n    Math.abs(1);\n  }\n})")
	for timeout := 100 * time.Millisecond; ; timeout *= 10 { // until it is enough to come to the loop
		l.options.Timeout = timeout
		_, err := call(t, load(t, l), "f")
		wantError(t, err, "no answer within "+timeout.String())
		e := fault.As(err, "")
		if e == nil || e.Name != "extension-dll-timeout" {
			t.Fatalf("got %v, want a timeout", err)
		}
		if e.Position.Line == 2 || e.Position.Line == 3 {
			return
		}
		if timeout > time.Second {
			t.Fatalf("got %v, want a timeout in the loop", err)
		}
	}
}

func TestCallWithoutContext(t *testing.T) {
	g := script(t, `flowFunction("f", a => a)`)
	got, err := g.Functions()["f"].Call(&expr.Context{}, []expr.Value{expr.Str("x")})
	if err != nil || got.Values()[0].Str() != "x" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestMatch(t *testing.T) {
	if !Match("/x/scripts/lib", true) || Match("/x/scripts/node_modules", true) || Match("/x/scripts/.git", true) {
		t.Error("folders")
	}
	if !Match("a.ts", false) || Match("a.d.ts", false) || Match("a.md", false) || Match(".a.js", false) {
		t.Error("files")
	}
}
