package run

import (
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// confirm compares what was exported to an object with what the import shows
// (sync-engine §1.3). What arrived is part of the synchronized image from now on,
// so that it is no news to synchronization, unless inbound rules read it; what did
// not is marked.
func (x *staging) confirm(c *space.Connector, image identity.Attributes, object *rules.ObjectRules) {
	exported := c.Exported
	if exported == nil {
		if c.Provisioned {
			// Somebody else created the object that we were about to create.
			c.Provisioned = false
			c.Unapplied = x.onto(c.ObjectType, c.Unapplied, image)
			c.Unapplied = withoutInitial(c.Unapplied, object)
		}
		return
	}
	if exported.Op == identity.Delete {
		doubtful := x.inDoubt(c)
		c.Exported, c.Batch = nil, 0
		c.Unapplied = &identity.Delta{Op: identity.Delete}
		if doubtful {
			return
		}
		if c.Attempts++; c.Attempts >= sync.MaxAttempts {
			c.ExportError = &space.ObjectError{
				Name: "exported-change-not-reimported", Detail: "the system does not delete the object",
				First: x.now(), Last: x.now(), Retries: c.Attempts,
			}
		}
		return
	}
	base := c.ImportImage()
	if c.Provisioned {
		base = nil
	}
	c.Provisioned = false
	remaining := &identity.Delta{Op: identity.Update}
	confirmed := c.Synchronized.Clone()
	for _, change := range exported.Changes {
		if x.exportOnly(c.ObjectType, change.Name) {
			continue
		}
		comparer := x.comparer(c.ObjectType, change.Name)
		switch {
		case comparer == identity.Unchecked:
			confirmed = confirmed.Share(change.Name, applied(change, base))
			continue
		case !arrived(comparer, change, base, image):
		case flowing(object, change.Name):
			continue
		case change.Op == identity.Update && comparer == identity.Exact:
			// Whatever else happened to the attribute is news.
			confirmed = confirmed.Share(change.Name, applied(change, c.Synchronized))
			continue
		default:
			confirmed = confirmed.Share(change.Name, image)
			continue
		}
		remaining.Changes = append(remaining.Changes, change)
	}
	if exported.IsRename() && !x.space.SameDN(x.agent.Name, exported.DN, c.DN) {
		remaining.DN = exported.DN
	}
	c.Synchronized = confirmed
	if remaining.IsZero() || len(remaining.Changes) == 0 && remaining.DN == "" {
		c.Exported, c.Batch, c.NotReimported, c.Attempts = nil, 0, false, 0
		return
	}
	c.Exported = remaining
	if x.inDoubt(c) {
		c.Exported = x.onto(c.ObjectType, remaining, image)
	}
	x.missed(c)
}

// withoutInitial returns a delta without the values that objects get when they are
// created, such as a password: who created it gave it these.
func withoutInitial(delta *identity.Delta, object *rules.ObjectRules) *identity.Delta {
	if delta == nil || object == nil || len(object.Initial) == 0 {
		return delta
	}
	delta.Changes = slices.DeleteFunc(delta.Changes, func(c identity.Change) bool { return object.Initial[c.Name] })
	if len(delta.Changes) == 0 && delta.DN == "" {
		return nil
	}
	return delta
}

// flowing reports whether a value of the attribute flows inbound.
func flowing(object *rules.ObjectRules, attribute string) bool {
	if object == nil {
		return false
	}
	_, found := slices.BinarySearch(object.Flowing, attribute)
	return found
}

// missed handles what was exported to an object and what the import did not show.
// If an interrupted export may never have sent it, that says nothing about the
// system: it is pending again. Otherwise the next synchronization reports it.
func (x *staging) missed(c *space.Connector) {
	if !x.inDoubt(c) {
		c.NotReimported = true
		return
	}
	c.Unapplied = c.Exported.Merge(c.Unapplied)
	c.Exported, c.Batch, c.NotReimported = nil, 0, false
}

// inDoubt reports whether the exported change of an object belongs to an export
// that was interrupted (sync-engine §1.6: escrowed).
func (x *staging) inDoubt(c *space.Connector) bool { return c.Batch > x.confirmedBatch }

// arrived reports whether an attribute is as a change to what was before makes it.
// For single values it is enough that they came and went, whatever else happened
// to the attribute; of one that is kept in a set, nothing but these is read.
func arrived(comparer identity.Comparer, change identity.Change, base, image identity.Attributes) bool {
	if change.Op == identity.Update {
		if a := image.Find(change.Name); a != nil && a.Set != nil {
			return !slices.ContainsFunc(change.Values, func(v identity.Value) bool { return !a.Contains(v) }) &&
				!slices.ContainsFunc(change.Removed, a.Contains) // references: all comparers see them alike
		}
	}
	got := image.Get(change.Name)
	return change.Op == identity.Update && moved(comparer, change, got) || comparer.Equal(change.Apply(base.Get(change.Name)), got)
}

// moved reports whether single values came and went.
func moved(comparer identity.Comparer, change identity.Change, got []identity.Value) bool {
	for _, v := range change.Values {
		if !comparer.Contains(got, v) {
			return false
		}
	}
	for _, v := range change.Removed {
		if comparer.Contains(got, v) {
			return false
		}
	}
	return true
}

// applied returns attributes after one change.
func applied(change identity.Change, base identity.Attributes) identity.Attributes {
	delta := identity.Delta{Op: identity.Update, Changes: []identity.Change{change}}
	return delta.Apply(base)
}

// onto turns a delta, such as that of an object that was to be created, into one
// that brings the object found in its place to the same values.
func (x *staging) onto(objectType string, delta *identity.Delta, image identity.Attributes) *identity.Delta {
	if delta == nil {
		return nil
	}
	out := &identity.Delta{Op: identity.Update}
	if delta.IsRename() {
		out.DN = delta.DN
	}
	for _, c := range delta.Changes {
		if a := image.Find(c.Name); a != nil && a.Set != nil {
			if change, differs := a.Diff(applied(c, image).Find(c.Name)); differs {
				out.Changes = append(out.Changes, change)
			}
			continue
		}
		before := image.Get(c.Name)
		if change, differs := x.comparer(objectType, c.Name).DiffValues(c.Name, before, c.Apply(before)); differs {
			out.Changes = append(out.Changes, change)
		}
	}
	if len(out.Changes) == 0 && out.DN == "" {
		return nil
	}
	return out
}

// comparer says when a value that was exported to an attribute has arrived.
func (x *staging) comparer(objectType, attribute string) identity.Comparer {
	if t := x.agent.Schema.Type(objectType); t != nil {
		if a := t.Attribute(attribute); a != nil {
			return a.Confirm
		}
	}
	return identity.Exact
}

// unchecked returns the image of an object as it counts: what rules export to
// attributes that nobody confirms is what these hold, whatever the system shows.
func (x *staging) unchecked(c *space.Connector, image identity.Attributes) identity.Attributes {
	t := x.agent.Schema.Type(c.ObjectType)
	if t == nil || !c.State.IsConnector() {
		return image
	}
	copied := false
	for i := range t.Attributes {
		a := &t.Attributes[i]
		if a.Confirm != identity.Unchecked || !x.isManaged(c.ObjectType, a.Name) {
			continue
		}
		if !copied {
			image, copied = image.Clone(), true
		}
		image = image.Share(a.Name, c.Synchronized)
	}
	return image
}

// isManaged reports whether a rule exports to an attribute.
func (x *staging) isManaged(objectType, attribute string) bool {
	a := x.env.Rules.Agent(x.agent.Name)
	return a != nil && a.Objects[objectType] != nil && a.Objects[objectType].Managed[attribute]
}

func (x *staging) exportOnly(objectType, attribute string) bool {
	t := x.schema.Type(objectType)
	if t == nil {
		return false
	}
	a := t.Attribute(attribute)
	return a != nil && a.ExportOnly
}
