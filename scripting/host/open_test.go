package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/fault"
)

// hostAPI has events, tests and a function.
func hostAPI() *API {
	return &API{
		Kinds:     []Kind{TestKind, Events("on", "Listens.", Event{Name: "ask", Type: "string", Result: "string"})},
		Functions: []Member{{Name: "double", Call: Func(func(n int) int { return 2 * n })}},
		Objects:   []Object{*Log, *TestObject("Compares.")},
		Types:     []Type{Module},
	}
}

// says is a script that answers.
func says(answer string) string { return fmt.Sprintf("on('ask', () => %q);\n", answer) }

// open opens a host over a folder, with what it tells in a channel.
func open(t *testing.T, c Config) (*Host, chan Outcome) {
	t.Helper()
	outcomes := make(chan Outcome, 100)
	c.API, c.Quiet, c.Rescan = hostAPI(), 20*time.Millisecond, time.Hour
	c.Options.Prefix, c.Options.Workers, c.Options.Timeout = "scripts", 2, MaxTimeout
	c.Changed = func(o Outcome) { outcomes <- o }
	h, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h, outcomes
}

// ask returns the answers of the scripts in force.
func ask(t *testing.T, h *Host) string {
	t.Helper()
	answers, err := h.Call(t.Context(), "on", "ask", "?")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Trim(fmt.Sprint(answers), "[]")
}

func TestReload(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "a.ts", says("one")+"test('t', t => t.equal(double(2), 4))")
	refuse := ""
	h, outcomes := open(t, Config{Folder: folder, Check: func(ctx context.Context, next *Generation) error {
		if answers, err := next.Call(ctx, "on", "ask", "?"); err != nil || answers[0] == refuse {
			return fmt.Errorf("%v is no answer, %w", answers, err)
		}
		return nil
	}})
	if o := <-outcomes; !o.Swapped || o.Err != nil || o.Generation.Number() != 1 {
		t.Errorf("got %+v", o)
	}
	refuse = "never"
	for _, test := range []struct {
		name, text string
		swapped    bool
		wantErr    string
		want       string
	}{
		{"another", says("two"), true, "", "two"},
		{"the same", says("two"), false, "", "two"},
		{"a mistake", says("three") + "let x = ;", false, "scripts/a.ts:2:9: script-syntax-error", "two"},
		{"mended as before", says("two"), false, "", "two"},
		{"an error", says("three") + "\nnull.x", false, "scripts/a.ts:3:6: extension-dll-exception: TypeError", "two"},
		{"no registration", says("three") + "on('ask')", false, "scripts/a.ts:2:1: script-registration-invalid: on: takes a name and a function", "two"},
		{"a failing test", says("three") + "test('t', t => t.equal(double(2), 5))", false, `scripts/a.ts:2:18: script-test-failed: test "t": got 4, want 5`, "two"},
		{"not accepted", says("never"), false, "[never] is no answer", "two"},
		{"accepted", says("three"), true, "", "three"},
	} {
		write(t, folder, "a.ts", test.text)
		err := h.Reload(t.Context())
		o := <-outcomes
		if o.Swapped != test.swapped || fmt.Sprint(o.Err) != fmt.Sprint(err) || (err == nil) != (test.wantErr == "") || err != nil && !strings.HasPrefix(err.Error(), test.wantErr) {
			t.Errorf("%s: %+v, %v; want %v, %q", test.name, o, err, test.swapped, test.wantErr)
		}
		if got := ask(t, h); got != test.want || o.Generation != h.now() {
			t.Errorf("%s: %s is in force, want %s", test.name, got, test.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	write(t, folder, "a.ts", says("four"))
	if err := h.Reload(ctx); !errors.Is(err, context.Canceled) || len(outcomes) > 0 || ask(t, h) != "three" {
		t.Errorf("a reload that was cancelled: %v", err)
	}
}

// A unit of work sees one generation from its start to its end, and that is closed
// after it.
func TestAcquire(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "a.js", says("one"))
	h, _ := open(t, Config{Folder: folder})
	g, release := h.Acquire()
	write(t, folder, "a.js", says("two"))
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := g.Call(t.Context(), "on", "ask", "?"); fmt.Sprint(got) != "[one]" || err != nil || ask(t, h) != "two" {
		t.Errorf("the unit of work sees %v, %v", got, err)
	}
	release()
	if _, err := g.Call(t.Context(), "on", "ask", "?"); !errors.Is(err, ErrClosed) {
		t.Errorf("the old scripts are not closed: %v", err)
	}
}

// Calls that go on while the folder changes again and again all succeed, and see all
// files of one state.
func TestSwapsUnderLoad(t *testing.T) {
	folder := t.TempDir()
	state := func(n int) {
		write(t, folder, "a.js", says(fmt.Sprint(n)))
		write(t, folder, "b.js", says(fmt.Sprint(n)))
	}
	state(0)
	h, _ := open(t, Config{Folder: folder})
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				answers, err := h.Call(context.Background(), "on", "ask", "?")
				if err != nil || len(answers) != 2 || answers[0] != answers[1] {
					t.Errorf("%v, %v", answers, err)
					return
				}
			}
		})
	}
	for n := range 12 {
		state(n)
		if err := h.Reload(t.Context()); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	callers.Wait()
	if got := ask(t, h); got != "11 11" {
		t.Errorf("got %s", got)
	}
}

