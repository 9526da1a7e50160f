package autosync

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
)

func newScheduler(t *testing.T, st store.Store, f *fakeEngine, settings Settings) *Scheduler {
	t.Helper()
	s, err := New(Options{Engine: f, Store: st, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start runs a scheduler until the returned function is called.
func start(t *testing.T, s *Scheduler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	synctest.Wait()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// pass lets time pass and everything that happens then happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func request(agent, profile, kind string) Request {
	return Request{Agent: agent, Profile: profile, Cause: Cause{Kind: kind}}
}

func stored(t *testing.T, st store.Store) []string {
	t.Helper()
	queue, _, err := load(st)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for k := range queue {
		list = append(list, k.agent+" "+k.profile)
	}
	slices.Sort(list)
	return list
}

func TestRunUntilQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(Overlap, "HR", "AD")
		f.targets = func(agent string) []string { return map[string][]string{"HR": {"AD"}}[agent] }
		f.change("HR", 3)
		s := newScheduler(t, store.NewMemory(), f, settingsFor(Overlap, "HR", "AD"))
		stop := start(t, s)
		pass(time.Hour)
		want := []string{"HR full-import", "AD full-import", "HR delta-sync", "AD export", "AD delta-import"}
		got := f.runs()
		slices.Sort(got[:2]) // they end in the same moment
		slices.Sort(want[:2])
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		chain := []Cause{
			{Kind: CauseFollowUp, Name: "pending imports", Depth: 1},
			{Kind: CauseFollowUp, Name: "pending exports", Parent: 3, Depth: 2},
			{Kind: CauseFollowUp, Name: "confirming import", Parent: 4, Depth: 3},
		}
		for i, e := range f.history[:2] {
			if e.agent == "HR" {
				chain[0].Parent = uint64(i + 1)
			}
		}
		for i, c := range chain {
			if diff := cmp.Diff(c, f.history[2+i].cause); diff != "" {
				t.Error(diff)
			}
		}
		if status := s.Status(); len(status.Queue)+len(status.Running)+len(status.Backoff) > 0 || status.Hold != "" {
			t.Errorf("not quiet: %+v", status)
		}
		stop()
	})
}

func TestRunTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(t, store.NewMemory(), newFake(Overlap), settingsFor(Overlap))
		stop := start(t, s)
		if err := s.Run(t.Context()); !errors.Is(err, ErrRunning) {
			t.Errorf("second Run: %v", err)
		}
		if _, err := s.Once(t.Context(), Changes); !errors.Is(err, ErrRunning) {
			t.Errorf("Once during Run: %v", err)
		}
		stop()
	})
}

// A request is durable when it is made, served by one run if it is made again
// before the run starts, and by one later run if it is made during the run.
func TestRequestCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, f := store.NewMemory(), newFake(Overlap, "HR")
		f.agents["HR"].Imported = true
		s := newScheduler(t, st, f, settingsFor(Overlap, "HR"))
		for range 3 {
			if err := s.Request(request("HR", "delta-import", CauseTrigger)); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff([]string{"HR delta-import"}, stored(t, st)); diff != "" {
			t.Error(diff)
		}
		stop := start(t, s)
		pass(500 * time.Millisecond) // in the middle of the run
		for range 3 {
			if err := s.Request(request("HR", "delta-import", CauseTrigger)); err != nil {
				t.Fatal(err)
			}
		}
		pass(600 * time.Millisecond) // in the middle of the second
		if diff := cmp.Diff([]string{"HR delta-import"}, stored(t, st)); diff != "" {
			t.Error("a request is forgotten before it was carried out", diff)
		}
		pass(time.Hour)
		if diff := cmp.Diff([]string{"HR delta-import", "HR delta-import"}, f.runs()); diff != "" {
			t.Error(diff)
		}
		if left := stored(t, st); left != nil {
			t.Errorf("left in the store: %v", left)
		}
		stop()
	})
}

