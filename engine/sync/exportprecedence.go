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

// isAllFrom reports whether everything that an attribute has came from one agent.
func (u *unit) isAllFrom(mv *space.Object, attribute *rules.Attribute, agent string) bool {
	by, present := mv.Contribution(attribute.Name)
	if !present {
		return false
	}
	if by.Null || !attribute.Multi {
		return u.space.AgentOf(by.Connector) == agent
	}
	for _, c := range mv.Contributed(attribute.Name) {
		if u.space.AgentOf(c.By.Connector) != agent {
			return false
		}
	}
	return true
}
