package run

import (
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// An object that has lost its name to another one is transient (sync-engine §1.4), and
// exports leave it out: nobody knows by what name its system has it. One that is yet to
// be created is different. No import will ever tell a name of it, but its pending add
// says which one it shall have. It gets that as soon as nobody else has it; until then
// its export fails, so that the object is neither forgotten nor silently missing.
//
// References to an object without a name wait for it like those to the new object of a
// delete-add, see hold: the name that stands for none means nothing to a system.

// isNameless reports whether an object has no name to be sent under, and none that a
// pending add gives it.
func (x *export) isNameless(c *space.Connector) bool {
	return isTransient(c) && !(c.Provisioned && adds(x.due(c)) && (c.Exported == nil || x.isInterrupted(c)))
}

func adds(d *identity.Delta) bool { return d != nil && d.Op == identity.Add && d.DN != "" }

// nameNew gives a transient object that is to be created the name of its add. If another
// object has the name, this one cannot be sent now and the result is false.
func (x *export) nameNew(tx *space.Tx, c *space.Connector, o *outgoing) (named bool, err error) {
	dn := o.sent.DN
	id, err := tx.ByDN(x.agent.Name, dn)
	if err != nil {
		return false, err
	}
	var holder *space.Connector
	if id != 0 {
		if holder, err = tx.Connector(id); err != nil {
			return false, err
		}
	}
	switch {
	case holder == nil:
	case x.definition.idle():
		return false, nil
	case holder.State == space.Placeholder:
		if err := tx.Absorb(holder, c); err != nil {
			return false, err
		}
	default:
		return false, x.nameMissing(tx, c, o)
	}
	c.DN = dn
	tx.PutConnector(c)
	return true, nil
}

// nameMissing leaves an object for a later pass that is to be created, because another
// one has its name: that may be about to give it up. In the last one it has failed.
func (x *export) nameMissing(tx *space.Tx, c *space.Connector, o *outgoing) error {
	c.Unapplied, c.Exported, c.Batch = o.sent, o.exported, o.batch
	tx.PutConnector(c)
	if x.pass < exportPasses {
		x.again = append(x.again, turn{id: o.id, as: o.as, repeated: o.repeated, added: o.added})
		return nil
	}
	o.dn, o.anchor = o.sent.DN, ""
	return x.fail(tx, o, o.sent, fault.New(sync.NameTaken, "it cannot be created: another object has the name %q", o.sent.DN))
}

// loseName takes the name from an object that another one has got in this export. One
// that was to be created has failed: an add without a name is nothing to be sent.
func (x *export) loseName(c *space.Connector) {
	name := c.DN
	c.DN = transientPrefix + c.ID.String()
	x.nameless = true
	if c.Provisioned && adds(x.due(c)) && c.ExportError == nil {
		taken := fault.New(sync.NameTaken, "it cannot be created: another object got the name %q", name)
		c.ExportError = &space.ObjectError{Name: taken.Name, Detail: taken.Detail(), First: x.now(), Last: x.now()}
	}
}

// refersToNameless reports whether a delta brings references to objects without a name.
func refersToNameless(tx *space.Tx, d *identity.Delta) (bool, error) {
	for i := range d.Changes {
		for _, v := range d.Changes[i].Values {
			if v.Ref() == 0 {
				break
			}
			if target, err := tx.Connector(v.Ref()); err != nil || target != nil && isTransient(target) {
				return err == nil, err
			}
		}
	}
	return false, nil
}
