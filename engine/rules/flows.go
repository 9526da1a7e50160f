package rules

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

func (c *compiler) inbound(r Rule, t *Type, object *ObjectRules, agent *AgentRules, joins []*Join) {
	attribute, names := object.attribute, object.names
	rule := &InboundRule{
		Name: r.Name, Key: r.Key(), Agent: r.Agent, Object: r.Object, Type: t, Project: r.Inbound.Project,
		Disconnect: r.Inbound.Disconnect, Holds: r.Inbound.Link() != JoinLink,
	}
	c.checkLink(r, r.Inbound.Project, r.Inbound.Sticky)
	if c.model.Precedence == ByRule {
		rule.Criteria = joins
	}
	rule.Scope = c.connectorScope(r.Inbound.Scope, object, agent)
	for _, j := range joins {
		j.Inbound = rule
	}
	if rule.Disconnect && !rule.Project && len(joins) == 0 {
		c.failIn(r, r.Position, fault.New("sync-rule-inbound-flow-rules-invalid", "disconnect has no meaning in a rule that neither joins nor projects"))
	}
	object.Disconnects = object.Disconnects || rule.Disconnect
	if r.DependsOn != "" {
		c.inboundDependencies = append(c.inboundDependencies, inboundDependency{rule, r})
	}
	for _, f := range r.Inbound.Flows {
		target := t.Attributes[f.Target]
		retypes := target == nil && f.Target == ObjectTypeAttribute
		if target == nil && !retypes {
			c.failIn(r, f.Position, unknownAttribute("sync-rule-flow-attribute-not-found", f.Target, t.names()))
			continue
		}
		source, ok := c.source(r, f.Source, attribute, names, []string{}, FlowName{r.Agent, r.Object, f.Source.Script})
		if !ok {
			continue
		}
		if object.assumes(source.Direct) {
			source.from = identity.AttributeType{}
		}
		flow := &InboundFlow{Rule: rule, Target: target, Source: source, Scope: c.connectorScope(f.Scope, object, agent)}
		if retypes {
			rule.Retype = flow
			continue
		}
		c.checkTypes(r, f, source.from, target.Type, target.Multi)
		c.checkConstant(r, f, target.Type)
		c.checkShare(r, f, flow)
		rule.Flows = append(rule.Flows, flow)
		target.Flows = append(target.Flows, flow)
	}
	object.Inbound = append(object.Inbound, rule)
}

// checkShare refuses a flow that cannot share its target with the others: with
// another merge type (sync-engine §4.9), or one that manual precedence does not
// allow (§4.8).
func (c *compiler) checkShare(r Rule, f Flow, flow *InboundFlow) {
	const name = "sync-rule-inbound-flow-rules-invalid"
	target, merge := flow.Target, cmp.Or(f.Merge, Update)
	if len(target.Flows) == 0 {
		target.Merge = merge
	}
	switch {
	case target.Merge != merge:
		first := target.Flows[0].Rule.Name
		c.failIn(r, f.Position, fault.New(name, "the flow into %q has merge type %s, that of rule %q %s: all must have the same", f.Target, merge, first, target.Merge))
	case target.Merges() && !target.Multi:
		c.failIn(r, f.Position, fault.New(name, "several values cannot be merged into %q, which has only one", f.Target))
	case target.Merges() && target.Mode != Ranked:
		c.failIn(r, f.Position, fault.New(name, "%q has %s precedence, which does not go with merge type %s", f.Target, target.Mode, merge))
	case target.Mode == Manual && flow.Source.Script == nil:
		err := fault.New(name, "%q has manual precedence: only scripts may write it", f.Target)
		err.Hint = "let a script give the value, or list the agents in the order of their precedence"
		c.failIn(r, f.Position, err)
	}
}

