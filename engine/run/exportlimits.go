package run

import (
	"fmt"
	"maps"
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// exportLimits are what an export knows of its limits.
type exportLimits struct {
	held    bool                   // see space.AgentState
	meter   *meter                 // of what is sent
	counted map[identity.ID]bool   // what it has noted, or an export before this one
	left    map[identity.ID]uint64 // rejected objects that were left out
}

// exportTally counts what a plan holds, by the kinds of limits.
type exportTally struct {
	all, again kindCounts          // again: of all, what an interrupted export has sent
	removals   map[identity.ID]int // member removals; nil if they are not limited
}

// kindCounts counts changes: one of the kinds for each object.
type kindCounts struct{ deletes, adds, updates, renames, removals int }

func (k *kindCounts) add(kind hold.Kind, removals int) {
	switch kind {
	case hold.Deletes:
		k.deletes++
	case hold.Adds:
		k.adds++
	case hold.Renames:
		k.renames++
	default:
		k.updates++
	}
	k.removals += removals
}

// counts returns them as limits count them.
func (k *kindCounts) counts() hold.Counts {
	return hold.Counts{
		hold.Deletes: k.deletes, hold.Adds: k.adds, hold.Updates: k.updates, hold.Renames: k.renames,
		hold.Changes: k.deletes + k.adds + k.updates + k.renames, hold.MemberRemovals: k.removals,
	}
}

// exportedKind returns what a change counts as.
func exportedKind(d *identity.Delta) hold.Kind {
	switch {
	case d.Op.Removes() || d.Op == identity.DeleteAdd:
		return hold.Deletes
	case d.Op == identity.Add:
		return hold.Adds
	case d.IsRename():
		return hold.Renames
	}
	return hold.Updates
}

// exportedAs says in words what would happen.
func exportedAs(d *identity.Delta) string {
	switch {
	case d.Op == identity.DeleteAdd:
		return "would be deleted, and another one created in its place"
	case d.Op.Removes():
		return "would be deleted"
	case d.Op == identity.Add:
		return "would be created"
	case d.IsRename():
		return fmt.Sprintf("would be renamed to %q", d.DN)
	}
	return "would be changed"
}

// count counts the change of an object.
func (p *planner) count(c *space.Connector, d *identity.Delta) {
	if d.IsZero() {
		return
	}
	kind := exportedKind(d)
	removals := 0
	if kind != hold.Deletes && kind != hold.Adds && p.limitsRemovals() {
		if removals = p.removed(c, d); removals > 0 {
			if p.tally.removals == nil {
				p.tally.removals = map[identity.ID]int{}
			}
			p.tally.removals[c.ID] = removals
		}
	}
	p.tally.all.add(kind, removals)
	if p.isInterrupted(c) || c.Replaces != nil && c.Replaces.Batch > p.confirmed {
		p.tally.again.add(kind, removals)
	}
}

// limitsRemovals reports whether the values are counted that references lose.
func (x *export) limitsRemovals() bool {
	m := Measure{hold.Export, hold.MemberRemovals}
	return x.agent.Thresholds.limit(m, false).IsSet || x.agent.Thresholds.limit(m, true).IsSet
}

// removed returns how many values a change takes out of references with many values.
func (x *export) removed(c *space.Connector, d *identity.Delta) int {
	t := x.agent.Schema.Type(c.ObjectType)
	if t == nil {
		return 0
	}
	n := 0
	for i := range d.Changes {
		change := &d.Changes[i]
		a := t.Attribute(change.Name)
		if a == nil || !a.Multi || a.Type != identity.TypeReference {
			continue
		}
		n += len(change.Removed)
		if change.Op != identity.Delete && change.Op != identity.Replace {
			continue
		}
		image := c.ExportedImage()
		if x.isInterrupted(c) {
			image = c.ImportImage()
		}
		if had := image.Find(change.Name); had != nil {
			n += had.Len()
			for _, v := range change.Values {
				if had.Contains(v) {
					n--
				}
			}
		}
	}
	return n
}

// at is where the hold of this export is kept: that of a file is one of its own.
func (x *export) at() hold.Place {
	p := x.heldAt(hold.Export, hold.Export)
	p.File = x.definition.Resume
	return p
}

// checkThreshold returns an error if the export would do more than it may: it is held
// then. If only deletions are to be held back, it takes them out of the plan.
func (x *export) checkThreshold(total int) error {
	counts, again := x.plan.tally.all.counts(), x.plan.tally.again.counts()
	counts[hold.Deletes] = x.plan.removals()
	if x.chosen != nil && counts[hold.Deletes] > 0 {
		counts[hold.Deletes] = max(counts[hold.Deletes], x.waiting)
	}
	counts[hold.Adds] -= len(x.cleared) // they were counted as deletions, and are still the same change
	var reasons []hold.Reason
	var approval *hold.Approval
	err := x.space.View(func(tx *space.Tx) (err error) {
		if reasons, err = x.exceeded(tx.Store(), hold.Export, counts, again, total); err == nil && x.limited.held && x.chosen == nil {
			approval, err = hold.ApprovalOf(tx.Store(), x.at())
		}
		return err
	})
	if err != nil {
		return err
	}
	approved := len(reasons) > 0 && x.allows(approval, reasons, again)
	if x.limited.meter = x.newMeter(x.at(), approved || x.limited.meter != nil && x.limited.meter.approved); x.limited.meter != nil && x.limited.counted == nil {
		x.limited.counted = map[identity.ID]bool{}
	}
	if len(reasons) == 0 || approved {
		return nil
	}
	exceeded := x.tooMuch(reasons, counts[hold.Deletes], total)
	onlyDeletes := x.agent.Thresholds.SuppressDeletesOnly && !slices.ContainsFunc(reasons, func(r hold.Reason) bool { return r.Kind != hold.Deletes })
	if x.chosen == nil {
		if err := x.keepBackExport(reasons, onlyDeletes); err != nil {
			return err
		}
	}
	if !onlyDeletes {
		return exceeded
	}
	if err := x.takeBack(x.plan.holdDeletes()); err != nil {
		return err
	}
	x.heldBack = exceeded
	if len(x.plan.changes) == 0 {
		return exceeded
	}
	exceeded.Hint = onlyDeletesHeld
	return nil
}

// tooMuch returns the error of an export that is held.
func (x *export) tooMuch(reasons []hold.Reason, deletes, total int) *fault.Error {
	if len(reasons) == 1 && reasons[0].Kind == hold.Deletes && reasons[0].Window == "" {
		return x.deletionError(deletes, total)
	}
	err := heldError(resultOf(hold.Export, reasons), reasons, x.agent.Name)
	err.Hint = "nothing has been exported; " + err.Hint
	return err
}

func (x *export) deletionError(deletes, total int) *fault.Error {
	err := fault.New(string(StoppedExportThreshold), "%d of %d objects would be deleted, more than %s", deletes, total, x.limits.deletesNamed)
	err.Hint = "nothing has been exported; " + approveHint(x.agent.Name)
	return err
}

// keepBackExport writes which objects the reasons are about.
func (x *export) keepBackExport(reasons []hold.Reason, partial bool) error {
	f := finding{place: x.at(), reasons: reasons, partial: partial}
	all := slices.Concat(x.plan.early, x.plan.deletes, x.plan.replaced, x.plan.changes)
	slices.Sort(all)
	all = slices.Compact(all)
	return x.space.Update(func(tx *space.Tx) error {
		for page := range slices.Chunk(all, exportPage) {
			err := tx.Unit(func() error {
				for _, id := range page {
					c, err := tx.Connector(id)
					if err != nil {
						return err
					}
					if c == nil {
						continue
					}
					d := x.due(c)
					if d.IsZero() {
						continue // a full export sends it whole
					}
					kind, what := exportedKind(d), exportedAs(d)
					removals := x.plan.tally.removals[id]
					if !slices.ContainsFunc(reasons, func(r hold.Reason) bool {
						return r.Kind == kind || r.Kind == hold.Changes || r.Kind == hold.MemberRemovals && removals > 0
					}) {
						continue
					}
					what += losing(removals)
					f.marks = append(f.marks, hold.Mark{ID: id, Hash: hashOf(d)})
					if len(f.objects) < hold.Listed {
						f.objects = append(f.objects, heldObject(c, what))
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return x.keepBack(tx, f)
	})
}

// leaveOut takes the changes out of the plan that somebody has rejected, as long as
// they are the same.
func (x *export) leaveOut() error {
	if !x.limited.held || x.definition.idle() {
		return nil
	}
	var marks []hold.Mark
	var kept []hold.Mark
	left := map[identity.ID]uint64{}
	err := x.space.View(func(tx *space.Tx) (err error) {
		if marks, err = hold.Rejected(tx.Store(), x.at()); err != nil {
			return err
		}
		for _, m := range marks {
			if err := tx.Unit(func() error {
				c, err := tx.Connector(m.ID)
				if err == nil && c != nil && hashOf(x.due(c)) == m.Hash {
					left[m.ID] = m.Hash
					kept = append(kept, m)
				}
				return err
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || len(marks) == 0 {
		return err
	}
	if len(kept) < len(marks) {
		if err := x.space.Update(func(tx *space.Tx) error { return hold.SetRejected(tx.Store(), x.at(), kept) }); err != nil {
			return err
		}
	}
	planned := slices.Concat(x.plan.early, x.plan.deletes, x.plan.replaced, x.plan.changes)
	out := func(id identity.ID, _ bool) bool { _, rejected := left[id]; return rejected }
	held := x.plan.without(out)
	if err := x.recount(); err != nil {
		return err
	}
	var sent []identity.ID
	for _, id := range planned {
		if out(id, false) {
			sent = append(sent, id)
		}
	}
	if err := x.takeBack(slices.Concat(held, sent)); err != nil {
		return err
	}
	if x.limited.left == nil && len(left) > 0 {
		x.report.Warnings = append(x.report.Warnings, StepWarning{
			"changes-rejected", fmt.Sprintf("the changes of %d objects were left out, because somebody has rejected them", len(left)),
			"metasync approve " + x.agent.Name + " if they are right",
		})
	}
	x.limited.left = left
	return nil
}

// recount counts what is left in the plan.
func (x *export) recount() error {
	p := planner{export: x}
	all := slices.Concat(x.plan.early, x.plan.deletes, x.plan.replaced, x.plan.changes)
	slices.Sort(all)
	all = slices.Compact(all)
	err := x.space.View(func(tx *space.Tx) error {
		for _, id := range all {
			if err := tx.Unit(func() error {
				c, err := tx.Connector(id)
				if err == nil && c != nil {
					p.count(c, x.due(c))
				}
				return err
			}); err != nil {
				return err
			}
		}
		return nil
	})
	x.plan.tally = p.tally
	return err
}

// released ends what was held before, now that the export is within its limits, or
// was allowed to exceed them.
func (x *export) released() error {
	if !x.limited.held || x.chosen != nil || x.definition.idle() || x.halt != "" {
		return nil
	}
	return x.space.Update(func(tx *space.Tx) error {
		if x.definition.Resume != "" { // what was left out of the file is settled with it
			if err := hold.SetRejected(tx.Store(), x.at(), nil); err != nil {
				return err
			}
		}
		return released(tx, x.at())
	})
}

// metered returns what a change counts as.
func (x *export) metered(o *outgoing) hold.Counts {
	counts := hold.Counts{exportedKind(&identity.Delta{Op: o.op, DN: renamedTo(o)}): 1, hold.Changes: 1}
	if n := x.plan.tally.removals[o.id]; n > 0 {
		counts[hold.MemberRemovals] = n
	}
	return counts
}

func renamedTo(o *outgoing) string {
	if o.rename {
		return o.sent.DN
	}
	return ""
}

// meter notes that a change is sent, once in an export: one that is sent again was
// noted before.
func (x *export) meter(tx *space.Tx, o *outgoing) error {
	if x.limited.meter == nil || x.definition.idle() || o.whole || x.limited.counted[o.id] {
		return nil
	}
	x.limited.counted[o.id] = true
	if o.repeated {
		return nil
	}
	return x.noteSent(tx, o, 1)
}

// unmeter takes back that a change was sent, if it was not carried out.
func (x *export) unmeter(tx *space.Tx, o *outgoing) error {
	if x.limited.meter == nil || !x.limited.counted[o.id] {
		return nil
	}
	delete(x.limited.counted, o.id)
	return x.noteSent(tx, o, -1)
}

func (x *export) noteSent(tx *space.Tx, o *outgoing, sign int) error {
	counts := x.metered(o)
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		if err := x.limited.meter.add(tx.Store(), kind, sign*counts[kind]); err != nil {
			return err
		}
	}
	return nil
}
