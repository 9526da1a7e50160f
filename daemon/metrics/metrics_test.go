package metrics_test

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/daemon/metrics"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/notify"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/sync"
	"github.com/metasync/metasync/triggers"
)

// history is a run history in memory, the oldest first.
type history []*run.Record

func (h *history) Last(limit int) ([]*run.Record, error) {
	list := slices.Clone(*h)
	slices.Reverse(list)
	return list[:min(limit, len(list))], nil
}

func (h *history) Record(number uint64) (*run.Record, error) {
	for _, r := range *h {
		if r.Run == number {
			return r, nil
		}
	}
	return nil, nil
}

func (h *history) Records(after uint64) iter.Seq2[*run.Record, error] {
	return func(yield func(*run.Record, error) bool) {
		for _, r := range *h {
			if r.Run > after && !yield(r, nil) {
				return
			}
		}
	}
}

var start = time.Unix(1_800_000_000, 0).UTC()

func record(number uint64, profile string, result run.Result) *run.Record {
	return &run.Record{Run: number, Agent: "HR", Profile: profile, Result: result, Started: start, Ended: start.Add(2 * time.Second)}
}

// scrape returns the lines of the product that are about something.
func scrape(t *testing.T, m *metrics.Metrics, about ...string) []string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	var lines []string
	for line := range strings.Lines(w.Body.String()) {
		if slices.ContainsFunc(about, func(name string) bool { return strings.HasPrefix(line, "metasync_"+name) }) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func open(t *testing.T, h *history, view metrics.View) *metrics.Metrics {
	t.Helper()
	m := metrics.New(metrics.Options{Version: "1", History: h, View: func(context.Context) (metrics.View, error) { return view, nil }})
	if err := m.Begin(); err != nil {
		t.Fatal(err)
	}
	return m
}

func want(t *testing.T, got []string, lines ...string) {
	t.Helper()
	if diff := cmp.Diff(lines, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

// Every run is counted once, when it has ended, however the scrapes fall; those of
// earlier processes only say when a profile last succeeded.
func TestRuns(t *testing.T) {
	h := &history{record(1, "full-import", run.Success), record(2, "export", run.StoppedThreshold)}
	m := open(t, h, metrics.View{})
	want(t, scrape(t, m, "runs_total", "last_success"), `metasync_last_success_timestamp_seconds{agent="HR",profile="full-import"} 1.800000002e+09`)

	long := record(3, "full-sync", run.InProgress)
	*h = append(*h, long, record(4, "full-import", run.Success))
	for range 2 {
		want(t, scrape(t, m, "runs_total"), `metasync_runs_total{agent="HR",profile="full-import",result="success"} 1`)
	}
	long.Result, long.Steps = run.CompletedSyncErrors, []*run.Report{{
		Staging:    map[string]int{"stage-add": 2, "stage-delete": 0},
		Inbound:    map[sync.Counter]int{"connector-flow": 5},
		Outbound:   map[string]map[sync.Counter]int{"AD": {"provisioned-add-flow": 7}},
		SyncErrors: []run.ErrorRecord{{Type: "flow-multi-values-to-single-value"}, {Type: "join-ambiguous", Warning: true}},
	}}
	for range 2 {
		want(
			t, scrape(t, m, "runs_total", "changes", "object_errors", "run_duration_seconds_sum"),
			`metasync_changes_total{agent="AD",counter="provisioned-add-flow",part="outbound"} 7`,
			`metasync_changes_total{agent="HR",counter="connector-flow",part="inbound"} 5`,
			`metasync_changes_total{agent="HR",counter="stage-add",part="staging"} 2`,
			`metasync_object_errors_total{agent="HR",error="flow-multi-values-to-single-value",part="synchronization"} 1`,
			`metasync_run_duration_seconds_sum{agent="HR",profile="full-import"} 2`,
			`metasync_run_duration_seconds_sum{agent="HR",profile="full-sync"} 2`,
			`metasync_runs_total{agent="HR",profile="full-import",result="success"} 1`,
			`metasync_runs_total{agent="HR",profile="full-sync",result="completed-sync-errors"} 1`,
		)
	}
}

func TestPresent(t *testing.T) {
	m := open(t, new(history), metrics.View{
		Agents: []metrics.Agent{{
			Facts: autosync.Facts{
				Agent: "HR", PendingImports: 3, PendingExports: 4, Unconfirmed: 5, FailedImports: 6, FailedExports: 7,
				Held: []autosync.HeldStep{{Step: hold.Import, Reason: "one"}, {Step: hold.Import, Reason: "another"}},
			},
			Count: map[string]int{"all": 9},
		}},
		Scheduler: autosync.Status{
			Agents:   []autosync.AgentStatus{{Facts: autosync.Facts{Agent: "HR"}}, {Facts: autosync.Facts{Agent: "AD"}}},
			Running:  []autosync.Running{{Agent: "HR", Profile: "full-sync", Started: start, Stuck: true}},
			Queue:    []autosync.Waiting{{Agent: "AD", Profile: "export"}, {Agent: "AD", Profile: "delta-import"}},
			Backoff:  []autosync.Backoff{{Agent: "AD", Profile: "export", Failures: 3, Error: "of Ada"}},
			Controls: []autosync.Control{{Agent: "AD", Mode: autosync.Paused, Reason: "of Bo"}},
		},
		Waited:    map[string]autosync.Waited{"AD": {autosync.LockSync: 1500 * time.Millisecond}},
		Triggers:  []triggers.Health{{Agent: "HR", Name: "nightly", State: "backing-off", LastFire: start, Failures: 2, LastError: "of Cy"}},
		Notify:    notify.Status{Channels: []notify.ChannelStatus{{Channel: "mail", Queued: 1, Sent: 2, Failed: 3, Dropped: 4}}},
		Metaverse: 8, Rejected: true, Loaded: start, Stores: map[string]int64{"state.db": 4096},
	})
	want(
		t, scrape(t, m, ""),
		`metasync_build_info{version="1"} 1`,
		`metasync_configuration_held 0`,
		`metasync_configuration_loaded_timestamp_seconds 1.8e+09`,
		`metasync_configuration_rejected 1`,
		`metasync_failing_objects{agent="HR",step="export"} 7`,
		`metasync_failing_objects{agent="HR",step="synchronization"} 6`,
		`metasync_failures_in_a_row{agent="AD",profile="export"} 3`,
		`metasync_held{agent="HR",step="import"} 1`,
		`metasync_message_failures_total{channel="mail"} 3`,
		`metasync_messages_dropped_total{channel="mail"} 4`,
		`metasync_messages_queued{channel="mail"} 1`,
		`metasync_messages_sent_total{channel="mail"} 2`,
		`metasync_metaverse_objects 8`,
		`metasync_objects{agent="HR",state="all"} 9`,
		`metasync_pending_objects{agent="HR",step="confirmation"} 5`,
		`metasync_pending_objects{agent="HR",step="export"} 4`,
		`metasync_pending_objects{agent="HR",step="synchronization"} 3`,
		`metasync_queue_length{agent="AD"} 2`,
		`metasync_queue_length{agent="HR"} 0`,
		`metasync_running{agent="HR",profile="full-sync"} 1`,
		`metasync_running_since_timestamp_seconds{agent="HR",profile="full-sync"} 1.8e+09`,
		`metasync_store_bytes{store="state.db"} 4096`,
		`metasync_stuck{agent="HR",profile="full-sync"} 1`,
		`metasync_suspended{agent="AD",mode="paused"} 1`,
		`metasync_trigger_failures_in_a_row{agent="HR",trigger="nightly"} 2`,
		`metasync_trigger_last_fire_timestamp_seconds{agent="HR",trigger="nightly"} 1.8e+09`,
		`metasync_trigger_state{agent="HR",state="backing-off",trigger="nightly"} 1`,
		`metasync_waited_seconds_total{agent="AD",lock="synchronization"} 1.5`,
		`metasync_workflow_calls{state="failed"} 0`,
		`metasync_workflow_calls{state="waiting"} 0`,
	)
}

// Half an answer would look like the whole.
func TestViewFails(t *testing.T) {
	m := metrics.New(metrics.Options{History: new(history), View: func(context.Context) (metrics.View, error) {
		return metrics.View{Metaverse: 1}, errors.New("the store does not answer")
	}})
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "metasync_") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}
