package run

import (
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// listReported lists what there is to synchronize together with what the import
// before reported, in the order of the ids.
func (x *synchronization) listReported(tx *space.Tx, after identity.ID, limit int) ([]identity.ID, error) {
	ids, err := tx.List(space.ToSync, x.agent.Name, after, limit)
	if err != nil {
		return nil, err
	}
	number := x.space.Number(x.agent.Name)
	from := uint64(0)
	if after != 0 {
		from = after.Sequence() + 1
	}
	pending := len(ids)
	for n := from; n/64 < uint64(len(x.reported)) && len(ids) < pending+limit; n++ {
		if x.reported[n/64]>>(n%64) == 0 {
			n |= 63 // nothing more in this word
			continue
		}
		if x.reported.has(n) {
			ids = append(ids, identity.NewID(number, n))
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return ids[:min(limit, len(ids))], nil
}

// reportedOrOrdinary synchronizes an object: fully if it is a connector that the
// import before reported and for which nothing is pending.
func (x *synchronization) reportedOrOrdinary(tx *space.Tx, id identity.ID) error {
	if !x.reported.has(id.Sequence()) {
		return x.ordinary(tx, id)
	}
	c, err := tx.Connector(id)
	if err != nil {
		return err
	}
	if mode := x.mode; c != nil && c.State.IsConnector() && !c.NeedsSync() {
		x.mode = sync.Full
		defer func() { x.mode = mode }()
	}
	return x.ordinary(tx, id)
}
