package run

import (
	"context"
	"errors"
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// Names that go round in a circle, as when two people swap theirs, need a name in
// between. One object of the circle is moved there, in an export of its own that
// ends before the rest begins: whenever the process dies, the connector space says
// where the object may be, and the next export goes on from there.

// MustExport reports whether an export was interrupted while it gave other names to
// objects that a system knows by nothing else. An import could not tell them apart:
// the export has to go on first.
func MustExport(tx *space.Tx, a *Agent) (bool, error) {
	if !a.Agent.Capabilities().AnchorIsDN {
		return false, nil
	}
	state, err := tx.AgentState(a.Name)
	if err != nil || state.Batch == state.ConfirmedBatch {
		return false, err
	}
	for after := identity.ID(0); ; {
		ids, err := tx.List(space.Sent, a.Name, after, exportPage)
		if err != nil || len(ids) == 0 {
			return false, err
		}
		for _, id := range ids {
			c, err := tx.Connector(id)
			if err != nil {
				return false, err
			}
			if c != nil && c.Batch > state.ConfirmedBatch && (c.Exported.IsRename() || c.Exported.Op == identity.DeleteAdd) {
				return true, nil
			}
			after = id
		}
	}
}

// mustExport returns the error of an import that [MustExport] forbids.
func mustExport(tx *space.Tx, a *Agent) error {
	must, err := MustExport(tx, a)
	if err != nil || !must {
		return err
	}
	refused := fault.New(string(NoStartMA), "an export of agent %q was interrupted while it renamed objects, and nobody knows which of them have their new names", a.Name)
	refused.Hint = "run the export again: it goes on from there"
	return refused
}

// temporary begins the name that an object has while another one takes its own.
const temporary = "metasync-"

// temporaryName returns the name under which an object waits, the same at every
// call; "" if the system has no names that would do.
func (x *export) temporaryName(c *space.Connector) string {
	name := temporary + c.ID.String()
	switch {
	case x.capabilities.NoRename:
		return ""
	case x.capabilities.LDAPNames:
		dn, err := identity.ParseDN(c.DN)
		if err != nil || len(dn) == 0 || len(dn[0]) == 0 {
			return ""
		}
		return append(identity.DN{{{Type: dn[0][0].Type, Value: name}}}, dn.Parent()...).String()
	case !x.capabilities.AnchorIsDN:
		return name
	}
	t := x.agent.Schema.Type(c.ObjectType)
	if t == nil {
		return ""
	}
	parts, ok := identity.SplitAnchor(c.DN, len(t.Anchor))
	at := slices.IndexFunc(t.Anchor, func(part string) bool {
		a := t.Attribute(part)
		return a != nil && a.Type == identity.TypeString
	})
	if !ok || at < 0 {
		return ""
	}
	parts[at] = name
	return identity.JoinAnchor(parts...)
}

// isParking reports whether an interrupted export may have moved an object to its
// temporary name.
func (x *export) isParking(c *space.Connector) bool {
	return x.isInterrupted(c) && c.Exported.IsRename() && c.Exported.DN == x.temporaryName(c) && c.DN != c.Exported.DN
}

// due returns what is to be sent for an object: what is pending, after what an
// interrupted export may have sent.
func (x *export) due(c *space.Connector) *identity.Delta {
	switch {
	case !x.isInterrupted(c):
		return c.Unapplied
	case x.replays(c):
		return c.Exported
	}
	return c.Exported.Merge(c.Unapplied)
}

// replays reports whether what an interrupted export sent for an object comes again
// as it was, and what is pending after it: the object got one name and shall have
// yet another one, in a system that knows it by nothing else.
func (x *export) replays(c *space.Connector) bool {
	return x.capabilities.AnchorIsDN && c.Exported.IsRename() && c.Unapplied.IsRename() && !x.isParking(c)
}

// wantsName notes who has the name that an object gets.
func (p *planner) wantsName(tx *space.Tx, c *space.Connector, dn string) error {
	if p.isParking(c) {
		p.hopping = append(p.hopping, c.ID)
	}
	id, err := tx.ByDN(p.agent.Name, dn)
	if err != nil || id == 0 || id == c.ID {
		return err
	}
	p.names = append(p.names, constraint{object: c.ID, after: id, container: true, name: true})
	return nil
}

// settleNames finds out which names are given up, and which go round in circles.
func (p *planner) settleNames(out *exportPlan) {
	if len(p.names) == 0 && len(p.hopping) == 0 {
		return
	}
	renamed, deleted := map[identity.ID]bool{}, map[identity.ID]bool{}
	for _, o := range p.changes {
		renamed[o.id] = o.renamed
	}
	for _, o := range p.deletes {
		deleted[o.id] = true
	}
	out.after, out.passed = map[identity.ID]identity.ID{}, map[identity.ID]bool{}
	for _, c := range p.names {
		if !renamed[c.after] && !deleted[c.after] {
			continue // nobody gives it up: the system has the last word
		}
		out.after[c.object], out.passed[c.after] = c.after, true
		if renamed[c.after] {
			p.before = append(p.before, c)
		}
	}
	out.parked = append(p.hopping, p.circles(out.after)...)
	slices.Sort(out.parked)
	out.parked = slices.Compact(out.parked)
}

// circles returns an object of each circle of names, the oldest unless an
// interrupted export has begun with another one.
func (p *planner) circles(after map[identity.ID]identity.ID) []identity.ID {
	var first []identity.ID
	seen := map[identity.ID]int{} // in which walk
	for walk, start := range sortedIDs(after) {
		at, some := start, true
		for some && seen[at] == 0 {
			seen[at] = walk + 1
			at, some = after[at]
		}
		if !some || seen[at] != walk+1 {
			continue
		}
		circle := []identity.ID{at}
		for next := after[at]; next != at; next = after[next] {
			circle = append(circle, next)
		}
		if !slices.ContainsFunc(circle, func(id identity.ID) bool { return slices.Contains(p.hopping, id) }) {
			first = append(first, slices.Min(circle))
		}
	}
	return first
}

// splitDeletes returns the deletions that free a name for a change, and the others.
func (p *exportPlan) splitDeletes() (early, late []identity.ID) {
	if len(p.passed) == 0 {
		return nil, p.deletes
	}
	for _, id := range p.deletes {
		if p.passed[id] {
			early = append(early, id)
		} else {
			late = append(late, id)
		}
	}
	return early, late
}

// park moves the objects of the plan to their temporary names. What the system
// does not take stays where it is, and so does what waits for its name: their own
// changes fail then.
func (x *export) park(exporter agent.Exporter) error {
	var out []outgoing
	var changes []agent.Change
	err := x.space.Update(func(tx *space.Tx) error {
		for _, id := range x.plan.parked {
			if err := tx.Unit(func() error {
				c, err := tx.Connector(id)
				if err != nil || c == nil {
					return err
				}
				to := x.temporaryName(c)
				if to == "" || to == c.DN {
					return nil
				}
				o, change, err := x.markParked(tx, c, to)
				out, changes = append(out, o), append(changes, change)
				return err
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || len(changes) == 0 {
		return err
	}
	stream, err := exporter.OpenExport(x.ctx, agent.ExportRequest{Seen: x.seen, Schema: x.agent.Schema, Partition: x.partition})
	if err != nil {
		return err
	}
	results, err := stream.Put(x.ctx, changes)
	if err != nil {
		return errors.Join(err, stream.Close(context.WithoutCancel(x.ctx), agent.Aborted))
	}
	if err := stream.Close(x.ctx, agent.Completed); err != nil {
		return err
	}
	return x.settleParked(out, changes, results)
}

// markParked marks a move to a temporary name as sent. The change that is pending
// stays so.
func (x *export) markParked(tx *space.Tx, c *space.Connector, to string) (outgoing, agent.Change, error) {
	o := outgoing{turn: turn{id: c.ID}, op: identity.Update, rename: true, exported: c.Exported, batch: c.Batch}
	o.sent = &identity.Delta{Op: identity.Update, DN: to}
	if x.isInterrupted(c) {
		o.repeated = true
		if !x.isParking(c) {
			c.Unapplied, c.Exported = c.Exported.Merge(c.Unapplied), nil
		}
		o.exported, o.batch = nil, 0
	}
	change := agent.Change{Op: identity.Update, ObjectType: c.ObjectType, DN: c.DN, Anchor: c.Anchor, NewDN: to, Repeated: o.repeated}
	if x.capabilities.ExportLevel != agent.ValueLevel {
		var err error
		if change.Image, err = x.namedAttributes(tx, c.ExportedImage()); err != nil {
			return o, change, err
		}
	}
	if t := x.agent.Schema.Type(c.ObjectType); t != nil && x.capabilities.ExportLevel == agent.ObjectLevel {
		change.Op = identity.Replace
		change.Changes = slices.DeleteFunc(x.wholeObject(c.ObjectType, change.Image), func(part identity.Change) bool {
			return x.capabilities.AnchorIsDN && slices.Contains(t.Anchor, part.Name) // they follow the name
		})
	}
	c.Exported, c.Batch = c.Exported.Merge(o.sent), x.batch
	c.SetDigest(nil)
	tx.PutConnector(c)
	return o, change, nil
}

// settleParked stores the names of the objects that have moved, and takes the marks
// back from the others.
func (x *export) settleParked(out []outgoing, changes []agent.Change, results []agent.Result) error {
	err := x.space.Update(func(tx *space.Tx) error {
		for i, o := range out {
			if err := tx.Unit(func() error {
				c, err := tx.Connector(o.id)
				if err != nil || c == nil {
					return err
				}
				c.Batch = x.confirmed // it is known to have arrived
				if i >= len(results) || results[i].Err != nil || results[i].Action != agent.NoAction {
					c.Exported, c.Batch = o.exported, o.batch
				} else if n, learnt := x.learnt(o, changes[i], results[i]); learnt {
					x.named = append(x.named, n)
				}
				tx.PutConnector(c)
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return x.rename()
}
