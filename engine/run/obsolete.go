package run

import (
	"fmt"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

const obsoletionBatch = 2000

// obsolete concludes from a complete read that objects which it did not deliver
// are gone (sync-engine §2.3). Nothing is marked if that would be more than the
// agent's threshold allows, or everything there is.
func (x *staging) obsolete() error {
	if all, err := x.sawAll(); err != nil || all {
		return err
	}
	unseen, total, err := x.unseen()
	if err != nil || len(unseen) == 0 {
		return err
	}
	gone, err := x.gone(unseen)
	if err != nil {
		return err
	}
	if x.entries == 0 && gone > 0 {
		stopped := fault.New(string(StoppedDeletionLimit), "the system delivered no object at all, and %d are known", gone)
		stopped.Hint = "if the system really is empty, remove its objects in steps"
		return stopped
	}
	if limit := x.agent.Thresholds.ImportDeletes; limit.Exceeded(gone, total) {
		stopped := fault.New(string(StoppedDeletionLimit), "%d of %d objects are gone, more than thresholds.import.deletes allows", gone, total)
		stopped.Hint = "if that is right, raise the threshold; nothing has been deleted"
		return stopped
	}
	for len(unseen) > 0 {
		batch := unseen[:min(len(unseen), obsoletionBatch)]
		unseen = unseen[len(batch):]
		err := x.space.Update(func(tx *space.Tx) error {
			for _, id := range batch {
				if err := tx.Unit(func() error { return x.obsoleteObject(tx, id) }); err != nil {
					return fmt.Errorf("mark %s obsolete: %w", id, err)
				}
			}
			return nil
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

// unseen returns the objects that existed before the import and that it did not
// deliver, and how many there are in all.
func (x *staging) unseen() (unseen []identity.ID, total int, err error) {
	after := identity.ID(0)
	for {
		var ids []identity.ID
		err := x.space.View(func(tx *space.Tx) (err error) {
			ids, err = tx.IDs(x.agent.Name, after, 10*obsoletionBatch)
			return err
		})
		if err != nil || len(ids) == 0 {
			return unseen, total, err
		}
		for _, id := range ids {
			after = id
			if id.Sequence() <= x.newest && !x.seen.has(id.Sequence()) {
				unseen = append(unseen, id)
			}
		}
		total += len(ids)
	}
}

// gone counts the objects that were imported before and would now be deleted
// without the engine having asked for it.
func (x *staging) gone(unseen []identity.ID) (int, error) {
	gone := 0
	err := x.space.View(func(tx *space.Tx) error {
		for _, id := range unseen {
			if err := tx.Unit(func() error {
				c, err := tx.Connector(id)
				if err == nil && c != nil && missing(c) && (c.Exported == nil || c.Exported.Op != identity.Delete) && (c.Import == nil || !c.Import.Op.Removes()) {
					gone++
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
// is one that a system has had.
func missing(c *space.Connector) bool { return c.State != space.Placeholder && !c.Provisioned }

func (x *staging) obsoleteObject(tx *space.Tx, id identity.ID) error {
	c, err := tx.Connector(id)
	if err != nil || c == nil {
		return err
	}
	switch {
	case c.Provisioned && !c.State.IsConnector():
		return tx.RemoveConnector(c) // sent, cut off, and it is not there: nothing is left to delete
	case c.Provisioned && c.Exported != nil:
		// It was created, and then it was not there.
		x.missed(c)
		tx.PutConnector(c)
		return nil
	case !missing(c):
		return nil
	case c.Exported != nil && c.Exported.Op == identity.Delete && !c.State.IsConnector():
		x.report.Staging[stageDelete]++
		return tx.RemoveConnector(c)
	case c.Import != nil && c.Import.Op.Removes():
		return nil // known already, and not yet synchronized
	}
	x.report.Staging[stageDelete]++
	c.Import = &identity.Delta{Op: identity.Obsolete}
	c.SetDigest(nil)
	tx.PutConnector(c)
	return nil
}
