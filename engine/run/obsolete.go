package run

import (
	"fmt"
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

const obsoletionBatch = 2000

// findMissing finds the objects that a complete read did not deliver: they are gone
// (sync-engine §2.3). That nothing is left at all is not believed.
func (x *staging) findMissing() error {
	if !x.complete {
		return x.findLeft()
	}
	if all, err := x.sawAll(); err != nil || all {
		return err
	}
	err := x.findUnseen()
	if err != nil || len(x.unseen) == 0 {
		return err
	}
	if x.gone, err = x.findGone(x.unseen); err != nil {
		return err
	}
	if x.entries == x.filtered && len(x.gone) > 0 {
		x.nothing = fault.New(string(StoppedDeletionLimit), "the system delivered no object at all, and %d are known", len(x.gone))
		if x.filtered > 0 {
			x.nothing.Text = fmt.Sprintf("the system delivered no object in the included containers, and %d are known", len(x.gone))
		}
		x.nothing.Hint = "nothing has been deleted; if the system really is empty, metasync approve " + x.agent.Name
	}
	return nil
}

// obsolete marks what is missing.
func (x *staging) obsolete() error {
	for batch := range slices.Chunk(x.unseen, x.batchOf(obsoletionBatch)) {
		err := x.space.Update(func(tx *space.Tx) error {
			before, gone := x.report.Staging[stageDelete], 0
			for _, id := range batch {
				if err := tx.Unit(func() error { return x.obsoleteObject(tx, id) }); err != nil {
					return fmt.Errorf("mark %s obsolete: %w", id, err)
				}
				if _, counted := slices.BinarySearch(x.gone, id); counted {
					gone++
				}
			}
			x.ledger.obsoleted += x.report.Staging[stageDelete] - before
			if err := x.ledger.meter.add(tx.Store(), hold.Deletes, gone); err != nil {
				return err
			}
			if err := x.noteStaged(tx); err != nil {
				return err
			}
			return x.details.secure()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sawAll reports whether as many objects were seen as there are.
func (x *staging) sawAll() (all bool, err error) {
	err = x.space.View(func(tx *space.Tx) error {
		objects, counters := int64(0), tx.Counters(x.agent.Name)
		for _, n := range counters[:space.CountPlaceholder+1] { // those of the states
			objects += n
		}
		all = objects == int64(x.seen.len())
		return nil
	})
	return all, err
}

// findUnseen finds the objects that existed before the import and that it did not
// deliver, and counts all.
func (x *staging) findUnseen() error {
	after := identity.ID(0)
	for {
		var ids []identity.ID
		err := x.space.View(func(tx *space.Tx) (err error) {
			ids, err = tx.IDs(x.agent.Name, after, 10*obsoletionBatch)
			return err
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		after = ids[len(ids)-1]
		if ids, err = x.ofPartition(ids); err != nil {
			return err
		}
		for _, id := range ids {
			if id.Sequence() <= x.newest && !x.seen.has(id.Sequence()) {
				x.unseen = append(x.unseen, id)
			}
		}
		x.total += len(ids)
	}
}

// ofPartition returns those of the objects that belong to the partition that was
// read.
func (x *staging) ofPartition(ids []identity.ID) ([]identity.ID, error) {
	if x.partition == "" {
		return ids, nil
	}
	err := x.space.View(func(tx *space.Tx) error {
		kept := ids[:0]
		for _, id := range ids {
			if err := tx.Unit(func() error {
				c, err := tx.Connector(id)
				if err == nil && c != nil && x.belongs(c) {
					kept = append(kept, id)
				}
				return err
			}); err != nil {
				return err
			}
		}
		ids = kept
		return nil
	})
	return ids, err
}

// findGone finds the objects that were imported before and would now be deleted
// without the engine having asked for it.
func (x *staging) findGone(unseen []identity.ID) ([]identity.ID, error) {
	var gone []identity.ID
	err := x.space.View(func(tx *space.Tx) error {
		for _, id := range unseen {
			if err := tx.Unit(func() error {
				c, err := tx.Connector(id)
				if err == nil && c != nil && x.missing(c) && (c.Exported == nil || c.Exported.Op != identity.Delete) && (c.Import == nil || !c.Import.Op.Removes()) {
					gone = append(gone, id)
				}
				return err
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return gone, err
}

// missing reports whether an object that an import did not deliver is gone: it
// is one that a system has had, and of a type that imports deliver.
func (x *staging) missing(c *space.Connector) bool {
	return c.State != space.Placeholder && !c.Provisioned && x.env.Rules.Agent(x.agent.Name).Objects[c.ObjectType] != nil
}

func (x *staging) obsoleteObject(tx *space.Tx, id identity.ID) error {
	c, err := tx.Connector(id)
	if err != nil || c == nil {
		return err
	}
	switch {
	case c.Replaces != nil: // of the old one, which is gone
		x.report.Staging[stageDelete]++
		x.details.obsolete(c)
		return x.vacate(tx, c)
	case c.Provisioned && !c.State.IsConnector():
		return tx.RemoveConnector(c) // sent, cut off, and it is not there: nothing is left to delete
	case c.Provisioned && c.Exported != nil:
		// It was created, and then it was not there.
		x.missed(c)
		tx.PutConnector(c)
		return nil
	case !x.missing(c):
		return nil
	case c.Exported != nil && c.Exported.Op == identity.Delete && !c.State.IsConnector():
		x.report.Staging[stageDelete]++
		x.details.obsolete(c)
		return tx.RemoveConnector(c)
	case c.Import != nil && c.Import.Op.Removes():
		return nil // known already, and not yet synchronized
	}
	x.report.Staging[stageDelete]++
	x.details.obsolete(c)
	c.Import = &identity.Delta{Op: identity.Obsolete}
	c.SetDigest(nil)
	tx.PutConnector(c)
	return nil
}
