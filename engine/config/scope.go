package config

import (
	"reflect"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
)

// A condition compares an attribute with a constant (sync-engine §5.2).
type condition struct {
	Attribute word     `yaml:"attribute,required" doc:"The attribute."`
	Operator  operator `yaml:"operator,required" doc:"The comparison."`
	Value     constant `yaml:"value" doc:"What the attribute is compared with."`

	at fault.Position
}

// presence lists the operators that compare with nothing.
func presence() []string {
	return slices.DeleteFunc(rules.Operators(), rules.OperatorTakesValue)
}

// An operator is the name or the code of a comparison.
type operator string

func (o *operator) decode(l *loader, n *node) {
	names := rules.Operators()
	if n.kind != textNode || !slices.Contains(names, n.text) {
		// The codes, in upper case, are accepted but not recommended.
		names = slices.DeleteFunc(names, func(name string) bool { return name != strings.ToLower(name) })
	}
	if l.choice(n, names) {
		*o = operator(n.text)
	}
}

func (o *operator) schema(g *generator) *jsonschema.Schema {
	return g.define("operator", g.choice(rules.Operators()))
}

func (c *condition) check(l *loader, n *node) {
	c.at = n.at
	switch value := n.get("value"); {
	case c.Operator == "":
	case rules.OperatorTakesValue(string(c.Operator)):
		if value == nil {
			l.fail(n.at, "operator %s needs a value", c.Operator)
		}
	case value != nil:
		l.fail(value.at, "operator %s takes no value", c.Operator)
	}
}

func (c *condition) refine(s *jsonschema.Schema) {
	with := func(operators []string) *jsonschema.Schema {
		return &jsonschema.Schema{
			Required:   []string{"operator"},
			Properties: map[string]*jsonschema.Schema{"operator": {Enum: anys(operators)}},
		}
	}
	others := slices.DeleteFunc(rules.Operators(), func(o string) bool { return !rules.OperatorTakesValue(o) })
	s.AllOf = append(s.AllOf,
		&jsonschema.Schema{If: with(presence()), Then: without("value")},
		&jsonschema.Schema{If: with(others), Then: &jsonschema.Schema{Required: []string{"value"}}},
	)
}

// alternatives are lists of conditions: one of the lists must hold, in it all
// conditions.
type alternatives [][]condition

func (a alternatives) rule() rules.Scope {
	var out rules.Scope
	for _, conditions := range a {
		var all []rules.Condition
		for _, c := range conditions {
			all = append(all, rules.Condition{
				Attribute: c.Attribute.text, Operator: string(c.Operator), Value: c.Value.text, Position: c.at,
			})
		}
		out = append(out, all)
	}
	return out
}

// decode refuses an empty list in the list: it would hold for every object.
func (a *alternatives) decode(l *loader, n *node) {
	var lists [][]condition
	l.fill(n, &lists)
	for i, item := range n.items {
		if item.kind == listNode && len(item.items) == 0 {
			l.fail(n.items[i].at, "an empty list of conditions would hold for every object")
		}
	}
	*a = lists
}

func (a *alternatives) schema(g *generator) *jsonschema.Schema {
	conditions := g.conditions()
	conditions.MinItems = ptr(1)
	return &jsonschema.Schema{Type: "array", Items: conditions}
}

func (g *generator) conditions() *jsonschema.Schema {
	item := g.define("condition", g.of(reflect.TypeFor[condition](), nil))
	return &jsonschema.Schema{Type: "array", Items: item}
}

// A filter is the connector filter of one object type. Without a list it
// filters nothing.
type filter = alternatives

// A scope is a list of conditions, all of which must hold, or {any: lists}.
// Without conditions it holds for every object.
type scope struct{ alternatives }

type scopeKeys struct {
	Any alternatives `yaml:"any,required" doc:"Lists of conditions: one of the lists must hold."`
}

func (k *scopeKeys) check(l *loader, n *node) {
	if given := n.get("any"); given != nil && given.kind == listNode && len(given.items) == 0 {
		l.fail(given.at, "an empty list would hold for no object").Hint = "leave out the scope if the rule is for every object"
	}
}

func (k *scopeKeys) refine(s *jsonschema.Schema) { s.Properties["any"].MinItems = ptr(1) }

func (s *scope) decode(l *loader, n *node) {
	if n.kind == mappingNode {
		var k scopeKeys
		l.fill(n, &k)
		s.alternatives = k.Any
		return
	}
	var conditions []condition
	l.fill(n, &conditions)
	if len(conditions) > 0 {
		s.alternatives = alternatives{conditions}
	}
}

func (s *scope) schema(g *generator) *jsonschema.Schema {
	return g.define("scope", g.shortOrMapping(g.conditions(), &scopeKeys{}))
}
