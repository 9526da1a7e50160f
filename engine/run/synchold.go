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

// Where it is limited how many metaverse objects are deleted, or how many objects lose
// their links, the objects that would do so are set aside, and everything else is
// synchronized. Only then is it known how many they are: they are carried out too, or
// stay as they are until somebody decides.

// removals are the objects of a step that were set aside. nil limits nothing.
type removals struct {
	x     *synchronization
	place hold.Place
	full  bool
	total int // metaverse objects before the step

	aside    map[identity.ID]setAside // not carried out
	rejected []hold.Mark
	left     map[identity.ID]setAside // of these: they would still do it
	done     taken
	allowed  bool // those that are set aside are being carried out
	approved bool
	meter    *meter
	reasons  []hold.Reason // why what is set aside stays so
}

// A setAside is an object that would delete a metaverse object, or disconnect others.
type setAside struct {
	mark   hold.Mark
	object hold.Object
	taken  taken
}

// taken counts what synchronizations take away.
type taken struct{ deletes, disconnects int }

func takenBy(r *sync.Removals) taken {
	if r == nil {
		return taken{}
	}
	return taken{r.Deletes, r.Disconnects}
}

func (t *taken) add(more taken) {
	t.deletes += more.deletes
	t.disconnects += more.disconnects
}

func (t taken) counts() hold.Counts {
	return hold.Counts{hold.Deletes: t.deletes, hold.Disconnects: t.disconnects}
}

// note notes with a meter what was taken away.
func (t taken) note(tx *space.Tx, m *meter) error {
	if err := m.add(tx.Store(), hold.Deletes, t.deletes); err != nil {
		return err
	}
	return m.add(tx.Store(), hold.Disconnects, t.disconnects)
}

// limitsSync reports whether something is limited of a synchronization.
func (t *Thresholds) limitsSync(kind hold.Kind) bool {
	m := Measure{hold.Sync, kind}
	return t.Limits[m].IsSet || t.Window.Limits[m].IsSet
}

// limited reports whether anything that was taken away is limited.
func (t *Thresholds) limited(n taken) bool {
	return n.deletes > 0 && t.limitsSync(hold.Deletes) || n.disconnects > 0 && t.limitsSync(hold.Disconnects)
}

// limitRemovals has what is taken away counted before that is done, if it is limited.
func (x *synchronization) limitRemovals(t StepType) {
	limits := &x.agent.Thresholds
	if !limits.limitsSync(hold.Deletes) && !limits.limitsSync(hold.Disconnects) {
		return
	}
	x.removals = &removals{
		x: x, place: x.heldAt(hold.Sync, hold.Sync), full: t != DeltaSync, total: -1,
		aside: map[identity.ID]setAside{}, left: map[identity.ID]setAside{},
	}
	x.sync.AskRemovals(func(r *sync.Result) bool { return x.removals.allowed || !limits.limited(takenBy(r.Removed)) })
}

// has reports whether an object was set aside and stays so for now.
func (d *removals) has(id identity.ID) bool {
	if d == nil || d.allowed {
		return false
	}
	if _, found := d.aside[id]; found {
		return true
	}
	_, found := d.left[id]
	return found
}

// note notes what became of an object: true if it was set aside.
func (d *removals) note(tx *space.Tx, id identity.ID, result *sync.Result) (aside bool, err error) {
	if d == nil {
		return false, nil
	}
	if !result.SetAside {
		n := takenBy(result.Removed)
		delete(d.aside, id) // it is done, or would no longer take anything away
		delete(d.left, id)
		d.done.add(n)
		return false, n.note(tx, d.meter)
	}
	if d.total < 0 {
		d.total = metaverseObjects(tx)
		if d.rejected, err = hold.Rejected(tx.Store(), d.place); err != nil {
			return true, err
		}
	}
	s := asideOf(id, result)
	if contains(d.rejected, s.mark) {
		d.left[id] = s
	} else {
		d.aside[id] = s
	}
	return true, nil
}

// asideOf returns what a result says of an object that was set aside.
func asideOf(id identity.ID, result *sync.Result) setAside {
	r, s := result.Removed, result.Subject
	object := hold.Object{ID: id, Object: s.ObjectType, DN: s.DN, Anchor: s.Anchor}
	if s.ID == 0 { // the object of the metaverse itself
		object.Object = r.Doomed.Type
	}
	if r.Deletes > 0 {
		object.What = fmt.Sprintf("would delete the %s %s from the metaverse", r.Doomed.Type, r.Doomed.ID)
		if n := r.Doomed.Connectors; n == 1 {
			object.What += ", which is connected with 1 more object"
		} else if n > 1 {
			object.What += fmt.Sprintf(", which is connected with %d more objects", n)
		}
	} else if object.What = "would be disconnected"; r.Disconnects > 1 || r.Cut.ID != id {
		object.What = fmt.Sprintf("would disconnect %s %s %q", r.Cut.Agent, r.Cut.ObjectType, r.Cut.DN)
		if n := r.Disconnects - 1; n == 1 {
			object.What += " and 1 more object"
		} else if n > 1 {
			object.What += fmt.Sprintf(" and %d more objects", n)
		}
	}
	return setAside{hold.Mark{ID: id, Hash: hashOf(s.Import)}, object, takenBy(r)}
}

