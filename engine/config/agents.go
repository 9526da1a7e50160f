package config

import (
	"reflect"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
)

// agentKeys are the keys of every agent, whatever its kind.
type agentKeys struct {
	Type                   string           `yaml:"type,required" doc:"The kind of agent; it decides which further keys there are."`
	Objects                named[object]    `yaml:"objects" doc:"The object types of this system."`
	Filter                 named[filter]    `yaml:"filter" doc:"Connector filter by object type: an object for which one of the lists holds stays out of the metaverse."`
	Deprovision            deprovision      `yaml:"deprovision" default:"disconnect" doc:"What becomes of an object whose link is cut by a rule, or whose metaverse object is deleted: disconnect, explicit-disconnect, delete, or {script: true}."`
	Recall                 bool             `yaml:"recall" default:"true" doc:"Whether the values that an object contributed go when it is disconnected."`
	OrphanedLineage        string           `yaml:"orphanedLineage" oneof:"keep lowest" default:"keep" doc:"With recall: false, how strong the values are that a disconnected object leaves behind. keep: as strong as before; lowest: every other value replaces them."`
	ProjectOnAmbiguous     bool             `yaml:"projectOnAmbiguous" default:"false" doc:"Whether an object that several metaverse objects match is projected as if none did. Otherwise it stays a disconnector, with a warning."`
	MaxConnectorsPerObject int              `yaml:"maxConnectorsPerObject" default:"1" doc:"How many objects of the agent one metaverse object may be joined with."`
	ImportView             string           `yaml:"importView" oneof:"imported exported" doc:"What inbound flows read. imported: the object as the last import saw it; exported: with what was exported since, and what is going to be, in place of what it saw. Without it imported, or exported in the dialect entra."`
	Parents                bool             `yaml:"requireParent" default:"false" doc:"Whether rules create and rename objects only in containers that the connector space has. For systems with LDAP names whose containers are imported; otherwise the system itself refuses."`
	Containers             containers       `yaml:"containers" doc:"For systems with LDAP names: the part of the hierarchy that is imported, and in which alone rules create objects. The longest entry that a name is in decides."`
	Strict                 bool             `yaml:"strict" default:"false" doc:"Whether a delta import or delta synchronization is refused after a change of the configuration until a full one has run; otherwise it only has a warning."`
	Thresholds             thresholds       `yaml:"thresholds" doc:"What a step may do before it is held or stopped."`
	Import                 importSchedule   `yaml:"import" default:"auto" doc:"When to import: auto, off, or a length of time between two imports."`
	Export                 string           `yaml:"export" oneof:"auto off" default:"auto" doc:"Whether the scheduler exports what is pending; off leaves it to manual runs."`
	Notify                 agentNotify      `yaml:"notify" doc:"Who is told about this agent."`
	Triggers               []trigger        `yaml:"triggers" doc:"What asks for a run."`
	Parameters             named[parameter] `yaml:"parameters" doc:"Parameters of the expressions in rules of this agent, beside those at the top and before them."`
	Profiles               named[steps]     `yaml:"profiles" doc:"Further run profiles, or other steps for one of the default profiles full-import, delta-import, full-sync, delta-sync, resync and export."`
}

func (k *agentKeys) check(l *loader, n *node) {
	if given := n.get("maxConnectorsPerObject"); given != nil && given.kind == numberNode && k.MaxConnectorsPerObject < 1 {
		l.fail(given.at, "maxConnectorsPerObject must be at least 1")
	}
	if given := n.get("orphanedLineage"); given != nil && k.Recall {
		l.fail(given.at, "orphanedLineage has no meaning without recall: false")
	}
}

func (k *agentKeys) refine(s *jsonschema.Schema) {
	s.Properties["maxConnectorsPerObject"].Minimum = ptr(1.0)
	s.DependentSchemas = map[string]*jsonschema.Schema{"orphanedLineage": {
		Required:   []string{"recall"},
		Properties: map[string]*jsonschema.Schema{"recall": {Const: ptr(any(false))}},
	}}
}

// objectKeys are the keys of every object type, whatever the kind of the agent.
type objectKeys struct {
	Anchor     []word                `yaml:"anchor" doc:"The attributes that together identify an object."`
	Attributes named[agentAttribute] `yaml:"attributes" doc:"The attributes that are not single-valued strings: a type, or a mapping."`
}

func (o *objectKeys) check(l *loader, _ *node) { l.unique(o.Anchor) }

func (o *objectKeys) refine(s *jsonschema.Schema) { s.Properties["anchor"].UniqueItems = true }

// An agentForm is an agent: its own keys, and those of its kind.
type agentForm struct {
	agentKeys
	kind        *agent.Kind
	settings    agent.Settings
	fingerprint string // see Agent
	given       *node
}

