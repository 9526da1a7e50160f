package scripting

import (
	"cmp"
	"context"
	"log/slog"
	"path"
	"path/filepath"
	"time"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/scripting/host"
	"github.com/metasync/metasync/scripting/modules"
)

// Options say where the scripts are and how they are run. Folder and Base are
// needed.
type Options struct {
	Folder   string // the folder of the scripts
	Base     string // that of the configuration: places and watched files are relative to it
	Optional bool   // a folder that does not exist is like an empty one

	Workers int           // calls at a time; 0 is GOMAXPROCS
	Timeout time.Duration // of a flow function; 0 is 1 s
	Grace   time.Duration // for running calls when a generation is closed; 0 is 10 s
	Memory  int64         // bytes by which the heap may grow while scripts run; 0 is host.DefaultMemory
	Log     *slog.Logger  // for what scripts log; nil discards it

	Env    modules.Env         // what is granted; Base and Tables are the loader's
	Tables []modules.TableSpec // what lookup finds; read anew with every generation
}

// A Loader loads generations of scripts and numbers them.
type Loader struct {
	options Options
	host    host.Loader
}

// NewLoader returns a loader for a folder.
func NewLoader(o Options) *Loader {
	return &Loader{options: o, host: host.Loader{Folder: o.Folder, Optional: o.Optional, API: table}}
}

// Match reports whether a path in the scripts folder counts, for
// filewatch.Options.
func Match(path string, folder bool) bool { return host.Match(path, folder) }

// Load reads and loads the folder. It takes all files or none: the error names
// everything that is wrong, as a list of *fault.Error (errors.As finds the first,
// Unwrap() []error gives all).
func (l *Loader) Load(ctx context.Context) (*Generation, error) {
	return l.load(func(o host.Options) (*host.Generation, error) { return l.host.Load(ctx, o) })
}

// LoadKept loads what [Generation.Keep] kept earlier, instead of the folder. The
// error is [host.ErrNothingKept] if there is nothing.
func (l *Loader) LoadKept(ctx context.Context, k host.Keeper) (*Generation, error) {
	return l.load(func(o host.Options) (*host.Generation, error) { return l.host.LoadKept(ctx, k, o) })
}

func (l *Loader) load(load func(host.Options) (*host.Generation, error)) (*Generation, error) {
	env := l.options.Env
	env.Base = l.options.Base
	var err error
	if env.Tables, err = modules.LoadTables(l.options.Tables, env.Base); err != nil {
		return nil, err
	}
	if err := env.Connect(); err != nil {
		return nil, err
	}
	o := host.Options{
		Prefix: l.prefix(), Workers: l.options.Workers, Timeout: cmp.Or(l.options.Timeout, ruleTimeout),
		Grace: l.options.Grace, Memory: l.options.Memory, Log: l.options.Log, Env: &env,
	}
	if version := env.Tables.Version(); version != "" {
		o.Meanings = map[string]string{modules.LookupName: version}
	}
	loaded, err := load(o)
	if err != nil {
		env.Disconnect()
		return nil, err
	}
	g := &Generation{host: loaded, env: &env, prefix: l.prefix(), base: l.options.Base, functions: map[string]expr.Function{}}
	for _, r := range loaded.Registrations(flowFunctionKind.Name) {
		g.functions[r.Name] = g.flowFunction(r)
	}
	g.rules = g.extensions()
	for _, r := range loaded.Registrations(triggerKind.Name) {
		g.triggers = append(g.triggers, g.triggerSpec(r))
	}
	return g, nil
}

// FolderID returns the [Generation.ID] that the scripts in a folder would have,
// whether they can be loaded or not; "" if they cannot be read.
func FolderID(folder string) string {
	files, err := host.Read(folder, "")
	if err != nil {
		return ""
	}
	return files.ID()
}

// prefix is how an administrator calls the folder.
func (l *Loader) prefix() string {
	name, err := filepath.Rel(l.options.Base, l.options.Folder)
	if err != nil || !filepath.IsLocal(name) {
		name = l.options.Folder
	}
	return filepath.ToSlash(name)
}

// A Generation is what a folder of scripts offered when it was loaded. It never
// changes and may be used by many goroutines: a run keeps to one by holding it.
type Generation struct {
	host      *host.Generation
	env       *modules.Env
	apart     *host.Apart // in which rule functions are called; nil is the pool
	prefix    string      // in front of file names in places
	base      string
	functions map[string]expr.Function
	rules     rules.Functions
	triggers  []autosync.TriggerSpec
}

// ID returns a short name for exactly these sources.
func (g *Generation) ID() string { return g.host.ID() }

// Number counts the generations of the loader, from 1.
func (g *Generation) Number() uint64 { return g.host.Number() }

// Loaded returns when the generation was loaded.
func (g *Generation) Loaded() time.Time { return g.host.Loaded() }

// Files returns the names of the scripts, relative to their folder and sorted.
func (g *Generation) Files() []string {
	files := g.host.Files()
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name
	}
	return names
}

// Place returns the name of a file as places in it are written.
func (g *Generation) Place(file string) string { return path.Join(g.prefix, file) }

// A Registered is what a script registers, for people.
type Registered struct {
	Kind      string         // flowFunction, flow, extension, metaverse, trigger, controller, on, agentType, configure or test
	Name      string         // as it was registered; of a flow, the source and the name
	Functions []string       // of an extension or an agent type
	Position  fault.Position // of the registration
	Version   string         // of the files that it depends on
}

// Registered returns everything that the scripts register, by kind and in the order
// of the files.
func (g *Generation) Registered() []Registered {
	var list []Registered
	for _, kind := range table.Kinds {
		for _, r := range g.host.Registrations(kind.Name) {
			one := Registered{Kind: kind.Name, Name: r.Name, Position: r.Position, Version: r.Version}
			switch spec := r.Spec.(type) {
			case rules.FlowName:
				one.Name = flowText(spec)
			case []string:
				one.Functions = spec
			case controllerSpec:
				one.Functions = spec.Functions
			case *agentTypeSpec:
				one.Functions = spec.Functions
			}
			list = append(list, one)
		}
	}
	return list
}

// Functions returns the flow functions by name, for expr.Options. Their calls
// may be made from many goroutines, and fail once the generation is closed.
// Treat the map as read-only.
func (g *Generation) Functions() map[string]expr.Function { return g.functions }

// Rules returns everything that the scripts decide in rules: the flow functions,
// the flows and the rules extensions. Treat it as read-only.
func (g *Generation) Rules() rules.Functions { return g.rules }

// Triggers returns the triggers, in the order of the files and of the
// registrations in them. Treat the list as read-only.
func (g *Generation) Triggers() []autosync.TriggerSpec { return g.triggers }

// Keep keeps the sources, for [Loader.LoadKept].
func (g *Generation) Keep(k host.Keeper) error { return g.host.Keep(k) }

// Hold keeps the generation in use until release is called; see [Generation.Retire].
func (g *Generation) Hold() (release func()) { return g.host.Hold() }

// Retire closes the generation as soon as nobody holds it: now, as
// [Generation.Close] does, or when the last one lets go of it.
func (g *Generation) Retire() { g.host.Retire() }

// Close ends the use of the generation, once no run holds it any more. Calls
// that are still going on get a grace and are then interrupted; later ones fail
// with an error that wraps host.ErrClosed.
func (g *Generation) Close() {
	g.host.Close()
	g.env.Disconnect()
}
