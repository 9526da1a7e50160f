package run

import (
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// stage brings one entry into the connector space: it finds its object, confirms
// what was exported to it, and leaves what is new as its pending import. It
// returns the counter that the entry counts in.
func (x *staging) stage(tx *space.Tx, e *agent.Entry, digest space.Digest) (counter string, err error) {
	c, former, err := x.find(tx, e)
	if err != nil {
		return "", err
	}
	if e.Op == identity.Delete && (former || c != nil && !x.belongs(c)) { // another partition's, of which this one says nothing
		return filteredDeletions, nil
	}
	if former {
		return filteredObjects, nil
	}
	if c != nil && x.complete && x.seen.has(c.ID.Sequence()) {
		return "", fault.New("duplicate-object", "the system delivered an object with the anchor %q before", e.Anchor)
	}
	if c != nil && c.Replaces != nil {
		if counter, done, err := x.stageReplaced(tx, c, e, digest); err != nil || done {
			return counter, err
		}
	}
	returned := false
	if !x.containers.IsAll() {
		if returned, counter, err = x.within(tx, c, e); err != nil || counter != "" {
			return counter, err
		}
	}
	switch e.Op {
	case identity.Delete:
		if c == nil || c.State == space.Placeholder {
			return filteredDeletions, nil
		}
		x.seen.set(c.ID.Sequence())
		return stageDelete, x.stageDelete(tx, c)
	case identity.Update:
		if c == nil || c.State == space.Placeholder || c.Import != nil && c.Import.Op.Removes() {
			return "", fault.New("need-full-object", "the system delivered a change to an object that was never imported")
		}
		before := c.DN
		if name := nameOf(c, e); name != before {
			if err := x.takeName(tx, c, name); err != nil {
				return "", err
			}
			if !returned {
				err = x.moveBelow(tx, before, name)
			}
			if err != nil {
				return "", err
			}
		}
		changes, err := x.resolveChanges(tx, c.ID, e.Changes)
		if err != nil {
			return "", err
		}
		image := (&identity.Delta{Op: identity.Update, Changes: changes}).Apply(c.ImportImage())
		if err := x.checker.Image(c.ObjectType, image, changes); err != nil {
			return "", err
		}
		return x.stageImage(tx, c, e, image, before, nil)
	}
	isNew := c == nil || c.State == space.Placeholder
	switch {
	case c == nil || !c.Deleted:
	case x.complete:
		c.Deleted = false // what refers to it is looked at as well
	default:
		c = nil // references to it mean another one, see takeName
	}
	if c == nil {
		c = tx.NewConnector(x.agent.Name)
	}
	before := c.DN
	if name := nameOf(c, e); isNew || name != before {
		if err := x.takeName(tx, c, name); err != nil { // first: the object may refer to itself
			return "", err
		}
		if !isNew && !returned {
			if err := x.moveBelow(tx, before, name); err != nil {
				return "", err
			}
		}
	}
	attributes, err := x.resolve(tx, c.ID, e.Attributes)
	if err != nil {
		return "", err
	}
	keep := &digest
	if d := x.doubtful[c.ID]; d != nil {
		d.digest, keep = digest, nil
	}
	if isNew {
		return x.stageNew(tx, c, e, attributes, keep)
	}
	return x.stageImage(tx, c, e, attributes, before, keep)
}

// find returns the object of an entry: the one with its anchor, else the one
// with its DN if that has no anchor yet, nil if there is none.
//
// former says that the entry is about another object, which had the name of one that
// the engine has created, or is about to, and that no import has shown: a change log
// tells first that an object was added, and only then what became of it. Such an
// entry means nobody who is known.
func (x *staging) find(tx *space.Tx, e *agent.Entry) (c *space.Connector, former bool, err error) {
	if e.Anchor == "" {
		return nil, false, fault.New("missing-anchor-component", "the entry has no anchor")
	}
	id, _, found, err := tx.ByAnchor(x.agent.Name, e.Anchor)
	if err != nil {
		return nil, false, err
	}
	if found {
		c, err = tx.Connector(id)
		return c, false, err
	}
	if id, err = tx.ByDN(x.agent.Name, e.DN); err != nil || id == 0 {
		return nil, false, err
	}
	c, err = tx.Connector(id)
	switch {
	case err != nil || c == nil:
		return nil, false, err
	case c.Provisioned && (e.Op == identity.Update || e.Op == identity.Delete):
		return nil, true, nil
	case c.Anchor == "" || c.Replaces != nil:
		stranger, err := x.isStranger(tx, c, e)
		if err == nil && !stranger {
			return c, false, nil
		}
		return nil, false, err
	}
	return nil, false, nil // another object has the name, see takeName
}

// stageNew stages an object that was not there before.
func (x *staging) stageNew(tx *space.Tx, c *space.Connector, e *agent.Entry, attributes identity.Attributes, digest *space.Digest) (string, error) {
	c.ObjectType, c.Anchor, c.State, c.Partition = e.ObjectType, e.Anchor, space.Disconnector, x.partition
	c.Import = &identity.Delta{Op: identity.Add, ObjectType: e.ObjectType, DN: e.DN, Changes: identity.Diff(nil, attributes)}
	c.SetDigest(digest)
	x.markStaged(c)
	tx.PutConnector(c)
	return stageAdd, nil
}

// stageImage stages what a known object looks like now; formerly is the name
// that it had until this entry.
func (x *staging) stageImage(tx *space.Tx, c *space.Connector, e *agent.Entry, image identity.Attributes, formerly string, digest *space.Digest) (counter string, err error) {
	x.markStaged(c)
	before := c.Import
	renamed := c.DN != formerly
	reborn := !x.complete && before != nil && before.Op == identity.Delete // the change log says so: it is another object with that anchor
	if reborn && !x.agent.Agent.Capabilities().AnchorIsDN {
		if err := tx.Forsake(c.ID, formerly); err != nil {
			return "", err
		}
	}
	if reborn || e.ObjectType != "" && c.ObjectType != e.ObjectType {
		c.Import = &identity.Delta{Op: identity.DeleteAdd, ObjectType: e.ObjectType, DN: e.DN, Changes: identity.Diff(nil, image)}
		x.put(tx, c, e, digest)
		return stageDeleteAdd, nil
	}
	unsynchronized := c.Import != nil && c.Import.Op == identity.Add
	waiting, wasProvisioned, named := c.Exported != nil || c.Provisioned, c.Provisioned, c.Exported.IsRename()
	object := x.env.Rules.Agent(x.agent.Name).Objects[c.ObjectType]
	x.confirm(c, image, object)
	image = x.unchecked(c, image)
	if wasProvisioned && object != nil && len(object.Inbound) > 0 {
		c.Synchronized, unsynchronized = nil, true // inbound rules see it for the first time
	}
	if c.NotReimported {
		digest = nil
	}
	if waiting && c.Link != 0 && object != nil && object.Tested {
		// What is confirmed is no news to synchronization, but to existence tests.
		if err := tx.RetryObject(c.Link); err != nil {
			return "", err
		}
	}
	pending := &identity.Delta{Op: identity.Update, Changes: identity.Diff(c.Synchronized, image)}
	switch {
	case unsynchronized:
		pending = &identity.Delta{Op: identity.Add, ObjectType: c.ObjectType, DN: c.DN, Changes: identity.Diff(nil, image)}
	case renamed || before.IsRename() || named && flowing(object, rules.DNAttribute):
		pending.DN = c.DN
	case len(pending.Changes) == 0:
		pending = nil
	}
	c.Import = pending
	x.put(tx, c, e, digest)
	switch {
	case renamed && !waiting:
		return stageRename, nil
	case !pending.Equal(before):
		return stageUpdate, nil
	}
	return stageNoChange, nil
}

// markStaged notes that this import has shown the object, and how it is now.
func (x *staging) markStaged(c *space.Connector) {
	x.seen.set(c.ID.Sequence())
	x.staged.set(c.ID.Sequence())
	x.details.on(c)
}

// nameOf returns the DN that an entry gives its object.
func nameOf(c *space.Connector, e *agent.Entry) string {
	switch {
	case e.NewDN != "":
		return e.NewDN
	case e.DN != "":
		return e.DN
	}
	return c.DN
}

func (x *staging) put(tx *space.Tx, c *space.Connector, e *agent.Entry, digest *space.Digest) {
	c.Anchor, c.Partition = e.Anchor, x.partition
	c.SetDigest(digest)
	tx.PutConnector(c)
}

// stageDelete stages that the system no longer has an object.
func (x *staging) stageDelete(tx *space.Tx, c *space.Connector) error {
	x.details.on(c)
	if c.Exported != nil && c.Exported.Op == identity.Delete && !c.State.IsConnector() {
		if x.complete {
			return tx.RemoveConnector(c)
		}
		return x.removeDeleted(tx, c) // as we asked for
	}
	c.Import = &identity.Delta{Op: identity.Delete}
	c.SetDigest(nil)
	tx.PutConnector(c)
	return nil
}

// resolve returns the attributes with references to connector-space objects in
// place of DNs. An object that is not there yet gets a placeholder.
func (x *staging) resolve(tx *space.Tx, owner identity.ID, attributes identity.Attributes) (identity.Attributes, error) {
	copied := false
	for i := range attributes {
		if attributes[i].Values[0].Type() != identity.TypeReference {
			continue
		}
		if !copied {
			attributes, copied = attributes.Clone(), true
		}
		values, err := x.resolveValues(tx, owner, attributes[i].Values, x.target)
		if err != nil {
			return nil, err
		}
		attributes[i].Values = values
	}
	return attributes, nil
}

// resolveValues returns values with the objects that find knows by their DNs.
func (x *staging) resolveValues(tx *space.Tx, owner identity.ID, values []identity.Value, find func(*space.Tx, string) (identity.ID, error)) ([]identity.Value, error) {
	out := make([]identity.Value, len(values))
	for i, v := range values {
		if v.Type() != identity.TypeReference || v.Ref() != 0 {
			out[i] = v
			continue
		}
		id, err := find(tx, v.Str())
		if err != nil {
			return nil, err
		}
		x.doubts(owner, id)
		out[i] = identity.ReferenceTo(id)
	}
	return identity.Normalize(out), nil
}

func (x *staging) resolveChanges(tx *space.Tx, owner identity.ID, changes []identity.Change) ([]identity.Change, error) {
	out := slices.Clone(changes)
	for i := range out {
		var err error
		if out[i].Values, err = x.resolveValues(tx, owner, out[i].Values, x.target); err != nil {
			return nil, err
		}
		if out[i].Removed, err = x.resolveValues(tx, owner, out[i].Removed, x.named); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// target returns the object that a reference means by a DN, creating a placeholder if
// need be. That of a deleted object is not meant by what an import shows now; a
// complete import shows what all references mean.
func (x *staging) target(tx *space.Tx, dn string) (identity.ID, error) {
	id, err := x.named(tx, dn)
	if err != nil || x.complete || tx.Counters(x.agent.Name)[space.CountDeleted] == 0 {
		return id, err
	}
	c, err := tx.Connector(id)
	if err != nil || c == nil || !c.Deleted {
		return id, err
	}
	if err := tx.LoseName(c); err != nil {
		return 0, err
	}
	return x.named(tx, dn)
}

// named returns the object with a DN, creating a placeholder if need be.
func (x *staging) named(tx *space.Tx, dn string) (identity.ID, error) {
	if dn == "" {
		return 0, fault.New("invalid-reference-value", "a reference is empty")
	}
	id, err := tx.ByDN(x.agent.Name, dn)
	if err != nil || id != 0 {
		return id, err
	}
	c := tx.NewConnector(x.agent.Name)
	c.DN, c.State = dn, space.Placeholder
	tx.PutConnector(c)
	return c.ID, nil
}
