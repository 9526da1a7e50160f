package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// A Matcher decides whether an object is in a scope or caught by a filter.
type Matcher struct {
	alternatives [][]condition
	reads        []string
	groups       bool // membership in a group counts
}

type condition struct {
	attribute string
	holds     func([]identity.Value) bool
	group     string // the DN of a group, for a condition on membership in it
	negated   bool

	operator, value string // as the administrator reads them
}

// A Member knows of which groups an object of a connector space is a member.
type Member interface {
	// IsMember reports whether the object of the same connector space that has
	// the DN refers to this one by an attribute.
	IsMember(group, attribute string) bool
}

// A Group is a group whose members scopes ask for.
type Group struct{ DN, Attribute string }

// Match reports whether the object satisfies one alternative. A nil Matcher
// matches every object.
func (m *Matcher) Match(object expr.Getter) bool {
	if m == nil {
		return true
	}
	for _, conditions := range m.alternatives {
		if holdAll(conditions, object) {
			return true
		}
	}
	return false
}

func holdAll(conditions []condition, object expr.Getter) bool {
	for _, c := range conditions {
		if c.group != "" {
			member, ok := object.(Member)
			if ok = ok && member.IsMember(c.group, c.attribute); ok == c.negated {
				return false
			}
			continue
		}
		if !c.holds(object.Get(c.attribute)) {
			return false
		}
	}
	return true
}

// AsksGroups reports whether the decision depends on membership in a group, which
// may change although the object does not.
func (m *Matcher) AsksGroups() bool { return m != nil && m.groups }

// Reads returns the attributes that the decision depends on.
func (m *Matcher) Reads() []string {
	if m == nil {
		return nil
	}
	return m.reads
}

// operatorAliases maps the codes of the reference to our names (sync-engine §5.2).
var operatorAliases = map[string]string{
	"EQUAL": "equal", "NOTEQUAL": "not-equal",
	"LESSTHAN": "less-than", "LESSTHAN_OR_EQUAL": "less-than-or-equal",
	"GREATERTHAN": "greater-than", "GREATERTHAN_OR_EQUAL": "greater-than-or-equal",
	"CONTAINS": "contains", "NOTCONTAINS": "not-contains",
	"STARTSWITH": "starts-with", "NOTSTARTSWITH": "not-starts-with", "NOTSTARTWITH": "not-starts-with",
	"ENDSWITH": "ends-with", "NOTENDSWITH": "not-ends-with",
	"ISNULL": "is-null", "ISNOTNULL": "is-not-null", "ISIN": "is-in", "ISNOTIN": "is-not-in",
	"ISBITSET": "is-bit-set", "ISNOTBITSET": "is-not-bit-set",
	"ISMEMBEROF": isMemberOf, "ISNOTMEMBEROF": isNotMemberOf,
}

// The operators that look at a group instead of an attribute of the object.
const (
	isMemberOf    = "is-member-of"
	isNotMemberOf = "is-not-member-of"
)

// Operators lists the names of the scope operators.
func Operators() []string {
	names := make([]string, 0, len(operators)+len(operatorAliases)+2)
	names = append(names, isMemberOf, isNotMemberOf)
	for name := range operators {
		names = append(names, name)
	}
	for code := range operatorAliases {
		names = append(names, code)
	}
	slices.Sort(names)
	return names
}

// OperatorTakesValue reports whether a scope operator compares with a value.
func OperatorTakesValue(operator string) bool {
	if alias, ok := operatorAliases[operator]; ok {
		operator = alias
	}
	return operator != "is-null" && operator != "is-not-null"
}

