package identity

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestOperationNames(t *testing.T) {
	got, err := json.Marshal([]Operation{None, Add, Replace, Update, Delete, Obsolete, DeleteAdd})
	if err != nil {
		t.Fatal(err)
	}
	if want := `["none","add","replace","update","delete","obsolete","delete-add"]`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := Operation(99).String(); got != "operation(99)" {
		t.Errorf("an unknown operation is called %q", got)
	}
	for op := None; op <= DeleteAdd; op++ {
		if got, want := op.Removes(), op == Delete || op == Obsolete; got != want {
			t.Errorf("%s.Removes() = %t", op, got)
		}
	}
}

func TestDiffValues(t *testing.T) {
	set := func(texts ...string) []Value {
		values := make([]Value, len(texts))
		for i, text := range texts {
			values[i] = String(text)
		}
		return Normalize(values)
	}
	tests := []struct {
		name     string
		from, to []Value
		want     Change
	}{
		{"appears", nil, set("a", "b"), Change{Op: Add, Values: set("a", "b")}},
		{"disappears", set("a", "b"), nil, Change{Op: Delete}},
		{"one value", set("a"), set("b"), Change{Op: Replace, Values: set("b")}},
		{"one more", set("a"), set("a", "b"), Change{Op: Update, Values: set("b")}},
		{"one less", set("a", "b"), set("b"), Change{Op: Update, Removed: set("a")}},
		{"others", set("b", "c", "d"), set("a", "c", "e"), Change{Op: Update, Values: set("a", "e"), Removed: set("b", "d")}},
		{"all others", set("a", "b"), set("c"), Change{Op: Update, Values: set("c"), Removed: set("a", "b")}},
		{"another type", set("1"), []Value{Integer(1)}, Change{Op: Replace, Values: []Value{Integer(1)}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.want.Name = "x"
			got, changed := DiffValues("x", test.from, test.to)
			if !changed {
				t.Fatal("no change")
			}
			if diff := cmp.Diff(test.want, got, equalValues); diff != "" {
				t.Error(diff)
			}
			if after := got.Apply(test.from); !slices.Equal(after, test.to) {
				t.Errorf("the change gives %v", after)
			}
		})
	}
	for _, values := range [][]Value{nil, set("a"), set("a", "b")} {
		if c, changed := DiffValues("x", values, slices.Clone(values)); changed {
			t.Errorf("%v changes by %v", values, c)
		}
	}
}

func members(n int) []Value {
	values := make([]Value, n)
	for i := range values {
		values[i] = ReferenceTo(NewID(0, uint64(2*i+2)))
	}
	return values
}

// A member more or less in a large group is one value, however large the group.
func TestDiffValuesOfLargeSets(t *testing.T) {
	const size = 50_000
	from := members(size)
	joined, left := ReferenceTo(NewID(0, size+1)), from[size/3]
	to := slices.Clone(from)
	to = slices.Delete(to, size/3, size/3+1)
	to = Normalize(append(to, joined))

	c, changed := DiffValues("member", from, to)
	want := Change{Name: "member", Op: Update, Values: []Value{joined}, Removed: []Value{left}}
	if diff := cmp.Diff(want, c, equalValues); !changed || diff != "" {
		t.Fatal(diff)
	}
	if got := c.Apply(from); !slices.Equal(got, to) {
		t.Error("the change does not lead from one to the other")
	}
	if from[size/3] != left || len(from) != size {
		t.Error("the set before was changed")
	}
}

func BenchmarkOneMemberOf50000(b *testing.B) {
	from := members(50_000)
	to := Normalize(append(slices.Clone(from), ReferenceTo(NewID(0, 50_001))))
	c, _ := DiffValues("member", from, to)
	b.Run("diff", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			DiffValues("member", from, to)
		}
	})
	b.Run("apply", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.Apply(from)
		}
	})
}

func TestDiffLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := rapid.SampledFrom([]func(*rapid.T, string) Attributes{drawAttributes, drawAnyAttributes}).Draw(t, "kind")
		a, b := draw(t, "a"), draw(t, "b")
		a0, b0 := deepAttributes(a), deepAttributes(b)

		d := &Delta{Changes: Diff(a, b)}
		if d.IsZero() != a.Equal(b) {
			t.Fatalf("IsZero is %t", d.IsZero())
		}
		got := d.Apply(a)
		checkAttributes(t, got)
		if !got.Equal(b) {
			t.Fatalf("diff and apply give %v", got)
		}
		for i, c := range d.Changes {
			if i > 0 && d.Changes[i-1].Name >= c.Name {
				t.Fatal("the changes are not sorted")
			}
			if d.Change(c.Name) != &d.Changes[i] {
				t.Fatalf("the change of %s is not found", c.Name)
			}
			if before := a.Get(c.Name); (c.Op == Add) != (before == nil) || (c.Op == Delete) != (b.Get(c.Name) == nil) {
				t.Fatalf("%s is %s", c.Name, c.Op)
			}
			for _, v := range c.Removed {
				if !Contains(a.Get(c.Name), v) || Contains(b.Get(c.Name), v) {
					t.Fatalf("%s: %v is removed", c.Name, v)
				}
			}
		}
		back := &Delta{Changes: Diff(b, a)}
		if !back.Apply(got).Equal(a) {
			t.Fatal("the way back leads elsewhere")
		}
		if !a.Equal(a0) || !b.Equal(b0) {
			t.Fatal("an input was changed")
		}
	})
}

func TestZeroDelta(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := drawAttributes(t, "a")
		_, d := drawStep(t, image{exists: true, attributes: a}, "d")
		for _, zero := range []*Delta{nil, {}} {
			if !zero.IsZero() || zero.IsRename() || zero.Change("cn") != nil {
				t.Fatal("the zero delta is something")
			}
			if !zero.Apply(a).Equal(a) {
				t.Fatal("the zero delta changes an object")
			}
			for _, merged := range []*Delta{d.Merge(zero), zero.Merge(d)} {
				if diff := cmp.Diff(d, merged, equalValues); diff != "" && !d.IsZero() {
					t.Fatalf("the zero delta is not neutral: %s", diff)
				}
			}
			if !zero.Merge(nil).IsZero() || !zero.Merge(&Delta{}).IsZero() {
				t.Fatal("nothing and nothing is something")
			}
		}
	})
}

// An image is an object as a connected system holds it, or its absence.
type image struct {
	exists     bool
	objectType string
	dn         string
	attributes Attributes
}

func (i image) apply(d *Delta) image {
	if d == nil {
		return i
	}
	i.attributes = d.Apply(i.attributes)
	switch d.Op {
	case Delete, Obsolete:
		return image{}
	case Add, DeleteAdd:
		i.exists, i.objectType, i.dn = true, d.ObjectType, d.DN
	}
	if d.DN != "" {
		i.dn = d.DN
	}
	return i
}

func (i image) String() string {
	if !i.exists {
		return "absent"
	}
	return fmt.Sprintf("%s %q %v", i.objectType, i.dn, i.attributes)
}

func drawImage(t *rapid.T, label string) image {
	if rapid.Bool().Draw(t, label+" absent") {
		return image{}
	}
	return image{true, "person", "cn=a", drawAttributes(t, label)}
}

