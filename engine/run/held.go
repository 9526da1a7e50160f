package run

import (
	"slices"

	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/store"
)

// Held is what of an agent is kept back.
type Held struct {
	// Holds are those that nobody has decided about, or that were rejected, and whose
	// reasons are still there.
	Holds []hold.Hold

	// Imports and Exports are how many of the pending changes are left out because
	// somebody rejected them, or because only a part of an export is held.
	Imports, Exports int
}

// Blocks reports whether a hold keeps a kind of step from being started: where only
// some objects are left out, or a file is held, it does not.
func Blocks(h *hold.Hold) bool {
	return !h.Partial && h.File == "" && (h.Rejected == nil || h.Step != h.Of)
}

// FindHeld returns what of an agent is kept back. It costs nothing if nothing is.
func FindHeld(tx *space.Tx, env *Environment, agent string) (held Held, err error) {
	a := env.Agents[agent]
	state, err := tx.AgentState(agent)
	if err != nil || a == nil || !state.Held {
		return held, err
	}
	kv := tx.Store()
	list, err := hold.List(kv, agent)
	if err != nil {
		return held, err
	}
	counters := tx.Counters(agent)
	for i := range list {
		h := &list[i]
		if h.Rejected != nil && h.Step == h.Of {
			marks, err := hold.Rejected(kv, h.Place())
			if err != nil {
				return held, err
			}
			if err := held.count(tx, h, marks); err != nil {
				return held, err
			}
			held.Holds = append(held.Holds, *h)
			continue
		}
		if h.Rejected != nil && h.Digest != pendingDigest(counters) {
			continue
		}
		reasons, err := standing(kv, &a.Thresholds, h, presentCounts(h, counters, env))
		if err != nil {
			return held, err
		}
		if len(reasons) == 0 {
			continue
		}
		held.Holds = append(held.Holds, *h)
		if h.Partial {
			marks, err := hold.Found(kv, h.Place())
			if err != nil {
				return held, err
			}
			if err := held.count(tx, h, marks); err != nil {
				return held, err
			}
		}
	}
	return held, nil
}

// count counts the objects of a hold that are still pending and left out.
func (held *Held) count(tx *space.Tx, h *hold.Hold, marks []hold.Mark) error {
	if h.Step == hold.Import || h.File != "" {
		return nil // an import looks at the system anew each time, and a file is not pending
	}
	for _, m := range marks {
		pending, err := isPending(tx, h.Step, m)
		switch {
		case err != nil:
			return err
		case !pending:
		case h.Step == hold.Sync:
			held.Imports++
		default:
			held.Exports++
		}
	}
	return nil
}

// isPending reports whether what a decision is about is still pending, and not failing.
func isPending(tx *space.Tx, step hold.Step, m hold.Mark) (pending bool, err error) {
	if m.ID.Space() == 0 {
		return false, nil
	}
	err = tx.Unit(func() error {
		c, err := tx.Connector(m.ID)
		switch {
		case err != nil || c == nil:
		case step == hold.Sync:
			pending = c.NeedsSync() && c.ImportError == nil && hashOf(c.Import) == m.Hash
		default:
			pending = c.ExportError == nil && hashOf(c.Unapplied) == m.Hash && !c.Unapplied.IsZero()
		}
		return err
	})
	return pending, err
}

// presentCounts are the most that is pending of each kind; nil if the counters do not
// tell, and what was found still counts.
func presentCounts(h *hold.Hold, c [space.Counters]int64, env *Environment) hold.Counts {
	switch {
	case h.Step != h.Of:
		return pendingImports(c)
	case h.Step == hold.Import, h.File != "":
		return nil
	case h.Step == hold.Sync && h.Rules == "":
		return pendingRemovals(h, int(c[space.CountToSync]+c[space.CountSyncFailed]))
	case h.Step == hold.Sync && h.Rules != env.Rules.Fingerprint:
		return hold.Counts{} // other rules decide now
	case h.Step == hold.Sync:
		return nil
	}
	sent := int(c[space.CountUnconfirmed]) // some may be sent again
	adds, updates, deletes := int(c[space.CountExportAdd])+sent, int(c[space.CountExportUpdate])+sent, int(c[space.CountExportDelete])+sent
	counts := hold.Counts{hold.Adds: adds, hold.Updates: updates, hold.Renames: updates, hold.Deletes: deletes, hold.Changes: adds + updates + deletes}
	if i := slices.IndexFunc(h.Reasons, func(r hold.Reason) bool { return r.Kind == hold.MemberRemovals }); i >= 0 && updates > 0 {
		counts[hold.MemberRemovals] = h.Reasons[i].Count
	}
	return counts
}

// pendingRemovals are the most that so many pending objects can delete. How many they
// disconnect nobody knows: what was found, as long as no fewer are pending than were set
// aside.
func pendingRemovals(h *hold.Hold, pending int) hold.Counts {
	counts := hold.Counts{hold.Deletes: pending, hold.Disconnects: pending}
	if i := slices.IndexFunc(h.Reasons, func(r hold.Reason) bool { return r.Kind == hold.Disconnects }); i >= 0 && pending >= h.Pending {
		counts[hold.Disconnects] = h.Reasons[i].Count
	}
	return counts
}

