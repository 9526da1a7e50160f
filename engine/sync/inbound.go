package sync

import (
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// connector is the main routine (sync-engine §3.2).
func (u *unit) connector(id identity.ID, mode Mode) error {
	c, err := u.tx.Connector(id)
	if err != nil || c == nil || c.State == space.Placeholder {
		return err
	}
	u.current = id
	agent := u.rules.Agent(u.space.AgentOf(id))
	if agent == nil {
		return nil // the agent is no longer configured: nobody decides about its objects
	}
	if c.Import != nil && c.Import.Op.Removes() {
		return u.importDelete(c)
	}
	if c.ImportError != nil {
		mode = Full // nobody knows how far the rules have seen it
	}
	reAdded := c.Import != nil && c.Import.Op == identity.DeleteAdd
	if reAdded {
		if err := u.deleteAdd(c); err != nil {
			return err
		}
		mode = Full
	}
	objectType := c.ObjectType
	object := agent.Objects[objectType]
	if object == nil {
		u.result.Inbound = DisconnectorRemains
		u.noteInbound(c, "")
		u.commit(c)
		return nil
	}
	view := &connectorView{c, c.ImportImage(), u}
	if c.State != space.ExplicitConnector && c.State != space.ExplicitDisconnector {
		if filters, err := u.filters(agent, object, view); err != nil {
			return within(err, stepFilter, "", "")
		} else if u.trace.filter(agent, object, view, filters); filters {
			u.noteInbound(c, object.Fingerprint)
			return u.filtered(c)
		}
	}
	u.trace.scopes(u, object, view)
	if rule, err := u.leaves(c, view, object); err != nil {
		return err
	} else if rule != nil {
		u.noteInbound(c, object.Fingerprint)
		return u.leave(c, rule)
	}
	if c.State == space.FilteredDisconnector {
		c.State = space.Disconnector
		u.tx.PutConnector(c)
	}
	link := linked
	if c.State.IsConnector() {
		moved, err := u.rejoin(c, view, agent, object)
		if err != nil {
			return err
		}
		if moved {
			link, mode, u.fresh = joined, Full, true
		}
	}
	if !c.State.IsConnector() {
		u.noteInbound(c, object.Fingerprint)
		if c.State == space.ExplicitDisconnector {
			u.result.Inbound = DisconnectorRemains
			u.commit(c)
			return nil
		}
		if link, err = u.link(c, view, agent, object); err != nil {
			return err
		}
		if link == unlinked {
			u.result.Inbound = DisconnectorRemains
			u.commit(c)
			return nil
		}
		mode, u.fresh = Full, true
	}
	mv, err := u.tx.Object(c.Link)
	if err != nil {
		return err
	}
	if mv == nil {
		return fault.New("unexpected-error", "the link leads to %s, which does not exist", c.Link)
	}
	if link != linked {
		u.trace.scopes(u, object, view) // what they depend on is known now
	}
	if mode != Delta || c.Import != nil && c.Import.Op == identity.Add {
		u.noteInbound(c, object.Fingerprint) // all flows are evaluated
		u.whole = mv.ID
	}
	missed, exported := c.NotReimported, c.Exported
	if link == linked && mode == Delta && !missed {
		u.before = beforeFlow(c, mv)
	}
	changed, err := u.importFlow(c, mv, view, object, mode)
	if err != nil {
		return err
	}
	imported := !c.Import.IsZero()
	u.notReimported(c)
	u.commit(c)
	if changed || mode == Full || imported || missed || mode == Resync && mv.Rules != u.rules.Outbound(mv.Type) {
		if err := u.outbound(mv); err != nil {
			return err
		}
	}
	if missed {
		u.noteForgotten(c, exported)
	}
	u.result.Inbound = inboundCounter(link, changed, len(mv.Connectors) == 0)
	if reAdded {
		u.result.Inbound = ConnectorDeleteAddProcessed
	}
	return nil
}

// commit closes the synchronization of an object: what was pending is now what
// is synchronized.
func (u *unit) commit(c *space.Connector) {
	if c.Import == nil && c.ImportError == nil && !c.RetryReferences && !c.NotReimported {
		return
	}
	if c.NotReimported && !c.State.IsConnector() {
		c.Exported, c.Batch, c.NotReimported = nil, 0, false // nothing flows there any more
	}
	if c.Import != nil {
		image := c.ImportImage()
		u.fail(u.wakeMembers(c, image))
		c.Synchronized, c.Import = image, nil
	}
	c.ImportError, c.RetryReferences = nil, false
	u.tx.PutConnector(c)
}

type linkResult int

const (
	linked linkResult = iota // it was a connector before
	unlinked
	joined
	projected
)

func inboundCounter(link linkResult, flowed, removed bool) Counter {
	counters := [...][3]Counter{
		linked:    {ConnectorNoFlow, ConnectorFlow, ConnectorFlowRemoveMV},
		joined:    {DisconnectorJoinedNoFlow, DisconnectorJoinedFlow, DisconnectorJoinedRemoveMV},
		projected: {DisconnectorProjectedNoFlow, DisconnectorProjectedFlow, DisconnectorProjectedRemove},
	}[link]
	switch {
	case removed:
		return counters[2]
	case flowed:
		return counters[1]
	}
	return counters[0]
}

// filters reports whether the connector filter catches an object: the declared
// one, or that of the agent's extension (sync-engine §3.4).
func (u *unit) filters(agent *rules.AgentRules, object *rules.ObjectRules, view *connectorView) (bool, error) {
	if filter := agent.Extension.Filter; filter != nil {
		return rules.Call(func() (bool, error) { return filter(u.ctx, u.viewed(view)) })
	}
	return object.Filter != nil && object.Filter.Match(view), nil
}

// filtered handles an object that the connector filter catches.
func (u *unit) filtered(c *space.Connector) error {
	u.result.Inbound = DisconnectorFiltered
	if c.State.IsConnector() {
		removed, err := u.disconnectInbound(c, cut{state: space.FilteredDisconnector, by: space.ByFilter}, func() error { return nil })
		if err != nil {
			return within(err, stepFilter, "", "")
		}
		u.result.Inbound = ConnectorFilteredLeaveMV
		if removed {
			u.result.Inbound = ConnectorFilteredRemoveMV
		}
	}
	if c.State != space.FilteredDisconnector {
		c.State = space.FilteredDisconnector
		u.tx.PutConnector(c)
	}
	u.commit(c)
	return nil
}

// connectorOf returns the connector of a metaverse object in an agent's
// connector space, of the given object type unless that is "", 0 if it has none.
func (u *unit) connectorOf(mv *space.Object, agent, objectType string) identity.ID {
	number := u.space.Number(agent)
	for _, id := range mv.Connectors {
		if id.Space() != number {
			continue
		}
		if objectType == "" {
			return id
		}
		if c, err := u.tx.Connector(id); err == nil && c != nil && c.ObjectType == objectType {
			return id
		}
	}
	return 0
}

// connect links an object to a metaverse object and wakes who waited for that.
func (u *unit) connect(c *space.Connector, mv *space.Object, rule string, by space.Lineage) error {
	u.noteLink(c)
	c.State, c.Link, c.LinkRule, c.LinkBy, c.LinkedAt = space.Joined, mv.ID, rule, by, u.now
	mv.AddConnector(c.ID)
	u.tx.PutConnector(c)
	u.tx.PutObject(mv)
	if err := u.wakeReferrers(c.ID); err != nil {
		return err
	}
	return u.wakeObjects(mv.ID)
}
