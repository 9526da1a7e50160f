package sync

import (
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// A name can pass to a new object in one export: the object that has it is to be
// deleted, and nobody has been told. Instead of its deletion, a delete-add is staged
// (sync-engine §1.2, §2.5). Until the export, the connector-space object knows what
// the system still has there, and becomes that again should the new object no longer
// be wanted.

// comesBack reports whether an object that was to be deleted is the one that the
// metaverse object shall have: it was its connector, or no join criteria say that it
// is somebody else's.
func (o *outbound) comesBack(c *space.Connector, stranger bool) bool {
	return !stranger || c.Cut != nil && c.Cut.Object == o.mv.ID
}

// replaceable reports whether a new object may take the name of one that is to be
// deleted: the system has it, nobody has been told, and nothing is below it.
func (u *unit) replaceable(agent string, c *space.Connector) (bool, error) {
	staged := c.State == space.ExplicitDisconnector && c.Unapplied != nil && c.Unapplied.Op == identity.Delete
	if !staged || c.Provisioned || c.Exported != nil && c.Exported.Op.Removes() {
		return false, nil
	}
	if c.Import != nil && (c.Import.Op.Removes() || c.Import.Op == identity.DeleteAdd) {
		return false, nil
	}
	a := u.rules.Agent(agent)
	if a == nil || !a.LDAPNames {
		return true, nil
	}
	for below, err := range u.tx.Below(agent, c.DN) {
		if err != nil {
			return false, err
		}
		if below.ID != c.ID && below.State != space.Placeholder {
			return false, nil // it can only go once those have gone
		}
	}
	return true, nil
}

// replace creates an object in the place of one that is to be deleted.
func (o *outbound) replace(c *space.Connector, objectType, dn, rule string) error {
	c.Replace(objectType, dn)
	c.Rules = o.rules.Inbound(o.space.AgentOf(c.ID), objectType)
	c.Applied, c.Detected = nil, nil
	o.created = append(o.created, c.ID)
	return o.link(c, rule, space.ByProvisioning)
}

// renounce gives back the names of objects that are to be deleted, where the object
// that was to take one is to have another name now: both go their own ways.
func (o *outbound) renounce() error {
	for _, rule := range o.applied {
		if !rule.Provision {
			continue
		}
		id := o.connectorOf(o.mv, rule.Agent, rule.Object.Name)
		if id == 0 {
			continue
		}
		c, err := o.tx.Connector(id)
		if err != nil {
			return err
		}
		if c == nil || c.Replaces == nil || !isUnheard(c) || !rule.Is(c.LinkRule) {
			continue
		}
		dn, err := o.outboundDN(rule)
		if err != nil || o.space.SameDN(rule.Agent, dn, c.DN) {
			continue // what is wrong with the name is found out by the flow
		}
		o.trace.cuts(BecauseRuleLeft, rule.Name)
		if _, err := o.deprovision(c, o.mv, cut{by: space.ByDeprovisioning, rule: rule.Name}, false); err != nil {
			return within(err, stepDeprovisioning, rule.Name, "")
		}
	}
	return nil
}

// elsewhere is renounce for a script, which gives an object another name.
func (o *outbound) elsewhere(c *space.Connector, dn string) error {
	agent, objectType, changes := o.space.AgentOf(c.ID), c.ObjectType, c.Unapplied.Changes
	if _, err := o.deprovision(c, o.mv, cut{by: space.ByDeprovisioning}, false); err != nil {
		return err
	}
	added, err := o.create(agent, objectType, dn, "", false)
	if err != nil || !added {
		return err
	}
	created, err := o.tx.Connector(o.created[len(o.created)-1])
	if err != nil {
		return err
	}
	created.Unapplied.Changes = changes
	return nil
}

// restore makes an object, of which the link was cut, again the one in whose place
// it was to be created. That is to be deleted, as it was.
func (u *unit) restore(c *space.Connector) {
	u.trace.deprovisioned(c, rules.DeleteObject, false)
	c.Restore()
	u.tx.PutConnector(c)
}

// replacing reports whether objects of an agent are to take the place of others, or have
// the names of deleted ones to which somebody still refers.
func (u *unit) replacing(agent string) bool {
	counters := u.tx.Counters(agent)
	return counters[space.CountReplacing]+counters[space.CountNameLost] > 0
}

// renewed returns the change that brings a reference attribute from what a connector
// has to values, of which change is what meets the eye. A reference to an object that
// is to take the place of another one is to that one still, and may go with it: who
// shall refer to the new object gets the reference again. Where it stays it is set to
// what it is. Not so in systems that know objects by their names alone: there a
// reference is to whoever has the name.
func (o *outbound) renewed(f *flowing, target string, values []identity.Value, change identity.Change, differs bool) (identity.Change, bool, error) {
	before := f.base.Find(target)
	if before == nil || f.byName || len(values) == 0 || !o.replacing(f.agent) {
		return change, differs, nil
	}
	var again []identity.Value
	for _, v := range values {
		if !before.Contains(v) {
			continue
		}
		c, err := o.tx.Connector(v.Ref())
		if err != nil {
			return change, false, err
		}
		if c != nil && c.Replaces != nil {
			again = append(again, v)
		}
	}
	switch {
	case len(again) == 0:
		return change, differs, nil
	case before.Len() == 1 && len(values) == 1:
		return identity.Change{Name: target, Op: identity.Replace, Values: values}, true, nil
	}
	added := identity.Normalize(slices.Concat(change.Values, again))
	return identity.Change{Name: target, Op: identity.Update, Values: added, Removed: change.Removed}, true, nil
}
