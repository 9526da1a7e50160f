package daemon

import (
	"context"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/run"
)

// ByHand joins, disconnects or projects an object for the given user; see
// [engine.Engine.ByHand]. While Run is at work, it waits until nothing else runs,
// and what follows from it is done then. If ctx is done while it waits, nothing has
// happened.
func (d *Daemon) ByHand(ctx context.Context, m engine.Manual, user string) (record *run.Record, err error) {
	defer func() { d.did(Note{Kind: string(m.What), Agent: m.Agent, User: user, Text: m.Key}, record, err) }()
	err = d.alone(ctx, func() (err error) {
		record, err = d.engine.ByHand(ctx, m, run.Cause{Kind: autosync.CauseManual, User: user})
		return err
	})
	return record, err
}

// SyncObject takes one object from its system through everything, for the given
// user; see [engine.Engine.SyncObject]. While Run is at work, it waits until nothing
// else runs, and what follows from it is done then.
func (d *Daemon) SyncObject(ctx context.Context, q engine.SingleQuery, user string) (out *engine.SingleSync, err error) {
	if !q.DryRun {
		defer func() { d.did(Note{Kind: "sync", Agent: q.Agent, User: user, Text: q.Key}, nil, err) }()
	}
	err = d.alone(ctx, func() (err error) {
		out, err = d.engine.SyncObject(ctx, q, run.Cause{Kind: autosync.CauseManual, User: user})
		return err
	})
	return out, err
}

// Release has a parked object exported again, for the given user; see
// [engine.Engine.Release]. While Run is at work, it waits until nothing else runs.
func (d *Daemon) Release(ctx context.Context, agent, key, user string) (out *engine.ParkedView, err error) {
	defer func() { d.did(Note{Kind: "release", Agent: agent, User: user, Text: key}, nil, err) }()
	err = d.alone(ctx, func() (err error) {
		out, err = d.engine.Release(agent, key)
		return err
	})
	if err == nil {
		d.notices().parkedNoMore()
	}
	return out, err
}

// alone does something while nothing runs.
func (d *Daemon) alone(ctx context.Context, act func() error) error {
	d.mu.Lock()
	running := d.running
	d.mu.Unlock()
	if !running {
		defer d.work(ctx)
		return act()
	}
	defer d.wakeWorkflows()
	defer d.scheduler.Wake()
	return d.scheduler.Barrier(ctx, act)
}

// Details returns the objects behind a counter of a run; see
// [engine.Engine.Details].
func (d *Daemon) Details(_ context.Context, q engine.DetailQuery) ([]engine.DetailView, error) {
	return d.engine.Details(q)
}

// PendingExports calls yield with what the next exports would do; see
// [engine.Engine.PendingExports].
func (d *Daemon) PendingExports(ctx context.Context, agent string, yield func(engine.ExportRow) error) error {
	return d.engine.PendingExports(ctx, agent, yield)
}

// Verify returns what is wrong in the stores; see [engine.Engine.Verify].
func (d *Daemon) Verify(context.Context) ([]string, error) { return d.engine.Verify() }
