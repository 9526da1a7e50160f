package rules

import (
	"slices"

	"github.com/metasync/metasync/engine/fault"
)

// disabled takes the disabled rules out of the model, after it has checked each by
// itself. A rule that relies on one of them is an error: it would wait for ever.
func (c *compiler) disabled() {
	off := map[string]bool{}
	for _, r := range c.model.Rules {
		if r.Disabled {
			off[r.Name] = true
			c.checkAlone(r)
		}
	}
	if len(off) == 0 {
		return
	}
	c.model.Rules = slices.DeleteFunc(slices.Clone(c.model.Rules), func(r Rule) bool { return r.Disabled })
	for i := range c.model.Rules {
		r := &c.model.Rules[i]
		for _, relation := range []struct {
			key, verb string
			on        *string
		}{{"dependsOn", "depends on", &r.DependsOn}, {"precedenceBefore", "ranks before", &r.PrecedenceBefore}} {
			if off[*relation.on] {
				err := fault.New("sync-rule-validation-parsing-error", "the rule %s %q, which is disabled", relation.verb, *relation.on)
				err.Hint = "disable this one, too, or change its " + relation.key
				c.failIn(*r, r.Position, err)
				*relation.on = "" // one error is enough
			}
		}
	}
}

// checkAlone finds the mistakes of a rule that takes no part. What it would do
// together with others counts only when it does.
func (c *compiler) checkAlone(r Rule) {
	r.Disabled, r.DependsOn, r.PrecedenceBefore = false, "", ""
	model := c.model
	model.Rules = []Rule{r}
	alone := newCompiler(model, c.functions)
	alone.types()
	alone.agents()
	alone.problems = nil // those of the model are found with the others
	alone.rules()
	c.problems = append(c.problems, alone.problems...)
}
