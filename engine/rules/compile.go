package rules

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/metasync/metasync/engine/expr"
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

// Compile checks a model and makes it ready to run. The error joins everything
// that is wrong, each as a *[fault.Error] with its place.
func Compile(model Model, functions Functions) (*Set, error) {
	c := newCompiler(model, functions)
	c.disabled()
	c.provisioning()
	c.types()
	c.agents()
	c.rules()
	c.dependInbound()
	c.ranks()
	for _, t := range c.set.types {
		c.order(t)
	}
	if len(c.problems) > 0 {
		return nil, errors.Join(c.problems...)
	}
	c.indexes()
	c.reads()
	c.fingerprints()
	return c.set, nil
}

func newCompiler(model Model, functions Functions) *compiler {
	return &compiler{model: model, functions: functions, set: &Set{
		types: map[string]*Type{}, agents: map[string]*AgentRules{},
		dialect: expr.Dialect(cmp.Or(model.Dialect, string(expr.FIM))), functions: functions.ByName,
	}}
}

type compiler struct {
	model        Model
	functions    Functions
	set          *Set
	problems     []error
	dependencies []dependency

	inboundDependencies []inboundDependency
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
		if t.Delete.Script && t.Extension.ShouldDelete == nil {
			c.fail(&fault.Error{
				Name: "extension-entry-point-not-implemented", Position: definition.Delete.Position,
				Text: fmt.Sprintf("no script decides when a %q object is deleted", definition.Name),
			})
		}
		for _, a := range definition.Attributes {
			c.checkPrecedence(a)
			t.Attributes[a.Name] = &Attribute{
				Unique: a.Unique, Name: a.Name, Type: a.Type, Multi: a.Multi, Mode: cmp.Or(a.Precedence.Mode, Ranked),
				agentRank: c.agentRanks(a.Precedence.Agents), byRule: c.model.Precedence == ByRule,
			}
			if a.Unique && (a.Type == identity.TypeReference || a.Type == identity.TypeBoolean) {
				c.fail(&fault.Error{
					Name: "sync-rule-validation-parsing-error", Attribute: a.Name, Position: a.Position,
					Text: fmt.Sprintf("an attribute of type %s cannot be unique", a.Type),
				})
			} else if a.Unique {
				t.Unique = append(t.Unique, t.Attributes[a.Name])
			}
		}
		c.set.types[t.Name] = t
	}
}

// checkPrecedence refuses what contradicts the precedence model, and warns of
// what is deprecated (sync-engine §0 C9).
func (c *compiler) checkPrecedence(a MetaverseAttribute) {
	switch {
	case a.Precedence.Mode == Equal:
		c.set.Warnings = append(c.set.Warnings, &fault.Error{
			Name: "deprecated-precedence", Attribute: a.Name, Position: a.Position,
			Text: "equal precedence is deprecated: the value depends on who is imported last",
		})
	case len(a.Precedence.Agents) > 0 && c.model.Precedence == ByRule:
		c.fail(&fault.Error{
			Name: "sync-rule-validation-parsing-error", Attribute: a.Name, Position: a.Position,
			Text: "a list of agents has no meaning where the precedence of rules decides over all agents",
		})
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
			DeprovisionByDefault: definition.DeprovisionByDefault || definition.Deprovision == "",
			LDAPNames:            definition.LDAPNames, RequireParent: definition.RequireParent,
			Containers: definition.Containers, NoContainerRename: definition.NoContainerRename, NoRename: definition.NoRename,
			NoEmptyText: definition.NoEmptyText,
			Objects:     map[string]*ObjectRules{}, Extension: c.functions.Agents[definition.Name],
			ImportView:    c.importView(definition),
			OrphansLowest: definition.Orphans == LowestLineage, ProjectOnAmbiguous: definition.ProjectOnAmbiguous,
			MaxConnectors: max(definition.MaxConnectors, 1), assumed: definition.Assumed,
		}
		c.deprovisioning(definition, a)
		for i := range a.Schema.Types {
			t := &a.Schema.Types[i]
			o := &ObjectRules{Type: t, Managed: map[string]bool{}, Initial: map[string]bool{}, assumed: definition.Assumed}
			o.Filter = c.connectorScope(definition.Filter[t.Name], o, a)
			if o.Filter != nil && a.Extension.Filter != nil {
				c.fail(&fault.Error{
					Name: "sync-rule-validation-parsing-error", Agent: a.Name, Position: definition.Position,
					Text: fmt.Sprintf("%q objects have a declared filter and one by script; only one may decide", t.Name),
				})
			}
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
	for _, name := range slices.Sorted(maps.Keys(c.functions.Agents)) {
		if c.set.agents[name] == nil {
			c.fail(&fault.Error{
				Name: "extension-entry-point-not-implemented", Agent: name,
				Text: fmt.Sprintf("a rules extension for unknown agent %q", name), Hint: suggestion(name, c.set.order),
			})
		}
	}
}

// importView returns what inbound flows of an agent read (sync-engine §1.3).
func (c *compiler) importView(definition Agent) ImportView {
	switch {
	case definition.ImportView != "":
		return definition.ImportView
	case c.set.dialect == expr.Entra:
		return ExportedView
	}
	return ImportedView
}

func (c *compiler) rules() {
	for _, r := range c.ruleOrder() {
		if r.ID != "" {
			if c.set.names == nil {
				c.set.names = map[string]string{}
			}
			c.set.names[r.ID] = r.Name
		}
		c.rule(r)
	}
}

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
		c.inbound(r, t, object, agent, joins)
	}
	if r.Outbound != nil {
		c.outbound(r, t, object, agent, joins)
	}
}

