package autosync

import (
	"context"
	"errors"
	"fmt"
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

// told collects events as "kind agent profile: reason".
type told struct {
	mu   sync.Mutex
	list []string
}

func (l *told) event(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Kind, e.Agent, e.Profile))
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	l.list = append(l.list, text)
}

func (l *told) of(kinds ...EventKind) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.list), func(text string) bool {
		kind, _, _ := strings.Cut(text, " ")
		return !slices.Contains(kinds, EventKind(strings.TrimSuffix(kind, ":")))
	})
}

// controlled returns a scheduler over one imported agent with a controller.
func controlled(t *testing.T, c Controller) (*Scheduler, *fakeEngine, *told, store.Store) {
	t.Helper()
	f := newFake(Overlap, "HR", "AD")
	for _, a := range f.agents {
		a.Imported = true
	}
	settings := settingsFor(Overlap, "HR", "AD")
	for i := range settings.Agents {
		settings.Agents[i].Import.Off = true
	}
	settings.Agents[0].Controller = c
	events, st := &told{}, store.NewMemory()
	s, err := New(Options{Engine: f, Store: st, Settings: settings, Event: events.event})
	if err != nil {
		t.Fatal(err)
	}
	return s, f, events, st
}

func TestControllerRefuses(t *testing.T) {
	answers := map[string]struct {
		permission Permission
		err        error
		runs       int    // of HR, in an hour
		asked      int    // how often the controller was asked meanwhile
		kept       bool   // the request
		reason     string // of the first event
	}{
		"yes":                  {runs: 1, asked: 1},
		"no":                   {permission: Permission{Refused: true, Reason: "month-end"}, asked: 1, reason: "the controller refuses it: month-end"},
		"no, without a reason": {permission: Permission{Refused: true}, asked: 1, reason: "the controller refuses it"},
		"later": {
			permission: Permission{Refused: true, Reason: "backup", RetryAfter: 25 * time.Minute}, asked: 3, kept: true,
			reason: "the controller refuses it: backup",
		},
		"a mistake": {err: errors.New("no such function"), asked: 8, kept: true, reason: "shouldExecute: no such function"},
	}
	for name, test := range answers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				s, f, events, st := controlled(t, Controller{ShouldExecute: func(context.Context, Planned) (Permission, error) {
					asked++
					return test.permission, test.err
				}})
				stop := start(t, s)
				if err := s.Request(request("HR", "delta-import", CauseTrigger)); err != nil {
					t.Fatal(err)
				}
				pass(time.Hour)
				stop()
				if n := len(f.runs()); n != test.runs || asked != test.asked {
					t.Errorf("%d runs, asked %d times; want %d and %d", n, asked, test.runs, test.asked)
				}
				if kept := len(stored(t, st)) > 0; kept != test.kept {
					t.Errorf("request kept: %v", kept)
				}
				failed := events.of(HookFailed)
				if wanted := test.err != nil; wanted != (len(failed) == test.asked) || !wanted && len(failed) > 0 {
					t.Errorf("failures of the hook: %q", failed)
				}
				refused := events.of(RunRefused)
				if test.reason == "" {
					if len(refused) > 0 {
						t.Errorf("refused: %v", refused)
					}
				} else if want := "run.refused HR delta-import: " + test.reason; len(refused) != test.asked || refused[0] != want {
					t.Errorf("%d refusals, %q; want %d, %q", len(refused), refused, test.asked, want)
				}
			})
		})
	}
}

// What the facts call for is asked about again, and goes on once it is allowed.
func TestControllerOfPendingWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open time.Time
		s, f, _, _ := controlled(t, Controller{ShouldExecute: func(_ context.Context, p Planned) (Permission, error) {
			return Permission{Refused: time.Now().Before(open), Reason: "not yet"}, nil
		}})
		open = time.Now().Add(40 * time.Minute)
		f.agents["HR"].PendingExports = 3
		f.agents["AD"].PendingExports = 2
		stop := start(t, s)
		pass(time.Minute)
		if runs := f.runs(); !slices.Equal(runs, []string{"AD export", "AD delta-import"}) {
			t.Errorf("the other agent did not go on: %v", runs)
		}
		pass(time.Hour)
		stop()
		if left := f.left(); left != nil {
			t.Errorf("left: %+v", left)
		}
	})
}

func TestExecutionComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		s, _, events, _ := controlled(t, Controller{ExecutionComplete: func(_ context.Context, p Planned, o Outcome) error {
			seen = append(seen, fmt.Sprint(p.Profile, " ", o.Record.Result))
			if p.Profile == "delta-import" {
				return errors.New("broken")
			}
			return nil
		}})
		f := s.engine.(*fakeEngine)
		f.change("HR", 1)
		stop := start(t, s)
		if err := s.Request(request("HR", "delta-import", CauseTrigger)); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		stop()
		if want := []string{"delta-import success", "delta-sync success"}; !slices.Equal(seen, want) {
			t.Errorf("told %q, want %q", seen, want)
		}
		if failed := events.of(HookFailed); !slices.Equal(failed, []string{"hook.failed HR delta-import: broken"}) {
			t.Errorf("%q", failed)
		}
		if left := f.left(); left != nil {
			t.Errorf("a broken hook stopped the chain: %+v", left)
		}
	})
}

func TestHardStop(t *testing.T) {
	unexpected := func(all bool) error {
		return fmt.Errorf("hook: %w", &UnexpectedChange{Message: "400 leavers", All: all})
	}
	tests := map[string]struct {
		controller Controller
		agent      string   // that is stopped
		runs       []string // that took place
	}{
		"one agent, after a run": {Controller{ExecutionComplete: func(_ context.Context, p Planned, _ Outcome) error {
			return unexpected(false)
		}}, "HR", []string{"HR delta-import", "AD delta-import"}},
		"one agent, before a run": {Controller{ShouldExecute: func(context.Context, Planned) (Permission, error) {
			return Permission{}, unexpected(false)
		}}, "HR", []string{"AD delta-import"}},
		"all, after a run": {Controller{ExecutionComplete: func(_ context.Context, p Planned, _ Outcome) error {
			return unexpected(true)
		}}, "", []string{"HR delta-import"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, f, events, st := controlled(t, test.controller)
				f.change("HR", 1)
				stop := start(t, s)
				if err := s.Request(request("HR", "delta-import", CauseTrigger)); err != nil {
					t.Fatal(err)
				}
				pass(time.Minute)
				if err := s.Request(request("AD", "delta-import", CauseTrigger)); err != nil {
					t.Fatal(err)
				}
				pass(time.Hour)
				if runs := f.runs(); !slices.Equal(runs, test.runs) {
					t.Errorf("ran %v, want %v", runs, test.runs)
				}
				if got := events.of(AgentStopped); len(got) != 1 || got[0] != strings.TrimSpace("agent.stopped "+test.agent)+": 400 leavers" {
					t.Errorf("%q", got)
				}
				if _, err := s.Do(t.Context(), request("HR", "delta-sync", CauseManual)); fault.Name(err) != "no-start-stopped" {
					t.Errorf("a run by hand: %v", err)
				}
				if err := s.Control(Control{Agent: test.agent, Mode: Paused}); err == nil {
					t.Error("a pause took the place of a stop")
				}
				stop()

				// It survives a restart, and ends when somebody resumes.
				settings := s.settings
				settings.Agents[0].Controller = Controller{}
				again, err := New(Options{Engine: f, Store: st, Settings: settings, Event: events.event})
				if err != nil {
					t.Fatal(err)
				}
				stop = start(t, again)
				pass(time.Hour)
				if runs := f.runs(); !slices.Equal(runs, test.runs) {
					t.Errorf("after a restart, ran %v, want %v", runs, test.runs)
				}
				if err := again.Resume(test.agent, "ada"); err != nil {
					t.Fatal(err)
				}
				if err := again.Resume(test.agent, "ada"); !errors.Is(err, ErrNotControlled) {
					t.Errorf("resumed twice: %v", err)
				}
				pass(time.Hour)
				stop()
				if left := f.left(); left != nil {
					t.Errorf("left after the end of the stop: %+v", left)
				}
			})
		})
	}
}

