package run

import (
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// A full export carries every connected object whole (sync-engine §10.3), also one
// of which nothing has changed: for systems that are to be made anew from what the
// engine knows. Such an object is sent and no more: there is nothing to confirm.

// isWhole reports whether an object is sent only because the export is a full one.
func (x *export) isWhole(c *space.Connector) bool {
	return x.definition.Full && c.State.IsConnector() && c.Unapplied.IsZero() && !x.isInterrupted(c) &&
		!c.Provisioned && (c.Import == nil || !c.Import.Op.Removes()) && !isTransient(c)
}

// scanWhole plans the objects that are sent only because the export is a full one.
func (p *planner) scanWhole() error {
	after := identity.ID(0)
	for {
		var ids []identity.ID
		err := p.space.View(func(tx *space.Tx) (err error) {
			if ids, err = tx.IDs(p.agent.Name, after, p.limits.batch); err != nil {
				return err
			}
			for _, id := range ids {
				c, err := tx.Connector(id)
				if err != nil {
					return err
				}
				if c == nil || !p.isWhole(c) || !p.belongs(c) {
					continue
				}
				o := planned{id: c.ID}
				if dn, err := identity.ParseDN(c.DN); err == nil && p.capabilities.LDAPNames {
					o.depth = uint16(min(len(dn), 1<<16-1))
				}
				p.changes = append(p.changes, o)
			}
			return nil
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		after = ids[len(ids)-1]
	}
}

// markWhole returns the change that carries an object of which nothing has changed.
func (x *export) markWhole(tx *space.Tx, c *space.Connector, o outgoing, wanted func(*identity.Delta) bool) (outgoing, *agent.Change, error) {
	o.sent, o.op, o.whole = &identity.Delta{Op: identity.Update}, identity.Update, true
	if !wanted(o.sent) {
		return outgoing{}, nil, nil
	}
	if c.ExportError != nil { // of the full export before
		c.ExportError = nil
		tx.PutConnector(c)
	}
	o.dn, o.anchor = c.DN, c.Anchor
	change := &agent.Change{Op: identity.Update, ObjectType: c.ObjectType, DN: c.DN, Anchor: c.Anchor}
	return o, change, x.fill(tx, c, &o, change)
}
