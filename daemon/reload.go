package daemon

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/internal/filewatch"
	"github.com/metasync/metasync/scripting"
)

// watch looks at the files of the configuration and the scripts, and reloads
// when they change.
func (d *Daemon) watch(ctx context.Context) error {
	var known filewatch.Fingerprint
	for ctx.Err() == nil {
		roots := d.watched()
		if known == "" {
			known = filewatch.Scan(ctx, d.watchOptions(roots, ""))
		}
		watching, cancel := context.WithCancel(ctx)
		filewatch.Watch(watching, d.watchOptions(roots, known), func(ctx context.Context, now filewatch.Fingerprint) {
			known = now
			d.reload(ctx)
			if !slices.Equal(roots, d.watched()) {
				known = ""
				cancel() // and watch the other files
			}
		})
		cancel()
	}
	return nil
}

func (d *Daemon) watchOptions(roots []string, since filewatch.Fingerprint) filewatch.Options {
	scripts := d.current().config.Scripts
	return filewatch.Options{
		Roots: roots, Since: since, Reads: true, Log: d.options.Log,
		Match: func(path string, folder bool) bool {
			relative, err := filepath.Rel(scripts, path)
			return err != nil || scripting.Match(relative, folder)
		},
	}
}

func (d *Daemon) watched() []string {
	cfg := d.current().config
	roots := slices.Concat(cfg.Files, cfg.Patterns, []string{cfg.Scripts})
	for _, table := range cfg.Lookups {
		roots = append(roots, table.File)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held == nil {
		return roots
	}
	for _, root := range d.held.roots { // a file that only the change includes
		if !slices.Contains(roots, root) {
			roots = append(roots, root)
		}
	}
	return roots
}

// reload loads configuration and scripts, and puts them in place of those that
// run if they are right and not held; otherwise nothing changes.
func (d *Daemon) reload(ctx context.Context) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	err := d.replace(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		d.reject(errors.Join(err, d.setHold(nil))) // what was held is no longer in the files
	default:
		d.mu.Lock()
		d.rejected = nil
		d.mu.Unlock()
		d.notices().accepted()
	}
}

func (d *Daemon) reject(err error) {
	generation := scripting.FolderID(d.current().config.Scripts)
	d.mu.Lock()
	d.rejected = &rejection{d.options.Now(), generation, err}
	d.mu.Unlock()
	d.options.Log.Error("a change of configuration or scripts was refused; the last good ones stay in force", "err", err)
	d.notices().refused(err)
}

func (d *Daemon) replace(ctx context.Context) error {
	next, err := assemble(ctx, d.options, fromFolder)
	if err != nil {
		return err
	}
	before := d.current()
	if next.config.State != before.config.State {
		next.scripts.Close()
		err := fault.New("restart-required", "the state folder cannot change while the daemon runs")
		err.Position.File = next.config.File
		return err
	}
	if console := next.config.Console; console.Listen != before.config.Console.Listen {
		next.scripts.Close()
		err := fault.New("restart-required", "console.listen cannot change while the daemon runs")
		err.Position = console.Position
		if err.Position.IsZero() {
			err.Position.File = next.config.File
		}
		return err
	}
	if _, err := d.engine.Check(ctx, next.definition, next.functions); err != nil {
		next.scripts.Close()
		return redactedError(err, next.config.Secrets)
	}
	held, err := d.guard(ctx, next)
	if err != nil {
		next.scripts.Close()
		return err
	}
	if held != nil {
		next.scripts.Close()
		return d.setHold(held)
	}
	// In the barrier no run is active: runs before it used the old rules and
	// scripts to their end, runs after it use the new ones from their start.
	err = d.alone(ctx, func() error {
		if err := d.queue.Gather(ctx); err != nil { // by the workflows that were in force
			return err
		}
		if err := d.activate(ctx, next); err != nil {
			return err
		}
		return errors.Join(d.scheduler.SetSettings(d.settings(next)), d.triggers.Replace(d.supervised(next)))
	})
	if err != nil {
		if d.current() != next {
			next.scripts.Close()
		}
		return err
	}
	before.scripts.Retire()
	if err := d.setHold(nil); err != nil {
		return err
	}
	d.scheduler.Wake()
	d.options.Log.Info("configuration and scripts loaded", "generation", next.scripts.ID(), "scripts", len(next.scripts.Files()))
	return nil
}

// guard finds out whether a candidate is held, while the one in force goes on.
func (d *Daemon) guard(ctx context.Context, next *candidate) (*hold, error) {
	defer d.use()()
	return d.judge(ctx, next, d.current())
}
