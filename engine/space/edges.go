package space

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/metasync/metasync/engine/identity"
)

// defaultEdges is from how many references on an attribute keeps each as an edge:
// a key of its own, so that one more costs one more, whatever their number. Fewer
// are part of the record of their object. An attribute that has shrunk to half of
// this goes back there.
const defaultEdges = 256

// KeepEdges sets from how many references on an attribute keeps each as an edge.
// What is stored may have been written under another number.
func (s *Space) KeepEdges(from int) { s.edgesFrom.Store(int64(from)) }

// edges is where the references of one attribute of one object are kept.
type edges struct {
	tx        *Tx
	owner     identity.ID
	attribute uint32 // its code
	n         int
	outdated  bool // others have been written in its place
}

func (tx *Tx) edgesOf(owner identity.ID, attribute string, n int) *edges {
	return &edges{tx: tx, owner: owner, attribute: uint32(tx.space.names.Code(attribute)), n: n}
}

// Len implements [identity.Source].
func (e *edges) Len() int { return e.n }

// Contains implements [identity.Source].
func (e *edges) Contains(v identity.Value) bool {
	return v.Ref() != 0 && e.tx.kv.Get(bucketEdge, edgeKey(e.owner, e.attribute, v.Ref())) != nil
}

// All implements [identity.Source].
func (e *edges) All() []identity.Value {
	values := make([]identity.Value, 0, e.n)
	for key := range e.tx.kv.Scan(bucketEdge, edgePrefix(e.owner, e.attribute), nil) {
		values = append(values, identity.ReferenceTo(edgeTarget(key)))
	}
	return values
}

func edgePrefix(owner identity.ID, attribute uint32) []byte {
	key := make([]byte, 0, 20)
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(key, uint64(owner)), attribute)
}

func edgeKey(owner identity.ID, attribute uint32, target identity.ID) []byte {
	return binary.BigEndian.AppendUint64(edgePrefix(owner, attribute), uint64(target))
}

// backKey is the other end of an edge.
func backKey(target, owner identity.ID, attribute uint32) []byte {
	return binary.BigEndian.AppendUint32(pairKey(target, owner), attribute)
}

func edgeTarget(key []byte) identity.ID { return identity.ID(binary.BigEndian.Uint64(key[12:])) }

// put writes edges.
func (e *edges) put(targets []identity.Value) error {
	for _, v := range targets {
		if err := e.tx.kv.Put(bucketEdge, edgeKey(e.owner, e.attribute, v.Ref()), nil); err != nil {
			return err
		}
		if err := e.tx.kv.Put(bucketEdgeBack, backKey(v.Ref(), e.owner, e.attribute), nil); err != nil {
			return err
		}
	}
	return nil
}

// remove removes edges.
func (e *edges) remove(targets []identity.Value) error {
	for _, v := range targets {
		if err := e.tx.kv.Delete(bucketEdge, edgeKey(e.owner, e.attribute, v.Ref())); err != nil {
			return err
		}
		if err := e.tx.kv.Delete(bucketEdgeBack, backKey(v.Ref(), e.owner, e.attribute)); err != nil {
			return err
		}
		e.tx.orphans = append(e.tx.orphans, v.Ref())
	}
	return nil
}

// edgeNames returns the attributes whose references are edges.
func edgeNames(attributes identity.Attributes) []string {
	var names []string
	for i := range attributes {
		if attributes[i].Set != nil {
			names = append(names, attributes[i].Name)
		}
	}
	return names
}

