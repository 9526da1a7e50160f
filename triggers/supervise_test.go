package triggers

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/autosync/calendar"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/internal/filewatch"
)

// again returns a harness that goes on where another one ended, as a restart does.
func (h *harness) again() *harness {
	next := newHarness(h.store)
	next.begin, next.Manager.options.History = h.begin, h.Manager.options.History
	return next
}

// watching gives the harness files that the test reports.
func (h *harness) watching() (see func(filewatch.Fingerprint), options chan filewatch.Options) {
	f := fakeWatch{make(chan filewatch.Options, 10), make(chan filewatch.Fingerprint)}
	h.watch = f.watch
	return func(now filewatch.Fingerprint) {
		f.report <- now
		synctest.Wait()
	}, f.options
}

func watchSpec() autosync.TriggerSpec {
	return autosync.TriggerSpec{Name: "file", Agent: "HR", Run: asking("full-import"), Watch: "/data/hr.csv"}
}

const fired = " HR full-import (trigger file)"

// A burst within the least interval is one firing, when it is over; a restart in
// between does not lose it, nor repeat it.
func TestTrailingEdge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		see, _ := h.watching()
		spec := watchSpec()
		spec.MinInterval = 10 * time.Minute
		h.replace(t, spec)
		stop := h.run(t)
		see("1")
		h.expect(t, "0s"+fired)
		for _, f := range []filewatch.Fingerprint{"2", "3", "4"} {
			pass(time.Minute)
			see(f)
		}
		if got := h.Health()[0]; got.State != Waiting || !got.Next.Equal(h.begin.Add(10*time.Minute)) {
			t.Errorf("health: %+v", got)
		}
		pass(7*time.Minute - time.Second)
		h.expect(t)
		pass(time.Second)
		h.expect(t, "10m0s"+fired)
		pass(time.Hour)
		h.expect(t)

		see("5")
		see("6")
		h.expect(t, "1h10m0s"+fired) // for 5
		stop()
		h = h.again()
		_, options := h.watching()
		spec.SkipMissed = true // what was seen before the end does not count as missed
		h.replace(t, spec)
		stop = h.run(t)
		if o := <-options; o.Since == "5" {
			t.Errorf("it does not begin now: %+v", o)
		}
		pass(10*time.Minute - time.Second)
		h.expect(t)
		pass(time.Second)
		h.expect(t, "1h20m0s"+fired)
		stop()
	})
}

// Windows hold or drop what is due; what is held survives a restart, even of a
// trigger that skips what it misses.
func TestWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at midnight UTC
		h := newHarness(store.NewMemory())
		hold := autosync.TriggerSpec{
			Name: "hold", Agent: "HR", Run: asking("full-import"), Cron: "0 3 * * *", TimeZone: time.UTC, SkipMissed: true,
			During: []calendar.Window{{Cron: "0 8 * * *", For: time.Hour}},
		}
		drop := hold
		drop.Name, drop.Cron, drop.DropOutside = "drop", "0 */4 * * *", true
		drop.During = []calendar.Window{{Cron: "0 7 * * *", For: 6 * time.Hour}}
		drop.Exclusions = []calendar.Window{{Cron: "0 11 * * *", For: 90 * time.Minute}}
		h.replace(t, hold, drop)
		stop := h.run(t)
		pass(4 * time.Hour)
		got := h.Health()
		if got[0].State != Held || !got[0].Next.Equal(h.begin.Add(8*time.Hour)) {
			t.Errorf("held: %+v", got[0])
		}
		if got[1].State != Waiting || !got[1].Next.Equal(h.begin.Add(8*time.Hour)) || got[1].LastResult != "dropped: outside of its times" {
			t.Errorf("dropped: %+v", got[1])
		}
		stop()
		h.expect(t)
		h = h.again()
		h.replace(t, hold, drop)
		stop = h.run(t)
		pass(3*time.Hour + 59*time.Minute)
		h.expect(t)
		pass(time.Minute)
		h.expectAny(t, "8h0m0s HR full-import (trigger drop)", "8h0m0s HR full-import (trigger hold)")
		pass(4 * time.Hour) // 12:00 is excluded
		h.expect(t)
		if got := h.Health()[1]; !got.Next.Equal(h.begin.Add(32 * time.Hour)) {
			t.Errorf("next: %v", got.Next)
		}
		stop()
	})
}

