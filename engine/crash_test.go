package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store/storetest"
)

// directoryKinds are kinds of directories, by what their agents can do: keys of
// type memory.
var directoryKinds = []string{
	"",
	"allOrNothing: true",
	"noReferences: true, confirmation: no-add-and-delete, level: attribute",
	"allOrNothing: true, noReferences: true, confirmation: no-add-and-delete, level: object",
	"actions: true, references: true, confirmation: no-delete",
}

// newStory returns an office with a kind of directory in which something of
// everything is about to happen: people join, move, rename and leave, groups
// change, accounts drifted.
func newStory(t testing.TB, directory string) *world {
	configuration := strings.Replace(fmt.Sprintf(office, false, false), "    deprovision: delete",
		"    "+strings.ReplaceAll(directory+", deprovision: delete", ", ", "\n    "), 1)
	w := newWorld(t, configuration)
	w.edit("HR", "p0", "employee", "name=zero")
	w.edit("Portal", "nobody", "page", "number=none")
	w.edit("Directory", "CN=stray", "user", "name=stray")
	w.edit("Directory", "CN=known already", "user", "number=p5")
	w.edit("HR", "p1", "employee", "name=ada", "manager=p0", "title=Dr")
	w.edit("HR", "p2", "employee", "name=bob", "manager=p1")
	w.edit("HR", "p3", "employee", "name=carl", "manager=p1")
	w.edit("HR", "t1", "team", "members=p1;p2;p3")
	w.edit("HR", "t0", "team", "members=p1;p6")
	w.edit("HR", "p6", "employee", "name=finn", "kind=external", "manager=p2")
	w.edit("HR", "p7", "employee", "name=gus", "manager=p2")
	w.edit("Portal", "page p1", "page", "number=p1", "phone=1")
	w.edit("Portal", "page p7", "page", "number=p7", "phone=7", "title=Dr")
	w.edit("Portal", "page p8", "page", "number=p8", "phone=8")
	w.cycle()
	w.edit("HR", "p1", "employee", "name=ida", "manager=p4")
	w.drop("HR", "p2")
	w.edit("HR", "p3", "employee", "name=carl", "kind=external")
	w.edit("HR", "p4", "employee", "name=dora", "manager=p0")
	w.edit("HR", "p5", "employee", "name=eve", "manager=p1")
	w.edit("HR", "t1", "team", "members=p0;p1;p4")
	w.edit("HR", "t2", "team", "members=p5")
	w.edit("Portal", "page p1", "page", "number=p1", "phone=2")
	w.change("Directory", "CN=p0 zero", "title=wrong", "phone=0")
	// A second source comes and goes, a team goes, somebody is let in, somebody
	// comes back under another number, and an account was moved by others.
	w.edit("Portal", "page p6", "page", "number=p6", "phone=6")
	w.drop("Portal", "page p8")
	w.drop("HR", "t0")
	w.edit("HR", "p6", "employee", "name=finn", "manager=p7")
	w.edit("HR", "p9", "employee", "name=bob", "manager=p9")
	w.change("Directory", "CN=p7 gus", "dn=CN=moved away", "manager=CN=p0 zero")
	return w
}

// undisturbed carries out a story and returns how it ends, and how many changes
// the systems have then seen.
func undisturbed(t testing.TB, directory string) (string, uint64) {
	w := newStory(t, directory)
	w.cycle()
	w.cycle()
	w.settled(t)
	return w.showSystems(), w.changes()
}

func (w *world) showSystems() string {
	var b strings.Builder
	for _, name := range w.agents() {
		fmt.Fprintf(&b, "%s\n%s", name, w.systems[name])
	}
	return b.String()
}

// recover carries on after a disturbance, and fails the test unless everything
// ends as if there had been none, without an error on the way and without a
// change that was not needed.
func (w *world) recover(t testing.TB, exportFirst bool, want string, changes uint64) {
	t.Helper()
	w.calm()
	w.open()
	w.check()
	var records []*engine.Record
	if exportFirst { // goes on where an export was interrupted; otherwise an import finds out
		for _, name := range w.agents() {
			records = append(records, w.run(name, "export"))
		}
	}
	for range 2 {
		for _, r := range append(records, w.cycle()...) {
			for _, s := range r.Steps {
				if len(s.ExportErrors)+len(s.DiscoveryErrors) > 0 || s.Result.Severity() > 2 {
					t.Fatalf("after the disturbance:\n%s", showRecord(r))
				}
			}
		}
	}
	w.settled(t)
	if diff := cmp.Diff(want, w.showSystems()); diff != "" {
		t.Fatalf("systems (-undisturbed +disturbed):\n%s", diff)
	}
	if !exportFirst && w.changes() != changes { // else what was synchronized so far goes out alone
		t.Fatalf("the systems saw %d changes, %d without the disturbance", w.changes(), changes)
	}
}

