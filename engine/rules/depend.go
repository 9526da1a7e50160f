package rules

import (
	"fmt"
	"slices"

	"github.com/metasync/metasync/engine/fault"
)

// An inboundDependency is an inbound rule that says that it depends on another.
type inboundDependency struct {
	rule *InboundRule
	of   Rule
}

// dependInbound resolves what inbound rules depend on: the inbound half of a rule
// for the same metaverse type (sync-engine §5.5). Where a rule has both halves, and
// the other one has no inbound half, only the outbound half waits.
func (c *compiler) dependInbound() {
	for _, d := range c.inboundDependencies {
		other := slices.IndexFunc(c.model.Rules, func(r Rule) bool {
			return r.Name == d.of.DependsOn && r.Metaverse == d.of.Metaverse
		})
		if other < 0 || c.model.Rules[other].Inbound == nil {
			if d.of.Outbound == nil {
				c.failDependency(d, other >= 0)
			}
			continue
		}
		r := c.model.Rules[other]
		if a := c.set.agents[r.Agent]; a != nil && a.Objects[r.Object] != nil {
			d.rule.DependsOn = a.Objects[r.Object].Rule(r.Name)
		}
	}
	for _, d := range c.inboundDependencies {
		if c.circular(d) {
			d.rule.DependsOn = nil
		}
	}
	for _, name := range c.set.order {
		for _, o := range c.set.agents[name].Objects {
			for _, r := range o.Inbound {
				r.decide()
			}
		}
	}
	for _, d := range c.inboundDependencies {
		for on := d.rule.DependsOn; on != nil; on = on.DependsOn {
			object := c.set.agents[on.Agent].Objects[on.Object]
			if !slices.Contains(object.Dependents, d.rule) {
				object.Dependents = append(object.Dependents, d.rule)
			}
		}
	}
}

// circular reports whether a rule depends on itself, which is a mistake.
func (c *compiler) circular(d inboundDependency) bool {
	var path []*InboundRule
	for r := d.rule; r != nil; r = r.DependsOn {
		if slices.Contains(path, r) {
			if r == d.rule && d.of.Outbound == nil { // else the outbound half says so
				c.failIn(d.of, d.of.Position, fault.New("sync-rule-validation-parsing-error", "the rule depends on itself"))
			}
			return true
		}
		path = append(path, r)
	}
	return false
}

func (c *compiler) failDependency(d inboundDependency, known bool) {
	var names []string
	for _, r := range c.model.Rules {
		if r.Metaverse == d.of.Metaverse && r.Inbound != nil && r.Name != d.of.Name {
			names = append(names, r.Name)
		}
	}
	err := fault.New("sync-rule-validation-parsing-error", "the rule depends on %q, which is no rule for %q objects", d.of.DependsOn, d.of.Metaverse)
	err.Hint = suggestion(d.of.DependsOn, names)
	if known {
		err.Text = fmt.Sprintf("the rule depends on %q, which does not flow inbound: an inbound rule depends on inbound rules", d.of.DependsOn)
	}
	c.failIn(d.of, d.of.Position, err)
}

// decide collects what of an object decides whether a rule applies to it: its
// scope, and those of the rules for the same objects on which it depends.
func (r *InboundRule) decide() {
	for on := r; on != nil; on = on.DependsOn {
		if on.Agent == r.Agent && on.Object == r.Object {
			r.reads = append(r.reads, on.Scope.Reads()...)
			r.groups = r.groups || on.Scope.AsksGroups()
		}
	}
	slices.Sort(r.reads)
	r.reads = slices.Compact(r.reads)
}
