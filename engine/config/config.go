package config

import (
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/notify"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
)

// A Config is a whole configuration that was found to be right in itself. What
// only a connected system can tell, such as the attributes that it has, is
// checked by [rules.Compile].
type Config struct {
	File string // absolute path of the configuration
	Dir  string // its folder, to which relative paths in it are relative

	// Files lists the absolute paths of all files that were read: the
	// configuration, what it includes, the files behind ${file:}. When one of
	// them changes, the configuration may have changed.
	Files []string

	// Sources lists those of Files that are the configuration itself, the first one
	// being File: what they say and what the scripts change of it is all of it, but for
	// the secrets.
	Sources []string

	// Patterns lists the absolute patterns of all includes with a wildcard: a
	// new file that matches one belongs to the configuration, too.
	Patterns []string

	State   string // absolute path of the folder of the store
	Scripts string // absolute path of the scripts folder

	Model     rules.Model // the Schema of its agents is empty: the agents tell it
	Agents    []Agent     // in the order of the file
	Workflows []Workflow  // in the order of the file
	Autosync  Autosync
	Notify    notify.Settings
	History   History
	Log       Log
	Scripting Scripting
	Console   Console
	Lookups   []Lookup

	// Secrets holds the values that came from ${env:} and ${file:}, for [Redact].
	Secrets []string
}

// An Agent is a management agent: its kind, and all that is not said in
// [rules.Agent].
type Agent struct {
	Name       string
	Kind       *agent.Kind
	Settings   agent.Settings // what Kind.New returned, filled
	Objects    []agent.Object
	Profiles   []run.Profile // the default ones, in part redefined, then the others
	Thresholds run.Thresholds
	Import     Import
	Export     bool // whether the scheduler exports by itself
	Triggers   []autosync.TriggerSpec
	Strict     bool // a change of the configuration refuses delta steps until a full one has run
	Position   fault.Position

	// Fingerprint changes with what is written about the system and its objects:
	// what decides what an import delivers. Secrets are not in it.
	// So is the version of the kind.
	Fingerprint string
}

// An Import is the import schedule of an agent. The zero Import leaves the
// schedule to the scheduler.
type Import struct {
	Off   bool          // imports are only made on request
	Every time.Duration // if not 0, an import is due after that time
}

// Options says where a configuration comes from. Its zero value reads files and
// the environment of the process, and knows no kind of agent.
type Options struct {
	Kinds      []agent.Kind                           // what `type:` may name
	OtherKinds bool                                   // there may be more kinds: an agent of one is no mistake, and has no Settings
	Getenv     func(name string) (string, bool)       // nil is os.LookupEnv
	ReadFile   func(path string) ([]byte, error)      // nil is os.ReadFile
	Glob       func(pattern string) ([]string, error) // nil is filepath.Glob

	// Overrides change what the files say, one after the other, before anything of
	// it is checked.
	Overrides []Override
}

// Load reads and checks a configuration. It returns either a whole Config, or an
// error that joins everything that is wrong; [fault.All] takes it apart. A mistake
// in the settings of a kind, which is not the administrator's, is an error too.
func Load(path string, opts Options) (*Config, error) {
	config, _, err := load(path, opts)
	return config, err
}

func load(path string, opts Options) (*Config, *loader, error) {
	if len(opts.Overrides) == 0 {
		opts.Overrides = nil
	}
	l, keys, err := open(path, opts)
	if err != nil {
		return nil, nil, err
	}
	if len(l.problems) == 0 && len(opts.Overrides) > 0 {
		keys = l.override()
	}
	if len(l.problems) > 0 {
		// A part that could not be read looks like a part that is missing:
		// checking one part against another would only mislead.
		return nil, nil, l.err()
	}
	config := l.build(keys)
	config.File, config.Dir = l.file, l.dir
	config.Files, config.Sources, config.Patterns, config.Secrets = l.files, l.sources, l.patterns, l.secrets
	if err := l.err(); err != nil {
		return nil, nil, err
	}
	return config, l, nil
}

// open reads all files of a configuration. What is wrong with them is in the
// problems of the loader.
func open(path string, opts Options) (*loader, *keys, error) {
	if opts.Getenv == nil {
		opts.Getenv = os.LookupEnv
	}
	if opts.ReadFile == nil {
		opts.ReadFile = os.ReadFile
	}
	if opts.Glob == nil {
		opts.Glob = filepath.Glob
	}
	if err := checkKinds(opts.Kinds); err != nil {
		return nil, nil, err
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, nil, &fault.Error{Name: errorName, Position: fault.Position{File: path}, Err: err}
	}
	l := &loader{
		Options: opts, file: absolute, dir: filepath.Dir(absolute), base: filepath.Dir(path), name: path,
		overridden: map[string]overridden{},
	}
	return l, l.readAll(path), nil
}

// A loader is one reading of a configuration. It gathers what it learns on the
// way, and all problems.
type loader struct {
	Options
	file string // absolute path of the configuration
	dir  string // absolute folder of it
	base string // the same folder as the user wrote it, for messages
	name string // the configuration as the user wrote it

	files    []string
	sources  []string
	patterns []string
	secrets  []string
	includes map[string]fault.Position // where a file was included
	open     []string                  // the files that are being read, outermost first
	problems fault.List

	tree       node // everything that was written, of all files
	overridden map[string]overridden
}

// fail notes a problem.
func (l *loader) fail(at fault.Position, format string, args ...any) *fault.Error {
	e := fault.New(errorName, format, args...)
	e.Position = at
	l.problems = append(l.problems, e)
	return e
}

// path makes a path of the configuration absolute.
func (l *loader) path(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(l.dir, path)
}

// addOnce appends a text unless the list holds it.
func addOnce(list *[]string, text string) {
	if !slices.Contains(*list, text) {
		*list = append(*list, text)
	}
}
