package rules

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// Attributes that every object has besides those of its schema.
const (
	DNAttribute         = "dn"          // of a connector-space object; in an outbound flow, its name
	AnchorAttribute     = "anchor"      // of a connector-space object
	ObjectTypeAttribute = "object-type" // of both
	ObjectIDAttribute   = "object-id"   // of a metaverse object
)

// defaultPrecedence is that of a rule which does not say.
const defaultPrecedence = 100

// Compile checks a model and makes it ready to run. The error joins everything
// that is wrong, each as a *[fault.Error] with its place.
func Compile(model Model, functions Functions) (*Set, error) {
	c := &compiler{model: model, functions: functions, set: &Set{types: map[string]*Type{}, agents: map[string]*AgentRules{}}}
	c.provisioning()
	c.types()
	c.agents()
	c.rules()
	c.ranks()
	for _, t := range c.set.types {
		c.order(t)
	}
	if len(c.problems) > 0 {
		return nil, errors.Join(c.problems...)
	}
	c.set.Fingerprint = c.fingerprint()
	c.indexes()
	c.reads()
	return c.set, nil
}

type compiler struct {
	model         Model
	functions     Functions
	set           *Set
	problems      []error
	usesFunctions bool
	dependencies  []dependency
}

type dependency struct {
	rule      *OutboundRule
	on        string
	metaverse string
	position  fault.Position
}

func (c *compiler) fail(err *fault.Error) { c.problems = append(c.problems, err) }

func (c *compiler) types() {
	for _, definition := range c.model.Types {
		t := &Type{Name: definition.Name, Attributes: map[string]*Attribute{}, Delete: definition.Delete}
		if t.Delete.When == "" {
			t.Delete.When = LastConnector
		}
		t.Extension = c.functions.Metaverse[definition.Name]
		c.usesFunctions = c.usesFunctions || t.Extension.Provision != nil || t.Delete.Script
		if t.Delete.Script && t.Extension.ShouldDelete == nil {
			c.fail(&fault.Error{
				Name: "extension-entry-point-not-implemented", Position: definition.Delete.Position,
				Text: fmt.Sprintf("no script decides when a %q object is deleted", definition.Name),
			})
		}
		for _, a := range definition.Attributes {
			if a.Precedence.Mode == Equal || a.Precedence.Mode == Manual {
				c.unsupported(a.Position, fmt.Sprintf("%s precedence", a.Precedence.Mode))
			}
			t.Attributes[a.Name] = &Attribute{
				Name: a.Name, Type: a.Type, Multi: a.Multi, Mode: a.Precedence.Mode, agentRank: c.agentRanks(a.Precedence.Agents),
			}
		}
		c.set.types[t.Name] = t
	}
}

func (c *compiler) unsupported(at fault.Position, what string) {
	c.fail(&fault.Error{Name: "sync-rule-validation-parsing-error", Text: what + " is not supported", Position: at})
}

// agentRanks numbers the agents by strength: those named first, in that order,
// then the others in the order of the model.
func (c *compiler) agentRanks(strongest []string) map[string]int {
	ranks := map[string]int{}
	for _, name := range strongest {
		ranks[name] = len(ranks)
	}
	for _, a := range c.model.Agents {
		if _, named := ranks[a.Name]; !named {
			ranks[a.Name] = len(ranks)
		}
	}
	return ranks
}

func (c *compiler) agents() {
	for _, definition := range c.model.Agents {
		a := &AgentRules{
			Name: definition.Name, Schema: definition.Schema, AnchorIsDN: definition.AnchorIsDN,
			Deprovision: cmp.Or(definition.Deprovision, Disconnect), Recall: !definition.NoRecall,
			LDAPNames: definition.LDAPNames, RequireParent: definition.RequireParent,
			Extension: c.functions.Agents[definition.Name], Objects: map[string]*ObjectRules{},
		}
		c.deprovisioning(definition, a)
		for i := range a.Schema.Types {
			t := &a.Schema.Types[i]
			o := &ObjectRules{Type: t, Managed: map[string]bool{}, assumed: definition.Assumed}
			o.Filter = c.compileScope(definition.Filter[t.Name], o.attribute, o.names)
			a.Objects[t.Name] = o
		}
		for _, name := range slices.Sorted(maps.Keys(definition.Filter)) {
			if a.Objects[name] == nil {
				c.fail(&fault.Error{
					Name: "sync-rule-validation-parsing-error", Agent: a.Name, Position: definition.Position,
					Text: fmt.Sprintf("filter for unknown object type %q", name),
				})
			}
		}
		c.set.agents[a.Name] = a
		c.set.order = append(c.set.order, a.Name)
	}
}

func (c *compiler) rules() {
	order := make([]int, len(c.model.Rules))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		return cmp.Compare(precedence(c.model.Rules[i]), precedence(c.model.Rules[j]))
	})
	for _, i := range order {
		c.rule(c.model.Rules[i])
	}
}

func precedence(r Rule) int { return cmp.Or(r.Precedence, defaultPrecedence) }

func (c *compiler) rule(r Rule) {
	problem := func(format string, args ...any) {
		c.fail(&fault.Error{Name: "sync-rule-validation-parsing-error", Rule: r.Name, Text: fmt.Sprintf(format, args...), Position: r.Position})
	}
	agent := c.set.agents[r.Agent]
	t := c.set.types[r.Metaverse]
	if agent == nil {
		problem("unknown agent %q", r.Agent)
	}
	if t == nil {
		problem("unknown metaverse type %q", r.Metaverse)
	}
	if agent == nil || t == nil {
		return
	}
	object := agent.Objects[r.Object]
	if object == nil {
		problem("agent %q has no object type %q", r.Agent, r.Object)
		return
	}
	joins := c.joins(r, t, object)
	object.Joins = append(object.Joins, joins...)
	if r.Inbound != nil {
		c.inbound(r, t, object)
	}
	if r.Outbound != nil {
		c.outbound(r, t, object, agent, joins)
	}
}

func (c *compiler) joins(r Rule, t *Type, object *ObjectRules) []*Join {
	var joins []*Join
	for _, criterion := range r.Join {
		j := &Join{Rule: r.Name, Type: t, Pairs: criterion}
		for _, pair := range criterion {
			cs, known := object.attribute(pair.Connector)
			if !known {
				c.failIn(r, pair.Position, unknownAttribute("sync-rule-relationship-criteria-attribute-not-found", pair.Connector, object.Type.Names()))
			}
			mv, found := t.Attributes[pair.Metaverse]
			if !found {
				c.failIn(r, pair.Position, unknownAttribute("sync-rule-relationship-criteria-attribute-not-found", pair.Metaverse, t.names()))
			}
			if known && found && (cs.Type == identity.TypeReference || mv.Type == identity.TypeReference) {
				c.failIn(r, pair.Position, fault.New("sync-rule-invalid-relationship-criteria-xml", "references cannot be join criteria"))
			}
		}
		joins = append(joins, j)
	}
	return joins
}

func (c *compiler) failIn(r Rule, at fault.Position, err *fault.Error) {
	err.Rule, err.Position = r.Name, at
	c.fail(err)
}
