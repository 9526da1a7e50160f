package guard

import (
	"slices"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// checkSchema returns what makes a schema one that rules and records cannot be
// built on.
func checkSchema(schema identity.Schema) *fault.Error {
	types := map[string]bool{}
	for i := range schema.Types {
		t := &schema.Types[i]
		switch {
		case badName(t.Name):
			return fault.New(broken, "the agent breaks its contract: the schema has an object type called %q", t.Name)
		case types[t.Name]:
			return fault.New(broken, "the agent breaks its contract: the schema has two object types called %q", t.Name)
		}
		types[t.Name] = true
		if problem, attribute := typeProblem(t); problem != "" {
			err := fault.New(broken, "the agent breaks its contract: in the schema of object type %q, %s", t.Name, problem)
			err.Attribute = attribute
			return err
		}
	}
	return nil
}

func typeProblem(t *identity.ObjectType) (problem, attribute string) {
	attributes := map[string]bool{}
	for _, a := range t.Attributes {
		switch {
		case badName(a.Name):
			return "an attribute has no name that can be used", a.Name
		case attributes[a.Name]:
			return "two attributes have the same name", a.Name
		case a.Type < identity.TypeString || a.Type > identity.TypeReference:
			return "an attribute has no type", a.Name
		}
		attributes[a.Name] = true
	}
	anchors := map[string]bool{}
	for _, name := range t.Anchor {
		switch a := t.Attribute(name); {
		case a == nil:
			return "an attribute of the anchor is missing", name
		case a.Multi:
			return "an attribute of the anchor is multi-valued", name
		case anchors[name]:
			return "an attribute is in the anchor twice", name
		}
		anchors[name] = true
	}
	return "", ""
}

// badName: the store ends names with a null byte.
func badName(name string) bool {
	return name == "" || len(name) > 1024 || !utf8.ValidString(name) || slices.Contains([]byte(name), 0)
}

// ownSchema returns a copy that shares nothing with what an agent may keep.
func ownSchema(schema identity.Schema) identity.Schema {
	schema.Types = slices.Clone(schema.Types)
	for i := range schema.Types {
		t := &schema.Types[i]
		t.Anchor, t.Attributes = slices.Clone(t.Anchor), slices.Clone(t.Attributes)
	}
	return schema
}