// What happens outside is dropped with its mark, so that it does not come back.
func TestDroppedSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		var events []string
		h.options.Event = func(e Event) { events = append(events, e.Kind) }
		see, _ := h.watching()
		spec := watchSpec()
		spec.Exclusions, spec.DropOutside, spec.TimeZone = []calendar.Window{{Cron: "0 0 * * *", For: time.Hour}}, true, time.UTC
		h.replace(t, spec)
		stop := h.run(t)
		see("1")
		pass(2 * time.Hour)
		h.expect(t)
		see("1")
		h.expect(t)
		see("2")
		h.expect(t, "2h0m0s"+fired)
		stop()
		if diff := cmp.Diff([]string{EventDropped}, events); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSkipMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		interval := everySpec(10 * time.Minute)
		interval.SkipMissed = true
		nightly := autosync.TriggerSpec{Name: "nightly", Agent: "HR", Run: asking("full-import"), Cron: "0 2 * * *", TimeZone: time.UTC, SkipMissed: true}
		h.replace(t, interval, nightly)
		h.run(t)()
		pass(150 * time.Minute)
		h = h.again()
		h.replace(t, interval, nightly)
		stop := h.run(t)
		pass(time.Minute)
		h.expect(t)
		if got := h.Health()[1]; got.LastResult != "skipped what was missed" || !got.Next.Equal(h.begin.Add(26*time.Hour)) {
			t.Errorf("health: %+v", got)
		}
		pass(9 * time.Minute)
		h.expect(t, "2h40m0s HR delta-import (trigger poll)")
		stop()
	})
}

// A jitter puts off by less than it says, and by the same each time that the same
// occasion comes.
func TestJitter(t *testing.T) {
	var first []string
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			h := newHarness(store.NewMemory())
			spec := everySpec(10 * time.Minute)
			spec.Jitter = 2 * time.Minute
			h.replace(t, spec)
			stop := h.run(t)
			pass(31*time.Minute + 59*time.Second)
			stop()
			got := h.taken()
			for i, text := range got {
				at, err := time.ParseDuration(strings.Fields(text)[0])
				if due := time.Duration(i+1) * 10 * time.Minute; err != nil || at < due || at >= due+2*time.Minute {
					t.Errorf("occasion %d at %v", i, at)
				}
			}
			if first == nil {
				first = got
			}
			if diff := cmp.Diff(first, got); diff != "" || len(got) != 3 || strings.HasPrefix(got[0], "10m0s") {
				t.Errorf("%v %s", got, diff)
			}
		})
	}
}

// A trigger that is to end with an error ends, also over a restart, until somebody
// changes it.
func TestTerminate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		var events []Event
		h.options.Event = func(e Event) { events = append(events, e) }
		calls := 0
		spec := everySpec(time.Minute)
		spec.Run, spec.TerminateOnError, spec.Version = nil, true, "1"
		spec.Check = func(context.Context, autosync.Occasion) ([]autosync.Request, error) {
			calls++
			return nil, errors.New("broken")
		}
		h.replace(t, spec)
		stop := h.run(t)
		pass(time.Hour)
		check := func() {
			t.Helper()
			if got := h.Health()[0]; got.State != Terminated || got.LastError != "broken" || got.Failures != 1 || calls != 1 || !got.Next.IsZero() {
				t.Errorf("%d calls, %+v", calls, got)
			}
		}
		check()
		if len(events) != 1 || events[0].Kind != EventTerminated || !events[0].Next.IsZero() {
			t.Errorf("events: %+v", events)
		}
		h.replace(t, spec) // nothing has changed
		pass(time.Hour)
		check()
		stop()
		h = h.again()
		h.replace(t, spec)
		check() // before it runs, too
		stop = h.run(t)
		pass(time.Hour)
		check()
		spec.Version = "2"
		h.replace(t, spec)
		pass(time.Minute)
		if calls != 2 {
			t.Errorf("%d calls", calls)
		}
		stop()
	})
}

