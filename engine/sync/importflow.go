package sync

import (
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// importFlow lets the object contribute to its metaverse object (sync-engine
// §3.7, §4.2). It reports whether a value changed.
func (u *unit) importFlow(c *space.Connector, mv *space.Object, view *connectorView, object *rules.ObjectRules, mode Mode) (changed bool, err error) {
	for _, rule := range object.Inbound {
		if rule.Type.Name != mv.Type {
			continue
		}
		inScope := rule.Scope.Match(view)
		whole := mode == Full || touches(c.Import, rule.Scope.Reads())
		for _, flow := range rule.Flows {
			if !whole && !affected(c, flow) {
				continue
			}
			var values []identity.Value
			if inScope && !whole {
				done, flowed, err := u.flowValues(c, mv, flow)
				if err != nil {
					return false, within(err, stepImportFlow, rule.Name, flow.Target.Name)
				}
				if done {
					changed = changed || flowed
					continue
				}
			}
			if inScope {
				var declined bool
				values, declined, err = u.inboundValues(c, view, flow)
				if err != nil {
					return false, within(err, stepImportFlow, rule.Name, flow.Target.Name)
				}
				if declined {
					continue
				}
			}
			flowed, err := u.contribute(c, mv, flow, values)
			if err != nil {
				return false, within(err, stepImportFlow, rule.Name, flow.Target.Name)
			}
			changed = changed || flowed
		}
	}
	return changed, nil
}

// affected reports whether a delta synchronization has to evaluate a flow.
func affected(c *space.Connector, flow *rules.InboundFlow) bool {
	reads := flow.Source.Reads()
	return len(reads) == 0 || touches(c.Import, reads) ||
		c.RetryReferences && flow.Target.Type == identity.TypeReference
}

// touches reports whether a delta changes one of the attributes.
func touches(d *identity.Delta, attributes []string) bool {
	if d == nil || len(attributes) == 0 {
		return false
	}
	if d.DN != "" && slices.Contains(attributes, rules.DNAttribute) || d.Op == identity.Add || d.Op == identity.DeleteAdd {
		return true
	}
	for _, name := range attributes {
		if d.Change(name) != nil {
			return true
		}
	}
	return false
}

// inboundValues computes what a flow contributes, in the type of its target and
// with references to metaverse objects.
func (u *unit) inboundValues(c *space.Connector, view *connectorView, flow *rules.InboundFlow) (values []identity.Value, declined bool, err error) {
	values, declined, err = u.eval(&flow.Source, view)
	if err != nil || declined {
		return nil, declined, err
	}
	if values, err = rules.Convert(values, flow.Target.Type, flow.Target.Multi); err != nil {
		return nil, false, err
	}
	if flow.Target.Type == identity.TypeReference {
		values, err = u.inboundReferences(c, values)
	}
	return values, false, err
}

// contribute applies ranked precedence to the values of one flow. Without
// values, the flow takes back what it contributed before.
func (u *unit) contribute(c *space.Connector, mv *space.Object, flow *rules.InboundFlow, values []identity.Value) (changed bool, err error) {
	target := flow.Target
	current, present := mv.Contribution(target.Name)
	own := present && current.Connector == c.ID && current.Rule == flow.Rule.Name
	if len(values) == 0 {
		if !own {
			return false, nil
		}
		return u.repopulate(mv, target, nil)
	}
	if present && !own && flow.Rank > target.Rank(u.space.AgentOf(current.Connector), current.Rule) {
		return false, nil // not precedent
	}
	return u.set(mv, target.Name, values, space.Contribution{Connector: c.ID, Rule: flow.Rule.Name, Time: u.now}), nil
}

// set gives an attribute values, and reports whether they differ from before.
func (u *unit) set(mv *space.Object, attribute string, values []identity.Value, by space.Contribution) bool {
	current, present := mv.Contribution(attribute)
	same := present && slices.Equal(mv.Attributes.Get(attribute), values)
	if same && current.Connector == by.Connector && current.Rule == by.Rule {
		return false
	}
	mv.Set(attribute, values, by)
	u.tx.PutObject(mv)
	return !same
}

// repopulate looks for the strongest flow of the present connectors that has
// something to contribute, and removes the attribute if there is none
// (sync-engine §4.3). A connector in except is passed over.
func (u *unit) repopulate(mv *space.Object, target *rules.Attribute, except *space.Connector) (changed bool, err error) {
	for _, flow := range target.Flows {
		number := u.space.Number(flow.Rule.Agent)
		for _, id := range mv.Connectors {
			if id.Space() != number || except != nil && id == except.ID {
				continue
			}
			c, err := u.tx.Connector(id)
			if err != nil {
				return false, err
			}
			if c == nil || c.ObjectType != flow.Rule.Object {
				continue
			}
			view := &connectorView{c, c.ImportImage()}
			if !flow.Rule.Scope.Match(view) {
				continue
			}
			values, declined, err := u.inboundValues(c, view, flow)
			if err != nil {
				return false, within(err, stepImportFlow, flow.Rule.Name, target.Name)
			}
			if !declined && len(values) > 0 {
				return u.set(mv, target.Name, values, space.Contribution{Connector: c.ID, Rule: flow.Rule.Name, Time: u.now}), nil
			}
		}
	}
	mv.Remove(target.Name)
	u.tx.PutObject(mv)
	return true, nil
}

// recall takes back everything that an object contributed (sync-engine §4.5).
func (u *unit) recall(c *space.Connector, mv *space.Object) error {
	t := u.rules.Type(mv.Type)
	for _, name := range mv.ContributedBy(c.ID) {
		var target *rules.Attribute
		if t != nil {
			target = t.Attributes[name]
		}
		if target == nil {
			mv.Remove(name)
			u.tx.PutObject(mv)
			continue
		}
		if _, err := u.repopulate(mv, target, c); err != nil {
			return err
		}
	}
	return nil
}
