package engine_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/identity"
)

// A system is a connected system of a test: a directory in memory, which may be
// told to treat what it is sent as badly as real ones sometimes do.
type system struct {
	*agenttest.Directory
	schema  identity.Schema
	ignored map[string]bool           // attributes that it accepts and forgets; "delete": deletions, "dn": new names
	fixed   map[string]identity.Value // attributes that it gives a value of its own instead
	sent    []string                  // the changes that it was sent since somebody looked
}

// divide divides the system into partitions, given by their roots.
func (s *system) divide(roots map[string]string) {
	var partitions []agent.Partition
	for _, name := range slices.Sorted(maps.Keys(roots)) {
		partitions = append(partitions, agent.Partition{Name: name, Root: roots[name]})
	}
	s.Divide(partitions...)
}

// OpenExport implements agent.Exporter.
func (s *system) OpenExport(ctx context.Context, req agent.ExportRequest) (agent.Export, error) {
	export, err := s.Directory.OpenExport(ctx, req)
	if err != nil {
		return nil, err
	}
	return &systemExport{export, s}, nil
}

type systemExport struct {
	agent.Export
	system *system
}

// Put implements agent.Export.
func (x *systemExport) Put(ctx context.Context, changes []agent.Change) ([]agent.Result, error) {
	results := make([]agent.Result, len(changes))
	var sent []agent.Change
	var indexes []int
	for i, c := range changes {
		x.system.sent = append(x.system.sent, showChange(c))
		if c.Op == identity.Delete && x.system.ignored["delete"] {
			continue
		}
		indexes = append(indexes, i)
		if x.system.ignored["dn"] {
			c.NewDN = ""
		}
		c.Changes = slices.Clone(c.Changes)
		c.Changes = slices.DeleteFunc(c.Changes, func(change identity.Change) bool { return x.system.ignored[change.Name] })
		for j := range c.Changes {
			if v, ok := x.system.fixed[c.Changes[j].Name]; ok {
				op := identity.Add
				if c.Op == identity.Update {
					op = identity.Replace
				}
				c.Changes[j] = identity.Change{Name: c.Changes[j].Name, Op: op, Values: []identity.Value{v}}
			}
		}
		sent = append(sent, c)
	}
	answers, err := x.Export.Put(ctx, sent)
	if n := len(answers); n > 0 && answers[n-1].Action == agent.StopRun {
		results = results[:indexes[n-1]+1]
	}
	for i, answer := range answers {
		if x.system.ignored["dn"] {
			answer.DN = changes[indexes[i]].NewDN // it does not know better
		}
		results[indexes[i]] = answer
	}
	return results, err
}

// showChange shows a change as an agent is given it.
func showChange(c agent.Change) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", c.Op, c.DN)
	if c.NewDN != "" {
		fmt.Fprintf(&b, " to %s", c.NewDN)
	}
	if c.Repeated {
		b.WriteString(" (repeated)")
	}
	for _, change := range c.Changes {
		switch change.Op {
		case identity.Delete:
			fmt.Fprintf(&b, " -%s", change.Name)
		case identity.Update:
			fmt.Fprintf(&b, " %s+(%s)-(%s)", change.Name, showValues(change.Values), showValues(change.Removed))
		default:
			fmt.Fprintf(&b, " %s %s=%s", change.Op, change.Name, showValues(change.Values))
		}
	}
	return b.String()
}

// values parses the text of an attribute: several values are separated by
// semicolons, no text is no value.
func (s *system) values(objectType, name, text string) ([]identity.Value, error) {
	t := s.schema.Type(objectType)
	if t == nil {
		return nil, fmt.Errorf("no object type %q", objectType)
	}
	a := t.Attribute(name)
	if a == nil {
		return nil, fmt.Errorf("%s has no attribute %q", objectType, name)
	}
	if text == "" {
		return nil, nil
	}
	var values []identity.Value
	for part := range strings.SplitSeq(text, ";") {
		if a.Type == identity.TypeReference {
			values = append(values, identity.Reference(part))
			continue
		}
		v, err := identity.ParseValue(a.Type, part)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return identity.Normalize(values), nil
}

// object returns the object with the given anchor or DN.
func (s *system) object(key string) (agenttest.Object, bool) {
	if o, found := s.Object(key); found || s.Capabilities().AnchorIsDN {
		return o, found
	}
	for _, o := range s.Objects() {
		if o.DN == key {
			return o, true
		}
	}
	return agenttest.Object{}, false
}

// String shows all objects of the system, one to a line.
func (s *system) String() string {
	var b strings.Builder
	for _, o := range s.Objects() {
		b.WriteString(o.Anchor)
		if o.DN != o.Anchor {
			fmt.Fprintf(&b, " %q", o.DN)
		}
		fmt.Fprintf(&b, " %s:%s\n", o.Type, showAttributes(o.Attributes))
	}
	return b.String()
}

func showAttributes(attributes identity.Attributes) string {
	var b strings.Builder
	for _, a := range attributes {
		fmt.Fprintf(&b, " %s=%s", a.Name, showValues(a.Values))
	}
	return b.String()
}

func showValues(values []identity.Value) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = quoteIfNeeded(v.Text())
	}
	return strings.Join(texts, ";")
}

func quoteIfNeeded(text string) string {
	if text == "" || strings.ContainsAny(text, " ;=\"") {
		return "'" + text + "'"
	}
	return text
}

// The kind of agent that configurations of tests name: type: memory.

