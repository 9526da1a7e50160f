package autosync

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
)

func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, f := store.NewMemory(), newFake(Supported, "HR", "AD")
		f.targets = func(agent string) []string { return map[string][]string{"HR": {"AD"}}[agent] }
		settings := settingsFor(Supported, "HR", "AD")
		settings.Agents[0].Import = Schedule{} // Once does not wait for it
		settings.Stagger = 2 * time.Second
		f.change("HR", 3)
		s := newScheduler(t, st, f, settings)
		once := func(want ...string) {
			t.Helper()
			f.history = nil
			summary, err := s.Once(t.Context(), Changes)
			if err != nil || summary.Failed || summary.Errors || len(summary.Left) > 0 || len(summary.Runs) != len(want) {
				t.Errorf("%+v, %v", summary, err)
			}
			if diff := cmp.Diff(want, f.runs()); diff != "" {
				t.Error(diff)
			}
			if f.broken != nil || f.left() != nil {
				t.Error(f.broken, f.left())
			}
		}
		once("HR full-import", "AD full-import", "HR delta-sync", "AD export", "AD delta-import")
		once("HR delta-import", "AD delta-import")

		// What an earlier scheduler left is done too, after all imports.
		f.agents["HR"].Facts = Facts{Agent: "HR", Imported: true, FailedImports: 1, NeedsFullSync: true}
		if err := s.Request(request("AD", "full-import", CauseTrigger)); err != nil {
			t.Fatal(err)
		}
		s = newScheduler(t, st, f, settings)
		once("HR delta-import", "AD delta-import", "AD full-import", "HR full-sync", "AD export", "AD delta-import")
	})
}

// What fails is tried again as long as something changes, and reported.
func TestOnceFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(Overlap, "HR", "AD", "Web")
		for _, name := range f.order {
			f.agents[name].Imported = true
		}
		f.agents["AD"].FailedExports = 5 // from an earlier call
		f.failObjects = func() int { return 1 }
		f.change("HR", 3)
		f.wait = func(ctx context.Context, agent, profile string) (run.Result, error) {
			if agent == "Web" {
				return "no-start-connection", nil
			}
			if profile == "delta-sync" {
				return "success", sleep(ctx, 2500*time.Millisecond)
			}
			return "success", sleep(ctx, time.Second)
		}
		st := store.NewMemory()
		s := newScheduler(t, st, f, settingsFor(Overlap, "HR", "AD", "Web"))
		if err := s.Request(request("Web", "full-import", CauseTrigger)); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		summary, err := s.Once(t.Context(), Changes)
		if err != nil || !summary.Failed || !summary.Errors {
			t.Errorf("%+v, %v", summary, err)
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("it waited %v", took)
		}
		got := f.runs()
		slices.Sort(got)
		want := []string{
			"AD delta-import", "AD delta-import", "AD delta-import", // one by call, two to confirm
			"AD export", "AD export", // what failed before the call, and what HR changed
			"AD export",                                                          // once that was confirmed
			"HR delta-import", "HR delta-sync", "HR delta-sync", "HR delta-sync", // likewise, after either confirmation
			"Web delta-import", "Web export", "Web full-import",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		var left []string
		for _, w := range summary.Left {
			left = append(left, w.Agent+" "+w.Profile)
			if !w.NotBefore.IsZero() {
				t.Errorf("%s %s has a time: %v", w.Agent, w.Profile, w.NotBefore)
			}
		}
		// Objects with errors are not left: they were tried.
		if diff := cmp.Diff([]string{"Web export", "Web full-import"}, left, cmpopts.SortSlices(strings.Compare)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"Web full-import"}, stored(t, st)); diff != "" {
			t.Error(diff)
		}
	})
}

