package sync

import (
	"errors"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// errSetAside ends a unit that would delete a metaverse object and may not.
var errSetAside = errors.New("the deletion of a metaverse object is set aside")

// AskDeletions has mayDelete asked before a metaverse object is deleted. Where it
// says no, the whole unit leaves no trace, and its result says that it was set aside.
func (s *Synchronizer) AskDeletions(mayDelete func() bool) { s.mayDelete = mayDelete }

// setAside returns the result of a unit that was set aside; false if err is another
// one.
func (u *unit) setAside(err error) (Result, bool) {
	if !errors.Is(err, errSetAside) {
		return Result{}, false
	}
	return Result{Subject: u.result.Subject, SetAside: u.doomed}, true
}

// checkDeletion returns an error if a metaverse object must not be deleted now.
func (u *unit) checkDeletion(mv *space.Object) error {
	if u.mayDelete == nil || u.mayDelete() {
		u.result.Deleted++
		return nil
	}
	u.doomed = Doomed{ID: mv.ID, Type: mv.Type, Connectors: len(mv.Connectors)}
	return errSetAside
}

// A Doomed is a metaverse object that a unit would have deleted, with the connectors
// that it had left by then.
type Doomed struct {
	ID         identity.ID
	Type       string
	Connectors int
}
