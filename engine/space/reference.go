package space

import (
	"slices"

	"github.com/metasync/metasync/engine/identity"
)

// Absorb makes everyone who refers to a placeholder refer to the object that
// turned out to be meant, and lets the placeholder go with the unit. The object
// may take its name from then on. Owners of references that are linked are marked
// to be synchronized again. The placeholder of a deleted object loses its name, and
// stays: nobody else was meant by it.
func (tx *Tx) Absorb(placeholder, into *Connector) error {
	if placeholder.Deleted {
		return tx.LoseName(placeholder)
	}
	if err := tx.redirect(placeholder.ID, into.ID); err != nil {
		return err
	}
	return tx.RemoveConnector(placeholder)
}

// eachReferrer calls fn with every object of a connector space that refers to an object.
func (tx *Tx) eachReferrer(id identity.ID, fn func(*Connector) error) error {
	owners, err := tx.Referrers(id)
	if err != nil {
		return err
	}
	for _, id := range owners {
		owner, err := tx.Connector(id)
		if err == nil && owner != nil {
			err = fn(owner)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// DoubtReferrers has the next import look again at everyone who refers to an object whose
// name means something else now: an entry that reads as before would pass for unchanged.
func (tx *Tx) DoubtReferrers(id identity.ID) error {
	return tx.eachReferrer(id, func(owner *Connector) error {
		if owner.Anchor != "" {
			owner.SetDigest(nil)
			tx.PutConnector(owner)
		}
		return nil
	})
}

// redirect makes everyone who refers to one object refer to another one.
func (tx *Tx) redirect(from, to identity.ID) error {
	owners, err := tx.Referrers(from)
	if err != nil {
		return err
	}
	if _, err := tx.Waiters(from); err != nil {
		return err // they are among the owners
	}
	moved := map[identity.ID]identity.ID{from: to}
	for _, id := range owners {
		owner, err := tx.Connector(id)
		if err != nil {
			return err
		}
		if owner == nil {
			continue
		}
		owner.replaceReferences(moved)
		owner.RetryReferences = owner.State.IsConnector()
		tx.PutConnector(owner)
	}
	return nil
}

// ReplaceReferences returns the attributes with references to some objects in
// place of those to others, all at once. The attributes themselves are not changed.
func ReplaceReferences(attributes identity.Attributes, moved map[identity.ID]identity.ID) identity.Attributes {
	out, copied := attributes, false
	for i, a := range attributes {
		replaced, changed := replaceInAttribute(a, moved)
		if !changed {
			continue
		}
		if !copied {
			out, copied = attributes.Clone(), true
		}
		out[i] = replaced
	}
	return out
}

func replaceInAttribute(a identity.Attribute, moved map[identity.ID]identity.ID) (identity.Attribute, bool) {
	if a.Set == nil {
		values, changed := replaceInValues(a.Values, moved)
		return identity.Attribute{Name: a.Name, Values: values}, changed
	}
	var added, removed []identity.Value
	for from, to := range moved {
		if a.Set.Contains(identity.ReferenceTo(from)) {
			added, removed = append(added, identity.ReferenceTo(to)), append(removed, identity.ReferenceTo(from))
		}
	}
	set := a.Set.With(identity.Normalize(added), identity.Normalize(removed))
	return identity.Attribute{Name: a.Name, Set: set}, len(removed) > 0
}

// replaceReferences does the same to all images of the object. The deltas
// between them follow: one that removed one reference and added the other now
// changes nothing.
func (c *Connector) replaceReferences(moved map[identity.ID]identity.ID) {
	imported, exported, top := c.ImportImage(), c.ExportedImage(), c.TopImage()
	if c.Replaces != nil {
		c.Replaces.Attributes = ReplaceReferences(c.Replaces.Attributes, moved)
	}
	below := ReplaceReferences(c.Synchronized, moved)
	c.Synchronized = below
	for _, layer := range []struct {
		delta **identity.Delta
		image identity.Attributes
	}{{&c.Import, imported}, {&c.Exported, exported}, {&c.Unapplied, top}} {
		image := ReplaceReferences(layer.image, moved)
		*layer.delta = between(*layer.delta, below, image)
		below = image
	}
	if c.Exported == nil {
		c.Batch, c.NotReimported = 0, false
	}
}

// between returns the delta of the same kind as d from one image to another.
func between(d *identity.Delta, from, to identity.Attributes) *identity.Delta {
	if d == nil || d.Op.Removes() {
		return d
	}
	out := *d
	if d.Op == identity.Add || d.Op == identity.DeleteAdd || d.Op == identity.Replace {
		from = nil
	}
	out.Changes = identity.Diff(from, to)
	if len(out.Changes) == 0 && out.Op == identity.Update && out.DN == "" {
		return nil
	}
	return &out
}

func replaceInValues(values []identity.Value, moved map[identity.ID]identity.ID) ([]identity.Value, bool) {
	hasMoved := func(v identity.Value) bool { return v.Ref() != 0 && moved[v.Ref()] != 0 }
	if !slices.ContainsFunc(values, hasMoved) {
		return values, false
	}
	out := slices.Clone(values)
	for i := range out {
		if hasMoved(out[i]) {
			out[i] = identity.ReferenceTo(moved[out[i].Ref()])
		}
	}
	return identity.Normalize(out), true
}