func TestRequestSurvives(t *testing.T) {
	for _, same := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			st, f := store.NewMemory(), newFake(Overlap, "HR")
			f.agents["HR"].Imported = true
			s := newScheduler(t, st, f, settingsFor(Overlap, "HR"))
			for kind, profile := range map[string]string{CauseTrigger: "delta-import", CauseManual: "full-sync"} {
				if err := s.Request(request("HR", profile, kind)); err != nil {
					t.Fatal(err)
				}
			}
			stop := start(t, s)
			pass(500 * time.Millisecond)
			stop() // in the middle of a run
			if got := f.history[0].result; got != "stopped-service-shutdown" {
				t.Fatalf("the run ended with %s", got)
			}
			if diff := cmp.Diff([]string{"HR delta-import", "HR full-sync"}, stored(t, st)); diff != "" {
				t.Error(diff)
			}
			f.history = nil
			if !same { // another process
				s = newScheduler(t, st, f, settingsFor(Overlap, "HR"))
			}
			stop = start(t, s)
			pass(time.Hour)
			if diff := cmp.Diff([]string{"HR full-sync", "HR delta-import"}, f.runs()); diff != "" {
				t.Error(diff)
			}
			stop()
		})
	}
}

// A request by hand is tried once, unless a trigger asks for the same.
func TestRequestByHand(t *testing.T) {
	for _, kinds := range [][]string{{CauseManual}, {CauseManual, CauseTrigger}, {CauseTrigger, CauseManual}} {
		synctest.Test(t, func(t *testing.T) {
			st, f := store.NewMemory(), newFake(Overlap, "HR")
			f.agents["HR"].Imported = true
			f.wait = func(context.Context, string, string) (run.Result, error) { return "stopped-connectivity", nil }
			s := newScheduler(t, st, f, settingsFor(Overlap, "HR"))
			for _, kind := range kinds {
				if err := s.Request(request("HR", "delta-import", kind)); err != nil {
					t.Fatal(err)
				}
			}
			// What is durable says the same as what is in memory.
			stop := start(t, newScheduler(t, st, f, settingsFor(Overlap, "HR")))
			pass(6 * time.Second)
			stop()
			if n, want := len(f.runs()), len(kinds); n != want {
				t.Errorf("%v: %d runs, want %d", kinds, n, want)
			}
		})
	}
}

func TestRequestUnknown(t *testing.T) {
	s := newScheduler(t, store.NewMemory(), newFake(Overlap, "HR"), settingsFor(Overlap, "HR"))
	for want, r := range map[string]Request{
		"did you mean HR?":           request("HRR", "delta-import", CauseTrigger),
		"did you mean delta-import?": request("HR", "delta-inport", CauseManual),
	} {
		if got := fault.As(s.Request(r), "other").Hint; got != want {
			t.Errorf("%s %s: hint %q, want %q", r.Agent, r.Profile, got, want)
		}
		if _, err := s.Do(t.Context(), r); fault.As(err, "other").Hint != want {
			t.Errorf("Do %s %s: %v", r.Agent, r.Profile, err)
		}
	}
}

// A store that fails makes Request fail, and never a hot loop of runs.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, f := store.NewMemory(), newFake(Overlap, "HR")
		f.agents["HR"].Imported = true
		s := newScheduler(t, st, f, settingsFor(Overlap, "HR"))
		if err := s.Request(request("HR", "delta-import", CauseTrigger)); err != nil {
			t.Fatal(err)
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Request(request("HR", "full-import", CauseTrigger)); !errors.Is(err, store.ErrClosed) {
			t.Errorf("request: %v", err)
		}
		stop := start(t, s)
		pass(time.Hour)
		if n := len(f.runs()); n < 2 || n > 25 {
			t.Errorf("%d runs in an hour", n)
		}
		stop()
	})
}

func TestDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(Overlap, "HR")
		f.agents["HR"].Imported = true
		st := store.NewMemory()
		s := newScheduler(t, st, f, settingsFor(Overlap, "HR"))
		stop := start(t, s)
		var both sync.WaitGroup
		both.Go(func() {
			if out, err := s.Do(t.Context(), request("HR", "full-sync", CauseManual)); err != nil || out.Run != 1 {
				t.Errorf("got %+v, %v", out, err)
			}
		})
		synctest.Wait()
		for range 2 { // one run for both
			both.Go(func() {
				out, err := s.Do(t.Context(), request("HR", "delta-import", CauseManual))
				if err != nil || out.Run != 2 || out.Result != "success" {
					t.Errorf("got %+v, %v", out, err)
				}
			})
		}
		both.Wait()

		// A failure is returned, and not tried again.
		f.wait = func(context.Context, string, string) (run.Result, error) { return "stopped-connectivity", nil }
		out, err := s.Do(t.Context(), request("HR", "export", CauseManual))
		if err != nil || out.Result != "stopped-connectivity" || out.Err == nil {
			t.Errorf("got %+v, %v", out, err)
		}
		f.wait = func(context.Context, string, string) (run.Result, error) { panic("boom") }
		if _, err = s.Do(t.Context(), request("HR", "full-sync", CauseManual)); err == nil || !strings.Contains(err.Error(), "boom") {
			t.Errorf("a run that panics: %v", err)
		}
		f.end("HR")
		pass(time.Hour)
		if n := len(f.runs()); n != 3 {
			t.Errorf("runs: %v", f.runs())
		}

		// A run that has started goes on without its caller; one that has not is
		// taken back.
		f.wait = func(ctx context.Context, _, _ string) (run.Result, error) { return "success", sleep(ctx, time.Minute) }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		both.Go(func() {
			if _, err := s.Do(ctx, request("HR", "delta-sync", CauseManual)); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
		synctest.Wait()
		if _, err := s.Do(ctx, request("HR", "export", CauseManual)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		both.Wait()
		pass(time.Hour)
		if diff := cmp.Diff([]string{"HR delta-sync"}, f.runs()[3:]); diff != "" {
			t.Error(diff)
		}

		// Those who wait are answered at the end.
		both.Go(func() {
			out, err := s.Do(t.Context(), request("HR", "delta-sync", CauseManual))
			if err != nil || out.Result != "stopped-service-shutdown" {
				t.Errorf("got %+v, %v", out, err)
			}
		})
		synctest.Wait()
		both.Go(func() {
			if _, err := s.Do(t.Context(), request("HR", "export", CauseManual)); !errors.Is(err, ErrStopped) {
				t.Error(err)
			}
		})
		synctest.Wait()
		stop()
		both.Wait()
		if _, err := s.Do(t.Context(), request("HR", "export", CauseManual)); !errors.Is(err, ErrStopped) {
			t.Error(err)
		}
		if left := stored(t, st); left != nil {
			t.Errorf("left in the store: %v", left)
		}
	})
}

// While the first import of an agent fails, nobody waits for a synchronization
// in vain.
func TestDoRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(Overlap, "HR", "AD")
		f.wait = func(ctx context.Context, agent, _ string) (run.Result, error) {
			if agent == "AD" {
				return "no-start-connection", nil
			}
			return "success", sleep(ctx, time.Second)
		}
		s := newScheduler(t, store.NewMemory(), f, settingsFor(Overlap, "HR", "AD"))
		stop := start(t, s)
		pass(10 * time.Second)
		_, err := s.Do(t.Context(), request("HR", "delta-sync", CauseManual))
		if fault.Name(err) != string(run.NoStartFullImport) || !strings.Contains(err.Error(), "AD") {
			t.Error(err)
		}
		if hold := s.Status().Hold; !strings.Contains(hold, "first import of AD") {
			t.Errorf("hold: %q", hold)
		}
		stop()
	})
}

