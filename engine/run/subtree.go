package run

import (
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// Where names tell containers, what is in a container moves with it, and no
// change log tells of that (sync-engine §1.2, §2.3).

// A move is a name of an object below a container that has got another name.
type move struct {
	object *space.Connector
	dn     string
}

// moves returns what becomes of the names below a container, the upper ones
// first. Names of objects that no system has yet are left to the rules.
func moves(tx *space.Tx, agent, from, to string) ([]move, error) {
	old, err := identity.ParseDN(from)
	if err != nil || len(old) == 0 {
		return nil, nil // none that has anything below it
	}
	renamed, err := identity.ParseDN(to)
	if err != nil {
		return nil, nil
	}
	var list []move
	for c, err := range tx.Below(agent, from) {
		if err != nil {
			return nil, err
		}
		dn, err := identity.ParseDN(c.DN)
		if err != nil || c.Provisioned && c.Exported == nil {
			continue
		}
		list = append(list, move{c, slices.Concat(dn[:len(dn)-len(old)], renamed).String()})
	}
	slices.SortFunc(list, func(x, y move) int {
		if byLength := len(x.dn) - len(y.dn); byLength != 0 {
			return byLength
		}
		return int(x.object.ID.Sequence()) - int(y.object.ID.Sequence())
	})
	return list, nil
}

// moveBelow stages, as renames, that what is in a container moved with it. A
// complete import needs none of that: it shows every object under its name.
func (x *staging) moveBelow(tx *space.Tx, from, to string) error {
	if x.complete || !x.ldapNames {
		return nil
	}
	list, err := moves(tx, x.agent.Name, from, to)
	if err != nil {
		return err
	}
	for _, m := range list {
		if _, left := x.leaving[m.object.ID]; left {
			continue // it is not there any more
		}
		if err := x.moveTo(tx, m); err != nil {
			return err
		}
	}
	return nil
}

// moveTo stages that an object has moved with its container.
func (x *staging) moveTo(tx *space.Tx, m move) error {
	c := m.object
	switch {
	case c.State == space.Placeholder:
		return movePlaceholder(tx, x.agent.Name, m)
	case !x.containers.Holds(m.dn):
		x.leaves(c.ID, m.dn)
		return nil
	}
	delete(x.leaving, c.ID)
	if err := x.takeName(tx, c, m.dn); err != nil {
		return err
	}
	switch {
	case c.Import == nil:
		c.Import = &identity.Delta{Op: identity.Update, DN: m.dn}
	case !c.Import.Op.Removes():
		pending := *c.Import
		pending.DN = m.dn
		c.Import = &pending
	}
	c.SetDigest(nil)
	return nil
}

// moveBelow gives what is in a container, which the system has just renamed, its
// new names.
func (x *export) moveBelow(tx *space.Tx, from, to string) error {
	if !x.capabilities.LDAPNames {
		return nil
	}
	list, err := moves(tx, x.agent.Name, from, to)
	if err != nil {
		return err
	}
	for _, m := range list {
		if m.object.State == space.Placeholder {
			if err := movePlaceholder(tx, x.agent.Name, m); err != nil {
				return err
			}
			continue
		}
		if err := x.nameTaken(tx, m.object, m.dn); err != nil {
			return err
		}
		m.object.DN = m.dn
		m.object.SetDigest(nil)
		if x.newNames[m.object.ID] != "" {
			x.renames(m.object.ID, m.dn)
		}
		tx.PutConnector(m.object)
		if err := x.outname(tx, m.object.ID); err != nil {
			return err
		}
	}
	return nil
}

// movePlaceholder renames a placeholder: an object that others refer to, and
// that was not imported, is also one that moves.
func movePlaceholder(tx *space.Tx, agent string, m move) error {
	id, err := tx.ByDN(agent, m.dn)
	if err != nil {
		return err
	}
	if id != 0 && id != m.object.ID {
		holder, err := tx.Connector(id)
		if err != nil || holder == nil {
			return err
		}
		return tx.Absorb(m.object, holder)
	}
	m.object.DN = m.dn
	tx.PutConnector(m.object)
	return nil
}
