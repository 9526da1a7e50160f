package identity

import (
	"slices"
	"strings"
)

// An Attribute is a name and a normalized, non-empty set of values. Those of a
// stored object may be kept elsewhere: then Set has them and Values is nil, so
// read them by the methods.
type Attribute struct {
	Name   string
	Values []Value
	Set    *Set
}

// Attributes is the content of an object: sorted by name, without empty
// attributes. The zero value is an object without attributes. Value sets are
// shared between copies and never changed in place.
type Attributes []Attribute

// Get returns the values of an attribute, nil if it is absent.
func (a Attributes) Get(name string) []Value {
	if len(a) <= maxScanned {
		for i := range a {
			if a[i].Name == name {
				return a[i].All()
			}
		}
		return nil
	}
	if i, found := a.find(name); found {
		return a[i].All()
	}
	return nil
}

// maxScanned is how many attributes are looked through one by one for a name, which
// is decided by the lengths nearly always: among 18 attributes that takes half the
// time of a search by halves.
const maxScanned = 32

// Find returns an attribute, nil if it is absent.
func (a Attributes) Find(name string) *Attribute {
	if i, found := a.find(name); found {
		return &a[i]
	}
	return nil
}

// First returns the first value of an attribute, the zero Value if it is absent.
func (a Attributes) First(name string) Value {
	if values := a.Get(name); len(values) > 0 {
		return values[0]
	}
	return Value{}
}

// Set returns a with the attribute replaced; without values, or with none but
// zero Values, it is removed. The list is changed in place where that is
// possible, so use only the result, and [Attributes.Clone] a list that somebody
// else has too. The values are normalized in place and kept.
func (a Attributes) Set(name string, values ...Value) Attributes {
	values = Normalize(values)
	i, found := a.find(name)
	switch {
	case len(values) == 0 && found:
		return slices.Delete(a, i, i+1)
	case len(values) == 0:
		return a
	case found:
		a[i] = Attribute{Name: name, Values: values}
		return a
	}
	return slices.Insert(a, i, Attribute{Name: name, Values: values})
}

// Share is like [Attributes.Set], with the attribute as from has it, wherever its
// values are kept: they are shared.
func (a Attributes) Share(name string, from Attributes) Attributes {
	source := from.Find(name)
	i, found := a.find(name)
	switch {
	case source == nil && found:
		return slices.Delete(a, i, i+1)
	case source == nil:
		return a
	case found:
		a[i] = *source
		return a
	}
	return slices.Insert(a, i, *source)
}

// Clone returns a copy whose list may be changed without changing a. The value
// sets are shared: they are never changed in place.
func (a Attributes) Clone() Attributes { return slices.Clone(a) }

// Equal reports whether a and b hold the same attributes with the same values.
func (a Attributes) Equal(b Attributes) bool {
	return slices.EqualFunc(a, b, func(x, y Attribute) bool {
		if x.Name != y.Name {
			return false
		}
		_, differs := x.Diff(&y)
		return !differs
	})
}

// SortAttributes brings attributes gathered in any order, with their values, into
// the form of [Attributes]: sorted by name, values normalized, empty ones dropped, the
// values of repeated names united. It works in place, on the values too.
func SortAttributes(list []Attribute) Attributes {
	if !slices.IsSortedFunc(list, compareNames) {
		slices.SortStableFunc(list, compareNames)
	}
	out := list[:0]
	for _, attribute := range list {
		attribute.Values = Normalize(attribute.Values)
		if len(attribute.Values) == 0 {
			continue
		}
		if n := len(out); n > 0 && out[n-1].Name == attribute.Name {
			out[n-1].Values = Normalize(slices.Concat(out[n-1].Values, attribute.Values))
			continue
		}
		out = append(out, attribute)
	}
	return out
}

func compareNames(x, y Attribute) int { return strings.Compare(x.Name, y.Name) }

func (a Attributes) find(name string) (int, bool) {
	if len(a) <= 8 {
		for i := range a {
			if a[i].Name >= name {
				return i, a[i].Name == name
			}
		}
		return len(a), false
	}
	low, high := 0, len(a)
	for low < high { // slices.BinarySearchFunc: 70 ns among 18 attributes, this 45 ns
		middle := int(uint(low+high) >> 1)
		if a[middle].Name < name {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low < len(a) && a[low].Name == name
}
