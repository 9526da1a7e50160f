package space

import (
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/identity"
)

// The common attribute has one contributor, whose record stands beside it. Two
// kinds need more: attributes that are merged from several contributors, value
// by value (sync-engine §4.7, §4.9), and attributes that somebody emptied on
// purpose (sync-engine §4.3).

// A Contributed is a value and where it came from.
type Contributed struct {
	Value identity.Value
	By    Contribution
}

type mixed struct {
	attribute string
	by        []Contribution // parallel to the values
}

type emptied struct {
	attribute string
	by        Contribution
}

// Contributed returns the values of an attribute in their order, each with its
// contributor.
func (o *Object) Contributed(attribute string) []Contributed {
	i, found := o.find(attribute)
	if !found {
		return nil
	}
	values := o.Attributes[i].All()
	out := make([]Contributed, len(values))
	for j, v := range values {
		out[j] = Contributed{v, o.contributions[i]}
	}
	if k, found := o.findMixed(attribute); found {
		for j := range out {
			out[j].By = o.mixed[k].by[j]
		}
	}
	return out
}

// SetContributed gives an attribute values from several contributors. Of equal
// values the first counts. Without values the attribute is removed.
func (o *Object) SetContributed(attribute string, list []Contributed) {
	if len(list) == 0 {
		o.Remove(attribute)
		return
	}
	first := list[0].By
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Contributed) int { return identity.Compare(a.Value, b.Value) })
	list = slices.CompactFunc(list, func(a, b Contributed) bool { return a.Value == b.Value })
	values, by := make([]identity.Value, len(list)), make([]Contribution, len(list))
	several := false
	for i, c := range list {
		values[i], by[i] = c.Value, c.By
		several = several || c.By != first
	}
	o.Set(attribute, values, first)
	if several {
		i, _ := o.findMixed(attribute)
		o.mixed = slices.Insert(o.mixed, i, mixed{attribute, by})
	}
}

// SetNull empties an attribute and remembers who said so.
func (o *Object) SetNull(attribute string, by Contribution) {
	o.Remove(attribute)
	by.Null = true
	i, _ := o.findNull(attribute)
	o.nulls = slices.Insert(o.nulls, i, emptied{attribute, by})
}

// Nulls returns the attributes that are empty because somebody said so, sorted.
func (o *Object) Nulls() []string {
	var names []string
	for _, n := range o.nulls {
		names = append(names, n.attribute)
	}
	return names
}

// forget drops what is known of an attribute besides its one contributor.
func (o *Object) forget(attribute string) {
	if len(o.mixed) > 0 {
		if i, found := o.findMixed(attribute); found {
			o.mixed = slices.Delete(o.mixed, i, i+1)
		}
	}
	if len(o.nulls) > 0 {
		if i, found := o.findNull(attribute); found {
			o.nulls = slices.Delete(o.nulls, i, i+1)
		}
	}
}

// alsoBy returns the attributes of which one of several values, or the absence,
// came from a connector.
func (o *Object) alsoBy(connector identity.ID) []string {
	var names []string
	for _, m := range o.mixed {
		if slices.ContainsFunc(m.by, func(c Contribution) bool { return c.Connector == connector }) {
			names = append(names, m.attribute)
		}
	}
	for _, n := range o.nulls {
		if n.by.Connector == connector {
			names = append(names, n.attribute)
		}
	}
	return names
}

func (o *Object) findMixed(attribute string) (int, bool) {
	return slices.BinarySearchFunc(o.mixed, attribute, func(m mixed, name string) int { return strings.Compare(m.attribute, name) })
}

func (o *Object) findNull(attribute string) (int, bool) {
	return slices.BinarySearchFunc(o.nulls, attribute, func(n emptied, name string) int { return strings.Compare(n.attribute, name) })
}
