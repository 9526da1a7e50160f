package scripting

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/scripting/host"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// folder writes files, given as pairs of name and text, into the scripts folder
// of a new configuration, and returns a loader for it.
func folder(t testing.TB, pairs ...string) (*Loader, string) {
	t.Helper()
	base := t.TempDir()
	scripts := filepath.Join(base, "scripts")
	if err := os.Mkdir(scripts, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		write(t, filepath.Join(scripts, pairs[i]), pairs[i+1])
	}
	return NewLoader(Options{Folder: scripts, Base: base, Workers: 2, Timeout: host.MaxTimeout}), base
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// load loads a generation and closes it at the end of the test.
func load(t testing.TB, l *Loader) *Generation {
	t.Helper()
	g, err := l.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// script loads a folder of one script.
func script(t testing.TB, text string) *Generation {
	t.Helper()
	l, _ := folder(t, "a.js", text)
	return load(t, l)
}

// call calls a flow function.
func call(t testing.TB, g *Generation, name string, args ...expr.Value) (expr.Value, error) {
	t.Helper()
	f, ok := g.Functions()[name]
	if !ok {
		t.Fatalf("no function %q", name)
	}
	return f.Call(&expr.Context{Context: t.Context()}, args)
}

// wantError fails unless the error contains the text.
func wantError(t testing.TB, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want an error with %q", err, text)
	}
}
