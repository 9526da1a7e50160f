package run

import (
	"fmt"

	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// Whoever synchronizes one object by itself asks for that object. So what an import has
// staged of others does not hold it; but what it takes away counts like that of a run,
// and is held like that of a run: by a limit of 0, by a window, or because a run was
// held for it or somebody has rejected it. Otherwise what is held could be got past one
// object at a time.

// A lone is an object that is synchronized by itself, where what is taken away is
// limited. nil limits nothing.
type lone struct {
	x     *synchronization
	tx    *space.Tx
	place hold.Place
	total int // metaverse objects before

	mark     hold.Mark
	before   *hold.Hold // at the place
	found    []hold.Mark
	reasons  []hold.Reason // why it was set aside, if no hold or rejection says so
	rejected bool
	approval *hold.Approval // that is used up
	err      error          // of the store
}

// limitLone has what the object takes away compared with the limits before it is done.
func (x *synchronization) limitLone(tx *space.Tx) *lone {
	limits := &x.agent.Thresholds
	if !limits.limitsSync(hold.Deletes) && !limits.limitsSync(hold.Disconnects) {
		return nil
	}
	o := &lone{x: x, tx: tx, place: x.heldAt(hold.Sync, hold.Sync), total: metaverseObjects(tx)}
	x.sync.AskRemovals(func(r *sync.Result) bool {
		if !limits.limited(takenBy(r.Removed)) {
			return true
		}
		var allowed bool
		allowed, o.err = o.allows(r)
		return allowed && o.err == nil
	})
	return o
}

// allows compares what the object takes away with the limits.
func (o *lone) allows(r *sync.Result) (allowed bool, err error) {
	kv := o.tx.Store()
	o.mark = asideOf(r.Subject.ID, r).mark
	rejected, err := hold.Rejected(kv, o.place)
	if err != nil {
		return false, err
	}
	if o.before, err = hold.Get(kv, o.place); err != nil {
		return false, err
	}
	if o.found, err = hold.Found(kv, o.place); err != nil {
		return false, err
	}
	if o.rejected = contains(rejected, o.mark); o.rejected || contains(o.found, o.mark) && len(o.found) > 1 {
		return false, nil
	}
	counts := takenBy(r.Removed).counts()
	if o.reasons, err = o.x.exceeded(kv, hold.Sync, counts, nil, o.total); err != nil || len(o.reasons) == 0 {
		return err == nil, err
	}
	approval, err := hold.ApprovalOf(kv, o.place)
	if err != nil || !o.x.allows(approval, o.reasons, nil) {
		return false, err
	}
	o.reasons, o.approval = nil, approval
	return true, nil
}

// conclude notes what the object took away, or why it was set aside.
func (o *lone) conclude(result *sync.Result) error {
	switch {
	case o == nil:
		return nil
	case o.err != nil:
		return o.err
	case result.SetAside:
		return o.holdBack(result)
	}
	if err := takenBy(result.Removed).note(o.tx, o.x.newMeter(o.place, o.approval != nil)); err != nil {
		return err
	}
	return o.release(result)
}

// holdBack says why the object stays as it is, and writes that, unless a hold of other
// objects is there that nobody has decided about: that one stays.
func (o *lone) holdBack(result *sync.Result) error {
	s, hint := o.x.step, approveHint(o.place.Agent)
	undecided := o.before != nil && o.before.Rejected == nil && !(len(o.found) == 1 && o.found[0].ID == o.mark.ID)
	switch {
	case o.rejected:
		s.halt = resultOf(hold.Sync, reasonsOf(o.before))
		s.report.Error = "it would delete a metaverse object, or disconnect others, and somebody has rejected that"
		s.report.Hint = "it stays as it is; " + hint
		return nil
	case undecided && len(o.reasons) == 0:
		s.halt = resultOf(hold.Sync, o.before.Reasons)
		s.report.Error = fmt.Sprintf("it is one of the objects that run %d has held: %s", o.before.Run, hold.Text(o.before.Reasons))
		s.report.Hint = "it stays as it is; " + hint
	default:
		s.heldRemovals(o.reasons, "it stays as it is")
	}
	if undecided {
		s.report.Held, s.report.HeldBefore = o.before, true
		return nil
	}
	a := asideOf(result.Subject.ID, result)
	f := finding{place: o.place, reasons: o.reasons, marks: []hold.Mark{a.mark}, objects: []hold.Object{a.object}, pending: 1}
	if result.Subject.Import.IsZero() {
		f.rules = o.x.env.Rules.Fingerprint // nothing is pending: the rules are why
	}
	return s.keepBack(o.tx, f)
}

func reasonsOf(h *hold.Hold) []hold.Reason {
	if h == nil {
		return nil
	}
	return h.Reasons
}

// release ends what was held because of this object alone, and an approval that is used
// up.
func (o *lone) release(result *sync.Result) error {
	kv := o.tx.Store()
	if o.approval != nil {
		a, err := hold.ApprovalOf(kv, o.place)
		if err != nil {
			return err
		}
		for kind := range o.approval.Allowed {
			if a != nil && a.Allowed[kind] > 0 {
				return nil
			}
		}
		return released(o.tx, o.place)
	}
	found, err := hold.Found(kv, o.place)
	if err != nil || len(found) != 1 || found[0].ID != result.Subject.ID {
		return err
	}
	return released(o.tx, o.place)
}
