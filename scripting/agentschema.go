package scripting

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// readSchema reads the object types of a system as a script writes them. It may run
// the script, by getters.
func readSchema(v goja.Value) (identity.Schema, *fault.Error) {
	var schema identity.Schema
	types, err := plainProperties("the schema", v)
	if err != nil {
		return schema, err
	}
	for _, name := range types.Keys() {
		t, err := readObjectType(name, types.Get(name))
		if err != nil {
			return identity.Schema{}, err
		}
		schema.Types = append(schema.Types, t)
	}
	if len(schema.Types) == 0 {
		return schema, invalid("the schema has no object types")
	}
	return schema, nil
}

func readObjectType(name string, v goja.Value) (identity.ObjectType, *fault.Error) {
	t := identity.ObjectType{Name: name}
	what := "object type " + strconv.Quote(name)
	o := readOptions(what, v, "anchor", "attributes")
	if o.err == nil && !o.has("attributes") {
		o.fail(invalid("%s has no attributes", what))
	}
	if o.err != nil {
		return t, o.err
	}
	attributes, err := plainProperties(what+": attributes", o.fields["attributes"])
	if err != nil {
		return t, err
	}
	for _, attribute := range attributes.Keys() {
		a, err := readAttributeType(what, attribute, attributes.Get(attribute))
		if err != nil {
			return t, err
		}
		t.Attributes = append(t.Attributes, a)
	}
	if t.Anchor, err = readNames(what+": anchor", o.fields["anchor"]); err != nil {
		return t, err
	}
	for _, anchor := range t.Anchor {
		switch a := t.Attribute(anchor); {
		case a == nil:
			e := invalid("%s has no attribute %q, which is in its anchor", what, anchor)
			if near := fault.Suggest(anchor, t.Names()); near != "" {
				e.Hint = "did you mean " + near + "?"
			}
			return t, e
		case a.Multi || a.ExportOnly:
			return t, invalid("%s: %q cannot be in the anchor: it has several values, or cannot be read", what, anchor)
		}
	}
	return t, nil
}

// readNames reads a list of names, or one; none if there is nothing.
func readNames(what string, v goja.Value) ([]string, *fault.Error) {
	if nothing(v) {
		return nil, nil
	}
	if goja.IsString(v) {
		return []string{v.String()}, nil
	}
	obj, ok := v.(*goja.Object)
	if !ok || obj.ClassName() != "Array" {
		return nil, invalid("%s must be a list of names", what)
	}
	names := make([]string, min(obj.Get("length").ToInteger(), maxBatch))
	for i := range names {
		item := obj.Get(strconv.Itoa(i))
		if item == nil || !goja.IsString(item) || slices.Contains(names[:i], item.String()) {
			return nil, invalid("%s must be a list of names, each once", what)
		}
		names[i] = item.String()
	}
	return names, nil
}

func readAttributeType(of, name string, v goja.Value) (identity.AttributeType, *fault.Error) {
	a := identity.AttributeType{Name: name}
	what := of + ": attribute " + strconv.Quote(name)
	o := &options{what: what, fields: map[string]goja.Value{"type": v}}
	if v == nil || !goja.IsString(v) {
		o = readOptions(what, v, "type", "importOnly", "exportOnly", "required")
	}
	text := "string"
	if o.has("type") {
		text = o.text("type")
	}
	a.ImportOnly, a.ExportOnly, a.Required = o.flag("importOnly"), o.flag("exportOnly"), o.flag("required")
	var known bool
	base, multi := strings.CutSuffix(text, "[]")
	a.Type, known = identity.ParseType(base)
	a.Multi = multi
	switch {
	case o.err != nil:
	case !known:
		e := invalid("%s has the type %q", what, text)
		e.Hint = "the types are string, integer, boolean, binary, datetime and reference, with [] for several values"
		return a, e
	case a.ImportOnly && (a.ExportOnly || a.Required):
		return a, invalid("%s cannot be importOnly as well as exportOnly or required", what)
	}
	return a, o.err
}

// readPartitions reads the partitions of a system: names, or objects with a root.
func readPartitions(v goja.Value) ([]agent.Partition, *fault.Error) {
	obj, ok := v.(*goja.Object)
	if !ok || obj.ClassName() != "Array" {
		return nil, invalid("partitions must be a list")
	}
	list := make([]agent.Partition, min(obj.Get("length").ToInteger(), maxBatch))
	for i := range list {
		item := obj.Get(strconv.Itoa(i))
		if item != nil && goja.IsString(item) {
			list[i].Name = item.String()
			continue
		}
		o := readOptions("a partition", item, "name", "root")
		list[i] = agent.Partition{Name: o.text("name"), Root: o.text("root")}
		if o.err == nil && list[i].Name == "" {
			o.fail(invalid("a partition has no name"))
		}
		if o.err != nil {
			return nil, o.err
		}
	}
	return list, nil
}

