package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLoaderNumbersAndKeeps(t *testing.T) {
	folder, kept := t.TempDir(), KeepFile(filepath.Join(t.TempDir(), "kept.json"))
	l := &Loader{Folder: folder, API: testAPI()}
	if _, err := l.LoadKept(t.Context(), kept, Options{}); !errors.Is(err, ErrNothingKept) {
		t.Errorf("got %v", err)
	}
	for i, text := range []string{`hook("f", () => "one")`, `hook("f", () => "two")`} {
		write(t, folder, "a.js", text)
		g, err := l.Load(t.Context(), Options{Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		if err := g.Keep(kept); err != nil || g.Number() != uint64(i+1) {
			t.Errorf("number %d, %v", g.Number(), err)
		}
	}
	write(t, folder, "a.js", "(")
	if _, err := l.Load(t.Context(), Options{}); err == nil {
		t.Error("a broken folder is loaded")
	}
	g, err := l.LoadKept(t.Context(), kept, Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if got, err := call(t.Context(), t, g, Call{}, "f"); got != "two" || g.Number() != 3 {
		t.Errorf("number %d gives %s, %v", g.Number(), got, err)
	}
	entries, err := os.ReadDir(filepath.Dir(string(kept)))
	if err != nil || len(entries) != 1 {
		t.Errorf("files beside what is kept: %v, %v", entries, err)
	}
	write(t, filepath.Dir(string(kept)), "kept.json", "{}")
	if _, err := l.LoadKept(t.Context(), kept, Options{}); err == nil || errors.Is(err, ErrNothingKept) {
		t.Errorf("damaged scripts: %v", err)
	}
	if err := g.Keep(KeepFile(filepath.Join(folder, "nowhere", "kept"))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestOptionalFolder(t *testing.T) {
	l := &Loader{Folder: filepath.Join(t.TempDir(), "nowhere"), API: testAPI()}
	if _, err := l.Load(t.Context(), Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	l.Optional = true
	g, err := l.Load(t.Context(), Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
}

func TestWriteTypes(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "scripts")
	for i, want := range [][]string{{"host.d.ts", EditorFile}, {"host.d.ts"}} {
		written, err := WriteTypes(folder, "host.d.ts", testAPI().DTS())
		if diff := cmp.Diff(want, written); diff != "" || err != nil {
			t.Errorf("time %d: %v %s", i+1, err, diff)
		}
	}
	if text, err := os.ReadFile(filepath.Join(folder, EditorFile)); err != nil || string(text) != EditorSettings("host.d.ts") {
		t.Errorf("%s, %v", text, err)
	}
	if files, err := Read(folder, ""); len(files) != 0 || err != nil {
		t.Errorf("what is for editors is read as scripts: %v, %v", files, err)
	}
}
