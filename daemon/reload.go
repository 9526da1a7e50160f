package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/internal/filewatch"
	"github.com/metasync/metasync/scripting"
)

// sighted is what the files to watch were like when somebody looked.
type sighted struct {
	roots []string
	now   filewatch.Fingerprint
}

// watch looks at the files of the configuration and the scripts, and reloads
// when they change. What was read of files that nobody had looked at before may be out
// of date already: it is read again.
func (d *Daemon) watch(ctx context.Context) error {
	seen := d.seen
	for ctx.Err() == nil {
		if roots := d.watched(); !slices.Equal(seen.roots, roots) {
			seen = sight(ctx, d.options, roots)
			d.reload(ctx)
			continue
		}
		watching, cancel := context.WithCancel(ctx)
		filewatch.Watch(watching, watchOptions(d.options, seen), func(ctx context.Context, now filewatch.Fingerprint) {
			if slices.Equal(seen.roots, d.watched()) {
				seen.now = now
				d.reload(ctx)
			}
			if !slices.Equal(seen.roots, d.watched()) {
				cancel() // and watch the other files
			}
		})
		cancel()
	}
	return nil
}

// sight looks at files. What is read of them afterwards is this or newer.
func sight(ctx context.Context, o Options, roots []string) sighted {
	s := sighted{roots: roots}
	s.now = filewatch.Scan(ctx, watchOptions(o, s))
	return s
}

func watchOptions(o Options, s sighted) filewatch.Options {
	scripts := ""
	if base, err := config.LoadBase(o.File, config.Options{Kinds: o.Kinds}); err == nil {
		scripts = base.Scripts
	}
	return filewatch.Options{
		Roots: s.roots, Since: s.now, Reads: true, Log: o.Log,
		Match: func(path string, folder bool) bool {
			relative, err := filepath.Rel(scripts, path)
			return err != nil || scripting.Match(relative, folder)
		},
	}
}

// watched returns all that a reload would read, and what else the configuration in force
// was made of, unless it is not the one of the files.
func (d *Daemon) watched() []string {
	roots := rootsOf(d.options)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rejected == nil && d.held == nil {
		roots = append(roots, d.active.config.Files...) // scripts may have added ${file:...}
	}
	slices.Sort(roots)
	return slices.Compact(roots)
}

// rootsOf returns the files that a configuration names, and its scripts folder, as far as
// it can be read: also files that are missing, and those of one that is wrong.
func rootsOf(o Options) []string {
	var roots []string
	options := config.Options{
		Kinds: o.Kinds, OtherKinds: true,
		ReadFile: func(path string) ([]byte, error) {
			roots = append(roots, path)
			return os.ReadFile(path)
		},
		Glob: func(pattern string) ([]string, error) {
			roots = append(roots, pattern)
			return filepath.Glob(pattern)
		},
	}
	if base, err := config.LoadBase(o.File, options); err == nil {
		roots = append(roots, base.Scripts)
		for _, table := range base.Lookups {
			roots = append(roots, table.File)
		}
		_, _ = config.Load(o.File, options) // for files that only some keys name; what is wrong a reload says
	}
	slices.Sort(roots)
	return slices.Compact(roots)
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
		d.notices().filesRead()
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
		d.mu.Lock()
		d.rejected = nil // before the first run with it
		d.mu.Unlock()
		if before.mark != next.mark || !slices.Equal(before.config.Secrets, next.config.Secrets) {
			d.scheduler.Anew() // and not for a lookup table, which may change each minute
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
	if before.config.History != next.config.History {
		d.wakePrune()
	}
	d.options.Log.Info("configuration and scripts loaded", "generation", next.scripts.ID(), "scripts", len(next.scripts.Files()))
	return nil
}

// guard finds out whether a candidate is held, while the one in force goes on.
func (d *Daemon) guard(ctx context.Context, next *candidate) (*hold, error) {
	defer d.use()()
	return d.judge(ctx, next, d.current())
}
