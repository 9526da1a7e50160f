package run

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/store"
)

// A Detail is an object behind a counter. Names are empty if the object tells
// them still.
type Detail struct {
	ID     identity.ID // 0 if the object has never been staged
	Named  bool        // DN, Anchor and ObjectType are those at the time
	DN     string
	Anchor string

	ObjectType string

	// Delta is what happened to it. Where values were replaced or deleted, Removed
	// holds those before, as far as they were known. nil if there is nothing to say.
	Delta *identity.Delta
}

// Details yields the objects that a step of a run counted, in that order, until
// yield returns false. agentName is the agent of the run or, for outbound
// counters, the one that receives the changes.
func (h *History) Details(run uint64, step int, group CounterGroup, agentName, counter string, yield func(Detail) bool) error {
	prefix := detailPrefix(run, step, detailKey{group, agentName, counter})
	for number := uint32(0); ; number++ {
		var page []Detail
		err := h.store.View(func(tx store.Reader) (err error) {
			data := tx.Get(bucketDetails, binary.BigEndian.AppendUint32(slices.Clip(prefix), number))
			if data == nil {
				return nil
			}
			page, err = decodeDetails(data)
			return err
		})
		if err != nil {
			return fmt.Errorf("read details of run %d: %w", run, err)
		}
		if page == nil {
			return nil
		}
		for _, detail := range page {
			if !yield(detail) {
				return nil
			}
		}
	}
}

// DetailedSteps returns the numbers of the steps of a run of which objects are kept,
// also of a run that a crash cut short, whose record has no steps.
func (h *History) DetailedSteps(run uint64) (steps []int, err error) {
	prefix := binary.BigEndian.AppendUint64(nil, run)
	err = h.store.View(func(tx store.Reader) error {
		for step, more := 0, true; more; {
			more = false
			for key := range tx.Scan(bucketDetails, prefix, binary.BigEndian.AppendUint16(slices.Clip(prefix), uint16(step+1))) {
				step, more = int(binary.BigEndian.Uint16(key[len(prefix):])), true
				steps = append(steps, step)
				break
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read details of run %d: %w", run, err)
	}
	return steps, nil
}

func decodeDetails(data []byte) ([]Detail, error) {
	names := &pageNames{}
	d := identity.NewDecoder(data, names)
	if version := d.Byte(); version != detailsVersion && d.Err() == nil {
		return nil, fmt.Errorf("%w: a page of version %d", identity.ErrCorrupt, version)
	}
	for range d.Count() {
		names.names = append(names.names, d.Text())
	}
	list := []Detail{}
	for range d.Count() {
		flags := d.Byte()
		detail := Detail{ID: d.ID(), Named: flags&detailNamed != 0}
		if detail.Named {
			detail.DN = d.Text()
			detail.Anchor = detail.DN
			if flags&detailAnchorIsDN == 0 {
				detail.Anchor = d.Text()
			}
			detail.ObjectType = d.Name()
		}
		if flags&detailDelta != 0 {
			detail.Delta = &identity.Delta{Op: d.Operation(), DN: d.Text()}
			for range d.Count() {
				detail.Delta.Changes = append(detail.Delta.Changes, identity.Change{
					Name: d.Name(), Op: d.Operation(), Values: d.Values(), Removed: d.Values(),
				})
			}
		}
		list = append(list, detail)
	}
	return list, d.Close()
}

// removeBatch is how many keys go in one transaction.
const removeBatch = 1000

// remove deletes all keys with a prefix.
func (h *History) remove(bucket store.Bucket, prefix []byte) error {
	for {
		n := 0
		err := h.store.Update(func(tx store.Tx) error {
			var keys [][]byte
			for key := range tx.Scan(bucket, prefix, nil) {
				if keys = append(keys, slices.Clone(key)); len(keys) == removeBatch {
					break
				}
			}
			n = len(keys)
			var errs []error
			for _, key := range keys {
				errs = append(errs, tx.Delete(bucket, key))
			}
			return errors.Join(errs...)
		})
		if err != nil || n < removeBatch {
			return err
		}
	}
}