// carryOut synchronizes what is set aside if that is no more than the limits allow, and
// reports whether it did anything.
func (d *removals) carryOut() (some bool, err error) {
	if d == nil || len(d.aside) == 0 || d.x.halt != "" {
		return false, nil
	}
	var approval *hold.Approval
	var n, again taken
	for _, s := range d.aside {
		n.add(s.taken)
	}
	if !d.approved {
		again = d.done // the window has it
		n.add(d.done)
	}
	err = d.x.space.View(func(tx *space.Tx) error {
		kv := tx.Store()
		var err error
		if d.reasons, err = d.x.exceeded(kv, hold.Sync, n.counts(), again.counts(), d.total); err != nil {
			return err
		}
		if approval, err = hold.ApprovalOf(kv, d.place); err != nil || len(d.reasons) == 0 {
			return err
		}
		if d.x.allows(approval, d.reasons, again.counts()) {
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
	return d.done != before, err
}

// conclude holds the step if more would be taken away than its limits allow, and
// otherwise ends what was held before.
func (d *removals) conclude() error {
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
		d.warn()
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
		f := finding{place: d.place, reasons: d.reasons, pending: len(d.aside)}
		if d.full {
			f.rules = x.env.Rules.Fingerprint
		}
		for _, id := range slices.Sorted(maps.Keys(d.aside)) {
			f.marks = append(f.marks, d.aside[id].mark)
			if len(f.objects) < hold.Listed {
				f.objects = append(f.objects, d.aside[id].object)
			}
		}
		x.heldRemovals(d.reasons, "they stay as they are, and everything else was synchronized")
		return x.keepBack(tx, f)
	})
}

// warn says what was left out because somebody has rejected it.
func (d *removals) warn() {
	deletes, others := 0, 0
	for _, s := range d.left {
		if s.taken.deletes > 0 {
			deletes++
		} else {
			others++
		}
	}
	hint := "metasync approve " + d.x.agent.Name + " if that is right"
	if deletes > 0 {
		d.x.report.Warnings = append(d.x.report.Warnings, StepWarning{
			"deletions-rejected", fmt.Sprintf("%d objects would delete metaverse objects, and somebody has rejected that: they stay as they are", deletes), hint,
		})
	}
	if others > 0 {
		d.x.report.Warnings = append(d.x.report.Warnings, StepWarning{
			"disconnections-rejected", fmt.Sprintf("%d objects would be disconnected, or disconnect others, and somebody has rejected that: they stay as they are", others), hint,
		})
	}
}

// heldRemovals sets the result of a step that would take too much away; left says what
// becomes of that.
func (s *step) heldRemovals(reasons []hold.Reason, left string) {
	held := heldError(resultOf(hold.Sync, reasons), reasons, s.agent.Name)
	if r := reasons[0]; len(reasons) == 1 && r.Window == "" {
		switch {
		case r.Kind == hold.Deletes:
			held.Text = fmt.Sprintf("%d of %d metaverse objects would be deleted, more than thresholds.sync.deletes allows", r.Count, r.Of)
		case r.Count == 1:
			held.Text = "1 object would be disconnected, more than thresholds.sync.disconnects allows"
		default:
			held.Text = fmt.Sprintf("%d objects would be disconnected, more than thresholds.sync.disconnects allows", r.Count)
		}
	}
	s.halt, s.report.Error, s.report.Hint = Result(held.Name), held.Text, left+"; "+held.Hint
}

// prune forgets rejected objects that would no longer take anything away.
func (d *removals) prune(tx *space.Tx) (err error) {
	kv := tx.Store()
	if d.rejected, err = hold.Rejected(kv, d.place); err != nil || len(d.rejected) == 0 {
		return err
	}
	var kept []hold.Mark
	for _, m := range d.rejected {
		_, left := d.left[m.ID]
		if !left && !d.full { // it has not looked at all
			if left, err = isPending(tx, hold.Sync, m); err != nil {
				return err
			}
		}
		if left {
			kept = append(kept, m)
		}
	}
	if len(kept) == len(d.rejected) {
		return nil
	}
	return hold.SetRejected(kv, d.place, kept)
}
