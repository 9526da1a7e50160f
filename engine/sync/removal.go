package sync

import (
	"cmp"
	"fmt"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// A Former is what counts of an agent that the rules no longer have.
type Former struct {
	NoRecall      bool // what its objects contributed stays (sync-engine §4.5)
	OrphansLowest bool // ... and is weaker than everything else
}

// Remember says what counts of an agent that the rules no longer have. Of one
// that nobody remembers, contributions are recalled.
func (s *Synchronizer) Remember(agent string, f Former) {
	if s.former == nil {
		s.former = map[string]Former{}
	}
	s.former[agent] = f
}

// recalls says what becomes of what an object of an agent contributed once it is
// disconnected: whether it goes, and whether it is the weakest if it stays.
func (s *Synchronizer) recalls(agent string) (recall, lowest bool) {
	if a := s.rules.Agent(agent); a != nil {
		return a.Recall, a.OrphansLowest
	}
	f := s.former[agent]
	return !f.NoRecall, f.OrphansLowest
}

// Remove disconnects an object, of an agent that the rules have or no longer have,
// and removes it from its connector space, as if its system no longer had it
// (sync-engine §3.3): what it contributed is recalled, the object deletion rule is
// asked, and what is left of its metaverse object is synchronized outbound. Where
// only that fails, it is left to the next synchronization, and a warning says so.
// If others of its connector space refer to the object, a placeholder remains.
//
// What stands against it is the error of the result, and then nothing has changed.
// The error returned is one of the store. An object that is gone, or is no more
// than a placeholder, is none.
func (s *Synchronizer) Remove(tx *space.Tx, id identity.ID) (Result, error) {
	result, err := s.remove(tx, id, false)
	if err != nil || result.Err == nil {
		return result, err
	}
	failed := *result.Err
	if result, err = s.remove(tx, id, true); err != nil || result.Err != nil {
		return result, err
	}
	result.Warnings = append(result.Warnings, &failed)
	return result, nil
}

func (s *Synchronizer) remove(tx *space.Tx, id identity.ID, postponed bool) (Result, error) {
	u := s.unit(tx)
	u.postponed = postponed
	return u.wholly(id, func() (string, error) {
		c, err := tx.Connector(id)
		if err != nil || c == nil || c.State == space.Placeholder {
			return "", err
		}
		u.result.Subject = subjectOf(c)
		dn := cmp.Or(c.DN, c.Anchor) // which it then no longer has
		return dn, u.importDelete(c)
	})
}

// RemoveObject deletes a metaverse object as the object deletion rule does: each
// connector is deprovisioned by the rule of its own agent (sync-engine §8.1). For
// errors see [Synchronizer.Remove].
func (s *Synchronizer) RemoveObject(tx *space.Tx, id identity.ID) (Result, error) {
	u := s.unit(tx)
	return u.wholly(id, func() (string, error) {
		mv, err := tx.Object(id)
		if err != nil || mv == nil {
			return "", err
		}
		return "", within(u.deleteObject(mv), stepDeletion, "", "")
	})
}

// wholly does something to one object in the unit, and returns the result. What
// stands against it does not stay with the object. do returns the object's name.
func (u *unit) wholly(id identity.ID, do func() (dn string, err error)) (Result, error) {
	dn := ""
	err := u.tx.Unit(func() (err error) {
		if dn, err = do(); err != nil {
			return err
		}
		if err := u.conclude(0); err != nil {
			return err // a weaker value that comes up may be somebody's already
		}
		return u.failure
	})
	if err == nil {
		return u.result, nil
	}
	named, ok := objectError(err)
	if !ok {
		return Result{}, fmt.Errorf("remove %s: %w", id, err)
	}
	failed := *named
	failed.Agent, failed.Object = u.space.AgentOf(id), dn
	return Result{Subject: u.result.Subject, Err: &failed}, nil
}
