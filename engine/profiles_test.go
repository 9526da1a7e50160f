package engine_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

// TestWaysOfRunning: an import and a synchronization are the same as the combined
// step; and dropping a file and resuming from it is the same as doing it at once.
// What three worlds hold, which go these ways, is always the same.
func TestWaysOfRunning(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		delta := rapid.Bool().Draw(rt, "delta imports")
		dir, err := filepath.Abs(t.TempDir())
		if err != nil {
			rt.Fatal(err)
		}
		steps, combined, files := newOffice(t, delta), newOffice(t, delta), newOffice(t, delta)
		files.dropAndResume(dir)
		worlds := []*world{steps, combined, files}
		for range rapid.IntRange(1, 15).Draw(rt, "rounds") {
			for range rapid.IntRange(0, 4).Draw(rt, "edits") {
				edit := drawEdit(rt)
				for _, w := range worlds {
					edit(w)
				}
			}
			agent := rapid.SampledFrom(steps.agents()).Draw(rt, "agent")
			imports := rapid.SampledFrom([]run.StepType{run.FullImport, run.DeltaImport}).Draw(rt, "import")
			syncs := rapid.SampledFrom([]run.StepType{run.FullSync, run.DeltaSync}).Draw(rt, "synchronization")
			if imports == run.DeltaImport {
				syncs = run.DeltaSync
			}
			exports := rapid.Bool().Draw(rt, "export")
			for i, w := range worlds {
				start := w.now
				switch i {
				case 0:
					w.run(agent, string(imports))
					if !w.last(agent).Stopped() {
						w.run(agent, string(syncs))
					}
				case 1:
					w.run(agent, fmt.Sprintf("%s-%s", imports, syncs))
				default:
					w.run(agent, "drop "+string(imports))
					if r := w.run(agent, "resume "+string(imports)); r.Result.Stopped() {
						break
					}
					resumed := w.String()
					if delta { // a file has no watermark
						w.run(agent, string(imports))
					}
					if diff := cmp.Diff(resumed, w.String()); diff != "" {
						rt.Fatalf("an import finds what the file did not tell (-resumed +imported):\n%s", diff)
					}
					if !w.last(agent).Stopped() {
						w.run(agent, string(syncs))
					}
				}
				if exports {
					if i == 2 {
						w.run(agent, "drop export")
						w.run(agent, "resume export")
					} else {
						w.run(agent, "export")
					}
				}
				w.now = start.Add(10 * time.Minute)
				if err := w.engine.Space().Check(); err != nil {
					rt.Fatalf("the store is not sound: %v\n%s", err, w)
				}
			}
			for i, w := range worlds[1:] {
				if diff := cmp.Diff(steps.String(), w.String()); diff != "" {
					rt.Fatalf("way %d (-steps +it):\n%s", i+1, diff)
				}
			}
		}
	})
}

// TestCombinedStepLocks: a combined step keeps the right to synchronize from its
// beginning, and leaves other agents alone otherwise.
func TestCombinedStepLocks(t *testing.T) {
	w := newOffice(t, false)
	w.cycle()
	w.edit("HR", "p1", "employee", "name=x")
	var results []string
	w.systems["HR"].OnCall(func(call agenttest.Call) {
		if call != agenttest.CallOpenImport {
			return
		}
		for _, profile := range []string{"delta-sync", "full-import-delta-sync", "full-import"} {
			_, err := w.engine.Run(t.Context(), "Portal", profile, engine.Cause{}, nil)
			results = append(results, fmt.Sprint(profile, ": ", err))
		}
	})
	r := w.run("HR", "full-import-full-sync")
	w.systems["HR"].OnCall(nil)
	want := []string{
		"delta-sync: another run is active: a synchronization",
		"full-import-delta-sync: another run is active: a synchronization",
		"full-import: <nil>",
	}
	if diff := cmp.Diff(want, results); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(r.Steps) != 1 || r.Steps[0].Staging["stage-add"] != 1 || r.Steps[0].Inbound["disconnector-projected-flow"] != 1 {
		t.Errorf("the step:\n%s", showRecord(r))
	}
}

// TestUnknownPartition: a step that names a partition which the system does not
// have is a mistake of the configuration, with its place; a system that does not
// answer is none.
func TestUnknownPartition(t *testing.T) {
	const text = `
agents:
  AD:
    type: memory
    names: ldap
    partitions: {north: DC=north}
    objects: {user: {anchor: [guid]}}
    profiles:
      a: [{type: full-import, partition: north}]
`
	w := newWorld(t, text)
	w.load(strings.Replace(text, "partition: north", "partition: nort", 1))
	err := w.tryOpen(w.state)
	const want = `/world/metasync.yaml:9:42: unknown-partition: agent "AD": run profile "a": there is no partition "nort"`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if hint := fault.All(err); len(hint) != 1 || hint[0].Hint != `did you mean "north"?` {
		t.Errorf("hints: %+v", hint)
	}
	w.systems["AD"].FailCall(agenttest.CallPartitions, 1, fault.New("stopped-connectivity", "as the test wants it"))
	if err := w.tryOpen(w.state); err != nil {
		t.Errorf("a system that does not answer: %v", err)
	}
}

// last returns the result of the last run of an agent.
func (w *world) last(agent string) run.Result {
	w.t.Helper()
	records, err := w.engine.History().Last(1)
	if err != nil || len(records) == 0 || records[0].Agent != agent {
		w.t.Fatalf("the last run is not of %s: %v, %v", agent, records, err)
	}
	return records[0].Result
}

// dropAndResume gives every agent profiles that write files into a folder and go
// on from them.
func (w *world) dropAndResume(dir string) {
	w.t.Helper()
	for i := range w.config.Agents {
		a := &w.config.Agents[i]
		a.Profiles = slices.Clone(a.Profiles)
		for _, t := range []run.StepType{run.FullImport, run.DeltaImport, run.Export} {
			file := filepath.Join(dir, a.Name+" "+string(t))
			a.Profiles = append(a.Profiles,
				run.Profile{Name: "drop " + string(t), Steps: []run.Step{{Type: t, Drop: file}}},
				run.Profile{Name: "resume " + string(t), Steps: []run.Step{{Type: t, Resume: file}}})
		}
	}
	w.open()
}

// drawEdit draws something that somebody does to a system.
func drawEdit(t *rapid.T) func(*world) {
	person := rapid.SampledFrom([]string{"p1", "p2", "p3", "p4"})
	title := rapid.SampledFrom([]string{"", "Dr", "Prof"})
	key, other, text := person.Draw(t, "person"), person.Draw(t, "other"), title.Draw(t, "title")
	switch rapid.IntRange(0, 5).Draw(t, "edit") {
	case 0:
		return func(w *world) { w.drop("HR", key) }
	case 1:
		return func(w *world) { w.edit("HR", "t1", "team", "members="+key+";"+other) }
	case 2:
		return func(w *world) { w.edit("Portal", "page "+key, "page", "number="+key, "title="+text, "phone=1") }
	case 3:
		return func(w *world) { w.change("Directory", "CN="+key+" x", "title="+text) }
	default:
		return func(w *world) { w.edit("HR", key, "employee", "name=x", "title="+text, "manager="+other) }
	}
}
