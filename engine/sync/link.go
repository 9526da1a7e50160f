package sync

import (
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// link joins or projects a disconnector (sync-engine §3.5, §3.6).
func (u *unit) link(c *space.Connector, view *connectorView, agent *rules.AgentRules, object *rules.ObjectRules) (linkResult, error) {
	found, err := u.join(view, agent, object)
	if err != nil {
		return unlinked, within(err, stepJoin, "", "")
	}
	if found.mv != nil {
		return joined, u.attach(c, found)
	}
	if found.ambiguous && !agent.ProjectOnAmbiguous {
		u.warn(c, fault.New("join-ambiguous", "several metaverse objects match the join criteria; none was joined and none projected"))
		return unlinked, u.tx.NoteAmbiguous(agent.Name)
	}
	return u.project(c, view, agent, object)
}

// attach links an object to the metaverse object that was found for it.
func (u *unit) attach(c *space.Connector, found match) error {
	if err := u.connect(c, found.mv, found.by.Key, space.ByJoin); err != nil {
		return err
	}
	if err := u.replace(c, found.mv); err != nil {
		return within(err, stepJoin, found.by.Rule, "")
	}
	if found.retype != nil {
		former := found.mv.Type
		err := u.changeType(found.mv, found.retype)
		u.trace.retyped(found.mv, former, found.by.Rule)
		return within(err, stepJoin, found.by.Rule, "")
	}
	return nil
}

// project creates a metaverse object for an object that joined none. The agent's
// extension decides if there is one, else the strongest rule that projects.
func (u *unit) project(c *space.Connector, view *connectorView, agent *rules.AgentRules, object *rules.ObjectRules) (linkResult, error) {
	var metaverse, by, key string
	if decide := agent.Extension.Project; decide != nil {
		name, err := rules.Call(func() (string, error) { return decide(u.ctx, u.viewed(view)) })
		if err != nil {
			return unlinked, within(err, stepProjection, "", "")
		}
		if name != "" && u.rules.Type(name) == nil {
			err := fault.New("extension-projection-invalid-object-type", "there is no metaverse type %q", name)
			return unlinked, within(err, stepProjection, "", "")
		}
		metaverse = name
	} else {
		for _, rule := range object.Inbound {
			if !rule.Project || !u.applies(rule, view, nil) {
				continue
			}
			if some, err := u.identifies(view, agent, rule.Criteria); err != nil || !some {
				if err != nil {
					return unlinked, within(err, stepProjection, rule.Name, "")
				}
				continue
			}
			metaverse, by, key = rule.Type.Name, rule.Name, rule.Key
			break
		}
	}
	u.trace.projection(metaverse, by, agent)
	if metaverse == "" {
		return unlinked, nil
	}
	mv := u.tx.NewObject(metaverse)
	u.tx.PutObject(mv)
	return projected, within(u.connect(c, mv, key, space.ByProjection), stepProjection, by, "")
}

// A match is what a search for the partner of an object found.
type match struct {
	mv        *space.Object // nil if there is none to join
	by        *rules.Join
	retype    *rules.Type // what the metaverse object is to become; nil leaves it as it is
	ambiguous bool        // a criterion was given up because several objects match it
}

// join looks for the metaverse object that the object belongs to: the criteria
// are tried in their order, and the first with exactly one match decides, or the
// agent's extension among its matches (sync-engine §3.5, §0 C3).
func (u *unit) join(view *connectorView, agent *rules.AgentRules, object *rules.ObjectRules) (match, error) {
	ambiguous := false
	for _, join := range object.Joins {
		usable, checked := join.Usable(view)
		if !usable {
			u.trace.outside(join)
			continue
		}
		u.trace.criterion(join)
		candidates, err := u.matches(view, agent, join, checked)
		if err != nil {
			return match{}, within(err, "", join.Rule, "")
		}
		if view.Link != 0 {
			candidates = withoutOwn(candidates, view.Connector, join)
		}
		u.trace.matched(candidates)
		if len(candidates) == 0 {
			continue
		}
		found := match{by: join}
		switch {
		case agent.Extension.ResolveJoin != nil:
			if err := u.resolve(view, agent, candidates, &found); err != nil {
				return match{}, within(err, "", join.Rule, "")
			}
		case len(candidates) == 1:
			found.mv = candidates[0]
		default:
			ambiguous = true
			u.trace.resolved(ResolvedAmbiguous)
		}
		if found.mv == nil {
			continue
		}
		if found.mv.ID == view.Link {
			u.trace.resolved(ResolvedJoined)
			return found, nil
		}
		if err := u.checkConnectors(found.mv, agent, view.Connector.ObjectType); err != nil {
			return match{}, within(err, "", join.Rule, "")
		}
		u.trace.resolved(ResolvedJoined)
		return found, nil
	}
	return match{ambiguous: ambiguous}, nil
}

// resolve lets the agent's extension choose among the objects that match.
func (u *unit) resolve(view *connectorView, agent *rules.AgentRules, candidates []*space.Object, found *match) error {
	entries := make([]rules.MetaverseEntry, len(candidates))
	for i, mv := range candidates {
		entries[i] = u.metaverseEntry(mv)
	}
	answer, err := rules.Call(func() (rules.Resolution, error) {
		return agent.Extension.ResolveJoin(u.ctx, found.by.Resolver, u.viewed(view), entries)
	})
	if err != nil || !answer.Join {
		if err == nil {
			u.trace.resolved(ResolvedDeclined)
		}
		return err
	}
	if answer.Index < 0 || answer.Index >= len(candidates) {
		return fault.New("extension-join-resolution-index-out-of-bounds", "the script chose number %d of %d objects", answer.Index, len(candidates))
	}
	found.mv = candidates[answer.Index]
	if answer.Type != "" && answer.Type != found.mv.Type {
		if found.retype = u.rules.Type(answer.Type); found.retype == nil {
			return fault.New("extension-join-resolution-invalid-object-type", "there is no metaverse type %q", answer.Type)
		}
	}
	return nil
}

// goes reports whether the last import found that the object is gone.
func goes(c *space.Connector) bool { return c.Import != nil && c.Import.Op.Removes() }

// isUnheard reports whether the object is one to be created, and its system has
// not been told yet.
func isUnheard(c *space.Connector) bool { return c.Provisioned && c.Exported == nil }

// replace takes back the creation of connectors in whose place an object joined
// that their system has already.
func (u *unit) replace(c *space.Connector, mv *space.Object) error {
	for _, id := range slices.Clone(mv.Connectors) {
		if id == c.ID || id.Space() != c.ID.Space() {
			continue
		}
		other, err := u.tx.Connector(id)
		if err != nil {
			return err
		}
		if other != nil && isUnheard(other) && other.ObjectType == c.ObjectType {
			if _, err := u.deprovision(other, mv, cut{by: space.ByDeprovisioning}, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkConnectors refuses to join a metaverse object that has as many connectors
// of the agent as it may. One that is gone does not count, nor one that is yet to
// be created: the object takes its place.
func (u *unit) checkConnectors(mv *space.Object, agent *rules.AgentRules, objectType string) error {
	number, n, last := u.space.Number(agent.Name), 0, identity.ID(0)
	for _, id := range mv.Connectors {
		if id.Space() != number {
			continue
		}
		other, err := u.tx.Connector(id)
		if err != nil {
			return err
		}
		if other != nil && !goes(other) && !(isUnheard(other) && other.ObjectType == objectType) {
			n, last = n+1, id
		}
	}
	switch {
	case n < agent.MaxConnectors:
		return nil
	case n == 1:
		return fault.New("ambiguous-import-flow-from-multiple-connectors",
			"the metaverse object %s that the object matches has a connector of this agent already: %s", mv.ID, last)
	}
	return fault.New("ambiguous-import-flow-from-multiple-connectors",
		"the metaverse object %s that the object matches has %d connectors of this agent already", mv.ID, n)
}

// matches returns the metaverse objects that satisfy a join criterion, by type and
// then in the order of their ids. A criterion with a missing value is unusable and
// matches none.
func (u *unit) matches(view *connectorView, agent *rules.AgentRules, join *rules.Join, checked bool) ([]*space.Object, error) {
	values := make([][]identity.Value, len(join.Pairs))
	for i, pair := range join.Pairs {
		var err error
		values[i], err = u.joinValues(view, agent, pair)
		u.trace.looksFor(values[i])
		if err != nil || len(values[i]) == 0 {
			return nil, err
		}
	}
	if len(join.Types) == 1 {
		return u.matchesOf(join.Types[0], view, join, values, checked)
	}
	var objects []*space.Object
	for _, t := range join.Types {
		if checked && t != join.Type {
			continue // the outbound half, which is for one type
		}
		found, err := u.matchesOf(t, view, join, values, checked)
		if err != nil {
			return nil, err
		}
		objects = append(objects, found...)
	}
	return objects, nil
}

// matchesOf returns the metaverse objects of one type that have the values which a
// join criterion looks for.
func (u *unit) matchesOf(t *rules.Type, view *connectorView, join *rules.Join, lookedFor [][]identity.Value, checked bool) ([]*space.Object, error) {
	var candidates []identity.ID
	var wanted [][]identity.Value // of case-sensitive pairs
	for i, pair := range join.Pairs {
		values := lookedFor[i]
		var found []identity.ID
		if pair.Metaverse == rules.ObjectIDAttribute && t.Attributes[pair.Metaverse] == nil {
			id, err := objectID(values)
			if err != nil {
				return nil, err
			}
			found = append(found, id)
		} else {
			for _, v := range values {
				converted, err := rules.Convert([]identity.Value{v}, t.Attributes[pair.Metaverse].Type, true)
				if err != nil {
					continue // a value of another kind equals nothing
				}
				ids, err := u.tx.FindObjects(t.Name, pair.Metaverse, converted[0])
				if err != nil {
					return nil, err
				}
				found = append(found, ids...)
				if pair.CaseSensitive {
					if wanted == nil {
						wanted = make([][]identity.Value, len(join.Pairs))
					}
					wanted[i] = append(wanted[i], converted[0])
				}
			}
		}
		if i > 0 {
			found = slices.DeleteFunc(found, func(id identity.ID) bool { return !slices.Contains(candidates, id) })
		}
		slices.Sort(found)
		candidates = slices.Compact(found)
	}
	var objects []*space.Object
	for _, id := range candidates {
		mv, err := u.tx.Object(id)
		if err != nil {
			return nil, err
		}
		if mv != nil && mv.Type == t.Name && hasAll(mv, join, wanted) && u.mayJoin(view, mv, join, checked) {
			objects = append(objects, mv)
		}
	}
	return objects, nil
}

// mayJoin reports whether the rule of a join criterion lets the object join a
// metaverse object. checked is what [rules.Join.Usable] says.
func (u *unit) mayJoin(view *connectorView, mv *space.Object, join *rules.Join, checked bool) bool {
	if !checked && (join.Inbound.DependsOn == nil || u.satisfied(join.Inbound.DependsOn, view, mv)) {
		return true
	}
	return join.AlsoOutbound() && join.Scope.Match(objectView{mv})
}

// identifies reports whether an object has a value for one attribute of some join
// criteria at least: without any, it is nobody whom another object could ever find
// (sync-engine §3.6). No criteria ask for nothing.
func (u *unit) identifies(view *connectorView, agent *rules.AgentRules, criteria []*rules.Join) (bool, error) {
	for _, join := range criteria {
		for _, pair := range join.Pairs {
			if values, err := u.joinValues(view, agent, pair); err != nil || len(values) > 0 {
				return err == nil, err
			}
		}
	}
	return len(criteria) == 0, nil
}

// joinValues returns the values that a pair of a join criterion looks for.
func (u *unit) joinValues(view *connectorView, agent *rules.AgentRules, pair rules.JoinPair) ([]identity.Value, error) {
	if !pair.Script {
		return view.Get(pair.Connector), nil
	}
	return rules.Call(func() ([]identity.Value, error) {
		return agent.Extension.JoinValues(u.ctx, pair.Connector, u.viewed(view))
	})
}

// objectID reads the id of a metaverse object, which a join may look for.
func objectID(values []identity.Value) (identity.ID, error) {
	if len(values) > 1 {
		return 0, fault.New("join-object-id-must-be-single-valued", "%d values for the id of a metaverse object", len(values))
	}
	id, err := identity.ParseID(values[0].Text())
	if err == nil && id.Space() != 0 {
		err = fault.New("", "%s is not in the metaverse", id)
	}
	if err != nil {
		return 0, &fault.Error{Name: "cannot-parse-object-id", Err: err}
	}
	return id, nil
}

// hasAll reports whether a metaverse object has one of the wanted values for
// every case-sensitive pair, letter by letter: the index does not look at case.
func hasAll(mv *space.Object, join *rules.Join, wanted [][]identity.Value) bool {
	for i, pair := range join.Pairs {
		if !pair.CaseSensitive || wanted == nil || wanted[i] == nil { // the last is the id of an object
			continue
		}
		has := func(v identity.Value) bool { return slices.Contains(wanted[i], v) }
		if !slices.ContainsFunc(mv.Attributes.Get(pair.Metaverse), has) {
			return false
		}
	}
	return true
}
