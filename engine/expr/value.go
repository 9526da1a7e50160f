package expr

import "github.com/metasync/metasync/engine/identity"

// A Value is what an expression takes and gives: null, one value, a list of
// values, or a flow literal. The zero Value is null; an empty list is null, too.
// One value needs no allocation.
type Value struct {
	single  identity.Value
	multi   []identity.Value // two or more
	literal Literal
	list    bool // single is the only value of a list
}

// A Literal is a result that tells the flow what to do instead of giving it a
// value (sync-engine §4.3). Null is not among them: it is [Null], "no
// contribution".
type Literal uint8

// The flow literals.
const (
	NoLiteral         Literal = iota
	AuthoritativeNull         // explicitly empty: lower ranks may not contribute
	IgnoreThisFlow            // as if the flow did not exist
)

var literalNames = [...]string{"", "AuthoritativeNull", "IgnoreThisFlow"}

// String returns the literal as expressions write it, "" for NoLiteral.
func (l Literal) String() string { return literalNames[l] }

// Null returns the value that contributes nothing.
func Null() Value { return Value{} }

// Of returns a single value; the zero identity.Value gives null.
func Of(v identity.Value) Value { return Value{single: v} }

// OfValues returns the values of an attribute: null if there are none, a single
// value if there is one. It keeps the list and its order.
func OfValues(values []identity.Value) Value {
	switch len(values) {
	case 0:
		return Value{}
	case 1:
		return Value{single: values[0]}
	}
	return Value{multi: values}
}

// OfList returns a list, which stays one with a single value in it: what a
// multi-valued attribute holds. It keeps the list and its order.
func OfList(values []identity.Value) Value {
	v := OfValues(values)
	v.list = len(values) == 1
	return v
}

// OfLiteral returns a flow literal; NoLiteral gives null.
func OfLiteral(l Literal) Value { return Value{literal: l} }

// Str returns a string.
func Str(s string) Value { return Value{single: identity.String(s)} }

// Int returns an integer.
func Int(n int64) Value { return Value{single: identity.Integer(n)} }

// Bool returns a boolean.
func Bool(b bool) Value { return Value{single: identity.Boolean(b)} }

// IsNull reports whether v is null. An empty string and a flow literal are not.
func (v Value) IsNull() bool {
	return v.single.Type() == 0 && v.multi == nil && v.literal == NoLiteral
}

// IsList reports whether v is a list, even of one value.
func (v Value) IsList() bool { return v.list || v.multi != nil }

// Single returns the value if v is exactly one, alone or in a list.
func (v Value) Single() (identity.Value, bool) { return v.single, v.single.Type() != 0 }

// Values returns all values, nil for null and for flow literals. Treat the list
// as read-only.
func (v Value) Values() []identity.Value {
	if v.single.Type() != 0 {
		return []identity.Value{v.single}
	}
	return v.multi
}

// Literal returns the flow literal, NoLiteral if v is not one.
func (v Value) Literal() Literal { return v.literal }

// size returns how many values there are, and at the one with an index from 0:
// what Values has, without an allocation.
func (v Value) size() int {
	if v.single.Type() != 0 {
		return 1
	}
	return len(v.multi)
}

func (v Value) at(i int) identity.Value {
	if v.multi == nil {
		return v.single
	}
	return v.multi[i]
}
