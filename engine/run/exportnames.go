package run

import (
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// naming is what an export learnt of the name of an object.
type naming struct {
	id         identity.ID
	dn, anchor string
	vacated    bool            // it has taken the place of another object
	done       *identity.Delta // may have taken away references to deleted objects; nil has not
}

// onlyAnchor reports whether no other object is concerned.
func (n *naming) onlyAnchor() bool { return n.dn == "" && !n.vacated && n.done == nil }

// nameMeanwhile stores what one page of changes has taught while the next one is on its
// way, which costs next to no time then. Nothing else may be done until the function that
// it returns has returned. What a crash keeps from being stored, the next export learns
// again: it repeats the changes of this one.
func (x *export) nameMeanwhile() (wait func() error) {
	if len(x.named) == 0 || x.capabilities.AllOrNothing {
		return func() error { return nil }
	}
	stored := make(chan error, 1)
	go func() { stored <- x.rename() }()
	return func() error { return <-stored }
}

// rename stores the names that objects got.
func (x *export) rename() error {
	if len(x.named) == 0 {
		return nil
	}
	for page := range slices.Chunk(x.named, x.limits.batch) {
		err := x.space.Update(func(tx *space.Tx) error {
			for _, n := range page {
				if err := tx.Unit(func() error {
					c, err := tx.Connector(n.id)
					if err != nil || c == nil {
						return err
					}
					if n.done != nil {
						if err := x.dropLost(tx, c, n.done); err != nil {
							return err
						}
					}
					if n.vacated && c.Replaces != nil {
						c.Vacate()
						x.lost = true
						if err := x.forsake(tx, c, nil, x.sentBefore); err != nil {
							return err
						}
					}
					if n.dn != "" {
						if err := x.nameTaken(tx, c, n.dn); err != nil {
							return err
						}
						before := c.DN
						c.DN = n.dn
						tx.PutConnector(c)
						if err := x.moveBelow(tx, before, n.dn); err != nil {
							return err
						}
						// References need not follow a name, as in a file or in a directory
						// without referential integrity.
						if err := x.outname(tx, c.ID); err != nil {
							return err
						}
					}
					switch {
					case x.capabilities.AnchorIsDN && n.dn != "" && c.Anchor != "":
						c.Anchor = n.dn
					case n.anchor != "":
						if err := x.giveAnchor(tx, c, n.anchor); err != nil {
							return err
						}
					}
					tx.PutConnector(c)
					return nil
				}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	x.named = x.named[:0]
	return nil
}

// outname has everyone looked at again who refers to an object that has got another name.
func (x *export) outname(tx *space.Tx, id identity.ID) error {
	if x.capabilities.ReferencesStay && x.capabilities.DeltaImport && !x.outnamed {
		owners, err := tx.Referrers(id)
		if err != nil {
			return err
		}
		x.outnamed = len(owners) > 0
	}
	return tx.DoubtReferrers(id)
}

// renames notes the name that an object has got in this export, for references to it:
// until the export ends, the connector space may not know.
func (x *export) renames(id identity.ID, dn string) {
	if dn == "" {
		return
	}
	if x.newNames == nil {
		x.newNames = map[identity.ID]string{}
	}
	x.newNames[id] = dn
}

// refersTo reports whether what is to be sent for an object names one of others.
func (x *export) refersTo(tx *space.Tx, id identity.ID, others map[identity.ID]bool) (bool, error) {
	if len(others) == 0 {
		return false, nil
	}
	c, err := tx.Connector(id)
	if err != nil || c == nil {
		return false, err
	}
	delta := x.due(c)
	if delta == nil {
		return false, nil
	}
	for i := range delta.Changes {
		for _, values := range [][]identity.Value{delta.Changes[i].Values, delta.Changes[i].Removed} {
			if slices.ContainsFunc(values, func(v identity.Value) bool { return others[v.Ref()] }) {
				return true, nil
			}
		}
	}
	if x.capabilities.ExportLevel == agent.ValueLevel {
		return false, nil
	}
	for other := range others {
		refers := func(a identity.Attribute) bool { return a.Contains(identity.ReferenceTo(other)) }
		if slices.ContainsFunc(c.ExportedImage(), refers) {
			return true, nil
		}
	}
	return false, nil
}

// nameTaken makes room for an object that has got a name: no other one can have
// it any more, whatever the last import said.
func (x *export) nameTaken(tx *space.Tx, c *space.Connector, dn string) error {
	id, err := tx.ByDN(x.agent.Name, dn)
	if err != nil || id == 0 || id == c.ID {
		return err
	}
	holder, err := tx.Connector(id)
	if err != nil || holder == nil {
		return err
	}
	if holder.State == space.Placeholder {
		x.lost = x.lost || holder.Deleted
		return tx.Absorb(holder, c)
	}
	name := holder.DN
	x.loseName(holder)
	switch {
	case x.capabilities.AnchorIsDN && holder.Exported != nil && holder.Exported.Op.Removes() && !holder.State.IsConnector():
		return tx.RemoveConnector(holder) // it was deleted, and cannot be there any more
	case x.capabilities.AnchorIsDN:
		holder.Anchor = ""
	case holder.Exported != nil && holder.Exported.Op == identity.Delete && !holder.State.IsConnector():
		x.lost = true
		if err := tx.Forsake(holder.ID, name); err != nil {
			return err
		}
	}
	holder.SetDigest(nil)
	tx.PutConnector(holder)
	return nil
}

// namedChanges returns changes of an object, which is marked, with the DNs of objects in
// place of references. Those that name nobody are left out.
func (x *export) namedChanges(tx *space.Tx, c *space.Connector, changes []identity.Change) ([]identity.Change, error) {
	out := make([]identity.Change, 0, len(changes))
	for _, change := range changes {
		var err error
		before := len(change.Removed)
		if change.Values, err = x.namedValues(tx, change.Values); err != nil {
			return nil, err
		}
		if change.Removed, err = x.namedRemoved(tx, c, &change); err != nil {
			return nil, err
		}
		if before == 0 || len(change.Values)+len(change.Removed) > 0 {
			out = append(out, change)
		}
	}
	return out, nil
}

func (x *export) namedAttributes(tx *space.Tx, attributes identity.Attributes) (identity.Attributes, error) {
	out := make(identity.Attributes, 0, len(attributes))
	for i := range attributes {
		values, err := x.namedValues(tx, attributes[i].All())
		if err != nil {
			return nil, err
		}
		if len(values) > 0 {
			out = append(out, identity.Attribute{Name: attributes[i].Name, Values: values})
		}
	}
	return out, nil
}

// namedValues returns values with the DNs of objects in place of references. A deleted
// object that has lost its name to another one is nobody, and so is any object without
// a name.
func (x *export) namedValues(tx *space.Tx, values []identity.Value) ([]identity.Value, error) {
	return x.nameEach(tx, values, func(c *space.Connector) (string, error) {
		if c.NameLost {
			return "", nil
		}
		return c.DN, nil
	})
}

// namedRemoved returns the DNs of references that a change of an object takes away. A
// deleted object that has lost its name had it when it was referred to; but where the
// object shall refer to whoever has the name now, nothing is taken away.
func (x *export) namedRemoved(tx *space.Tx, owner *space.Connector, change *identity.Change) ([]identity.Value, error) {
	return x.nameEach(tx, change.Removed, func(c *space.Connector) (string, error) {
		if !c.NameLost {
			return c.DN, nil
		}
		id, err := tx.ByDN(x.agent.Name, c.DN)
		if err != nil {
			return "", err
		}
		if a := owner.TopImage().Find(change.Name); id != 0 && a != nil && a.Contains(identity.ReferenceTo(id)) {
			return "", nil
		}
		return c.DN, nil
	})
}

// hasReferences reports whether a change is about references too.
func (x *export) hasReferences(o *outgoing) bool {
	t := x.agent.Schema.Type(o.objectType)
	return t != nil && slices.ContainsFunc(o.sent.Changes, func(c identity.Change) bool {
		a := t.Attribute(c.Name)
		return a != nil && a.Type == identity.TypeReference
	})
}

// dropLost takes out of an object the references to deleted objects that have lost their
// names, where a change has taken them away. No import could confirm that: it shows
// whoever has the name.
func (x *export) dropLost(tx *space.Tx, c *space.Connector, done *identity.Delta) error {
	for i := range done.Changes {
		values := done.Changes[i].Removed
		if a := c.ImportImage().Find(done.Changes[i].Name); a != nil && done.Changes[i].Op != identity.Update {
			values = a.All()
		}
		var gone []identity.Value
		for _, v := range values {
			if v.Ref() == 0 {
				break
			}
			target, err := tx.Connector(v.Ref())
			if err != nil {
				return err
			}
			if target != nil && target.NameLost {
				gone = append(gone, v)
			}
		}
		if len(gone) > 0 {
			c.Drop(done.Changes[i].Name, gone)
			tx.PutConnector(c)
		}
	}
	return nil
}

// nameEach returns values with the names that name gives to objects in place of
// references to them. "" leaves one out.
func (x *export) nameEach(tx *space.Tx, values []identity.Value, name func(*space.Connector) (string, error)) ([]identity.Value, error) {
	if len(values) == 0 || values[0].Type() != identity.TypeReference {
		return values, nil
	}
	out := make([]identity.Value, 0, len(values))
	for _, v := range values {
		if name := x.newNames[v.Ref()]; name != "" {
			out = append(out, identity.Reference(name))
			continue
		}
		target, err := tx.Connector(v.Ref())
		if err != nil {
			return nil, err
		}
		if target == nil {
			continue
		}
		dn, err := name(target)
		if err != nil {
			return nil, err
		}
		if dn != "" && !isTransient(target) {
			out = append(out, identity.Reference(dn))
		}
	}
	return identity.Normalize(out), nil
}