// operators makes, for each operator, the decision about the values of an
// attribute. Comparisons of strings ignore case; those of a missing attribute
// are false, and their negations true (sync-engine §5.2).
var operators = map[string]func(operand identity.Value) func([]identity.Value) bool{
	"equal":     anyValue(func(v, want identity.Value) bool { return identity.EqualFold(v, want) }),
	"not-equal": not(anyValue(func(v, want identity.Value) bool { return identity.EqualFold(v, want) })),
	"is-in":     anyValue(func(v, want identity.Value) bool { return identity.EqualFold(v, want) }),
	"is-not-in": not(anyValue(func(v, want identity.Value) bool { return identity.EqualFold(v, want) })),

	"less-than":             anyValue(func(v, want identity.Value) bool { return compareFold(v, want) < 0 }),
	"less-than-or-equal":    anyValue(func(v, want identity.Value) bool { return compareFold(v, want) <= 0 }),
	"greater-than":          anyValue(func(v, want identity.Value) bool { return compareFold(v, want) > 0 }),
	"greater-than-or-equal": anyValue(func(v, want identity.Value) bool { return compareFold(v, want) >= 0 }),

	"contains":        anyText(strings.Contains),
	"not-contains":    not(anyText(strings.Contains)),
	"starts-with":     anyText(strings.HasPrefix),
	"not-starts-with": not(anyText(strings.HasPrefix)),
	"ends-with":       anyText(strings.HasSuffix),
	"not-ends-with":   not(anyText(strings.HasSuffix)),

	"is-null":     func(identity.Value) func([]identity.Value) bool { return isNull },
	"is-not-null": not(func(identity.Value) func([]identity.Value) bool { return isNull }),

	"is-bit-set":     anyValue(func(v, mask identity.Value) bool { return v.Int()&mask.Int() == mask.Int() }),
	"is-not-bit-set": not(anyValue(func(v, mask identity.Value) bool { return v.Int()&mask.Int() == mask.Int() })),
}

func isNull(values []identity.Value) bool { return len(values) == 0 }

func anyValue(holds func(v, operand identity.Value) bool) func(identity.Value) func([]identity.Value) bool {
	return func(operand identity.Value) func([]identity.Value) bool {
		return func(values []identity.Value) bool {
			for _, v := range values {
				if holds(v, operand) {
					return true
				}
			}
			return false
		}
	}
}

func anyText(holds func(text, part string) bool) func(identity.Value) func([]identity.Value) bool {
	return func(operand identity.Value) func([]identity.Value) bool {
		part := identity.Fold(operand.Str())
		return func(values []identity.Value) bool {
			for _, v := range values {
				if holds(identity.Fold(v.Text()), part) {
					return true
				}
			}
			return false
		}
	}
}

func not(operator func(identity.Value) func([]identity.Value) bool) func(identity.Value) func([]identity.Value) bool {
	return func(operand identity.Value) func([]identity.Value) bool {
		holds := operator(operand)
		return func(values []identity.Value) bool { return !holds(values) }
	}
}

func compareFold(a, b identity.Value) int {
	if a.Type() == identity.TypeString && b.Type() == identity.TypeString {
		return strings.Compare(identity.Fold(a.Str()), identity.Fold(b.Str()))
	}
	return identity.Compare(a, b)
}

// textOperators work on the text of a value of any type.
var textOperators = []string{"contains", "not-contains", "starts-with", "not-starts-with", "ends-with", "not-ends-with"}

// compileScope checks a scope against the attributes of its object type, one of
// the metaverse.
func (c *compiler) compileScope(scope Scope, attribute func(string) (identity.AttributeType, bool), names func() []string) *Matcher {
	return c.anyScope(scope, attribute, names, nil)
}

// connectorScope does the same for an object type of an agent, whose objects may
// be members of groups.
func (c *compiler) connectorScope(scope Scope, object *ObjectRules, agent *AgentRules) *Matcher {
	return c.anyScope(scope, object.attribute, object.names, agent)
}

