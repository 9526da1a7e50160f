package identity

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Set, Get, First, Clone and Equal behave like a map from names to sets.
func TestAttributesLikeMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a Attributes
		model := make(map[string][]Value)
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			name := rapid.SampledFrom(attributeNames).Draw(t, "name")
			var values []Value
			for range rapid.IntRange(0, 3).Draw(t, "count") {
				values = append(values, drawValue(t, "value"))
			}
			if len(values) == 0 {
				delete(model, name)
			} else {
				model[name] = Normalize(slices.Clone(values))
			}
			a = a.Set(name, values...)
			checkAttributes(t, a)
		}
		if len(a) != len(model) {
			t.Fatalf("%d attributes, want %d", len(a), len(model))
		}
		for _, name := range attributeNames {
			if !slices.Equal(a.Get(name), model[name]) {
				t.Fatalf("%s is %v, want %v", name, a.Get(name), model[name])
			}
			var first Value
			if len(model[name]) > 0 {
				first = model[name][0]
			}
			if a.First(name) != first {
				t.Fatalf("the first of %s is %v, want %v", name, a.First(name), first)
			}
		}

		copied, before := a.Clone(), deepAttributes(a)
		name := rapid.SampledFrom(attributeNames).Draw(t, "changed")
		_ = copied.Set(name)
		copied = a.Clone().Set(name, String("unlike any other"))
		if !a.Equal(before) {
			t.Fatal("setting in a clone changes the original")
		}
		if copied.Equal(a) {
			t.Fatal("different attributes are equal")
		}
		if !copied.Set(name, model[name]...).Equal(a) {
			t.Fatal("equal attributes are different")
		}
	})
}

func TestSetNoValue(t *testing.T) {
	var absent Attributes
	a := Attributes(nil).Set("cn", String("Ada")).Set("sn", String("L"))
	a = a.Set("cn", absent.First("cn"))
	if diff := cmp.Diff(Attributes{{Name: "sn", Values: []Value{String("L")}}}, a, equalValues); diff != "" {
		t.Errorf("setting the zero Value does not remove the attribute: %s", diff)
	}
	if a = a.Set("cn", Value{}, String("x")); len(a.Get("cn")) != 1 {
		t.Errorf("cn is %v", a.Get("cn"))
	}
}

// SortAttributes unites what a map of sets unites, whatever the order given.
func TestSortAttributes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []Attribute
		model := make(map[string][]Value)
		for range rapid.IntRange(0, 20).Draw(t, "count") {
			attribute := Attribute{Name: rapid.SampledFrom(attributeNames).Draw(t, "name")}
			for range rapid.IntRange(0, 3).Draw(t, "values") {
				attribute.Values = append(attribute.Values, drawValue(t, "value"))
			}
			if rapid.IntRange(0, 9).Draw(t, "none") == 0 {
				attribute.Values = append(attribute.Values, Value{})
			}
			list = append(list, attribute)
			model[attribute.Name] = append(model[attribute.Name], attribute.Values...)
		}
		var want Attributes
		for _, name := range slices.Sorted(maps.Keys(model)) {
			if set := Normalize(model[name]); len(set) > 0 {
				want = append(want, Attribute{Name: name, Values: set})
			}
		}
		got := SortAttributes(list)
		checkAttributes(t, got)
		if !got.Equal(want) {
			t.Fatalf("got  %v\nwant %v", got, want)
		}
		if again := SortAttributes(slices.Clone(got)); !again.Equal(got) {
			t.Fatal("sorting twice changes the list")
		}
	})
}

func TestAttributesEqual(t *testing.T) {
	a := Attributes{{Name: "cn", Values: []Value{String("Ada")}}}
	for _, b := range []Attributes{
		nil,
		{{Name: "cn", Values: []Value{String("ada")}}},
		{{Name: "sn", Values: []Value{String("Ada")}}},
		{{Name: "cn", Values: []Value{String("Ada"), String("B")}}},
		{{Name: "cn", Values: []Value{String("Ada")}}, {Name: "sn", Values: []Value{String("L")}}},
	} {
		if a.Equal(b) || b.Equal(a) {
			t.Errorf("%v equals %v", a, b)
		}
	}
	if !a.Equal(deepAttributes(a)) || !Attributes(nil).Equal(Attributes{}) {
		t.Error("equal attributes are different")
	}
}
