package daemon

import (
	"context"
	"path/filepath"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/run"
)

// Remove removes what the configuration no longer has, for the given user; see
// [engine.Engine.Remove]. While Run is at work, it waits until nothing else runs,
// and what follows from it is done then. If ctx is done while it waits, nothing has
// happened. progress may be nil.
func (d *Daemon) Remove(ctx context.Context, r engine.Removal, user string, progress run.Progress) (record *run.Record, err error) {
	defer d.listen(progress)()
	defer func() { d.did(Note{Kind: "remove", Agent: r.Agent, User: user, Text: r.String()}, record, err) }()
	err = d.alone(ctx, func() (err error) {
		record, err = d.engine.Remove(ctx, r, run.Cause{Kind: autosync.CauseManual, User: user}, d.report)
		return err
	})
	return record, err
}

// A RemovalQuery says of what removal to show a preview.
type RemovalQuery struct {
	engine.Removal
	Samples int `json:"samples,omitempty"` // objects to show for each kind of change; 0 is 5
}

// PreviewRemoval says what a removal would do; see [engine.Engine.PreviewRemoval].
// progress may be nil.
func (d *Daemon) PreviewRemoval(ctx context.Context, q RemovalQuery, progress run.Progress) (*engine.RemovalPreview, error) {
	defer d.use()()
	return d.engine.PreviewRemoval(ctx, q.Removal, engine.ForecastOptions{Samples: q.Samples, Progress: progress})
}

// Orphans returns what the state of this daemon holds and another configuration,
// whose absolute path is given, does not have; see [engine.Engine.OrphansOf].
func (d *Daemon) Orphans(ctx context.Context, file string) ([]engine.Orphan, error) {
	o := d.options
	o.File = file
	other, err := assemble(ctx, o, fromFolder)
	if err != nil {
		return nil, placed(err, filepath.Dir(file))
	}
	defer other.scripts.Close()
	orphans, err := d.engine.OrphansOf(ctx, other.definition, other.functions)
	return orphans, redactedError(err, other.config.Secrets)
}
