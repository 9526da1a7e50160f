package run

import (
	"errors"
	"fmt"
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// outgoing is a change on its way, and what it takes to undo its marking.
type outgoing struct {
	turn
	objectType string
	dn, anchor string             // as the agent was told
	op         identity.Operation // of the change, as an action may have converted it
	rename     bool
	sent       *identity.Delta
	rest       bool // what cannot come in the first pass follows in the next
	held       bool // so do some references, see exporthold.go
	whole      bool // nothing of it has changed, see exportfull.go
	exported   *identity.Delta
	batch      uint64
	failure    *space.ObjectError // of the attempt before
	link       identity.ID        // of the object when it was sent
}

// page marks changes as sent, sends them, and takes the mark back from those
// that failed or shall come again. Who refers to an object that gets another name in
// the page, or takes that of another one, waits until it is known whether it has got it;
// so does who refers to the other one.
func (x *export) page(turns []turn, wanted func(*identity.Delta) bool) error {
	if err := x.ctx.Err(); err != nil || x.mustStop() {
		return err
	}
	var out []outgoing
	var changes []agent.Change
	var rest []turn // of the next page
	moving := map[identity.ID]bool{}
	err := x.transaction()(func(tx *space.Tx) error {
		for i, t := range turns {
			err := tx.Unit(func() error {
				if stale, err := x.refersTo(tx, t.id, moving); err != nil || stale {
					rest = turns[i:]
					return err
				}
				o, change, err := x.mark(tx, t, wanted)
				if err != nil || change == nil {
					return err
				}
				if err := x.meter(tx, &o); err != nil {
					return err
				}
				out, changes = append(out, o), append(changes, *change)
				switch {
				case o.op == identity.DeleteAdd && x.replacing:
					moving[o.id] = true // until then its name is that of the old one
				case !o.rename:
				case x.definition.idle():
					x.renames(o.id, o.sent.DN)
				default:
					moving[o.id] = true
					holder, err := tx.ByDN(x.agent.Name, o.sent.DN)
					if err != nil {
						return err
					}
					if holder != 0 {
						moving[holder] = true // its name is another's from now on
					}
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("export %s: %w", t.id, err)
			}
			if rest != nil {
				break
			}
		}
		return nil
	})
	if err != nil || len(changes) == 0 {
		return err
	}
	named := x.nameMeanwhile()
	results, err := x.stream.Put(x.ctx, changes)
	if err := errors.Join(err, named()); err != nil {
		return err
	}
	stop, err := stoppedAt(results, changes)
	if err != nil {
		return err
	}
	if stop >= 0 {
		if err := x.settle(out[:stop], changes[:stop], results[:stop]); err != nil {
			return err
		}
		return x.stopRun(changes[stop].DN, &out[stop], out[stop+1:], results[stop])
	}
	x.sent += len(changes)
	x.total = max(x.total, x.sent) // more passes, more changes
	x.progress(x.agent.Name, x.report.Type, x.sent, x.total)
	if x.definition.idle() {
		return nil
	}
	if err := x.settle(out, changes, results); err != nil || rest == nil {
		return err
	}
	return x.page(rest, wanted)
}

// stoppedAt returns at which change the agent stopped the run, -1 if at none. An
// agent that does not stop answers every change.
func stoppedAt(results []agent.Result, changes []agent.Change) (int, error) {
	for i, result := range results {
		if result.Action == agent.StopRun && i < len(changes) {
			return i, nil
		}
	}
	if len(results) != len(changes) {
		return -1, fault.New("stopped-ma", "the agent returned %d results for %d changes", len(results), len(changes))
	}
	return -1, nil
}

// stopRun ends the export because the agent stopped it at an object: at is its
// change, nil if it was not marked. What comes after it, rest, was not sent.
func (x *export) stopRun(dn string, at *outgoing, rest []outgoing, stop agent.Result) error {
	failure, text := stop.Err, fmt.Sprintf("the agent stopped the export at %q", dn)
	if failure == nil {
		failure = refusal(stop.Action, identity.None)
	} else {
		text += ": " + failure.Detail()
	}
	err := x.space.Update(func(tx *space.Tx) error {
		if at != nil {
			if err := tx.Unit(func() error { return x.restore(tx, *at, failure) }); err != nil {
				return err
			}
		}
		for _, o := range rest {
			if err := tx.Unit(func() error { return errors.Join(x.unmark(tx, o), x.unmeter(tx, &o)) }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	x.stoppedAt = true
	return fault.New(string(StoppedEntryExport), "%s", text)
}

// refusal returns the error of a change that an agent answered with an action and
// without an error, should it not be sent again.
func refusal(action agent.Action, op identity.Operation) *fault.Error {
	switch adds := op == identity.Add; {
	case action == agent.NoAction:
		return fault.New("partial-success", "the system did not take all attributes")
	case op.Removes():
	case action == agent.StopRun:
		return fault.New("unexpected-error", "the agent stopped the export here and gave no reason")
	case action == agent.RetryReferences:
		return fault.New("dn-attributes-failure", "the system could not take the references")
	case action == agent.ConvertAddToUpdate && adds:
		return fault.New("cd-existing-object", "the system has the object already, and it cannot be updated")
	case action == agent.ConvertUpdateToAdd && !adds:
		return fault.New("cd-missing-object", "the system does not have the object, and it cannot be created")
	case action == agent.ProvisionParent:
		return fault.New("non-existent-parent", "the object above it does not exist")
	}
	return fault.New("unexpected-error", "the agent answered %s to a change of kind %q", action, op)
}

// settle counts the changes that arrived, stages those that failed again, and
// has those sent again for which the agent wants that.
func (x *export) settle(out []outgoing, changes []agent.Change, results []agent.Result) error {
	open := 0
	for i, result := range results {
		o := &out[i]
		partial := x.isPartial(o, result)
		if result.Action != agent.NoAction && result.Action != agent.RetryReferences || result.Action == agent.NoAction && result.Err != nil && !partial {
			open++
			continue
		}
		if partial {
			open++
		} else if result.Action == agent.NoAction {
			x.arrived++
			x.count(o, o.sent)
		}
		if n, learnt := x.learnt(*o, changes[i], result); learnt {
			x.named = append(x.named, n)
			x.renames(n.id, n.dn)
		}
		if x.settlesAtOnce(o) {
			x.settled = append(x.settled, o.id)
		}
		if result.Action == agent.RetryReferences {
			open++
		}
		if o.rest || o.held {
			added := o.added || o.op == identity.Add || o.op == identity.DeleteAdd
			x.again = append(x.again, turn{id: o.id, as: agent.RetryReferences, repeated: o.repeated, added: added})
		}
	}
	if open > 0 {
		err := x.space.Update(func(tx *space.Tx) error {
			for i, result := range results {
				if result.Err == nil && result.Action == agent.NoAction && len(result.Refused) == 0 {
					continue
				}
				if err := tx.Unit(func() error { return x.retry(tx, out[i], result) }); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if x.capabilities.AllOrNothing {
		return nil
	}
	if err := x.details.secure(); err != nil {
		return err
	}
	if len(x.settled) == 0 && !slices.ContainsFunc(x.named, func(n naming) bool { return !n.onlyAnchor() }) {
		return nil // see nameMeanwhile
	}
	if err := x.rename(); err != nil {
		return err
	}
	return x.settleNow()
}

// count counts a change that was carried out; an object whose references follow
// has been counted without them.
func (x *export) count(o *outgoing, done *identity.Delta) {
	if o.as != agent.RetryReferences {
		x.noteRound(o, done)
		counter := exportCounter(*o)
		if old := x.cleared[o.id]; counter == exportAdd && old != nil {
			whole := *done
			whole.Op, done, counter, old.created = identity.DeleteAdd, &whole, exportDeleteAdd, true
		}
		x.report.Exports[counter]++
		x.details.exported(counter, o, done)
	}
}

// learnt returns how an object is named after its change, if that is news.
func (x *export) learnt(o outgoing, change agent.Change, result agent.Result) (naming, bool) {
	n := naming{id: o.id, vacated: o.op == identity.DeleteAdd}
	if x.lost && o.op == identity.Update && x.hasReferences(&o) && result.Action == agent.NoAction && result.Err == nil {
		n.done = o.sent
	}
	expected := change.DN
	if o.rename {
		n.dn = o.sent.DN
		if change.NewDN != "" {
			expected = change.NewDN
		}
	}
	if result.DN != "" && result.DN != expected {
		n.dn = result.DN
	}
	if !x.capabilities.AnchorIsDN && (n.vacated || result.Anchor != change.Anchor) {
		n.anchor = result.Anchor
	}
	return n, n.vacated || n.done != nil || n.dn != "" || n.anchor != ""
}

func exportCounter(o outgoing) string {
	switch {
	case o.op == identity.Add:
		return exportAdd
	case o.op == identity.Delete:
		return exportDelete
	case o.op == identity.DeleteAdd:
		return exportDeleteAdd
	case o.rename:
		return exportRename
	}
	return exportUpdate
}

// retry does what the agent wants about a change that it did not take, or not
// all of. What does not arrive in the last pass has failed.
func (x *export) retry(tx *space.Tx, o outgoing, result agent.Result) error {
	failure, again := result.Err, turn{id: o.id, as: result.Action, repeated: o.repeated}
	adds := o.op == identity.Add
	if failure == nil {
		failure = refusal(result.Action, o.op)
	}
	if o.whole {
		return x.fail(tx, &o, nil, failure)
	}
	switch result.Action {
	case agent.NoAction:
		if x.isPartial(&o, result) {
			return x.partial(tx, &o, result, failure)
		}
		return x.restore(tx, o, failure)
	case agent.RetryReferences:
		if o.op.Removes() {
			break
		}
		again.added = adds || o.added
		done, references := x.split(o.objectType, o.sent)
		if references == nil {
			x.count(&o, o.sent)
			return nil // no reference was left out: all is done
		}
		if isNothing(done) {
			done, again.as = nil, o.as
		} else {
			x.arrived++
			x.count(&o, done)
		}
		if err := x.withhold(tx, &o, done, references); err != nil {
			return err
		}
		if x.pass >= exportPasses {
			return x.fail(tx, &o, references, failure)
		}
		x.again = append(x.again, again)
		return nil
	case agent.ConvertUpdateToAdd, agent.ConvertAddToUpdate:
		if o.op.Removes() || adds != (result.Action == agent.ConvertAddToUpdate) {
			break
		}
		return x.repeat(tx, o, again, failure)
	case agent.ProvisionParent:
		if o.op.Removes() {
			break
		}
		if again.as = o.as; again.as == agent.RetryReferences {
			again.added = o.added
		}
		return x.repeat(tx, o, again, failure)
	}
	return x.restore(tx, o, failure)
}

// repeat has an object sent in the next pass, if there is one.
func (x *export) repeat(tx *space.Tx, o outgoing, again turn, failure *fault.Error) error {
	if x.pass >= exportPasses {
		return x.restore(tx, o, failure)
	}
	x.again = append(x.again, again)
	return x.unmark(tx, o)
}

// unmark takes back the mark of a change that was not carried out.
func (x *export) unmark(tx *space.Tx, o outgoing) error {
	if o.whole {
		return nil
	}
	c, err := tx.Connector(o.id)
	if err != nil || c == nil {
		return err
	}
	if c.Link != o.link {
		return x.unwanted(tx, c, &o)
	}
	// A synchronization may have staged more in the meantime.
	c.Unapplied, c.Exported, c.Batch = o.sent.Merge(c.Unapplied), o.exported, o.batch
	c.ExportError = o.failure
	tx.PutConnector(c)
	return nil
}

// unwanted takes back the mark of a change that was not carried out, on an object
// of which a synchronization has cut the link meanwhile: nobody wants the change
// any more, and what was not created is not there.
func (x *export) unwanted(tx *space.Tx, c *space.Connector, o *outgoing) error {
	c.Exported, c.Batch, c.ExportError = o.exported, o.batch, nil
	if c.Provisioned && c.Exported == nil && !c.State.IsConnector() {
		return tx.RemoveConnector(c)
	}
	tx.PutConnector(c)
	return nil
}

// restore takes back the mark of a change that failed, and remembers why.
func (x *export) restore(tx *space.Tx, o outgoing, failure *fault.Error) error {
	if err := x.unmark(tx, o); err != nil {
		return err
	}
	return x.fail(tx, &o, o.sent, failure)
}

// fail remembers why an object could not be exported, or what is missing of it, and
// since when.
func (x *export) fail(tx *space.Tx, o *outgoing, missing *identity.Delta, failure *fault.Error) error {
	if err := x.unmeter(tx, o); err != nil {
		return err
	}
	c, err := tx.Connector(o.id)
	if err != nil || c == nil {
		return err
	}
	stored := &space.ObjectError{Name: failure.Name, Attribute: failure.Attribute, Detail: failure.Detail(), First: x.now(), Last: x.now()}
	x.stale = x.stale || showsStale(o, failure)
	if o.failure != nil {
		stored.First, stored.Retries = o.failure.First, o.failure.Retries+1
	}
	c.ExportError = stored
	tx.PutConnector(c)
	x.report.Exports[exportFailure]++
	x.details.exportFailed(c, missing)
	x.report.add(&x.report.ExportErrors, x.errorRecord(failure).of(c, stored))
	return nil
}

// withhold makes the references of a change pending again of which the rest was
// carried out; done is nil if there was nothing else.
func (x *export) withhold(tx *space.Tx, o *outgoing, done, references *identity.Delta) error {
	c, err := tx.Connector(o.id)
	if err != nil || c == nil {
		return err
	}
	if c.Link != o.link {
		references = nil // nobody wants them any more
	}
	c.Exported, c.Unapplied, c.ExportError = o.exported.Merge(done), references.Merge(c.Unapplied), o.failure
	if done == nil {
		c.Batch = o.batch
	}
	tx.PutConnector(c)
	return nil
}

// settlesAtOnce reports whether no import has to confirm the change.
func (x *export) settlesAtOnce(o *outgoing) bool {
	switch {
	case x.capabilities.Confirmation == agent.NoConfirmation:
		return true
	case o.op.Removes():
		return x.capabilities.Confirmation != agent.ConfirmAll
	case o.op == identity.Add || o.op == identity.DeleteAdd || o.added:
		return x.capabilities.Confirmation == agent.NoAddAndDeleteConfirmation
	}
	return false
}

// settleNow brings the connector space to what has been exported and will not be
// confirmed (sync-engine §1.3).
func (x *export) settleNow() error {
	for len(x.settled) > 0 {
		page := x.settled[:min(len(x.settled), x.limits.batch)]
		x.settled = x.settled[len(page):]
		if err := x.space.Update(func(tx *space.Tx) error {
			for _, id := range page {
				if err := tx.Unit(func() error { return x.settleObject(tx, id) }); err != nil {
					return fmt.Errorf("settle %s: %w", id, err)
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func (x *export) settleObject(tx *space.Tx, id identity.ID) error {
	c, err := tx.Connector(id)
	switch {
	case err != nil || c == nil || c.Exported == nil || c.Batch != x.batch || !c.Import.IsZero():
		return err // else an import has to say what it is
	case c.Exported.Op.Removes() && !c.State.IsConnector():
		return x.removeDeleted(tx, c)
	case c.Exported.Op.Removes():
		return nil
	}
	c.Synchronized = x.readable(c.ObjectType, c.Exported.Apply(c.Synchronized))
	c.Exported, c.Batch, c.Provisioned, c.Attempts = nil, 0, false, 0
	tx.PutConnector(c)
	return nil
}
