package run

import (
	"errors"
	"io"
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/dropfile"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// resumeExport sends what a file says (sync-engine §2.9). Changes that are still
// pending as the file has them are marked as sent, like those of any export;
// others are sent all the same, except that nothing is deleted which is to stay.
// What the agent wants to see again comes after the file, if it is marked.
func (s *step) resumeExport(exporter agent.Exporter) error {
	file, err := dropfile.Open(s.definition.Resume, s.header(false))
	if err != nil {
		return err
	}
	x := &export{step: s, capabilities: s.agent.Agent.Capabilities()}
	pending, err := x.beginResume()
	if err == nil && pending {
		err = x.carryOut(exporter, func() error { return x.sendFile(file) })
	}
	return errors.Join(err, file.Close())
}

// beginResume compares what the file says with the limits, and opens a new batch. It
// returns false if there is nothing to send.
func (x *export) beginResume() (some bool, err error) {
	if err := x.checkFile(); err != nil {
		return false, err
	}
	if x.total == 0 {
		x.report.Result = CompletedNoObjects
		return false, x.released()
	}
	err = x.space.Update(func(tx *space.Tx) error {
		state, err := tx.AgentState(x.agent.Name)
		if err != nil {
			return err
		}
		x.report.Batch, x.report.ConfirmedBatch = x.batch, x.confirmed
		state.Batch = x.batch
		return tx.SetAgentState(x.agent.Name, state)
	})
	return err == nil, err
}

// A resumed change is a line of the file on its way to the system.
type resumed struct {
	change agent.Change
	marked *outgoing    // nil: the connector space has no such change pending
	refuse *fault.Error // why the line is not sent
	counts hold.Counts  // of a line that is not pending, where limits count it
}

// sendFile sends the lines of a file, and then, in further passes, what the agent
// wants to see again.
func (x *export) sendFile(file *dropfile.Reader) error {
	x.pass = 1
	var page []resumed
	for number := 1; ; number++ {
		change, secret, err := file.Change()
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return err
		}
		if !ended && (x.heldBack == nil || !deletesLine(&change)) && !x.file.isRejected(number, &change) {
			r := resumed{change: change}
			if secret != "" {
				r.refuse = fault.New("encrypted-attributes", "the file does not tell the value, which is secret")
				r.refuse.Hint = "an export that is not resumed from a file sends it"
				r.refuse.Attribute, r.refuse.Position = secret, file.Position()
			}
			page = append(page, r)
		}
		if ended || len(page) == x.limits.batch {
			if err := x.sendPage(page); err != nil {
				return err
			}
			page = page[:0]
		}
		if ended || x.halt != "" {
			return x.sendAgain()
		}
	}
}

