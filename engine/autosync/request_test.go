package autosync

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
)

// All of a request survives a restart.
func TestRequestIsDurable(t *testing.T) {
	st := store.NewMemory()
	e := &entry{number: 7, keep: true}
	e.Request = Request{
		Agent: "HR", Profile: "full-import", Cause: Cause{Kind: CauseTrigger, Name: "nightly"},
		Partition: "north", Exclusive: true, Immediate: true,
	}
	e.since = time.Date(2026, 1, 5, 2, 0, 0, 0, time.UTC)
	if err := saveRequest(st, e); err != nil {
		t.Fatal(err)
	}
	queue, _, err := load(st)
	if err != nil || len(queue) != 1 {
		t.Fatalf("%d requests, %v", len(queue), err)
	}
	for _, got := range queue {
		if diff := cmp.Diff(e.Request, got.Request); diff != "" {
			t.Error(diff)
		}
	}
}

func TestAfterMatches(t *testing.T) {
	results := []run.Result{
		run.Success, run.CompletedNoObjects, run.CompletedWarnings, run.CompletedExportErrors,
		run.StoppedDeletionLimit, "stopped-server-down", run.InProgress,
	}
	for result, want := range map[string][]bool{
		"":          {true, true, true, false, false, false, false},
		"success":   {true, true, true, false, false, false, false},
		"completed": {true, true, true, true, false, false, false},
		"failed":    {false, false, false, false, true, true, false},
		"any":       {true, true, true, true, true, true, false},
	} {
		for i, r := range results {
			c := Completed{Run: 1, Agent: "HR", Profile: "export", Result: r}
			if got := (After{Agent: "HR", Result: result}).Matches(c); got != want[i] {
				t.Errorf("result %q matches %s: %v", result, r, got)
			}
		}
	}
	c := Completed{Run: 1, Agent: "HR", Profile: "export", Result: run.Success}
	for _, other := range []After{{Agent: "AD"}, {Agent: "HR", Run: "full-import"}} {
		if other.Matches(c) {
			t.Errorf("%+v matches", other)
		}
	}
	if c.Run = 0; (After{Agent: "HR", Result: "any"}).Matches(c) {
		t.Error("a run that did not take place matches")
	}
}

func TestComplete(t *testing.T) {
	spec := TriggerSpec{Name: "n", Agent: "HR", Partition: "north", Immediate: true, Run: []Request{{Profile: "export"}}}
	cause := Cause{Kind: CauseTrigger, Name: "n"}
	for _, test := range []struct{ given, want Request }{
		{Request{}, Request{Agent: "HR", Profile: "export", Partition: "north", Immediate: true, Cause: cause}},
		{Request{Profile: "a", Partition: "south", Exclusive: true}, Request{Agent: "HR", Profile: "a", Partition: "south", Exclusive: true, Immediate: true, Cause: cause}},
		{Request{Agent: "AD", Profile: "a"}, Request{Agent: "AD", Profile: "a", Immediate: true, Cause: cause}}, // another system has other parts
	} {
		if diff := cmp.Diff(test.want, spec.Complete(test.given)); diff != "" {
			t.Error(diff)
		}
	}
}
