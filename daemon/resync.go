package daemon

import (
	"context"
	"strings"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/run"
)

// Resync synchronizes chosen objects fully, for the given user; see
// [engine.Engine.Resync]. While Run is at work, it waits until nothing else runs,
// and what follows from it is done then. progress may be nil.
func (d *Daemon) Resync(ctx context.Context, q engine.Resync, user string, progress run.Progress) (records []*run.Record, err error) {
	defer d.listen(progress)()
	defer func() {
		var last *run.Record
		if len(records) > 0 {
			last = records[len(records)-1]
		}
		d.did(Note{Kind: "resync", Agent: q.Agent, User: user, Text: strings.TrimSpace(q.Type + " " + q.Where)}, last, err)
	}()
	act := func() (err error) {
		records, err = d.engine.Resync(ctx, q, run.Cause{Kind: autosync.CauseManual, User: user}, d.report)
		return err
	}
	d.mu.Lock()
	running := d.running
	d.mu.Unlock()
	if !running {
		err = act()
		return records, err
	}
	defer d.scheduler.Wake()
	err = d.scheduler.Barrier(ctx, act)
	return records, err
}
