package identity

import (
	"slices"
	"strconv"
	"strings"
)

// An Operation is what a delta does to an object, or a change to an attribute
// (sync-engine §1.3).
type Operation uint8

// The operations. Obsolete and DeleteAdd exist at object level only, Update of
// an attribute is a change of single values.
const (
	None Operation = iota
	Add
	Replace
	Update
	Delete
	Obsolete
	DeleteAdd
)

var operationNames = [...]string{"none", "add", "replace", "update", "delete", "obsolete", "delete-add"}

// String returns the name of the operation in the records.
func (o Operation) String() string {
	if int(o) < len(operationNames) {
		return operationNames[o]
	}
	return "operation(" + strconv.Itoa(int(o)) + ")"
}

// MarshalText makes an Operation a string in JSON.
func (o Operation) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// Removes reports whether the object is gone after the operation.
func (o Operation) Removes() bool { return o == Delete || o == Obsolete }

// changesValues reports whether the operation exists at attribute level.
func (o Operation) changesValues() bool {
	return o == Add || o == Replace || o == Update || o == Delete
}

// A Delta turns one image of an object into another. The zero Delta changes
// nothing.
type Delta struct {
	Op         Operation
	ObjectType string   // of an Add or DeleteAdd
	DN         string   // the new DN of an Add, DeleteAdd or rename, else ""
	Changes    []Change // sorted by name
}

// A Change is what a delta does to one attribute.
//
// Add and Replace carry all values of the attribute in Values; Delete carries
// none; Update carries the values that come and go.
type Change struct {
	Name    string
	Op      Operation
	Values  []Value // Add, Replace: all values; Update: those added
	Removed []Value // Update: those removed
}

// IsZero reports whether the delta changes nothing.
func (d *Delta) IsZero() bool {
	return d == nil || d.Op == None && d.DN == "" && len(d.Changes) == 0
}

// Equal reports whether two deltas do the same; nil is the zero delta.
func (d *Delta) Equal(other *Delta) bool {
	if d.IsZero() || other.IsZero() {
		return d.IsZero() && other.IsZero()
	}
	return d.Op == other.Op && d.ObjectType == other.ObjectType && d.DN == other.DN &&
		slices.EqualFunc(d.Changes, other.Changes, func(x, y Change) bool {
			return x.Name == y.Name && x.Op == y.Op && slices.Equal(x.Values, y.Values) && slices.Equal(x.Removed, y.Removed)
		})
}

// IsRename reports whether the delta moves an existing object.
func (d *Delta) IsRename() bool { return d != nil && d.Op == Update && d.DN != "" }

// Change returns what the delta does to an attribute, nil if nothing.
func (d *Delta) Change(name string) *Change {
	if d == nil {
		return nil
	}
	if i, found := d.find(name); found {
		return &d.Changes[i]
	}
	return nil
}

// SetChange puts c in place of whatever the delta did to that attribute.
func (d *Delta) SetChange(c Change) {
	i, found := d.find(c.Name)
	if found {
		d.Changes[i] = c
		return
	}
	d.Changes = slices.Insert(d.Changes, i, c)
}

// DropChange removes what the delta did to an attribute.
func (d *Delta) DropChange(name string) {
	if i, found := d.find(name); found {
		d.Changes = slices.Delete(d.Changes, i, i+1)
	}
}

func (d *Delta) find(name string) (int, bool) {
	return slices.BinarySearchFunc(d.Changes, name, func(c Change, name string) int {
		return strings.Compare(c.Name, name)
	})
}

// DiffValues returns how the values of one attribute become others; the second
// result is false if they are equal. An attribute that had several values, or
// gets several, changes value by value.
func DiffValues(name string, from, to []Value) (Change, bool) {
	switch {
	case slices.Equal(from, to):
		return Change{}, false
	case len(from) == 0:
		return Change{Name: name, Op: Add, Values: to}, true
	case len(to) == 0:
		return Change{Name: name, Op: Delete}, true
	case len(from) == 1 && len(to) == 1:
		return Change{Name: name, Op: Replace, Values: to}, true
	}
	c := Change{Name: name, Op: Update}
	for len(from) > 0 || len(to) > 0 {
		order := 0
		switch {
		case len(from) == 0:
			order = 1
		case len(to) == 0:
			order = -1
		default:
			order = Compare(from[0], to[0])
		}
		switch {
		case order < 0:
			c.Removed = append(c.Removed, from[0])
			from = from[1:]
		case order > 0:
			c.Values = append(c.Values, to[0])
			to = to[1:]
		default:
			from, to = from[1:], to[1:]
		}
	}
	return c, true
}

