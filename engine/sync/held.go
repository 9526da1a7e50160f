package sync

import (
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// held reports whether something holds a metaverse object whose deletion rule is
// [rules.Held]: one of its connectors is in the scope of a rule that holds, or is
// nobody's to judge (sync-engine §8.2). A connector whose deletion
// was imported holds until that is synchronized; one that is yet to be created
// holds nothing.
func (u *unit) held(mv *space.Object, t *rules.Type) (bool, error) {
	for _, id := range mv.Connectors {
		c, err := u.tx.Connector(id)
		if err != nil {
			return false, err
		}
		if c != nil && !isUnheard(c) && u.holds(c, mv, t) {
			return true, nil
		}
	}
	return false, nil
}

// holds reports whether a connector holds its metaverse object. What was linked by
// hand, or projected by a script, was somebody's decision, which no rule takes
// back; about an object that no rule knows, nobody decides. One that leaves the
// scope by an import holds until that is synchronized, too: it may fail.
func (u *unit) holds(c *space.Connector, mv *space.Object, t *rules.Type) bool {
	byHand := c.State == space.ExplicitConnector || c.LinkBy == space.ByHand
	if byHand || c.LinkBy == space.ByProjection && c.LinkRule == "" || goes(c) {
		return true
	}
	name := u.space.AgentOf(c.ID)
	agent := u.rules.Agent(name)
	if agent == nil || agent.Objects[c.ObjectType] == nil {
		return true
	}
	view, was := &connectorView{c, c.ImportImage(), u}, u.viewOf(c)
	for _, rule := range agent.Objects[c.ObjectType].Inbound {
		if rule.Holds && rule.Type == t && (rule.Scope.Match(view) || rule.Scope.Match(was)) {
			return true
		}
	}
	for _, rule := range t.Outbound {
		if rule.Holds && rule.Agent == name && rule.Object.Name == c.ObjectType && rule.Scope.Match(objectView{mv}) {
			return true
		}
	}
	return false
}

// orphanOption returns what becomes of a connector whose metaverse object no rule
// holds any more, unless its agent says: a rule that provisions takes back what it
// applies to (sync-engine §8.2). It is "" if there is nothing to say.
func orphanOption(t *rules.Type, c *space.Connector) rules.Deprovision {
	if t == nil || t.Delete.When != rules.Held {
		return ""
	}
	for _, rule := range t.Outbound {
		if rule.Provision && (rule.Among(c.Applied) || rule.Is(c.LinkRule) && c.LinkBy == space.ByProvisioning) {
			return rules.DeleteObject
		}
	}
	return ""
}
