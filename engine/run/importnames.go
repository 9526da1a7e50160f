package run

import (
	"fmt"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// Entries refer to each other by name, and a name may pass from one object to
// another within an import. A complete read shows all names as they are at one
// time, but in any order: when an entry with a reference is staged, the object
// that bears the name may turn out to have given it up. So what is doubtful is
// remembered, and put right when all names are known.

// transientPrefix begins the name of an object that lost its name to another
// one and has not shown up under a new one (sync-engine §1.4).
const transientPrefix = "transient:"

func isTransient(c *space.Connector) bool { return strings.HasPrefix(c.DN, transientPrefix) }

// A doubt is an object with references to others that bore the name when it was
// staged, but had not been seen in this import.
type doubt struct {
	targets []identity.ID
	digest  space.Digest // stored when the doubt is settled
}

// takeName gives an object a name. Whoever had it is out of it: a placeholder
// was this object all along, another object has to show up under a new name.
func (x *staging) takeName(tx *space.Tx, c *space.Connector, dn string) error {
	id, err := tx.ByDN(x.agent.Name, dn)
	if err != nil {
		return err
	}
	if id != 0 && id != c.ID {
		holder, err := tx.Connector(id)
		if err != nil {
			return err
		}
		if err := x.displace(tx, holder, c); err != nil {
			return err
		}
	}
	if c.DN != "" && c.DN != dn && !isTransient(c) {
		if err := x.gaveUp(tx, c); err != nil {
			return err
		}
	}
	c.DN = dn
	tx.PutConnector(c)
	return nil
}

// displace takes the name from an object, for another one.
func (x *staging) displace(tx *space.Tx, holder, by *space.Connector) error {
	switch {
	case holder.State == space.Placeholder && !x.complete:
		return tx.Absorb(holder, by)
	case holder.State == space.Placeholder:
		// Who refers to it may also refer to the object by the name that it had
		// before: the two must not become one before all names are known.
	case !x.complete && holder.Import != nil && holder.Import.Op == identity.Delete && !x.agent.Agent.Capabilities().AnchorIsDN:
		if err := tx.Forsake(holder.ID, holder.DN); err != nil { // the change log has told that it is deleted
			return err
		}
	case x.complete && x.seen.has(holder.ID.Sequence()):
		return fault.New("duplicate-object", "the system delivered another object named %q before", holder.DN)
	case holder.Anchor == "":
		// We are about to create an object of that name. Its rules have to say
		// what becomes of it.
		holder.ExportError = &space.ObjectError{
			Name: "object-already-exists", Detail: fmt.Sprintf("the system has another object named %q", holder.DN),
			First: x.now(), Last: x.now(),
		}
		if err := tx.RetryObject(holder.Link); err != nil {
			return err
		}
	}
	if err := x.gaveUp(tx, holder); err != nil {
		return err
	}
	holder.DN = transientPrefix + holder.ID.String()
	tx.PutConnector(holder)
	return nil
}

// gaveUp notes that an object no longer has its name, and has everyone looked at
// again who refers to it, in this import or, should it break off, in the next. A
// name that only an export gave it, and no import has shown, is none that entries
// can have meant.
func (x *staging) gaveUp(tx *space.Tx, c *space.Connector) error {
	if c.Exported.IsRename() && x.space.SameDN(x.agent.Name, c.Exported.DN, c.DN) {
		return nil
	}
	if x.moved == nil {
		x.moved = map[identity.ID]string{}
	}
	if _, known := x.moved[c.ID]; !known {
		x.moved[c.ID] = c.DN
	}
	return tx.DoubtReferrers(c.ID)
}

// doubts remembers that an object was staged with a reference to another one
// whose name may be an old one.
func (x *staging) doubts(owner, target identity.ID) {
	if !x.complete || target == owner || target.Sequence() > x.newest || x.seen.has(target.Sequence()) {
		return
	}
	if x.doubtful == nil {
		x.doubtful = map[identity.ID]*doubt{}
	}
	d := x.doubtful[owner]
	if d == nil {
		d = &doubt{}
		x.doubtful[owner] = d
	}
	d.targets = append(d.targets, target)
}

// settleNames puts right the references that named objects by names which
// these gave up in this import. whole says that the import was complete and
// without errors, so that also objects which it found unchanged mean the names
// as they are now.
func (x *staging) settleNames(whole bool) error {
	plan, err := x.planNames(whole)
	if err != nil {
		return fmt.Errorf("settle names: %w", err)
	}
	for page := range slices.Chunk(sortedIDs(plan), importPage) {
		err := x.update(func(tx *space.Tx) error {
			for _, owner := range page {
				err := tx.Unit(func() error {
					names := map[identity.ID]string{}
					for _, id := range plan[owner] {
						names[id] = x.moved[id]
					}
					return x.redirect(tx, owner, names)
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("settle names: %w", err)
		}
	}
	for page := range slices.Chunk(sortedIDs(x.doubtful), importPage) {
		err := x.update(func(tx *space.Tx) error {
			for _, id := range page {
				err := tx.Unit(func() error {
					c, err := tx.Connector(id)
					if err != nil || c == nil || c.NotReimported {
						return err
					}
					c.SetDigest(&x.doubtful[id].digest)
					tx.PutConnector(c)
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("settle names: %w", err)
		}
	}
	return nil
}

// planNames finds the objects whose references to objects that moved mean
// somebody else now.
func (x *staging) planNames(whole bool) (plan map[identity.ID][]identity.ID, err error) {
	plan = map[identity.ID][]identity.ID{}
	err = x.view(func(tx *space.Tx) error {
		for _, id := range sortedIDs(x.moved) {
			moved, err := tx.Connector(id)
			if err != nil {
				return err
			}
			// A placeholder is nothing but its name, whoever refers to it.
			nameless := moved != nil && moved.State == space.Placeholder
			owners, err := tx.Referrers(id)
			if err != nil {
				return err
			}
			for _, owner := range owners {
				d := x.doubtful[owner]
				elsewhere := x.partition != "" && !x.seen.has(owner.Sequence()) // this import says nothing of it
				if nameless || d != nil && slices.Contains(d.targets, id) || whole && !elsewhere && !x.staged.has(owner.Sequence()) {
					plan[owner] = append(plan[owner], id)
				}
			}
		}
		return nil
	})
	return plan, err
}

// redirect makes an object that referred to others by the given names, which
// these gave up, refer to whoever bears the names now, as a change of its
// imported image.
func (x *staging) redirect(tx *space.Tx, owner identity.ID, names map[identity.ID]string) error {
	c, err := tx.Connector(owner)
	if err != nil || c == nil || c.State == space.Placeholder || c.Import != nil && c.Import.Op.Removes() {
		return err
	}
	image, now := c.ImportImage(), map[identity.ID]identity.ID{}
	if c.Replaces != nil {
		image = c.Replaces.Attributes // what was imported is that of the old one
	}
	for _, id := range sortedIDs(names) {
		refers := func(a identity.Attribute) bool { return a.Contains(identity.ReferenceTo(id)) }
		if !slices.ContainsFunc(image, refers) {
			continue
		}
		if now[id], err = x.target(tx, names[id]); err != nil {
			return err
		}
	}
	if len(now) == 0 {
		return nil
	}
	image = space.ReplaceReferences(image, now)
	if c.Replaces != nil {
		c.Replaces.Attributes = image
		tx.PutConnector(c)
		return nil
	}
	pending := &identity.Delta{Op: identity.Update}
	if c.Import != nil {
		*pending = *c.Import
	}
	if pending.Op == identity.Add || pending.Op == identity.DeleteAdd {
		pending.Changes = identity.Diff(nil, image)
	} else {
		pending.Changes = identity.Diff(c.Synchronized, image)
	}
	if pending.Op == identity.Update && pending.DN == "" && len(pending.Changes) == 0 {
		pending = nil
	}
	c.Import = pending
	tx.PutConnector(c)
	return nil
}

// reportTransients warns of objects that lost their name and got no new one.
func (x *staging) reportTransients() error {
	return x.view(func(tx *space.Tx) error {
		for _, id := range sortedIDs(x.moved) {
			c, err := tx.Connector(id)
			if err != nil {
				return err
			}
			if c == nil || !isTransient(c) || c.Anchor == "" || c.Import != nil && c.Import.Op.Removes() {
				continue
			}
			x.transients++
			warning := fault.New("transient-object", "another object has taken its name %q, and the import did not tell its new one", x.moved[id])
			record := x.errorRecord(warning).of(c, nil)
			record.Warning = true
			x.report.add(&x.report.DiscoveryErrors, record)
		}
		return nil
	})
}

func sortedIDs[V any](m map[identity.ID]V) []identity.ID {
	ids := make([]identity.ID, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
