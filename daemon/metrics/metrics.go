// Package metrics tells monitoring, in the form of Prometheus, how the engine and the
// scheduler are doing.
//
//	m := metrics.New(metrics.Options{Version: version, View: view, History: history})
//	err := m.Begin()
//	http.Handle("GET /metrics", m.Handler())
//
// What runs did since the start are counters, which a scrape brings up to date from the
// run history: whoever made a run, it is counted once. Everything else is asked for at
// each scrape, so nothing can be out of date.
// All names begin with metasync_; docs/operations.md lists them. Errors in words and
// names of objects are left out: a monitoring system is no place for data of people.
package metrics

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/metasync/metasync/engine/run"
)

const (
	scrapeTime = 20 * time.Second // how long one answer may take
	remembered = 1000             // runs of the past in which the last success of a profile is looked for
)

// Options are what metrics are made of.
type Options struct {
	Version string
	View    func(context.Context) (View, error) // what is now, asked for at each scrape
	History History
	Log     *slog.Logger // nil is silent
}

// A History has the records of runs, as [run.History] does.
type History interface {
	Last(limit int) ([]*run.Record, error) // the newest first
	Record(number uint64) (*run.Record, error)
	Records(after uint64) iter.Seq2[*run.Record, error]
}

// Metrics are those of one daemon. They are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	log      *slog.Logger
	view     func(context.Context) (View, error)

	runs      *prometheus.CounterVec
	took      *prometheus.HistogramVec
	changes   *prometheus.CounterVec
	errors    *prometheus.CounterVec
	succeeded *prometheus.GaugeVec

	history History
	mu      sync.Mutex
	last    uint64          // the newest run that was seen
	open    map[uint64]bool // those that were going on then
}

// New returns metrics in which nothing has happened yet.
func New(o Options) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), log: o.Log, view: o.View, history: o.History, open: map[uint64]bool{}}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	m.runs = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "metasync_runs_total", Help: "Runs that have ended.",
	}, []string{"agent", "profile", "result"})
	m.took = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "metasync_run_duration_seconds", Help: "How long runs took.",
		Buckets: []float64{.01, .1, 1, 5, 30, 60, 300, 900, 3600, 4 * 3600},
	}, []string{"agent", "profile"})
	m.changes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "metasync_changes_total", Help: "What steps have done to objects, by the counters of run records.",
	}, []string{"agent", "part", "counter"})
	m.errors = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "metasync_object_errors_total", Help: "Errors on objects, as far as run records list them.",
	}, []string{"agent", "part", "error"})
	m.succeeded = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "metasync_last_success_timestamp_seconds", Help: "When a run of the profile last ended without having been stopped.",
	}, []string{"agent", "profile"})
	version := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "metasync_build_info", Help: "Always 1; the version is a label.", ConstLabels: prometheus.Labels{"version": o.Version},
	})
	version.Set(1)
	m.registry.MustRegister(m.runs, m.took, m.changes, m.errors, m.succeeded, version, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Begin begins to count. What an earlier process did is not counted, but the times at
// which profiles last succeeded are its, too.
func (m *Metrics) Begin() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	records, err := m.history.Last(remembered)
	if err != nil {
		return err
	}
	for _, r := range slices.Backward(records) { // the newest comes first
		m.note(r)
	}
	return nil
}

// catchUp counts the runs that have ended since the last scrape.
func (m *Metrics) catchUp() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for number := range m.open {
		r, err := m.history.Record(number)
		if err != nil {
			return err
		}
		if r == nil || r.Result != run.InProgress {
			delete(m.open, number)
		}
		if r != nil && m.note(r) {
			m.count(r)
		}
	}
	for r, err := range m.history.Records(m.last) {
		if err != nil {
			return err
		}
		if m.note(r) {
			m.count(r)
		}
	}
	return nil
}

// note notes a run and reports whether it has ended.
func (m *Metrics) note(r *run.Record) bool {
	m.last = max(m.last, r.Run)
	if r.Result == run.InProgress {
		m.open[r.Run] = true
		return false
	}
	if !r.Result.Stopped() {
		m.succeeded.WithLabelValues(r.Agent, r.Profile).Set(seconds(r.Ended))
	}
	return true
}

func (m *Metrics) count(r *run.Record) {
	m.runs.WithLabelValues(r.Agent, r.Profile, string(r.Result)).Inc()
	m.took.WithLabelValues(r.Agent, r.Profile).Observe(r.Ended.Sub(r.Started).Seconds())
	for _, s := range r.Steps {
		agent := cmp.Or(s.Agent, r.Agent)
		add(m.changes, agent, "staging", s.Staging)
		add(m.changes, agent, "inbound", s.Inbound)
		for target, counters := range s.Outbound {
			add(m.changes, target, "outbound", counters)
		}
		add(m.changes, agent, "export", s.Exports)
		m.countErrors(agent, "discovery", s.DiscoveryErrors)
		m.countErrors(agent, "synchronization", s.SyncErrors)
		m.countErrors(agent, "export", s.ExportErrors)
	}
}

func (m *Metrics) countErrors(agent, part string, list []run.ErrorRecord) {
	for i := range list {
		if !list[i].Warning {
			m.errors.WithLabelValues(agent, part, list[i].Type).Inc()
		}
	}
}

func add[C ~string](v *prometheus.CounterVec, agent, part string, counters map[C]int) {
	for name, n := range counters {
		if n > 0 {
			v.WithLabelValues(agent, part, string(name)).Add(float64(n))
		}
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// Handler answers scrapes. If what is now cannot be found out, the answer is the error
// 500: half an answer would look like the whole.
func (m *Metrics) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		view, err := m.view(r.Context())
		err = errors.Join(err, m.catchUp())
		if err != nil {
			m.log.Error("the metrics cannot be found out", "err", err)
			http.Error(w, "the metrics cannot be found out, the log says why", http.StatusInternalServerError)
			return
		}
		present := prometheus.NewRegistry()
		present.MustRegister(view)
		promhttp.HandlerFor(prometheus.Gatherers{m.registry, present}, promhttp.HandlerOpts{
			ErrorHandling: promhttp.HTTPErrorOnError, Timeout: scrapeTime,
		}).ServeHTTP(w, r)
	})
}
