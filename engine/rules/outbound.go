package rules

import (
	"github.com/metasync/metasync/engine/fault"
)

// provisioning settles who may provision.
func (c *compiler) provisioning() {
	switch c.model.Provisioning {
	case NoProvisioning:
	case ByScript:
		c.set.ScriptsProvision = true
	case BySyncRule:
		c.set.RulesProvision = true
	default:
		c.set.RulesProvision, c.set.ScriptsProvision = true, true
	}
}

// deprovisioning checks what the model says of names and of the end of links.
func (c *compiler) deprovisioning(definition Agent, a *AgentRules) {
	if a.Deprovision == DeprovisionScript {
		if a.Extension.Deprovision == nil {
			c.fail(&fault.Error{
				Name: "extension-entry-point-not-implemented", Agent: a.Name, Position: definition.Position,
				Text: "no script decides about deprovisioning",
			})
		}
	}
	if a.RequireParent && !a.LDAPNames {
		c.fail(&fault.Error{
			Name: "sync-rule-validation-parsing-error", Agent: a.Name, Position: definition.Position,
			Text: "requireParent has no meaning for a system whose names tell no containers",
		})
	}
	if !a.Containers.IsAll() && !a.LDAPNames {
		c.fail(&fault.Error{
			Name: "sync-rule-validation-parsing-error", Agent: a.Name, Position: definition.Position,
			Text: "containers have no meaning for a system whose names tell none",
		})
	}
}

// contest marks flows into attributes that several rules for the same objects
// give a value.
func contest(outbound []*OutboundRule) {
	type target struct{ agent, object, attribute string }
	first := map[target]*OutboundFlow{}
	for _, r := range outbound {
		for _, f := range r.Flows {
			key := target{r.Agent, r.Object.Name, f.Target}
			if other := first[key]; other != nil {
				other.Contested, f.Contested = true, true
				continue
			}
			first[key] = f
		}
	}
}

// decides reports whether an option is an answer that a script may give.
func (d Deprovision) decides() bool {
	return d == Disconnect || d == ExplicitDisconnect || d == DeleteObject
}

// Decide asks the script what becomes of an object whose link is cut
// (sync-engine §8.1). An answer that is none is an error: nothing happens then.
func (a *AgentRules) Decide(ask func() (Deprovision, error)) (Deprovision, error) {
	if a.Deprovision != DeprovisionScript {
		return a.Deprovision, nil
	}
	answer, err := Call(ask)
	if err == nil && !answer.decides() {
		err = fault.New("extension-deprovisioning-invalid-result",
			"the deprovisioning of agent %q answered %q, which is none of %s, %s and %s",
			a.Name, answer, Disconnect, ExplicitDisconnect, DeleteObject)
	}
	return answer, err
}