// An object is an object type. Its keys depend on the kind of the agent, so it
// is filled only when that is known.
type object struct {
	objectKeys
	node     *node
	settings any
}

func (o *object) decode(_ *loader, n *node) { o.node = n }

func (o *object) schema(g *generator) *jsonschema.Schema { return g.object(&o.objectKeys) }

func (a *agentForm) decode(l *loader, n *node) {
	targets := []any{&a.agentKeys}
	a.fingerprint = importFingerprint(n)
	a.given = n
	a.kind = l.kind(n)
	if a.kind != nil {
		a.settings = a.kind.New()
		targets = append(targets, a.settings)
		if a.kind.Version != "" {
			a.fingerprint += "+" + a.kind.Version
		}
	} else {
		// Without its kind the keys of the agent cannot be told from mistakes:
		// look only at those that every agent has.
		n = n.only(fieldsOf(reflect.TypeFor[agentKeys]()))
	}
	l.fill(n, targets...)
	for i := range a.Objects {
		o := &a.Objects[i].value
		targets, body := []any{&o.objectKeys}, o.node
		switch {
		case a.kind == nil:
			body = body.only(fieldsOf(reflect.TypeFor[objectKeys]()))
		case a.kind.NewObject != nil:
			o.settings = a.kind.NewObject()
			targets = append(targets, o.settings)
		}
		l.fill(body, targets...)
	}
}

// only returns the mapping with only some of its keys.
func (n *node) only(fields []field) *node {
	out := *n
	out.pairs = slices.DeleteFunc(slices.Clone(n.pairs), func(p pair) bool {
		return !slices.ContainsFunc(fields, func(f field) bool { return f.name == p.key })
	})
	return &out
}

// kind returns the kind that an agent names, nil if it names none that exists.
func (l *loader) kind(n *node) *agent.Kind {
	given := n.get("type")
	if given == nil || given.kind != textNode {
		return nil
	}
	if given.text != given.written {
		l.fail(given.at, "the type of an agent must be written out: it decides about the other keys")
		return nil
	}
	var names []string
	for i := range l.Kinds {
		if l.Kinds[i].Name == given.text {
			return &l.Kinds[i]
		}
		names = append(names, l.Kinds[i].Name)
	}
	if l.OtherKinds {
		return nil
	}
	l.fail(given.at, "unknown agent type %q%s; want one of %s", given.text, suggestion(given.text, names), strings.Join(names, ", "))
	return nil
}

func (a *agentForm) schema(g *generator) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "object", Required: []string{"type"}}
	var names []string
	for i := range g.kinds {
		kind := &g.kinds[i]
		names = append(names, kind.Name)
		body := g.object(&agentKeys{}, kind.New())
		body.Title, body.Description = kind.Name, kind.Doc
		body.Properties["type"].Const = ptr(any(kind.Name))
		if kind.NewObject != nil {
			body.Properties["objects"].AdditionalProperties = g.object(&objectKeys{}, kind.NewObject())
		}
		s.AllOf = append(s.AllOf, &jsonschema.Schema{
			If: &jsonschema.Schema{
				Required:   []string{"type"},
				Properties: map[string]*jsonschema.Schema{"type": {Const: ptr(any(kind.Name))}},
			},
			Then: g.define("agent "+kind.Name, body),
		})
	}
	s.Properties = map[string]*jsonschema.Schema{"type": {
		Type: "string", Enum: anys(names), Description: g.doc(&agentKeys{}, "type"),
	}}
	return g.define("agent", s)
}

// rule returns what the rules must know of the agent. Parameters are those of the
// whole configuration.
func (a *agentForm) rule(name string, at fault.Position, parameters named[parameter]) rules.Agent {
	out := rules.Agent{
		Parameters: map[string]any{}, Containers: a.Containers.all(),
		Name: name, Deprovision: rules.Deprovision(a.Deprovision), NoRecall: !a.Recall, RequireParent: a.Parents, Position: at,
		ImportView: rules.ImportView(a.ImportView),
		Orphans:    rules.OrphanedLineage(a.OrphanedLineage), ProjectOnAmbiguous: a.ProjectOnAmbiguous, MaxConnectors: a.MaxConnectorsPerObject,
		DeprovisionByDefault: a.given.get("deprovision") == nil,
	}
	for _, e := range slices.Concat(parameters, a.Parameters) {
		out.Parameters[e.name] = e.value.value
	}
	for _, e := range a.Filter {
		if len(e.value) == 0 {
			continue
		}
		if out.Filter == nil {
			out.Filter = map[string]rules.Scope{}
		}
		out.Filter[e.name] = alternatives(e.value).rule()
	}
	return out
}

