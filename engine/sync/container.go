package sync

import (
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// Containers are known by their names alone, and only in systems whose names
// tell them. Elsewhere nothing here costs anything.

// checkParent refuses a name outside of the containers that the agent imports: no
// import would ever show the object. It also refuses one in a container that the
// connector space does not have, if the agent asks for that (sync-engine §3.8); the
// container of an included container is none that it could have.
func (u *unit) checkParent(agent, dn string) error {
	a := u.rules.Agent(agent)
	if a == nil || !a.LDAPNames {
		return nil
	}
	parsed, err := identity.ParseDN(dn)
	if err != nil {
		return fault.Wrap("invalid-dn", err)
	}
	if !a.Containers.Holds(dn) {
		err := fault.New("non-existent-parent", "%q is outside of the containers that agent %q imports", dn, agent)
		err.Hint = "include its container, or change the rule that gives the name"
		return err
	}
	if !a.RequireParent || len(parsed) < 2 || !a.Containers.IsAll() && !a.Containers.Holds(parsed.Parent().String()) {
		return nil
	}
	parent, err := u.nameHolder(agent, parsed.Parent().String())
	if err != nil {
		return err
	}
	if parent == nil || parent.State == space.Placeholder || vanishes(parent) {
		return fault.New("non-existent-parent", "agent %q has no container %q for %q", agent, parsed.Parent(), dn)
	}
	return nil
}

// vanishes reports whether the object is being deleted.
func vanishes(c *space.Connector) bool {
	for _, d := range [...]*identity.Delta{c.Import, c.Exported, c.Unapplied} {
		if d != nil && d.Op.Removes() {
			return true
		}
	}
	return false
}

// checkEmpty refuses to delete a container that still holds objects.
func (u *unit) checkEmpty(c *space.Connector, agent string) error {
	if a := u.rules.Agent(agent); a == nil || !a.LDAPNames {
		return nil
	}
	for below, err := range u.tx.Below(agent, c.DN) {
		if err != nil {
			return err
		}
		if below.ID != c.ID && below.State != space.Placeholder && !vanishes(below) {
			return fault.New("unsupported-container-delete", "%q of agent %q still holds %q", c.DN, agent, below.DN)
		}
	}
	return nil
}

// checkRename refuses a new name in a system that gives none (sync-engine §10.3:
// ObjectRename). It refuses to rename a container below which objects are to be created:
// their names would no longer be right. In a system that moves nothing with a
// container, it refuses to rename one that holds objects (sync-engine §10.3).
func (u *unit) checkRename(c *space.Connector, agent string) error {
	a := u.rules.Agent(agent)
	if a != nil && a.NoRename {
		return fault.New("modify-naming-attribute", "agent %q cannot rename %q", agent, c.DN)
	}
	if a == nil || !a.LDAPNames {
		return nil
	}
	for below, err := range u.tx.Below(agent, c.DN) {
		if err != nil {
			return err
		}
		if a.NoContainerRename && below.ID != c.ID && below.State != space.Placeholder && !vanishes(below) {
			return fault.New("unsupported-container-rename",
				"%q of agent %q cannot be renamed while it holds %q: names in it would stay as they are", c.DN, agent, below.DN)
		}
		if below.ID != c.ID && below.Provisioned && below.Exported == nil {
			return fault.New("unexported-container-rename",
				"%q of agent %q cannot be renamed before %q has been exported", c.DN, agent, below.DN)
		}
	}
	return nil
}
