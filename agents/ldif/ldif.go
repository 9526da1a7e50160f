package ldif

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/metasync/metasync/agents/internal/wholefile"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// Kind is the kind of agent that configurations call ldif.
var Kind = agent.Kind{
	Name:      "ldif",
	Doc:       "A file of directory entries or of changes to them (RFC 2849).",
	New:       func() agent.Settings { return new(Settings) },
	NewObject: func() any { return new(ObjectSettings) },
}

// Settings is the configuration of an ldif agent.
type Settings struct {
	File          agent.Path `yaml:"file" doc:"the file of entries; this or exportChanges is required"`
	Create        bool       `yaml:"create" doc:"whether an export creates a file that was never there" default:"false"`
	Changes       agent.Path `yaml:"changes" doc:"a file of change records that are laid over those of file; nothing is exported to file then"`
	ExportChanges agent.Path `yaml:"exportChanges" doc:"instead of file: a file to which an export appends change records, for ldapmodify; nothing is imported"`
	Charset       string     `yaml:"charset" oneof:"utf-8 iso-8859-1" doc:"the encoding of values that are not in base64: utf-8 or iso-8859-1" default:"utf-8"`
	URLs          agent.Path `yaml:"urls" doc:"the folder whose files values may name with :<; without it such a value is an error"`
}

// ObjectSettings are the keys of an object type.
type ObjectSettings struct {
	Class     string   `yaml:"class" doc:"the object class; the name of the type if there is none"`
	Auxiliary []string `yaml:"auxiliary" doc:"further object classes that an object has; a new one gets them all"`
	Exclude   []string `yaml:"exclude" doc:"object classes that an object does not have"`
}

// Files implements [agent.Files].
func (s *Settings) Files() []string {
	var files []string
	for _, f := range []agent.Path{s.File, s.Changes} {
		if f != "" {
			files = append(files, filepath.Clean(string(f)))
		}
	}
	return files
}

// Open checks the settings and returns the agent. The file is not looked at.
// Errors are named no-start-bad-ma-configuration.
func (s *Settings) Open(env agent.Env) (agent.Agent, error) {
	a, err := s.prepare(env)
	if err != nil {
		return nil, err
	}
	if len(env.Objects) == 0 {
		err := a.misconfigured("no object type is described")
		err.Hint = "metasync discover " + a.name + " tells what the file holds"
		return nil, err
	}
	for i := range env.Objects {
		t, err := a.newType(&env.Objects[i])
		if err != nil {
			err.Position = env.Objects[i].Position
			return nil, err
		}
		a.types = append(a.types, t)
		if a.anchored = len(t.anchor) > 0; a.anchored != (len(a.types[0].anchor) > 0) {
			err := a.misconfigured("object type %q: either all object types have an anchor or none", t.schema.Name)
			err.Position, err.Hint = env.Objects[i].Position, "without one, objects are known by their names"
			return nil, err
		}
	}
	if a.drop != "" {
		return &dropAgent{a}, nil
	}
	return a, nil
}

// prepare checks the settings, and not the object types.
func (s *Settings) prepare(env agent.Env) (*ldifAgent, error) {
	a := &ldifAgent{
		name: env.Name, latin: strings.EqualFold(s.Charset, "iso-8859-1"), mayCreate: s.Create, create: wholefile.Make,
		file: clean(s.File), changes: clean(s.Changes), urls: clean(s.URLs), drop: clean(s.ExportChanges),
	}
	switch {
	case a.file == "" && a.drop == "":
		return nil, a.misconfigured("file is missing")
	case a.drop != "" && (a.file != "" || a.changes != ""):
		return nil, a.misconfigured("exportChanges excludes file and changes: what is only sent cannot be read")
	case a.changes != "" && a.changes == a.file:
		return nil, a.misconfigured("file and changes are the same")
	case a.changes != "" && a.mayCreate:
		return nil, a.misconfigured("create has no meaning with changes: nothing is exported to file")
	case s.Charset != "" && !a.latin && !strings.EqualFold(s.Charset, "utf-8"):
		return nil, a.misconfigured("charset %q is not known; want utf-8 or iso-8859-1", s.Charset)
	}
	return a, nil
}

func clean(p agent.Path) string {
	if p == "" {
		return ""
	}
	return filepath.Clean(string(p))
}

// An ldifAgent is safe for one import and one export at a time.
type ldifAgent struct {
	name      string
	file      string
	changes   string // the log of changes, "" if there is none
	drop      string // where changes are sent
	urls      string
	latin     bool
	mayCreate bool
	anchored  bool // objects have an anchor beside their name
	types     []*objectType

	create wholefile.Create

	// seen is set once the file was there. From then on its absence is an error:
	// somebody took it away.
	seen atomic.Bool
}

var (
	_ agent.Agent        = (*ldifAgent)(nil)
	_ agent.Importer     = (*ldifAgent)(nil)
	_ agent.Exporter     = (*ldifAgent)(nil)
	_ agent.Hierarchical = (*ldifAgent)(nil)
)

// Capabilities implements agent.Agent. Names in a file are only text: when one
// changes, nothing else does.
func (a *ldifAgent) Capabilities() agent.Capabilities {
	return agent.Capabilities{
		DeltaImport: a.changes != "", AnchorIsDN: !a.anchored, LDAPNames: true,
		AllOrNothing: true, NoContainerRename: true, FullExport: true,
	}
}

// Schema implements agent.Agent: the standard attributes, and those of the
// configuration.
func (a *ldifAgent) Schema(ctx context.Context) (identity.Schema, error) {
	var schema identity.Schema
	for _, t := range a.types {
		schema.Types = append(schema.Types, t.schema)
	}
	return schema, ctx.Err()
}

func (a *ldifAgent) typeNamed(name string) int {
	return slices.IndexFunc(a.types, func(t *objectType) bool { return t.schema.Name == name })
}

func (a *ldifAgent) misconfigured(format string, args ...any) *fault.Error {
	err := fault.New("no-start-bad-ma-configuration", format, args...)
	err.Agent = a.name
	return err
}
