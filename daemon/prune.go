package daemon

import (
	"context"
	"time"
)

// pruneEvery is the interval at which old run records are removed.
const pruneEvery = 8 * time.Hour

// prune removes old run records, after they were saved: at the start, when it is changed how
// many are kept, and now and then (autosync §8).
func (d *Daemon) prune(ctx context.Context) error {
	ticker := time.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		d.pruneOnce()
		if err := d.scheduler.SetSettings(d.settings(d.current())); err != nil {
			d.options.Log.Error("import intervals cannot be chosen anew", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-d.pruneWake:
		}
	}
}

// pruneOnce removes what is too old now, by the configuration that is in force.
func (d *Daemon) pruneOnce() {
	now, history := d.options.Now(), d.current().config.History
	before := now.Add(-history.Keep)
	if err := d.queue.Gather(context.Background()); err != nil { // before it is gone what workflows wait for
		d.options.Log.Error("what workflows have to do cannot be found out; no run records are removed", "err", err)
		return
	}
	if _, err := d.queue.Prune(before); err != nil {
		d.options.Log.Error("old entries of workflows cannot be removed", "err", err)
	}
	removed, file, err := d.engine.History().PruneTo(string(history.SaveTo), before, history.Count, now)
	switch {
	case err != nil:
		d.options.Log.Error("old run records cannot be removed", "err", err)
	case removed > 0 && file != "":
		d.options.Log.Info("old run records removed", "count", removed, "file", file)
	case removed > 0:
		d.options.Log.Info("old run records removed", "count", removed)
	}
	if err := d.pruneLog(before); err != nil {
		d.options.Log.Error("old lines of the log cannot be removed", "err", err)
	}
}

// wakePrune has old run records removed soon.
func (d *Daemon) wakePrune() {
	select {
	case d.pruneWake <- struct{}{}:
	default:
	}
}