// Who mends a check need not wait for the end of its pause.
func TestMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		spec := everySpec(time.Minute)
		spec.Check, spec.Version = func(context.Context, autosync.Occasion) ([]autosync.Request, error) { return nil, errors.New("bad") }, "1"
		h.replace(t, spec)
		stop := h.run(t)
		pass(20 * time.Minute)
		h.replace(t, spec) // nothing has changed
		synctest.Wait()
		if got := h.Health()[0]; got.State != BackingOff || got.Failures < 7 || !got.Next.After(time.Now()) {
			t.Errorf("health: %+v", got)
		}
		spec.Check, spec.Version = func(context.Context, autosync.Occasion) ([]autosync.Request, error) { return asking("r"), nil }, "2"
		h.replace(t, spec)
		synctest.Wait()
		h.expect(t, "20m0s HR r (trigger poll)")
		stop()
	})
}

// A source that fails is started again after pauses, from where it was; that it
// works again is told.
func TestSourceFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		var events []string
		h.options.Event = func(e Event) { events = append(events, e.Kind) }
		starts := 0
		h.watch = func(ctx context.Context, o filewatch.Options, changed func(context.Context, filewatch.Fingerprint)) {
			if starts++; starts == 2 {
				panic("no more watches")
			}
			if starts == 3 {
				return
			}
			changed(ctx, filewatch.Fingerprint("content"))
			if starts > 3 {
				<-ctx.Done()
			}
		}
		h.replace(t, watchSpec())
		stop := h.run(t)
		synctest.Wait()
		h.expect(t, "0s"+fired)
		if got := h.Health()[0]; got.State != BackingOff || got.Failures != 1 || got.LastError != "the source has ended" || !got.Backoff.Equal(h.begin.Add(5*time.Second)) {
			t.Errorf("health: %+v", got)
		}
		pass(6 * time.Second)
		if got := h.Health()[0]; got.Failures != 2 || !strings.HasPrefix(got.LastError, "panic: no more watches") {
			t.Errorf("health: %+v", got)
		}
		pass(time.Minute)
		h.expect(t) // it was dealt with
		if got := h.Health()[0]; got.State != Waiting || got.Failures != 0 || got.LastError != "" {
			t.Errorf("health: %+v", got)
		}
		if diff := cmp.Diff([]string{EventFailed, EventFailed, EventFailed, EventRecovered}, events); diff != "" {
			t.Error(diff)
		}
		stop()
	})
}

// breaking is a store that cannot write when it is told so.
type breaking struct {
	store.Store
	broken bool
}

func (b *breaking) Update(fn func(store.Tx) error) error {
	if b.broken {
		return errors.New("the power is gone")
	}
	return b.Store.Update(fn)
}

// A process that ends after the request and before the mark is durable makes the
// request again, and asks the check again with what it knew before: nothing that
// it noted is lost with the answer.
func TestEndBetweenRequestAndMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &breaking{Store: store.NewMemory()}
		spec := everySpec(time.Minute)
		spec.Check = func(_ context.Context, on autosync.Occasion) ([]autosync.Request, error) {
			seen, err := on.State.Get("seen")
			if err != nil || string(seen) == "7" {
				return nil, err
			}
			if err := on.State.Set("seen", []byte("7")); err != nil {
				return nil, err
			}
			if seen, err := on.State.Get("seen"); string(seen) != "7" || err != nil {
				t.Errorf("it does not see what it set: %q, %v", seen, err)
			}
			return []autosync.Request{{}}, nil
		}
		h := newHarness(st)
		fire := h.options.Fire
		h.options.Fire = func(r autosync.Request) error {
			st.broken = true
			return fire(r)
		}
		h.replace(t, spec)
		stop := h.run(t)
		pass(time.Minute)
		h.expect(t, "1m0s HR delta-import (trigger poll)")
		stop()
		st.broken = false
		h = h.again()
		h.replace(t, spec)
		stop = h.run(t)
		pass(time.Second)
		h.expect(t, "1m0s HR delta-import (trigger poll)")
		pass(5 * time.Minute)
		h.expect(t)
		stop()
	})
}

