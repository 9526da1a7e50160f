package daemon

import (
	"testing"
	"time"

	"github.com/metasync/metasync/engine/run"
)

func TestIntervalFromHistory(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	// imports returns n imports, of which some found changes.
	imports := func(agent string, step run.StepType, n, found int, took time.Duration) []*run.Record {
		var list []*run.Record
		for i := range n {
			r := &run.Report{Type: step, Result: run.Success, Started: start, Ended: start.Add(took), Staging: map[string]int{"stage-no-change": 5}}
			if i < found {
				r.Staging["stage-update"] = 1
			}
			list = append(list, &run.Record{Agent: agent, Steps: []*run.Report{r}})
		}
		return list
	}
	stopped := imports("HR", run.DeltaImport, 1, 1, time.Hour)
	stopped[0].Steps[0].Result = run.StoppedDeletionLimit
	join := func(lists ...[]*run.Record) (all []*run.Record) {
		for _, list := range lists {
			all = append(all, list...)
		}
		return all
	}
	tests := map[string]struct {
		records []*run.Record
		want    time.Duration
	}{
		"no history":                     {nil, 15 * time.Minute},
		"of others":                      {imports("AD", run.DeltaImport, 9, 9, time.Minute), 15 * time.Minute},
		"half of them find changes":      {imports("HR", run.DeltaImport, 10, 5, time.Second), 15 * time.Minute},
		"all of them do":                 {imports("HR", run.DeltaImport, 10, 10, time.Second), 8 * time.Minute},
		"none of them does":              {imports("HR", run.DeltaImport, 10, 0, time.Second), 23 * time.Minute},
		"they take three minutes":        {imports("HR", run.DeltaImport, 10, 10, 3*time.Minute), 30 * time.Minute},
		"they take half an hour":         {imports("HR", run.DeltaImport, 10, 10, 30*time.Minute), time.Hour},
		"only full ones":                 {imports("HR", run.FullImport, 10, 10, 3*time.Minute), 30 * time.Minute},
		"full ones beside delta imports": {join(imports("HR", run.DeltaImport, 10, 5, time.Second), imports("HR", run.FullImport, 5, 5, 20*time.Minute)), 15 * time.Minute},
		"one that stopped says nothing":  {stopped, 15 * time.Minute},
		"old ones do not count": {
			join(imports("HR", run.DeltaImport, suggestEnough, suggestEnough/2, time.Second), imports("HR", run.DeltaImport, 50, 50, time.Hour)), 15 * time.Minute,
		},
	}
	for name, test := range tests {
		if got, why := interval("HR", test.records); got != test.want || why == "" {
			t.Errorf("%s: %v (%s), want %v", name, got, why, test.want)
		}
	}
}
