package run

import (
	"maps"
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// Changes go round because rules lead them. Once no rule flows into any attribute of a
// parked change, nothing leads it any more, and it is released.

// ReleaseUncontributed releases the parked objects of all agents of which the rules
// contribute no attribute any more that went round, and returns their ids, ordered by
// agent. What a script contributes is not known, and stays parked.
func (r *Runner) ReleaseUncontributed(env *Environment) (released []identity.ID, err error) {
	var found []identity.ID
	look := func(tx *space.Tx) error {
		found = found[:0]
		for _, name := range slices.Sorted(maps.Keys(env.Agents)) {
			if tx.Counters(name)[space.CountExportFailed] == 0 {
				continue
			}
			list, err := tx.Parked(name)
			if err != nil {
				return err
			}
			for i := range list {
				contributed, err := contributes(tx, env.Rules, name, &list[i])
				if err != nil {
					return err
				}
				if !contributed {
					found = append(found, list[i].ID)
				}
			}
		}
		return nil
	}
	if err := r.space.View(look); err != nil || len(found) == 0 {
		return nil, err
	}
	err = r.space.Update(func(tx *space.Tx) error {
		if err := look(tx); err != nil {
			return err
		}
		return tx.Unit(func() error {
			for _, id := range found {
				c, err := tx.Connector(id)
				if err != nil {
					return err
				}
				c.ExportError = nil
				tx.PutConnector(c)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	for _, id := range found {
		r.sends.forget(id)
		r.log.Info("an object is parked no longer: no rule contributes what went round", "agent", r.space.AgentOf(id), "object", id)
	}
	return found, nil
}

// contributes reports whether a rule flows into an attribute of a parked change, or
// whether that is not known.
func contributes(tx *space.Tx, set *rules.Set, agent string, p *space.Parked) (bool, error) {
	c, err := tx.Connector(p.ID)
	if err != nil || c == nil {
		return true, err // it ends with the object
	}
	mv, err := tx.Object(c.Link)
	if err != nil || mv == nil {
		return true, err
	}
	t := set.Type(mv.Type)
	if t == nil {
		return true, nil
	}
	for _, a := range p.Attributes {
		if a.Rule == "" {
			return true, nil
		}
		for _, rule := range t.Outbound {
			if rule.Agent != agent || rule.Object.Name != c.ObjectType {
				continue
			}
			if rule.DN != nil && a.Name == rules.DNAttribute || slices.ContainsFunc(rule.Flows, func(f *rules.OutboundFlow) bool { return f.Target == a.Name }) {
				return true, nil
			}
		}
	}
	return false, nil
}
