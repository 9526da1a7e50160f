package run

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/dropfile"
	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// An export that is resumed from a file asks the same limits as any other, before it
// sends anything: what the file says is counted, whether it is pending or not. What is
// held then is held of the file alone, and keeps nobody from exporting what is pending.
// The marks of such a hold name lines, by their number from 1, for a line may be about
// an object that nobody knows.

// fileLimits are what a resumed export knows of its limits and its file.
type fileLimits struct {
	rejected []hold.Mark // lines
	left     int         // of them, that are still the same
	total    int         // objects of the agent
	lookUp   bool        // the objects of lines are needed to count them
}

// isRejected reports whether somebody has rejected a line of the file.
func (l *fileLimits) isRejected(number int, c *agent.Change) bool {
	return len(l.rejected) > 0 && contains(l.rejected, hold.Mark{ID: identity.ID(number), Hash: hashOfLine(c)})
}

func hashOfLine(c *agent.Change) uint64 {
	digest := fnv.New64a()
	fmt.Fprintf(digest, "%d %s\x00%s\x00%t", hashOf(&identity.Delta{Op: c.Op, ObjectType: c.ObjectType, DN: c.NewDN, Changes: c.Changes}), c.DN, c.Anchor, c.NewObject)
	return digest.Sum64()
}

// deletesLine reports whether a line deletes an object.
func deletesLine(c *agent.Change) bool { return deletesObject(c.Op) || c.NewObject }

// lineDelta returns what a line does, as far as limits and words go.
func lineDelta(c *agent.Change) *identity.Delta {
	d := &identity.Delta{Op: c.Op, DN: c.NewDN}
	if c.NewObject {
		d.Op = identity.DeleteAdd
	}
	return d
}

// eachLine calls do for the lines of the file in their order, many to a look at the
// store, without those that somebody has rejected. number counts from 1.
func (x *export) eachLine(do func(tx *space.Tx, number int, c *agent.Change) error) (err error) {
	file, err := dropfile.Open(x.definition.Resume, x.header(false))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	type line struct {
		number int
		change agent.Change
	}
	var page []line
	for number := 1; ; number++ {
		change, _, err := file.Change()
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return err
		}
		if !ended && !x.file.isRejected(number, &change) {
			page = append(page, line{number, change})
		}
		if !ended && len(page) < exportPage {
			continue
		}
		if err := x.space.View(func(tx *space.Tx) error {
			for i := range page {
				if err := tx.Unit(func() error { return do(tx, page[i].number, &page[i].change) }); err != nil {
					return err
				}
			}
			return nil
		}); err != nil || ended {
			return err
		}
		page = page[:0]
	}
}

// checkFile returns an error if the file would do more than the export may: it is held
// then. If only deletions are to be held back, they are left out.
func (x *export) checkFile() error {
	if err := x.readLimits(); err != nil {
		return err
	}
	var tally exportTally
	if err := x.eachLine(func(tx *space.Tx, number int, c *agent.Change) error {
		kind, removals, again, err := x.countLine(tx, c)
		if err != nil {
			return err
		}
		x.total++
		tally.all.add(kind, removals)
		if again {
			tally.again.add(kind, removals)
		}
		return nil
	}); err != nil || x.total == 0 {
		return err
	}
	counts, again := tally.all.counts(), tally.again.counts()
	var reasons []hold.Reason
	var approval *hold.Approval
	err := x.space.View(func(tx *space.Tx) (err error) {
		if reasons, err = x.exceeded(tx.Store(), hold.Export, counts, again, x.file.total); err == nil && x.limited.held {
			approval, err = hold.ApprovalOf(tx.Store(), x.at())
		}
		return err
	})
	if err != nil {
		return err
	}
	approved := len(reasons) > 0 && x.allows(approval, reasons, again)
	if x.limited.meter = x.newMeter(x.at(), approved); x.limited.meter != nil {
		x.limited.counted = map[identity.ID]bool{}
	}
	if len(reasons) == 0 || approved {
		return nil
	}
	exceeded := x.tooMuch(reasons, counts[hold.Deletes], x.file.total)
	onlyDeletes := x.agent.Thresholds.SuppressDeletesOnly && !slices.ContainsFunc(reasons, func(r hold.Reason) bool { return r.Kind != hold.Deletes })
	if err := x.keepBackFile(reasons, onlyDeletes); err != nil {
		return err
	}
	if !onlyDeletes || counts[hold.Deletes] == x.total {
		return exceeded
	}
	exceeded.Hint = onlyDeletesHeld
	x.heldBack = exceeded
	x.total -= counts[hold.Deletes]
	return nil
}