// A check that fails keeps nothing of what it set.
func TestFailedCheckKeepsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		calls := 0
		spec := everySpec(time.Minute)
		spec.Check = func(_ context.Context, on autosync.Occasion) ([]autosync.Request, error) {
			if seen, err := on.State.Get("seen"); seen != nil || err != nil {
				t.Errorf("it knows %q, %v", seen, err)
			}
			if err := on.State.Set("seen", []byte("7")); err != nil {
				t.Error(err)
			}
			if calls++; calls == 1 {
				return nil, errors.New("late")
			}
			return []autosync.Request{{}}, nil
		}
		h.replace(t, spec)
		stop := h.run(t)
		pass(70 * time.Second)
		h.expect(t, "1m5s HR delta-import (trigger poll)")
		stop()
		if seen, err := newState(h.store, idOf(spec), ofCheck).get("seen"); string(seen) != "7" || err != nil {
			t.Errorf("kept %q, %v", seen, err)
		}
	})
}

// A trigger that is disabled does nothing and says so; when it is enabled again it
// does not make up for the times that have passed.
func TestDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		spec := everySpec(10 * time.Minute)
		h.replace(t, spec)
		stop := h.run(t)
		pass(10 * time.Minute)
		h.expect(t, "10m0s HR delta-import (trigger poll)")
		spec.Disabled = true
		h.replace(t, spec)
		pass(time.Hour)
		h.expect(t)
		if got := h.Health()[0]; got.State != Disabled || !got.Next.IsZero() || got.LastFire.IsZero() {
			t.Errorf("health: %+v", got)
		}
		spec.Disabled = false
		h.replace(t, spec)
		pass(9 * time.Minute)
		h.expect(t)
		pass(time.Minute)
		h.expect(t, "1h20m0s HR delta-import (trigger poll)")
		stop()
	})
}

// Who changes a cron time does not want it to make up for what the new one would
// have been due for; who changes an interval has it go on from the last time.
func TestChangedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		nightly := autosync.TriggerSpec{Name: "nightly", Agent: "HR", Run: asking("full-import"), Cron: "0 2 * * *", TimeZone: time.UTC}
		interval := everySpec(time.Hour)
		h.replace(t, nightly, interval)
		stop := h.run(t)
		pass(5*time.Hour + 30*time.Minute)
		h.taken()
		nightly.Cron, interval.Every = "0 4 * * *", 40*time.Minute
		h.replace(t, nightly, interval)
		pass(10*time.Minute - time.Second)
		h.expect(t)
		pass(time.Second)
		h.expect(t, "5h40m0s HR delta-import (trigger poll)")
		stop()
	})
}

// A schedule has a start and goes on from there.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		spec := autosync.TriggerSpec{Name: "s", Agent: "HR", Run: asking("full-import", "export")}
		spec.Schedule = &autosync.Period{Start: h.begin.Add(90 * time.Minute), Every: 24 * time.Hour}
		spec.Partition, spec.Exclusive = "north", true
		once := autosync.TriggerSpec{Name: "once", Agent: "AD", Run: asking("full-sync")}
		once.Schedule = &autosync.Period{Start: h.begin.Add(2 * time.Hour)}
		var got []autosync.Request
		h.options.Fire = func(r autosync.Request) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			got = append(got, r)
			return nil
		}
		h.replace(t, spec, once)
		stop := h.run(t)
		pass(26 * time.Hour)
		stop()
		cause := autosync.Cause{Kind: autosync.CauseTrigger, Name: "s"}
		imports := autosync.Request{Agent: "HR", Profile: "full-import", Partition: "north", Exclusive: true, Cause: cause}
		exports := imports
		exports.Profile = "export"
		want := []autosync.Request{
			imports, exports,
			{Agent: "AD", Profile: "full-sync", Cause: autosync.Cause{Kind: autosync.CauseTrigger, Name: "once"}},
			imports, exports,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if health := h.Health(); health[0].LastResult != "requested HR full-import north, HR export north" || !health[1].Next.IsZero() {
			t.Errorf("health: %+v", health)
		}
	})
}

