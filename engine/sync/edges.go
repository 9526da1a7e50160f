package sync

import (
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// A group may have a hundred thousand members, and one of them comes or goes. The
// values of such an attribute are kept as edges (see space.KeepEdges), and where
// nothing but single values changed they flow alone: inbound from the pending
// import to the metaverse, outbound from there to what is staged. Everything else
// about the attribute is as the last synchronization left it, or the whole of it
// is evaluated as always: each function says by its first result whether it could
// do without.

// flowValues lets the single values flow that an import changed in an attribute.
func (u *unit) flowValues(c *space.Connector, mv *space.Object, flow *rules.InboundFlow) (done, changed bool, err error) {
	if flow.Source.Direct == "" || !flow.Target.Multi || flow.Target.Type != identity.TypeReference || c.RetryReferences {
		return false, false, nil
	}
	if flow.Scope != nil || flow.Target.Mode != rules.Ranked || flow.Target.Merges() {
		return false, false, nil
	}
	change := c.Import.Change(flow.Source.Direct)
	target := mv.Attributes.Find(flow.Target.Name)
	if change == nil || change.Op != identity.Update || target == nil || target.Set == nil {
		return false, false, nil
	}
	if by, _ := mv.Contribution(target.Name); by.Connector != c.ID || !flow.Rule.Is(by.Rule) {
		return false, false, nil
	}
	removed, certain, err := u.leaving(change.Removed)
	if err != nil || !certain {
		return false, false, err
	}
	added, err := u.inboundReferences(c, change.Values)
	if err != nil {
		return false, false, err
	}
	added = slices.DeleteFunc(added, target.Contains)
	removed = slices.DeleteFunc(removed, func(v identity.Value) bool { return !target.Contains(v) || identity.Contains(added, v) })
	if len(added)+len(removed) == 0 {
		return true, false, nil
	}
	mv.Change(target.Name, added, removed, space.Contribution{Connector: c.ID, Rule: flow.Rule.Key, Time: u.now})
	u.tx.PutObject(mv)
	return true, true, nil
}

// leaving returns the metaverse objects that references to connector-space
// objects meant. It is not certain if another reference may mean the same.
func (u *unit) leaving(values []identity.Value) (out []identity.Value, certain bool, err error) {
	for _, v := range values {
		c, err := u.tx.Connector(v.Ref())
		if err != nil {
			return nil, false, err
		}
		if c == nil || !c.State.IsConnector() || c.Replaces != nil {
			continue
		}
		mv, err := u.tx.Object(c.Link)
		if err != nil {
			return nil, false, err
		}
		if mv == nil || u.connectors(mv, c.ID.Space()) > 1 {
			return nil, false, nil
		}
		out = append(out, identity.ReferenceTo(mv.ID))
	}
	return identity.Normalize(out), true, nil
}

func (u *unit) connectors(mv *space.Object, space uint16) int {
	n := 0
	for _, id := range mv.Connectors {
		if id.Space() == space {
			n++
		}
	}
	return n
}

// before is a metaverse object as it was before a synchronization of which only
// changes have to flow out. The zero value is one of which everything has to.
type before struct {
	source     identity.ID // the object that is synchronized
	attributes identity.Attributes
}

// beforeFlow remembers a metaverse object if it has attributes that are worth it.
func beforeFlow(c *space.Connector, mv *space.Object) before {
	if !slices.ContainsFunc(mv.Attributes, func(a identity.Attribute) bool { return a.Set != nil }) {
		return before{}
	}
	return before{c.ID, mv.Attributes.Clone()}
}

// stageValues stages the single values that changed in the source of an export
// flow, on top of what is staged already.
func (u *unit) stageValues(c *space.Connector, mv *space.Object, flow *rules.OutboundFlow, base identity.Attributes, staged *identity.Delta) (done bool, err error) {
	if u.before.source == 0 || u.before.source == c.ID || flow.Source.Direct == "" || flow.Type != identity.TypeReference || flow.Scope != nil {
		return false, nil
	}
	was, is := u.before.attributes.Find(flow.Source.Direct), mv.Attributes.Find(flow.Source.Direct)
	if was == nil || is == nil || was.Set == nil || is.Set == nil {
		return false, nil
	}
	top := c.TopImage().Find(flow.Target)
	settled := c.Import.IsZero() && !c.NotReimported && flow.Rule.Among(c.Applied)
	if top == nil || top.Set == nil || !settled || !u.only(mv, c, flow) {
		return false, nil
	}
	if u.replacing(u.space.AgentOf(c.ID)) {
		return false, nil // what is there may have to come again, or is nobody any more
	}
	var added, removed []identity.Value
	if change, differs := was.Diff(is); differs {
		if change.Op != identity.Update {
			return false, nil
		}
		if removed, err = u.left(u.space.AgentOf(c.ID), change.Removed); err != nil || len(removed) != len(change.Removed) {
			return false, err
		}
		if added, err = u.outboundReferences(mv, u.space.AgentOf(c.ID), change.Values); err != nil {
			return false, err
		}
	}
	wanted := &identity.Attribute{Name: flow.Target, Set: top.Set.With(added, removed)}
	if wanted.Len() == 0 {
		return false, nil
	}
	staged.DropChange(flow.Target)
	if change, differs := base.Find(flow.Target).Diff(wanted); differs {
		staged.SetChange(change)
	}
	return true, nil
}

// left returns the connectors in an agent's connector space of metaverse objects
// that are no longer referred to, without those of objects that have none or
// several.
func (u *unit) left(agent string, values []identity.Value) ([]identity.Value, error) {
	var out []identity.Value
	for _, v := range values {
		target, err := u.tx.Object(v.Ref())
		if err != nil {
			return nil, err
		}
		if target == nil || u.connectors(target, u.space.Number(agent)) != 1 {
			continue
		}
		out = append(out, identity.ReferenceTo(u.connectorOf(target, agent, "")))
	}
	return identity.Normalize(out), nil
}

// only reports whether no other flow gives the attribute values.
func (u *unit) only(mv *space.Object, c *space.Connector, flow *rules.OutboundFlow) bool {
	agent := u.space.AgentOf(c.ID)
	for _, rule := range u.rules.Type(mv.Type).Outbound {
		if rule.Agent != agent || rule.Object.Name != c.ObjectType {
			continue
		}
		for _, f := range rule.Flows {
			if f != flow && f.Target == flow.Target {
				return false
			}
		}
	}
	return true
}