// readLimits reads what is known of the limits and of what somebody has decided.
func (x *export) readLimits() error {
	err := x.space.View(func(tx *space.Tx) error {
		state, err := tx.AgentState(x.agent.Name)
		if err != nil {
			return err
		}
		x.batch, x.confirmed, x.seen = state.Batch+1, state.ConfirmedBatch, state.Seen
		x.limited.held = state.Held
		x.file.total = objectsOf(tx.Counters(x.agent.Name))
		x.file.lookUp = x.limitsRemovals() || x.agent.Thresholds.Window.Limits.has(hold.Export)
		if state.Held {
			x.file.rejected, err = hold.Rejected(tx.Store(), x.at())
		}
		return err
	})
	if err != nil || len(x.file.rejected) == 0 {
		return err
	}
	whole := x.file.rejected
	x.file.rejected = nil // to see all lines
	err = x.eachLine(func(_ *space.Tx, number int, c *agent.Change) error {
		if contains(whole, hold.Mark{ID: identity.ID(number), Hash: hashOfLine(c)}) {
			x.file.left++
		}
		return nil
	})
	if x.file.rejected = whole; x.file.left > 0 {
		x.report.Warnings = append(x.report.Warnings, StepWarning{
			"changes-rejected", fmt.Sprintf("%d changes of the file were left out, because somebody has rejected them", x.file.left),
			"write the file anew if they are right",
		})
	}
	return err
}

// countLine returns what a line counts as, how many members it removes, and whether an
// export that was interrupted has sent it before.
func (x *export) countLine(tx *space.Tx, c *agent.Change) (kind hold.Kind, removals int, again bool, err error) {
	kind = exportedKind(lineDelta(c))
	if !x.file.lookUp {
		return kind, 0, false, nil
	}
	id, err := x.objectOf(tx, *c)
	if err != nil || id == 0 {
		return kind, 0, false, err
	}
	object, err := tx.Connector(id)
	if err != nil || object == nil {
		return kind, 0, false, err
	}
	if kind != hold.Deletes && kind != hold.Adds && x.limitsRemovals() {
		if removals, err = x.removedByLine(tx, object, c); err != nil {
			return kind, 0, false, err
		}
	}
	return kind, removals, x.isInterrupted(object), nil
}

// removedByLine returns how many values a line takes out of references with many values.
func (x *export) removedByLine(tx *space.Tx, object *space.Connector, c *agent.Change) (int, error) {
	known := &identity.Delta{Op: identity.Update, Changes: slices.Clone(c.Changes)}
	for i := range known.Changes { // the file has names where the connector space has objects
		change := &known.Changes[i]
		change.Values = slices.Clone(change.Values)
		for j, v := range change.Values {
			if v.Type() != identity.TypeReference || v.Ref() != 0 {
				continue
			}
			id, err := tx.ByDN(x.agent.Name, v.Str())
			if err != nil {
				return 0, err
			}
			if id != 0 {
				change.Values[j] = identity.ReferenceTo(id)
			}
		}
	}
	return x.removed(object, known), nil
}

// keepBackFile writes which lines the reasons are about.
func (x *export) keepBackFile(reasons []hold.Reason, partial bool) error {
	f := finding{place: x.at(), reasons: reasons, partial: partial}
	if err := x.eachLine(func(tx *space.Tx, number int, c *agent.Change) error {
		kind, removals, _, err := x.countLine(tx, c)
		if err != nil || !slices.ContainsFunc(reasons, func(r hold.Reason) bool {
			return r.Kind == kind || r.Kind == hold.Changes || r.Kind == hold.MemberRemovals && removals > 0
		}) {
			return err
		}
		f.marks = append(f.marks, hold.Mark{ID: identity.ID(number), Hash: hashOfLine(c)})
		if len(f.objects) == hold.Listed {
			return nil
		}
		id, err := x.objectOf(tx, *c)
		if err != nil {
			return err
		}
		object := heldObject(&space.Connector{ID: id, ObjectType: c.ObjectType, DN: c.DN, Anchor: c.Anchor}, exportedAs(lineDelta(c))+losing(removals))
		f.objects = append(f.objects, object)
		return nil
	}); err != nil {
		return err
	}
	return x.space.Update(func(tx *space.Tx) error { return x.keepBack(tx, f) })
}

// losing says in words how many members an object would lose.
func losing(members int) string {
	switch members {
	case 0:
		return ""
	case 1:
		return ", and lose 1 member"
	}
	return fmt.Sprintf(", and lose %d members", members)
}

// meterLine notes that a line is sent which is not pending, or takes that back.
func (x *export) meterLine(tx *space.Tx, r *resumed, sign int) error {
	if x.limited.meter == nil {
		return nil
	}
	for _, kind := range hold.Kinds {
		if err := x.limited.meter.add(tx.Store(), kind, sign*r.counts[kind]); err != nil {
			return err
		}
	}
	return nil
}

// unmeterLine takes back that a line was sent which is not pending: the system has not
// taken it.
func (x *export) unmeterLine(r *resumed) error {
	if x.limited.meter == nil || r.counts == nil {
		return nil
	}
	return x.space.Update(func(tx *space.Tx) error { return x.meterLine(tx, r, -1) })
}
