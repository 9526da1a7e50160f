package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/store/storetest"
)

// limits are the thresholds of the two agents of an office that decide most.
type limits struct{ hr, directory string }

// adds reports whether the additions of imports are limited.
func (l limits) adds() bool { return strings.Contains(l.hr, "adds: 2") }

// limitedOffices are offices with limits of one kind of step each, and of all.
var limitedOffices = map[string]limits{
	"import": {"{import: {deletes: 1, adds: 2, changes: 3}, window: {import: {deletes: 2}}}", "{import: {deletes: 1, renames: 0}}"},
	"sync":   {"{sync: {deletes: 1}}", "{sync: {deletes: 0}, export: {deletes: 100%}}"},
	"export": {"{}", "{export: {deletes: 1, adds: 2, memberRemovals: 1}, window: {export: {deletes: 3, updates: 4}}}"},
	"all": {
		"{import: {deletes: 1, adds: 2, changes: 3}, sync: {deletes: 1}, window: {import: {deletes: 2}}}",
		"{import: {deletes: 1, renames: 0}, sync: {deletes: 0}, export: {deletes: 1, adds: 2, memberRemovals: 1}, window: {export: {deletes: 3}}}",
	},
}

func limitedOffice(t testing.TB, l limits, delta bool) *world {
	configuration := fmt.Sprintf(office, delta, delta)
	configuration = strings.Replace(configuration, "  HR:\n    type: memory\n", "  HR:\n    type: memory\n    thresholds: "+l.hr+"\n", 1)
	configuration = strings.Replace(configuration, "  Directory:\n    type: memory\n", "  Directory:\n    type: memory\n    thresholds: "+l.directory+"\n", 1)
	return newOfficeOf(newWorld(t, configuration))
}

// decideAll approves or rejects everything that is held, and returns how much that was.
func (w *world) decideAll(decide func(engine.Verdict) ([]hold.Hold, error)) int {
	w.t.Helper()
	list, err := w.engine.Holds("")
	if err != nil {
		w.t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, h := range list {
		if seen[h.Agent] {
			continue
		}
		seen[h.Agent] = true
		if _, err := decide(engine.Verdict{Agent: h.Agent}); err != nil {
			w.t.Fatal(err)
		}
	}
	return len(list)
}

// checkLimits fails the test if a run did more than its limits allow.
func checkLimits(t fataler, w *world, limited string, r *engine.Record) {
	has := func(step string) bool { return limited == step || limited == "all" }
	for _, step := range r.Steps {
		deleted := step.Exports["export-delete"] + step.Exports["export-delete-add"]
		if has("export") && r.Agent == "Directory" && (deleted > 1 || step.Exports["export-add"] > 2+deleted) {
			t.Fatalf("an export did too much:\n%s\n%s", showRecord(r), w)
		}
		gone := step.Inbound["connector-delete-remove-mv"] + step.Inbound["connector-flow-remove-mv"] + step.Inbound["disconnector-joined-remove-mv"]
		if has("sync") && r.Agent == "HR" && gone > 1 {
			t.Fatalf("a synchronization did too much:\n%s\n%s", showRecord(r), w)
		}
		if has("import") && step.Type.Import() == run.FullImport && r.Agent == "HR" && step.Staging["stage-delete"] > 1 {
			t.Fatalf("an import did too much:\n%s\n%s", showRecord(r), w)
		}
	}
}

// wave has most people come, or go, at once.
func (w *world) wave(t *rapid.T) {
	come := rapid.Bool().Draw(t, "come")
	for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom(people), 2, 4, rapid.ID[string]).Draw(t, "wave") {
		if come {
			w.edit("HR", key, "employee", "name="+key)
		} else {
			w.drop("HR", key)
		}
	}
}