func (c *compiler) joins(r Rule, t *Type, object *ObjectRules) []*Join {
	var joins []*Join
	for _, criterion := range r.Join {
		j := &Join{Rule: r.Name, Key: r.Key(), Type: t, Types: []*Type{t}, Pairs: criterion.Pairs, Resolver: cmp.Or(criterion.Resolver, r.Name)}
		if criterion.AnyType {
			j.Types = c.searchable(r, criterion)
		}
		if criterion.Resolver != "" && c.functions.Agents[r.Agent].ResolveJoin == nil {
			c.failIn(r, criterion.Position, fault.New("extension-entry-point-not-implemented", "agent %q has no script that resolves joins", r.Agent))
		}
		for _, pair := range criterion.Pairs {
			cs, known := object.attribute(pair.Connector)
			switch {
			case pair.Script && c.functions.Agents[r.Agent].JoinValues == nil:
				c.failIn(r, pair.Position, fault.New("extension-entry-point-not-implemented", "agent %q has no script for the values of joins", r.Agent))
			case pair.Script:
				known = false // nothing is known of what it gives
			case !known:
				c.failIn(r, pair.Position, unknownAttribute("sync-rule-relationship-criteria-attribute-not-found", pair.Connector, object.Type.Names()))
			}
			for _, t := range j.Types {
				mv, found := t.Attributes[pair.Metaverse]
				if !found && pair.Metaverse != ObjectIDAttribute {
					c.failIn(r, pair.Position, unknownAttribute("sync-rule-relationship-criteria-attribute-not-found", pair.Metaverse, t.names()))
				}
				if known && found && (cs.Type == identity.TypeReference || mv.Type == identity.TypeReference) {
					c.failIn(r, pair.Position, fault.New("sync-rule-invalid-relationship-criteria-xml", "references cannot be join criteria"))
					break
				}
			}
		}
		joins = append(joins, j)
	}
	return joins
}

// searchable returns the metaverse types that have all attributes of a criterion;
// if none does, that of the rule, so that what it lacks is said.
func (c *compiler) searchable(r Rule, criterion JoinCriterion) []*Type {
	if r.Inbound == nil {
		c.failIn(r, criterion.Position, fault.New("sync-rule-invalid-relationship-criteria-xml",
			"a rule without an inbound half joins only objects of its own metaverse type"))
	}
	var types []*Type
	for _, name := range c.set.Types() {
		t := c.set.types[name]
		if !slices.ContainsFunc(criterion.Pairs, func(p JoinPair) bool {
			return t.Attributes[p.Metaverse] == nil && p.Metaverse != ObjectIDAttribute
		}) {
			types = append(types, t)
		}
	}
	if len(types) == 0 {
		types = append(types, c.set.types[r.Metaverse])
	}
	return types
}

func (c *compiler) failIn(r Rule, at fault.Position, err *fault.Error) {
	err.Rule, err.Position = r.Name, at
	c.fail(err)
}
