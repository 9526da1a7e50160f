package daemon

import (
	"context"
	"net/http"
	"os"
	"path/filepath"

	"github.com/metasync/metasync/daemon/metrics"
	"github.com/metasync/metasync/triggers"
)

// MetricsPath is where monitoring finds the metrics.
const MetricsPath = "/metrics"

// Web returns what is open to other machines: the webhooks of the triggers, and the
// metrics if the configuration says so.
func (d *Daemon) Web() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(triggers.HookPath, d.triggers.Webhooks())
	mux.HandleFunc("GET "+MetricsPath, d.serveMetrics)
	return mux
}

func (d *Daemon) serveMetrics(w http.ResponseWriter, r *http.Request) {
	allowed := d.Console().Metrics
	switch {
	case !allowed.On:
		http.NotFound(w, r)
	case allowed.Token != "" && !triggers.Authorized(r, allowed.Token):
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "the token is missing or wrong", http.StatusUnauthorized)
	default:
		d.metrics.Handler().ServeHTTP(w, r)
	}
}

// measure finds out what the metrics say of the present.
func (d *Daemon) measure(context.Context) (metrics.View, error) {
	d.mu.Lock()
	state, since, rejected := d.active.config.State, d.since, d.rejected != nil
	d.mu.Unlock()
	v := metrics.View{
		Scheduler: d.scheduler.Status(), Waited: d.scheduler.Waited(), Triggers: d.triggers.Health(),
		Rejected: rejected, Held: d.heldNow() != nil, Loaded: since, Stores: map[string]int64{},
	}
	for _, name := range []string{stateFile, historyFile} {
		if info, err := os.Stat(filepath.Join(state, name)); err == nil {
			v.Stores[name] = info.Size()
		}
	}
	var err error
	if v.Notify, err = d.notifier.Status(); err != nil {
		return v, err
	}
	if v.Workflows, err = d.queue.Status(); err != nil {
		return v, err
	}
	facts, err := d.engine.Facts()
	if err != nil {
		return v, err
	}
	statistics, objects, err := d.engine.Statistics()
	if err != nil {
		return v, err
	}
	v.Metaverse = objects
	for i, f := range facts {
		v.Agents = append(v.Agents, metrics.Agent{Facts: f, Count: statistics[i].Count})
	}
	return v, nil
}
