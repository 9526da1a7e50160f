package identity

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestComparer(t *testing.T) {
	texts := func(s ...string) []Value {
		values := make([]Value, len(s))
		for i := range s {
			values[i] = String(s[i])
		}
		return Normalize(values)
	}
	for _, test := range []struct {
		from, to   []Value
		equal      [4]bool // by comparer
		op         Operation
		come, left []Value // of an Update, with IgnoreCase
	}{
		{texts("a"), texts("a"), [4]bool{true, true, true, true}, None, nil, nil},
		{texts("ADA"), texts("ada"), [4]bool{false, true, true, false}, None, nil, nil},
		{texts(" Ada \t Berg "), texts("ada berg"), [4]bool{false, false, true, false}, Replace, nil, nil},
		{texts("ADA", "BOB"), texts("bob", "ada"), [4]bool{false, true, true, false}, None, nil, nil},
		{texts("ADA", "BOB", "x"), texts("ada", "carl"), [4]bool{}, Update, texts("carl"), texts("BOB", "x")},
		{texts("A", "a"), texts("a"), [4]bool{false, true, true, false}, None, nil, nil},
		{nil, texts("a"), [4]bool{}, Add, nil, nil},
		{texts("a"), nil, [4]bool{}, Delete, nil, nil},
		{[]Value{Binary([]byte("A"))}, []Value{Binary([]byte("a"))}, [4]bool{}, Replace, nil, nil},
		{[]Value{Integer(1)}, []Value{Integer(2)}, [4]bool{}, Replace, nil, nil},
	} {
		for c := Exact; c <= Unchecked; c++ {
			if got := c.Equal(test.from, test.to); got != test.equal[c] {
				t.Errorf("%s: %v and %v: %t", c, test.from, test.to, got)
			}
		}
		change, differs := IgnoreCase.DiffValues("x", test.from, test.to)
		if differs != (test.op != None) || change.Op != test.op {
			t.Errorf("%v to %v: %s, %t", test.from, test.to, change.Op, differs)
		}
		if change.Op == Update && (!slices.Equal(change.Values, test.come) || !slices.Equal(change.Removed, test.left)) {
			t.Errorf("%v to %v: %v come, %v go", test.from, test.to, change.Values, change.Removed)
		}
	}
	for _, name := range ComparerNames() {
		if c, ok := ParseComparer(name); !ok || c.String() != name {
			t.Errorf("%q is parsed as %q, %t", name, c, ok)
		}
	}
	if _, ok := ParseComparer("roughly"); ok {
		t.Error("there is a comparer that nobody made")
	}
}

// TestComparerDiff: applying a difference makes the values the same, and then
// there is none.
func TestComparerDiff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Comparer(rapid.IntRange(0, 3).Draw(t, "comparer"))
		set := rapid.Custom(func(t *rapid.T) []Value {
			var values []Value
			for _, s := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "A", "b", " b", "B", "c"}), 0, 4).Draw(t, "values") {
				values = append(values, String(s))
			}
			return Normalize(values)
		})
		from, to := set.Draw(t, "from"), set.Draw(t, "to")
		change, differs := c.DiffValues("x", from, to)
		if differs == c.Equal(from, to) {
			t.Fatalf("differs %t, equal %t", differs, c.Equal(from, to))
		}
		after := from
		if differs {
			after = change.Apply(from)
		}
		if !c.Equal(after, to) {
			t.Fatalf("%v became %v, want %v", from, after, to)
		}
	})
}
