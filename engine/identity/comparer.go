package identity

import (
	"slices"
	"strings"
)

// A Comparer says when the values that a system shows are those that were
// exported to it (sync-engine §12, W14). Attributes are sets, so the order of
// values never matters.
type Comparer uint8

// The comparers. The second and the third look at texts; values of other types
// must be equal.
const (
	Exact              Comparer = iota
	IgnoreCase                  // as [Fold] does
	IgnoreCaseAndSpace          // likewise, and white space counts only between words
	Unchecked                   // whatever the system shows, it is what was exported
)

var comparerNames = [...]string{"exact", "ignore-case", "ignore-case-and-space", "never"}

// ComparerNames lists the names of all comparers, as configurations have them.
func ComparerNames() []string { return comparerNames[:] }

// ParseComparer returns the comparer with the given name.
func ParseComparer(name string) (Comparer, bool) {
	i := slices.Index(comparerNames[:], name)
	return Comparer(max(i, 0)), i >= 0
}

// String returns the name of the comparer.
func (c Comparer) String() string { return comparerNames[c] }

// Equal reports whether two normalized sets are the same. To Unchecked they have
// to be equal, as to Exact: it is up to the caller not to ask.
func (c Comparer) Equal(a, b []Value) bool {
	return slices.Equal(a, b) || c.folds() && slices.Equal(c.foldAll(a), c.foldAll(b))
}

// Contains reports whether a normalized set holds v.
func (c Comparer) Contains(values []Value, v Value) bool {
	if Contains(values, v) || !c.folds() {
		return Contains(values, v)
	}
	v = c.fold(v)
	return slices.ContainsFunc(values, func(other Value) bool { return c.fold(other) == v })
}

// DiffValues is [DiffValues] for values that are compared in this way: what is
// the same neither comes nor goes.
func (c Comparer) DiffValues(name string, from, to []Value) (Change, bool) {
	if !c.folds() {
		return DiffValues(name, from, to)
	}
	if c.Equal(from, to) {
		return Change{}, false
	}
	change, differs := DiffValues(name, from, to)
	if change.Op == Update {
		change.Values = slices.DeleteFunc(change.Values, func(v Value) bool { return c.Contains(from, v) })
		change.Removed = slices.DeleteFunc(change.Removed, func(v Value) bool { return c.Contains(to, v) })
	}
	return change, differs
}

func (c Comparer) folds() bool { return c == IgnoreCase || c == IgnoreCaseAndSpace }

func (c Comparer) fold(v Value) Value {
	if v.typ != TypeString {
		return v
	}
	text := Fold(v.str)
	if c == IgnoreCaseAndSpace {
		text = strings.Join(strings.Fields(text), " ")
	}
	return String(text)
}

func (c Comparer) foldAll(values []Value) []Value {
	out := make([]Value, len(values))
	for i, v := range values {
		out[i] = c.fold(v)
	}
	return Normalize(out)
}