func (c *compiler) outbound(r Rule, t *Type, object *ObjectRules, agent *AgentRules, joins []*Join) {
	if r.Outbound.ByPolicy {
		c.unsupported(r.Position, "apply: policy")
	}
	attribute, names := metaverseAttribute(t), t.names
	rule := &OutboundRule{
		Name: r.Name, Key: r.Key(), Agent: r.Agent, Object: object.Type,
		Provision: r.Outbound.Provision, Deprovision: r.Outbound.Deprovision, Holds: r.Outbound.Sticky,
	}
	c.checkLink(r, r.Outbound.Provision, r.Outbound.Sticky)
	rule.Scope = c.compileScope(r.Outbound.Scope, attribute, names)
	for _, j := range joins {
		j.outbound, j.Scope = true, rule.Scope
		if j.reversible(object.Type) {
			rule.Joins = append(rule.Joins, j)
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
		source, ok := c.source(r, f.Source, attribute, names, parameters, FlowName{Object: r.Metaverse, Name: f.Source.Script})
		if !ok {
			continue
		}
		if object.assumes(f.Target) && source.from.Type != 0 {
			target.Type, target.Multi = source.from.Type, source.from.Multi
		}
		c.checkTypes(r, f, source.from, target.Type, target.Multi)
		c.checkConstant(r, f, target.Type)
		flow := &OutboundFlow{
			Rule: rule, Target: f.Target, Type: target.Type, Multi: target.Multi,
			Source: source, Scope: c.compileScope(f.Scope, attribute, names), Initial: f.Initial, AllowNull: f.AllowNull,
			Confirm: target.Confirm,
		}
		if f.ExistenceTest {
			if target.ExportOnly {
				c.failIn(r, f.Position, fault.New("sync-rule-outbound-flow-rules-invalid", "attribute %q cannot be read, so it tests nothing", f.Target))
				continue
			}
			rule.Tests = append(rule.Tests, flow)
			object.Tested = true
		}
		if f.Target == DNAttribute && object.Type.Attribute(DNAttribute) == nil {
			rule.DN = flow
			continue
		}
		object.Managed[f.Target] = true
		if f.Initial {
			object.Initial[f.Target] = true
		}
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

// checkTypes rejects flows that can never work: from is what is known of the source.
func (c *compiler) checkTypes(r Rule, f Flow, from identity.AttributeType, to identity.Type, multi bool) {
	what := "the expression"
	if from.Name != "" {
		what = strconv.Quote(from.Name)
	}
	if neverBecomes(from.Type, to) {
		c.failIn(r, f.Position, fault.New("cs-attribute-type-mismatch", "%s is of type %s, %q of type %s", what, from.Type, f.Target, to))
	}
	if from.Multi && !multi {
		c.failIn(r, f.Position, fault.New("flow-multi-values-to-single-value", "%s has several values, %q only one", what, f.Target))
	}
}

// neverBecomes reports whether no value of a type can be converted to another;
// type 0 is not known.
func neverBecomes(from, to identity.Type) bool {
	switch {
	case from == 0 || from == to:
		return false
	case from == identity.TypeReference || to == identity.TypeReference || from == identity.TypeBinary || to == identity.TypeBinary:
		return true
	case from == identity.TypeString || to == identity.TypeString:
		return false
	}
	return from != identity.TypeInteger || to != identity.TypeBoolean // 0 and 1
}

// source compiles a source. A script is looked up among those of the object type
// that it reads.
func (c *compiler) source(r Rule, s Source, attribute func(string) (identity.AttributeType, bool), names func() []string, parameters []string, script FlowName) (Evaluator, bool) {
	out := Evaluator{text: s.String()}
	switch {
	case s.Script != "":
		if out.Script = c.functions.Flows[script]; out.Script == nil {
			c.failIn(r, s.Position, c.missingFlow(script))
			return out, false
		}
		out.versions = []string{cmp.Or(c.functions.FlowVersions[script], c.functions.Version)}
	case s.DNPart > 0:
		out.dnPart, out.ldapName, out.reads = s.DNPart, c.nameStyle(r.Agent) == expr.LDAPNames, []string{DNAttribute}
	case s.Expression != "":
		program, err := expr.Compile(s.Expression, expr.Options{
			Dialect: expr.Dialect(cmp.Or(r.Dialect, c.model.Dialect, string(expr.FIM))), Position: s.Position, Marks: s.Marks,
			Attribute: attribute, AttributeNames: names, Functions: c.functions.ByName, Parameters: parameters,
			Constants: c.constants(r.Agent), Names: c.nameStyle(r.Agent),
		})
		if err != nil {
			named := fault.As(err, "sync-rule-invalid-expression")
			named.Rule = r.Name
			c.fail(named)
			return out, false
		}
		for _, f := range program.Scripts() {
			out.versions = append(out.versions, cmp.Or(f.Version, c.functions.Version))
		}
		out.program, out.reads = program, program.Attributes()
		out.from = identity.AttributeType{Type: program.Type(), Multi: program.IsList()}
	case s.Attribute != "":
		from, known := attribute(s.Attribute)
		if !known {
			c.failIn(r, s.Position, unknownAttribute("sync-rule-flow-attribute-not-found", s.Attribute, names()))
			return out, false
		}
		out.Direct, out.reads, out.from = s.Attribute, []string{s.Attribute}, from
	default:
		out.constant = expr.Of(identity.String(s.Value))
	}
	return out, true
}

// missingFlow is the error for a flow whose script nobody has registered.
func (c *compiler) missingFlow(script FlowName) *fault.Error {
	of := script.Object
	if script.Agent != "" {
		of = script.Agent + "." + script.Object
	}
	err := fault.New("extension-entry-point-not-implemented", "there is no script flow %q of %q", script.Name, of)
	var names []string
	for known := range c.functions.Flows {
		if known.Agent == script.Agent && known.Object == script.Object {
			names = append(names, known.Name)
		}
	}
	slices.Sort(names)
	err.Hint = suggestion(script.Name, names)
	return err
}

// connectorID is the parameter that every agent has (sync-engine §6.2): its name.
const connectorID = "Connector.ID"

// constants returns the parameters of an agent.
func (c *compiler) constants(agent string) map[string]expr.Value {
	i := slices.IndexFunc(c.model.Agents, func(a Agent) bool { return a.Name == agent })
	if i < 0 {
		return nil
	}
	values := map[string]expr.Value{connectorID: expr.Str(agent)}
	for name, document := range c.model.Agents[i].Parameters {
		v, err := expr.FromJSON(document)
		if err != nil {
			named := fault.New("sync-rule-validation-parsing-error", "parameter %q: %s", name, err)
			named.Agent, named.Position = agent, c.model.Agents[i].Position
			c.fail(named)
			continue
		}
		values[name] = v
	}
	return values
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
