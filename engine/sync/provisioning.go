package sync

import (
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// provisioningEntry shows a metaverse object to the extension that provisions it,
// and does what that asks for.
type provisioningEntry struct {
	metaverseEntry
	o *outbound
}

// NewConnector implements [rules.ProvisioningEntry]. An object with that DN that
// nobody is connected to is joined instead; the connector that the object has
// already is no error if it has that DN, so that a script may ask each time.
func (e *provisioningEntry) NewConnector(agent, objectType, dn string, initial identity.Attributes) error {
	o := e.o
	a := o.rules.Agent(agent)
	if a == nil {
		return fault.New("unknown-agent", "there is no agent %q", agent)
	}
	object := a.Objects[objectType]
	if object == nil {
		return fault.New("no-such-object-type", "agent %q has no object type %q", agent, objectType)
	}
	if dn == "" && a.AnchorIsDN {
		var err error
		if dn, err = anchorOf(initial, object.Type); err != nil {
			return err
		}
	}
	if dn == "" {
		return fault.New("invalid-dn", "a new %q of agent %q needs a name", objectType, agent)
	}
	if id := o.connectorOf(o.mv, agent, objectType); id != 0 {
		c, err := o.tx.Connector(id)
		if err != nil {
			return err
		}
		if o.space.SameDN(agent, o.nameOf(c), dn) {
			return nil
		}
		return fault.New("object-already-exists", "the object has the %q %q of agent %q already; rename it instead", objectType, c.DN, agent)
	}
	attributes, err := o.initial(agent, object.Type, initial)
	if err == nil && a.AnchorIsDN {
		attributes, err = anchored(attributes, object.Type, dn)
	}
	if err != nil {
		return err
	}
	added, err := o.create(agent, objectType, dn, "", false)
	if err != nil || !added {
		return err
	}
	c, err := o.tx.Connector(o.created[len(o.created)-1])
	if err != nil {
		return err
	}
	for _, attribute := range attributes {
		c.Unapplied.SetChange(identity.Change{Name: attribute.Name, Op: identity.Add, Values: attribute.Values})
	}
	return nil
}

// nameOf returns the DN that an object has, or was given in this unit.
func (o *outbound) nameOf(c *space.Connector) string {
	for _, r := range o.renamed {
		if r.id == c.ID {
			return r.dn
		}
	}
	if c.Unapplied.IsRename() {
		return c.Unapplied.DN
	}
	if c.Exported.IsRename() {
		return c.Exported.DN
	}
	return c.DN
}

// initial brings the attributes that a script gives a new object into the types
// of its system.
func (o *outbound) initial(agent string, t *identity.ObjectType, initial identity.Attributes) (identity.Attributes, error) {
	var out identity.Attributes
	for _, attribute := range initial {
		schema := t.Attribute(attribute.Name)
		if schema == nil || schema.ImportOnly {
			err := fault.New("unexpected-provisioning-attribute", "a new %q of agent %q cannot have the attribute %q", t.Name, agent, attribute.Name)
			err.Attribute = attribute.Name
			return nil, err
		}
		values, err := convert(schema.Type, schema.Multi, identity.Normalize(slices.Clone(attribute.All())))
		if err == nil && schema.Type == identity.TypeReference {
			values, err = o.outboundReferences(o.mv, agent, values)
		}
		if err != nil {
			return nil, within(err, stepProvisioning, "", attribute.Name)
		}
		out = out.Set(attribute.Name, values...)
	}
	return out, nil
}

// anchored completes and checks the anchor attributes of a new object in a system
// where they are its name.
func anchored(attributes identity.Attributes, t *identity.ObjectType, dn string) (identity.Attributes, error) {
	if len(t.Anchor) == 1 && attributes.Get(t.Anchor[0]) == nil {
		anchor := t.Attribute(t.Anchor[0])
		v, err := identity.ParseValue(anchor.Type, dn)
		if err != nil {
			return nil, fault.Wrap("invalid-dn", err)
		}
		return attributes.Set(anchor.Name, v), nil
	}
	anchor, err := anchorOf(attributes, t)
	if err != nil {
		return nil, err
	}
	if anchor != dn {
		return nil, fault.New("invalid-dn", "a new %q is named %q, but its anchor is %q", t.Name, dn, anchor)
	}
	return attributes, nil
}

// anchorOf builds the anchor of a new object from its attributes.
func anchorOf(attributes identity.Attributes, t *identity.ObjectType) (string, error) {
	parts := make([]string, len(t.Anchor))
	for i, name := range t.Anchor {
		values := attributes.Get(name)
		if len(values) != 1 {
			return "", fault.New("missing-anchor-component", "a new %q needs one value of %q", t.Name, name)
		}
		parts[i] = values[0].Text()
	}
	return identity.JoinAnchor(parts...), nil
}

// own returns a connector of the object.
func (e *provisioningEntry) own(id identity.ID) (*space.Connector, error) {
	c, err := e.o.tx.Connector(id)
	if err == nil && (c == nil || c.Link != e.o.mv.ID) {
		return nil, fault.New("extension-unexpected-attribute-value", "%s is no connector of the object", id)
	}
	return c, err
}

// Rename implements [rules.ProvisioningEntry]. The name that a script gives is
// stronger than that of a rule. Where the anchor is the name, it is an error.
func (e *provisioningEntry) Rename(connector identity.ID, dn string) error {
	c, err := e.own(connector)
	if err != nil {
		return err
	}
	agent := e.o.space.AgentOf(c.ID)
	if a := e.o.rules.Agent(agent); a == nil || a.AnchorIsDN {
		return fault.New("modify-naming-attribute", "%q of agent %q is named by its anchor: only a flow into that renames it", c.DN, agent)
	}
	if dn == "" {
		return fault.New("invalid-dn", "%q of agent %q cannot be without a name", c.DN, agent)
	}
	if c.Replaces != nil && isUnheard(c) && !e.o.space.SameDN(agent, dn, c.DN) {
		return e.o.elsewhere(c, dn)
	}
	if !e.o.space.SameDN(agent, dn, c.DN) {
		if err := e.o.mayTake(agent, dn, c); err != nil {
			return err
		}
		if err := e.o.checkParent(agent, dn); err != nil {
			return err
		}
	}
	for i := range e.o.renamed {
		if e.o.renamed[i].id == c.ID {
			e.o.renamed[i].dn = dn
			return nil
		}
	}
	e.o.renamed = append(e.o.renamed, renaming{c.ID, dn})
	return nil
}

// Disconnect implements [rules.ProvisioningEntry].
func (e *provisioningEntry) Disconnect(connector identity.ID) error {
	c, err := e.own(connector)
	if err != nil {
		return err
	}
	if _, err := e.o.deprovision(c, e.o.mv, cut{by: space.ByDeprovisioning}, true); err != nil {
		return err
	}
	e.o.again = true
	return nil
}

var _ rules.ProvisioningEntry = (*provisioningEntry)(nil)

// Taken implements [rules.ProvisioningEntry].
func (e *provisioningEntry) Taken(agent, dn string) (bool, error) {
	if e.o.rules.Agent(agent) == nil {
		return false, fault.New("unknown-agent", "there is no agent %q", agent)
	}
	c, err := e.o.nameHolder(agent, dn)
	return c != nil && c.State != space.Placeholder, err
}
