package identity

import "slices"

// A Source keeps the values of one attribute elsewhere than in the record of its
// object, because they are many: a group with its members. It knows each of them
// without reading the others.
type Source interface {
	Len() int
	Contains(v Value) bool
	All() []Value // normalized; not to be changed
}

// A Set is a set of values that nobody has to hold in memory: those of a source,
// and what came and went since. It never changes; [Set.With] returns another. To
// add one value costs the same whatever their number.
type Set struct {
	source         Source
	added, removed []Value // normalized; the source lacks what was added and has what was removed
	all            []Value // once somebody wanted them
}

// NewSet returns the set of a source.
func NewSet(source Source) *Set { return &Set{source: source} }

// Source returns the source, and the values that came and went since.
func (s *Set) Source() (source Source, added, removed []Value) { return s.source, s.added, s.removed }

// Len returns the number of values.
func (s *Set) Len() int { return s.source.Len() + len(s.added) - len(s.removed) }

// Contains reports whether the set holds a value.
func (s *Set) Contains(v Value) bool {
	return Contains(s.added, v) || !Contains(s.removed, v) && s.source.Contains(v)
}

// All returns all values, normalized. They are read from the source: prefer
// [Set.Contains] and [Set.With].
func (s *Set) All() []Value {
	if s.all != nil {
		return s.all
	}
	values := s.source.All()
	if len(s.added)+len(s.removed) > 0 {
		change := Change{Op: Update, Values: s.added, Removed: s.removed}
		values = change.Apply(values)
	}
	s.all = values
	return values
}

// With returns the set without the removed values and with the added ones, which
// win. Both lists are normalized; the result keeps neither.
func (s *Set) With(added, removed []Value) *Set {
	if len(added)+len(removed) == 0 {
		return s
	}
	out := &Set{source: s.source, added: slices.Clone(s.added), removed: slices.Clone(s.removed)}
	for _, v := range removed {
		switch {
		case Contains(added, v):
		case Contains(out.added, v):
			out.added = without(out.added, v)
		case !Contains(out.removed, v) && s.source.Contains(v):
			out.removed = with(out.removed, v)
		}
	}
	for _, v := range added {
		switch {
		case Contains(out.removed, v):
			out.removed = without(out.removed, v)
		case !Contains(out.added, v) && !s.source.Contains(v):
			out.added = with(out.added, v)
		}
	}
	return out
}

func with(values []Value, v Value) []Value {
	i, _ := slices.BinarySearchFunc(values, v, Compare)
	return slices.Insert(values, i, v)
}

func without(values []Value, v Value) []Value {
	i, found := slices.BinarySearchFunc(values, v, Compare)
	if !found {
		return values
	}
	return slices.Delete(values, i, i+1)
}

// minus returns the values of a that b lacks.
func minus(a, b []Value) []Value {
	var out []Value
	for _, v := range a {
		if !Contains(b, v) {
			out = append(out, v)
		}
	}
	return out
}

// diffSets returns how one set becomes another of the same source.
func diffSets(name string, from, to *Set) (Change, bool) {
	c := Change{
		Name: name, Op: Update,
		Values:  Normalize(append(minus(to.added, from.added), minus(from.removed, to.removed)...)),
		Removed: Normalize(append(minus(from.added, to.added), minus(to.removed, from.removed)...)),
	}
	if to.Len() == 0 && len(c.Removed) > 0 {
		return Change{Name: name, Op: Delete}, true
	}
	return c, len(c.Values)+len(c.Removed) > 0
}

// All returns the values of the attribute, wherever they are kept.
func (a *Attribute) All() []Value {
	if a.Set != nil {
		return a.Set.All()
	}
	return a.Values
}

// Len returns the number of values.
func (a *Attribute) Len() int {
	if a.Set != nil {
		return a.Set.Len()
	}
	return len(a.Values)
}

// Contains reports whether the attribute has the value.
func (a *Attribute) Contains(v Value) bool {
	if a.Set != nil {
		return a.Set.Contains(v)
	}
	return Contains(a.Values, v)
}

// Diff returns how the attribute becomes another one, or none if that is nil;
// false if they are equal. See [DiffValues].
func (a *Attribute) Diff(to *Attribute) (Change, bool) {
	switch {
	case a == nil && to == nil:
		return Change{}, false
	case a == nil:
		return DiffValues(to.Name, nil, to.All())
	case to == nil:
		return Change{Name: a.Name, Op: Delete}, true
	case a.Set != nil && to.Set != nil && a.Set.source == to.Set.source:
		return diffSets(a.Name, a.Set, to.Set)
	}
	return DiffValues(a.Name, a.All(), to.All())
}

// apply returns the attribute after a change; false if nothing is left of it.
func (a *Attribute) apply(c *Change) (Attribute, bool) {
	if a != nil && a.Set != nil && c.Op == Update {
		set := a.Set.With(c.Values, c.Removed)
		return Attribute{Name: c.Name, Set: set}, set.Len() > 0
	}
	var before []Value
	if a != nil && c.Op == Update {
		before = a.All()
	}
	after := c.Apply(before)
	return Attribute{Name: c.Name, Values: after}, len(after) > 0
}