// A program that starts over a broken folder goes on with what was good last, if that
// still is.
func TestLastGood(t *testing.T) {
	folder := t.TempDir()
	c := Config{Folder: folder, Keep: KeepFile(filepath.Join(t.TempDir(), "kept"))}
	write(t, folder, "a.js", "(")
	c.API = hostAPI()
	if _, err := Open(t.Context(), c); fault.Name(err) != "script-syntax-error" {
		t.Errorf("nothing was kept: %v", err)
	}
	write(t, folder, "a.js", says("good"))
	h, _ := open(t, c)
	h.Close()
	write(t, folder, "a.js", "(")
	h, outcomes := open(t, c)
	if o := <-outcomes; !o.Swapped || !strings.HasPrefix(fmt.Sprint(o.Err), "scripts/a.js:1:2: script-syntax-error") || ask(t, h) != "good" {
		t.Errorf("got %+v", o)
	}
	write(t, folder, "a.js", says("good"))
	if err := h.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	if o := <-outcomes; o.Swapped || o.Err != nil {
		t.Errorf("mended as it was: %+v", o)
	}

	write(t, folder, "a.js", "(")
	c.Check = func(context.Context, *Generation) error { return errHost }
	_, err := Open(t.Context(), c)
	if fault.Name(err) != "script-syntax-error" || !errors.Is(err, errHost) {
		t.Errorf("what was good is not any more: %v", err)
	}

	write(t, folder, "a.js", says("unkept"))
	c.Check, c.Keep = nil, KeepFile(filepath.Join(folder, "nowhere", "kept"))
	if _, err := Open(t.Context(), c); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("scripts that cannot be kept: %v", err)
	}
}

// Watch finds what changes, however it does, and nothing else.
func TestWatch(t *testing.T) {
	link := func(t *testing.T, folder, name, target string) {
		t.Helper()
		aside := filepath.Join(folder, ".aside")
		if err := os.Symlink(target, aside); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(aside, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name           string
		folder         string // in the given one
		before, change func(t *testing.T, base string)
		want           string
	}{
		{
			"a file is written", ".",
			func(t *testing.T, base string) { write(t, base, "a.js", says("one")) },
			func(t *testing.T, base string) { write(t, base, "a.js", says("two")) }, "two",
		},
		{
			"what editors leave does not count", ".",
			func(t *testing.T, base string) { write(t, base, "a.js", says("one")) },
			func(t *testing.T, base string) {
				for _, name := range []string{".a.js.swp", "a.js~", "#a.js#", "4913.tmp", "notes.md", "types.d.ts", "node_modules/p/a.js", ".git/a.js"} {
					write(t, base, name, says("wrong"))
				}
				if err := os.Chtimes(filepath.Join(base, "a.js"), time.Time{}, time.Now().Add(-time.Hour)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(100 * time.Millisecond) // several times Quiet
				write(t, base, "b.js", says("right"))
			}, "one right",
		},
		{
			"a new folder", ".",
			func(t *testing.T, base string) { write(t, base, "a.js", says("one")) },
			func(t *testing.T, base string) { write(t, base, "deep/er/b.js", says("two")) }, "one two",
		},
		{
			"a file is removed", ".",
			func(t *testing.T, base string) {
				write(t, base, "a.js", says("one"))
				write(t, base, "b.js", says("two"))
			},
			func(t *testing.T, base string) {
				if err := os.Remove(filepath.Join(base, "a.js")); err != nil {
					t.Fatal(err)
				}
			}, "two",
		},
		{
			"the links of a mounted volume are swapped", ".",
			func(t *testing.T, base string) {
				write(t, base, "..1/a.js", says("one"))
				write(t, base, "..2/a.js", says("two"))
				link(t, base, "..data", "..1")
				link(t, base, "a.js", "..data/a.js")
			},
			func(t *testing.T, base string) { link(t, base, "..data", "..2") }, "two",
		},
		{
			"the folder is a link that is swapped", "current",
			func(t *testing.T, base string) {
				write(t, base, "release1/a.js", says("one"))
				write(t, base, "release2/a.js", says("two"))
				link(t, base, "current", "release1")
			},
			func(t *testing.T, base string) { link(t, base, "current", "release2") }, "two",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			base := t.TempDir()
			test.before(t, base)
			h, outcomes := open(t, Config{Folder: filepath.Join(base, test.folder)})
			<-outcomes
			ended := make(chan struct{})
			go func() { defer close(ended); h.Watch(t.Context()) }()
			test.change(t, base)
			if o := <-outcomes; !o.Swapped || o.Err != nil {
				t.Errorf("got %+v", o)
			}
			if diff := cmp.Diff(test.want, ask(t, h)); diff != "" {
				t.Error(diff)
			}
			h.Close()
			<-ended
			if len(outcomes) > 0 {
				t.Errorf("one change is told again: %+v", <-outcomes)
			}
			h.Watch(t.Context()) // of a closed host returns
		})
	}
}