// list returns the object types as the agent is given them.
func (a *agentForm) list() []agent.Object {
	var out []agent.Object
	for _, e := range a.Objects {
		o := agent.Object{Name: e.name, Anchor: words(e.value.Anchor), Settings: e.value.settings, Position: e.at}
		for _, attribute := range e.value.Attributes {
			t := attribute.value.Type
			o.Attributes = append(o.Attributes, agent.Attribute{
				Name: attribute.name, Type: t.Type, Multi: t.Multi,
				Separator: attribute.value.Separator, Confirm: identity.Comparer(attribute.value.Confirm), Position: attribute.at,
			})
		}
		out = append(out, o)
	}
	return out
}

// An agentAttribute is written as a type alone or as a mapping.
type agentAttribute struct {
	Type      attributeType
	Separator string
	Confirm   comparer
}

type agentAttributeKeys struct {
	Type      attributeType `yaml:"type" default:"string" doc:"The data type."`
	Separator string        `yaml:"separator" doc:"What stands between the values of a multi-valued attribute, where the system has only text."`
	Confirm   comparer      `yaml:"confirm" default:"exact" doc:"When an exported value counts as arrived: exact; ignore-case; ignore-case-and-space; or never: an import does not look at it."`
}

func (a *agentAttribute) decode(l *loader, n *node) {
	a.Type = stringType
	if n.kind != mappingNode {
		a.Type.decode(l, n)
		return
	}
	var k agentAttributeKeys
	l.fill(n, &k)
	*a = agentAttribute(k)
}

func (a *agentAttribute) schema(g *generator) *jsonschema.Schema {
	return g.define("agent attribute", g.shortOrMapping(new(attributeType).schema(g), &agentAttributeKeys{}))
}

func (k *agentAttributeKeys) check(l *loader, n *node) {
	if separator := n.get("separator"); separator != nil && !k.Type.Multi {
		l.fail(separator.at, "a separator has no meaning for a single-valued attribute").Hint = `write the type with [], such as "string[]"`
	}
}

func (k *agentAttributeKeys) refine(s *jsonschema.Schema) {
	s.DependentSchemas = map[string]*jsonschema.Schema{"separator": {
		Required:   []string{"type"},
		Properties: map[string]*jsonschema.Schema{"type": {Pattern: `\[\]$|` + referencePattern}},
	}}
}

// A comparer is one of [identity.ComparerNames].
type comparer identity.Comparer

func (c *comparer) decode(l *loader, n *node) {
	if l.choice(n, identity.ComparerNames()) {
		parsed, _ := identity.ParseComparer(n.text)
		*c = comparer(parsed)
	}
}

func (c *comparer) schema(g *generator) *jsonschema.Schema { return g.choice(identity.ComparerNames()) }

// A deprovision is one of the options, or {script: true}.
type deprovision rules.Deprovision

var deprovisions = []string{string(rules.Disconnect), string(rules.ExplicitDisconnect), string(rules.DeleteObject)}

func (d *deprovision) decode(l *loader, n *node) {
	if n.kind == mappingNode {
		var choice scriptChoice
		l.fill(n, &choice)
		*d = deprovision(rules.DeprovisionScript)
		return
	}
	if l.choice(n, deprovisions) {
		*d = deprovision(n.text)
	}
}

func (d *deprovision) schema(g *generator) *jsonschema.Schema {
	return g.shortOrMapping(g.choice(deprovisions), &scriptChoice{})
}

// An importSchedule is auto, off or a length of time.
type importSchedule Import

func (s *importSchedule) decode(l *loader, n *node) {
	switch {
	case n.kind != textNode:
		l.fail(n.at, "want auto, off or a length of time such as 15m, not %s", n.kind)
	case n.text == "auto":
	case n.text == "off":
		s.Off = true
	case !durationPattern.MatchString(n.text) || n.text == "":
		l.fail(n.at, "%q is not auto, off or a length of time such as 15m", n.written)
	default:
		var every interval
		every.decode(l, n)
		s.Every = every.length
	}
}

func (s *importSchedule) schema(g *generator) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
		{Type: "string", Enum: []any{"auto", "off"}},
		g.duration(),
	}}
}

// A stepType is one of [run.StepTypes].
type stepType run.StepType

func stepTypes() []string {
	names := make([]string, len(run.StepTypes))
	for i, t := range run.StepTypes {
		names[i] = string(t)
	}
	return names
}

func (t *stepType) decode(l *loader, n *node) {
	if l.choice(n, stepTypes()) {
		*t = stepType(n.text)
	}
}

func (t *stepType) schema(g *generator) *jsonschema.Schema {
	return g.choice(stepTypes())
}
