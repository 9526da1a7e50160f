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
	Attributes identity.Attributes // as last imported, without references
	Batch      uint64              // the export batch in which its deletion was sent, 0 if it was not
}

// Replace makes an object that was to be deleted the new one that takes its name.
// Its anchor stays that of the object which is to be deleted.
func (c *Connector) Replace(objectType, dn string) {
	c.Replaces = &Replaced{ObjectType: c.ObjectType, Attributes: WithoutReferences(c.ImportImage())}
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

// WithoutReferences returns the attributes that are no references.
func WithoutReferences(a identity.Attributes) identity.Attributes {
	return slices.DeleteFunc(slices.Clone(a), func(a identity.Attribute) bool {
		return a.Set != nil || len(a.Values) > 0 && a.Values[0].Type() == identity.TypeReference
	})
}
