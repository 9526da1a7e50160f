package run

import (
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// stageReplaced stages an entry that is about an object in whose place another one
// is to be created. While the system has it, the import only brings what is known of
// it up to date; done is true then. If it is gone, or it is not the one any more that
// was to be deleted, what is left is an object to be created, and the entry is staged
// as any other.
func (x *staging) stageReplaced(tx *space.Tx, c *space.Connector, e *agent.Entry, digest space.Digest) (counter string, done bool, err error) {
	r := c.Replaces
	if e.Op == identity.Delete {
		x.seen.set(c.ID.Sequence())
		x.details.on(c)
		return stageDelete, true, x.vacate(tx, c)
	}
	if e.Anchor != c.Anchor || e.ObjectType != "" && e.ObjectType != r.ObjectType {
		return "", false, x.vacate(tx, c)
	}
	var image identity.Attributes
	keep := &digest
	if e.Op == identity.Update {
		changes, err := x.resolveChanges(tx, c.ID, e.Changes)
		if err != nil {
			return "", false, err
		}
		image, keep = (&identity.Delta{Op: identity.Update, Changes: changes}).Apply(r.Attributes), nil
	} else if image, err = x.resolve(tx, c.ID, e.Attributes); err != nil {
		return "", false, err
	}
	if d := x.doubtful[c.ID]; d != nil && keep != nil {
		d.digest, keep = digest, nil
	}
	if name := nameOf(c, e); !x.space.SameDN(x.agent.Name, name, c.DN) {
		return stageRename, true, x.stageApart(tx, c, e, name, image)
	}
	x.markStaged(c)
	counter = stageNoChange
	if len(identity.Diff(r.Attributes, image)) > 0 {
		counter = stageUpdate
	}
	r.Attributes, r.Batch = image, 0
	if c.Exported != nil { // an interrupted export was to replace it, and has not
		c.Unapplied, c.Exported, c.Batch = c.Exported.Merge(c.Unapplied), nil, 0
	}
	c.SetDigest(keep)
	tx.PutConnector(c)
	return counter, true, nil
}

// stageApart stages that an object which is to be deleted has got another name: its
// deletion, and the creation of the object that takes the old one, no longer have to
// do with each other.
func (x *staging) stageApart(tx *space.Tx, c *space.Connector, e *agent.Entry, name string, image identity.Attributes) error {
	entry := *e
	entry.ObjectType, entry.DN = c.Replaces.ObjectType, name
	if err := x.vacate(tx, c); err != nil {
		return err
	}
	old := tx.NewConnector(x.agent.Name)
	if err := x.takeName(tx, old, name); err != nil {
		return err
	}
	if _, err := x.stageNew(tx, old, &entry, space.ReplaceReferences(image, map[identity.ID]identity.ID{c.ID: old.ID}), nil); err != nil {
		return err
	}
	old.State, old.Unapplied = space.ExplicitDisconnector, &identity.Delta{Op: identity.Delete}
	tx.PutConnector(old)
	return nil
}

// vacate notes that the system no longer has the object in whose place another one
// is to be created. What an interrupted export sent of that one is pending again. Who
// was seen by this import is known better than by conclusion.
func (x *staging) vacate(tx *space.Tx, c *space.Connector) error {
	c.Vacate()
	if c.Exported != nil && x.inDoubt(c) {
		c.Unapplied, c.Exported, c.Batch = c.Exported.Merge(c.Unapplied), nil, 0
	}
	tx.PutConnector(c)
	return x.forsake(tx, c, func(owner *space.Connector) bool { return x.seen.has(owner.ID.Sequence()) }, nil)
}