// pastRuns is a run history.
type pastRuns []autosync.Completed

func (p *pastRuns) Ended(after uint64) iter.Seq2[autosync.Completed, error] {
	return func(yield func(autosync.Completed, error) bool) {
		for _, c := range *p {
			if c.Run > after && !yield(c, nil) {
				return
			}
		}
	}
}

func TestAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		past := &pastRuns{}
		h.options.History = past
		var asked []uint64
		ended := func(number uint64, agent, profile string, result run.Result) {
			c := autosync.Completed{Run: number, Agent: agent, Profile: profile, Result: result}
			*past = append(*past, c)
			h.Completed(c)
			synctest.Wait()
		}
		ended(1, "AD", "export", run.Success) // before the trigger was
		exports := autosync.TriggerSpec{
			Name: "file", Agent: "HR", Run: asking("full-import"), After: &autosync.After{Agent: "AD", Run: "export"},
		}
		failures := autosync.TriggerSpec{Name: "failures", Agent: "HR", After: &autosync.After{Agent: "AD", Result: "failed"}}
		failures.Check = func(_ context.Context, on autosync.Occasion) ([]autosync.Request, error) {
			asked = append(asked, on.Run.Run)
			return nil, nil
		}
		h.replace(t, exports, failures)
		stop := h.run(t)
		synctest.Wait()
		h.expect(t)
		ended(2, "AD", "export", run.Success)
		h.expect(t, "0s"+fired)
		ended(3, "AD", "full-import", run.Success)
		ended(4, "HR", "export", run.Success)
		ended(5, "AD", "export", run.CompletedExportErrors)
		ended(6, "AD", "export", run.StoppedExportThreshold)
		h.expect(t)
		ended(7, "AD", "export", run.CompletedNoObjects)
		h.expect(t, "0s"+fired)
		stop()
		ended(8, "AD", "export", run.Success) // while it did not work, several times
		ended(9, "AD", "export", run.Success)
		ended(10, "AD", "full-sync", "stopped-server-down")
		h = h.again()
		h.replace(t, exports, failures)
		stop = h.run(t)
		synctest.Wait()
		h.expect(t, "0s"+fired)
		stop()
		h = h.again()
		h.replace(t, exports, failures)
		stop = h.run(t)
		synctest.Wait()
		h.expect(t)
		own := autosync.Completed{Run: 11, Agent: "AD", Profile: "export", Result: run.Success}
		own.Cause = autosync.Cause{Kind: autosync.CauseTrigger, Name: "file"}
		h.Completed(own) // it asked for that itself
		synctest.Wait()
		h.expect(t)
		stop()
		if diff := cmp.Diff([]uint64{6, 10}, asked); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCircles(t *testing.T) {
	after := func(name, agent string, of autosync.After, requests ...autosync.Request) autosync.TriggerSpec {
		return autosync.TriggerSpec{Name: name, Agent: agent, After: &of, Run: requests}
	}
	one := after("one", "A", autosync.After{Agent: "B"}, asking("export")...)
	two := after("two", "B", autosync.After{Agent: "A", Run: "export"}, asking("delta-import")...)
	err := Validate([]autosync.TriggerSpec{one, two})
	if err == nil || !strings.Contains(err.Error(), "again and again: one -> two -> one") {
		t.Errorf("got %v", err)
	}
	self := after("self", "A", autosync.After{Agent: "A"}, asking("full-sync")...)
	if err := Validate([]autosync.TriggerSpec{self}); err == nil || !strings.Contains(err.Error(), "self -> self") {
		t.Errorf("got %v", err)
	}
	two.Run = asking("delta-import", "full-sync")
	one.After.Run = "export"
	if err := Validate([]autosync.TriggerSpec{one, two}); err != nil {
		t.Errorf("no circle: %v", err)
	}
	self.Disabled = true
	if err := Validate([]autosync.TriggerSpec{self}); err != nil {
		t.Errorf("disabled: %v", err)
	}
}
