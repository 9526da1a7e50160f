package rules

import (
	"slices"
	"testing"
	"time"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// entry is an object of a test.
type entry identity.Attributes

func (e entry) Get(name string) []identity.Value { return identity.Attributes(e).Get(name) }

// scopeModel is a model of one agent whose object type has an attribute of
// every type, with a connector filter as the only use of a scope.
func scopeModel(scope Scope) Model {
	return Model{
		Types: []MetaverseType{{Name: "person"}},
		Agents: []Agent{{
			Name: "HR",
			Schema: identity.Schema{Types: []identity.ObjectType{{Name: "employee", Anchor: []string{"text"}, Attributes: []identity.AttributeType{
				{Name: "text", Type: identity.TypeString},
				{Name: "texts", Type: identity.TypeString, Multi: true},
				{Name: "number", Type: identity.TypeInteger},
				{Name: "flag", Type: identity.TypeBoolean},
				{Name: "since", Type: identity.TypeDateTime},
				{Name: "peer", Type: identity.TypeReference},
			}}}},
			Filter: map[string]Scope{"employee": scope},
		}},
	}
}

func matcher(t *testing.T, scope Scope) *Matcher {
	t.Helper()
	set, err := Compile(scopeModel(scope), Functions{})
	if err != nil {
		t.Fatal(err)
	}
	return set.Agent("HR").Objects["employee"].Filter
}

// TestOperators is sync-engine §5.2: what every operator says of a value that
// fits, of one that does not, and of none.
func TestOperators(t *testing.T) {
	const yes, no = true, false
	text := func(s ...string) []identity.Value {
		var values []identity.Value
		for _, v := range s {
			values = append(values, identity.String(v))
		}
		return identity.Normalize(values)
	}
	number := func(n int64) []identity.Value { return []identity.Value{identity.Integer(n)} }
	for _, tt := range []struct {
		attribute, operator, value string
		fits, other                []identity.Value
		fitsResult, null           bool // other's result is the opposite of fitsResult
	}{
		{"text", "equal", "Sales", text("SALES"), text("Sale"), yes, no},
		{"text", "not-equal", "Sales", text("sales"), text("IT"), no, yes},
		{"text", "less-than", "m", text("L"), text("M"), yes, no},
		{"text", "less-than-or-equal", "m", text("M"), text("n"), yes, no},
		{"text", "greater-than", "m", text("N"), text("M"), yes, no},
		{"text", "greater-than-or-equal", "m", text("M"), text("l"), yes, no},
		{"text", "contains", "ALE", text("Sales"), text("IT"), yes, no},
		{"text", "not-contains", "ALE", text("Sales"), text("IT"), no, yes},
		{"text", "starts-with", "sa", text("Sales"), text("as"), yes, no},
		{"text", "not-starts-with", "sa", text("Sales"), text("as"), no, yes},
		{"text", "ends-with", "ES", text("Sales"), text("Sale"), yes, no},
		{"text", "not-ends-with", "ES", text("Sales"), text("Sale"), no, yes},
		{"texts", "is-in", "b", text("a", "B"), text("a"), yes, no},
		{"texts", "is-not-in", "b", text("a", "B"), text("a"), no, yes},
		{"texts", "equal", "b", text("a", "B"), text("a"), yes, no},
		{"number", "equal", "7", number(7), number(70), yes, no},
		{"number", "less-than", "10", number(9), number(10), yes, no}, // as numbers, not as texts
		{"number", "greater-than", "-5", number(3), number(-6), yes, no},
		{"number", "is-bit-set", "2", number(514), number(512), yes, no},
		{"number", "is-bit-set", "0x202", number(0x203), number(0x200), yes, no}, // every bit of the mask
		{"number", "is-not-bit-set", "2", number(514), number(512), no, yes},
		{"number", "contains", "1", number(514), number(52), yes, no},
		{"flag", "equal", "True", []identity.Value{identity.Boolean(true)}, []identity.Value{identity.Boolean(false)}, yes, no},
		{"flag", "not-equal", "true", []identity.Value{identity.Boolean(true)}, []identity.Value{identity.Boolean(false)}, no, yes},
		{
			"since", "less-than", "2026-01-01 00:00:00.000",
			[]identity.Value{identity.DateTime(time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC))},
			[]identity.Value{identity.DateTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))},
			yes, no,
		},
	} {
		m := matcher(t, Scope{{{Attribute: tt.attribute, Operator: tt.operator, Value: tt.value}}})
		for _, c := range []struct {
			what   string
			values []identity.Value
			want   bool
		}{{"fits", tt.fits, tt.fitsResult}, {"other", tt.other, !tt.fitsResult}, {"null", nil, tt.null}} {
			got := m.Match(entry(identity.Attributes{}.Set(tt.attribute, slices.Clone(c.values)...)))
			if got != c.want {
				t.Errorf("%s %s %q of %v (%s): %t", tt.attribute, tt.operator, tt.value, c.values, c.what, got)
			}
		}
	}
	null := matcher(t, Scope{{{Attribute: "text", Operator: "is-null"}}})
	present := matcher(t, Scope{{{Attribute: "text", Operator: "is-not-null"}}})
	for _, values := range [][]identity.Value{nil, text(""), text("x")} {
		e := entry(identity.Attributes{}.Set("text", slices.Clone(values)...))
		if null.Match(e) != (values == nil) || present.Match(e) != (values != nil) {
			t.Errorf("%q: is-null %t, is-not-null %t", values, null.Match(e), present.Match(e))
		}
	}
}