// sendPage marks, sends and settles some lines.
func (x *export) sendPage(page []resumed) error {
	if err := x.ctx.Err(); err != nil || len(page) == 0 || x.mustStop() {
		return err
	}
	if room := x.room(x.sent, len(page)); room < len(page) {
		page = page[:room]
		x.tooMany()
	}
	err := x.space.Update(func(tx *space.Tx) error {
		for i := range page {
			if page[i].refuse != nil {
				continue
			}
			if err := x.countResumed(tx, &page[i]); err != nil {
				return err
			}
			err := tx.Unit(func() error { return x.markResumed(tx, &page[i]) })
			if err != nil && !errors.Is(err, errNotPending) {
				return err
			}
			if err := x.meterResumed(tx, &page[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return x.sendLines(page)
}

// sendLines sends lines of which those that can be are marked, and does for each
// what becomes of it.
func (x *export) sendLines(page []resumed) error {
	var lines []resumed
	var changes []agent.Change
	for _, r := range page {
		if r.refuse != nil {
			x.failLine(r.change, r.refuse)
			continue
		}
		lines, changes = append(lines, r), append(changes, r.change)
	}
	if len(lines) == 0 {
		x.sent += len(page)
		return nil
	}
	results, err := x.stream.Put(x.ctx, changes)
	if err != nil {
		return err
	}
	stop, err := stoppedAt(results, changes)
	if err != nil {
		return err
	}
	answered := len(lines)
	if stop >= 0 {
		answered = stop
	}
	var out []outgoing
	var markedChanges []agent.Change
	var markedResults []agent.Result
	for i, r := range lines[:answered] {
		if r.marked != nil {
			out, markedChanges, markedResults = append(out, *r.marked), append(markedChanges, r.change), append(markedResults, results[i])
			continue
		}
		if err := x.settleLine(&r, results[i]); err != nil {
			return err
		}
	}
	if stop < 0 {
		x.sent += len(page)
		x.total = max(x.total, x.sent)
		x.progress(x.agent.Name, x.report.Type, x.sent, x.total)
	}
	if err := x.settle(out, markedChanges, markedResults); err != nil || stop < 0 {
		return err
	}
	var rest []outgoing
	for _, r := range lines[stop+1:] {
		if r.marked != nil {
			rest = append(rest, *r.marked)
		} else if err := x.unmeterLine(&r); err != nil {
			return err
		}
	}
	if lines[stop].marked == nil {
		if err := x.settleLine(&lines[stop], results[stop]); err != nil {
			return err
		}
	}
	return x.stopRun(lines[stop].change.DN, lines[stop].marked, rest, results[stop])
}

// settleLine does for a line that is not marked what becomes of it. Nothing in the
// connector space says how it would have to come again: what the system does not
// take in this form has failed.
func (x *export) settleLine(r *resumed, result agent.Result) error {
	c := r.change
	if result.Err == nil && result.Action == agent.NoAction {
		counter := exportCounter(outgoing{op: c.Op, rename: c.NewDN != ""})
		x.report.Exports[counter]++
		x.details.exportedLine(counter, &c)
		return nil
	}
	failure := result.Err
	if failure == nil {
		failure = refusal(result.Action, c.Op)
	}
	x.failLine(c, failure)
	return x.unmeterLine(r)
}

func (x *export) failLine(c agent.Change, failure *fault.Error) {
	record := x.errorRecord(failure)
	record.DN, record.Anchor = c.DN, c.Anchor
	x.report.Exports[exportFailure]++
	x.details.exportedLine(exportFailure, &c)
	x.report.add(&x.report.ExportErrors, record)
}

// errNotPending takes back the unit of a line that is not pending.
var errNotPending = errors.New("not pending")

// markResumed marks the change of a line as sent if exactly that is pending.
func (x *export) markResumed(tx *space.Tx, r *resumed) error {
	id, err := x.objectOf(tx, r.change)
	if err != nil || id == 0 {
		return err
	}
	c, err := tx.Connector(id)
	if err != nil || c == nil {
		return err
	}
	if c.Replaces != nil {
		return errNotPending // an import has to say which of the two the system has
	}
	if deletesObject(r.change.Op) && !isDoomed(c) {
		r.refuse = fault.New("unexpected-error", "the file deletes an object that is to stay")
		r.refuse.Hint = "it was to be deleted when the file was written"
		return nil
	}
	o, pending, err := x.mark(tx, turn{id: id}, func(*identity.Delta) bool { return true })
	if err != nil {
		return err
	}
	if pending == nil || !sameChange(pending, &r.change) {
		return errNotPending
	}
	pending.Repeated = pending.Repeated || r.change.Repeated
	r.marked, r.change = &o, *pending
	return nil
}

// countResumed finds out what a line counts as before it is marked, where limits count
// it.
func (x *export) countResumed(tx *space.Tx, r *resumed) error {
	if x.limited.meter == nil {
		return nil
	}
	return tx.Unit(func() error {
		kind, removals, _, err := x.countLine(tx, &r.change)
		r.counts = hold.Counts{kind: 1, hold.Changes: 1, hold.MemberRemovals: removals}
		return err
	})
}

// meterResumed notes that a line is sent. What is marked counts as in any export.
func (x *export) meterResumed(tx *space.Tx, r *resumed) error {
	if x.limited.meter == nil || r.refuse != nil {
		return nil
	}
	if r.marked == nil {
		return x.meterLine(tx, r, 1)
	}
	if n := r.counts[hold.MemberRemovals]; n > 0 {
		if x.plan.tally.removals == nil {
			x.plan.tally.removals = map[identity.ID]int{}
		}
		x.plan.tally.removals[r.marked.id] = n
	}
	r.counts = nil
	return x.meter(tx, r.marked)
}

// objectOf returns the object that a change is about, 0 if there is none.
func (x *export) objectOf(tx *space.Tx, c agent.Change) (identity.ID, error) {
	if c.Anchor != "" {
		id, _, found, err := tx.ByAnchor(x.agent.Name, c.Anchor)
		if err != nil || found {
			return id, err
		}
	}
	return tx.ByDN(x.agent.Name, c.DN)
}

func deletesObject(op identity.Operation) bool {
	return op == identity.Delete || op == identity.DeleteAdd
}

// isDoomed reports whether an object is to be deleted, or was sent to be.
func isDoomed(c *space.Connector) bool {
	for _, d := range []*identity.Delta{c.Unapplied, c.Exported} {
		if d != nil && deletesObject(d.Op) {
			return true
		}
	}
	return c.State == space.Placeholder
}

// sameChange reports whether two changes do the same to the same object.
func sameChange(a, b *agent.Change) bool {
	return a.Op == b.Op && a.ObjectType == b.ObjectType && a.DN == b.DN && a.Anchor == b.Anchor && a.NewDN == b.NewDN &&
		slices.EqualFunc(a.Changes, b.Changes, func(x, y identity.Change) bool {
			return x.Name == y.Name && x.Op == y.Op && slices.Equal(x.Values, y.Values) && slices.Equal(x.Removed, y.Removed)
		})
}