// writeEdges brings the edges of an object in line with its attributes, and
// returns these as its record holds them. before names the attributes that have
// edges so far.
func (tx *Tx) writeEdges(owner identity.ID, attributes identity.Attributes, before []string) (identity.Attributes, error) {
	copied := false
	from := int(tx.space.edgesFrom.Load())
	for i := range attributes {
		a := &attributes[i]
		stored := slices.Contains(before, a.Name)
		if a.Set == nil && !stored && (len(a.Values) < from || !references(a.Values)) {
			continue
		}
		written, err := tx.writeAttribute(owner, a, stored, from)
		if err != nil {
			return nil, err
		}
		if !copied {
			attributes, copied = attributes.Clone(), true // others may have the list
		}
		attributes[i] = written
	}
	for _, name := range before {
		if attributes.Find(name) != nil {
			continue
		}
		e := tx.edgesOf(owner, name, 0)
		if err := e.remove(e.All()); err != nil {
			return nil, err
		}
	}
	return attributes, nil
}

// writeAttribute writes one attribute of which values are edges already, if it
// is stored, or become edges.
func (tx *Tx) writeAttribute(owner identity.ID, a *identity.Attribute, stored bool, from int) (identity.Attribute, error) {
	e := tx.edgesOf(owner, a.Name, a.Len())
	var added, removed []identity.Value
	source, ours := (*edges)(nil), false
	if a.Set != nil {
		var kept identity.Source
		kept, added, removed = a.Set.Source()
		source, ours = kept.(*edges)
		ours = ours && stored && source.owner == owner && source.attribute == e.attribute
	}
	if a.Len() < from/2 || !ours && (a.Len() < from || !references(a.All())) {
		values := a.All() // before the edges go
		if stored {
			if err := e.remove(e.All()); err != nil {
				return identity.Attribute{}, err
			}
		}
		return identity.Attribute{Name: a.Name, Values: values}, nil
	}
	if !ours {
		var had []identity.Value
		if stored {
			had = e.All()
		}
		if change, differs := identity.DiffValues(a.Name, had, a.All()); differs {
			added, removed = change.Values, change.Removed
			if change.Op == identity.Replace {
				removed = had
			}
		}
	}
	switch {
	case ours && source.outdated:
		return identity.Attribute{}, fmt.Errorf("write %q of %s: the change is one of a state before the last", a.Name, owner)
	case ours && len(added)+len(removed) == 0:
		return *a, nil
	case ours:
		source.outdated = true
	}
	if err := e.remove(removed); err != nil {
		return identity.Attribute{}, err
	}
	if err := e.put(added); err != nil {
		return identity.Attribute{}, err
	}
	return identity.Attribute{Name: a.Name, Set: identity.NewSet(e)}, nil
}

func references(values []identity.Value) bool {
	return len(values) > 0 && values[0].Ref() != 0 && values[len(values)-1].Ref() != 0
}

// DropReference removes the references to an object from all attributes, and
// reports whether there was one.
func (o *Object) DropReference(target identity.ID) bool {
	value, dropped := identity.ReferenceTo(target), false
	for i := len(o.Attributes) - 1; i >= 0; i-- {
		a := &o.Attributes[i]
		if !a.Contains(value) {
			continue
		}
		if _, several := o.findMixed(a.Name); several {
			o.SetContributed(a.Name, slices.DeleteFunc(o.Contributed(a.Name), func(c Contributed) bool { return c.Value == value }))
		} else {
			o.Change(a.Name, nil, []identity.Value{value}, o.contributions[i])
		}
		dropped = true
	}
	return dropped
}

// Change adds values to an attribute that the object has and removes others,
// without a look at the rest. The lists are normalized; by is the contributor of
// all its values from now on.
func (o *Object) Change(attribute string, added, removed []identity.Value, by Contribution) {
	i, found := o.find(attribute)
	if !found {
		return
	}
	o.forget(attribute)
	if set := o.Attributes[i].Set; set != nil && set.Len() > len(removed) {
		o.Attributes[i] = identity.Attribute{Name: attribute, Set: set.With(added, removed)}
		o.contributions[i] = by
		return
	}
	change := identity.Change{Op: identity.Update, Values: added, Removed: removed}
	o.Set(attribute, change.Apply(o.Attributes[i].All()), by)
}
