package rules

import (
	"fmt"
	"strconv"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/identity"
)

// A Tested is a condition of a scope or a connector filter, with the object that
// it was tested on.
type Tested struct {
	Attribute string
	Operator  string
	Value     string
	Actual    []identity.Value // of the attribute; none for membership in a group
	Holds     bool
}

// Explain tests every condition on an object, also those that no longer matter to
// [Matcher.Match]: alternatives of which one must hold, each with conditions of
// which all must. A nil Matcher has none.
func (m *Matcher) Explain(object expr.Getter) [][]Tested {
	if m == nil {
		return nil
	}
	out := make([][]Tested, len(m.alternatives))
	for i, conditions := range m.alternatives {
		for _, c := range conditions {
			t := Tested{Attribute: c.attribute, Operator: c.operator, Value: c.value, Holds: holdAll([]condition{c}, object)}
			if c.group == "" {
				t.Actual = object.Get(c.attribute)
			}
			out[i] = append(out[i], t)
		}
	}
	return out
}

// String returns the source of a flow as the configuration says it: the name of an
// attribute, =EXPRESSION, a constant, or what gives the value.
func (s *Evaluator) String() string { return s.text }

// String returns a source as the configuration says it.
func (s Source) String() string {
	switch {
	case s.Script != "":
		return "script " + s.Script
	case s.DNPart > 0:
		return "dnPart " + strconv.Itoa(s.DNPart)
	case s.Expression != "":
		return "=" + s.Expression
	case s.Attribute != "":
		return s.Attribute
	}
	return fmt.Sprintf("value %q", s.Value)
}
