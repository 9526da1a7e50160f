package sync

import (
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// MaxAttempts is how often a change is exported again at once after the system
// did not show it. Later attempts wait like those after an export error.
const MaxAttempts = 3

// exportFlow stages what flows from a metaverse object to one of its connectors:
// the difference between what the rules want and what the object will look like
// once everything that was sent has arrived (sync-engine §3.9).
func (u *unit) exportFlow(c *space.Connector, mv *space.Object, view objectView, applied []*rules.OutboundRule, created bool) error {
	agentName := u.space.AgentOf(c.ID)
	agent := u.rules.Agent(agentName)
	if agent == nil || agent.Objects[c.ObjectType] == nil {
		return nil
	}
	creating := c.Provisioned && c.Exported == nil
	base := c.ExportedImage()
	staged := &identity.Delta{Op: identity.Update}
	if creating {
		staged = &identity.Delta{Op: identity.Add, ObjectType: c.ObjectType, DN: c.DN}
	}
	var names []string
	decided := map[string]bool{}
	for _, rule := range applied {
		if rule.Agent != agentName || rule.Object.Name != c.ObjectType {
			continue
		}
		names = append(names, rule.Name)
		if err := u.rename(c, view, rule, agent, staged, creating); err != nil {
			return err
		}
		for _, flow := range rule.Flows {
			if decided[flow.Target] || flow.Initial && !creating {
				continue
			}
			if !u.precedent(mv, flow, agentName) {
				continue
			}
			done, err := u.stageValues(c, mv, flow, base, staged)
			if err != nil {
				return within(err, stepExportFlow, rule.Name, flow.Target)
			}
			if done {
				decided[flow.Target] = true
				continue
			}
			values, declined, err := u.outboundValues(mv, view, flow, agentName)
			if err != nil {
				return within(err, stepExportFlow, rule.Name, flow.Target)
			}
			if declined {
				continue
			}
			if len(values) == 0 && !flow.AllowNull {
				u.keep(c, staged, flow)
				continue
			}
			decided[flow.Target] = len(values) > 0
			staged.DropChange(flow.Target)
			if change, differs := flow.Confirm.DiffValues(flow.Target, base.Get(flow.Target), values); differs {
				staged.SetChange(change)
			}
		}
	}
	u.stage(c, staged, names, created)
	return nil
}

// keep leaves a change staged that was staged before, when the flow now has no
// value and must not remove the old one.
func (u *unit) keep(c *space.Connector, staged *identity.Delta, flow *rules.OutboundFlow) {
	if before := c.Unapplied.Change(flow.Target); before != nil && staged.Change(flow.Target) == nil && flow.Type != identity.TypeReference {
		staged.SetChange(*before)
	}
}

// rename stages a new DN if the rule names the object anew.
func (u *unit) rename(c *space.Connector, view objectView, rule *rules.OutboundRule, agent *rules.AgentRules, staged *identity.Delta, creating bool) error {
	if staged.DN != "" && !creating {
		return nil // a stronger rule has named it
	}
	switch {
	case rule.DN != nil && (rule.DN.Initial && !creating):
		return nil
	case rule.DN == nil && !agent.AnchorIsDN:
		return nil
	case rule.DN == nil && !flowsAnchor(rule, creating):
		return nil
	}
	dn, err := u.outboundDN(view, rule)
	if fault.Name(err) == "sync-rule-flow-provisioning-failed" && !creating {
		return nil // no name to give: it keeps its own
	}
	if err != nil {
		return within(err, stepExportFlow, rule.Name, rules.DNAttribute)
	}
	current := c.DN
	if c.Exported != nil && c.Exported.DN != "" {
		current = c.Exported.DN
	}
	if u.space.SameDN(rule.Agent, dn, current) {
		return nil // systems have their own mind about upper and lower case
	}
	holder, err := u.nameHolder(rule, dn)
	if err != nil {
		return err
	}
	if holder != nil && holder.ID != c.ID && holder.State != space.Placeholder {
		taken := fault.New("object-already-exists", "agent %q has a %s named %q already", rule.Agent, holder.State, dn)
		return within(taken, stepExportFlow, rule.Name, rules.DNAttribute)
	}
	if creating {
		if holder != nil && holder.ID != c.ID {
			if err := u.tx.Absorb(holder, c); err != nil {
				return err
			}
		}
		c.DN = dn
		u.tx.PutConnector(c)
	}
	staged.DN = dn
	return nil
}

// flowsAnchor reports whether a rule gives every part of the anchor a value.
func flowsAnchor(rule *rules.OutboundRule, creating bool) bool {
	for _, name := range rule.Object.Anchor {
		if !slices.ContainsFunc(rule.Flows, func(f *rules.OutboundFlow) bool {
			return f.Target == name && (creating || !f.Initial)
		}) {
			return false
		}
	}
	return true
}

// outboundValues computes what a flow wants its target to be, in the target's
// type and with references to connectors of the agent.
func (u *unit) outboundValues(mv *space.Object, view objectView, flow *rules.OutboundFlow, agent string) (values []identity.Value, declined bool, err error) {
	values, declined, err = u.eval(&flow.Source, view)
	if err != nil || declined {
		return nil, declined, err
	}
	if values, err = rules.Convert(values, flow.Type, flow.Multi); err != nil {
		return nil, false, err
	}
	if flow.Type == identity.TypeReference {
		wanted := len(values)
		if values, err = u.outboundReferences(mv, agent, values); err != nil {
			return nil, false, err
		}
		// A reference that cannot flow is a missing value: it removes the old one
		// only if the flow may.
		declined = len(values) == 0 && wanted > 0 && !flow.AllowNull
	}
	return values, declined, nil
}

// precedent is the export precedence check (sync-engine §4.4): a value does not
// flow to the agent that it came from, nor to one that is stronger than its
// contributor.
func (u *unit) precedent(mv *space.Object, flow *rules.OutboundFlow, agent string) bool {
	if flow.Source.Direct == "" {
		return true
	}
	t := u.rules.Type(mv.Type)
	attribute := t.Attributes[flow.Source.Direct]
	if attribute == nil {
		return true
	}
	target := -1
	for _, f := range attribute.Flows {
		if f.Rule.Agent == agent {
			target = f.Rank
			break
		}
	}
	if target < 0 {
		return true
	}
	by, present := mv.Contribution(attribute.Name)
	if !present {
		return target > 0
	}
	contributor := u.space.AgentOf(by.Connector)
	return contributor != agent && attribute.Rank(contributor, by.Rule) < target
}

// stage puts the delta in place of what was staged before.
func (u *unit) stage(c *space.Connector, staged *identity.Delta, applied []string, created bool) {
	agent := u.space.AgentOf(c.ID)
	if staged.Op == identity.Update && staged.DN == "" && len(staged.Changes) == 0 {
		staged = nil
	}
	changed := !c.Unapplied.Equal(staged)
	if changed {
		c.Unapplied, c.ExportError = staged, nil
		if staged != nil && c.Attempts >= MaxAttempts {
			c.ExportError = &space.ObjectError{
				Name: "exported-change-not-reimported", Detail: "the system does not keep the exported values",
				First: u.now, Last: u.now, Retries: c.Attempts,
			}
		}
	}
	slices.Sort(applied)
	if changed || !slices.Equal(c.Applied, applied) {
		c.Applied = applied
		u.tx.PutConnector(c)
	}
	switch renamed := staged.IsRename(); {
	case len(applied) == 0 && !changed:
		// No outbound rule concerns the object.
	case created && c.Provisioned && len(staged.Changes) > 0:
		u.count(agent, ProvisionedAddFlow)
	case created && c.Provisioned:
		u.count(agent, ProvisionedAddNoFlow)
	case renamed && changed && len(staged.Changes) > 0:
		u.count(agent, ProvisionedRenameFlow)
	case renamed && changed:
		u.count(agent, ProvisionedRenameOnly)
	case changed && staged != nil:
		u.count(agent, ConnectorFlow)
	default:
		u.count(agent, ConnectorNoFlow)
	}
}

// notReimported reports a change that was exported and that an import then did
// not show. It is forgotten, so that export attribute flow stages it again.
func (u *unit) notReimported(c *space.Connector) {
	if !c.NotReimported {
		return
	}
	c.NotReimported = false
	c.Attempts++
	var attributes []string
	if c.Exported.IsRename() {
		attributes = append(attributes, rules.DNAttribute)
	}
	for _, change := range c.Exported.Changes {
		attributes = append(attributes, change.Name)
	}
	warning := fault.New("exported-change-not-reimported", "the import after the export did not show what was exported: %q", attributes)
	u.warn(c, warning)
	if c.Exported.Op == identity.Add {
		c.Provisioned = true
	}
	c.Exported, c.Batch = nil, 0
	u.tx.PutConnector(c)
}
