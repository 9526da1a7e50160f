package run

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/engine/sync"
)

var start = time.Date(2026, 1, 5, 2, 0, 0, 0, time.UTC)

// TestRecordJSON pins the public form of run records.
func TestRecordJSON(t *testing.T) {
	report := newReport(FullImport, start)
	report.Result, report.Ended = Success, start.Add(time.Second)
	report.Staging[stageAdd] = 3
	report.Inbound[sync.DisconnectorProjectedFlow] = 3
	report.countOutbound([]sync.Outbound{{Agent: "AD", Counter: sync.ProvisionedAddFlow}, {Agent: "AD", Counter: sync.ProvisionedAddFlow}})
	report.Exports[exportAdd] = 3
	report.add(&report.ExportErrors, ErrorRecord{
		Type: "constraint-violation", ID: identity.NewID(1, 2), DN: "CN=x", Attribute: "mail", First: start, Last: start, Retries: 1,
	})
	record := Record{
		Run: 7, Agent: "HR", Profile: "full-import", Result: Success, Cause: Cause{Kind: "trigger", Name: "HR file", Parent: 6},
		Started: start, Ended: start.Add(time.Second), Steps: []*Report{report},
	}
	got, err := json.MarshalIndent(record, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
 "run": 7,
 "agent": "HR",
 "profile": "full-import",
 "result": "success",
 "cause": {
  "kind": "trigger",
  "name": "HR file",
  "parent": 6
 },
 "started": "2026-01-05T02:00:00Z",
 "ended": "2026-01-05T02:00:01Z",
 "steps": [
  {
   "type": "full-import",
   "result": "success",
   "started": "2026-01-05T02:00:00Z",
   "ended": "2026-01-05T02:00:01Z",
   "staging-counters": {
    "stage-add": 3,
    "stage-delete": 0,
    "stage-delete-add": 0,
    "stage-failure": 0,
    "stage-no-change": 0,
    "stage-rename": 0,
    "stage-update": 0
   },
   "inbound-flow-counters": {
    "disconnector-projected-flow": 3
   },
   "outbound-flow-counters": {
    "AD": {
     "provisioned-add-flow": 2
    }
   },
   "export-counters": {
    "export-add": 3
   },
   "discovery-errors": [],
   "synchronization-errors": [],
   "export-errors": [
    {
     "error-type": "constraint-violation",
     "cs-guid": "0001-000000000002",
     "dn": "CN=x",
     "attribute-name": "mail",
     "first-occurred": "2026-01-05T02:00:00Z",
     "date-occurred": "2026-01-05T02:00:00Z",
     "retry-count": 1
    }
   ]
  }
 ]
}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSeverity(t *testing.T) {
	for result, want := range map[Result]int{
		Success: 0, CompletedNoObjects: 0, CompletedWarnings: 1, CompletedTransients: 1,
		CompletedDiscoveryErrors: 2, CompletedSyncErrors: 2, CompletedExportErrors: 2,
		StoppedDeletionLimit: 3, StoppedExportThreshold: 3, StoppedObjectLimit: 3, StoppedErrorLimit: 4, StoppedTimeLimit: 4, StoppedServer: 4, "stopped-connectivity": 4, NoStartFullImport: 4,
	} {
		if got := result.Severity(); got != want {
			t.Errorf("%s: severity %d, want %d", result, got, want)
		}
	}
	for _, tt := range []struct {
		steps []Result
		want  Result
	}{
		{nil, NoStartNoSteps},
		{[]Result{CompletedNoObjects}, CompletedNoObjects},
		{[]Result{CompletedNoObjects, Success}, Success},
		{[]Result{Success, CompletedNoObjects}, Success},
		{[]Result{Success, CompletedSyncErrors, CompletedWarnings}, CompletedSyncErrors},
		{[]Result{CompletedDiscoveryErrors, CompletedSyncErrors}, CompletedDiscoveryErrors},
		{[]Result{CompletedSyncErrors, StoppedDeletionLimit}, StoppedDeletionLimit},
	} {
		r := Record{}
		for _, result := range tt.steps {
			r.Steps = append(r.Steps, &Report{Result: result})
		}
		if got := r.severest(); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.steps, got, tt.want)
		}
	}
}

func TestLimit(t *testing.T) {
	for _, tt := range []struct {
		limit    Limit
		n, total int
		want     bool
	}{
		{Limit{}, 1000, 1000, false},
		{Limit{IsSet: true}, 1, 1000, true}, // none at all
		{Limit{IsSet: true}, 0, 1000, false},
		{AtMost(0), 1, 1000, true},
		{AtMost(2), 2, 1000, false},
		{AtMost(2), 3, 1000, true},
		{AtMostPercent(0), 1, 1000, true},
		{AtMostPercent(10), 100, 1000, false},
		{AtMostPercent(10), 101, 1000, true},
		{Limit{Count: 500, IsSet: true}, 500, 1000, false},
		{Limit{Count: 500, IsSet: true}, 501, 1000, true},
		{Limit{Percent: 10, IsSet: true}, 10, 100, false},
		{Limit{Percent: 10, IsSet: true}, 11, 100, true},
		{Limit{Percent: 0.5, IsSet: true}, 1, 200, false},
		{Limit{Percent: 10, IsSet: true}, 0, 0, false},
	} {
		if got := tt.limit.Exceeded(tt.n, tt.total); got != tt.want {
			t.Errorf("%d of %d exceed %+v: %t", tt.n, tt.total, tt.limit, got)
		}
	}
}

