package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/hold"
)

const holdConfiguration = `
metaverse: {person: {attributes: {number: string}, delete: {when: any-of, agents: [HR]}}}
agents:
  HR:
    type: memory
    thresholds: {import: {adds: 3}}
    objects: {employee: {anchor: [id], strings: [name]}}
  AD: {type: memory, deprovision: delete, thresholds: {export: {deletes: 1}}, objects: {user: {anchor: [uid]}}}
rules:
  - {name: people, agent: HR, object: employee, metaverse: person, inbound: {project: true, flows: {number: id}}}
  - {name: accounts, agent: AD, object: user, metaverse: person, outbound: {provision: true, flows: {uid: number}}}
`

// A scheduler that is running holds what exceeds a threshold, says so once, and goes on
// when somebody has approved it, without a back-off.
func TestSchedulerHolds(t *testing.T) {
	w := newWorld(t, holdConfiguration)
	for _, key := range []string{"1", "2", "3"} {
		w.edit("HR", key, "employee", "name=x")
	}
	w.once()
	for _, key := range []string{"1", "2"} {
		w.drop("HR", key)
	}
	events := make(chan autosync.Event, 100)
	s, err := autosync.New(autosync.Options{
		Engine: w.engine, Store: w.state, Settings: w.plan, Event: func(e autosync.Event) {
			if strings.HasPrefix(string(e.Kind), "step.") {
				events <- e
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	if err := s.Request(autosync.Request{Agent: "HR", Profile: "full-import", Cause: autosync.Cause{Kind: autosync.CauseTrigger}}); err != nil {
		t.Fatal(err)
	}
	want := func(kind autosync.EventKind) autosync.Event {
		t.Helper()
		select {
		case e := <-events:
			if e.Kind != kind || e.Agent != "AD" || e.Step != hold.Export || e.Reason != "2 deletions, more than 1" {
				t.Fatalf("event %+v", e)
			}
			return e
		case <-time.After(time.Minute):
			t.Fatalf("no event %s: %+v", kind, s.Status())
		}
		panic("not reached")
	}
	e := want(autosync.StepHeld)
	if e.Hold == nil || len(e.Hold.Objects) != 2 || e.Hold.Objects[0].What != "would be deleted" || e.Run == 0 {
		t.Errorf("it tells of %+v", e.Hold)
	}
	summary, err := s.Settle(t.Context(), autosync.Changes)
	if err != nil {
		t.Fatal(err)
	}
	if len(summary.Left) != 1 || !summary.Left[0].Held || summary.Left[0].For != "held: 2 deletions, more than 1: metasync approve AD" {
		t.Errorf("left: %+v", summary.Left)
	}
	about, err := w.engine.Approve(engine.Verdict{Agent: "AD", Decision: hold.Decision{By: "ada"}})
	if err != nil || len(about) != 1 {
		t.Fatal(about, err)
	}
	s.Decided(autosync.StepApproved, &about[0], hold.Text(about[0].Reasons), "ada")
	want(autosync.StepApproved)
	if summary, err = s.Settle(t.Context(), autosync.Changes); err != nil || len(summary.Left) > 0 || summary.Failed {
		t.Errorf("after the approval: %+v, %v", summary, err)
	}
	if got := w.systems["AD"].String(); got != "3 user: uid=3\n" {
		t.Errorf("AD:\n%s", got)
	}
	select {
	case e := <-events:
		t.Errorf("another event: %+v", e)
	default:
	}
}

// What an import has staged beyond a limit is not synchronized either if the process
// died before the import came to its end, and nobody could compare.
func TestHoldSurvivesAnImportThatDied(t *testing.T) {
	w := newWorld(t, holdConfiguration)
	for _, key := range []string{"1", "2", "3", "4"} {
		w.edit("HR", key, "employee", "name=x")
	}
	w.systems["HR"].FailCall(agenttest.CallCloseImport, 1, planned([]string{"stopped-connectivity"}))
	if r := w.run("HR", "full-import"); !r.Result.Stopped() {
		t.Fatalf("the import was not stopped: %s", showRecord(r))
	}
	w.open()
	r := w.run("HR", "full-sync")
	if r.Result != "stopped-threshold-exceeded" || r.Steps[0].Held == nil || len(r.Steps[0].Held.Objects) != 4 {
		t.Errorf("the synchronization was not held: %s", showRecord(r))
	}
	facts, err := w.engine.Facts()
	if err != nil || len(facts[0].Held) != 1 || facts[0].Held[0].Step != hold.Sync {
		t.Errorf("facts: %+v, %v", facts, err)
	}
}
