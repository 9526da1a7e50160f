package sync

import (
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// detect looks which rules' existence tests hold for a connector, whether or not
// the rules apply to it: an account that is as a rule would make it is reported
// also if nobody ordered it (sync-engine §5.7). What was imported counts, not what
// is going to be exported.
func (o *outbound) detect(c *space.Connector, agent string) error {
	if len(o.t.Tested) == 0 && len(c.Detected) == 0 {
		return nil
	}
	var detected []string
	image := c.ImportImage()
	for _, rule := range o.t.Tested {
		if rule.Agent != agent || rule.Object.Name != c.ObjectType || c.Provisioned {
			continue
		}
		holds, err := o.exists(c, image, rule)
		if err != nil {
			return err
		}
		if holds {
			detected = append(detected, rule.Key)
		}
	}
	slices.Sort(detected)
	o.trace.detected(c, detected)
	if slices.Equal(detected, c.Detected) {
		return nil
	}
	for _, name := range detected {
		if !slices.Contains(c.Detected, name) {
			o.count(c, DetectedRuleAdd)
		}
	}
	for _, name := range c.Detected {
		if !slices.Contains(detected, name) {
			o.count(c, DetectedRuleDelete)
		}
	}
	c.Detected = detected
	o.tx.PutConnector(c)
	return nil
}

// exists reports whether all existence tests of a rule hold. One whose flow has
// no value, or fails, does not.
func (o *outbound) exists(c *space.Connector, image identity.Attributes, rule *rules.OutboundRule) (bool, error) {
	for _, flow := range rule.Tests {
		v, _, err := o.evaluate(&flow.Source, o.view)
		var values []identity.Value
		if err == nil {
			values, err = convert(flow.Type, flow.Multi, v.Values())
		}
		if err != nil {
			if _, ofObject := objectError(err); !ofObject {
				return false, err
			}
			return false, nil
		}
		switch {
		case len(values) == 0:
			return false, nil
		case flow == rule.DN:
			if !o.space.SameDN(rule.Agent, values[0].Text(), c.DN) {
				return false, nil
			}
			continue
		case flow.Type == identity.TypeReference:
			if values, err = o.connectorsOf(rule.Agent, values); err != nil {
				return false, err
			}
		}
		if !slices.Equal(values, image.Get(flow.Target)) {
			return false, nil
		}
	}
	return true, nil
}

// connectorsOf turns references to metaverse objects into those to their
// connectors of an agent. If one has none, there are no values, and the object is
// looked at again when it gets one.
func (o *outbound) connectorsOf(agent string, values []identity.Value) ([]identity.Value, error) {
	out := make([]identity.Value, 0, len(values))
	for _, v := range values {
		target, err := o.tx.Object(v.Ref())
		if err != nil {
			return nil, err
		}
		id := identity.ID(0)
		if target != nil {
			id = o.connectorOf(target, agent, "")
		}
		if id == 0 {
			return nil, o.tx.Await(v.Ref(), o.mv.ID)
		}
		out = append(out, identity.ReferenceTo(id))
	}
	return identity.Normalize(out), nil
}

// validateFilter checks what an object is going to be against the connector
// filter of its own agent: it would cut the link as soon as it is imported
// (sync-engine §3.4).
func (o *outbound) validateFilter(c *space.Connector, agent *rules.AgentRules, name string) error {
	filter := agent.Objects[c.ObjectType].Filter
	scripted := agent.Extension.Filter
	if filter == nil && scripted == nil || c.State != space.Joined || c.Unapplied.IsZero() {
		return nil
	}
	dn := c.DN
	if c.Unapplied.DN != "" {
		dn = c.Unapplied.DN
	}
	view := &exportEntry{connectorEntry{connectorView{c, c.TopImage(), o.unit}, name}, dn}
	caught := filter != nil && filter.Match(view)
	if filter == nil {
		var err error
		if caught, err = rules.Call(func() (bool, error) { return scripted(o.ctx, view) }); err != nil {
			return err
		}
	}
	if caught {
		return fault.New("connector-filter-rule-violation", "the connector filter of agent %q would disconnect what %q is going to be", name, dn)
	}
	return nil
}

// exportEntry shows an object as it will be once everything is exported.
type exportEntry struct {
	connectorEntry
	dn string
}

// DN implements [rules.ConnectorEntry].
func (e *exportEntry) DN() string { return e.dn }

// Get implements [expr.Getter].
func (e *exportEntry) Get(name string) []identity.Value {
	if name == rules.DNAttribute && e.image.Get(name) == nil {
		return textValue(e.dn)
	}
	return e.connectorView.Get(name)
}
