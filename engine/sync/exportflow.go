package sync

import (
	"cmp"
	"slices"

	"github.com/metasync/metasync/engine/expr"
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
func (o *outbound) exportFlow(c *space.Connector) error {
	agentName := o.space.AgentOf(c.ID)
	agent := o.rules.Agent(agentName)
	if agent == nil || agent.Objects[c.ObjectType] == nil {
		return nil
	}
	creating := c.Provisioned && c.Exported == nil
	staged := &identity.Delta{Op: identity.Update}
	if creating {
		staged = &identity.Delta{Op: identity.Add, ObjectType: c.ObjectType, DN: c.DN}
		if c.Replaces != nil {
			staged.Op = identity.DeleteAdd
		}
		if c.LinkRule == "" && c.Unapplied != nil {
			staged.Changes = slices.Clone(c.Unapplied.Changes) // what the script gave it
			o.trace.given(c, staged)
		}
	}
	concerned := o.concerned(c, agentName)
	if creating && c.LinkRule != "" && len(concerned) == 0 && o.rules.RulesProvision {
		_, err := o.deprovision(c, o.mv, cut{by: space.ByDeprovisioning}, false) // nobody wants it any more, and nobody has been told
		return within(err, stepDeprovisioning, o.rules.RuleName(c.LinkRule), "")
	}
	if err := o.rename(c, concerned, agent, staged, creating); err != nil {
		return err
	}
	f := flowing{c: c, agent: agentName, base: c.ExportedImage(), staged: staged, creating: creating, noEmpty: agent.NoEmptyText, byName: agent.AnchorIsDN}
	var names []string
	for _, rule := range concerned {
		names = append(names, rule.Key)
		for _, flow := range rule.Flows {
			if flow.Contested && slices.Contains(f.decided, flow.Target) || flow.Initial && !creating || !flow.Scope.Match(o.view) {
				if flow.Initial && !creating {
					keep(c, staged, flow) // the system did not take it when the object was created
				}
				o.trace.passedOver(o, c, flow, creating)
				continue
			}
			if err := o.flow(&f, flow); err != nil {
				o.trace.exportFlow(c, flow, FlowFailed, err)
				return within(err, stepExportFlow, rule.Name, flow.Target)
			}
		}
	}
	if !o.rules.RulesProvision {
		names = append(names, o.undecided(c, agentName)...)
	}
	o.stage(c, staged, names, slices.Contains(o.created, c.ID))
	if err := o.validateFilter(c, agent, agentName); err != nil {
		return within(err, stepValidateFilter, "", "")
	}
	return o.detect(c, agentName)
}

// flowing is what flows to one connector.
type flowing struct {
	c        *space.Connector
	agent    string
	base     identity.Attributes // without what is staged
	staged   *identity.Delta
	creating bool
	noEmpty  bool     // the system cannot hold the empty text
	byName   bool     // names are all that the system knows objects by
	decided  []string // contested targets that have a value, or shall have none
	removed  []string // contested targets that shall have none unless a weaker flow has a value
}

// concerned returns the rules that apply to a connector, the strongest first
// (sync-engine §4.6): rules apply in the order of their dependencies, but their
// flows win by precedence alone. The list is good until the next call.
func (o *outbound) concerned(c *space.Connector, agent string) []*rules.OutboundRule {
	out := o.room.concerned[:0]
	for _, rule := range o.applied {
		if rule.Agent == agent && rule.Object.Name == c.ObjectType {
			out = append(out, rule)
		}
	}
	byRank := func(x, y *rules.OutboundRule) int { return cmp.Compare(x.Rank, y.Rank) }
	if !slices.IsSortedFunc(out, byRank) {
		slices.SortFunc(out, byRank)
	}
	o.room.concerned = out
	return out
}

// undecided returns the rules that would cut a connector, were the rules not
// forbidden to provision: they stay applied until somebody may decide.
func (o *outbound) undecided(c *space.Connector, agent string) []string {
	var names []string
	for _, rule := range o.t.Outbound {
		if rule.Deprovision && rule.Agent == agent && rule.Object.Name == c.ObjectType &&
			!slices.Contains(o.applied, rule) && rule.Among(c.Applied) {
			names = append(names, rule.Key)
		}
	}
	return names
}

// flow stages what one flow wants. A flow that has nothing to say, or may not,
// leaves the target to weaker ones. No value removes the attribute, if a flow
// allows that and no weaker one has a value.
func (o *outbound) flow(f *flowing, flow *rules.OutboundFlow) error {
	if !o.precedent(o.mv, flow, f.agent) {
		o.trace.exportFlow(f.c, flow, FlowNotPrecedent, nil)
		return nil
	}
	if done, err := o.stageValues(f.c, o.mv, flow, f.base, f.staged); err != nil || done {
		if done {
			o.trace.exported(f.c, flow, f.base, f.staged)
		}
		return err
	}
	v, declined, err := o.evaluate(&flow.Source, o.view)
	if err != nil || declined {
		if declined {
			o.trace.exportFlow(f.c, flow, FlowDeclined, nil)
		}
		return err
	}
	values, unresolved, err := o.outboundValues(flow, f.agent, v)
	if err != nil {
		return err
	}
	explicit := v.Literal() == expr.AuthoritativeNull || o.isEmptied(o.mv, flow)
	if f.noEmpty && slices.ContainsFunc(values, isEmptyText) {
		values = slices.DeleteFunc(slices.Clone(values), isEmptyText)
		explicit = len(values) == 0 // that is how the system shows what the rule says
	}
	if len(values) == 0 && !explicit && !flow.AllowNull {
		if !unresolved && !slices.Contains(f.removed, flow.Target) {
			keep(f.c, f.staged, flow)
		}
		o.trace.silent(f.c, flow, unresolved)
		return nil
	}
	switch {
	case !flow.Contested:
	case len(values) > 0 || explicit:
		f.decided = append(f.decided, flow.Target)
	default:
		f.removed = append(f.removed, flow.Target)
	}
	f.staged.DropChange(flow.Target)
	change, differs := flow.Confirm.DiffValues(flow.Target, f.base.Get(flow.Target), values)
	if flow.Type == identity.TypeReference {
		if change, differs, err = o.renewed(f, flow.Target, values, change, differs); err != nil {
			return err
		}
	}
	if differs {
		f.staged.SetChange(change)
	}
	o.trace.exported(f.c, flow, f.base, f.staged)
	return nil
}

func isEmptyText(v identity.Value) bool { return v.Type() == identity.TypeString && v.Text() == "" }

// keep leaves a change staged that was staged before, when the flow now has no
// value and must not remove the old one, or does not flow any more.
func keep(c *space.Connector, staged *identity.Delta, flow *rules.OutboundFlow) {
	if before := c.Unapplied.Change(flow.Target); before != nil && staged.Change(flow.Target) == nil && flow.Type != identity.TypeReference {
		staged.SetChange(*before)
	}
}

// rename stages a new DN if the script, or the strongest rule that has a name
// for it, names the object anew.
func (o *outbound) rename(c *space.Connector, concerned []*rules.OutboundRule, agent *rules.AgentRules, staged *identity.Delta, creating bool) error {
	if i := slices.IndexFunc(o.renamed, func(r renaming) bool { return r.id == c.ID }); i >= 0 {
		err := o.move(c, agent.Name, o.renamed[i].dn, staged, creating)
		o.trace.renames(c, nil, o.renamed[i].dn, staged, creating)
		return within(err, stepProvisioning, "", rules.DNAttribute)
	}
	if !o.rules.RulesProvision {
		return nil
	}
	var nameless error
	for _, rule := range concerned {
		switch {
		case rule.DN != nil && rule.DN.Initial && !creating:
			continue
		case rule.DN == nil && !(agent.AnchorIsDN && flowsAnchor(rule, creating)):
			continue
		}
		dn, err := o.outboundDN(rule)
		if fault.Name(err) == nameProvisioningFailed {
			if nameless == nil {
				nameless = within(err, stepExportFlow, rule.Name, rules.DNAttribute)
			}
			continue
		}
		if err != nil {
			return within(err, stepExportFlow, rule.Name, rules.DNAttribute)
		}
		err = o.move(c, agent.Name, dn, staged, creating)
		o.trace.renames(c, rule, dn, staged, creating)
		return within(err, stepExportFlow, rule.Name, rules.DNAttribute)
	}
	if creating {
		return nameless
	}
	return nil // no name to give: it keeps its own
}

// move stages the DN unless the object has it.
func (o *outbound) move(c *space.Connector, agent, dn string, staged *identity.Delta, creating bool) error {
	current := c.DN
	if c.Exported != nil && c.Exported.DN != "" {
		current = c.Exported.DN
	}
	if o.space.SameDN(agent, dn, current) {
		return nil // systems have their own mind about upper and lower case
	}
	if err := o.checkParent(agent, dn); err != nil {
		return err
	}
	if err := o.mayTake(agent, dn, c); err != nil {
		return err
	}
	if !creating {
		if err := o.checkRename(c, agent); err != nil {
			return err
		}
		staged.DN = dn
		return nil
	}
	if holder, err := o.nameHolder(agent, dn); err != nil {
		return err
	} else if holder != nil && holder.ID != c.ID {
		if err := o.tx.Absorb(holder, c); err != nil {
			return err
		}
	}
	c.DN, staged.DN = dn, dn
	o.tx.PutConnector(c)
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

// outboundValues brings what a flow gave into the target's type, and turns
// references into those to connectors of the agent. unresolved is true if there
// are values, but all of them refer to objects without such a connector.
func (o *outbound) outboundValues(flow *rules.OutboundFlow, agent string, v expr.Value) (values []identity.Value, unresolved bool, err error) {
	if values, err = convert(flow.Type, flow.Multi, v.Values()); err != nil {
		return nil, false, err
	}
	if flow.Type == identity.TypeReference && len(values) > 0 {
		if values, err = o.outboundReferences(o.mv, agent, values); err != nil {
			return nil, false, err
		}
		unresolved = len(values) == 0
	}
	return values, unresolved, nil
}

// convert brings values into the type of an attribute of a connected system.
func convert(to identity.Type, multi bool, values []identity.Value) ([]identity.Value, error) {
	if len(values) > 1 && !multi {
		return nil, fault.New("ambiguous-export-flow-to-single-valued-attribute", "%d values for a single-valued attribute", len(values))
	}
	return rules.Convert(values, to, multi)
}

// precedent is the export precedence check (sync-engine §4.4): a value does not
// flow to the agent that it came from, nor to one that is stronger than its
// contributor.
func (u *unit) precedent(mv *space.Object, flow *rules.OutboundFlow, agent string) bool {
	if flow.Source.Direct == "" {
		return true
	}
	attribute := u.rules.Type(mv.Type).Attributes[flow.Source.Direct]
	if attribute == nil {
		return true
	}
	if attribute.Merges() {
		return true
	}
	target := slices.IndexFunc(attribute.Flows, func(f *rules.InboundFlow) bool { return f.Rule.Agent == agent })
	if target < 0 {
		return true // the agent has no say in it
	}
	by, present := mv.Contribution(attribute.Name)
	contributor := u.space.AgentOf(by.Connector)
	switch {
	case attribute.Mode == rules.Manual:
		return true
	case attribute.Mode == rules.Equal:
		return !u.cameFrom(mv, attribute, agent)
	case !present:
		return target > 0 // somebody stronger may say that there is none
	}
	return contributor != agent && attribute.Rank(contributor, by.Rule) < target
}

// stage puts the delta in place of what was staged before.
func (u *unit) stage(c *space.Connector, staged *identity.Delta, applied []string, created bool) {
	if staged.Op == identity.Update && staged.DN == "" && len(staged.Changes) == 0 {
		staged = nil
	}
	changed := !c.Unapplied.Equal(staged)
	if changed {
		u.noteStaged(c, staged)
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
		u.noteApplied(c, applied)
		c.Applied = applied
		u.tx.PutConnector(c)
	}
	flows := staged != nil && len(staged.Changes) > 0 // an object that was sent before may be right as it is
	switch renamed := staged.IsRename(); {
	case created && c.Replaces != nil && flows:
		u.count(c, ProvisionedDeleteAddFlow)
	case created && c.Replaces != nil:
		u.count(c, ProvisionedDeleteAddNoFlow)
	case created && c.Provisioned && flows:
		u.count(c, ProvisionedAddFlow)
	case created && c.Provisioned:
		u.count(c, ProvisionedAddNoFlow)
	case len(applied) == 0 && !changed:
		// No outbound rule concerns the object.
	case renamed && changed && len(staged.Changes) > 0:
		u.count(c, ProvisionedRenameFlow)
	case renamed && changed:
		u.count(c, ProvisionedRenameOnly)
	case changed && staged != nil:
		u.count(c, ConnectorFlow)
	default:
		u.count(c, ConnectorNoFlow)
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
		if c.LinkRule == "" && c.Unapplied == nil {
			// Nobody else knows what the script gave it. This is no whole delta:
			// export flow puts one in its place, as a change.
			c.Unapplied = &identity.Delta{Op: identity.Add, Changes: c.Exported.Changes}
		}
	}
	c.Exported, c.Batch = nil, 0
	u.tx.PutConnector(c)
}
