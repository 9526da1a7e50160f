package run

import (
	"fmt"
	"maps"
	"slices"

	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// Where the deletions of metaverse objects are limited, the objects that would delete
// one are set aside, and everything else is synchronized. Only then is it known how
// many they are: they are carried out too, or stay as they are until somebody decides.

// deletions are the objects of a step that were set aside. nil limits nothing.
type deletions struct {
	x     *synchronization
	place hold.Place
	full  bool
	total int // metaverse objects before the step

	aside    map[identity.ID]setAside // not carried out
	rejected []hold.Mark
	left     []hold.Mark // of these: they would still be deleted
	done     int         // metaverse objects that were deleted
	allowed  bool        // those that are set aside are being carried out
	approved bool
	meter    *meter
	reasons  []hold.Reason // why what is set aside stays so
}

// A setAside is an object that would delete a metaverse object.
type setAside struct {
	mark   hold.Mark
	object hold.Object
}

// limitDeletions has deletions counted before they are carried out, if they are
// limited.
func (x *synchronization) limitDeletions(t StepType) {
	m := Measure{hold.Sync, hold.Deletes}
	thresholds := &x.agent.Thresholds
	if !thresholds.limit(m, false).IsSet && !thresholds.limit(m, true).IsSet {
		return
	}
	x.deletions = &deletions{
		x: x, place: x.heldAt(hold.Sync, hold.Sync), full: t != DeltaSync, total: -1, aside: map[identity.ID]setAside{},
	}
	x.sync.AskDeletions(func() bool { return x.deletions.allowed })
}

// has reports whether an object was set aside and stays so for now.
func (d *deletions) has(id identity.ID) bool {
	if d == nil || d.allowed {
		return false
	}
	_, found := d.aside[id]
	return found || slices.ContainsFunc(d.left, func(m hold.Mark) bool { return m.ID == id })
}

// note notes what became of an object: true if it was set aside.
func (d *deletions) note(tx *space.Tx, id identity.ID, result *sync.Result) (aside bool, err error) {
	if d == nil {
		return false, nil
	}
	if result.Deleted > 0 {
		d.done += result.Deleted
		if d.allowed {
			delete(d.aside, id)
		}
		return false, d.meter.add(tx.Store(), hold.Deletes, result.Deleted)
	}
	if result.SetAside.ID == 0 {
		delete(d.aside, id) // it would no longer delete anything
		return false, nil
	}
	if d.total < 0 {
		d.total = metaverseObjects(tx)
		if d.rejected, err = hold.Rejected(tx.Store(), d.place); err != nil {
			return true, err
		}
	}
	mark := hold.Mark{ID: id, Hash: hashOf(result.Subject.Import)}
	if contains(d.rejected, mark) {
		if _, found := hold.Find(d.left, id); !found {
			d.left = append(d.left, mark)
			slices.SortFunc(d.left, hold.CompareMarks)
		}
		return true, nil
	}
	what := fmt.Sprintf("would delete the %s %s from the metaverse", result.SetAside.Type, result.SetAside.ID)
	if n := result.SetAside.Connectors; n == 1 {
		what += ", which is connected with 1 more object"
	} else if n > 1 {
		what += fmt.Sprintf(", which is connected with %d more objects", n)
	}
	s := result.Subject
	object := hold.Object{ID: id, Object: s.ObjectType, DN: s.DN, Anchor: s.Anchor, What: what}
	if s.ID == 0 { // the object of the metaverse itself
		object.Object = result.SetAside.Type
	}
	d.aside[id] = setAside{mark, object}
	return true, nil
}

// carryOut synchronizes what is set aside if that is no more than the limits allow, and
// reports whether it did anything.
func (d *deletions) carryOut() (some bool, err error) {
	if d == nil || len(d.aside) == 0 || d.x.halt != "" {
		return false, nil
	}
	var approval *hold.Approval
	err = d.x.space.View(func(tx *space.Tx) error {
		kv := tx.Store()
		var err error
		n := len(d.aside)
		if !d.approved {
			n += d.done
		}
		again := hold.Counts{hold.Deletes: n - len(d.aside)} // the window has them
		if d.reasons, err = d.x.exceeded(kv, hold.Sync, hold.Counts{hold.Deletes: n}, again, d.total); err != nil {
			return err
		}
		if approval, err = hold.ApprovalOf(kv, d.place); err != nil || len(d.reasons) == 0 {
			return err
		}
		if d.x.allows(approval, d.reasons, again) {
			d.reasons, d.approved = nil, true
		}
		return nil
	})
	if err != nil || len(d.reasons) > 0 {
		return false, err
	}
	d.meter = d.x.newMeter(d.place, d.approved)
	ids := slices.Sorted(maps.Keys(d.aside))
	before := d.done
	d.allowed = true
	err = d.x.walk(listed(&ids), func(tx *space.Tx, id identity.ID) error {
		delete(d.aside, id)
		if id.Space() != 0 {
			return d.x.object(tx, id)
		}
		result, err := d.x.sync.Object(tx, id)
		if err != nil {
			return d.x.end(err)
		}
		d.x.report.countOutbound(result.Outbound)
		_, err = d.note(tx, id, &result)
		return err
	})
	d.allowed = false
	return d.done > before, err
}

// conclude holds the step if more would be deleted than its limits allow, and
// otherwise ends what was held before.
func (d *deletions) conclude() error {
	if d == nil {
		return nil
	}
	x := d.x
	if x.halt != "" {
		return nil
	}
	return x.space.Update(func(tx *space.Tx) error {
		kv := tx.Store()
		if err := d.prune(tx); err != nil {
			return err
		}
		if len(d.left) > 0 {
			x.report.Warnings = append(x.report.Warnings, StepWarning{
				"deletions-rejected", fmt.Sprintf("%d objects would delete metaverse objects, and somebody has rejected that: they stay as they are", len(d.left)),
				"metasync approve " + x.agent.Name + " if that is right",
			})
		}
		if len(d.aside) == 0 {
			h, err := hold.Get(kv, d.place)
			if err != nil {
				return err
			}
			a, err := hold.ApprovalOf(kv, d.place)
			if err != nil || !d.full && (h != nil && h.Rules != "" || a != nil && a.Full) {
				return err // only a full synchronization can tell
			}
			return released(tx, d.place)
		}
		f := finding{place: d.place, reasons: d.reasons}
		if d.full {
			f.rules = x.env.Rules.Fingerprint
		}
		for _, id := range slices.Sorted(maps.Keys(d.aside)) {
			f.marks = append(f.marks, d.aside[id].mark)
			if len(f.objects) < hold.Listed {
				f.objects = append(f.objects, d.aside[id].object)
			}
		}
		held := heldError(StoppedDeletionLimit, d.reasons, x.agent.Name)
		if r := d.reasons[0]; r.Window == "" {
			held.Text = fmt.Sprintf("%d of %d metaverse objects would be deleted, more than thresholds.sync.deletes allows", r.Count, r.Of)
		}
		x.halt, x.report.Error, x.report.Hint = StoppedDeletionLimit, held.Text, "they stay as they are, and everything else was synchronized; "+held.Hint
		return x.keepBack(tx, f)
	})
}

// prune forgets rejected objects that would no longer delete anything.
func (d *deletions) prune(tx *space.Tx) (err error) {
	kv := tx.Store()
	if d.rejected, err = hold.Rejected(kv, d.place); err != nil || len(d.rejected) == 0 {
		return err
	}
	kept := d.left
	if !d.full { // it has not looked at all
		kept = nil
		for _, m := range d.rejected {
			same, err := isPending(tx, hold.Sync, m)
			if err != nil {
				return err
			}
			if same || contains(d.left, m) {
				kept = append(kept, m)
			}
		}
	}
	if len(kept) == len(d.rejected) {
		return nil
	}
	return hold.SetRejected(kv, d.place, kept)
}
