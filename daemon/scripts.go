package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/scripting"
)

// ScriptsView is what there is to say about the scripts. Its JSON form is the
// public one.
type ScriptsView struct {
	Running  RunningScripts `json:"running"`
	Rejected *Rejected      `json:"rejected"` // a change of configuration or scripts that was refused
	Held     *Held          `json:"held"`     // one that waits for approval, or was refused it
}

// RunningScripts is the generation that is in force, with what it registers.
type RunningScripts struct {
	Scripts
	Registrations []Registration `json:"registrations"`
}

// A Registration is what a script registers.
type Registration struct {
	Kind      string   `json:"kind"`
	Name      string   `json:"name"` // of a flow, its source and its name
	Functions []string `json:"functions,omitempty"`
	File      string   `json:"file"`
	Line      int      `json:"line-number"`
	Column    int      `json:"column-number"`
	Version   string   `json:"version"` // of the files that it depends on
}

func (c *candidate) status(since time.Time) Scripts {
	return Scripts{
		Generation: c.scripts.ID(), Folder: c.config.Scripts, Files: c.scripts.Files(), Since: since, Tests: len(c.tests),
	}
}

func (r *rejection) status() *Rejected {
	return &Rejected{At: r.at, Generation: r.generation, Errors: Problems(r.err)}
}

// Scripts tells which scripts are in force and what they register, and which were
// refused.
func (d *Daemon) Scripts(context.Context) (*ScriptsView, error) {
	defer d.use()()
	d.mu.Lock()
	active, since, rejected := d.active, d.since, d.rejected
	d.mu.Unlock()
	view := &ScriptsView{Running: RunningScripts{Scripts: active.status(since), Registrations: []Registration{}}}
	for _, r := range active.scripts.Registered() {
		view.Running.Registrations = append(view.Running.Registrations, Registration{
			Kind: r.Kind, Name: r.Name, Functions: r.Functions, Version: r.Version,
			File: r.Position.File, Line: r.Position.Line, Column: r.Position.Column,
		})
	}
	if rejected != nil {
		view.Rejected = rejected.status()
	}
	view.Held = d.heldNow()
	return view, nil
}

// A TestQuery says which tests of the scripts to run.
type TestQuery struct {
	Files []string       // absolute paths of scripts; none is all of them
	Name  *regexp.Regexp // found in the name of a test; nil is all
}

// Test runs tests of the scripts that a configuration names, as they are in their
// folder, and says what came of them. Nothing else of the configuration counts but
// that it can be read, and no state is looked at.
func Test(ctx context.Context, o Options, q TestQuery) ([]scripting.TestResult, error) {
	o = o.withDefaults()
	base, err := config.LoadBase(o.File, config.Options{Kinds: o.Kinds})
	if err != nil {
		return nil, err
	}
	g, err := scripting.NewLoader(scriptOptions(base, o.Log)).Load(ctx)
	if err != nil {
		return nil, err
	}
	defer g.Close()
	options, err := withScripts(ctx, o, g)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(o.File, options)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, file := range q.Files {
		name, err := scriptFile(cfg, g, file)
		if err != nil {
			return nil, err
		}
		wanted[name] = true
	}
	results := g.Test(ctx, scripting.TestOptions{Dialect: expr.Dialect(cfg.Model.Dialect), Match: func(t scripting.Test) bool {
		return (len(wanted) == 0 || wanted[t.Position.File]) && (q.Name == nil || q.Name.MatchString(t.Name))
	}})
	if len(results) == 0 && q.Name != nil {
		return nil, fault.New("unknown-test", "no test has a name that matches %q", q.Name)
	}
	return results, nil
}

// scriptFile returns a script's file as places in it are written.
func scriptFile(cfg *config.Config, g *scripting.Generation, file string) (string, error) {
	name, err := filepath.Rel(cfg.Scripts, file)
	if err == nil && slices.Contains(g.Files(), filepath.ToSlash(name)) {
		return g.Place(filepath.ToSlash(name)), nil
	}
	missing := fault.New("unknown-script", "%s is no script of the folder %s", file, cfg.Scripts)
	if _, err := os.Stat(file); err != nil {
		missing.Text = fmt.Sprintf("there is no script %s", file)
	}
	if near := fault.Suggest(filepath.Base(file), g.Files()); near != "" && !strings.Contains(missing.Text, near) {
		missing.Hint = fmt.Sprintf("did you mean %q?", near)
	}
	return "", missing
}
