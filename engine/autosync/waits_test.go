package autosync

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
)

// How long runs waited for a lock is counted for each lock, and waiting for anything
// else is not.
func TestWaited(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Settings)
		want   map[string]Waited
	}{
		"one synchronization at a time": {
			func(*Settings) {}, map[string]Waited{"Badges": {LockSync: 10 * time.Second}},
		},
		"one run at a time": {
			func(s *Settings) { s.Mode = Exclusive },
			map[string]Waited{"Badges": {LockExclusive: 11 * time.Second}},
		},
		"its own runs are no lock": {
			func(s *Settings) { s.Agents = s.Agents[:1] }, map[string]Waited{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(Overlap, "HR", "Badges")
				f.targets = func(string) []string { return nil }
				f.wait = func(ctx context.Context, _, profile string) (run.Result, error) {
					took := time.Second
					if profile != string(run.FullImport) {
						took = 10 * time.Second
					}
					return "success", sleep(ctx, took)
				}
				f.change("HR", 3)
				f.change("Badges", 3)
				settings := settingsFor(Overlap, "HR", "Badges")
				test.change(&settings)
				s, err := New(Options{Engine: f, Store: store.NewMemory(), Settings: settings})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.Once(t.Context(), Changes); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, s.Waited()); diff != "" {
					t.Errorf("waited (-want +got):\n%s", diff)
				}
			})
		})
	}
}
