package sync

import (
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// outbound brings the connectors of a metaverse object in line with it: creates
// those that outbound rules ask for, cuts those whose rule no longer applies, and
// stages what flows to the others (sync-engine §3.8).
func (u *unit) outbound(mv *space.Object) error {
	t := u.rules.Type(mv.Type)
	if t == nil {
		return nil
	}
	if err := u.tx.DoneObject(mv.ID); err != nil {
		return err
	}
	view := objectView{mv}
	applied := make([]*rules.OutboundRule, 0, len(t.Outbound))
	created := map[identity.ID]bool{}
	for _, rule := range t.Outbound {
		if rule.DependsOn != nil && !slices.Contains(applied, rule.DependsOn) || !rule.Scope.Match(view) {
			continue
		}
		if waits, err := u.waits(mv, rule.DependsOnInbound); err != nil || waits {
			if err != nil {
				return err
			}
			continue
		}
		if rule.Provision && u.connectorOf(mv, rule.Agent, rule.Object.Name) == 0 {
			id, err := u.provision(mv, view, rule)
			if err != nil {
				return within(err, stepProvisioning, rule.Name, "")
			}
			created[id] = true
		}
		applied = append(applied, rule)
	}
	if err := u.leave(mv, t, applied); err != nil {
		return err
	}
	if len(mv.Connectors) == 0 {
		return within(u.deleteObject(mv), stepDeletion, "", "")
	}
	for _, id := range slices.Clone(mv.Connectors) {
		c, err := u.tx.Connector(id)
		if err != nil {
			return err
		}
		if c == nil {
			continue
		}
		if err := u.exportFlow(c, mv, view, applied, created[id]); err != nil {
			return err
		}
	}
	return nil
}

// waits reports whether no connector of the metaverse object is in the scope of
// an inbound rule that has to be applied first.
func (u *unit) waits(mv *space.Object, rule *rules.InboundRule) (bool, error) {
	if rule == nil {
		return false, nil
	}
	number := u.space.Number(rule.Agent)
	for _, id := range mv.Connectors {
		if id.Space() != number {
			continue
		}
		c, err := u.tx.Connector(id)
		if err != nil {
			return false, err
		}
		if c != nil && c.ObjectType == rule.Object && rule.Scope.Match(&connectorView{c, c.ImportImage(), u}) {
			return false, nil
		}
	}
	return true, nil
}

// leave deprovisions the connectors to which a rule with deprovisioning applied
// until now, and no other rule does any more.
func (u *unit) leave(mv *space.Object, t *rules.Type, applied []*rules.OutboundRule) error {
	for _, rule := range u.mayLeave(mv, t) {
		if !rule.Deprovision || slices.Contains(applied, rule) {
			continue
		}
		c, err := u.tx.Connector(u.connectorOf(mv, rule.Agent, rule.Object.Name))
		if err != nil {
			return err
		}
		if c == nil || !slices.Contains(c.Applied, rule.Name) {
			continue
		}
		if slices.ContainsFunc(applied, func(r *rules.OutboundRule) bool {
			return r.Agent == rule.Agent && r.Object.Name == rule.Object.Name
		}) {
			continue
		}
		if err := u.deprovision(c, mv, true); err != nil {
			return within(err, stepDeprovisioning, rule.Name, "")
		}
	}
	return nil
}

// provision gives a metaverse object a connector: one that exists and matches
// the rule's join criteria or its DN, otherwise a new one.
func (u *unit) provision(mv *space.Object, view objectView, rule *rules.OutboundRule) (identity.ID, error) {
	existing, err := u.existing(view, rule)
	if err != nil {
		return 0, err
	}
	if existing != nil {
		return existing.ID, u.connect(existing, mv, rule.Name, space.ByJoin)
	}
	dn, err := u.outboundDN(view, rule)
	if err != nil {
		return 0, err
	}
	c, err := u.nameHolder(rule, dn)
	if err != nil {
		return 0, err
	}
	switch {
	case c == nil:
		c = u.tx.NewConnector(rule.Agent)
	case c.State == space.Placeholder: // others refer to it already
	case c.State == space.Disconnector && c.ObjectType == rule.Object.Name:
		return c.ID, u.connect(c, mv, rule.Name, space.ByJoin)
	case c.State == space.ExplicitDisconnector && c.Unapplied != nil && c.Unapplied.Op == identity.Delete:
		// It was to be deleted and nobody has been told: it stays after all.
		c.Unapplied, c.ExportError = nil, nil
		return c.ID, u.connect(c, mv, rule.Name, space.ByProvisioning)
	default:
		return 0, fault.New("object-already-exists", "agent %q has a %s named %q already", rule.Agent, c.State, dn)
	}
	c.ObjectType, c.DN, c.Provisioned = rule.Object.Name, dn, true
	c.Unapplied = &identity.Delta{Op: identity.Add, ObjectType: c.ObjectType, DN: dn}
	return c.ID, u.connect(c, mv, rule.Name, space.ByProvisioning)
}

// existing looks for the object that the rule would create among the
// disconnectors of its agent, so that nothing is created twice.
func (u *unit) existing(view objectView, rule *rules.OutboundRule) (*space.Connector, error) {
	for _, join := range rule.Joins {
		var candidates []identity.ID
		for i, pair := range join.Pairs {
			var found []identity.ID
			for _, v := range view.Get(pair.Metaverse) {
				converted, err := rules.Convert([]identity.Value{v}, rule.Object.Attribute(pair.Connector).Type, true)
				if err != nil {
					continue
				}
				ids, err := u.tx.FindDisconnectors(rule.Agent, rule.Object.Name, pair.Connector, converted[0])
				if err != nil {
					return nil, err
				}
				found = append(found, ids...)
			}
			if i > 0 {
				found = slices.DeleteFunc(found, func(id identity.ID) bool { return !slices.Contains(candidates, id) })
			}
			slices.Sort(found)
			candidates = slices.Compact(found)
		}
		switch len(candidates) {
		case 0:
		case 1:
			return u.tx.Connector(candidates[0])
		default:
			return nil, fault.New("join-ambiguous", "%d disconnectors of agent %q match the join criteria", len(candidates), rule.Agent)
		}
	}
	return nil, nil
}

func (u *unit) nameHolder(rule *rules.OutboundRule, dn string) (*space.Connector, error) {
	id, err := u.tx.ByDN(rule.Agent, dn)
	if err != nil || id == 0 {
		return nil, err
	}
	return u.tx.Connector(id)
}

// outboundDN computes the name of an object by an outbound rule: the value of
// the rule's dn flow, or the anchor in systems that know no other name.
func (u *unit) outboundDN(view objectView, rule *rules.OutboundRule) (string, error) {
	if rule.DN != nil {
		values, _, err := u.eval(&rule.DN.Source, view)
		if err != nil {
			return "", within(err, stepProvisioning, rule.Name, rules.DNAttribute)
		}
		if len(values) != 1 || values[0].Text() == "" {
			return "", nullName(rules.DNAttribute)
		}
		return values[0].Text(), nil
	}
	parts := make([]string, len(rule.Object.Anchor))
	for i, name := range rule.Object.Anchor {
		for _, flow := range rule.Flows {
			if flow.Target != name || parts[i] != "" {
				continue
			}
			values, _, err := u.eval(&flow.Source, view)
			if err != nil {
				return "", within(err, stepProvisioning, rule.Name, name)
			}
			if len(values) == 1 {
				parts[i] = values[0].Text()
			}
		}
		if parts[i] == "" {
			return "", nullName(name)
		}
	}
	return identity.JoinAnchor(parts...), nil
}

func nullName(attribute string) error {
	err := fault.New("sync-rule-flow-provisioning-failed", "no value for %q, which names the object", attribute)
	err.Attribute = attribute
	return err
}