// TestListedErrors: a record lists a bounded number of errors and counts all.
func TestListedErrors(t *testing.T) {
	r := newReport(DeltaSync, start)
	for range maxErrors {
		r.add(&r.SyncErrors, ErrorRecord{Type: "x"})
		r.add(&r.SyncErrors, ErrorRecord{Type: "y", Warning: true})
	}
	if len(r.SyncErrors) != MaxListed || r.errors != maxErrors || r.warnings != maxErrors {
		t.Errorf("%d listed, %d errors, %d warnings", len(r.SyncErrors), r.errors, r.warnings)
	}
	s := &step{report: r, limits: limitsOf(Step{Type: DeltaSync}, Thresholds{})}
	if s.mustStop() {
		t.Errorf("%d errors stop the step", r.errors)
	}
	if r.add(&r.SyncErrors, ErrorRecord{}); !s.mustStop() || s.halt != StoppedErrorLimit {
		t.Errorf("%d errors are not too many: %q", r.errors, s.halt)
	}
}

// history returns a history of n runs, an hour apart, of which the last one has
// not ended.
func history(t *testing.T, st store.Store, n int) *History {
	t.Helper()
	h, err := NewHistory(st)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		r := &Record{Agent: "HR", Profile: "full-import", Result: InProgress, Started: start.Add(time.Duration(i) * time.Hour), Steps: []*Report{}}
		if _, err := h.begin(r); err != nil {
			t.Fatal(err)
		}
		if i == n-1 {
			break
		}
		r.Result, r.Ended = Success, r.Started.Add(time.Minute)
		if err := h.end(r); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func numbers(t *testing.T, h *History) []uint64 {
	t.Helper()
	var list []uint64
	for r, err := range h.Records(0) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r.Run)
	}
	return list
}

func TestHistory(t *testing.T) {
	st := store.NewMemory()
	h := history(t, st, 250) // more than a page
	if got := numbers(t, h); len(got) != 250 || got[0] != 1 || got[249] != 250 {
		t.Fatalf("records %v", got)
	}
	last, err := h.Last(3)
	if err != nil || len(last) != 3 || last[0].Run != 250 || last[2].Run != 248 {
		t.Errorf("last: %v, %v", last, err)
	}
	if r, err := h.Record(999); r != nil || err != nil {
		t.Errorf("a run that never was: %v, %v", r, err)
	}

	// The run that a crash cut short is ended when the history is opened again.
	if r, _ := h.Record(250); r.Result != InProgress {
		t.Fatalf("the last run: %s", r.Result)
	}
	if h, err = NewHistory(st); err != nil {
		t.Fatal(err)
	}
	if r, _ := h.Record(250); r.Result != StoppedServer || r.Ended.IsZero() {
		t.Errorf("the run that was cut short: %s, ended %v", r.Result, r.Ended)
	}
	if number, err := h.begin(&Record{Result: InProgress}); number != 251 || err != nil {
		t.Errorf("next run: %d, %v", number, err)
	}
}

func TestPrune(t *testing.T) {
	h := history(t, store.NewMemory(), 10)
	removed, err := h.Prune(start.Add(3*time.Hour+30*time.Minute), 0)
	if removed != 4 || err != nil {
		t.Errorf("removed %d, %v", removed, err)
	}
	if diff := cmp.Diff([]uint64{5, 6, 7, 8, 9, 10}, numbers(t, h)); diff != "" {
		t.Errorf("by age (-want +got):\n%s", diff)
	}
	if removed, err = h.Prune(time.Time{}, 4); removed != 2 || err != nil {
		t.Errorf("removed %d, %v", removed, err)
	}
	if diff := cmp.Diff([]uint64{7, 8, 9, 10}, numbers(t, h)); diff != "" {
		t.Errorf("by count (-want +got):\n%s", diff)
	}
	// A run that goes on is never too old.
	if _, err := h.Prune(start.Add(1000*time.Hour), 0); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint64{10}, numbers(t, h)); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	if last, err := h.Last(5); len(last) != 1 || err != nil {
		t.Errorf("last: %v, %v", last, err)
	}
}

func TestBitmap(t *testing.T) {
	var b bitmap
	for _, n := range []uint64{0, 1, 63, 64, 1000} {
		if b.has(n) {
			t.Errorf("%d is in before it was set", n)
		}
		b.set(n)
		if !b.has(n) || b.has(n+1) && n != 0 && n != 63 {
			t.Errorf("%d: %t, its neighbour %t", n, b.has(n), b.has(n+1))
		}
	}
}
