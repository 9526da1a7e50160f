package autosync

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
)

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(Overlap, "HR")
		f.agents["HR"].Imported = true
		var tries []time.Duration
		begin := time.Now()
		works := false
		f.wait = func(context.Context, string, string) (run.Result, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			tries = append(tries, time.Since(begin)/time.Second)
			if works {
				return "success", nil
			}
			return "stopped-connectivity", nil
		}
		s := newScheduler(t, store.NewMemory(), f, settingsFor(Overlap, "HR"))
		stop := start(t, s)
		tried := func() []time.Duration {
			f.mu.Lock()
			defer f.mu.Unlock()
			return slices.Clone(tries)
		}
		ask := func(kind string) {
			t.Helper()
			if err := s.Request(request("HR", "delta-import", kind)); err != nil {
				t.Fatal(err)
			}
		}
		ask(CauseTrigger)
		pass(100 * time.Second)
		if diff := cmp.Diff([]time.Duration{0, 5, 15, 35, 75}, tried()); diff != "" {
			t.Error(diff)
		}
		if b := s.Status().Backoff; len(b) != 1 || b[0].Failures != 5 || !strings.Contains(b[0].Error, "the fake fails") {
			t.Errorf("status: %+v", b)
		}
		ask(CauseTrigger) // at 100: brought forward, and doubled again: 160 s
		pass(time.Second)
		ask(CauseTrigger) // at 101: not before 105
		pass(5 * time.Second)
		ask(CauseManual) // at 106: at once, and from the start: 111
		pass(6 * time.Second)
		if diff := cmp.Diff([]time.Duration{100, 105, 106, 111}, tried()[5:]); diff != "" {
			t.Error(diff)
		}
		f.mu.Lock()
		works = true
		f.mu.Unlock()
		pass(time.Hour)
		if n := len(tried()); n != 10 {
			t.Errorf("%d tries, the request should be done: %v", n, tried())
		}
		if b := s.Status().Backoff; len(b) != 0 {
			t.Errorf("back-off after success: %+v", b)
		}
		stop()
	})
}

// After somebody has put something right, nothing waits for a back-off any more: neither
// runs that stopped nor objects that failed.
func TestAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(Overlap, "HR", "AD")
		for _, a := range f.agents {
			a.Imported = true
		}
		f.agents["AD"].PendingExports = 1
		f.failObjects = func() int { return 1 }
		begin := time.Now()
		tries := map[string][]time.Duration{}
		works := false
		f.wait = func(_ context.Context, agent, profile string) (run.Result, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			tries[agent+" "+profile] = append(tries[agent+" "+profile], time.Since(begin)/time.Second)
			if works || agent == "AD" {
				return "success", nil
			}
			return "stopped-connectivity", nil
		}
		settings := settingsFor(Overlap, "HR", "AD")
		for i := range settings.Agents {
			settings.Agents[i].Import.Off = true
		}
		s := newScheduler(t, store.NewMemory(), f, settings)
		stop := start(t, s)
		defer stop()
		if err := s.Request(request("HR", "delta-import", CauseTrigger)); err != nil {
			t.Fatal(err)
		}
		pass(90 * time.Second)
		f.mu.Lock()
		works = true
		f.mu.Unlock()
		s.Anew()
		pass(time.Second)
		f.mu.Lock()
		defer f.mu.Unlock()
		want := map[string][]time.Duration{"HR delta-import": {0, 5, 15, 35, 75, 90}, "AD export": {0, 60, 90}}
		if diff := cmp.Diff(want, tries); diff != "" {
			t.Error(diff)
		}
	})
}

