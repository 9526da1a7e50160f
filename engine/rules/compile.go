package rules

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// Functions are the functions that scripts add to the expression language.
type Functions struct {
	ByName  map[string]expr.Function
	Version string // changes when what they compute may change
}

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
		if t.Delete.Script {
			c.unsupported(definition.Delete.Position, "a script as object deletion rule")
		}
		for _, a := range definition.Attributes {
			if a.Precedence.Mode == Equal || a.Precedence.Mode == Manual {
				c.unsupported(a.Position, fmt.Sprintf("%s precedence", a.Precedence.Mode))
			}
			t.Attributes[a.Name] = &Attribute{
				Name: a.Name, Type: a.Type, Multi: a.Multi, agentRank: c.agentRanks(a.Precedence.Agents),
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
			Objects: map[string]*ObjectRules{},
		}
		if a.Deprovision == DeprovisionScript {
			c.unsupported(definition.Position, "a script as deprovisioning rule")
		}
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

func (c *compiler) inbound(r Rule, t *Type, object *ObjectRules) {
	attribute, names := object.attribute, object.names
	rule := &InboundRule{Name: r.Name, Agent: r.Agent, Object: r.Object, Type: t, Project: r.Inbound.Project}
	rule.Scope = c.compileScope(r.Inbound.Scope, attribute, names)
	for _, f := range r.Inbound.Flows {
		target := t.Attributes[f.Target]
		if target == nil {
			c.failIn(r, f.Position, unknownAttribute("sync-rule-flow-attribute-not-found", f.Target, t.names()))
			continue
		}
		source, ok := c.source(r, f.Source, attribute, names, nil)
		if !ok {
			continue
		}
		if source.Direct != "" {
			from, _ := attribute(source.Direct)
			c.checkDirect(r, f, from, target.Type, target.Multi)
		}
		flow := &InboundFlow{Rule: rule, Target: target, Source: source}
		rule.Flows = append(rule.Flows, flow)
		target.Flows = append(target.Flows, flow)
	}
	object.Inbound = append(object.Inbound, rule)
}

func (c *compiler) outbound(r Rule, t *Type, object *ObjectRules, agent *AgentRules, joins []*Join) {
	if r.Outbound.ByPolicy {
		c.unsupported(r.Position, "apply: policy")
	}
	attribute, names := metaverseAttribute(t), t.names
	rule := &OutboundRule{
		Name: r.Name, Agent: r.Agent, Object: object.Type, Joins: joins,
		Provision: r.Outbound.Provision, Deprovision: r.Outbound.Deprovision,
	}
	rule.Scope = c.compileScope(r.Outbound.Scope, attribute, names)
	if r.Inbound == nil {
		for _, j := range joins {
			j.Scope = rule.Scope
		}
	}
	parameters := r.Outbound.Parameters
	if parameters == nil {
		parameters = []string{}
	}
	for _, f := range r.Outbound.Flows {
		target, known := object.attribute(f.Target)
		if !known || f.Target == AnchorAttribute || f.Target == ObjectTypeAttribute {
			c.failIn(r, f.Position, unknownAttribute("sync-rule-flow-attribute-not-found", f.Target, object.Type.Names()))
			continue
		}
		if target.ImportOnly {
			c.failIn(r, f.Position, fault.New("sync-rule-outbound-flow-rules-invalid", "attribute %q cannot be exported", f.Target))
			continue
		}
		source, ok := c.source(r, f.Source, attribute, names, parameters)
		if !ok {
			continue
		}
		if source.Direct != "" {
			from, _ := attribute(source.Direct)
			c.checkDirect(r, f, from, target.Type, target.Multi)
		}
		flow := &OutboundFlow{
			Rule: rule, Target: f.Target, Type: target.Type, Multi: target.Multi,
			Source: source, Initial: f.Initial, AllowNull: f.AllowNull,
		}
		if f.Target == DNAttribute && object.Type.Attribute(DNAttribute) == nil {
			rule.DN = flow
			continue
		}
		object.Managed[f.Target] = true
		rule.Flows = append(rule.Flows, flow)
	}
	hasDN := slices.ContainsFunc(r.Outbound.Flows, func(f Flow) bool { return f.Target == DNAttribute }) // with an error, maybe
	if rule.Provision && !hasDN && agent.AnchorIsDN {
		for _, name := range object.Type.Anchor {
			if !slices.ContainsFunc(r.Outbound.Flows, func(f Flow) bool { return f.Target == name }) {
				c.failIn(r, r.Position, fault.New("sync-rule-outbound-flow-rules-invalid",
					"the rule provisions %q objects, but no flow gives their anchor %q a value", object.Type.Name, name))
			}
		}
	}
	if rule.Provision && !hasDN && !agent.AnchorIsDN {
		c.failIn(r, r.Position, fault.New("sync-rule-outbound-flow-rules-invalid", "the rule provisions objects, but no flow gives them a dn"))
	}
	if r.DependsOn != "" {
		c.dependencies = append(c.dependencies, dependency{rule, r.DependsOn, r.Metaverse, r.Position})
	}
	t.Outbound = append(t.Outbound, rule)
}

// checkDirect rejects direct flows that can never work.
func (c *compiler) checkDirect(r Rule, f Flow, from identity.AttributeType, to identity.Type, multi bool) {
	isReference := from.Type == identity.TypeReference
	isBinary := from.Type == identity.TypeBinary
	if isReference != (to == identity.TypeReference) || isBinary != (to == identity.TypeBinary) {
		c.failIn(r, f.Position, fault.New("cs-attribute-type-mismatch", "%q is a %s, %q is a %s", from.Name, from.Type, f.Target, to))
	}
	if from.Multi && !multi {
		c.failIn(r, f.Position, fault.New("flow-multi-values-to-single-value", "%q has several values, %q only one", from.Name, f.Target))
	}
}

func (c *compiler) source(r Rule, s Source, attribute func(string) (identity.AttributeType, bool), names func() []string, parameters []string) (Evaluator, bool) {
	var out Evaluator
	switch {
	case s.Script != "":
		c.failIn(r, s.Position, fault.New("extension-entry-point-not-implemented", "there is no script flow %q", s.Script))
		return out, false
	case s.Expression != "":
		program, err := expr.Compile(s.Expression, expr.Options{
			Dialect: expr.Dialect(cmp.Or(r.Dialect, c.model.Dialect, string(expr.FIM))), Position: s.Position,
			Attribute: attribute, AttributeNames: names, Functions: c.functions.ByName, Parameters: parameters,
			Names: c.nameStyle(r.Agent),
		})
		if err != nil {
			named := fault.As(err, "sync-rule-invalid-expression")
			named.Rule = r.Name
			c.fail(named)
			return out, false
		}
		c.usesFunctions = c.usesFunctions || len(c.functions.ByName) > 0
		out.program, out.reads = program, program.Attributes()
	case s.Attribute != "":
		if _, known := attribute(s.Attribute); !known {
			c.failIn(r, s.Position, unknownAttribute("sync-rule-flow-attribute-not-found", s.Attribute, names()))
			return out, false
		}
		out.Direct, out.reads = s.Attribute, []string{s.Attribute}
	default:
		out.constant = expr.Of(identity.String(s.Value))
	}
	return out, true
}

// nameStyle returns how the names of an agent's objects are escaped.
func (c *compiler) nameStyle(agent string) expr.NameStyle {
	for _, a := range c.model.Agents {
		if a.Name == agent && !a.LDAPNames {
			return expr.PlainNames
		}
	}
	return expr.LDAPNames
}

// ranks orders the flows into each metaverse attribute.
func (c *compiler) ranks() {
	for _, t := range c.set.types {
		for _, a := range t.Attributes {
			slices.SortStableFunc(a.Flows, func(x, y *InboundFlow) int {
				return cmp.Compare(a.agentRank[x.Rule.Agent], a.agentRank[y.Rule.Agent])
			})
			for i, f := range a.Flows {
				f.Rank = i
			}
		}
	}
}

// order puts outbound rules behind those that they depend on.
func (c *compiler) order(t *Type) {
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
			if a.Indexed && a.Type != identity.TypeReference {
				c.set.Indexed[definition.Name] = append(c.set.Indexed[definition.Name], a.Name)
			}
		}
	}
	for _, r := range c.model.Rules {
		provisions := r.Outbound != nil && r.Outbound.Provision
		for _, criterion := range r.Join {
			for _, pair := range criterion {
				c.set.Indexed[r.Metaverse] = append(c.set.Indexed[r.Metaverse], pair.Metaverse)
				if !provisions {
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
	compact(c.set.Indexed)
	for _, types := range c.set.IndexedConnectors {
		compact(types)
	}
}

// reads collects what the rules read of each object type.
func (c *compiler) reads() {
	for _, a := range c.set.agents {
		for _, o := range a.Objects {
			reads := slices.Clone(o.Filter.Reads())
			for _, j := range o.Joins {
				for _, pair := range j.Pairs {
					reads = append(reads, pair.Connector)
				}
			}
			for _, r := range o.Inbound {
				reads = append(reads, r.Scope.Reads()...)
				for _, f := range r.Flows {
					reads = append(reads, f.Source.Reads()...)
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

func (c *compiler) fingerprint() string {
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(c.model); err != nil {
		panic(err) // a Model holds nothing that cannot be encoded
	}
	if c.usesFunctions {
		h.Write([]byte(c.functions.Version))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func (t *Type) names() []string {
	return append(slices.Sorted(maps.Keys(t.Attributes)), ObjectIDAttribute, ObjectTypeAttribute)
}

// attribute returns the type of an attribute of the object.
func (o *ObjectRules) attribute(name string) (identity.AttributeType, bool) {
	if a := o.Type.Attribute(name); a != nil {
		return *a, true
	}
	return identity.AttributeType{Name: name, Type: identity.TypeString}, o.assumed || isIntrinsic(name)
}

func (o *ObjectRules) names() []string {
	return append(o.Type.Names(), DNAttribute, AnchorAttribute, ObjectTypeAttribute)
}

func isIntrinsic(name string) bool {
	return name == DNAttribute || name == AnchorAttribute || name == ObjectTypeAttribute
}

func metaverseAttribute(t *Type) func(string) (identity.AttributeType, bool) {
	return func(name string) (identity.AttributeType, bool) {
		if a := t.Attributes[name]; a != nil {
			return identity.AttributeType{Name: name, Type: a.Type, Multi: a.Multi}, true
		}
		switch name {
		case ObjectIDAttribute, ObjectTypeAttribute:
			return identity.AttributeType{Name: name, Type: identity.TypeString}, true
		}
		return identity.AttributeType{}, false
	}
}
