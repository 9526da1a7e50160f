package space

import (
	"slices"

	"github.com/metasync/metasync/engine/identity"
)

// Absorb makes everyone who refers to a placeholder refer to the object that
// turned out to be meant, and lets the placeholder go with the unit. The object
// may take its name from then on. Owners of references that are linked are marked
// to be synchronized again.
func (tx *Tx) Absorb(placeholder, into *Connector) error {
	owners, err := tx.Referrers(placeholder.ID)
	if err != nil {
		return err
	}
	if _, err := tx.Waiters(placeholder.ID); err != nil {
		return err // they are among the owners
	}
	for _, id := range owners {
		owner, err := tx.Connector(id)
		if err != nil {
			return err
		}
		if owner == nil {
			continue
		}
		owner.Synchronized = ReplaceReference(owner.Synchronized, placeholder.ID, into.ID)
		for _, d := range []**identity.Delta{&owner.Import, &owner.Exported, &owner.Unapplied} {
			*d = replaceInDelta(*d, placeholder.ID, into.ID)
		}
		owner.RetryReferences = owner.State.IsConnector()
		tx.PutConnector(owner)
	}
	return tx.RemoveConnector(placeholder)
}

// ReplaceReference returns the attributes with references to one object in
// place of those to another. The attributes themselves are not changed.
func ReplaceReference(attributes identity.Attributes, from, to identity.ID) identity.Attributes {
	out, copied := attributes, false
	for i, a := range attributes {
		values, changed := replaceInValues(a.Values, from, to)
		if !changed {
			continue
		}
		if !copied {
			out, copied = attributes.Clone(), true
		}
		out[i].Values = values
	}
	return out
}

func replaceInDelta(d *identity.Delta, from, to identity.ID) *identity.Delta {
	if d == nil {
		return nil
	}
	out := *d
	out.Changes = slices.Clone(d.Changes)
	for i := range out.Changes {
		out.Changes[i].Values, _ = replaceInValues(out.Changes[i].Values, from, to)
		out.Changes[i].Removed, _ = replaceInValues(out.Changes[i].Removed, from, to)
	}
	return &out
}

func replaceInValues(values []identity.Value, from, to identity.ID) ([]identity.Value, bool) {
	isFrom := func(v identity.Value) bool { return v.Ref() == from }
	if !slices.ContainsFunc(values, isFrom) {
		return values, false
	}
	out := slices.Clone(values)
	for i := range out {
		if isFrom(out[i]) {
			out[i] = identity.ReferenceTo(to)
		}
	}
	return identity.Normalize(out), true
}