// completed returns the schema as the configuration leaves it: with the object types
// that it names alone, if it names any, and with their anchors. What the system does
// not have, or has otherwise, is an error.
func (s *scriptAgent) completed(schema identity.Schema) (identity.Schema, error) {
	if len(s.objects) == 0 {
		return schema, nil
	}
	var out identity.Schema
	for i := range s.objects {
		o := &s.objects[i]
		known := schema.Type(o.Name)
		if known == nil {
			var names []string
			for _, t := range schema.Types {
				names = append(names, t.Name)
			}
			return out, s.misconfigured(o.Position, "", suggested(o.Name, names), "the system has no object type %q", o.Name)
		}
		t := *known
		switch {
		case len(o.Anchor) == 0 || slices.Equal(o.Anchor, t.Anchor):
		case len(t.Anchor) > 0:
			return out, s.misconfigured(o.Position, "", "", "object type %q has the anchor %s, and no other", o.Name, joined(t.Anchor))
		default:
			for _, name := range o.Anchor {
				if a := t.Attribute(name); a == nil || a.Multi || a.ExportOnly {
					return out, s.misconfigured(o.Position, name, suggested(name, t.Names()), "object type %q: %q cannot be in the anchor", o.Name, name)
				}
			}
			t.Anchor = o.Anchor
		}
		for _, described := range o.Attributes {
			switch a := t.Attribute(described.Name); {
			case a == nil:
				return out, s.misconfigured(described.Position, described.Name, suggested(described.Name, t.Names()), "object type %q has no attribute %q", o.Name, described.Name)
			case a.Type != described.Type || a.Multi != described.Multi:
				return out, s.misconfigured(described.Position, described.Name, "", "object type %q: %q is of type %s", o.Name, a.Name, typeText(a))
			case described.Separator != "":
				return out, s.misconfigured(described.Position, described.Name, "", "object type %q: %q needs no separator", o.Name, a.Name)
			}
		}
		out.Types = append(out.Types, t)
	}
	return out, nil
}

func suggested(name string, names []string) string {
	if near := fault.Suggest(name, names); near != "" {
		return "did you mean " + strconv.Quote(near) + "?"
	}
	return ""
}

func typeText(a *identity.AttributeType) string {
	if a.Multi {
		return a.Type.String() + "[]"
	}
	return a.Type.String()
}

func (s *scriptAgent) misconfigured(at fault.Position, attribute, hint, format string, args ...any) error {
	err := fault.New("no-start-bad-ma-configuration", format, args...)
	err.Agent, err.Position, err.Attribute, err.Hint = s.name, at, attribute, hint
	return err
}

// capabilityFlags are the capabilities that a system has or has not.
var capabilityFlags = []struct {
	name string
	of   func(*agent.Capabilities) *bool
}{
	{"deltaImport", func(c *agent.Capabilities) *bool { return &c.DeltaImport }},
	{"deltaBeforeFull", func(c *agent.Capabilities) *bool { return &c.DeltaBeforeFull }},
	{"anchorIsDN", func(c *agent.Capabilities) *bool { return &c.AnchorIsDN }},
	{"ldapNames", func(c *agent.Capabilities) *bool { return &c.LDAPNames }},
	{"ignoreCase", func(c *agent.Capabilities) *bool { return &c.IgnoreCase }},
	{"noRename", func(c *agent.Capabilities) *bool { return &c.NoRename }},
	{"noContainerRename", func(c *agent.Capabilities) *bool { return &c.NoContainerRename }},
	{"noEmptyText", func(c *agent.Capabilities) *bool { return &c.NoEmptyText }},
	{"referencesStay", func(c *agent.Capabilities) *bool { return &c.ReferencesStay }},
	{"noReferencesInFirstExport", func(c *agent.Capabilities) *bool { return &c.NoReferencesInFirstExport }},
	{"noPasswordsInFirstExport", func(c *agent.Capabilities) *bool { return &c.NoPasswordsInFirstExport }},
	{"allOrNothing", func(c *agent.Capabilities) *bool { return &c.AllOrNothing }},
	{"fullExport", func(c *agent.Capabilities) *bool { return &c.FullExport }},
	{"deleteAddAsReplace", func(c *agent.Capabilities) *bool { return &c.DeleteAddAsReplace }},
	{"noConcurrency", func(c *agent.Capabilities) *bool { return &c.NoConcurrency }},
}

// What the other capabilities are called, in the order of their constants.
var (
	exportLevels  = []string{"value", "attribute", "object"}
	confirmations = []string{"all", "no-delete", "no-add-and-delete", "none"}
)

// capabilities reads what a system can do. Attributes are exported whole unless said
// otherwise.
func (o *options) capabilities(name string) agent.Capabilities {
	out := agent.Capabilities{ExportLevel: agent.AttributeLevel}
	if !o.has(name) {
		return out
	}
	known := []string{"exportLevel", "confirmation"}
	for _, flag := range capabilityFlags {
		known = append(known, flag.name)
	}
	inner := readOptions(o.what+": "+name, o.fields[name], known...)
	for _, flag := range capabilityFlags {
		*flag.of(&out) = inner.flag(flag.name)
	}
	if inner.has("exportLevel") {
		out.ExportLevel = agent.ExportLevel(inner.choiceIndex("exportLevel", exportLevels...))
	}
	out.Confirmation = agent.Confirmation(inner.choiceIndex("confirmation", confirmations...))
	o.fail(inner.err)
	return out
}