// What changes nothing although it succeeds, and changes that two systems
// bounce between them, are slowed down.
func TestNoHotLoop(t *testing.T) {
	t.Run("no progress", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(Overlap, "HR")
			f.agents["HR"].Facts = Facts{Agent: "HR", Imported: true, PendingImports: 1}
			var n atomic.Int64
			f.wait = func(context.Context, string, string) (run.Result, error) {
				n.Add(1)
				return "", errors.New("did nothing")
			}
			s, err := New(Options{Engine: liar{f}, Store: store.NewMemory(), Settings: settingsFor(Overlap, "HR")})
			if err != nil {
				t.Fatal(err)
			}
			stop := start(t, s)
			pass(24 * time.Hour)
			if n := n.Load(); n < 10 || n > 400 {
				t.Errorf("%d runs in a day", n)
			}
			stop()
		})
	})
	t.Run("ping-pong", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(Overlap, "A", "B")
			f.wait = func(_ context.Context, agent, profile string) (run.Result, error) {
				if profile == "export" {
					f.mu.Lock()
					f.agents[agent].echo = 1 // the other system changes it back
					f.mu.Unlock()
				}
				return "success", nil
			}
			f.change("A", 1)
			s := newScheduler(t, store.NewMemory(), f, settingsFor(Overlap, "A", "B"))
			stop := start(t, s)
			pass(24 * time.Hour)
			if n := len(f.runs()); n < 2*maxChain || n > 1000 {
				t.Errorf("%d runs in a day", n)
			}
			if q := s.Status().Queue; len(q) == 0 || !strings.Contains(q[0].For, "circles") {
				t.Errorf("queue: %+v", q)
			}
			stop()
		})
	})
	t.Run("unreadable facts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(Overlap, "HR")
			f.factErr = errors.New("disk")
			s := newScheduler(t, store.NewMemory(), f, settingsFor(Overlap, "HR"))
			stop := start(t, s)
			if got := s.Status().Error; got != "disk" {
				t.Errorf("status: %q", got)
			}
			f.mu.Lock()
			f.factErr = nil
			f.mu.Unlock()
			pass(time.Minute)
			if diff := cmp.Diff([]string{"HR full-import"}, f.runs()); diff != "" {
				t.Error(diff)
			}
			stop()
		})
	})
}

// liar says that every run succeeded.
type liar struct{ *fakeEngine }

func (l liar) Execute(ctx context.Context, agent, profile string, cause Cause) (Outcome, error) {
	_, _ = l.fakeEngine.Execute(ctx, agent, profile, cause)
	return Outcome{Run: 1, Result: "success"}, nil
}

func TestFailedObjectsAreRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(Overlap, "HR", "AD")
		f.agents["HR"].Facts = Facts{Agent: "HR", Imported: true, FailedImports: 2}
		f.agents["AD"].Facts = Facts{Agent: "AD", Imported: true, FailedExports: 1}
		f.failObjects = func() int { return 2 }
		f.wait = func(context.Context, string, string) (run.Result, error) { return "success", nil }
		s := newScheduler(t, store.NewMemory(), f, settingsFor(Overlap, "HR", "AD"))
		begin := time.Now()
		stop := start(t, s)
		pass(24 * time.Hour)
		var minutes []time.Duration
		for _, e := range f.history {
			if e.agent == "HR" {
				minutes = append(minutes, e.started.Sub(begin)/time.Minute)
			}
		}
		want := []time.Duration{1, 3, 7, 15, 31, 63, 123, 183}
		if diff := cmp.Diff(want, minutes[:len(want)]); diff != "" {
			t.Error(diff)
		}
		if n := len(f.history); n > 2*(24+len(want)) {
			t.Errorf("%d runs in a day", n)
		}
		f.mu.Lock()
		f.failObjects = func() int { return 0 }
		f.mu.Unlock()
		pass(2 * time.Hour)
		if left := f.left(); left != nil {
			t.Errorf("left: %+v", left)
		}
		stop()
	})
}

func TestFullImportRequired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(Overlap, "HR")
		f.agents["HR"].Imported = true
		lost := true
		f.wait = func(_ context.Context, _, profile string) (run.Result, error) {
			if profile == "delta-import" && lost {
				return run.NoStartFullImport, nil
			}
			lost = false
			return "success", nil
		}
		st := store.NewMemory()
		s := newScheduler(t, st, f, settingsFor(Overlap, "HR"))
		stop := start(t, s)
		if err := s.Request(request("HR", "delta-import", CauseTrigger)); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		if diff := cmp.Diff([]string{"HR delta-import", "HR full-import"}, f.runs()); diff != "" {
			t.Error(diff)
		}
		if left := stored(t, st); left != nil {
			t.Errorf("left in the store: %v", left)
		}
		if b := s.Status().Backoff; len(b) != 0 {
			t.Errorf("back-off: %+v", b)
		}
		stop()
	})
}
