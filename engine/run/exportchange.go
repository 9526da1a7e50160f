package run

import (
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// mark moves what is pending for an object to what was sent, and returns the
// change for the agent; nil if the object is not to be sent now.
func (x *export) mark(tx *space.Tx, t turn, wanted func(*identity.Delta) bool) (outgoing, *agent.Change, error) {
	c, err := tx.Connector(t.id)
	if err != nil || c == nil || !x.belongs(c) {
		return outgoing{}, nil, err
	}
	o := outgoing{turn: t, objectType: c.ObjectType, sent: c.Unapplied, exported: c.Exported, batch: c.Batch, failure: c.ExportError, link: c.Link}
	if o.failure != nil && o.failure.Name == space.ChangesGoRound {
		o.failure = nil // it is parked no longer
	}
	var rest *identity.Delta
	if x.isInterrupted(c) {
		o.repeated = true
		o.sent, o.exported, o.batch = x.due(c), nil, 0
		if x.replays(c) {
			rest = c.Unapplied
		}
	}
	if x.isWhole(c) && rest == nil {
		return x.markWhole(tx, c, o, wanted)
	}
	if o.sent != nil && o.sent.Op == identity.DeleteAdd && !x.replaces(o.sent) && !x.markHalf(&o, c, wanted) {
		return outgoing{}, nil, nil
	}
	if o.sent.IsZero() || x.isNameless(c) || !wanted(o.sent) {
		return outgoing{}, nil, nil
	}
	if isTransient(c) {
		if named, err := x.nameNew(tx, c, &o); err != nil || !named {
			return outgoing{}, nil, err
		}
	}
	var held *identity.Delta
	if x.replacing || x.nameless {
		if o.sent, held, err = x.hold(tx, c.ID, o.sent); err != nil {
			return outgoing{}, nil, err
		}
		if o.held = held != nil; o.held && isNothing(o.sent) {
			return outgoing{}, nil, x.holdAll(tx, c, &o, held.Merge(rest))
		}
	}
	o.op, o.rename = o.sent.Op, o.sent.IsRename()
	switch {
	case o.op == identity.Update && t.as == agent.ConvertUpdateToAdd:
		o.op = identity.Add
	case o.op == identity.Add && t.as == agent.ConvertAddToUpdate:
		o.op = identity.Update
	}
	change := &agent.Change{Op: o.op, ObjectType: o.objectType, DN: c.DN, Anchor: c.Anchor, Repeated: o.repeated}
	change.NamePassed = o.repeated && o.rename && x.plan.passed[c.ID]
	o.dn, o.anchor = c.DN, c.Anchor
	switch {
	case o.op == identity.DeleteAdd:
		change.Op, change.NewObject = identity.Replace, true
	case c.Replaces != nil && o.op != identity.Delete:
		change.Anchor = "" // that of the old one, which is gone
	}
	if (o.op == identity.Add || o.op == identity.DeleteAdd) && (x.capabilities.NoReferencesInFirstExport || x.capabilities.NoPasswordsInFirstExport) {
		if o.sent.Op == identity.Update { // a new object in place of a lost one needs all its references
			whole := o.exported.Merge(o.sent).Apply(c.ImportImage())
			o.sent, _ = x.splitFirst(c.ObjectType, o.sent)
			_, rest = x.splitFirst(c.ObjectType, &identity.Delta{Op: identity.Update, Changes: identity.Diff(nil, whole)})
		} else {
			o.sent, rest = x.splitFirst(c.ObjectType, o.sent)
		}
		o.rest = rest != nil
	}
	c.Exported, c.Unapplied, c.Batch, c.ExportError = o.exported.Merge(o.sent), held.Merge(rest), x.batch, nil
	c.NotReimported = false // it is sent again, or will be missed again
	c.SetDigest(nil)
	tx.PutConnector(c)
	if o.op == identity.Delete {
		return o, change, nil
	}
	if err := x.fill(tx, c, &o, change); err != nil {
		return o, change, err
	}
	if len(o.sent.Changes) > 0 && change.Op == identity.Update && change.NewDN == "" && len(change.Changes) == 0 {
		return outgoing{}, nil, x.dropLost(tx, c, o.sent) // it takes away nothing but what is gone
	}
	return o, change, nil
}

// fill gives a change what the agent's export level asks for.
func (x *export) fill(tx *space.Tx, c *space.Connector, o *outgoing, change *agent.Change) (err error) {
	if o.op != identity.Update || x.capabilities.ExportLevel != agent.ValueLevel {
		if change.Image, err = x.image(tx, c, o); err != nil {
			return err
		}
	}
	if o.rename {
		if change.NewDN = o.sent.DN; o.op == identity.Add {
			change.DN, change.NewDN = o.sent.DN, ""
		}
	}
	switch {
	case o.op == identity.Add && o.sent.Op == identity.Update:
		change.Anchor = ""
		change.Changes = slices.DeleteFunc(x.wholeObject(c.ObjectType, change.Image), func(part identity.Change) bool {
			return x.givesAnchor(c.ObjectType, part.Name)
		})
		return nil
	case o.op == identity.Update && x.capabilities.ExportLevel == agent.ObjectLevel:
		change.Op = identity.Replace
		change.Changes = x.wholeObject(c.ObjectType, change.Image)
		return nil
	}
	if change.Changes, err = x.namedChanges(tx, c, o.sent.Changes); err != nil {
		return err
	}
	for i := range change.Changes {
		part := &change.Changes[i]
		switch {
		case o.op == identity.Update && o.sent.Op == identity.Add:
			part.Op = identity.Replace // whatever is there
		case o.op == identity.Update && part.Op == identity.Update && x.capabilities.ExportLevel == agent.AttributeLevel:
			*part = identity.Change{Name: part.Name, Op: identity.Delete}
			if values := change.Image.Get(part.Name); len(values) > 0 {
				part.Op, part.Values = identity.Replace, values
			}
		}
	}
	return nil
}

// image returns an object as it shall be, for the agent.
func (x *export) image(tx *space.Tx, c *space.Connector, o *outgoing) (identity.Attributes, error) {
	image := c.ExportedImage()
	if o.rest && o.sent.Op == identity.Update {
		_, references := x.splitFirst(c.ObjectType, &identity.Delta{Op: identity.Update, Changes: identity.Diff(nil, image)})
		for i := range references.Changes {
			image = image.Clone().Set(references.Changes[i].Name)
		}
	}
	return x.namedAttributes(tx, image)
}

// wholeObject returns what it takes to give an object all that the engine knows
// of it and may write.
func (x *export) wholeObject(objectType string, image identity.Attributes) []identity.Change {
	t := x.agent.Schema.Type(objectType)
	return slices.DeleteFunc(identity.Diff(nil, image), func(c identity.Change) bool {
		if t == nil {
			return false
		}
		a := t.Attribute(c.Name)
		return a != nil && a.ImportOnly
	})
}

// givesAnchor reports whether an attribute is part of an anchor that the system
// gives to new objects: no rule does.
func (x *export) givesAnchor(objectType, attribute string) bool {
	t := x.agent.Schema.Type(objectType)
	if x.capabilities.AnchorIsDN || t == nil || !slices.Contains(t.Anchor, attribute) {
		return false
	}
	rule := x.env.Rules.Agent(x.agent.Name)
	return rule == nil || rule.Objects[objectType] == nil || !rule.Objects[objectType].Managed[attribute]
}

// readable returns the attributes that an import can show.
func (x *export) readable(objectType string, attributes identity.Attributes) identity.Attributes {
	t := x.agent.Schema.Type(objectType)
	if t == nil {
		return attributes
	}
	return slices.DeleteFunc(slices.Clone(attributes), func(a identity.Attribute) bool {
		known := t.Attribute(a.Name)
		return known != nil && known.ExportOnly
	})
}

// waitsFirst reports whether the export of a new object leaves an attribute to the
// second pass.
func (x *export) waitsFirst(a *identity.AttributeType) bool {
	return a.Type == identity.TypeReference && x.capabilities.NoReferencesInFirstExport ||
		a.ExportOnly && x.capabilities.NoPasswordsInFirstExport
}

// splitFirst divides a delta into what the first pass of the export of a new object
// can carry, and an Update of the rest; nil if there is none.
func (x *export) splitFirst(objectType string, d *identity.Delta) (first, rest *identity.Delta) {
	return x.splitBy(objectType, d, x.waitsFirst)
}

// split divides a delta into what can go without references, and an Update of
// references; nil if there are none.
func (x *export) split(objectType string, d *identity.Delta) (first, references *identity.Delta) {
	return x.splitBy(objectType, d, func(a *identity.AttributeType) bool { return a.Type == identity.TypeReference })
}

// splitBy divides a delta by attributes. Those of an anchor cannot wait.
func (x *export) splitBy(objectType string, d *identity.Delta, waits func(*identity.AttributeType) bool) (first, rest *identity.Delta) {
	t := x.agent.Schema.Type(objectType)
	return splitChanges(d, func(c identity.Change) bool {
		if t == nil {
			return false
		}
		a := t.Attribute(c.Name)
		return a != nil && waits(a) && !slices.Contains(t.Anchor, c.Name)
	})
}
