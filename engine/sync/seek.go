package sync

import (
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// A disconnector whose partner comes later than itself is joined when it comes: a
// metaverse object that a join criterion may find from now on wakes the disconnectors of
// the criterion's agent, and a delta synchronization of that agent looks at them all
// (sync-engine §3.1). The reference leaves them until the next one happens to be run.

// A sought is a metaverse object that join criteria may find from now on.
type sought struct {
	object identity.ID
	agents []string // whose criteria these are
}

// seeks notes that criteria which look at an attribute may find an object from now on,
// or find it no longer.
func (u *unit) seeks(t *rules.Type, mv *space.Object, attribute string) {
	if agents := t.Seekers[attribute]; len(agents) > 0 {
		u.sought = append(u.sought, sought{mv.ID, agents})
	}
}

// wake wakes the disconnectors of the agents that look for what the unit has changed. An
// object that has as many connectors of an agent as it may is not what another one of
// its disconnectors waits for, unless that had several to choose from.
func (u *unit) wake() error {
	for _, s := range u.sought {
		mv, err := u.tx.Object(s.object)
		if err != nil {
			return err
		}
		for _, name := range s.agents {
			if u.tx.Counters(name)[space.CountDisconnector] == 0 {
				continue
			}
			if agent := u.rules.Agent(name); mv != nil && !u.isFull(mv, agent) || u.tx.HasAmbiguous(name) {
				if err := u.tx.WakeDisconnectors(name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (u *unit) isFull(mv *space.Object, agent *rules.AgentRules) bool {
	number, n := u.space.Number(agent.Name), 0
	for _, id := range mv.Connectors {
		if id.Space() == number {
			n++
		}
	}
	return n >= agent.MaxConnectors
}

// conclude does what has to be done when a unit has done everything else: it checks
// what must be unique (see checkUnique) and wakes who waits for what it did.
func (u *unit) conclude(whole identity.ID) error {
	if err := u.checkUnique(whole); err != nil {
		return err
	}
	return u.wake()
}
