package sync

import (
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// maxProvisioningCalls is how often one synchronization provisions an object
// before it gives up (sync-engine §3.8).
const maxProvisioningCalls = 10

// NameTaken is the error of an object that shall get a name which another one has.
const NameTaken = "object-already-exists"

// nameProvisioningFailed is the error of an object that gets no name.
const nameProvisioningFailed = "sync-rule-flow-provisioning-failed"

// An outbound is the outbound phase of one metaverse object.
type outbound struct {
	*unit
	mv   *space.Object
	t    *rules.Type
	view objectView

	applied []*rules.OutboundRule // in scope, in the order of application
	created []identity.ID         // connectors that were provisioned
	renamed []renaming            // by the script
	again   bool                  // provisioning changed what it depends on
}

// room is kept from one outbound phase to the next. They do not nest.
type room struct {
	applied, concerned []*rules.OutboundRule
}

// A renaming is a DN that a script gave to a connector.
type renaming struct {
	id identity.ID
	dn string
}

// outbound brings the connectors of a metaverse object in line with it: creates
// those that rules and scripts ask for, cuts those that they no longer want, and
// stages what flows to the others (sync-engine §3.8).
func (u *unit) outbound(mv *space.Object) error {
	t := u.rules.Type(mv.Type)
	if t == nil {
		u.noteOutbound(mv, "")
		return nil
	}
	u.noteOutbound(mv, t.Fingerprint)
	if err := u.tx.DoneObject(mv.ID); err != nil {
		return err
	}
	if t.Delete.When == rules.Held {
		if held, err := u.held(mv, t); err != nil || !held {
			if err != nil {
				return within(err, stepDeletion, "", "")
			}
			u.trace.deletion(u, mv, "", true)
			return within(u.deleteObject(mv), stepDeletion, "", "")
		}
	}
	o := &outbound{unit: u, mv: mv, t: t, view: objectView{mv}, applied: u.room.applied}
	if err := o.provision(); err != nil {
		return err
	}
	u.room.applied = o.applied[:0]
	if len(mv.Connectors) == 0 {
		u.trace.deletion(u, mv, "", true)
		return within(u.deleteObject(mv), stepDeletion, "", "")
	}
	for _, id := range slices.Clone(mv.Connectors) {
		c, err := u.tx.Connector(id)
		if err != nil {
			return err
		}
		if c == nil {
			continue
		}
		if err := o.exportFlow(c); err != nil {
			return err
		}
	}
	if len(mv.Connectors) == 0 {
		u.trace.deletion(u, mv, "", true)
		return within(u.deleteObject(mv), stepDeletion, "", "")
	}
	return nil
}

// provision lets the rules and then the script provision, again as long as a cut
// link changed what they decide about.
func (o *outbound) provision() error {
	script := o.t.Extension.Provision
	if !o.rules.ScriptsProvision {
		script = nil
	}
	for calls := 1; ; calls++ {
		o.again = false
		if err := o.applyRules(); err != nil {
			return err
		}
		if script != nil && len(o.mv.Connectors) > 0 {
			o.trace.cuts(BecauseScript, "")
			_, err := rules.Call(func() (struct{}, error) {
				return struct{}{}, script(o.ctx, &provisioningEntry{metaverseEntry{o.view, o.unit}, o})
			})
			if err != nil {
				return within(err, stepProvisioning, "", "")
			}
			o.trace.scripted(o)
		}
		if !o.again || len(o.mv.Connectors) == 0 {
			return nil
		}
		if calls == maxProvisioningCalls {
			limit := fault.New("extension-provisioning-call-limit-reached",
				"provisioning cut links in each of %d calls and does not come to an end", calls)
			return within(limit, stepProvisioning, "", "")
		}
	}
}

// applyRules finds the rules that apply to the object, creates the connectors
// that they ask for and cuts those whose rule applies no longer.
func (o *outbound) applyRules() error {
	o.applied = o.applied[:0]
	for _, rule := range o.t.Outbound {
		if rule.DependsOn != nil && !slices.Contains(o.applied, rule.DependsOn) || !rule.Scope.Match(o.view) {
			o.trace.notApplied(o, rule)
			continue
		}
		if waits, err := o.waits(o.mv, rule.DependsOnInbound); err != nil || waits {
			if err != nil {
				return err
			}
			o.trace.notApplied(o, rule)
			continue
		}
		o.applied = append(o.applied, rule)
	}
	if o.rules.RulesProvision {
		if err := o.leave(); err != nil { // first: what goes may free the name of what comes
			return err
		}
		if err := o.renounce(); err != nil {
			return err
		}
	}
	for _, rule := range o.applied {
		if rule.Provision && o.rules.RulesProvision && o.connectorOf(o.mv, rule.Agent, rule.Object.Name) == 0 {
			if err := o.provisionByRule(rule); err != nil {
				o.trace.notProvisioned(o.mv, rule, err)
				return within(err, stepProvisioning, rule.Name, "")
			}
		}
		o.trace.applied(o, rule)
	}
	return nil
}

// waits reports whether no connector of the metaverse object is in the scope of
// an inbound rule that has to be applied first.
func (u *unit) waits(mv *space.Object, rule *rules.InboundRule) (bool, error) {
	if rule == nil {
		return false, nil
	}
	number := u.space.Number(rule.Agent)
	for _, id := range mv.Connectors {
		if id.Space() != number {
			continue
		}
		c, err := u.tx.Connector(id)
		if err != nil {
			return false, err
		}
		if c != nil && c.ObjectType == rule.Object && u.applies(rule, &connectorView{c, c.ImportImage(), u}, mv) {
			return false, nil
		}
	}
	return true, nil
}

// leave deprovisions the connectors to which a rule with deprovisioning applied
// until now, and no other rule does any more.
func (o *outbound) leave() error {
	for _, rule := range o.mayLeave(o.mv, o.t) {
		if !rule.Deprovision || slices.Contains(o.applied, rule) {
			continue
		}
		if slices.ContainsFunc(o.applied, func(r *rules.OutboundRule) bool {
			return r.Agent == rule.Agent && r.Object.Name == rule.Object.Name
		}) {
			continue
		}
		number := o.space.Number(rule.Agent)
		for _, id := range slices.Clone(o.mv.Connectors) {
			if id.Space() != number {
				continue
			}
			c, err := o.tx.Connector(id)
			if err != nil {
				return err
			}
			if c == nil || c.ObjectType != rule.Object.Name || !rule.Among(c.Applied) {
				continue
			}
			o.trace.cuts(BecauseRuleLeft, rule.Name)
			recalled, err := o.deprovision(c, o.mv, cut{by: space.ByDeprovisioning, rule: rule.Name}, true)
			if err != nil {
				return within(err, stepDeprovisioning, rule.Name, "")
			}
			o.again = o.again || recalled
		}
	}
	return nil
}

// provisionByRule gives the object a connector: one that exists and matches the
// rule's join criteria or its DN, otherwise a new one.
func (o *outbound) provisionByRule(rule *rules.OutboundRule) error {
	existing, err := o.existing(rule)
	if err != nil {
		return err
	}
	if existing != nil {
		return o.take(existing, rule.Key)
	}
	dn, err := o.outboundDN(rule)
	if err != nil {
		return err
	}
	_, err = o.create(rule.Agent, rule.Object.Name, dn, rule.Key, len(rule.Joins) > 0)
	return err
}

// create gives the object a connector with a DN: a disconnector that has it, or
// a new object, which may take the place of one that is to be deleted. added is true
// for a new one. rule is "" for a script; stranger says that its join criteria match
// none of the objects that are there.
func (o *outbound) create(agent, objectType, dn, rule string, stranger bool) (added bool, err error) {
	c, err := o.nameHolder(agent, dn)
	if err != nil {
		return false, err
	}
	if c != nil && c.Deleted { // what others refer to is not what is created
		if err := o.tx.LoseName(c); err != nil {
			return false, err
		}
		c = nil
	}
	denied := rule != "" && c != nil && c.State == space.Disconnector && c.ObjectType == objectType && o.denies(c)
	vacated := false
	if c != nil && c.State == space.ExplicitDisconnector && (c.ObjectType != objectType || !o.comesBack(c, stranger)) {
		if vacated, err = o.replaceable(agent, c); err != nil {
			return false, err
		}
	}
	switch {
	case vacated:
		if err := o.checkParent(agent, dn); err != nil {
			return false, err
		}
		return true, o.replace(c, objectType, dn, rule)
	case c == nil:
		if err := o.checkParent(agent, dn); err != nil {
			return false, err
		}
		c = o.tx.NewConnector(agent)
	case c.State == space.Placeholder: // others refer to it already
		if err := o.checkParent(agent, dn); err != nil {
			return false, err
		}
	case !denied && c.ObjectType == objectType && joinable(c) && (c.State == space.Disconnector || o.comesBack(c, stranger)):
		return false, o.take(c, rule)
	case c.State == space.FilteredDisconnector && rule != "":
		o.warn(c, fault.As(taken(agent, c), NameTaken))
		return false, nil // it is there, and not ours: that holds nothing else up
	default:
		o.blocker = Blocker{ID: c.ID, Creating: true, Replacing: stranger || c.ObjectType != objectType}
		err := taken(agent, c)
		if denied {
			err.Text += ": the join criteria say that it belongs to another object, only joining it by hand connects it"
		}
		return false, err
	}
	c.ObjectType, c.DN, c.Provisioned = objectType, dn, true
	c.Unapplied = &identity.Delta{Op: identity.Add, ObjectType: objectType, DN: dn}
	c.Rules = o.rules.Inbound(agent, objectType) // there is nothing yet that they could decide about
	o.created = append(o.created, c.ID)
	return true, o.link(c, rule, space.ByProvisioning)
}

// denies reports whether the join criteria say that a disconnector with the name of a new
// object is not the one that is to be created.
func (o *outbound) denies(c *space.Connector) bool {
	object := o.rules.Agent(o.space.AgentOf(c.ID)).Objects[c.ObjectType]
	return object.Denies(&connectorView{c, c.ImportImage(), o.unit}, o.view, o.rules.Type(o.mv.Type))
}

// joinable reports whether provisioning may take an object instead of creating
// one: a normal disconnector, or one that was to be deleted and nobody has been
// told.
func joinable(c *space.Connector) bool {
	return c.State == space.Disconnector ||
		c.State == space.ExplicitDisconnector && c.Unapplied != nil && c.Unapplied.Op == identity.Delete
}

// take links an object that provisioning found. One that was to be deleted stays
// after all.
func (o *outbound) take(c *space.Connector, rule string) error {
	o.created = append(o.created, c.ID)
	c.Rules = "" // of a disconnector they only decided whether it is to be joined
	if c.State == space.Disconnector {
		return o.link(c, rule, space.ByJoin)
	}
	c.Unapplied, c.ExportError = nil, nil
	return o.link(c, rule, space.ByProvisioning)
}

// link connects the object. References to an object with several connectors of
// one agent have no meaning there: whoever has one is looked at again.
func (o *outbound) link(c *space.Connector, rule string, by space.Lineage) error {
	if err := o.connect(c, o.mv, rule, by); err != nil || o.connectors(o.mv, c.ID.Space()) < 2 {
		return err
	}
	owners, err := o.tx.Referrers(o.mv.ID)
	if err != nil {
		return err
	}
	return o.retryObjects(owners)
}

// taken is the error for an object that is in the way of a new one.
func taken(agent string, c *space.Connector) *fault.Error {
	article := "a"
	if c.State == space.ExplicitDisconnector || c.State == space.ExplicitConnector {
		article = "an"
	}
	err := fault.New(NameTaken, "agent %q has %s %s named %q already", agent, article, c.State, c.DN)
	switch {
	case vanishes(c):
		err.Text += ": that it is deleted is not confirmed yet"
	case c.State == space.ExplicitDisconnector:
		err.Text += ": it was set apart on purpose, only joining it by hand connects it again"
	case c.State == space.FilteredDisconnector:
		err.Text += ": the connector filter keeps it apart"
	}
	return err
}

// existing looks for the object that the rule would create among the normal and
// explicit disconnectors of its agent, so that nothing is created twice. Objects
// that the connector filter keeps apart are none of our business.
func (o *outbound) existing(rule *rules.OutboundRule) (*space.Connector, error) {
	for _, join := range rule.Joins {
		candidates, err := o.candidates(rule, join)
		if err != nil {
			return nil, err
		}
		switch len(candidates) {
		case 0:
		case 1:
			if joinable(candidates[0]) {
				return candidates[0], nil
			}
			return nil, taken(rule.Agent, candidates[0])
		default:
			return nil, fault.New("join-ambiguous", "%d disconnectors of agent %q match the join criteria", len(candidates), rule.Agent)
		}
	}
	return nil, nil
}

// candidates returns the disconnectors that satisfy a join criterion, without
// those whose deletion has been exported.
func (o *outbound) candidates(rule *rules.OutboundRule, join *rules.Join) ([]*space.Connector, error) {
	var ids []identity.ID
	for i, pair := range join.Pairs {
		var found []identity.ID
		for _, v := range o.view.Get(pair.Metaverse) {
			converted, err := rules.Convert([]identity.Value{v}, rule.Object.Attribute(pair.Connector).Type, true)
			if err != nil {
				continue
			}
			matches, err := o.tx.FindDisconnectors(rule.Agent, rule.Object.Name, pair.Connector, converted[0])
			if err != nil {
				return nil, err
			}
			found = append(found, matches...)
		}
		if i > 0 {
			found = slices.DeleteFunc(found, func(id identity.ID) bool { return !slices.Contains(ids, id) })
		}
		slices.Sort(found)
		ids = slices.Compact(found)
	}
	var out []*space.Connector
	for _, id := range ids {
		c, err := o.tx.Connector(id)
		if err != nil {
			return nil, err
		}
		if c != nil && !(c.Exported != nil && c.Exported.Op.Removes()) {
			out = append(out, c)
		}
	}
	return out, nil
}

func (u *unit) nameHolder(agent, dn string) (*space.Connector, error) {
	id, err := u.tx.ByDN(agent, dn)
	if err != nil || id == 0 {
		return nil, err
	}
	return u.tx.Connector(id)
}

// outboundDN computes the name of an object by an outbound rule: the value of
// the rule's dn flow, or the anchor in systems that know no other name.
func (o *outbound) outboundDN(rule *rules.OutboundRule) (string, error) {
	if rule.DN != nil {
		dn, err := o.namePart(rule.DN)
		if err == nil && dn == "" {
			return "", nullName(rules.DNAttribute)
		}
		return dn, err
	}
	parts := make([]string, len(rule.Object.Anchor))
	for i, name := range rule.Object.Anchor {
		for _, flow := range rule.Flows {
			if flow.Target != name || parts[i] != "" {
				continue
			}
			var err error
			if parts[i], err = o.namePart(flow); err != nil {
				return "", err
			}
		}
		if parts[i] == "" {
			return "", nullName(name)
		}
	}
	return identity.JoinAnchor(parts...), nil
}

// namePart returns the one value of a flow into a name, "" if there is none.
func (o *outbound) namePart(flow *rules.OutboundFlow) (string, error) {
	v, _, err := o.evaluate(&flow.Source, o.view)
	if err != nil {
		return "", within(err, stepProvisioning, flow.Rule.Name, flow.Target)
	}
	if values := v.Values(); len(values) == 1 {
		return values[0].Text(), nil
	}
	return "", nil
}

func nullName(attribute string) error {
	err := fault.New(nameProvisioningFailed, "no value for %q, which names the object", attribute)
	err.Attribute = attribute
	return err
}
