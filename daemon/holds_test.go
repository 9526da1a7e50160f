package daemon

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	stephold "github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/notify"
	"github.com/metasync/metasync/engine/run"
)

// What is told of a hold has its reason and its objects, and the result of a step that
// was stopped for it; an import that only keeps a synchronization back was none.
func TestHeldStep(t *testing.T) {
	ended := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	h := &stephold.Hold{
		Step: stephold.Sync, Of: stephold.Import, Reasons: []stephold.Reason{{Kind: stephold.Adds, Count: 60, Limit: "50"}},
		Objects: []stephold.Object{{DN: "CN=a", What: "is new in its system"}, {ID: identity.NewID(1, 2), What: "is new in its system"}},
	}
	record := &run.Record{Run: 7, Agent: "HR", Profile: "full-import", Ended: ended}
	want := notify.Hold{
		Agent: "HR", Profile: "full-import", Run: 7, Reason: "sync: 60 additions, more than 50", At: ended,
		Objects: []string{"CN=a is new in its system", identity.NewID(1, 2).String() + " is new in its system"},
	}
	if diff := cmp.Diff(want, heldStep(record, &run.Report{Result: run.Success, Held: h})); diff != "" {
		t.Error(diff)
	}
	want.Result = run.StoppedThreshold
	if diff := cmp.Diff(want, heldStep(record, &run.Report{Result: run.StoppedThreshold, Held: h})); diff != "" {
		t.Error(diff)
	}
}
