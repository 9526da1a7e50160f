package run

import (
	"fmt"
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// What an import has staged does no harm before it is synchronized. So a limit of
// additions, updates, renames and of deletions that a change log tells of holds the
// synchronization. What was staged is noted in the transactions that stage it, and
// compared once the import has come to its end: by the import itself or, if that
// died, by whoever comes next.
//
// Objects that a complete read does not show are counted before anything is concluded
// from that, and hold the import.

// stagedCounts are what a step has staged so far.
type stagedCounts struct {
	noted     hold.Counts // what is in the ledger
	obsoleted int         // deletions that were compared with their limit before
	held      bool        // see space.AgentState
	unchanged bool        // the system, since the last import that came to its end
	leftOut   bool        // objects are gone, and somebody has rejected that
	release   bool        // what was held before is not any more
	meter     *meter      // of the conclusions
}

// limitsStaging reports whether anything that imports stage is limited.
func (s *step) limitsStaging() bool {
	t := &s.agent.Thresholds
	return s.limits.deletes.IsSet || t.Limits.has(hold.Import) || t.Window.Limits.has(hold.Import)
}

// noteStaged brings the ledger up to what was staged.
func (s *step) noteStaged(tx *space.Tx) error {
	if !s.limitsStaging() {
		return nil
	}
	r := s.report.Staging
	now := hold.Counts{
		hold.Adds: r[stageAdd], hold.Updates: r[stageUpdate], hold.Renames: r[stageRename],
		hold.Deletes: r[stageDelete] + r[stageDeleteAdd] - s.ledger.obsoleted,
		hold.Changes: r[stageAdd] + r[stageUpdate] + r[stageRename] + r[stageDelete] + r[stageDeleteAdd],
	}
	more := hold.Counts{}
	for kind, n := range now {
		if n != s.ledger.noted[kind] {
			more[kind] = n - s.ledger.noted[kind]
		}
	}
	if len(more) == 0 {
		return nil
	}
	s.ledger.noted = now
	return hold.Stage(tx.Store(), s.agent.Name, more)
}

// gateAt is where a synchronization is held for what an import has staged.
func gateAt(agent string) hold.Place {
	return hold.Place{Agent: agent, Step: hold.Sync, Of: hold.Import}
}

// closeStaged compares what was staged since the last import that came to its end
// with the limits, and holds the synchronization if it is more.
func (s *step) closeStaged() error {
	return s.space.Update(func(tx *space.Tx) error {
		kv := tx.Store()
		counts, err := hold.StagedOf(kv, s.agent.Name)
		if err != nil || counts == nil {
			return err
		}
		counters := tx.Counters(s.agent.Name)
		total := objectsOf(counters) - int(counters[space.CountImportAdd])
		reasons, err := s.exceeded(kv, hold.Import, counts, nil, total)
		if err != nil {
			return err
		}
		m := s.newMeter(s.heldAt(hold.Import, hold.Import), false)
		for _, kind := range hold.Kinds {
			if err := m.add(kv, kind, counts[kind]); err != nil {
				return err
			}
		}
		if err := hold.Unstage(kv, s.agent.Name); err != nil || len(reasons) == 0 {
			return err
		}
		f := finding{place: gateAt(s.agent.Name), reasons: reasons}
		if f.objects, err = stagedObjects(tx, s.agent.Name, reasons); err != nil {
			return err
		}
		s.report.Warnings = append(s.report.Warnings, StepWarning{
			"synchronization-held", hold.Text(reasons) + ": what was imported is not synchronized", approveHint(s.agent.Name),
		})
		return s.keepBack(tx, f)
	})
}

// objectsOf is how many objects a connector space has.
func objectsOf(counters [space.Counters]int64) int {
	n := 0
	for _, count := range counters[:space.CountPlaceholder] {
		n += int(count)
	}
	return n
}

const stagedPage = 500 // objects that stagedObjects looks at in one unit

// stagedObjects returns the first pending imports that are of the kinds of reasons.
func stagedObjects(tx *space.Tx, agent string, reasons []hold.Reason) (list []hold.Object, err error) {
	for after := identity.ID(0); len(list) < hold.Listed; {
		ids, err := tx.List(space.ToSync, agent, after, stagedPage)
		if err != nil || len(ids) == 0 {
			return list, err
		}
		after = ids[len(ids)-1]
		err = tx.Unit(func() error {
			for _, id := range ids {
				c, err := tx.Connector(id)
				if err != nil {
					return err
				}
				if c == nil || c.Import.IsZero() || len(list) == hold.Listed {
					continue
				}
				kind, what := stagedAs(c.Import)
				if slices.ContainsFunc(reasons, func(r hold.Reason) bool { return r.Kind == kind || r.Kind == hold.Changes }) {
					list = append(list, heldObject(c, what))
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// stagedAs returns what a pending import counts as, and what it says, in words.
func stagedAs(d *identity.Delta) (hold.Kind, string) {
	switch {
	case d.Op.Removes():
		return hold.Deletes, "is gone from its system"
	case d.Op == identity.DeleteAdd:
		return hold.Deletes, "is gone from its system, and another one has its place"
	case d.Op == identity.Add:
		return hold.Adds, "is new in its system"
	case d.IsRename():
		return hold.Renames, fmt.Sprintf("has the name %q now", d.DN)
	}
	return hold.Updates, "has changed in its system"
}

// gate finds out whether the synchronization is held for what an import has staged.
// A hold whose reason is gone ends here.
func (s *step) gate() (held bool, err error) {
	t := &s.agent.Thresholds
	if !t.ImportDeletes.IsSet && !t.Limits.has(hold.Import) && !t.Window.Limits.has(hold.Import) {
		return false, nil
	}
	var h *hold.Hold
	open := false
	look := func(tx *space.Tx) error {
		counts, err := hold.StagedOf(tx.Store(), s.agent.Name)
		if err != nil {
			return err
		}
		open = counts != nil
		h, err = hold.Get(tx.Store(), gateAt(s.agent.Name))
		return err
	}
	if err := s.space.View(look); err != nil {
		return false, err
	}
	if open {
		if err := s.closeStaged(); err != nil {
			return false, err
		}
		if err := s.space.View(look); err != nil {
			return false, err
		}
	}
	if h == nil {
		return false, nil
	}
	err = s.space.Update(func(tx *space.Tx) error {
		kv, counters := tx.Store(), tx.Counters(s.agent.Name)
		pending := pendingImports(counters)
		reasons, err := standing(kv, &s.agent.Thresholds, h, pending)
		if err != nil {
			return err
		}
		if len(reasons) == 0 {
			return released(tx, h.Place())
		}
		held = true
		if h.Rejected == nil || h.Digest == pendingDigest(counters) {
			s.report.Held, s.report.HeldBefore = h, s.report.Held == nil
			return nil
		}
		// It was rejected, and something else is pending by now.
		f := finding{place: h.Place(), reasons: reasons}
		if f.objects, err = stagedObjects(tx, s.agent.Name, reasons); err != nil {
			return err
		}
		return s.keepBack(tx, f)
	})
	if err != nil || !held {
		return false, err
	}
	refused := heldError(resultOf(hold.Import, s.report.Held.Reasons), s.report.Held.Reasons, s.agent.Name)
	refused.Text = "an import has staged " + refused.Text
	if h.Rejected != nil && s.report.Held.Rejected != nil {
		refused.Text += ", and that was rejected"
	}
	s.report.stop(refused)
	return true, nil
}

// pendingImports are the most that pending imports can be of each kind.
func pendingImports(c [space.Counters]int64) hold.Counts {
	adds, updates, deletes := int(c[space.CountImportAdd]), int(c[space.CountImportUpdate]), int(c[space.CountImportDelete])
	return hold.Counts{
		hold.Adds: adds, hold.Updates: updates, hold.Renames: updates,
		hold.Deletes: deletes + adds, // a delete-add counts among the additions
		hold.Changes: adds + updates + deletes,
	}
}

func pendingDigest(c [space.Counters]int64) string {
	return fmt.Sprintf("%d/%d/%d", c[space.CountImportAdd], c[space.CountImportUpdate], c[space.CountImportDelete])
}

// missing are the objects that an import does not show, of all partitions together.
type missing struct {
	gone    []identity.ID
	total   int
	nothing *fault.Error // a system is empty
	whole   bool         // everything was read
}

// allow compares what is missing with the limits, and returns the meter of what is
// to be concluded. Objects of which somebody has rejected that they are gone are left
// out. The error is that of an import that is held: it is durable then.
func (s *step) allow(m missing) (*meter, error) {
	place := s.heldAt(hold.Import, hold.Import)
	var reasons []hold.Reason
	var rejected []hold.Mark
	var approval *hold.Approval
	known := false
	if len(m.gone) == 0 && !s.ledger.held {
		return nil, nil
	}
	err := s.space.View(func(tx *space.Tx) (err error) {
		kv := tx.Store()
		if rejected, err = hold.Rejected(kv, place); err != nil {
			return err
		}
		m.gone = slices.DeleteFunc(m.gone, func(id identity.ID) bool { return contains(rejected, hold.Mark{ID: id}) })
		if m.nothing != nil && len(m.gone) > 0 {
			reasons = []hold.Reason{{Kind: hold.Deletes, Count: len(m.gone), Of: m.total, Limit: hold.Everything}}
		} else if reasons, err = s.exceeded(kv, hold.Import, hold.Counts{hold.Deletes: len(m.gone)}, nil, m.total); err != nil {
			return err
		}
		if approval, err = hold.ApprovalOf(kv, place); err != nil {
			return err
		}
		h, err := hold.Get(kv, place)
		known = h != nil || approval != nil
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(reasons) > 0 && !s.allows(approval, reasons, nil) {
		return nil, s.holdImport(place, reasons, m)
	}
	if err := s.leaveOut(place, rejected); err != nil {
		return nil, err
	}
	s.ledger.release = s.ledger.release || known && m.whole
	return s.newMeter(place, approval != nil && len(reasons) > 0), nil
}

// holdImport writes that the import is held and returns its error.
func (s *step) holdImport(place hold.Place, reasons []hold.Reason, m missing) error {
	slices.Sort(m.gone)
	f := finding{place: place, reasons: reasons, marks: make([]hold.Mark, len(m.gone))}
	for i, id := range m.gone {
		f.marks[i].ID = id
	}
	err := s.space.Update(func(tx *space.Tx) error {
		err := tx.Unit(func() error {
			for _, id := range m.gone[:min(len(m.gone), hold.Listed)] {
				c, err := tx.Connector(id)
				if err != nil || c == nil {
					return err
				}
				f.objects = append(f.objects, heldObject(c, "is gone from its system"))
			}
			return nil
		})
		if err != nil {
			return err
		}
		return s.keepBack(tx, f)
	})
	if err != nil {
		return err
	}
	if m.nothing != nil {
		return m.nothing
	}
	stopped := heldError(StoppedDeletionLimit, reasons, s.agent.Name)
	if len(reasons) == 1 && reasons[0].Window == "" {
		stopped.Text = fmt.Sprintf("%d of %d objects are gone, more than %s", len(m.gone), m.total, s.limits.deletesNamed)
	}
	stopped.Hint = "nothing has been deleted; " + stopped.Hint
	return stopped
}

// leaveOut takes objects out of what is concluded of which somebody has rejected that
// they are gone. Those that are there again are forgotten.
func (s *step) leaveOut(place hold.Place, rejected []hold.Mark) error {
	if len(rejected) == 0 {
		return nil
	}
	var left []hold.Mark
	for _, x := range s.read {
		x.unseen = slices.DeleteFunc(x.unseen, func(id identity.ID) bool {
			mark := hold.Mark{ID: id}
			if !contains(rejected, mark) {
				return false
			}
			left = append(left, mark)
			return true
		})
	}
	slices.SortFunc(left, hold.CompareMarks)
	if len(left) > 0 {
		s.ledger.leftOut = true
		s.report.Warnings = append(s.report.Warnings, StepWarning{
			"deletions-rejected", fmt.Sprintf("%d objects are gone, and somebody has rejected to believe that: they stay as they are", len(left)),
			"metasync approve " + s.agent.Name + " if they really are gone",
		})
	}
	s.ledger.release = true
	return s.space.Update(func(tx *space.Tx) error { return hold.SetRejected(tx.Store(), place, left) })
}

// foundUnchanged ends what was held before, if the system is again as it was then.
func (s *step) foundUnchanged() error {
	if !s.ledger.held || !s.ledger.unchanged || s.unclean {
		return nil
	}
	place := s.heldAt(hold.Import, hold.Import)
	return s.space.Update(func(tx *space.Tx) error {
		if err := hold.SetRejected(tx.Store(), place, nil); err != nil {
			return err
		}
		return released(tx, place)
	})
}

// concluded ends what was held, now that the import has drawn its conclusions.
func (s *step) concluded() error {
	if !s.ledger.release {
		return nil
	}
	return s.space.Update(func(tx *space.Tx) error { return released(tx, s.heldAt(hold.Import, hold.Import)) })
}
