package logging

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func textHandler(w io.Writer) slog.Handler {
	return slog.NewTextHandler(w, &slog.HandlerOptions{Level: AnyLevel, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
}

// filesOf returns the names in a folder with what is in them.
func filesOf(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}

func write(t *testing.T, f *File, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if _, err := fmt.Fprintln(f, line); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRotation(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "log")
	now := time.Date(2026, 1, 5, 2, 0, 0, 0, time.UTC)
	o := FileOptions{Path: filepath.Join(folder, "m.log"), MaxSize: 10, MaxAge: 24 * time.Hour, Keep: 2, Now: func() time.Time { return now }}
	f, err := OpenFile(o)
	if err != nil {
		t.Fatal(err)
	}
	write(t, f, "one", "two", "three", "a line that is longer than a file")
	want := map[string]string{
		"m-20260105T020000.000Z.log": "one\ntwo\n",
		"m-20260105T020000.001Z.log": "three\n",
		"m.log":                      "a line that is longer than a file\n",
	}
	if diff := cmp.Diff(want, filesOf(t, folder)); diff != "" {
		t.Errorf("by size (-want +got):\n%s", diff)
	}
	// A file that is old goes, whatever its size, and the oldest is removed. A process
	// that starts knows how old the file is.
	now = now.Add(time.Hour)
	write(t, f, "four")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	now = now.Add(23 * time.Hour)
	if f, err = OpenFile(o); err != nil {
		t.Fatal(err)
	}
	write(t, f, "five")
	if got := filesOf(t, folder)["m.log"]; got != "four\nfive\n" {
		t.Errorf("rotated too early: %q", got)
	}
	now = now.Add(time.Hour)
	write(t, f, "six")
	want = map[string]string{
		"m-20260105T030000.000Z.log": "a line that is longer than a file\n",
		"m-20260106T030000.000Z.log": "four\nfive\n",
		"m.log":                      "six\n",
	}
	if diff := cmp.Diff(want, filesOf(t, folder)); diff != "" {
		t.Errorf("by age (-want +got):\n%s", diff)
	}
	// Another program may rotate, too.
	if err := os.Rename(o.Path, o.Path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(); err != nil {
		t.Fatal(err)
	}
	write(t, f, "seven")
	if got := filesOf(t, folder); got["m.log"] != "seven\n" || got["m.log.1"] != "six\n" {
		t.Errorf("after a rename: %q", got)
	}
	info, err := os.Stat(o.Path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// What loggers write that were derived before a change follows the change.
func TestChange(t *testing.T) {
	var stderr bytes.Buffer
	l := New(func(string) slog.Handler { return textHandler(&stderr) }, slog.LevelInfo)
	derived := l.Logger().With("agent", "HR").WithGroup("g").With("a", 1)
	derived.Info("one")
	derived.Debug("not shown")
	path := filepath.Join(t.TempDir(), "m.log")
	if err := l.Configure(Options{File: FileOptions{Path: path}, Format: "json", Level: slog.LevelDebug}); err != nil {
		t.Fatal(err)
	}
	derived.Debug("two")
	derived.Error("three")
	if err := l.Configure(Options{File: FileOptions{Path: filepath.Join(path, "no", "folder")}}); err == nil {
		t.Error("a log in a file that is no folder")
	}
	derived.Debug("four")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	derived.Warn("five")
	want := "level=INFO msg=one agent=HR g.a=1\nlevel=ERROR msg=three agent=HR g.a=1\nlevel=WARN msg=five agent=HR g.a=1\n"
	if diff := cmp.Diff(want, stderr.String()); diff != "" {
		t.Errorf("standard error (-want +got):\n%s", diff)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	for i, word := range []string{"two", "three", "four"} {
		if i >= len(lines) || !strings.Contains(lines[i], `"msg":"`+word+`","agent":"HR","g":{"a":1}}`) {
			t.Errorf("line %d is not %q: %q", i, word, lines)
		}
	}
}

// No line is lost or cut while the output changes and files are rotated.
func TestNoLineIsLost(t *testing.T) {
	folder := t.TempDir()
	l := New(func(string) slog.Handler { return slog.DiscardHandler }, slog.LevelInfo)
	options := func(name string) Options {
		return Options{File: FileOptions{Path: filepath.Join(folder, name), MaxSize: 2000}, Format: "json"}
	}
	if err := l.Configure(options("a.log")); err != nil {
		t.Fatal(err)
	}
	const writers, each = 4, 200
	var working sync.WaitGroup
	for w := range writers {
		working.Go(func() {
			log := l.Logger().With("writer", w)
			for i := range each {
				log.Info("line", "number", i)
			}
		})
	}
	for i := range 50 {
		if err := l.Configure(options([]string{"a.log", "b.log"}[i%2])); err != nil {
			t.Fatal(err)
		}
	}
	working.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	lines := 0
	for name, text := range filesOf(t, folder) {
		for line := range strings.Lines(text) {
			if lines++; !strings.HasPrefix(line, `{"time":`) || !strings.HasSuffix(line, "}\n") {
				t.Errorf("%s: a line that is cut: %q", name, line)
			}
		}
	}
	if lines != writers*each {
		t.Errorf("%d lines, want %d", lines, writers*each)
	}
}

func TestContext(t *testing.T) {
	var stderr bytes.Buffer
	l := New(func(string) slog.Handler { return textHandler(&stderr) }, slog.LevelInfo)
	ctx := With(With(t.Context(), slog.Int("run", 7)), slog.String("agent", "HR"))
	l.Logger().InfoContext(ctx, "one", "a", 1)
	if want := "level=INFO msg=one a=1 run=7 agent=HR\n"; stderr.String() != want {
		t.Errorf("got %q, want %q", stderr.String(), want)
	}
}

func TestPriorities(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(Prioritized(&out, textHandler)).With("a", 1)
	log.Debug("d")
	log.Info("i")
	log.Warn("w")
	log.Error("e")
	want := "<7>level=DEBUG msg=d a=1\n<6>level=INFO msg=i a=1\n<4>level=WARN msg=w a=1\n<3>level=ERROR msg=e a=1\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
