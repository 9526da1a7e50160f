package rules

import (
	"maps"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// A Search finds objects by conditions of which all must hold. The nil Search
// finds every object.
type Search struct {
	byType map[string]*Matcher
	other  *Matcher // for types that the rules do not know
}

// Match reports whether the search finds an object of the given type.
func (s *Search) Match(objectType string, object expr.Getter) bool {
	if s == nil {
		return true
	}
	if m, known := s.byType[objectType]; known {
		return m.Match(object)
	}
	return s.other.Match(object)
}

// searchAliases are the names that search dialogs of the field have for operators
// (sync-engine §14, row 144).
var searchAliases = map[string]string{
	"equals": "equal", "present": "is-not-null", "not-present": "is-null", "starts": "starts-with", "ends": "ends-with",
}

// SearchOperators lists the operators of a search.
func SearchOperators() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for name := range operators {
			if !yield(name) {
				return
			}
		}
		for name := range searchAliases {
			if !yield(name) {
				return
			}
		}
	})
}

// ParseCondition reads a condition as people write it: ATTRIBUTE OPERATOR [VALUE].
// The value goes to the end of the text.
func ParseCondition(text string) (Condition, error) {
	attribute, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	operator, value, hasValue := strings.Cut(strings.TrimSpace(rest), " ")
	if alias, ok := searchAliases[operator]; ok {
		operator = alias
	}
	c := Condition{Attribute: attribute, Operator: operator, Value: strings.TrimSpace(value)}
	switch {
	case operator == "":
		err := fault.New("invalid-search", "%q is not ATTRIBUTE OPERATOR VALUE", text)
		err.Hint = "there are the operators " + strings.Join(SearchOperators(), " ")
		return c, err
	case !slices.Contains(Operators(), operator):
		err := fault.New("invalid-search", "unknown operator %q", operator)
		if err.Hint = suggestion(operator, SearchOperators()); err.Hint == "" {
			err.Hint = "there are the operators " + strings.Join(SearchOperators(), " ")
		}
		return c, err
	case OperatorTakesValue(operator) && !hasValue:
		return c, fault.New("invalid-search", "%q needs a value to compare %s with", operator, attribute)
	case !OperatorTakesValue(operator) && hasValue:
		return c, fault.New("invalid-search", "%q takes no value", operator)
	}
	return c, nil
}

// SearchConnectors compiles a search among the objects of an agent. An attribute
// may be one of any of its object types; objects of the others do not have it.
func (s *Set) SearchConnectors(agent string, conditions []Condition) (*Search, error) {
	if len(conditions) == 0 {
		return nil, nil
	}
	rules := s.Agent(agent)
	if rules == nil {
		return nil, fault.New("unknown-agent", "there is no agent %q", agent)
	}
	search := &Search{byType: map[string]*Matcher{}}
	anywhere, names := rules.anyAttribute()
	var err error
	for _, objectType := range slices.Sorted(maps.Keys(rules.Objects)) {
		o := rules.Objects[objectType]
		own := func(name string) (identity.AttributeType, bool) {
			if o.Type.Attribute(name) != nil {
				return o.attribute(name)
			}
			return anywhere(name)
		}
		if search.byType[objectType], err = matchAll(conditions, own, names); err != nil {
			return nil, err
		}
	}
	search.other, err = matchAll(conditions, anywhere, names)
	return search, err
}

// SearchObjects compiles a search among the metaverse objects of a type.
func (s *Set) SearchObjects(objectType string, conditions []Condition) (*Search, error) {
	t := s.Type(objectType)
	if len(conditions) == 0 || t == nil {
		return nil, nil
	}
	m, err := matchAll(conditions, metaverseAttribute(t), t.names)
	return &Search{other: m}, err
}

func matchAll(conditions []Condition, attribute func(string) (identity.AttributeType, bool), names func() []string) (*Matcher, error) {
	compiled := make([]condition, len(conditions))
	for i, c := range conditions {
		holds, err := compileCondition(c, attribute, names)
		if err != nil {
			if err.Name == "sync-rule-required-attr-not-found" {
				if err.Hint == "" {
					err.Hint = "there are " + strings.Join(slices.Sorted(slices.Values(names())), " ")
				}
				err.Attribute = ""
			}
			err.Name = "invalid-search" // it is no rule
			return nil, err
		}
		compiled[i] = condition{attribute: c.Attribute, holds: holds}
	}
	return &Matcher{alternatives: [][]condition{compiled}}, nil
}

// anyAttribute returns what finds an attribute of any object type of the agent,
// and what lists them.
func (a *AgentRules) anyAttribute() (find func(name string) (identity.AttributeType, bool), names func() []string) {
	find = func(name string) (identity.AttributeType, bool) {
		for _, objectType := range slices.Sorted(maps.Keys(a.Objects)) {
			if attribute, known := a.Objects[objectType].attribute(name); known {
				return attribute, true
			}
		}
		return identity.AttributeType{Name: name, Type: identity.TypeString}, isIntrinsic(name)
	}
	names = func() []string {
		known := []string{DNAttribute, AnchorAttribute, ObjectTypeAttribute}
		for _, o := range a.Objects {
			known = append(known, o.Type.Names()...)
		}
		slices.Sort(known)
		return slices.Compact(known)
	}
	return find, names
}