// A hard stop of all cuts the runs short that go on; what asked for them waits.
func TestHardStopCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f, _, st := controlled(t, Controller{ExecutionComplete: func(context.Context, Planned, Outcome) error {
			return &UnexpectedChange{All: true}
		}})
		f.wait = func(ctx context.Context, agent, _ string) (run.Result, error) {
			if agent == "AD" {
				return "success", sleep(ctx, time.Hour)
			}
			return "success", sleep(ctx, time.Second)
		}
		stop := start(t, s)
		for _, agent := range []string{"AD", "HR"} {
			if err := s.Request(request(agent, "delta-import", CauseTrigger)); err != nil {
				t.Fatal(err)
			}
		}
		pass(10 * time.Second)
		if running := s.Status().Running; len(running) > 0 {
			t.Errorf("still running: %+v", running)
		}
		stop()
		if left := stored(t, st); !slices.Equal(left, []string{"AD delta-import"}) {
			t.Errorf("requests left: %v", left)
		}
	})
}

func TestPauseControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f, events, _ := controlled(t, Controller{})
		f.agents["HR"].PendingImports = 2
		f.agents["AD"].Unconfirmed = 1
		if err := s.Control(Control{Mode: Paused, Reason: "backup", By: "ada", Until: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		if err := s.Control(Control{Agent: "Nobody", Mode: Paused}); fault.Name(err) != "unknown-agent" {
			t.Errorf("an agent that does not exist: %v", err)
		}
		stop := start(t, s)
		pass(59 * time.Minute)
		if runs := f.runs(); runs != nil {
			t.Errorf("ran %v", runs)
		}
		status := s.Status()
		if len(status.Queue) == 0 || status.Queue[0].For != "the end of the pause of everything: backup" {
			t.Errorf("waiting: %+v", status.Queue)
		}
		if len(status.Controls) != 1 || status.Controls[0].By != "ada" {
			t.Errorf("controls: %+v", status.Controls)
		}
		pass(2 * time.Minute)
		if left := f.left(); left != nil {
			t.Errorf("left after the pause: %+v", left)
		}
		stop()
		if diff := cmp.Diff([]string{"agent.paused: backup", "agent.resumed: its time is over"}, events.of(AgentPaused, AgentResumed)); diff != "" {
			t.Error(diff)
		}
	})
}

// A drain brings to an end what has begun, and begins nothing.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f, _, st := controlled(t, Controller{})
		f.change("AD", 1)
		f.agents["HR"].PendingImports = 2
		f.targets = func(agent string) []string { return map[string][]string{"HR": {"AD"}}[agent] }
		if err := s.Control(Control{Mode: Draining}); err != nil {
			t.Fatal(err)
		}
		stop := start(t, s)
		if err := s.Request(request("HR", "delta-import", CauseTrigger)); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		stop()
		if want := []string{"HR delta-sync", "AD export", "AD delta-import", "AD delta-sync"}; !slices.Equal(f.runs(), want) {
			t.Errorf("ran %v, want %v", f.runs(), want)
		}
		if left := stored(t, st); !slices.Equal(left, []string{"HR delta-import"}) {
			t.Errorf("requests left: %v", left)
		}
	})
}

func TestExclusiveAndImmediate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f, _, _ := controlled(t, Controller{})
		exclusive, immediate := request("AD", "full-import", CauseTrigger), request("HR", "full-import", CauseTrigger)
		exclusive.Exclusive, immediate.Immediate = true, true
		stop := start(t, s)
		if err := s.Control(Control{Mode: Paused}); err != nil {
			t.Fatal(err)
		}
		for _, r := range []Request{request("HR", "delta-import", CauseTrigger), request("HR", "full-sync", CauseTrigger), exclusive, immediate} {
			if err := s.Request(r); err != nil {
				t.Fatal(err)
			}
			pass(time.Second)
		}
		if err := s.Resume("", ""); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		stop()
		// The full import of HR covers the delta import.
		if want := []string{"HR full-import", "HR full-sync", "AD full-import"}; !slices.Equal(f.runs(), want) {
			t.Errorf("ran %v, want %v", f.runs(), want)
		}
		for i, e := range f.history[1:] {
			if e.started.Before(f.history[i].ended) {
				t.Errorf("%s %s overlaps", e.agent, e.profile)
			}
		}
	})
}

