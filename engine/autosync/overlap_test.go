package autosync

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
)

// refilling is an engine in which a synchronization that goes on during the
// first export stages as many changes as the export sends.
type refilling struct {
	*fakeEngine
	done bool
}

func (r *refilling) Execute(ctx context.Context, agent, profile string, cause Cause) (Outcome, error) {
	outcome, err := r.fakeEngine.Execute(ctx, agent, profile, cause)
	if profile == string(run.Export) && !r.done {
		r.done = true
		r.mu.Lock()
		r.agents[agent].PendingExports += 3
		r.mu.Unlock()
	}
	return outcome, err
}

// An export is not to blame for what a synchronization stages meanwhile.
func TestExportDuringSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(Overlap, "HR", "Badges", "AD")
		f.targets = func(agent string) []string {
			return map[string][]string{"HR": {"AD"}, "Badges": {"AD"}}[agent]
		}
		f.wait = func(ctx context.Context, agent, profile string) (run.Result, error) {
			took := time.Second
			if agent == "Badges" && profile == string(run.DeltaSync) {
				took = 5 * time.Second
			}
			return "success", sleep(ctx, took)
		}
		f.change("HR", 3)
		f.change("Badges", 3)
		s, err := New(Options{Engine: &refilling{fakeEngine: f}, Store: store.NewMemory(), Settings: settingsFor(Overlap, "HR", "Badges", "AD")})
		if err != nil {
			t.Fatal(err)
		}
		summary, err := s.Once(t.Context(), Changes)
		if err != nil || summary.Failed || len(summary.Left) > 0 {
			t.Errorf("Once: %v, failed %v, left %+v", err, summary.Failed, summary.Left)
		}
		if left := f.left(); len(left) > 0 {
			t.Errorf("left to do: %+v", left)
		}
	})
}
