package space

import (
	"slices"

	"github.com/metasync/metasync/engine/identity"
)

// A Replaced is the object that a system still has under the name of a new one
// (sync-engine §1.2: export operation delete-add). An export deletes it, and then
// creates the new one.
type Replaced struct {
	ObjectType string
	Attributes identity.Attributes // as last imported; their references are in no edges
	Batch      uint64              // the export batch in which its deletion was sent, 0 if it was not
}

// Replace makes an object that was to be deleted the new one that takes its name.
// Its anchor stays that of the object which is to be deleted.
func (c *Connector) Replace(objectType, dn string) {
	c.Replaces = &Replaced{ObjectType: c.ObjectType, Attributes: listed(c.ImportImage())}
	c.ObjectType, c.DN, c.Provisioned = objectType, dn, true
	c.Synchronized, c.Import, c.Exported = nil, nil, nil
	c.Batch, c.NotReimported, c.Attempts, c.RetryReferences = 0, false, 0, false
	c.Cut, c.ImportError, c.ExportError = nil, nil, nil
	c.Unapplied = &identity.Delta{Op: identity.DeleteAdd, ObjectType: objectType, DN: dn}
}

// Restore makes an object that was to take the place of another one that other one
// again, which is to be deleted all the same. The next import looks at it again.
func (c *Connector) Restore() {
	r := c.Replaces
	sent := r.Batch
	if c.Exported != nil {
		sent = c.Batch
	}
	c.Replaces, c.Provisioned, c.State = nil, false, ExplicitDisconnector
	c.ObjectType, c.Synchronized, c.Import, c.Rules = r.ObjectType, r.Attributes, nil, ""
	c.Exported, c.Batch, c.NotReimported, c.Attempts = nil, 0, false, 0
	c.ImportError, c.ExportError = nil, nil
	c.Unapplied = &identity.Delta{Op: identity.Delete}
	if sent != 0 { // nobody knows whether it arrived
		c.Unapplied, c.Exported, c.Batch = nil, c.Unapplied, sent
	}
	c.SetDigest(nil)
}

// Vacate notes that the system no longer has the object whose place c takes: c is
// an object like any other that is to be created, or was.
func (c *Connector) Vacate() {
	c.Replaces, c.Anchor, c.ExportError = nil, "", nil
	for _, d := range []**identity.Delta{&c.Exported, &c.Unapplied} {
		if *d != nil && (*d).Op == identity.DeleteAdd {
			added := **d
			added.Op = identity.Add
			*d = &added
		}
	}
	c.SetDigest(nil)
}

// forsake makes what refers to the old object of a delete-add refer to its placeholder:
// what the system had, what was exported - values only with sent - and what is to be
// taken away. A value that is still to be sent means the new object; where there is one,
// the old one is simply gone. It reports whether c has changed.
func (c *Connector) forsake(old, placeholder identity.ID, sent bool) (changed bool) {
	moved := map[identity.ID]identity.ID{old: placeholder}
	note := func(values []identity.Value, on bool) []identity.Value {
		replaced, hit := replaceInValues(values, moved)
		if !hit || !on {
			return values
		}
		changed = true
		return replaced
	}
	attributes := func(list identity.Attributes) identity.Attributes {
		list = list.Clone()
		for i, a := range list {
			replaced, hit := replaceInAttribute(a, moved)
			if hit {
				list[i], changed = replaced, true
			}
		}
		return list
	}
	c.Synchronized = attributes(c.Synchronized)
	if c.Replaces != nil {
		c.Replaces.Attributes = attributes(c.Replaces.Attributes)
	}
	for _, layer := range []struct {
		delta  **identity.Delta
		values bool
	}{{&c.Import, true}, {&c.Exported, sent}, {&c.Unapplied, false}} {
		if *layer.delta == nil {
			continue
		}
		d := **layer.delta
		d.Changes = slices.Clone(d.Changes)
		for i := range d.Changes {
			d.Changes[i].Values = note(d.Changes[i].Values, layer.values)
			d.Changes[i].Removed = note(d.Changes[i].Removed, true)
		}
		*layer.delta = &d
	}
	for _, d := range []*identity.Delta{c.Exported, c.Unapplied} {
		if d == nil || !changed {
			continue
		}
		for _, change := range d.Changes {
			if identity.Contains(change.Values, identity.ReferenceTo(old)) {
				c.Drop(change.Name, []identity.Value{identity.ReferenceTo(placeholder)})
			}
		}
	}
	return changed
}

// listed returns attributes of which none has its values elsewhere.
func listed(a identity.Attributes) identity.Attributes {
	a = a.Clone()
	for i := range a {
		a[i] = identity.Attribute{Name: a[i].Name, Values: a[i].All()}
	}
	return a
}