func TestPartitionRequests(t *testing.T) {
	settings := settingsFor(Overlap, "AD")
	settings.Agents[0].Profiles = append(settings.Agents[0].Profiles,
		run.Profile{Name: "north", Steps: []run.Step{{Type: run.FullImport, Partition: "n"}, {Type: run.Export, Partition: "n"}}},
		run.Profile{Name: "north-import", Steps: []run.Step{{Type: run.FullImport, Partition: "n"}}})
	for _, test := range []struct{ profile, partition, want string }{
		{"full-import", "n", "north-import"},
		{"north", "n", "north"},
		{"full-import", "", "full-import"},
		{"full-import", "s", ""},
		{"delta-import", "n", ""},
	} {
		r := Request{Agent: "AD", Profile: test.profile, Partition: test.partition}
		err := settings.resolve(&r)
		if test.want == "" && fault.Name(err) == "unknown-run-profile" {
			continue
		}
		if err != nil || r.Profile != test.want {
			t.Errorf("%s of %q is %q, %v; want %q", test.profile, test.partition, r.Profile, err, test.want)
		}
	}
}

func TestExclusions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f, _, _ := controlled(t, Controller{})
		end := time.Now().Add(2 * time.Hour)
		s.settings.Exclusions = []Exclusion{{Agents: []string{"AD"}, Within: func(now time.Time) time.Time {
			if now.Before(end) {
				return end
			}
			return time.Time{}
		}}}
		f.agents["AD"].PendingExports, f.agents["HR"].PendingExports = 1, 1
		stop := start(t, s)
		pass(time.Hour)
		if runs := f.runs(); !slices.Equal(runs, []string{"HR export", "HR delta-import"}) {
			t.Errorf("ran %v", runs)
		}
		if _, err := s.Do(t.Context(), request("AD", "delta-import", CauseManual)); err != nil {
			t.Errorf("a run by hand: %v", err)
		}
		pass(2 * time.Hour)
		stop()
		if left := f.left(); left != nil {
			t.Errorf("left: %+v", left)
		}
	})
}

func TestRetrySettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f, _, _ := controlled(t, Controller{})
		s.settings.Retry = Retry{Results: []run.Result{"stopped-connectivity"}, Times: 2, Wait: 10 * time.Second}
		f.wait = func(ctx context.Context, _, _ string) (run.Result, error) {
			return "stopped-connectivity", sleep(ctx, time.Second)
		}
		stop := start(t, s)
		if err := s.Request(request("HR", "delta-import", CauseTrigger)); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Minute)
		stop()
		var pauses []time.Duration
		for i, e := range f.history[1:] {
			pauses = append(pauses, e.started.Sub(f.history[i].ended).Round(5*time.Second))
		}
		if want := []time.Duration{10 * time.Second, 20 * time.Second, 20 * time.Second, 40 * time.Second}; !slices.Equal(pauses[:min(4, len(pauses))], want) {
			t.Errorf("pauses %v, want %v", pauses, want)
		}
	})
}

func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f, events, st := controlled(t, Controller{})
		f.wait = func(ctx context.Context, _, _ string) (run.Result, error) { return "success", sleep(ctx, 5*time.Hour) }
		stop := start(t, s)
		if err := s.Request(request("HR", "delta-import", CauseTrigger)); err != nil {
			t.Fatal(err)
		}
		pass(59 * time.Minute)
		if got := events.of(RunStuck); len(got) > 0 {
			t.Errorf("too early: %v", got)
		}
		pass(2 * time.Minute)
		if got := events.of(RunStuck); len(got) != 1 || !s.Status().Running[0].Stuck {
			t.Errorf("%v, %+v", got, s.Status().Running)
		}
		if !s.Cancel("HR") || s.Cancel("AD") {
			t.Error("the wrong run was cancelled")
		}
		pass(time.Second)
		if running := s.Status().Running; len(running) > 0 {
			t.Errorf("still running: %+v", running)
		}
		stop()
		if left := stored(t, st); left != nil {
			t.Errorf("requests left: %v", left)
		}
	})
}