func (c *compiler) anyScope(scope Scope, attribute func(string) (identity.AttributeType, bool), names func() []string, agent *AgentRules) *Matcher {
	if len(scope) == 0 {
		return nil
	}
	m := &Matcher{}
	for _, alternative := range scope {
		var conditions []condition
		for _, item := range alternative {
			if operator := cmp.Or(operatorAliases[item.Operator], item.Operator); operator == isMemberOf || operator == isNotMemberOf {
				if err := agent.addGroup(item); err != nil {
					err.Position = item.Position
					c.fail(err)
				}
				conditions = append(conditions, condition{
					attribute: item.Attribute, group: item.Value, negated: operator == isNotMemberOf, operator: operator, value: item.Value,
				})
				m.groups = true
				continue
			}
			holds, err := compileCondition(item, attribute, names)
			if err != nil {
				err.Position = item.Position
				c.fail(err)
				continue
			}
			conditions = append(conditions, condition{
				attribute: item.Attribute, holds: holds, operator: cmp.Or(operatorAliases[item.Operator], item.Operator), value: item.Value,
			})
			m.reads = append(m.reads, item.Attribute)
		}
		m.alternatives = append(m.alternatives, conditions)
	}
	slices.Sort(m.reads)
	m.reads = slices.Compact(m.reads)
	return m
}

// addGroup notes a group whose members a scope asks for. The attribute of the
// condition is that of the group.
func (a *AgentRules) addGroup(item Condition) *fault.Error {
	if a == nil {
		return fault.New("sync-rule-scoping-filter-invalid-operator", "%s is for objects of agents, not for those of the metaverse", item.Operator)
	}
	var known []string
	for _, t := range a.Schema.Types {
		for _, attribute := range t.Attributes {
			if attribute.Type == identity.TypeReference {
				known = append(known, attribute.Name)
			}
		}
	}
	if !slices.Contains(known, item.Attribute) && !a.assumed {
		err := fault.New("sync-rule-required-attr-not-found", "no object type of agent %q has a reference %q", a.Name, item.Attribute)
		err.Hint = suggestion(item.Attribute, known)
		return err
	}
	if item.Value == "" {
		return fault.New("sync-rule-scoping-filter-invalid-operator", "%s needs the name of a group", item.Operator)
	}
	if group := (Group{item.Value, item.Attribute}); !slices.Contains(a.Groups, group) {
		a.Groups = append(a.Groups, group)
	}
	return nil
}

func compileCondition(item Condition, attribute func(string) (identity.AttributeType, bool), names func() []string) (func([]identity.Value) bool, *fault.Error) {
	name := item.Operator
	if alias, ok := operatorAliases[name]; ok {
		name = alias
	}
	operator, known := operators[name]
	if !known {
		err := fault.New("sync-rule-scoping-filter-invalid-operator", "unknown operator %q", item.Operator)
		err.Hint = suggestion(item.Operator, append(slices.Sorted(maps.Keys(operators)), isMemberOf, isNotMemberOf))
		return nil, err
	}
	schema, known := attribute(item.Attribute)
	if !known {
		return nil, unknownAttribute("sync-rule-required-attr-not-found", item.Attribute, names())
	}
	operand := identity.String(item.Value)
	switch {
	case name == "is-null" || name == "is-not-null":
	case name == "is-bit-set" || name == "is-not-bit-set":
		if schema.Type != identity.TypeInteger {
			return nil, fault.New("sync-rule-scoping-filter-invalid-operator", "%s needs an integer, %s is a %s", name, item.Attribute, schema.Type)
		}
		mask, err := strconv.ParseInt(item.Value, 0, 64)
		if err != nil {
			return nil, fault.New("sync-rule-scoping-filter-invalid-operator", "%q is not a bit mask", item.Value)
		}
		operand = identity.Integer(mask)
	case slices.Contains(textOperators, name):
	case schema.Type == identity.TypeReference:
		return nil, fault.New("sync-rule-scoping-filter-invalid-operator", "%s does not compare references", name)
	default:
		v, err := identity.ParseValue(schema.Type, item.Value)
		if err != nil {
			return nil, fault.Wrap("sync-rule-scoping-filter-invalid-operator", err)
		}
		operand = v
	}
	return operator(operand), nil
}

func unknownAttribute(name, attribute string, known []string) *fault.Error {
	err := fault.New(name, "unknown attribute %q", attribute)
	err.Attribute = attribute
	err.Hint = suggestion(attribute, known)
	return err
}

func suggestion(text string, known []string) string {
	if near := fault.Suggest(text, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}
