package rules

import (
	"cmp"
	"errors"
	"slices"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
)

// A Listed is a rule with its place in the order of application and the attributes
// that it concerns.
type Listed struct {
	Rule

	// Order counts, from 1, the rules of the agent by precedence, the strongest
	// first; those of all agents where the precedence of rules decides over them.
	// Disabled rules count: they keep their place.
	Order int

	In, Out *ListedHalf // nil if the rule does not have the half
}

// A ListedHalf is one direction of a rule.
type ListedHalf struct {
	Link   LinkType
	Flows  int
	Reads  []string // attributes of the source: in scopes, joins and flows, ordered
	Writes []string // attributes of the target, ordered
}

// List lists the rules of a model by agent, in the order of the model, and then in
// the order in which they are applied. The model needs no schemas: whether an
// attribute exists is left open. The error joins the rules that cannot be ranked and
// the expressions that cannot be read.
func List(model Model, functions map[string]expr.Function) ([]Listed, error) {
	c := newCompiler(model, Functions{ByName: functions})
	var out []Listed
	byAgent := map[string]int{}
	for _, r := range c.ruleOrder() {
		key := r.Agent
		if model.Precedence == ByRule {
			key = ""
		}
		byAgent[key]++
		l := Listed{Rule: r, Order: byAgent[key]}
		if r.Inbound != nil {
			l.In = c.half(r, r.Inbound.Link(), r.Inbound.Scope, r.Inbound.Flows, func(p JoinPair) string {
				if p.Script {
					return ""
				}
				return p.Connector
			})
		}
		if r.Outbound != nil {
			l.Out = c.half(r, r.Outbound.Link(), r.Outbound.Scope, r.Outbound.Flows, func(p JoinPair) string { return p.Metaverse })
		}
		out = append(out, l)
	}
	agents := c.agentRanks(nil)
	slices.SortStableFunc(out, func(a, b Listed) int { return cmp.Compare(agents[a.Agent], agents[b.Agent]) })
	return out, errors.Join(c.problems...)
}

func (c *compiler) half(r Rule, link LinkType, scope Scope, flows []Flow, joined func(JoinPair) string) *ListedHalf {
	h := &ListedHalf{Link: link, Flows: len(flows), Reads: scopeReads(scope), Writes: []string{}}
	for _, criterion := range r.Join {
		for _, p := range criterion.Pairs {
			if name := joined(p); name != "" {
				h.Reads = append(h.Reads, name)
			}
		}
	}
	for _, f := range flows {
		h.Writes = append(h.Writes, f.Target)
		h.Reads = append(h.Reads, scopeReads(f.Scope)...)
		switch s := f.Source; {
		case s.Attribute != "":
			h.Reads = append(h.Reads, s.Attribute)
		case s.DNPart > 0:
			h.Reads = append(h.Reads, DNAttribute)
		case s.Expression != "":
			program, err := expr.Compile(s.Expression, expr.Options{
				Dialect: expr.Dialect(cmp.Or(r.Dialect, c.model.Dialect)), Position: s.Position, Marks: s.Marks, Functions: c.functions.ByName,
			})
			if err != nil {
				named := fault.As(err, "sync-rule-invalid-expression")
				named.Rule = r.Name
				c.fail(named)
				continue
			}
			h.Reads = append(h.Reads, program.Attributes()...)
		}
	}
	slices.Sort(h.Reads)
	slices.Sort(h.Writes)
	h.Reads = slices.Compact(h.Reads)
	return h
}

// scopeReads returns the attributes that a scope asks for. Membership in a group is
// asked of the group.
func scopeReads(scope Scope) []string {
	names := []string{}
	for _, conditions := range scope {
		for _, condition := range conditions {
			if name := OperatorName(condition.Operator); name != isMemberOf && name != isNotMemberOf {
				names = append(names, condition.Attribute)
			}
		}
	}
	return names
}
