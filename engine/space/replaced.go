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

// Forsake notes that the system has deleted an object, in whose place another one
// has its id from now on: what refers to it refers to nobody. Many systems drop such
// references, and not all of them tell of it. They leave the image as a pending import
// that nobody has seen and, with sent, what was exported. What is not sent yet means
// the new object and stays; where it takes the reference away, that is left to it. The
// next import looks at c again in any case. It reports whether c has changed, and
// whether it has in what was exported.
func (c *Connector) Forsake(old identity.ID, sent bool) (changed, exported bool) {
	if c.Import != nil && c.Import.Op.Removes() {
		return false, false
	}
	value := identity.ReferenceTo(old)
	if c.Replaces != nil {
		changed = c.Replaces.forsake(value)
	}
	image, top := c.ImportImage(), c.TopImage()
	var lost []identity.Change
	for i := range image {
		a := &image[i]
		if !a.Contains(value) {
			continue
		}
		changed = true
		switch stays := top.Find(a.Name); {
		case stays == nil || !stays.Contains(value):
		case a.Len() == 1:
			lost = append(lost, identity.Change{Name: a.Name, Op: identity.Delete})
		default:
			lost = append(lost, identity.Change{Name: a.Name, Op: identity.Update, Removed: []identity.Value{value}})
		}
	}
	if sent {
		exported = c.forsakeExported(value, top)
	}
	if len(lost) > 0 {
		c.lose(lost)
	}
	if changed || exported {
		c.SetDigest(nil)
	}
	return changed || exported, exported
}

// forsake takes a reference out of what the object had that is to be deleted.
func (r *Replaced) forsake(value identity.Value) (found bool) {
	for _, a := range r.Attributes {
		if a.Contains(value) {
			left := slices.DeleteFunc(slices.Clone(a.Values), func(v identity.Value) bool { return v == value })
			r.Attributes, found = r.Attributes.Clone().Set(a.Name, left...), true
		}
	}
	return found
}

// lose makes changes part of the pending import.
func (c *Connector) lose(changes []identity.Change) {
	lost := &identity.Delta{Op: identity.Update, Changes: changes}
	if c.Import != nil && c.Import.Op != identity.Update {
		c.Import = c.Import.Merge(lost)
		return
	}
	pending := &identity.Delta{Op: identity.Update}
	if c.Import != nil {
		pending.DN = c.Import.DN
	}
	pending.Changes = identity.Diff(c.Synchronized, lost.Apply(c.ImportImage()))
	if c.Import = pending; pending.DN == "" && len(pending.Changes) == 0 {
		c.Import = nil
	}
}

// forsakeExported takes a reference out of what was exported, unless top, the object
// as it is going to be, lacks it. It reports whether it was there.
func (c *Connector) forsakeExported(value identity.Value, top identity.Attributes) (found bool) {
	if c.Exported == nil {
		return false
	}
	sent := *c.Exported
	sent.Changes = slices.Clone(sent.Changes)
	for _, change := range c.Exported.Changes {
		stays := top.Find(change.Name)
		if !identity.Contains(change.Values, value) || stays == nil || !stays.Contains(value) {
			continue
		}
		found = true
		change.Values = slices.DeleteFunc(slices.Clone(change.Values), func(v identity.Value) bool { return v == value })
		switch {
		case len(change.Values)+len(change.Removed) > 0:
			sent.SetChange(change)
		case change.Op == identity.Replace && sent.Op == identity.Update:
			sent.SetChange(identity.Change{Name: change.Name, Op: identity.Delete}) // the value before it is gone as well
		default:
			sent.DropChange(change.Name)
		}
	}
	if !found {
		return false
	}
	if c.Exported = &sent; sent.Op == identity.Update && sent.DN == "" && len(sent.Changes) == 0 {
		c.Exported, c.Batch, c.NotReimported = nil, 0, false
	}
	return true
}

// listed returns attributes of which none has its values elsewhere.
func listed(a identity.Attributes) identity.Attributes {
	a = a.Clone()
	for i := range a {
		a[i] = identity.Attribute{Name: a[i].Name, Values: a[i].All()}
	}
	return a
}
