package rules

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// ranks orders the flows into each metaverse attribute.
func (c *compiler) ranks() {
	for _, t := range c.set.types {
		for _, a := range t.Attributes {
			if !a.byRule { // else they are in the order of their rules
				slices.SortStableFunc(a.Flows, func(x, y *InboundFlow) int {
					return cmp.Compare(a.agentRank[x.Rule.Agent], a.agentRank[y.Rule.Agent])
				})
			}
			for i, f := range a.Flows {
				f.Rank = i
			}
		}
	}
}

// order puts outbound rules behind those that they depend on.
func (c *compiler) order(t *Type) {
	for i, r := range t.Outbound {
		r.Rank = i
		if len(r.Tests) > 0 {
			t.Tested = append(t.Tested, r)
		}
	}
	contest(t.Outbound)
	for _, d := range c.dependencies {
		if d.metaverse != t.Name {
			continue
		}
		c.depend(t, d)
	}
	var ordered []*OutboundRule
	var visit func(r *OutboundRule, path []*OutboundRule)
	visit = func(r *OutboundRule, path []*OutboundRule) {
		if slices.Contains(ordered, r) {
			return
		}
		if slices.Contains(path, r) {
			i := slices.IndexFunc(c.dependencies, func(d dependency) bool { return d.rule == r })
			c.fail(&fault.Error{
				Name: "sync-rule-validation-parsing-error", Rule: r.Name, Text: "the rule depends on itself", Position: c.dependencies[i].position,
			})
			return
		}
		if r.DependsOn != nil {
			visit(r.DependsOn, append(path, r))
		}
		ordered = append(ordered, r)
	}
	for _, r := range t.Outbound {
		visit(r, nil)
	}
	t.Outbound = ordered
}

// depend resolves a dependency: on the outbound half of a rule if it has one,
// else on the inbound half.
func (c *compiler) depend(t *Type, d dependency) {
	for _, r := range t.Outbound {
		if r.Name == d.on {
			d.rule.DependsOn = r
			return
		}
	}
	var names []string
	for _, r := range c.model.Rules {
		if r.Metaverse == t.Name {
			names = append(names, r.Name)
		}
		if r.Name != d.on || r.Metaverse != t.Name || r.Inbound == nil || c.set.agents[r.Agent] == nil {
			continue
		}
		if o := c.set.agents[r.Agent].Objects[r.Object]; o != nil {
			i := slices.IndexFunc(o.Inbound, func(in *InboundRule) bool { return in.Name == d.on })
			d.rule.DependsOnInbound = o.Inbound[i]
		}
		return
	}
	c.fail(&fault.Error{
		Name: "sync-rule-validation-parsing-error", Rule: d.rule.Name, Position: d.position,
		Text: fmt.Sprintf("the rule depends on %q, which is no rule for %q objects", d.on, t.Name), Hint: suggestion(d.on, names),
	})
}

// indexes collects the attributes that joins look up.
func (c *compiler) indexes() {
	c.set.Indexed, c.set.IndexedConnectors = map[string][]string{}, map[string]map[string][]string{}
	for _, definition := range c.model.Types {
		for _, a := range definition.Attributes {
			if (a.Indexed || a.Unique) && a.Type != identity.TypeReference {
				c.set.Indexed[definition.Name] = append(c.set.Indexed[definition.Name], a.Name)
			}
		}
	}
	for _, r := range c.model.Rules {
		provisions := r.Outbound != nil && r.Outbound.Provision
		for _, criterion := range r.Join {
			for _, pair := range criterion.Pairs {
				if !provisions || pair.Script {
					continue
				}
				types := c.set.IndexedConnectors[r.Agent]
				if types == nil {
					types = map[string][]string{}
					c.set.IndexedConnectors[r.Agent] = types
				}
				types[r.Object] = append(types[r.Object], pair.Connector)
			}
		}
	}
	for _, a := range c.set.agents {
		for _, o := range a.Objects {
			for _, join := range o.Joins {
				join.index(c.set.Indexed)
				join.seek(a.Name)
			}
		}
	}
	compact(c.set.Indexed)
	for metaverse, names := range c.set.Indexed {
		for _, name := range names {
			c.set.types[metaverse].Attributes[name].Indexed = true
		}
	}
	for _, types := range c.set.IndexedConnectors {
		compact(types)
	}
	for _, t := range c.set.types {
		compact(t.Seekers)
	}
}

// index adds the metaverse attributes by which a join finds objects, by type.
func (j *Join) index(indexed map[string][]string) {
	for _, t := range j.Types {
		for _, pair := range j.Pairs {
			if t.Attributes[pair.Metaverse] != nil {
				indexed[t.Name] = append(indexed[t.Name], pair.Metaverse)
			}
		}
	}
}

// seek notes with the metaverse attributes that the criterion looks at whose it is.
func (j *Join) seek(agent string) {
	for _, t := range j.Types {
		add := func(attribute string) {
			if t.Attributes[attribute] == nil || slices.Contains(t.Seekers[attribute], agent) {
				return
			}
			if t.Seekers == nil {
				t.Seekers = map[string][]string{}
			}
			t.Seekers[attribute] = append(t.Seekers[attribute], agent)
		}
		for _, pair := range j.Pairs {
			add(pair.Metaverse)
		}
		for _, name := range j.Scope.Reads() {
			add(name)
		}
	}
}

// flowing collects the attributes from which a value flows inbound that counts
// although it came from the metaverse itself. Where the last writer wins, an echo
// is no contribution.
func flowing(inbound []*InboundRule) []string {
	names := []string{}
	for _, r := range inbound {
		names = append(names, r.Scope.Reads()...)
		for _, f := range r.Flows {
			if f.Target.Mode != Equal {
				names = append(append(names, f.Source.Reads()...), f.Scope.Reads()...)
			}
		}
		if f := r.Retype; f != nil {
			names = append(append(names, f.Source.Reads()...), f.Scope.Reads()...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// reads collects what the rules read of each object type.
func (c *compiler) reads() {
	for _, a := range c.set.agents {
		for _, o := range a.Objects {
			reads := slices.Clone(o.Filter.Reads())
			for _, j := range o.Joins {
				for _, pair := range j.Pairs {
					if !pair.Script {
						reads = append(reads, pair.Connector)
					}
				}
			}
			for _, r := range o.Inbound {
				reads = append(reads, r.Scope.Reads()...)
				for _, f := range r.Flows {
					reads = append(append(reads, f.Source.Reads()...), f.Scope.Reads()...)
				}
				if f := r.Retype; f != nil {
					reads = append(append(reads, f.Source.Reads()...), f.Scope.Reads()...)
				}
			}
			o.Flowing = flowing(o.Inbound)
			for _, group := range a.Groups {
				if o.Type.Attribute(group.Attribute) != nil {
					reads = append(reads, group.Attribute)
				}
			}
			reads = slices.DeleteFunc(reads, func(name string) bool { return o.Type.Attribute(name) == nil && isIntrinsic(name) })
			slices.Sort(reads)
			o.Reads = slices.Compact(reads)
		}
	}
}

func compact(lists map[string][]string) {
	for key, names := range lists {
		slices.Sort(names)
		lists[key] = slices.Compact(names)
	}
}