func TestCoalesce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f, _, _ := controlled(t, Controller{})
		s.settings.Coalesce = time.Minute
		stop := start(t, s)
		for range 4 {
			f.change("HR", 1)
			if err := s.Request(request("HR", "delta-import", CauseTrigger)); err != nil {
				t.Fatal(err)
			}
			pass(10 * time.Second)
		}
		pass(time.Hour)
		stop()
		syncs := 0
		for _, r := range f.runs() {
			if r == "HR delta-sync" {
				syncs++
			}
		}
		if syncs != 1 || f.left() != nil {
			t.Errorf("%d synchronizations, left %+v", syncs, f.left())
		}
	})
}

// Objects that failed and wait to be tried again do not take the time from new imports
// in which more of them may come.
func TestCoalesceBesideFailedObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f, _, _ := controlled(t, Controller{})
		s.settings.Coalesce = time.Minute
		f.agents["HR"].FailedImports = 1
		f.failObjects = func() int { return 1 }
		stop := start(t, s)
		defer stop()
		pass(20 * time.Minute)
		f.change("HR", 1)
		before := len(f.runs())
		if err := s.Request(request("HR", "delta-import", CauseTrigger)); err != nil {
			t.Fatal(err)
		}
		pass(50 * time.Second)
		if runs := f.runs()[before:]; !slices.Equal(runs, []string{"HR delta-import"}) {
			t.Errorf("within the time: %v", runs)
		}
		pass(20 * time.Second)
		if runs := f.runs()[before:]; !slices.Contains(runs, "HR delta-sync") {
			t.Errorf("after the time: %v", runs)
		}
	})
}

func TestDrop(t *testing.T) {
	s, _, _, st := controlled(t, Controller{})
	if err := s.Request(request("HR", "delta-import", CauseTrigger)); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} {
		if found, err := s.Drop("HR", "delta-import"); found != want || err != nil {
			t.Errorf("%d: %v, %v", i, found, err)
		}
	}
	if left := stored(t, st); left != nil {
		t.Errorf("requests left: %v", left)
	}
}

func TestHoldOnRuleChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f, _, _ := controlled(t, Controller{})
		s.settings.FullSyncOnRuleChange, s.settings.HoldOnRuleChange = false, true
		f.targets = func(string) []string { return nil }
		f.agents["HR"].PendingImports, f.agents["AD"].PendingImports = 1, 1
		f.agents["HR"].Outdated = []run.Outdated{{Type: "person", Objects: 3}}
		stop := start(t, s)
		pass(time.Hour)
		if runs := f.runs(); !slices.Equal(runs, []string{"AD delta-sync"}) {
			t.Errorf("ran %v", runs)
		}
		if q := s.Status().Queue; len(q) != 1 || !strings.Contains(q[0].For, "metasync resync") {
			t.Errorf("queue: %+v", q)
		}
		if _, err := s.Do(t.Context(), request("HR", "full-sync", CauseManual)); err != nil {
			t.Error(err)
		}
		pass(time.Hour)
		stop()
		if left := f.left(); left != nil {
			t.Errorf("left: %+v", left)
		}
	})
}

// What is asked for between the end of one loop and the begin of the next waits, once
// that is expected.
func TestExpect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, _, _ := controlled(t, Controller{})
		if _, err := s.Once(t.Context(), Changes); err != nil {
			t.Fatal(err)
		}
		if err := s.Barrier(t.Context(), func() error { return nil }); !errors.Is(err, ErrStopped) {
			t.Errorf("after the end: %v", err)
		}
		s.Expect()
		called := make(chan error, 1)
		go func() { called <- s.Barrier(t.Context(), func() error { return nil }) }()
		synctest.Wait()
		stop := start(t, s)
		if err := <-called; err != nil {
			t.Error(err)
		}
		stop()
	})
}