type memorySettings struct {
	Names        string `yaml:"names" oneof:"anchor own ldap" default:"anchor" doc:"How objects are named: by their anchor alone, or by a DN."`
	Delta        bool   `yaml:"delta" doc:"Whether there are delta imports."`
	AllOrNothing bool   `yaml:"allOrNothing" doc:"Whether an export counts only as a whole."`
	Level        string `yaml:"level" oneof:"value attribute object" default:"value" doc:"How much a change carries."`
	Confirmation string `yaml:"confirmation" oneof:"all no-delete no-add-and-delete none" default:"all" doc:"What an import confirms."`
	NoReferences bool   `yaml:"noReferences" doc:"Whether references come in a second pass."`
	References   bool   `yaml:"references" doc:"Whether it refuses references to objects that it does not have."`
	Suffix       string `yaml:"suffix" doc:"The name under which all objects are."`
	Searches     bool   `yaml:"searches" doc:"Whether imports search only in the containers of the agent."`
	FlatNames    bool   `yaml:"flatNames" doc:"Whether nothing moves with a container."`
	NoPasswords  bool   `yaml:"noPasswords" doc:"Whether passwords come in a second pass."`
	NoRename     bool   `yaml:"noRename" doc:"Whether nothing is renamed."`
	DeltaFirst   bool   `yaml:"deltaFirst" doc:"Whether a delta import may be the first."`
	IgnoreCase   bool   `yaml:"ignoreCase" doc:"Whether its names have no case."`
	Alone        bool   `yaml:"alone" doc:"Whether it does not run beside others that do not."`
	DeleteAdd    bool   `yaml:"deleteAdd" doc:"Whether one change replaces an object by another one."`
	Full         bool   `yaml:"full" doc:"Whether there are full exports."`
	Dangling     bool   `yaml:"dangling" doc:"Whether references to an object stay when it is deleted."`
	Stay         bool   `yaml:"stay" doc:"Whether references to an object stay as they are when it is renamed."`
	Actions      bool   `yaml:"actions" doc:"Whether it asks for actions rather than refuse changes."`

	Partitions map[string]string `yaml:"partitions" doc:"The roots of its partitions."`

	open func(agent.Env, *memorySettings) (agent.Agent, error)
}

func (s *memorySettings) Open(env agent.Env) (agent.Agent, error) { return s.open(env, s) }

type memoryObject struct {
	Strings    []string `yaml:"strings" doc:"Its attributes that are single texts."`
	ExportOnly []string `yaml:"exportOnly" doc:"Attributes that cannot be read."`
	ImportOnly []string `yaml:"importOnly" doc:"Attributes that cannot be written."`
	Required   []string `yaml:"required" doc:"Attributes without which no object is created."`
}

func memoryKind(open func(agent.Env, *memorySettings) (agent.Agent, error)) agent.Kind {
	return agent.Kind{
		Name: "memory", Doc: "A directory in memory.",
		New:       func() agent.Settings { return &memorySettings{open: open} },
		NewObject: func() any { return &memoryObject{} },
	}
}

// newSystem returns the empty system that a configuration describes.
func newSystem(env agent.Env, settings *memorySettings) *system {
	var schema identity.Schema
	for _, o := range env.Objects {
		extra := o.Settings.(*memoryObject)
		types := map[string]identity.AttributeType{}
		for _, name := range slices.Concat(o.Anchor, extra.Strings) {
			types[name] = identity.AttributeType{Name: name, Type: identity.TypeString}
		}
		for _, a := range o.Attributes {
			types[a.Name] = identity.AttributeType{Name: a.Name, Type: a.Type, Multi: a.Multi}
		}
		t := identity.ObjectType{Name: o.Name, Anchor: o.Anchor}
		for _, name := range slices.Sorted(maps.Keys(types)) {
			a := types[name]
			a.ExportOnly, a.ImportOnly = slices.Contains(extra.ExportOnly, name), slices.Contains(extra.ImportOnly, name)
			a.Required = slices.Contains(extra.Required, name)
			t.Attributes = append(t.Attributes, a)
		}
		schema.Types = append(schema.Types, t)
	}
	caps := agent.Capabilities{
		DeltaImport: settings.Delta, AllOrNothing: settings.AllOrNothing,
		AnchorIsDN: settings.Names == "" || settings.Names == "anchor", LDAPNames: settings.Names == "ldap",
	}
	caps.NoReferencesInFirstExport, caps.NoContainerRename = settings.NoReferences, settings.FlatNames
	caps.NoPasswordsInFirstExport, caps.NoRename, caps.DeltaBeforeFull = settings.NoPasswords, settings.NoRename, settings.DeltaFirst
	caps.NoConcurrency, caps.FullExport, caps.IgnoreCase = settings.Alone, settings.Full, settings.IgnoreCase
	caps.ReferencesStay = settings.Stay
	caps.DeleteAddAsReplace = settings.DeleteAdd
	caps.ExportLevel = map[string]agent.ExportLevel{"attribute": agent.AttributeLevel, "object": agent.ObjectLevel}[settings.Level]
	caps.Confirmation = map[string]agent.Confirmation{
		"no-delete": agent.NoDeleteConfirmation, "no-add-and-delete": agent.NoAddAndDeleteConfirmation,
		"none": agent.NoConfirmation,
	}[settings.Confirmation]
	s := &system{
		Directory: agenttest.NewDirectory(schema, caps), schema: schema,
		ignored: map[string]bool{}, fixed: map[string]identity.Value{},
	}
	s.Check(agenttest.Checks{References: settings.References, Suffix: settings.Suffix, Containers: settings.Searches, Actions: settings.Actions, Dangling: settings.Dangling})
	s.divide(settings.Partitions)
	return s
}