// drawStep draws what may happen to an object next, and how it is told.
func drawStep(t *rapid.T, before image, label string) (image, *Delta) {
	target := drawAttributes(t, label+" target")
	dn := rapid.StringMatching(`cn=[a-c]`).Draw(t, label+" dn")
	if !before.exists {
		d := &Delta{Op: Add, ObjectType: rapid.SampledFrom([]string{"person", "group"}).Draw(t, label+" type"), DN: dn, Changes: Diff(nil, target)}
		return before.apply(d), d
	}
	var d *Delta
	switch rapid.SampledFrom([]string{
		"update", "update", "update", "changes", "careless", "careless", "rename", "replace", "delete", "delete", "obsolete", "delete-add", "zero", "nil",
	}).Draw(t, label) {
	case "update":
		d = &Delta{Op: Update, Changes: Diff(before.attributes, target)}
	case "changes":
		d = &Delta{Changes: Diff(before.attributes, target)}
	case "careless": // value changes by somebody who does not know the values
		d = &Delta{Op: Update}
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(attributeNames), rapid.ID).Draw(t, label+" names") {
			c := Change{Name: name, Op: rapid.SampledFrom([]Operation{Add, Replace, Update, Update, Update, Delete}).Draw(t, label+" op")}
			if c.Op != Delete {
				c.Values = drawSet(t, label+" added")
			}
			if c.Op == Update {
				for _, v := range drawSet(t, label+" removed") {
					if !Contains(c.Values, v) {
						c.Removed = append(c.Removed, v)
					}
				}
				if rapid.Bool().Draw(t, label+" only removes") && len(c.Removed) > 0 {
					c.Values = nil
				}
			}
			d.SetChange(c)
		}
	case "rename":
		d = &Delta{Op: Update, DN: dn, Changes: Diff(before.attributes, target)}
	case "replace":
		d = &Delta{Op: Replace, Changes: Diff(nil, target)}
		if rapid.Bool().Draw(t, label+" renames") {
			d.DN = dn
		}
	case "delete":
		d = &Delta{Op: Delete}
	case "obsolete":
		d = &Delta{Op: Obsolete}
	case "delete-add":
		d = &Delta{Op: DeleteAdd, ObjectType: "group", DN: dn, Changes: Diff(nil, target)}
	case "zero":
		d = &Delta{}
	}
	return before.apply(d), d
}

// However a sequence of deltas is merged, the result does what they do one
// after the other, changes none of them and shares no list with them.
func TestMergeLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := drawImage(t, "start")
		startAttributes := deepAttributes(start.attributes)
		end := start
		var deltas, copies []*Delta
		for i := range rapid.IntRange(2, 5).Draw(t, "deltas") {
			var d *Delta
			end, d = drawStep(t, end, fmt.Sprint("step ", i))
			checkAttributes(t, end.attributes)
			deltas, copies = append(deltas, d), append(copies, deepDelta(d))
		}

		var fromLeft, fromRight *Delta
		for i := range deltas {
			fromLeft = fromLeft.Merge(deltas[i])
			fromRight = deltas[len(deltas)-1-i].Merge(fromRight)
		}
		for _, merged := range []*Delta{fromLeft, fromRight} {
			if got := start.apply(merged); got.String() != end.String() {
				t.Fatalf("%v\nmerged into %v\ngives %v\nwant  %v", deltas, merged, got, end)
			}
			if merged != nil {
				checkChanges(t, merged)
			}
			if !start.exists && end.exists && merged.Op != Add && merged.Op != DeleteAdd {
				t.Fatalf("an object that was not there comes by %s", merged.Op)
			}
			if start.exists && merged != nil && merged.Op == Add {
				t.Fatal("an object that was there is added")
			}
			// Changing the result must not reach the deltas that it came from.
			for _, name := range attributeNames {
				if merged != nil {
					merged.SetChange(Change{Name: name, Op: Delete})
				}
			}
			if merged != nil {
				merged.DropChange(attributeNames[0])
			}
		}
		if diff := cmp.Diff(copies, deltas, equalValues); diff != "" {
			t.Fatalf("an input was changed: %s", diff)
		}
		if !start.attributes.Equal(startAttributes) {
			t.Fatal("the object was changed")
		}
	})
}

func checkChanges(t rapid.TB, d *Delta) {
	t.Helper()
	for i, c := range d.Changes {
		if i > 0 && d.Changes[i-1].Name >= c.Name {
			t.Fatalf("the changes are not sorted: %v", d)
		}
		if !c.Op.changesValues() {
			t.Fatalf("%s on an attribute", c.Op)
		}
		checkNormalized(t, c.Values)
		checkNormalized(t, c.Removed)
		for _, v := range c.Removed {
			if Contains(c.Values, v) {
				t.Fatalf("%s: %v is added and removed", c.Name, v)
			}
		}
		if (c.Op == Add || c.Op == Replace) != (len(c.Values) > 0) && c.Op != Update {
			t.Fatalf("%s with %d values", c.Op, len(c.Values))
		}
	}
}

