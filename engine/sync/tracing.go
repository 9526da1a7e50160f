package sync

import (
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// Here is how a [Trace] is written: a method for each kind of decision, so that the
// algorithm has one line where it takes one. A nil Trace takes all of them.

func (t *Trace) filter(agent *rules.AgentRules, object *rules.ObjectRules, view *connectorView, filtered bool) {
	if t != nil {
		t.Filter = &FilterTrace{agent.Extension.Filter != nil, object.Filter.Explain(view), filtered}
	}
}

// scopes notes which inbound rules apply, in place of what was noted before the
// object was linked.
func (t *Trace) scopes(u *unit, object *rules.ObjectRules, view *connectorView) {
	if t == nil {
		return
	}
	var mv *space.Object
	if view.Link != 0 {
		var err error
		mv, err = u.tx.Object(view.Link)
		u.fail(err)
	}
	t.Inbound = nil
	for _, rule := range object.Inbound {
		s := ScopeTrace{Rule: rule, InScope: rule.Scope.Match(view), Conditions: rule.Scope.Explain(view)}
		if s.InScope && !u.applies(rule, view, mv) {
			s.WaitsFor = rule.DependsOn.Name
		}
		t.Inbound = append(t.Inbound, s)
	}
}

func (t *Trace) leaves(rule *rules.InboundRule) {
	if t != nil {
		t.Left = rule
	}
}

// criterion begins a join criterion; the last one stays unresolved until resolved.
func (t *Trace) criterion(join *rules.Join) {
	if t != nil {
		t.Joins = append(t.Joins, JoinTrace{Join: join, Resolution: ResolvedError})
	}
}

func (t *Trace) looksFor(values []identity.Value) {
	if t != nil {
		j := &t.Joins[len(t.Joins)-1]
		j.Values = append(j.Values, values)
	}
}

func (t *Trace) outside(join *rules.Join) {
	if t != nil {
		t.Joins = append(t.Joins, JoinTrace{Join: join, Resolution: ResolvedOutside})
	}
}

// matched notes what a criterion found, and that it led to nothing unless resolved
// says something else.
func (t *Trace) matched(candidates []*space.Object) {
	if t == nil {
		return
	}
	j := &t.Joins[len(t.Joins)-1]
	for _, mv := range candidates {
		j.Matches = append(j.Matches, mv.ID)
	}
	switch {
	case len(candidates) > 0:
	case slices.ContainsFunc(j.Values, func(v []identity.Value) bool { return len(v) == 0 }):
		j.Resolution = ResolvedNoValue
	default:
		j.Resolution = ResolvedNoMatch
	}
}

func (t *Trace) resolved(r Resolution) {
	if t != nil {
		t.Joins[len(t.Joins)-1].Resolution = r
	}
}

func (t *Trace) projection(metaverse, rule string, agent *rules.AgentRules) {
	if t != nil {
		t.Projection = &ProjectionTrace{metaverse, rule, agent.Extension.Project != nil}
	}
}

func (t *Trace) retyped(mv *space.Object, from, rule string) {
	if t != nil {
		t.Retypes = append(t.Retypes, RetypeTrace{mv.ID, rule, from, mv.Type})
	}
}

func contributed(mv *space.Object, attribute string) Contributed {
	by, some := mv.Contribution(attribute)
	return Contributed{mv.Attributes.Get(attribute), by, some}
}

func (t *Trace) untouched(c *space.Connector, mv *space.Object, flow *rules.InboundFlow) {
	if t != nil {
		now := contributed(mv, flow.Target.Name)
		t.ImportFlows = append(t.ImportFlows, ImportFlowTrace{
			Object: mv.ID, Connector: c.ID, Flow: flow, Status: FlowNotEvaluated, Before: now, After: now,
		})
	}
}

// beginImport opens an inbound flow; what is noted until endImport is about it.
func (t *Trace) beginImport(c *space.Connector, mv *space.Object, flow *rules.InboundFlow) {
	if t != nil {
		t.flow = &ImportFlowTrace{Object: mv.ID, Connector: c.ID, Flow: flow, Before: contributed(mv, flow.Target.Name)}
	}
}

// endImport closes the flow that is open, with what came of it.
func (t *Trace) endImport(mv *space.Object, view *connectorView, inScope, changed bool, err error) {
	if t == nil {
		return
	}
	f := t.flow
	t.flow = nil
	f.After, f.Err = contributed(mv, f.Flow.Target.Name), err
	own := isBy(f.After.By, view.Connector, f.Flow)
	switch {
	case err != nil:
		f.Status = FlowFailed
	case f.Status != "":
	case changed && !f.After.Some:
		f.Status = FlowDeleted
	case changed && !own && !f.Flow.Target.Merges() && f.Flow.Target.Mode == rules.Ranked:
		f.Status = FlowRepopulated
	case changed && f.After.By.Null:
		f.Status = FlowDeleted
	case changed:
		f.Status = FlowApplied
	case !inScope || !f.Flow.Scope.Match(view):
		f.Status = FlowOutOfScope
	case f.Said.Declined:
		f.Status = FlowDeclined
	case len(f.Said.Values) == 0 && !f.Said.Null && !own:
		f.Status = FlowNoValue
		if refers(f.Flow, view) {
			f.Status = FlowAwaits
		}
	default:
		f.Status = FlowUnchanged
	}
	t.ImportFlows = append(t.ImportFlows, *f)
}

// refers reports whether a flow into a reference has something to refer to.
func refers(flow *rules.InboundFlow, view *connectorView) bool {
	direct := flow.Source.Direct
	return flow.Target.Type == identity.TypeReference && direct != "" && len(view.Get(direct)) > 0
}

// says notes what a flow says: the one that is open, or one that is asked in its
// place.
func (t *Trace) says(c *space.Connector, flow *rules.InboundFlow, s said) {
	if t == nil {
		return
	}
	what := Said{s.values, s.null, s.declined}
	switch f := t.flow; {
	case f != nil && f.Flow == flow && f.Connector == c.ID:
		f.Said = what
	case f != nil:
		f.Candidates = append(f.Candidates, CandidateTrace{c.ID, flow, what})
	case t.recall != nil:
		t.recall.Candidates = append(t.recall.Candidates, CandidateTrace{c.ID, flow, what})
	}
}

// lost notes that the flow that is open is weaker than who contributes, with the
// value that it would have given. References are as they are in the connector
// space: nothing may wait for them.
func (t *Trace) lost(u *unit, mv *space.Object, view *connectorView, inScope bool) {
	if t == nil {
		return
	}
	flow := t.flow.Flow
	if !inScope || !flow.Scope.Match(view) {
		return
	}
	u.target = mv
	t.flow.Status = FlowNotPrecedent
	v, declined, err := u.evaluateInbound(flow, view)
	switch {
	case err != nil: // it will be one when the flow wins
	case declined:
		t.flow.Status = FlowDeclined
	default:
		t.flow.Said.Values, _ = rules.Convert(v.Values(), flow.Target.Type, flow.Target.Multi)
		if len(v.Values()) == 0 {
			t.flow.Status = FlowNoValue
		}
	}
}

func (t *Trace) beginRecall(c *space.Connector, mv *space.Object, attribute string) {
	if t != nil {
		t.recall = &RecallTrace{Object: mv.ID, Connector: c.ID, Attribute: attribute, Before: contributed(mv, attribute)}
	}
}

func (t *Trace) endRecall(mv *space.Object) {
	if t != nil {
		t.recall.After = contributed(mv, t.recall.Attribute)
		t.Recalls = append(t.Recalls, *t.recall)
		t.recall = nil
	}
}

func (t *Trace) kept(c *space.Connector, mv *space.Object) {
	if t == nil {
		return
	}
	for _, name := range mv.ContributedBy(c.ID) {
		t.beginRecall(c, mv, name)
		t.endRecall(mv)
	}
}

func (t *Trace) deletion(u *unit, mv *space.Object, agent string, gone bool) {
	if t == nil {
		return
	}
	d := DeletionTrace{Object: mv.ID, Agent: agent, Delete: gone, Rule: string(rules.LastConnector)}
	of := u.rules.Type(mv.Type)
	switch {
	case len(mv.Connectors) == 0:
		d.Rule = "no-connectors"
	case of != nil && of.Delete.Script:
		d.Rule = "script"
	case of != nil && of.Delete.When != "":
		d.Rule = string(of.Delete.When)
	}
	t.Deletions = append(t.Deletions, d)
}

// provisioned notes the last word on a rule: rules are asked again after a link
// was cut, and what was created or joined before then exists.
func (t *Trace) provisioned(p ProvisioningTrace) {
	for i := range t.Provisioning {
		before := &t.Provisioning[i]
		if before.Object != p.Object || before.Rule != p.Rule || p.Rule == nil {
			continue
		}
		if p.Outcome != OutboundExists || before.Outcome != OutboundCreated && before.Outcome != OutboundJoined {
			*before = p
		}
		return
	}
	t.Provisioning = append(t.Provisioning, p)
}

// notApplied notes a rule that is out of scope or waits for another.
func (t *Trace) notApplied(o *outbound, rule *rules.OutboundRule) {
	if t == nil {
		return
	}
	p := ProvisioningTrace{Object: o.mv.ID, Rule: rule, Outcome: OutboundOutOfScope, Conditions: rule.Scope.Explain(o.view)}
	switch on := rule.DependsOn; {
	case !rule.Scope.Match(o.view):
	case on != nil && !slices.Contains(o.applied, on):
		p.Outcome, p.WaitsFor = OutboundWaits, on.Name
	case rule.DependsOnInbound != nil:
		p.Outcome, p.WaitsFor = OutboundWaits, rule.DependsOnInbound.Name
	}
	t.provisioned(p)
}

// applied notes a rule that applies, and which connector it has.
func (t *Trace) applied(o *outbound, rule *rules.OutboundRule) {
	if t == nil {
		return
	}
	p := ProvisioningTrace{Object: o.mv.ID, Rule: rule, Outcome: OutboundNone, Conditions: rule.Scope.Explain(o.view)}
	if id := o.connectorOf(o.mv, rule.Agent, rule.Object.Name); id != 0 {
		p.Outcome, p.Connector = OutboundExists, id
		t.connector(o, &p)
	}
	t.provisioned(p)
}

// connector notes whether a connector is new.
func (t *Trace) connector(o *outbound, p *ProvisioningTrace) {
	c, err := o.tx.Connector(p.Connector)
	if err != nil || c == nil {
		return
	}
	p.DN = c.DN
	if !slices.Contains(o.created, c.ID) || p.Rule != nil && !p.Rule.Is(c.LinkRule) {
		return
	}
	p.Outcome = OutboundJoined
	if c.Provisioned {
		p.Outcome = OutboundCreated
	}
}

func (t *Trace) notProvisioned(mv *space.Object, rule *rules.OutboundRule, err error) {
	if t != nil {
		t.provisioned(ProvisioningTrace{Object: mv.ID, Rule: rule, Outcome: OutboundFailed, Err: err})
	}
}

// scripted notes the connectors that a script has created.
func (t *Trace) scripted(o *outbound) {
	if t == nil {
		return
	}
	for _, id := range o.created {
		known := func(p ProvisioningTrace) bool { return p.Connector == id }
		c, err := o.tx.Connector(id)
		if err != nil || c == nil || c.LinkRule != "" || slices.ContainsFunc(t.Provisioning, known) {
			continue
		}
		p := ProvisioningTrace{Object: o.mv.ID, Connector: id}
		t.connector(o, &p)
		t.provisioned(p)
		for i := range t.Provisioning { // rules that could not create one have it now
			r := &t.Provisioning[i]
			if r.Object == o.mv.ID && r.Outcome == OutboundNone && r.Rule.Agent == o.space.AgentOf(id) && r.Rule.Object.Name == c.ObjectType {
				r.Outcome, r.Connector, r.DN = OutboundExists, id, c.DN
			}
		}
	}
}

// cuts says why connectors are going to be deprovisioned.
func (t *Trace) cuts(because Because, rule string) {
	if t != nil {
		t.because, t.rule = because, rule
	}
}

func (t *Trace) deprovisioned(c *space.Connector, option rules.Deprovision, unheard bool) {
	if t == nil {
		return
	}
	d := DeprovisioningTrace{Connector: c.ID, DN: c.DN, Because: t.because, Rule: t.rule, Action: string(option)}
	switch {
	case unheard:
		d.Action = "withdrawn"
	case option == "":
		d.Action = string(rules.Disconnect)
	}
	t.Deprovisioning = append(t.Deprovisioning, d)
}

// exportFlow notes an outbound flow that gives its target nothing.
func (t *Trace) exportFlow(c *space.Connector, flow *rules.OutboundFlow, status FlowStatus, err error) {
	if t == nil {
		return
	}
	now := c.TopImage().Get(flow.Target)
	t.ExportFlows = append(t.ExportFlows, ExportFlowTrace{
		Connector: c.ID, Rule: flow.Rule.Name, Attribute: flow.Target, Source: flow.Source.String(),
		Status: status, Before: now, After: now, Err: err,
	})
}

// silent notes an outbound flow that has no value; awaits says that there would be
// one if the objects that it refers to had connectors.
func (t *Trace) silent(c *space.Connector, flow *rules.OutboundFlow, awaits bool) {
	status := FlowNoValue
	if awaits {
		status = FlowAwaits
	}
	t.exportFlow(c, flow, status, nil)
}

// passedOver notes an outbound flow that is not evaluated.
func (t *Trace) passedOver(o *outbound, c *space.Connector, flow *rules.OutboundFlow, creating bool) {
	switch {
	case t == nil:
	case flow.Initial && !creating:
		t.exportFlow(c, flow, FlowInitialOnly, nil)
	case !flow.Scope.Match(o.view):
		t.exportFlow(c, flow, FlowOutOfScope, nil)
	default:
		t.exportFlow(c, flow, FlowWeaker, nil)
	}
}

// exported notes what an outbound flow gives its target, in place of what was
// staged before.
func (t *Trace) exported(c *space.Connector, flow *rules.OutboundFlow, base identity.Attributes, staged *identity.Delta) {
	if t == nil {
		return
	}
	before := c.TopImage().Get(flow.Target)
	change := staged.Change(flow.Target)
	after := staged.Apply(base).Get(flow.Target)
	status := FlowUnchanged
	switch same := slices.Equal(before, after); {
	case !same && change == nil:
		status = FlowWithdrawn
	case !same, change != nil && c.Unapplied.Change(flow.Target) == nil:
		status = FlowStaged
	case change != nil:
		status = FlowPending
	}
	t.ExportFlows = append(t.ExportFlows, ExportFlowTrace{
		Connector: c.ID, Rule: flow.Rule.Name, Attribute: flow.Target, Source: flow.Source.String(),
		Status: status, Said: Said{Values: after}, Before: before, After: after,
	})
}

// given notes what a script gives a new connector.
func (t *Trace) given(c *space.Connector, staged *identity.Delta) {
	if t == nil {
		return
	}
	for _, change := range staged.Changes {
		t.ExportFlows = append(t.ExportFlows, ExportFlowTrace{
			Connector: c.ID, Attribute: change.Name, Source: "script", Status: FlowStaged,
			Said: Said{Values: change.Values}, After: change.Values,
		})
	}
}

// renames notes the DN that a connector is given; rule is nil for a script.
func (t *Trace) renames(c *space.Connector, rule *rules.OutboundRule, dn string, staged *identity.Delta, creating bool) {
	if t == nil || creating {
		return
	}
	status := FlowUnchanged
	before := c.DN
	switch {
	case c.Unapplied.IsRename():
		before = c.Unapplied.DN
	case c.Exported.IsRename():
		before = c.Exported.DN
	}
	switch {
	case staged.DN != "" && before == staged.DN:
		status = FlowPending
	case staged.DN != "":
		status = FlowStaged
	case c.Unapplied.IsRename():
		status = FlowWithdrawn
	}
	f := ExportFlowTrace{
		Connector: c.ID, Attribute: rules.DNAttribute, Status: status,
		Said: Said{Values: textValue(dn)}, Before: textValue(before), After: textValue(dn),
	}
	if rule != nil {
		f.Rule = rule.Name
	}
	if rule != nil && rule.DN != nil {
		f.Source = rule.DN.Source.String()
	}
	t.ExportFlows = append(t.ExportFlows, f)
}

func (t *Trace) detected(c *space.Connector, now []string) {
	if t != nil {
		t.Detected = append(t.Detected, DetectedTrace{c.ID, c.Detected, now})
	}
}
