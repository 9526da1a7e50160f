package sync

import (
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// merge gives an attribute the values of all flows of the present connectors
// (sync-engine §4.9), those of except left out. Every value belongs to the
// strongest flow that says it. A flow that wants the attribute empty silences all
// weaker ones.
func (u *unit) merge(mv *space.Object, target *rules.Attribute, except *space.Connector) (changed bool, err error) {
	before := mv.Contributed(target.Name)
	var list []space.Contributed
	add := func(v identity.Value, by space.Contribution) {
		if !holds(list, v, target.Merge == rules.MergeCaseInsensitive) {
			list = append(list, space.Contributed{Value: v, By: by})
		}
	}
	var silencer *space.Contribution
	err = u.contributors(mv, target, except, func(c *space.Connector, flow *rules.InboundFlow, s said) bool {
		by := u.by(c, flow)
		if s.null {
			silencer = &by
			return false
		}
		for _, v := range s.values {
			add(v, by)
		}
		for _, b := range before {
			if s.declined && isBy(b.By, c, flow) {
				add(b.Value, b.By)
			}
		}
		return true
	})
	if err != nil {
		return false, err
	}
	if silencer != nil && len(list) == 0 {
		return u.set(mv, target.Name, said{null: true}, *silencer), nil
	}
	for _, b := range before {
		if silencer == nil && u.isLeftBehind(mv, b.By, except) {
			add(b.Value, b.By)
		}
	}
	return u.setContributed(mv, target.Name, before, list), nil
}

// isLeftBehind reports whether a value stays although its contributor was
// disconnected: without recall.
func (u *unit) isLeftBehind(mv *space.Object, by space.Contribution, leaving *space.Connector) bool {
	if isLinked(mv, by.Connector) {
		return false
	}
	if leaving == nil || leaving.ID != by.Connector {
		return true
	}
	recall, _ := u.recalls(u.space.AgentOf(by.Connector))
	return !recall
}

func holds(list []space.Contributed, v identity.Value, anyCase bool) bool {
	return slices.ContainsFunc(list, func(c space.Contributed) bool {
		return c.Value == v || anyCase && identity.EqualFold(c.Value, v)
	})
}

// setContributed gives an attribute values from several contributors, and reports
// whether they differ from before. A value that stays keeps its time.
func (u *unit) setContributed(mv *space.Object, attribute string, before, list []space.Contributed) (changed bool) {
	if len(list) == 0 {
		return u.unset(mv, attribute)
	}
	same := len(before) == len(list)
	changed = !same
	for i, c := range list {
		at := slices.IndexFunc(before, func(b space.Contributed) bool { return b.Value == c.Value })
		switch {
		case at < 0:
			changed, same = true, false
		case before[at].By.Connector == c.By.Connector && before[at].By.Rule == c.By.Rule:
			list[i].By = before[at].By
		default:
			same = false
		}
	}
	if !same {
		mv.SetContributed(attribute, list)
		u.tx.PutObject(mv)
		u.wrote(mv, attribute)
	}
	return changed
}

// contributeEqual is equal precedence (sync-engine §4.7): what an import changes
// is done to the attribute, whoever gave it its values. An object that is linked
// brings all that it has.
func (u *unit) contributeEqual(c *space.Connector, mv *space.Object, view *connectorView, flow *rules.InboundFlow, inScope bool) (changed bool, err error) {
	target := flow.Target
	var now, was said
	if inScope {
		if now, err = u.says(c, mv, view, flow); err != nil {
			return false, err
		}
	}
	u.trace.says(c, flow, now)
	if now.declined {
		return false, nil
	}
	if !inScope || !flow.Scope.Match(view) {
		return false, u.withdraw(c, mv, flow)
	}
	switch previous := (&connectorView{c, c.Synchronized, u}); {
	case u.fresh:
	case c.Import.IsZero():
		was = now
	case u.applies(flow.Rule, previous, mv):
		if was, err = u.says(c, mv, previous, flow); err != nil {
			was = said{} // what it said then was an error, too
		}
	}
	if target.Multi {
		return u.mergeEqual(c, mv, flow, was.values, now.values), nil
	}
	current, present := mv.Contribution(target.Name)
	wrote := !slices.Equal(was.values, now.values) || was.null != now.null
	switch {
	case wrote && slices.Equal(mv.Attributes.Get(target.Name), now.values):
		return false, nil
	case wrote && len(now.values) == 0:
		return u.set(mv, target.Name, said{null: true}, u.by(c, flow)), nil
	case wrote, !present && len(now.values) > 0, present && !current.Null && isBy(current, c, flow) && len(now.values) > 0:
		return u.set(mv, target.Name, now, u.by(c, flow)), nil
	case present && !current.Null && isBy(current, c, flow):
		return u.repopulate(mv, target, nil)
	}
	return false, nil
}

// mergeEqual adds and removes what became of the values of one flow. What the
// flow once contributed and no longer says goes, too.
func (u *unit) mergeEqual(c *space.Connector, mv *space.Object, flow *rules.InboundFlow, was, now []identity.Value) (changed bool) {
	name := flow.Target.Name
	_, present := mv.Contribution(name)
	before := mv.Contributed(name)
	list := slices.DeleteFunc(slices.Clone(before), func(b space.Contributed) bool {
		return !identity.Contains(now, b.Value) && (identity.Contains(was, b.Value) || isBy(b.By, c, flow))
	})
	resolved := c.RetryReferences && flow.Target.Type == identity.TypeReference
	for _, v := range now {
		if (!present || resolved || !identity.Contains(was, v)) && !holds(list, v, false) {
			list = append(list, space.Contributed{Value: v, By: u.by(c, flow)})
		}
	}
	if len(list) == 0 && len(before) > 0 {
		return u.set(mv, name, said{null: true}, u.by(c, flow)) // that it is empty is worth remembering
	}
	if len(list) == 0 {
		return false
	}
	return u.setContributed(mv, name, before, list)
}

// withdraw takes back what a flow that no longer applies contributed with equal
// precedence.
func (u *unit) withdraw(c *space.Connector, mv *space.Object, flow *rules.InboundFlow) error {
	if !slices.Contains(mv.ContributedBy(c.ID), flow.Target.Name) {
		return nil
	}
	if flow.Target.Multi {
		return u.recallEqual(c, mv, flow.Target)
	}
	_, err := u.repopulate(mv, flow.Target, c)
	return err
}

// recallEqual takes the values of one object out of an attribute with equal
// precedence. Those that another connector has as well become its contribution.
func (u *unit) recallEqual(c *space.Connector, mv *space.Object, target *rules.Attribute) error {
	before := mv.Contributed(target.Name)
	isLost := func(b space.Contributed) bool { return b.By.Connector == c.ID }
	list := slices.DeleteFunc(slices.Clone(before), isLost)
	err := u.contributors(mv, target, c, func(other *space.Connector, flow *rules.InboundFlow, s said) bool {
		for _, b := range before {
			if isLost(b) && identity.Contains(s.values, b.Value) && !holds(list, b.Value, false) {
				list = append(list, space.Contributed{Value: b.Value, By: u.by(other, flow)})
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	u.setContributed(mv, target.Name, before, list)
	return nil
}
