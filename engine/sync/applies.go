package sync

import (
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// An inbound rule applies to an object that is in its scope. If it depends on
// another rule, that one must apply as well: to the object itself, or to one that
// is connected with the same metaverse object (sync-engine §5.5).

// applies reports whether an inbound rule applies to an object that is, or would
// be, connected with mv; nil is an object with no other connectors.
func (u *unit) applies(rule *rules.InboundRule, view *connectorView, mv *space.Object) bool {
	return rule.Scope.Match(view) && (rule.DependsOn == nil || u.satisfied(rule.DependsOn, view, mv))
}

// satisfied reports whether the rule that another one depends on applies.
func (u *unit) satisfied(on *rules.InboundRule, view *connectorView, mv *space.Object) bool {
	if mv != nil && mv.Type != on.Type.Name {
		return false
	}
	number := u.space.Number(on.Agent)
	if view.Connector.ID.Space() == number && view.ObjectType == on.Object && u.applies(on, view, mv) {
		return true
	}
	if mv == nil {
		return false
	}
	for _, id := range mv.Connectors {
		if id.Space() != number || id == view.Connector.ID {
			continue
		}
		c, err := u.tx.Connector(id)
		u.fail(err)
		if err == nil && c != nil && c.ObjectType == on.Object && u.applies(on, u.viewOf(c), mv) {
			return true
		}
	}
	return false
}

// viewOf shows an object as it counts for others: imports of others than the object
// that is synchronized do not count before they are synchronized themselves.
func (u *unit) viewOf(c *space.Connector) *connectorView {
	view := &connectorView{c, c.Synchronized, u}
	if c.ID == u.current {
		view.image = c.ImportImage()
	}
	return view
}

// settle has the rules looked at again that depend on those for an object, after it
// was synchronized or lost its link: they may apply now, or no longer. It reports
// whether the metaverse object changed.
func (u *unit) settle(c *space.Connector, mv *space.Object) (changed bool, err error) {
	agent := u.rules.Agent(u.space.AgentOf(c.ID))
	if agent == nil || agent.Objects[c.ObjectType] == nil {
		return false, nil
	}
	for _, rule := range agent.Objects[c.ObjectType].Dependents {
		if rule.Type.Name != mv.Type {
			continue
		}
		for _, id := range slices.Clone(mv.Connectors) {
			if id.Space() != u.space.Number(rule.Agent) || id == c.ID {
				continue
			}
			other, err := u.tx.Connector(id)
			if err != nil {
				return false, err
			}
			if other == nil || other.ObjectType != rule.Object {
				continue
			}
			flowed, err := u.settleRule(rule, other, mv)
			if err != nil {
				return false, err
			}
			changed = changed || flowed
			if rule.Disconnect && rule.Is(other.LinkRule) && !u.applies(rule, u.viewOf(other), mv) {
				u.reconsider(other)
			}
		}
	}
	return changed, nil
}

// settleRule brings what an object contributes by one rule in line with whether the
// rule applies.
func (u *unit) settleRule(rule *rules.InboundRule, c *space.Connector, mv *space.Object) (changed bool, err error) {
	applies := u.applies(rule, u.viewOf(c), mv)
	for _, flow := range rule.Flows {
		target, flowed := flow.Target, false
		by, present := mv.Contribution(target.Name)
		own := present && isBy(by, c, flow)
		switch {
		case target.Merges():
			flowed, err = u.merge(mv, target, nil)
		case !applies && target.Mode == rules.Equal:
			err = u.withdraw(c, mv, flow)
		case !applies && own, applies && !present:
			flowed, err = u.repopulate(mv, target, nil)
		case applies && target.Mode == rules.Ranked && !own && flow.Rank < u.rank(mv, target, by):
			flowed, err = u.repopulate(mv, target, nil)
		}
		if err != nil {
			return false, within(err, stepImportFlow, rule.Name, target.Name)
		}
		changed = changed || flowed
	}
	return changed, nil
}

// The inbound-flow counters of an object whose link is cut because the rule that
// made it no longer applies. The reference has none.
const (
	ConnectorLeftScopeRemoveMV Counter = "connector-left-scope-remove-mv"
	ConnectorLeftScopeLeaveMV  Counter = "connector-left-scope-leave-mv"
)

// leaves returns the inbound rule whose end cuts the link of a normal connector: it
// made the link, says that it disconnects, and neither it nor another rule holds the
// link any more (sync-engine §3.5). A link that somebody made by hand, or that
// provisioning made, is not cut.
func (u *unit) leaves(c *space.Connector, view *connectorView, object *rules.ObjectRules) (*rules.InboundRule, error) {
	if !object.Disconnects || c.State != space.Joined || c.LinkBy != space.ByJoin && c.LinkBy != space.ByProjection {
		return nil, nil
	}
	made := object.Rule(c.LinkRule)
	if made == nil || !made.Disconnect {
		return nil, nil
	}
	mv, err := u.tx.Object(c.Link)
	if err != nil {
		return nil, err
	}
	if mv == nil {
		return nil, fault.New("unexpected-error", "the link leads to %s, which does not exist", c.Link)
	}
	for _, rule := range object.Inbound {
		if (rule.Type.Name == mv.Type || rule == made) && u.applies(rule, view, mv) {
			return nil, nil
		}
	}
	if t := u.rules.Type(mv.Type); t != nil {
		for _, rule := range t.Outbound {
			if rule.Agent == made.Agent && rule.Object.Name == made.Object && (rule.Provision || len(rule.Joins) > 0) && rule.Among(c.Applied) {
				return nil, nil
			}
		}
	}
	return made, nil
}

// reconsider has an object synchronized again because something else than its
// import may have ended what holds its link.
func (u *unit) reconsider(c *space.Connector) {
	if !c.RetryReferences {
		c.RetryReferences = true
		u.tx.PutConnector(c)
	}
}

// noteApplied has an object synchronized again whose link may be cut now that other
// outbound rules apply to it.
func (u *unit) noteApplied(c *space.Connector, applied []string) {
	agent := u.rules.Agent(u.space.AgentOf(c.ID))
	if agent == nil || agent.Objects[c.ObjectType] == nil || !agent.Objects[c.ObjectType].Disconnects {
		return
	}
	made := agent.Objects[c.ObjectType].Rule(c.LinkRule)
	if made != nil && made.Disconnect && slices.ContainsFunc(c.Applied, func(key string) bool { return !slices.Contains(applied, key) }) {
		c.RetryReferences = true
	}
}

// leave handles an object whose rule no longer applies: it is disconnected as by the
// connector filter, and a normal disconnector.
func (u *unit) leave(c *space.Connector, rule *rules.InboundRule) error {
	u.trace.leaves(rule)
	removed, err := u.disconnectInbound(c, cut{by: space.ByScope, rule: rule.Key}, func() error { return nil })
	if err != nil {
		return within(err, stepFilter, rule.Name, "")
	}
	u.result.Inbound = ConnectorLeftScopeLeaveMV
	if removed {
		u.result.Inbound = ConnectorLeftScopeRemoveMV
	}
	u.commit(c)
	return nil
}
