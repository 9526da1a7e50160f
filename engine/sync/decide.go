package sync

import (
	"errors"
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// A Decision is what rules would decide about a linked object if it lost its link
// now. What they decide is asked, and nothing else happens: no link is cut.
type Decision struct {
	// Deprovision is what would become of the object if the engine cut the link
	// (sync-engine §8.1); "" if nothing decides, as where a script fails.
	Deprovision rules.Deprovision
	// ByScript: a script was asked for Deprovision.
	ByScript bool

	// Delete: the metaverse object would go if the object left it (§8.2).
	Delete bool
	// DeleteByScript: a script was asked for Delete.
	DeleteByScript bool
}

// Decide returns what would be decided about an object, the zero Decision if it has
// no link, or if its system does not know it yet.
func (s *Synchronizer) Decide(tx *space.Tx, id identity.ID) (d Decision, err error) {
	u := s.unit(tx)
	err = tx.Unit(func() error {
		c, err := tx.Connector(id)
		if err != nil || c == nil || !c.State.IsConnector() || isUnheard(c) || c.Replaces != nil {
			return err
		}
		mv, err := tx.Object(c.Link)
		if err != nil || mv == nil {
			return err
		}
		name := s.space.AgentOf(id)
		if agent := s.rules.Agent(name); agent != nil {
			d.ByScript = agent.Deprovision == rules.DeprovisionScript
			d.Deprovision, err = u.deprovisioning(c, agent, "")
			if err := undecided(err); err != nil {
				return err
			}
			if err != nil {
				d.Deprovision = ""
			}
		}
		if t := s.rules.Type(mv.Type); t != nil {
			d.DeleteByScript = t.Delete.Script
			without := *mv
			without.Connectors = slices.DeleteFunc(slices.Clone(mv.Connectors), func(other identity.ID) bool { return other == id })
			gone, err := u.shouldDelete(&without, name, u.disconnected(c, mv))
			if err := undecided(err); err != nil {
				return err
			}
			d.Delete = gone && err == nil
		}
		return nil
	})
	return d, err
}

// undecided returns the error unless it is one about the object: then nothing is
// decided about it.
func undecided(err error) error {
	if _, about := objectError(err); about || errors.Is(err, rules.ErrTerminateRun) {
		return nil
	}
	return err
}
