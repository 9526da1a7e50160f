package rules

import (
	"cmp"
	"slices"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

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
		source, ok := c.source(r, f.Source, FlowName{Agent: r.Agent, Object: r.Object}, attribute, names, nil)
		if !ok {
			continue
		}
		if source.Script != nil {
			c.unsupported(f.Position, "a script as the source of an inbound flow")
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
		source, ok := c.source(r, f.Source, FlowName{Object: t.Name}, attribute, names, parameters)
		if !ok {
			continue
		}
		if source.Direct != "" {
			from, _ := attribute(source.Direct)
			c.checkDirect(r, f, from, target.Type, target.Multi)
		}
		flow := &OutboundFlow{
			Rule: rule, Target: f.Target, Type: target.Type, Multi: target.Multi,
			Source: source, Initial: f.Initial, AllowNull: f.AllowNull, Confirm: target.Confirm,
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

// source compiles a source. A script is looked up among those of the object type
// that it reads.
func (c *compiler) source(r Rule, s Source, script FlowName, attribute func(string) (identity.AttributeType, bool), names func() []string, parameters []string) (Evaluator, bool) {
	var out Evaluator
	switch {
	case s.Script != "":
		script.Name = s.Script
		if out.Script = c.functions.Flows[script]; out.Script == nil {
			missing := fault.New("extension-entry-point-not-implemented", "there is no script flow %q", s.Script)
			missing.Hint = suggestion(s.Script, c.flowNames(script))
			c.failIn(r, s.Position, missing)
			return out, false
		}
		c.usesFunctions = true
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
