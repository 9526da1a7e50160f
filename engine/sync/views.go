package sync

import (
	"time"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// connectorEntry shows a connector-space object to extensions.
type connectorEntry struct {
	connectorView
	agent string
}

// connectorEntry returns the view of an object as it was last imported. An
// object whose deletion was imported shows what it was before.
func (u *unit) connectorEntry(c *space.Connector) rules.ConnectorEntry {
	image := c.Synchronized
	if c.Import != nil && !c.Import.Op.Removes() {
		image = c.ImportImage()
	}
	return &connectorEntry{connectorView{c, image, u}, u.space.AgentOf(c.ID)}
}

// viewed returns the same view for extensions.
func (u *unit) viewed(v *connectorView) rules.ConnectorEntry {
	return &connectorEntry{*v, u.space.AgentOf(v.Connector.ID)}
}

// entry returns the view that extensions are given of what flows see.
func (u *unit) entry(object expr.Getter) rules.Entry {
	if view, ok := object.(*connectorView); ok {
		return &flowEntry{connectorEntry{*view, u.space.AgentOf(view.Connector.ID)}, u.target}
	}
	return &metaverseEntry{object.(objectView), u}
}

// flowEntry shows a connector-space object to an inbound flow, and the metaverse
// object that it contributes to.
type flowEntry struct {
	connectorEntry
	target *space.Object
}

// Target implements [rules.FlowEntry].
func (e *flowEntry) Target() rules.MetaverseEntry { return e.unit.metaverseEntry(e.target) }

// ID implements [rules.Entry].
func (e *connectorEntry) ID() identity.ID { return e.Connector.ID }

// ObjectType implements [rules.Entry].
func (e *connectorEntry) ObjectType() string { return e.Connector.ObjectType }

// Attributes implements [rules.Entry].
func (e *connectorEntry) Attributes() identity.Attributes { return e.image }

// Multi implements [rules.Entry].
func (e *connectorEntry) Multi(attribute string) bool {
	agent := e.unit.rules.Agent(e.agent)
	if agent == nil || agent.Objects[e.Connector.ObjectType] == nil {
		return false
	}
	a := agent.Objects[e.Connector.ObjectType].Type.Attribute(attribute)
	return a != nil && a.Multi
}

// Agent implements [rules.ConnectorEntry].
func (e *connectorEntry) Agent() string { return e.agent }

// DN implements [rules.ConnectorEntry].
func (e *connectorEntry) DN() string { return e.Connector.DN }

// Anchor implements [rules.ConnectorEntry].
func (e *connectorEntry) Anchor() string { return e.Connector.Anchor }

// metaverseEntry shows a metaverse object to extensions.
type metaverseEntry struct {
	objectView
	unit *unit
}

// metaverseEntry returns the view of a metaverse object as it is in the unit.
func (u *unit) metaverseEntry(mv *space.Object) rules.MetaverseEntry {
	return &metaverseEntry{objectView{mv}, u}
}

// ID implements [rules.Entry].
func (e *metaverseEntry) ID() identity.ID { return e.Object.ID }

// ObjectType implements [rules.Entry].
func (e *metaverseEntry) ObjectType() string { return e.Type }

// Attributes implements [rules.Entry].
func (e *metaverseEntry) Attributes() identity.Attributes { return e.Object.Attributes }

// Multi implements [rules.Entry].
func (e *metaverseEntry) Multi(attribute string) bool {
	t := e.unit.rules.Type(e.Type)
	return t != nil && t.Attributes[attribute] != nil && t.Attributes[attribute].Multi
}

// Connectors implements [rules.MetaverseEntry]. They come in the order of their
// ids; "" is all agents.
func (e *metaverseEntry) Connectors(agent string) ([]rules.ConnectorEntry, error) {
	number := e.unit.space.Number(agent)
	var entries []rules.ConnectorEntry
	for _, id := range e.Object.Connectors {
		if agent != "" && id.Space() != number {
			continue
		}
		c, err := e.unit.tx.Connector(id)
		if err != nil {
			return nil, err
		}
		if c != nil {
			entries = append(entries, e.unit.connectorEntry(c))
		}
	}
	return entries, nil
}

// Contributor implements [rules.MetaverseEntry].
func (e *metaverseEntry) Contributor(attribute string) (agent string, at time.Time) {
	by, present := e.Contribution(attribute)
	if !present || by.Null {
		return "", time.Time{}
	}
	return e.unit.space.AgentOf(by.Connector), by.Time
}

// Entry returns the view that extensions have of a stored object; that of a
// connector-space object is a [rules.FlowEntry]. There must be an object of that id.
func (s *Synchronizer) Entry(tx *space.Tx, id identity.ID) (rules.Entry, error) {
	u := s.unit(tx)
	if id.Space() == 0 {
		mv, err := tx.Object(id)
		if err != nil {
			return nil, err
		}
		return u.metaverseEntry(mv), nil
	}
	c, err := tx.Connector(id)
	if err != nil {
		return nil, err
	}
	e := &flowEntry{*u.connectorEntry(c).(*connectorEntry), &space.Object{}}
	if c.Link != 0 {
		if e.target, err = tx.Object(c.Link); err != nil {
			return nil, err
		}
	}
	return e, nil
}
