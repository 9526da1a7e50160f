package space

import "github.com/metasync/metasync/engine/identity"

// A system that deletes an object may drop the references to it, and tell of that in
// no change log. As long as nobody else has the name of the deleted object that does not
// matter: what the connector space has for a reference to it leads nowhere. Once another
// object has the name, the reference must not pass for one to that object, which nobody
// would send any more. So the placeholder that stays for the deleted object (sync-engine
// §1.4) is never the new one: it loses its name, and who shall refer to the new one gets
// the reference again. Where the system has kept the reference, that does no harm.

// RemoveDeleted is [Tx.RemoveConnector] for an object of which a change log, or the
// answer to an export, tells that its system has deleted it. Not for systems that know
// objects by their names alone: there a reference is to whoever has the name. Nor after
// a complete import, which tells what became of the references.
func (tx *Tx) RemoveDeleted(c *Connector) error {
	if err := tx.RemoveConnector(c); err != nil || tx.connectors[c.ID] == nil {
		return err
	}
	c.Deleted = true
	tx.PutConnector(c)
	return nil
}

// LoseName takes the name from the placeholder of a deleted object, for another object.
// Everyone who refers to it is looked at again by the next import, and outbound.
func (tx *Tx) LoseName(placeholder *Connector) error {
	placeholder.Deleted, placeholder.NameLost = false, true
	tx.PutConnector(placeholder)
	return tx.lookAgain(placeholder.ID)
}

// Forsake is what becomes of the references to an object that its system has deleted,
// while the connector space still has it, when another object gets its name: they are to
// a placeholder that has lost the name.
func (tx *Tx) Forsake(deleted identity.ID, name string) error {
	owners, err := tx.Referrers(deleted)
	if err != nil || len(owners) == 0 {
		return err
	}
	placeholder := tx.NewConnector(tx.space.AgentOf(deleted))
	placeholder.State, placeholder.DN, placeholder.NameLost = Placeholder, name, true
	tx.PutConnector(placeholder)
	if err := tx.redirect(deleted, placeholder.ID); err != nil {
		return err
	}
	return tx.lookAgain(placeholder.ID)
}

// Drop takes references to deleted objects out of what the system has and what was
// exported. To synchronization that is no news: they never led to anything.
func (c *Connector) Drop(attribute string, references []identity.Value) {
	without := func(a identity.Attributes) identity.Attributes {
		d := identity.Delta{Op: identity.Update, Changes: []identity.Change{{Name: attribute, Op: identity.Update, Removed: references}}}
		return d.Apply(a)
	}
	imported, exported := without(c.ImportImage()), without(c.ExportedImage())
	c.Synchronized = without(c.Synchronized)
	c.Import = between(c.Import, c.Synchronized, imported)
	if c.Exported = between(c.Exported, imported, exported); c.Exported == nil {
		c.Batch, c.NotReimported = 0, false
	}
	c.SetDigest(nil)
}

// lookAgain has the next import look at everyone who refers to an object, and those that
// are linked synchronized outbound.
func (tx *Tx) lookAgain(id identity.ID) error {
	owners, err := tx.Referrers(id)
	if err != nil {
		return err
	}
	for _, id := range owners {
		owner, err := tx.Connector(id)
		if err != nil {
			return err
		}
		if owner == nil {
			continue
		}
		if owner.Anchor != "" {
			owner.SetDigest(nil)
			tx.PutConnector(owner)
		}
		if owner.State.IsConnector() {
			if err := tx.RetryObject(owner.Link); err != nil {
				return err
			}
		}
	}
	return nil
}

// Name returns the DN by which the object is found, "" if it has lost its name.
func (c *Connector) Name() string {
	if c.NameLost {
		return ""
	}
	return c.DN
}