// What blocked an object goes with a confirmed export: the object is tried again in
// the same call, and its errors are no longer those of the call. One that fails for
// good is not tried for ever.
func TestOnceTriesAgain(t *testing.T) {
	for _, forGood := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(Overlap, "HR", "AD")
			f.targets = func(agent string) []string { return map[string][]string{"HR": {"AD"}}[agent] }
			f.failObjects = func() int {
				if a := f.agents["HR"]; !hasKind(f.active["HR"], syncing) {
					return 0
				} else if a.PendingImports > 0 || forGood && a.FailedImports > 0 {
					return 1
				}
				return 0
			}
			f.change("HR", 3)
			summary, err := newScheduler(t, store.NewMemory(), f, settingsFor(Overlap, "HR", "AD")).Once(t.Context(), Changes)
			if err != nil || summary.Failed || summary.Errors != forGood {
				t.Errorf("%+v, %v", summary, err)
			}
			want := []string{"HR full-import", "AD full-import", "HR delta-sync", "AD export", "AD delta-import", "HR delta-sync"}
			if !forGood {
				want = append(want, "AD export", "AD delta-import")
			}
			if diff := cmp.Diff(want[2:], f.runs()[2:]); diff != "" { // the imports go on at the same time
				t.Error(diff)
			}
		})
	}
}

// Without its first import an agent holds every synchronization.
func TestOnceFirstImportFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(Overlap, "HR", "AD")
		f.agents["HR"].Imported = true
		f.change("HR", 3)
		f.wait = func(ctx context.Context, agent, _ string) (run.Result, error) {
			if agent == "AD" {
				return "no-start-connection", nil
			}
			return "success", sleep(ctx, time.Second)
		}
		summary, err := newScheduler(t, store.NewMemory(), f, settingsFor(Overlap, "HR", "AD")).Once(t.Context(), Changes)
		if err != nil || !summary.Failed || summary.Errors {
			t.Errorf("%+v, %v", summary, err)
		}
		if diff := cmp.Diff([]string{"AD full-import", "HR delta-import"}, f.runs()); diff != "" {
			t.Error(diff)
		}
		if len(summary.Left) != 2 || !strings.HasPrefix(summary.Left[0].For, "the first import of AD, which failed") {
			t.Errorf("left: %+v", summary.Left)
		}
	})
}

func TestOnceGoesRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(Overlap, "A", "B")
		f.wait = func(_ context.Context, agent, profile string) (run.Result, error) {
			if profile == "export" {
				f.mu.Lock()
				f.agents[agent].echo = 1
				f.mu.Unlock()
			}
			return "success", nil
		}
		f.change("A", 1)
		summary, err := newScheduler(t, store.NewMemory(), f, settingsFor(Overlap, "A", "B")).Once(t.Context(), Changes)
		if err != nil || !summary.Failed || len(summary.Left) == 0 || !strings.Contains(summary.Left[0].For, "circles") {
			t.Errorf("%+v, %v", summary.Left, err)
		}
	})
}

func TestOnceGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(Overlap, "HR", "AD")
		s := newScheduler(t, store.NewMemory(), f, settingsFor(Overlap, "HR", "AD"))
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		summary, err := s.Once(ctx, Changes)
		if !errors.Is(err, context.DeadlineExceeded) || len(summary.Runs) != 2 || !summary.Failed {
			t.Errorf("%+v, %v", summary, err)
		}
		f.factErr = errors.New("disk")
		if _, err := s.Once(t.Context(), Changes); !errors.Is(err, f.factErr) {
			t.Error(err)
		}
	})
}

func TestOnceWithObjectErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(Overlap, "HR", "AD")
		f.failObjects = func() int { return 1 }
		f.change("HR", 3)
		summary, err := newScheduler(t, store.NewMemory(), f, settingsFor(Overlap, "HR", "AD")).Once(t.Context(), Changes)
		if err != nil || summary.Failed || !summary.Errors || summary.Left != nil {
			t.Errorf("%+v, %v", summary, err)
		}
	})
}

