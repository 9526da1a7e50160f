package sync

import (
	"slices"

	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// JoinAgain has the join criteria tried again for normal connectors that are
// synchronized (sync-engine §2.1 reevaluate-join-flow-all). One whose criteria lead
// to another metaverse object than it is linked to moves there: it is disconnected
// inbound, joined, and everything flows. It stays where it is if the criteria lead
// there, or to nobody, or to several. Explicit connectors stay, and objects that no
// import has seen yet.
//
// That a metaverse object has a value only because the object itself gave it is no
// reason to stay: that is true of every object that was ever projected.
func (s *Synchronizer) JoinAgain() { s.joinAgain = true }

// rejoin tries the join criteria of a connector again, and reports whether it was
// joined with another object.
func (u *unit) rejoin(c *space.Connector, view *connectorView, agent *rules.AgentRules, object *rules.ObjectRules) (moved bool, err error) {
	if !u.joinAgain || c.State != space.Joined || c.Provisioned {
		return false, nil
	}
	found, err := u.join(view, agent, object)
	if err != nil {
		return false, within(err, stepJoin, "", "")
	}
	if found.mv == nil || found.mv.ID == c.Link {
		return false, nil
	}
	_, err = u.disconnectInbound(c, cut{by: space.ByRejoining, rule: found.by.Key}, func() error { return u.attach(c, found) })
	return true, within(err, stepJoin, found.by.Rule, "")
}

// withoutOwn returns the candidates for a join without the object that a connector
// is linked to already, if it matches by what the connector gave it.
func withoutOwn(candidates []*space.Object, c *space.Connector, join *rules.Join) []*space.Object {
	return slices.DeleteFunc(candidates, func(mv *space.Object) bool {
		return mv.ID == c.Link && slices.ContainsFunc(join.Pairs, func(pair rules.JoinPair) bool {
			by := mv.Contributed(pair.Metaverse)
			return len(by) > 0 && !slices.ContainsFunc(by, func(v space.Contributed) bool { return v.By.Connector != c.ID })
		})
	})
}
