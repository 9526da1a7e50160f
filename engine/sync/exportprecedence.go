package sync

import (
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// isEmptied reports whether the attribute behind a flow is empty because its
// contributor says that it shall be. That flows out even where a missing value
// does not (sync-engine §4.3). With equal precedence it does not: there, every
// value that goes leaves the attribute in that state.
func (u *unit) isEmptied(mv *space.Object, flow *rules.OutboundFlow) bool {
	by, present := mv.Contribution(flow.Source.Direct)
	if !present || !by.Null {
		return false
	}
	t := u.rules.Type(mv.Type)
	attribute := t.Attributes[flow.Source.Direct]
	return attribute != nil && attribute.Mode != rules.Equal
}

// cameFrom reports whether the value of an attribute with equal precedence came
// from an agent, or the agent emptied it. Of several values some may always have
// come, or gone, by another one.
func (u *unit) cameFrom(mv *space.Object, attribute *rules.Attribute, agent string) bool {
	by, present := mv.Contribution(attribute.Name)
	return present && !attribute.Multi && u.space.AgentOf(by.Connector) == agent
}
