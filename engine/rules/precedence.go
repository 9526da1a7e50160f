package rules

import (
	"cmp"
	"slices"

	"github.com/metasync/metasync/engine/fault"
)

// defaultPrecedence is that of a rule which does not say.
const defaultPrecedence = 100

func precedence(r Rule) int { return cmp.Or(r.Precedence, defaultPrecedence) }

// ruleOrder returns the rules by precedence, the strongest first; rules of equal
// precedence in the order of the model or, where the precedence of rules decides
// over all agents, in the order of their agents. A rule that ranks before another
// one stands right before it (sync-engine §4.6).
func (c *compiler) ruleOrder() []Rule {
	var order, waiting []Rule
	for _, r := range c.model.Rules {
		if r.PrecedenceBefore == "" {
			order = append(order, r)
		} else {
			waiting = append(waiting, r)
		}
	}
	agents := map[string]int{}
	if c.model.Precedence == ByRule {
		agents = c.agentRanks(nil)
	}
	slices.SortStableFunc(order, func(x, y Rule) int {
		return cmp.Or(cmp.Compare(precedence(x), precedence(y)), cmp.Compare(agents[x.Agent], agents[y.Agent]))
	})
	for placed := true; placed && len(waiting) > 0; {
		placed = false
		waiting = slices.DeleteFunc(waiting, func(r Rule) bool {
			i := slices.IndexFunc(order, func(o Rule) bool { return o.Name == r.PrecedenceBefore })
			if i < 0 {
				return false
			}
			order, placed = slices.Insert(order, i, r), true
			return true
		})
	}
	for _, r := range waiting {
		c.failIn(r, r.Position, c.misplaced(r))
	}
	return append(order, waiting...)
}

// misplaced is the error for a rule whose place cannot be found.
func (c *compiler) misplaced(r Rule) *fault.Error {
	var names []string
	for _, other := range c.model.Rules {
		names = append(names, other.Name)
	}
	if slices.Contains(names, r.PrecedenceBefore) {
		return fault.New("sync-rule-validation-parsing-error", "the rule ranks before %q, which in turn waits for this one to be ranked", r.PrecedenceBefore)
	}
	err := fault.New("sync-rule-validation-parsing-error", "the rule ranks before %q, which is no rule", r.PrecedenceBefore)
	err.Hint = suggestion(r.PrecedenceBefore, names)
	return err
}
