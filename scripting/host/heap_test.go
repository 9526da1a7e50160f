package host

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/metasync/metasync/engine/fault"
)

// A buffer that several goroutines may write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	tests := map[string]string{
		"array":         `const a = []; for (;;) a.push("item ".repeat(200) + a.length)`,
		"text":          `let s = "x"; for (;;) { s += s.slice(0, 1e6) }`,
		"caught":        `const a = []; for (;;) try { for (;;) a.push(new Array(100).fill(0)) } catch {} finally { continue }`,
		"global":        `globalThis.kept ??= []; for (;;) kept.push(new Uint8Array(1000))`,
		"host function": `const a = []; for (;;) a.push(JSON.parse('{"a":"' + "x".repeat(1000) + '"}'))`,
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			var log syncBuffer
			g := load(t, files("a.js", "hook('f', () => {\n"+body+" });\nhook('after', () => typeof kept)"),
				Options{Workers: 2, Memory: 32 << 20, Log: slog.New(slog.NewTextHandler(&log, nil))})
			_, err := call(t.Context(), t, g, Call{Timeout: MaxTimeout}, "f")
			if fault.Name(err) != NameMemory {
				t.Fatalf("got %v, want %s", err, NameMemory)
			}
			if want := "scripts/a.js:2:"; !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "more memory than the 32 MiB") {
				t.Errorf("got %v, want the place %q and the limit", err, want)
			}
			for range 4 { // all workers
				if got, err := call(t.Context(), t, g, Call{}, "after"); got != "undefined" {
					t.Errorf("the next call: %q, %v", got, err)
				}
			}
			want := `longest.call="hook \"f\"" longest.script=scripts/a.js:1:1`
			eventually(t, "the log holds "+want, func() bool { return strings.Contains(log.String(), want) })
		})
	}
}

// wasLong reports whether a call that began then was rightly ended for the memory: on a
// busy machine one that has nothing to do may not get on for so long.
func wasLong(began time.Time, err error) bool {
	return fault.Name(err) == NameMemory && time.Since(began) >= longCall
}

// What calls leave behind in variables is thrown away, and no call fails for it.
func TestMemoryKeptBetweenCallsIsBounded(t *testing.T) {
	var log syncBuffer
	g := load(t, files("a.js", `const kept = []; hook("keep", () => { kept.push(new ArrayBuffer(100000)); return kept.length })
		hook("other", () => 1)`), Options{Workers: 2, Memory: 32 << 20, Log: slog.New(slog.NewTextHandler(&log, nil))})
	eventually(t, "the workers are thrown away", func() bool {
		for range 20 {
			began := time.Now()
			_, err := call(t.Context(), t, g, Call{Timeout: MaxTimeout}, "keep")
			if err != nil && !wasLong(began, err) {
				t.Fatal(err)
			}
		}
		return strings.Contains(log.String(), "thrown away")
	})
	if want := `most.called="hook \"keep\""`; !strings.Contains(log.String(), want) {
		t.Errorf("the log does not hold %s:\n%s", want, log.String())
	}
}

// A short call that goes on when the memory is full ends by itself.
func TestShortCallsSurviveAFullMemory(t *testing.T) {
	g := load(t, files("a.js", `hook("fill", () => { const a = []; for (;;) a.push(new Uint8Array(1000)) }); hook("short", () => 1)`), Options{Workers: 2, Memory: 32 << 20})
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	callers.Go(func() {
		for ctx.Err() == nil {
			began := time.Now()
			if got, err := call(context.Background(), t, g, Call{Timeout: MaxTimeout}, "short"); got != "1" && !wasLong(began, err) {
				t.Errorf("a short call: %q, %v", got, err)
			}
		}
	})
	_, err := call(t.Context(), t, g, Call{Timeout: MaxTimeout}, "fill")
	if fault.Name(err) != NameMemory {
		t.Errorf("got %v, want %s", err, NameMemory)
	}
	cancel()
	callers.Wait()
}

// Scripts that take too much memory while they are loaded are refused.
func TestMemoryWhileLoading(t *testing.T) {
	_, err := Load(t.Context(), files("a.js", "const a = [];\nfor (;;) a.push(new Uint8Array(1000));"), testAPI(), Options{Workers: 1, Memory: 32 << 20})
	if fault.Name(err) != NameMemory || !strings.Contains(err.Error(), "a.js:2:") {
		t.Errorf("got %v, want %s at a.js:2", err, NameMemory)
	}
}

// Without calls nothing is looked at.
func TestWatchOnTheHeapSleeps(t *testing.T) { synctest.Test(t, watchOnTheHeapSleeps) }

func watchOnTheHeapSleeps(t *testing.T) {
	g := load(t, files("a.js", `hook("f", () => 1)`), Options{})
	for range 2 {
		if _, err := call(t.Context(), t, g, Call{}, "f"); err != nil {
			t.Fatal(err)
		}
		if g.heap.state.Load() == asleep {
			t.Error("it sleeps right after a call")
		}
		time.Sleep(3 * heapInterval)
		synctest.Wait()
		if g.heap.state.Load() != asleep {
			t.Error("it does not sleep")
		}
	}
}