func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(Overlap, "HR", "AD")
		f.targets = func(agent string) []string { return map[string][]string{"HR": {"AD"}}[agent] }
		settings := settingsFor(Overlap, "HR", "AD")
		settings.Stagger = time.Second
		settings.Agents[0].Import = Schedule{Every: time.Hour}
		s := newScheduler(t, store.NewMemory(), f, settings)
		stop := start(t, s)
		pass(time.Minute)
		if next, want := s.Status().Agents[0].NextImport, time.Now().Add(time.Hour-59*time.Second); !next.Equal(want) {
			t.Errorf("next import at %v, want %v", next, want)
		}
		settle := func(want ...string) Summary {
			t.Helper()
			before := len(f.runs())
			summary, err := s.Settle(t.Context(), Changes)
			if err != nil || len(summary.Runs) != len(want) {
				t.Errorf("%+v, %v", summary, err)
			}
			if diff := cmp.Diff(want, f.runs()[before:]); diff != "" {
				t.Error(diff)
			}
			return summary
		}
		f.change("HR", 1)
		if got := settle("HR delta-import", "AD delta-import", "HR delta-sync", "AD export", "AD delta-import"); got.Failed || got.Left != nil {
			t.Errorf("%+v", got)
		}

		// What is in a back-off is tried, and then left.
		f.mu.Lock()
		wait := f.wait
		f.wait = func(ctx context.Context, agent, profile string) (run.Result, error) {
			if profile == "export" {
				return "stopped-connectivity", nil
			}
			return wait(ctx, agent, profile)
		}
		f.mu.Unlock()
		f.change("HR", 1)
		got := settle("HR delta-import", "AD delta-import", "HR delta-sync", "AD export")
		if !got.Failed || len(got.Left) != 1 || got.Left[0].Profile != "export" || got.Left[0].NotBefore.IsZero() {
			t.Errorf("%+v", got)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Settle(ctx, Changes); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		ended := make(chan error)
		go func() {
			_, err := s.Settle(t.Context(), Changes)
			ended <- err
		}()
		synctest.Wait()
		stop()
		if err := <-ended; !errors.Is(err, ErrStopped) {
			t.Error(err)
		}
		if _, err := s.Settle(t.Context(), Changes); !errors.Is(err, ErrStopped) {
			t.Error(err)
		}
	})
}

// Everything is imported fully, and then synchronized fully, once; by a scheduler that is
// running, too.
func TestSweepEverything(t *testing.T) {
	want := []string{"AD full-import", "AD full-sync", "HR full-import", "HR full-sync"}
	for name, sweep := range map[string]func(context.Context, *Scheduler) (Summary, error){
		"once": func(ctx context.Context, s *Scheduler) (Summary, error) { return s.Once(ctx, Everything) },
		"settle": func(ctx context.Context, s *Scheduler) (Summary, error) {
			ctx, stop := context.WithCancel(ctx)
			ended := make(chan error)
			go func() { ended <- s.Run(ctx) }()
			synctest.Wait()
			summary, err := s.Settle(ctx, Everything)
			stop()
			return summary, errors.Join(err, <-ended)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(Overlap, "HR", "AD")
				f.targets = func(string) []string { return nil }
				for _, a := range f.agents {
					a.Imported = true
				}
				s := newScheduler(t, store.NewMemory(), f, settingsFor(Overlap, "HR", "AD"))
				summary, err := sweep(t.Context(), s)
				if err != nil || summary.Failed || len(summary.Left) > 0 {
					t.Fatalf("%+v, %v", summary, err)
				}
				got := f.runs()
				for _, agent := range []string{"HR", "AD"} {
					if slices.Index(got, agent+" full-sync") < slices.Index(got, agent+" full-import") {
						t.Errorf("%s is synchronized before it is imported: %v", agent, got)
					}
				}
				slices.Sort(got)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// Whoever asks while a scheduler works hears of objects that fail, as from Once: they are
// tried once more, although they wait for a later time.
func TestSettleTriesFailedObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f, _, _ := controlled(t, Controller{})
		f.agents["HR"].FailedImports = 2
		f.failObjects = func() int { return 2 }
		stop := start(t, s)
		defer stop()
		pass(20 * time.Minute)
		before := len(f.runs())
		summary, err := s.Settle(t.Context(), Changes)
		if err != nil || !summary.Errors || summary.Failed || len(summary.Left) != 0 {
			t.Errorf("%+v, %v", summary, err)
		}
		tries := 0
		for _, r := range f.runs()[before:] {
			if r == "HR delta-sync" {
				tries++
			}
		}
		if tries != 1 {
			t.Errorf("%d tries: %v", tries, f.runs()[before:])
		}
	})
}
