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
	if owners, err := tx.Referrers(deleted); err != nil || len(owners) == 0 {
		return err
	}
	placeholder := tx.nameLost(deleted, name)
	if err := tx.redirect(deleted, placeholder.ID); err != nil {
		return err
	}
	return tx.keepLost(placeholder)
}

// ForsakeReplaced is Forsake for the old object of a delete-add: the new one has its id and
// its name. spare names who is left alone, sent whose exported references are to the old
// one as well; nil is nobody, and everybody.
func (tx *Tx) ForsakeReplaced(replaced *Connector, spare, sent func(*Connector) bool) error {
	owners, err := tx.Referrers(replaced.ID)
	if err != nil || len(owners) == 0 {
		return err
	}
	placeholder := tx.nameLost(replaced.ID, replaced.DN)
	for _, id := range owners {
		owner, err := tx.Connector(id)
		if err != nil {
			return err
		}
		if owner == nil || id == replaced.ID || spare != nil && spare(owner) {
			continue
		}
		if owner.forsake(replaced.ID, placeholder.ID, sent == nil || sent(owner)) {
			tx.PutConnector(owner)
			if err := tx.retryOwner(owner); err != nil {
				return err
			}
		}
	}
	return tx.keepLost(placeholder)
}

// nameLost returns the placeholder of a deleted object whose name another one has.
func (tx *Tx) nameLost(deleted identity.ID, name string) *Connector {
	c := tx.NewConnector(tx.space.AgentOf(deleted))
	c.State, c.DN, c.NameLost = Placeholder, name, true
	return c
}

// keepLost keeps a new placeholder if anybody refers to it.
func (tx *Tx) keepLost(placeholder *Connector) error {
	if err := tx.flush(); err != nil {
		return err
	}
	if !tx.HasReferrers(placeholder.ID) {
		tx.connectors[placeholder.ID] = nil
		return nil
	}
	tx.PutConnector(placeholder)
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
	if err := tx.DoubtReferrers(id); err != nil {
		return err
	}
	return tx.eachReferrer(id, tx.retryOwner)
}

func (tx *Tx) retryOwner(c *Connector) error {
	if !c.State.IsConnector() {
		return nil
	}
	return tx.RetryObject(c.Link)
}

// Name returns the DN by which the object is found, "" if it has lost its name.
func (c *Connector) Name() string {
	if c.NameLost {
		return ""
	}
	return c.DN
}
