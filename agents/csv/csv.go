package csv

import (
	"context"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/metasync/metasync/agents/internal/wholefile"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// Kind is the kind of agent that configurations call csv.
var Kind = agent.Kind{
	Name: "csv",
	Doc:  "A delimited text file with a header row.",
	New:  func() agent.Settings { return new(Settings) },
}

// Settings is the configuration of a csv agent.
type Settings struct {
	File       agent.Path `yaml:"file" doc:"the file; required"`
	Columns    []string   `yaml:"columns" doc:"the header of a file that does not exist yet; an export then creates it"`
	Delimiter  string     `yaml:"delimiter" doc:"the character between two cells, or \\t" default:","`
	DN         string     `yaml:"dn" doc:"the column that holds the name of each object, an LDAP distinguished name; without it objects have no name but their anchor"`
	ObjectType string     `yaml:"objectType" doc:"the column that holds the object type; needed if there are several"`
}

// Files implements [agent.Files].
func (s *Settings) Files() []string { return []string{filepath.Clean(string(s.File))} }

// Open checks the settings and returns the agent. The file is not looked at.
// Errors are named no-start-bad-ma-configuration.
func (s *Settings) Open(env agent.Env) (agent.Agent, error) {
	a, err := s.prepare(env)
	if err != nil {
		return nil, err
	}
	if err := a.checkObjects(); err != nil {
		return nil, err
	}
	if len(a.columns) > 0 {
		if _, err := a.newLayout(header{names: a.columns, configured: true}); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// prepare checks the settings, and not the object types.
func (s *Settings) prepare(env agent.Env) (*csvAgent, error) {
	a := &csvAgent{
		name:    env.Name,
		file:    filepath.Clean(string(s.File)),
		columns: s.Columns,
		objects: env.Objects,
		typed:   s.ObjectType,
		dn:      s.DN,
		create:  wholefile.Make,
	}
	if s.File == "" {
		return nil, a.misconfigured("file is missing")
	}
	var err error
	if a.delimiter, err = a.parseDelimiter(s.Delimiter); err != nil {
		return nil, err
	}
	if a.dn != "" && a.dn == a.typed {
		return nil, a.misconfigured("column %q cannot hold both names and object types", a.dn)
	}
	return a, nil
}

// A csvAgent is safe for one import and one export at a time.
type csvAgent struct {
	name      string
	file      string
	columns   []string
	delimiter byte
	typed     string // the column that holds the object type, "" if there is none
	dn        string // the column that holds the DN, "" if the anchor is the name
	objects   []agent.Object

	create wholefile.Create

	// seen is set once the file was there. From then on its absence is an error,
	// even if columns are configured: somebody took it away.
	seen atomic.Bool
}

var (
	_ agent.Agent    = (*csvAgent)(nil)
	_ agent.Importer = (*csvAgent)(nil)
	_ agent.Exporter = (*csvAgent)(nil)

	_ agent.ObjectReader = (*csvAgent)(nil)
)

// Capabilities implements agent.Agent. Names in a column are only text: when one
// changes, nothing else does.
func (a *csvAgent) Capabilities() agent.Capabilities {
	if a.dn != "" {
		return agent.Capabilities{LDAPNames: true, NoContainerRename: true, NoEmptyText: true, AllOrNothing: true, FullExport: true}
	}
	return agent.Capabilities{AnchorIsDN: true, NoEmptyText: true, AllOrNothing: true, FullExport: true}
}

// Schema implements agent.Agent: it reads the header of the file, or takes the
// configured columns if there is no file yet.
func (a *csvAgent) Schema(ctx context.Context) (identity.Schema, error) {
	if err := ctx.Err(); err != nil {
		return identity.Schema{}, err
	}
	l, err := a.readLayout()
	if err != nil {
		return identity.Schema{}, err
	}
	var schema identity.Schema
	for i := range l.types {
		schema.Types = append(schema.Types, l.types[i].schema)
	}
	return schema, nil
}

func (a *csvAgent) readLayout() (*layout, error) {
	f, err := a.open()
	if a.mayBeAbsent(err) {
		return a.newLayout(header{names: a.columns, configured: true})
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := newScanner(a.file, f, a.delimiter)
	return a.readHeader(s, new(row))
}

func (a *csvAgent) parseDelimiter(text string) (byte, error) {
	switch {
	case text == "":
		return ',', nil
	case text == `\t`:
		return '\t', nil
	case len(text) == 1 && text[0] < 0x80 && text[0] != '"' && text[0] != '\n' && text[0] != '\r' && text[0] != 0:
		return text[0], nil
	}
	return 0, a.misconfigured("delimiter %q is not one ASCII character", text)
}

func (a *csvAgent) checkObjects() error {
	if len(a.objects) == 0 {
		err := a.misconfigured("no object type is described")
		err.Hint = "metasync discover " + a.name + " tells what the file holds"
		return err
	}
	if len(a.objects) > 1 && a.typed == "" {
		err := a.misconfigured("there are %d object types, but no column that tells them apart", len(a.objects))
		err.Hint = "set objectType to the name of that column"
		return err
	}
	for i := range a.objects {
		o := &a.objects[i]
		if len(o.Anchor) == 0 {
			err := a.misconfigured("object type %q has no anchor", o.Name)
			err.Position = o.Position
			return err
		}
		if a.dn != "" && slices.Contains(o.Anchor, a.dn) {
			err := a.misconfigured("object type %q: the column of the names may change, so it cannot be part of the anchor", o.Name)
			err.Position = o.Position
			return err
		}
		for _, attribute := range o.Attributes {
			if problem := a.attributeProblem(o, attribute); problem != "" {
				err := a.misconfigured("object type %q: %s", o.Name, problem)
				err.Position, err.Attribute = attribute.Position, attribute.Name
				return err
			}
		}
	}
	return nil
}

func (a *csvAgent) attributeProblem(o *agent.Object, attribute agent.Attribute) string {
	switch {
	case attribute.Multi && slices.Contains(o.Anchor, attribute.Name):
		return "an anchor cannot be multi-valued"
	case !attribute.Multi && attribute.Separator != "":
		return "only a multi-valued attribute has a separator"
	case attribute.Name == a.typed:
		return "the column of the object type is no attribute"
	case attribute.Name == a.dn:
		return "the column of the names is no attribute"
	}
	return ""
}

func (a *csvAgent) misconfigured(format string, args ...any) *fault.Error {
	err := fault.New("no-start-bad-ma-configuration", format, args...)
	err.Agent = a.name
	return err
}
