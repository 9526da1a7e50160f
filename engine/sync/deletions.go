package sync

import (
	"errors"
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// errSetAside ends a unit that would take more away than it may.
var errSetAside = errors.New("what the object takes away is set aside")

// AskRemovals has mayRemove asked at the end of each unit that deletes a metaverse
// object or cuts a link, with the subject of its result and what it takes away. Where it
// says no, the whole unit leaves no trace, and its result says that it was set aside.
func (s *Synchronizer) AskRemovals(mayRemove func(*Result) bool) { s.mayRemove = mayRemove }

// Removals are what a unit takes away.
type Removals struct {
	Deletes     int // metaverse objects that are deleted
	Disconnects int // connectors whose link to a metaverse object is cut for good

	Doomed Doomed // the first metaverse object, if there is one
	Cut    Cut    // the first connector, if there is one
}

// A Doomed is a metaverse object that a unit deletes, with the connectors that it had
// left by then.
type Doomed struct {
	ID         identity.ID
	Type       string
	Connectors int
}

// A Cut is a connector whose link a unit cuts.
type Cut struct {
	ID                    identity.ID
	Agent, ObjectType, DN string
}

// setAside returns the result of a unit that was set aside; false if err is another
// one.
func (u *unit) setAside(err error) (Result, bool) {
	if !errors.Is(err, errSetAside) {
		return Result{}, false
	}
	return Result{Subject: u.result.Subject, Removed: u.result.Removed, SetAside: true}, true
}

// noteDeletion notes that a metaverse object is deleted.
func (u *unit) noteDeletion(mv *space.Object) {
	if u.mayRemove == nil {
		return
	}
	if u.deletes == 0 {
		u.doomed = Doomed{ID: mv.ID, Type: mv.Type, Connectors: len(mv.Connectors)}
	}
	u.deletes++
}

// noteCut notes that a link is cut. An object that is gone from its system is none that
// somebody disconnects, nor is one that no system was told of.
func (u *unit) noteCut(c *space.Connector) {
	if u.mayRemove == nil || isUnheard(c) || goes(c) || c.Import != nil && c.Import.Op == identity.DeleteAdd {
		return
	}
	u.cuts = append(u.cuts, Cut{c.ID, u.space.AgentOf(c.ID), c.ObjectType, c.DN})
}

// noteLink takes back that the link of a connector was cut: it has another one.
func (u *unit) noteLink(c *space.Connector) {
	if len(u.cuts) > 0 {
		u.cuts = slices.DeleteFunc(u.cuts, func(cut Cut) bool { return cut.ID == c.ID })
	}
}

// checkRemovals returns an error if the unit must not take away what it does.
func (u *unit) checkRemovals() error {
	if u.deletes == 0 && len(u.cuts) == 0 {
		return nil
	}
	removed := &Removals{Deletes: u.deletes, Disconnects: len(u.cuts), Doomed: u.doomed}
	if len(u.cuts) > 0 {
		removed.Cut = u.cuts[0]
	}
	if u.result.Removed = removed; !u.mayRemove(&u.result) {
		return errSetAside
	}
	return nil
}