// TestOperatorCodes: every code of the reference means one of our operators.
func TestOperatorCodes(t *testing.T) {
	for code, name := range operatorAliases {
		if operators[name] == nil && name != isMemberOf && name != isNotMemberOf {
			t.Errorf("%s means %s, which does not exist", code, name)
		}
		if OperatorTakesValue(code) != OperatorTakesValue(name) {
			t.Errorf("%s and %s differ in whether they take a value", code, name)
		}
	}
	for _, name := range []string{"equal", "NOTSTARTWITH", "is-not-bit-set"} {
		if !slices.Contains(Operators(), name) {
			t.Errorf("operators lack %s", name)
		}
	}
	m := matcher(t, Scope{{{Attribute: "text", Operator: "NOTSTARTWITH", Value: "a"}}})
	if m.Match(entry(identity.Attributes{}.Set("text", identity.String("abc")))) {
		t.Error("NOTSTARTWITH a holds for abc")
	}
}

func TestAlternatives(t *testing.T) {
	m := matcher(t, Scope{
		{{Attribute: "text", Operator: "equal", Value: "a"}, {Attribute: "number", Operator: "equal", Value: "1"}},
		{{Attribute: "text", Operator: "equal", Value: "b"}},
	})
	for _, tt := range []struct {
		text   string
		number int64
		want   bool
	}{{"a", 1, true}, {"a", 2, false}, {"b", 2, true}, {"c", 1, false}} {
		e := entry(identity.Attributes{}.Set("text", identity.String(tt.text)).Set("number", identity.Integer(tt.number)))
		if got := m.Match(e); got != tt.want {
			t.Errorf("%s %d: %t", tt.text, tt.number, got)
		}
	}
	if got := m.Reads(); !slices.Equal(got, []string{"number", "text"}) {
		t.Errorf("reads %q", got)
	}
	if none := matcher(t, nil); !none.Match(entry{}) || none.Reads() != nil {
		t.Error("the empty scope does not hold every object")
	}
}

func TestScopeErrors(t *testing.T) {
	at := fault.Position{File: "x.yaml", Line: 3, Column: 5}
	for _, tt := range []struct {
		condition  Condition
		name, hint string
	}{
		{Condition{Attribute: "text", Operator: "equals", Value: "x"}, "sync-rule-scoping-filter-invalid-operator", `did you mean "equal"?`},
		{Condition{Attribute: "txet", Operator: "equal", Value: "x"}, "sync-rule-required-attr-not-found", `did you mean "text"?`},
		{Condition{Attribute: "text", Operator: "is-bit-set", Value: "1"}, "sync-rule-scoping-filter-invalid-operator", ""},
		{Condition{Attribute: "number", Operator: "is-bit-set", Value: "two"}, "sync-rule-scoping-filter-invalid-operator", ""},
		{Condition{Attribute: "number", Operator: "less-than", Value: "two"}, "sync-rule-scoping-filter-invalid-operator", ""},
		{Condition{Attribute: "flag", Operator: "equal", Value: "maybe"}, "sync-rule-scoping-filter-invalid-operator", ""},
		{Condition{Attribute: "since", Operator: "equal", Value: "today"}, "sync-rule-scoping-filter-invalid-operator", ""},
		{Condition{Attribute: "peer", Operator: "equal", Value: "x"}, "sync-rule-scoping-filter-invalid-operator", ""},
	} {
		tt.condition.Position = at
		_, err := Compile(scopeModel(Scope{{tt.condition}}), Functions{})
		e := fault.As(err, "")
		if e == nil || e.Name != tt.name || e.Hint != tt.hint || e.Position != at {
			t.Errorf("%+v: %+v", tt.condition, e)
		}
	}
}