// disturbedCycle runs a cycle until the first run that fails as a whole.
func (w *world) disturbedCycle(ctx context.Context) (failed bool) {
	for _, profile := range cycleProfiles {
		for _, name := range w.agents() {
			record, err := w.tryRun(ctx, name, string(profile))
			if err != nil || record.Result.Severity() > 3 {
				return true
			}
		}
	}
	return false
}

// TestCrashPoints kills the engine at every commit of a cycle in turn.
func TestCrashPoints(t *testing.T) {
	for i := range 2 * len(directoryKinds) {
		directory, exportFirst := directoryKinds[i/2], i%2 != 0
		t.Run(fmt.Sprintf("%s/export first %t", directory, exportFirst), func(t *testing.T) {
			t.Parallel()
			want, changes := undisturbed(t, directory)
			n := 1
			for ; ; n++ {
				w := newStory(t, directory)
				crashed := false
				dying := storetest.FailAfter(w.state, n)
				if err := w.tryOpen(dying); err != nil {
					if !errors.Is(err, storetest.ErrKilled) {
						t.Fatal(err)
					}
					crashed = true
				} else {
					crashed = w.disturbedCycle(t.Context())
				}
				w.recover(t, exportFirst, want, changes)
				if !crashed {
					break
				}
			}
			if n < 10 {
				t.Fatalf("a cycle has only %d commits: the test tests nothing", n)
			}
		})
	}
}

// TestAgentFailures has every call of a cycle fail in turn, or lose its answer.
func TestAgentFailures(t *testing.T) {
	broken := fault.New("stopped-connectivity", "as the test wants it")
	for _, directory := range directoryKinds {
		want, changes := undisturbed(t, directory)
		for _, lost := range []bool{false, true} {
			for _, call := range failCalls {
				t.Run(fmt.Sprintf("%s/%s/answer lost %t", directory, call, lost), func(t *testing.T) {
					t.Parallel()
					disturbed := false
					for n := 1; n <= 4; n++ {
						w := newStory(t, directory)
						for _, s := range w.systems {
							plan := s.FailCall
							if lost {
								plan = s.LoseAnswer
							}
							plan(call, n, broken)
						}
						disturbed = w.disturbedCycle(t.Context()) || disturbed
						w.recover(t, n%2 == 0, want, changes)
					}
					if !disturbed {
						t.Fatal("nothing was disturbed")
					}
				})
			}
		}
	}
}

// TestCancel cancels the context at every call of a cycle in turn.
func TestCancel(t *testing.T) {
	want, changes := undisturbed(t, "")
	n := 1
	for ; ; n++ {
		w := newStory(t, "")
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		for _, s := range w.systems {
			s.OnCall(func(agenttest.Call) {
				if calls++; calls == n {
					cancel()
				}
			})
		}
		cancelled := w.disturbedCycle(ctx)
		cancel()
		for _, s := range w.systems {
			s.OnCall(nil)
		}
		w.recover(t, n%2 == 0, want, changes)
		if !cancelled {
			break
		}
	}
	if n < 20 {
		t.Fatalf("a cycle makes only %d calls: the test tests nothing", n)
	}
}

// TestCutShort: a run that a crash cut short is ended in the history.
func TestCutShort(t *testing.T) {
	w := newStory(t, "")
	if err := w.tryOpen(storetest.FailAfter(w.state, 1000)); err != nil {
		t.Fatal(err)
	}
	history := w.history
	w.history = storetest.FailAfter(history, 2) // the begin of the record goes through, its end does not
	w.open()
	if _, err := w.tryRun(t.Context(), "HR", "full-import"); !errors.Is(err, storetest.ErrKilled) {
		t.Fatalf("run: %v, want %v", err, storetest.ErrKilled)
	}
	w.history = history
	w.open()
	last, err := w.engine.History().Last(1)
	if err != nil || len(last) != 1 {
		t.Fatalf("history: %v, %v", last, err)
	}
	if last[0].Result != run.StoppedServer || last[0].Profile != "full-import" {
		t.Errorf("the run that was cut short: %+v", last[0])
	}
}
