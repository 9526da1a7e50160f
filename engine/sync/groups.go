package sync

import (
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// IsMember implements [rules.Member]: as the group was imported (sync-engine
// §5.2, ISMEMBEROF). Nobody is a member of a group that is not there.
func (v *connectorView) IsMember(group, attribute string) bool {
	if v.unit == nil {
		return false
	}
	u := v.unit
	id, err := u.tx.ByDN(u.space.AgentOf(v.ID), group)
	if err != nil || id == 0 {
		u.fail(err)
		return false
	}
	c, err := u.tx.Connector(id)
	if err != nil || c == nil {
		u.fail(err)
		return false
	}
	members := c.ImportImage().Find(attribute)
	return members != nil && members.Contains(identity.ReferenceTo(v.ID))
}

// fail remembers an error of the store that came up where none can be returned.
func (u *unit) fail(err error) {
	if u.failure == nil {
		u.failure = err
	}
}

// wakeMembers has those synchronized again who come to or leave a group whose
// members scopes ask for, when its import is synchronized. after is what it looks
// like then, nothing if it is gone.
func (u *unit) wakeMembers(c *space.Connector, after identity.Attributes) error {
	name := u.space.AgentOf(c.ID)
	agent := u.rules.Agent(name)
	if agent == nil {
		return nil
	}
	for _, group := range agent.Groups {
		if !u.space.SameDN(name, group.DN, c.DN) {
			continue
		}
		before := c.Synchronized
		if c.Import != nil && c.Import.DN != "" {
			before = nil // it has just got the name
		}
		change, _ := before.Find(group.Attribute).Diff(after.Find(group.Attribute))
		touched := slices.Concat(change.Values, change.Removed)
		if change.Op != identity.Update {
			touched = append(touched, before.Get(group.Attribute)...)
		}
		for _, v := range touched {
			if err := u.wakeMember(v.Ref()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (u *unit) wakeMember(id identity.ID) error {
	member, err := u.tx.Connector(id)
	if err != nil || member == nil || member.State == space.Placeholder || member.RetryReferences {
		return err
	}
	member.RetryReferences = true
	u.tx.PutConnector(member)
	return nil
}
