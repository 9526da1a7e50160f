package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/fault"
)

func write(t testing.TB, folder, name, text string) {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	// As a whole, for somebody may be watching.
	aside := filepath.Join(filepath.Dir(path), ".written")
	if err := os.WriteFile(aside, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(aside, path); err != nil {
		t.Fatal(err)
	}
}

func TestRead(t *testing.T) {
	folder, outside := t.TempDir(), t.TempDir()
	for _, name := range []string{
		"b.js", "a.ts", "lib/deep/c.js", "metasync.d.ts", ".hidden.js", "x.js~", "x.js.swp", "y.tmp", "readme.md",
		"node_modules/p/index.js", ".git/d.js", "..data/linked.js", "..data/lib/m.js",
	} {
		write(t, folder, name, "// "+name)
	}
	write(t, folder, "bom.js", "\ufeff1")
	for link, target := range map[string]string{
		"linked.js": "..data/linked.js", "data": "..data/lib", "notes.md": "nowhere.md",
	} {
		if err := os.Symlink(target, filepath.Join(folder, link)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read(folder, "scripts")
	if err != nil {
		t.Fatal(err)
	}
	want := Files{
		{"a.ts", "// a.ts"},
		{"b.js", "// b.js"},
		{"bom.js", "1"},
		{"data/m.js", "// ..data/lib/m.js"},
		{"lib/deep/c.js", "// lib/deep/c.js"},
		{"linked.js", "// ..data/linked.js"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.ID() == (Files{}).ID() || len(got.ID()) != 12 {
		t.Errorf("id %q", got.ID())
	}

	write(t, outside, "secret.js", "1")
	for link, target := range map[string]string{"leak.js": filepath.Join(outside, "secret.js"), "gone.js": "nowhere.js", "more": outside} {
		if err := os.Symlink(target, filepath.Join(folder, link)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, folder, "latin1.js", "\xe4")
	write(t, folder, "huge.js", strings.Repeat(" ", maxFileSize+1))
	_, err = Read(folder, "scripts")
	var list fault.List
	if !errors.As(err, &list) || len(list) != 5 {
		t.Fatalf("got %v, want five errors", err)
	}
	for i, name := range []string{"gone.js", "huge.js", "latin1.js", "leak.js", "more"} {
		if !strings.HasPrefix(list[i].Error(), "scripts/"+name+": script-unreadable: ") {
			t.Errorf("got %v, want %s", list[i], name)
		}
	}

	if _, err := Read(filepath.Join(folder, "nowhere"), ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestReadEndsInALoopOfLinks(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "a.js", "1")
	if err := os.Symlink(".", filepath.Join(folder, "again")); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(folder, "scripts"); err == nil || !strings.Contains(err.Error(), "again/again") {
		t.Errorf("got %v", err)
	}
}

func TestSnapshot(t *testing.T) {
	want := files("a.js", "1", "lib/b.ts", "ä")
	data, err := want.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := UnmarshalFiles(data)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for _, damaged := range []string{
		"", "{", `{"version":2}`, strings.Replace(string(data), `"1"`, `"2"`, 1), `{"version":1,"id":"","files":[]}`,
	} {
		if _, err := UnmarshalFiles([]byte(damaged)); err == nil {
			t.Errorf("%s is accepted", damaged)
		}
	}
	outside, err := files("../a.js", "1").Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := UnmarshalFiles(outside); err == nil || !strings.Contains(err.Error(), "bad name") {
		t.Errorf("got %v", err)
	}
}

func FuzzUnmarshalFiles(f *testing.F) {
	data, err := files("a.js", "1", "b.ts", "2").Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":1,"id":"e3b0c44298fc","files":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		files, err := UnmarshalFiles(data)
		if err != nil {
			return
		}
		again, err := files.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := UnmarshalFiles(again); err != nil || cmp.Diff(files, back) != "" {
			t.Errorf("%v: %s", err, cmp.Diff(files, back))
		}
	})
}

func FuzzCountFromOne(f *testing.F) {
	f.Add("AAAA;;AACA,CAAC")
	f.Add("A,AAAA;gBAAgB")
	f.Fuzz(func(t *testing.T, mappings string) {
		got, err := countFromOne(mappings)
		if err == nil && strings.Count(got, ";") != strings.Count(mappings, ";") {
			t.Errorf("%q has other lines than %q", got, mappings)
		}
	})
}

func TestCountFromOne(t *testing.T) {
	for in, want := range map[string]string{
		"":                 "",
		"AAAA":             "CAAC",
		";;AACA,CAAC;DAA":  ";;CACC,CAAC;AAA",
		"A,EAAA,EAAA;EAAD": "C,EAAC,EAAA;GAAD",
	} {
		if got, err := countFromOne(in); got != want || err != nil {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
	}
	for _, bad := range []string{"!", "g", ","} {
		if got, err := countFromOne(bad); err == nil {
			t.Errorf("%q gives %q", bad, got)
		}
	}
}
