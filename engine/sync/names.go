package sync

import (
	"errors"
	"fmt"
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// Two objects of one system cannot have one name, but names pass from one to
// another: of somebody who gets a new one, or who goes. What is staged then says
// so, and the export sees to the order (sync-engine §2.4).

// A claim is a name that an object shall get while another one still has it, and
// is not known to give it up.
type claim struct {
	agent, dn string
	holder    identity.ID
}

// A Blocker is an object in the way of another one that shall get its name.
type Blocker struct {
	ID       identity.ID
	Creating bool // the other one is yet to be created: it waits until the name is free

	// Replacing, with Creating: the other one takes its place as soon as its deletion
	// is staged, for it is surely another object.
	Replacing bool
}

// mayTake returns an error if an object cannot get a name because of another one
// that has it. An existing object may have the name of one that gives it up in the
// same export; one that is yet to be created waits until the name is free. Where
// several objects are synchronized together, the other one may yet turn out to give
// it up.
func (u *unit) mayTake(agent, dn string, c *space.Connector) error {
	holder, err := u.nameHolder(agent, dn)
	if err != nil || holder == nil || holder.ID == c.ID || holder.State == space.Placeholder {
		return err
	}
	creating := c.Provisioned && c.Exported == nil
	if !creating && u.givesUp(holder, agent, dn) {
		return nil
	}
	if !creating && u.claims != nil && holder.State.IsConnector() {
		*u.claims = append(*u.claims, claim{agent, dn, holder.ID})
		return nil
	}
	u.blocker = Blocker{ID: holder.ID, Creating: creating}
	return taken(agent, holder)
}

// givesUp reports whether the next export takes a name from an object: by another
// name, or because the object is deleted and that was not sent yet. A deletion that
// was sent has to be confirmed first; so has every one in a system that knows objects
// by nothing but their names: there, one that an interrupted export repeats would hit
// whoever has got the name.
func (u *unit) givesUp(holder *space.Connector, agent, dn string) bool {
	switch {
	case holder.Unapplied != nil && holder.Unapplied.Op == identity.Delete:
		a := u.rules.Agent(agent)
		return a != nil && !a.AnchorIsDN && (holder.Exported == nil || !holder.Exported.Op.Removes())
	case holder.Unapplied.IsRename():
		return !u.space.SameDN(agent, holder.Unapplied.DN, dn)
	case holder.Exported.IsRename():
		return !u.space.SameDN(agent, holder.Exported.DN, dn)
	}
	return false
}

// Together synchronizes objects as one unit whose names wait for each other, as
// when two people swap theirs: everything lands, or nothing does and the second
// result is false. What failed before stays with the objects then.
func (s *Synchronizer) Together(tx *space.Tx, ids []identity.ID, mode Mode) (results []Result, done bool, err error) {
	results = make([]Result, 0, len(ids))
	err = tx.Unit(func() error {
		claims, units := []claim{}, make([]*unit, 0, len(ids))
		for _, id := range ids {
			c, err := tx.Connector(id)
			if err == nil && c == nil {
				err = fault.New("unknown-object", "%s has gone meanwhile", id)
			}
			if err != nil {
				return err
			}
			u := s.unit(tx)
			u.claims, u.result.Subject = &claims, subjectOf(c)
			if err := u.connector(id, mode); err != nil {
				return err
			}
			if u.failure != nil {
				return u.failure
			}
			if err := u.checkRemovals(); err != nil {
				return err
			}
			results, units = append(results, u.result), append(units, u)
		}
		for _, u := range units { // only now: they may pass values to one another
			if err := u.conclude(u.whole); err != nil {
				return err
			}
		}
		return s.unit(tx).settleClaims(claims)
	})
	if err == nil {
		return results, true, nil
	}
	if _, ok := objectError(err); !ok && !errors.Is(err, errSetAside) {
		return nil, false, fmt.Errorf("synchronize %d objects together: %w", len(ids), err)
	}
	return nil, false, nil
}

// settleClaims returns an error unless each name that was claimed is given up.
func (u *unit) settleClaims(claims []claim) error {
	for _, c := range claims {
		holder, err := u.nameHolder(c.agent, c.dn)
		if err != nil {
			return err
		}
		if holder != nil && holder.ID == c.holder && !u.givesUp(holder, c.agent, c.dn) {
			return taken(c.agent, holder)
		}
	}
	return nil
}

// Blocks reports whether an object is still in the way: it is there, and keeps its
// name or, for one that is yet to be created, cannot be replaced by that and has the
// name until it was exported.
func (s *Synchronizer) Blocks(tx *space.Tx, by Blocker) (bool, error) {
	c, err := tx.Connector(by.ID)
	if err != nil || c == nil || c.State == space.Placeholder {
		return false, err
	}
	u, agent := s.unit(tx), s.space.AgentOf(c.ID)
	if by.Creating && !by.Replacing {
		return true, nil
	}
	if by.Creating {
		replaceable, err := u.replaceable(agent, c)
		return !replaceable, err
	}
	return !u.givesUp(c, agent, c.DN), nil
}

// Owners returns the objects of an agent whose synchronization decides about the
// name of a connector: the other connectors of its metaverse object.
func Owners(tx *space.Tx, connector identity.ID) ([]identity.ID, error) {
	c, err := tx.Connector(connector)
	if err != nil || c == nil || c.Link == 0 {
		return nil, err
	}
	mv, err := tx.Object(c.Link)
	if err != nil || mv == nil {
		return nil, err
	}
	return slices.Clone(mv.Connectors), nil
}