func TestMergeOperations(t *testing.T) {
	one, two, three := []Value{String("1")}, []Value{String("2")}, []Value{String("3")}
	add := func(dn string, changes ...Change) *Delta {
		return &Delta{Op: Add, ObjectType: "person", DN: dn, Changes: changes}
	}
	update := func(changes ...Change) *Delta { return &Delta{Op: Update, Changes: changes} }
	change := func(op Operation, values ...Value) Change { return Change{Name: "x", Op: op, Values: values} }
	tests := []struct {
		name           string
		d, next, wants *Delta
	}{
		{"an update of an add is an add", add("cn=a", change(Add, one...)), update(change(Replace, two...)), add("cn=a", change(Add, two...))},
		{"a rename of an add is an add", add("cn=a"), &Delta{Op: Update, DN: "cn=b"}, add("cn=b")},
		{"an add of nothing", add("cn=a", change(Add, one...)), update(change(Delete)), add("cn=a")},
		{"a value more in an add", add("cn=a"), update(change(Update, one...)), add("cn=a", change(Add, one...))},
		{
			"a replacement of an add is an add", add("cn=a", change(Add, one...)),
			&Delta{Op: Replace, Changes: []Change{change(Add, two...)}}, add("cn=a", change(Add, two...)),
		},
		{"a replacement keeps the rename", &Delta{Op: Update, DN: "cn=b"}, &Delta{Op: Replace}, &Delta{Op: Replace, DN: "cn=b"}},
		{"removed and back", &Delta{Op: Delete}, add("cn=a"), &Delta{Op: DeleteAdd, ObjectType: "person", DN: "cn=a"}},
		{"obsolete and back", &Delta{Op: Obsolete}, add("cn=a"), &Delta{Op: DeleteAdd, ObjectType: "person", DN: "cn=a"}},
		{"back twice", &Delta{Op: DeleteAdd, ObjectType: "group"}, add("cn=a"), &Delta{Op: DeleteAdd, ObjectType: "person", DN: "cn=a"}},
		{"another one in place of an add", add("cn=a"), &Delta{Op: DeleteAdd, ObjectType: "group", DN: "cn=b"}, &Delta{Op: Add, ObjectType: "group", DN: "cn=b"}},
		{"an add taken back", add("cn=a"), &Delta{Op: Delete}, &Delta{Op: Delete}},
		{"changes without an operation", &Delta{Changes: []Change{change(Add, one...)}}, update(change(Replace, two...)), update(change(Add, two...))},
		{"deleted and added is replaced", update(change(Delete)), update(change(Add, one...)), update(change(Replace, one...))},
		{"replaced and added is replaced", update(change(Replace, one...)), update(change(Add, two...)), update(change(Replace, two...))},
		{"a value more of none", update(change(Delete)), update(change(Update, one...)), update(change(Replace, one...))},
		{"a value more of others", update(change(Replace, one...)), update(change(Update, two...)), update(change(Replace, one[0], two[0]))},
		{"the last value less", update(change(Add, one...)), update(Change{Name: "x", Op: Update, Removed: one}), update(change(Delete))},
		{
			"values that come and go", update(Change{Name: "x", Op: Update, Values: one, Removed: two}),
			update(Change{Name: "x", Op: Update, Values: append(two, three...), Removed: one}),
			update(Change{Name: "x", Op: Update, Values: append(two, three...), Removed: one}),
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.wants, test.d.Merge(test.next), equalValues); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDeltaChanges(t *testing.T) {
	var d Delta
	for _, name := range []string{"m", "a", "z", "m"} {
		d.SetChange(Change{Name: name, Op: Delete})
	}
	d.SetChange(Change{Name: "a", Op: Add, Values: []Value{String("x")}})
	d.DropChange("m")
	d.DropChange("not there")
	want := []Change{{Name: "a", Op: Add, Values: []Value{String("x")}}, {Name: "z", Op: Delete}}
	if diff := cmp.Diff(want, d.Changes, equalValues); diff != "" {
		t.Error(diff)
	}
	if d.Change("m") != nil || d.Change("z") != &d.Changes[1] {
		t.Error("Change finds the wrong change")
	}
	if d.IsZero() || (&Delta{DN: "cn=a"}).IsZero() || (&Delta{Op: Delete}).IsZero() {
		t.Error("a delta that does something is zero")
	}
	if !(&Delta{Op: Update, DN: "cn=a"}).IsRename() || (&Delta{Op: Add, DN: "cn=a"}).IsRename() || (&Delta{Op: Update}).IsRename() {
		t.Error("IsRename")
	}
}
