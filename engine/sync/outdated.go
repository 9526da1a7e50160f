package sync

import (
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// Objects know the rules that last decided about all of them: the inbound ones
// about connector-space objects, the outbound ones about metaverse objects. A
// synchronization that evaluates everything notes them, a delta synchronization of
// a connector leaves them as they are.

// noteInbound notes the rules that have decided about all of an object.
func (u *unit) noteInbound(c *space.Connector, fingerprint string) {
	if c.Rules != fingerprint {
		c.Rules = fingerprint
		u.tx.PutConnector(c)
	}
}

// noteOutbound notes the rules of an outbound synchronization.
func (u *unit) noteOutbound(mv *space.Object, fingerprint string) {
	if mv.Rules != fingerprint {
		mv.Rules = fingerprint
		u.tx.PutObject(mv)
	}
}

// Outdated reports whether other rules than the present ones have last decided
// about an object or, if outbound is set, about its metaverse object. An object
// that is gone, or was never imported, has nothing to decide about.
func (s *Synchronizer) Outdated(tx *space.Tx, id identity.ID, outbound bool) (bool, error) {
	c, err := tx.Connector(id)
	if err != nil || c == nil || c.State == space.Placeholder {
		return false, err
	}
	if c.Rules != s.rules.Inbound(s.space.AgentOf(id), c.ObjectType) {
		return true, nil
	}
	if !outbound || c.Link == 0 {
		return false, nil
	}
	mv, err := tx.Object(c.Link)
	if err != nil || mv == nil {
		return false, err
	}
	return mv.Rules != s.rules.Outbound(mv.Type), nil
}