func TestBarrier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(Overlap, "HR", "AD")
		f.agents["HR"].Imported, f.agents["AD"].Imported = true, true
		f.wait = func(ctx context.Context, _, _ string) (run.Result, error) { return "success", sleep(ctx, time.Minute) }
		s := newScheduler(t, store.NewMemory(), f, settingsFor(Overlap, "HR", "AD"))
		stop := start(t, s)
		if err := s.Request(request("HR", "delta-import", CauseTrigger)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Barrier(ctx, func() error { t.Error("called after its time"); return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}

		var swap sync.WaitGroup
		problem := errors.New("no good")
		swap.Go(func() {
			err := s.Barrier(t.Context(), func() error {
				if n := len(f.active); n != 0 {
					t.Errorf("%d runs are active", n)
				}
				if err := s.SetSettings(settingsFor(Overlap, "AD")); err != nil {
					t.Error(err)
				}
				return problem
			})
			if !errors.Is(err, problem) {
				t.Error(err)
			}
		})
		synctest.Wait()
		for _, agent := range []string{"HR", "AD"} {
			if err := s.Request(request(agent, "full-import", CauseTrigger)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if status := s.Status(); !status.Barrier || len(status.Running) != 1 {
			t.Errorf("AD starts although something waits for quiet: %+v", status)
		}
		swap.Wait()
		pass(time.Hour)
		if diff := cmp.Diff([]string{"HR delta-import", "AD full-import"}, f.runs()); diff != "" {
			t.Error(diff)
		}
		if err := s.SetSettings(Settings{Mode: "odd"}); err == nil {
			t.Error("contradictory settings are accepted")
		}

		if err := s.Request(request("AD", "full-import", CauseTrigger)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		swap.Go(func() {
			if err := s.Barrier(t.Context(), func() error { return nil }); !errors.Is(err, ErrStopped) {
				t.Error(err)
			}
		})
		synctest.Wait()
		stop()
		swap.Wait()
		if err := s.Barrier(t.Context(), func() error { return nil }); !errors.Is(err, ErrStopped) {
			t.Error(err)
		}
	})
}

func TestImportSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, f := store.NewMemory(), newFake(Overlap, "HR")
		f.wait = func(context.Context, string, string) (run.Result, error) { return "success", nil }
		settings := settingsFor(Overlap, "HR")
		settings.Agents[0].Import = Schedule{}
		begin := time.Now()
		stop := start(t, newScheduler(t, st, f, settings))
		pass(20 * time.Minute)
		stop()
		pass(9 * time.Minute) // one minute before the next
		stop = start(t, newScheduler(t, st, f, settings))
		pass(2 * time.Minute)
		stop()
		pass(29 * time.Minute) // it misses some
		stop = start(t, newScheduler(t, st, f, settings))
		pass(time.Minute)
		stop()
		var minutes []time.Duration
		for _, e := range f.history {
			minutes = append(minutes, e.started.Sub(begin)/time.Minute)
		}
		if diff := cmp.Diff([]time.Duration{0, 15, 30, 60}, minutes); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(Overlap, "HR", "AD")
		f.agents["HR"].Imported, f.agents["AD"].Imported = true, true
		f.wait = func(context.Context, string, string) (run.Result, error) { return "success", nil }
		s := newScheduler(t, store.NewMemory(), f, settingsFor(Overlap, "HR", "AD"))
		stop := start(t, s)
		f.mu.Lock()
		f.agents["HR"].PendingImports = 1
		f.mu.Unlock()
		s.Wake()
		synctest.Wait()
		if diff := cmp.Diff([]string{"HR delta-sync", "AD export", "AD delta-import"}, f.runs()); diff != "" {
			t.Error(diff)
		}

		// What somebody else left is not taken for the work of an earlier run.
		for range 2 {
			f.mu.Lock()
			f.agents["AD"].PendingExports = 1
			f.mu.Unlock()
			s.Wake()
			synctest.Wait()
		}
		var parents []uint64
		for _, e := range f.history {
			if e.profile == "export" {
				parents = append(parents, e.cause.Parent)
			}
		}
		if diff := cmp.Diff([]uint64{1, 0, 0}, parents); diff != "" {
			t.Error(diff)
		}
		stop()
	})
}

func TestStatusIsJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(Overlap, "HR", "AD")
		f.agents["AD"].Imported = true
		s := newScheduler(t, store.NewMemory(), f, settingsFor("", "HR", "AD"))
		stop := start(t, s)
		defer stop()
		if err := s.Request(request("AD", "delta-sync", CauseTrigger)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		got, err := json.MarshalIndent(s.Status(), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		want := `{
 "mode": "overlap",
 "export": "auto",
 "running": [
  {
   "agent": "HR",
   "profile": "full-import",
   "cause": {
    "kind": "initial"
   },
   "started": "2000-01-01T00:00:00Z"
  }
 ],
 "queue": [
  {
   "agent": "AD",
   "profile": "delta-sync",
   "cause": {
    "kind": "trigger"
   },
   "since": "2000-01-01T00:00:00Z",
   "for": "the first import of HR"
  }
 ],
 "backoff": [],
 "agents": [
  {
   "agent": "HR",
   "imported": false,
   "pendingImports": 0,
   "failedImports": 0,
   "pendingExports": 0,
   "failedExports": 0,
   "unconfirmed": 0,
   "needsFullSync": false
  },
  {
   "agent": "AD",
   "imported": true,
   "pendingImports": 0,
   "failedImports": 0,
   "pendingExports": 0,
   "failedExports": 0,
   "unconfirmed": 0,
   "needsFullSync": false
  }
 ],
 "hold": "the first import of HR",
 "controls": []
}`
		if diff := cmp.Diff(want, strings.ReplaceAll(string(got), time.Now().Format(time.RFC3339), "2000-01-01T00:00:00Z")); diff != "" {
			t.Error(diff)
		}
	})
}