// TestHoldsConverge: whatever happened, whatever was rejected meanwhile, no step does more
// than its limits allow unless somebody approved it; and once all that is held has been
// approved the systems are as if there were no limits.
func TestHoldsConverge(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limited := rapid.SampledFrom([]string{"import", "sync", "export", "all"}).Draw(rt, "limited")
		w := limitedOffice(t, limitedOffices[limited], rapid.Bool().Draw(rt, "delta imports"))
		w.keepEdges(rapid.SampledFrom([]int{100, 1}).Draw(rt, "edges from"))
		approved := false
		ran := func(agent string, profile run.StepType) *engine.Record {
			r := w.run(agent, string(profile))
			if !approved {
				checkLimits(rt, w, limited, r)
			}
			return r
		}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			switch rapid.IntRange(0, 12).Draw(rt, "decision") {
			case 0:
				approved = w.decideAll(w.engine.Approve) > 0 || approved
			case 1:
				w.decideAll(w.engine.Reject)
			case 2:
				w.wave(rt)
			case 3: // many come, and then go
				for _, key := range people {
					w.edit("HR", key, "employee", "name="+key)
				}
				ran("HR", run.FullImport)
				ran("HR", run.DeltaSync)
				w.wave(rt)
				ran("HR", run.FullImport)
				ran("HR", run.DeltaSync)
			case 4:
				imported := ran("HR", run.FullImport)
				r := ran("HR", run.DeltaSync)
				if imported.Steps[0].Staging["stage-add"] > 2 && limitedOffices[limited].adds() && r.Steps[0].Inbound["disconnector-projected-flow"] > 0 {
					rt.Fatalf("what an import staged too much of was synchronized:\n%s%s\n%s", showRecord(imported), showRecord(r), w)
				}
			case 5:
				ran("Directory", run.FullImport)
				ran("Directory", run.Export)
			case 6:
				ran("HR", run.FullSync)
			default:
				w.step(rt)
			}
			if err := w.engine.Space().Check(); err != nil {
				rt.Fatalf("the store is not sound: %v\n%s", err, w)
			}
		}
		w.calm()
		for round := 0; ; round++ {
			w.cycle()
			w.cycle()
			if w.decideAll(w.engine.Approve) == 0 {
				break
			}
			if round == 20 {
				rt.Fatalf("there is always something held\n%s", w)
			}
		}
		w.settled(rt)
	})
}

func (w *world) lastRun() *engine.Record {
	list, err := w.engine.History().Last(1)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// TestApprovalsSurviveCrashes kills the engine at every commit of a step that somebody
// has approved: it goes on without another approval, and then the approval is used up.
func TestApprovalsSurviveCrashes(t *testing.T) {
	const persons = 7
	for _, step := range []struct {
		name, thresholds, agent, profile string
		before                           [][2]string
	}{
		{"import", "  HR:\n    type: memory\n    thresholds: {import: {deletes: 1}, window: {import: {deletes: 9}}}\n", "HR", "full-import", nil},
		{"sync", "  HR:\n    type: memory\n    thresholds: {sync: {deletes: 1}, window: {sync: {deletes: 9}}}\n", "HR", "delta-sync", [][2]string{{"HR", "full-import"}}},
		{
			"export", "  Directory:\n    type: memory\n    thresholds: {export: {deletes: 1}, window: {export: {deletes: 9}}}\n",
			"Directory", "export",
			[][2]string{{"HR", "full-import"}, {"HR", "delta-sync"}},
		},
	} {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			begin, _, _ := strings.Cut(step.thresholds, "    thresholds")
			story := func() *world {
				w := newOfficeOf(newWorld(t, strings.Replace(fmt.Sprintf(office, false, false), begin, step.thresholds, 1)))
				w.engine.SetBatch(2)
				for i := range persons {
					w.edit("HR", fmt.Sprintf("q%d", i), "employee", "name=x")
				}
				w.cycle()
				w.cycle()
				w.cycle()
				for i := range persons {
					w.drop("HR", fmt.Sprintf("q%d", i))
				}
				for _, b := range step.before {
					w.run(b[0], b[1])
				}
				if r := w.run(step.agent, step.profile); r.Steps[0].Held == nil || r.Steps[0].Held.Reasons[0].Count != persons {
					t.Fatalf("it is not held: %s", showRecord(r))
				}
				if w.decideAll(w.engine.Approve) != 1 {
					t.Fatal("nothing is held")
				}
				return w
			}
			n := 1
			for ; ; n++ {
				w := story()
				dying := storetest.FailAfter(w.state, n)
				if err := w.tryOpen(dying); err != nil && !errors.Is(err, storetest.ErrKilled) {
					t.Fatal(err)
				}
				w.engine.SetBatch(2)
				_, err := w.tryRun(t.Context(), step.agent, step.profile)
				last := w.lastRun()
				crashed := err != nil || last.Result.Severity() > 3
				w.open()
				w.engine.SetBatch(2)
				r := w.run(step.agent, step.profile)
				if r.Steps[0].Held != nil || r.Result.Severity() > 1 {
					t.Fatalf("killed at commit %d, it does not go on: %s\n%s", n, showRecord(r), w)
				}
				w.view(func(tx *space.Tx) error {
					a, err := hold.ApprovalOf(tx.Store(), hold.Place{Agent: step.agent, Step: hold.Step(step.name), Of: hold.Step(step.name)})
					if a != nil {
						t.Fatalf("killed at commit %d, an approval is left: %+v", n, a)
					}
					return err
				})
				w.cycle()
				w.cycle()
				w.settled(t)
				if !crashed {
					break
				}
			}
			if n < 4 {
				t.Fatalf("the step has only %d commits: the test tests nothing", n)
			}
		})
	}
}