// standing returns the reasons of a hold that are still there: with what is pending
// now, and the limits of now. Without counts, what was found counts.
func standing(r store.Reader, t *Thresholds, h *hold.Hold, present hold.Counts) ([]hold.Reason, error) {
	var reasons []hold.Reason
	for _, reason := range h.Reasons {
		if present != nil {
			reason.Count = present[reason.Kind]
		}
		m, window := Measure{h.Of, reason.Kind}, reason.Window != ""
		if reason.Limit == hold.Everything {
			reasons = append(reasons, reason)
			continue
		}
		limit, n := t.limit(m, window), reason.Count+reason.Before
		if reason.Count == 0 || !limit.Exceeded(n, reason.Of) {
			continue
		}
		raised, err := raisedTo(r, h.Agent, m, window)
		if err != nil {
			return nil, err
		}
		if n > raised {
			reasons = append(reasons, reason)
		}
	}
	return reasons, nil
}

// A Verdict is what somebody decides about what is held.
type Verdict struct {
	Agent string    `json:"agent"`
	Step  hold.Step `json:"step,omitempty"` // "" is all that is held of the agent
	Raise bool      `json:"raise,omitempty"`
	hold.Decision
}

// Approve allows what is held of an agent: once, up to what was reported, or from now
// on. It returns what it was about, nothing if nothing is held.
func Approve(tx *space.Tx, env *Environment, v Verdict) ([]hold.Hold, error) {
	return decide(tx, env, v, func(h *hold.Hold) error {
		kv, p := tx.Store(), h.Place()
		a := &hold.Approval{Allowed: hold.Counts{}, Full: h.Step == hold.Sync && h.Rules != "", Decision: v.Decision}
		for _, r := range h.Reasons {
			if v.Raise && r.Limit != hold.Everything {
				raised := hold.Raised{
					Agent: h.Agent, Step: h.Of, Kind: r.Kind, Window: r.Window != "", Count: r.Count + r.Before, Decision: v.Decision,
				}
				if err := hold.Raise(kv, raised); err != nil {
					return err
				}
				continue
			}
			a.Allowed[r.Kind] = max(a.Allowed[r.Kind], r.Count)
			if r.Window == "" {
				continue
			}
			if err := hold.Restart(kv, h.Agent, h.Of, r.Kind); err != nil {
				return err
			}
		}
		if err := hold.SetRejected(kv, p, nil); err != nil {
			return err
		}
		if h.Step == h.Of && len(a.Allowed) > 0 {
			if err := hold.SetApproval(kv, p, a); err != nil {
				return err
			}
		}
		return hold.Clear(kv, p)
	})
}

// Reject has what is held of an agent left out from now on. It returns what it was
// about, nothing if nothing is held that was not rejected before.
func Reject(tx *space.Tx, env *Environment, v Verdict) ([]hold.Hold, error) {
	return decide(tx, env, v, func(h *hold.Hold) error {
		kv, p := tx.Store(), h.Place()
		h.Rejected = &v.Decision
		if h.Step != h.Of {
			h.Digest = pendingDigest(tx.Counters(h.Agent))
			return hold.Put(kv, h)
		}
		before, err := hold.Rejected(kv, p)
		if err != nil {
			return err
		}
		found, err := hold.Found(kv, p)
		if err != nil {
			return err
		}
		if err := hold.SetRejected(kv, p, joined(before, found)); err != nil {
			return err
		}
		if err := hold.Put(kv, h); err != nil {
			return err
		}
		return hold.SetFound(kv, p, nil)
	})
}

// joined joins ordered lists; of an object that is in both, the second counts.
func joined(before, found []hold.Mark) []hold.Mark {
	all := slices.Clone(found)
	for _, m := range before {
		if at, known := hold.Find(all, m.ID); !known {
			all = slices.Insert(all, at, m)
		}
	}
	return all
}

// decide carries out a decision about what is held of an agent.
func decide(tx *space.Tx, env *Environment, v Verdict, do func(*hold.Hold) error) ([]hold.Hold, error) {
	held, err := FindHeld(tx, env, v.Agent)
	if err != nil {
		return nil, err
	}
	var about []hold.Hold
	for i := range held.Holds {
		h := &held.Holds[i]
		if v.Step != "" && h.Step != v.Step {
			continue
		}
		if err := do(h); err != nil {
			return nil, err
		}
		about = append(about, *h)
	}
	if len(about) == 0 {
		return nil, nil
	}
	return about, NoteHeld(tx, v.Agent)
}

// ClearRaised takes back all limits of an agent that somebody has raised, and returns
// them.
func ClearRaised(tx *space.Tx, agent string) ([]hold.Raised, error) {
	list, err := hold.RaisedLimits(tx.Store(), agent)
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		if err := hold.ClearRaised(tx.Store(), r); err != nil {
			return nil, err
		}
	}
	return list, nil
}