// Diff returns the changes that turn the attributes from into to.
func Diff(from, to Attributes) []Change {
	var changes []Change
	for len(from) > 0 || len(to) > 0 {
		order := 0
		switch {
		case len(from) == 0:
			order = 1
		case len(to) == 0:
			order = -1
		default:
			order = strings.Compare(from[0].Name, to[0].Name)
		}
		switch {
		case order < 0:
			changes = append(changes, Change{Name: from[0].Name, Op: Delete})
			from = from[1:]
		case order > 0:
			changes = append(changes, Change{Name: to[0].Name, Op: Add, Values: to[0].All()})
			to = to[1:]
		default:
			if c, changed := from[0].Diff(&to[0]); changed {
				changes = append(changes, c)
			}
			from, to = from[1:], to[1:]
		}
	}
	return changes
}

// Apply returns the values of the attribute after the change.
func (c *Change) Apply(values []Value) []Value {
	switch c.Op {
	case Add, Replace:
		return c.Values
	case Delete:
		return nil
	case Update:
		out := make([]Value, 0, len(values)+len(c.Values))
		for _, v := range values {
			if !Contains(c.Removed, v) {
				out = append(out, v)
			}
		}
		return Normalize(append(out, c.Values...))
	}
	return values
}

// Apply returns the attributes of the object after the delta; after an operation
// that removes the object there are none. a itself is not changed, but may be
// the result: [Attributes.Clone] that before setting anything in it.
func (d *Delta) Apply(a Attributes) Attributes {
	if d == nil {
		return a
	}
	switch d.Op {
	case Delete, Obsolete:
		return nil
	case Add, DeleteAdd, Replace:
		a = nil
	}
	if len(d.Changes) == 0 {
		return a
	}
	out := make(Attributes, 0, len(a)+len(d.Changes))
	changes := d.Changes
	for len(a) > 0 || len(changes) > 0 {
		if len(changes) == 0 || len(a) > 0 && a[0].Name < changes[0].Name {
			out = append(out, a[0])
			a = a[1:]
			continue
		}
		var before *Attribute
		if len(a) > 0 && a[0].Name == changes[0].Name {
			before, a = &a[0], a[1:]
		}
		if after, left := before.apply(&changes[0]); left {
			out = append(out, after)
		}
		changes = changes[1:]
	}
	return out
}

// Merge returns the delta that does what d and then next does. Neither is
// changed, and the result shares no list of changes with them; nil stands for
// the zero delta. The operation is that of the whole as seen from before d: an
// Add stays an Add, and what was removed and comes again is a DeleteAdd. An Update
// of values may add one that was there or remove one that was not.
func (d *Delta) Merge(next *Delta) *Delta {
	switch {
	case next.IsZero():
		return d.clone()
	case d.IsZero() || next.Op.Removes():
		return next.clone()
	case next.Op == Add || next.Op == DeleteAdd:
		out := next.clone()
		switch {
		case d.Op == Add:
			out.Op = Add
		case d.Op == DeleteAdd || d.Op.Removes():
			out.Op = DeleteAdd
		}
		return out
	case next.Op == Replace:
		out := next.clone()
		if out.DN == "" {
			out.DN = d.DN
		}
		if d.Op == Add || d.Op == DeleteAdd {
			out.Op, out.ObjectType = d.Op, d.ObjectType
		}
		return out
	}
	out := d.clone()
	if out.Op == None {
		out.Op = next.Op
	}
	if next.DN != "" {
		out.DN = next.DN
	}
	whole := d.Op == Add || d.Op == DeleteAdd || d.Op == Replace
	for _, c := range next.Changes {
		before := out.Change(c.Name)
		switch {
		case before == nil && whole:
			if values := c.Apply(nil); len(values) > 0 {
				out.SetChange(Change{Name: c.Name, Op: Add, Values: values})
			}
		case before == nil:
			out.SetChange(c)
		default:
			merged := mergeChanges(*before, c)
			if whole && merged.Op == Delete {
				out.DropChange(c.Name)
				continue
			}
			out.SetChange(merged)
		}
	}
	return out
}

func (d *Delta) clone() *Delta {
	if d == nil {
		return nil
	}
	out := *d
	out.Changes = slices.Clone(d.Changes)
	return &out
}

// mergeChanges returns the change of one attribute that does what first and
// then second does, whatever the values before.
func mergeChanges(first, second Change) Change {
	if second.Op != Update {
		switch {
		case first.Op == Add && second.Op == Replace:
			second.Op = Add
		case first.Op != Add && second.Op == Add:
			second.Op = Replace
		}
		return second
	}
	switch first.Op {
	case Add, Replace, Delete:
		values := second.Apply(first.Values)
		if len(values) == 0 {
			return Change{Name: first.Name, Op: Delete}
		}
		op := first.Op
		if op == Delete {
			op = Replace
		}
		return Change{Name: first.Name, Op: op, Values: values}
	}
	out := Change{Name: first.Name, Op: Update}
	for _, v := range first.Values {
		if !Contains(second.Removed, v) {
			out.Values = append(out.Values, v)
		}
	}
	out.Values = Normalize(append(out.Values, second.Values...))
	for _, v := range first.Removed {
		if !Contains(second.Values, v) {
			out.Removed = append(out.Removed, v)
		}
	}
	out.Removed = Normalize(append(out.Removed, second.Removed...))
	return out
}
