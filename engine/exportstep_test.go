package engine_test

import (
	"fmt"
	"testing"

	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

// accountWorld is a world of persons and their accounts, with a threshold.
const accountWorld = `
metaverse:
  person:
    attributes: {number: string, name: string}
    delete: {when: any-of, agents: [HR]}
agents:
  HR:
    type: memory
    objects: {employee: {anchor: [id], strings: [name]}}
  AD:
    type: memory
    deprovision: delete
    thresholds: {export: {deletes: %d}}
    objects: {user: {anchor: [uid], strings: [name]}}
rules:
  - name: people
    agent: HR
    object: employee
    metaverse: person
    inbound: {project: true, flows: {number: id, name: name}}
  - name: accounts
    agent: AD
    object: user
    metaverse: person
    outbound: {provision: true, flows: {uid: number, name: name}}
`

// TestAccidentalDelete is scenario A11 of the reference: a hundred deletions and a
// threshold of fifty export nothing, additions no more than deletions.
func TestAccidentalDelete(t *testing.T) {
	w := newWorld(t, fmt.Sprintf(accountWorld, 50))
	for i := range 120 {
		w.edit("HR", fmt.Sprintf("%03d", i), "employee", "name=x")
	}
	w.cycle()
	for i := range 100 {
		w.drop("HR", fmt.Sprintf("%03d", i))
	}
	w.edit("HR", "new", "employee", "name=x")
	w.edit("HR", "110", "employee", "name=y")
	w.run("HR", "full-import")
	w.run("HR", "delta-sync")
	changes := w.changes()
	r := w.run("AD", "export")
	if r.Result != "stopped-deletion-threshold-exceeded" || r.Result.Severity() != run.StoppedDeletionLimit.Severity() || w.changes() != changes {
		t.Errorf("100 deletions: %s", showRecord(r))
	}
	if got := w.systems["AD"].Calls(agenttest.CallOpenExport); got != 1 {
		t.Errorf("the system was opened for %d exports, want the first one alone", got)
	}
	w.settledAfterRaise(t)
}

// settledAfterRaise raises the threshold and expects everything to go out.
func (w *world) settledAfterRaise(t *testing.T) {
	t.Helper()
	w.load(fmt.Sprintf(accountWorld, 100))
	w.open()
	r := w.run("AD", "export")
	exports := r.Steps[0].Exports
	if r.Result != run.Success || exports["export-delete"] != 100 || exports["export-add"] != 1 || exports["export-update"] != 1 {
		t.Errorf("with a threshold of 100: %s", showRecord(r))
	}
}

// TestNoDeletionSlipsIn: deletions that are staged while an export runs were not
// counted, so they wait for the next one.
func TestNoDeletionSlipsIn(t *testing.T) {
	w := newWorld(t, fmt.Sprintf(accountWorld, 1))
	for _, key := range []string{"1", "2", "3", "4"} {
		w.edit("HR", key, "employee", "name=x")
	}
	w.cycle()
	w.drop("HR", "1")
	w.edit("HR", "4", "employee", "name=y")
	w.run("HR", "full-import")
	w.run("HR", "delta-sync")
	meanwhile := false
	w.systems["AD"].OnCall(func(call agenttest.Call) {
		if call != agenttest.CallPut || meanwhile {
			return
		}
		meanwhile = true
		w.drop("HR", "2")
		w.drop("HR", "3")
		w.run("HR", "full-import")
		w.run("HR", "delta-sync")
	})
	r := w.run("AD", "export")
	w.systems["AD"].OnCall(nil)
	if !meanwhile || r.Steps[0].Exports["export-delete"] != 1 || r.Steps[0].Exports["export-update"] != 1 {
		t.Errorf("the first export: %s", showRecord(r))
	}
	if r := w.run("AD", "export"); r.Result != run.StoppedExportThreshold {
		t.Errorf("the second export: %s", showRecord(r))
	}
	w.check()
}

// TestBatchNumbers: the record of an export tells its batch, and whether that came
// to its end (sync-engine §1.6).
func TestBatchNumbers(t *testing.T) {
	w := newWorld(t, fmt.Sprintf(accountWorld, 500))
	w.edit("HR", "1", "employee", "name=x")
	w.cycle()
	expect := func(what string, batch, confirmed uint64) {
		t.Helper()
		step := w.run("AD", "export").Steps[0]
		if step.Batch != batch || step.ConfirmedBatch != confirmed {
			t.Errorf("%s: batch %d after %d, want %d after %d", what, step.Batch, step.ConfirmedBatch, batch, confirmed)
		}
	}
	change := func(name string) {
		w.edit("HR", "1", "employee", "name="+name)
		w.run("HR", "full-import")
		w.run("HR", "delta-sync")
	}
	expect("nothing to send", 1, 1)
	change("a")
	expect("an update", 2, 2)
	w.systems["AD"].LoseAnswer(agenttest.CallPut, 1, fault.New("stopped-connectivity", "as the test wants it"))
	change("b")
	expect("an interrupted export", 3, 2)
	expect("what it left", 4, 4)
	if step := w.run("AD", "full-import").Steps[0]; step.Batch != 0 || step.ConfirmedBatch != 0 {
		t.Errorf("an import has batch %d after %d", step.Batch, step.ConfirmedBatch)
	}
}
