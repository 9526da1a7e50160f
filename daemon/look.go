package daemon

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

// Looking at what would happen goes on beside runs and reloads. Rules are asked
// then, and so are scripts: a generation of them that somebody looks through is
// closed when the last one has finished.

// acquire returns the configuration that is in force now, and what ends its use.
func (d *Daemon) acquire() (c *candidate, done func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.active, d.active.scripts.Hold()
}

// use returns what ends the use of the configuration that is in force now.
func (d *Daemon) use() (done func()) {
	_, done = d.acquire()
	return done
}

// Preview tells what the synchronization of an object would do and why; see
// [engine.Engine.Preview].
func (d *Daemon) Preview(ctx context.Context, q engine.PreviewQuery) (*engine.Preview, error) {
	defer d.use()()
	return d.engine.Preview(ctx, q)
}

// CommitPreview synchronizes an object for the given user and tells what was done;
// see [engine.Engine.CommitPreview]. While Run is at work, it waits until nothing
// else runs, and what follows from it is done then.
func (d *Daemon) CommitPreview(ctx context.Context, q engine.PreviewQuery, user string) (p *engine.Preview, err error) {
	defer func() { d.did(Note{Kind: "preview-commit", Agent: q.Agent, User: user, Text: q.Key}, nil, err) }()
	err = d.alone(ctx, func() (err error) {
		p, err = d.engine.CommitPreview(ctx, q, run.Cause{Kind: autosync.CauseManual, User: user})
		return err
	})
	return p, err
}

// Explain tells the story of an object; see [engine.Engine.Explain].
func (d *Daemon) Explain(ctx context.Context, q engine.ExplainQuery) (*engine.Explanation, error) {
	defer d.use()()
	return d.engine.Explain(ctx, q)
}

// Containers lists the containers of a system; see [engine.Engine.Containers].
func (d *Daemon) Containers(ctx context.Context, q engine.ContainerQuery) ([]engine.ContainerView, error) {
	defer d.use()()
	return d.engine.Containers(ctx, q)
}

// A ForecastQuery says what to forecast.
type ForecastQuery struct {
	// With is the absolute path of another configuration, to be compared with the
	// one in force; "" compares the one in force with the present.
	With    string `json:"with,omitempty"`
	Samples int    `json:"samples,omitempty"` // objects to show for each kind of change; 0 is 5
}

// Forecast says what a full synchronization of everything would change or, with
// another configuration and its scripts, in what that would end differently; see
// [engine.Engine.Compare]. progress may be nil.
func (d *Daemon) Forecast(ctx context.Context, q ForecastQuery, progress run.Progress) (*engine.Forecast, error) {
	defer d.use()()
	options := engine.ForecastOptions{Samples: q.Samples, Progress: progress}
	if q.With == "" {
		return d.engine.Forecast(ctx, options)
	}
	o := d.options
	o.File = q.With
	other, err := assemble(ctx, o, fromFolder)
	if err != nil {
		return nil, placed(err, filepath.Dir(o.File))
	}
	defer other.scripts.Close()
	f, err := d.engine.Compare(ctx, other.definition, other.functions, options)
	if f != nil {
		for i, w := range f.Warnings {
			f.Warnings[i] = config.Redact(other.config.Secrets, w)
		}
	}
	return f, placed(redactedError(err, other.config.Secrets), filepath.Dir(o.File))
}

// placed returns err with absolute places. Elsewhere a relative one is relative to
// the configuration that is in force.
func placed(err error, folder string) error {
	isRelative := func(e *fault.Error) bool { return e.Position.File != "" && !filepath.IsAbs(e.Position.File) }
	list := fault.All(err)
	if !slices.ContainsFunc(list, isRelative) {
		return err
	}
	var problems []error
	for _, e := range list {
		absolute := *e
		if isRelative(e) {
			absolute.Position.File = filepath.Join(folder, e.Position.File)
		}
		problems = append(problems, &absolute)
	}
	return errors.Join(problems...)
}
