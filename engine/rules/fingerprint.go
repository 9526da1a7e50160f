package rules

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"

	"github.com/metasync/metasync/engine/identity"
)

// Who adds to the rules something that decides about objects has to add it to
// what is described here: objects that were synchronized without it would else be
// taken for up to date.

// fingerprints describes what decides about the objects of each type, and takes
// the digest of each description.
func (c *compiler) fingerprints() {
	order := c.ruleOrder()
	all := []any{c.model}
	for _, name := range c.set.order {
		a := c.set.agents[name]
		for _, objectType := range slices.Sorted(maps.Keys(a.Objects)) {
			o := a.Objects[objectType]
			o.Fingerprint = digest(c.describeObject(order, a, o))
			all = append(all, o.Fingerprint)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.set.types)) {
		t := c.set.types[name]
		t.Fingerprint = digest(c.describeType(order, t))
		all = append(all, t.Fingerprint)
	}
	c.set.Fingerprint = digest(all)
}

func digest(description any) string {
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(description); err != nil {
		panic(err) // descriptions hold nothing that cannot be encoded
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// A description holds what decides about objects of one type. Places in files are
// no part of it.
type description struct {
	Kind, Of, Type string
	Agents         []Agent
	Filters        map[string]Scope
	Extensions     map[string]string
	Rules          []Rule
	Versions       [][]string // of the scripts that the flows call
	Connectors     []identity.AttributeType
	Anchors        map[string][]string
	Metaverse      []identity.AttributeType
	Targets        []target // metaverse attributes of which the precedence counts
	Types          []string
	Delete         DeletionRule
	Provisioning   Provisioning
	Holders        []Rule   `json:",omitempty"` // what holds the objects, where that counts
	ByDefault      []string `json:",omitempty"` // agents whose deprovisioning nobody chose, where that counts
}

// A target is a metaverse attribute and who contributes to it, the strongest
// first.
type target struct {
	identity.AttributeType
	Indexed bool
	Unique  bool `json:",omitempty"`
	Mode    PrecedenceMode
	Merge   MergeType
	Model   PrecedenceModel
	Agents  []string // as the model lists them
	Flows   [][3]string
}

// describeObject describes what is decided inbound about objects of an agent
// (sync-engine §3.2 to §3.7).
func (c *compiler) describeObject(order []Rule, a *AgentRules, o *ObjectRules) *description {
	options := c.agentOptions(a.Name)
	options.Deprovision, options.RequireParent = "", false // outbound
	d := &description{Kind: "inbound", Of: a.Name, Type: o.Type.Name, Agents: []Agent{options}, Extensions: map[string]string{}}
	d.Filters = map[string]Scope{o.Type.Name: c.filter(a.Name, o.Type.Name)}
	if e := a.Extension; e.Filter != nil || e.JoinValues != nil || e.ResolveJoin != nil || e.Project != nil {
		d.Extensions[a.Name] = cmp.Or(e.Version, c.functions.Version)
	}
	for _, r := range order {
		if r.Agent != a.Name || r.Object != o.Type.Name || r.Inbound == nil && len(r.Join) == 0 {
			continue
		}
		t := c.set.types[r.Metaverse]
		for _, join := range o.Joins {
			if join.Rule != r.Name {
				continue
			}
			for _, t := range join.Types {
				for _, pair := range join.Pairs {
					d.metaverse(t, pair.Metaverse)
				}
			}
		}
		if r.Outbound != nil && len(r.Join) > 0 {
			d.scoped(t, r.Outbound.Scope)
			r.Outbound = &Outbound{Scope: r.Outbound.Scope} // which limits its joins
		} else {
			r.Outbound = nil
		}
		r.DependsOn, r.Precedence, r.PrecedenceBefore = "", 0, "" // the order tells
		d.rule(c, r)
	}
	for _, r := range o.Inbound {
		d.depends(order, r.DependsOn)
		for _, f := range r.Flows {
			d.Versions = append(d.Versions, f.Source.versions)
			d.target(c, r.Type, f.Target)
		}
		if r.Retype != nil {
			d.Versions = append(d.Versions, r.Retype.Source.versions)
			d.Types = slices.Sorted(maps.Keys(c.set.types))
		}
	}
	for _, name := range o.Reads {
		attribute, _ := o.attribute(name)
		attribute.ImportOnly, attribute.ExportOnly, attribute.Required, attribute.Confirm = false, false, false, identity.Exact // outbound
		d.Connectors = append(d.Connectors, attribute)
	}
	return d
}

// describeType describes what is decided outbound about metaverse objects of a
// type (sync-engine §3.8 to §3.9), and about their deletion (§8.2).
func (c *compiler) describeType(order []Rule, t *Type) *description {
	d := &description{
		Kind: "outbound", Type: t.Name, Provisioning: c.model.Provisioning, Delete: t.Delete,
		Filters: map[string]Scope{}, Extensions: map[string]string{}, Anchors: map[string][]string{},
	}
	if t.Extension.Provision != nil || t.Delete.Script {
		d.Extensions[""] = cmp.Or(t.Extension.Version, c.functions.Version)
	}
	if t.Delete.When == Held {
		d.holders(order, t)
	}
	concerned := map[string]bool{}
	if t.Extension.Provision != nil { // it may connect objects of any agent
		for _, name := range c.set.order {
			concerned[name] = true
		}
	}
	for _, r := range order {
		if r.Metaverse != t.Name || r.Outbound == nil {
			continue
		}
		concerned[r.Agent] = true
		object := c.set.agents[r.Agent].Objects[r.Object]
		d.Filters[r.Agent+"."+r.Object] = c.filter(r.Agent, r.Object)
		d.Anchors[r.Agent+"."+r.Object] = object.Type.Anchor
		d.scoped(t, r.Outbound.Scope)
		for _, criterion := range r.Join {
			for _, pair := range criterion.Pairs {
				attribute, _ := object.attribute(pair.Connector)
				d.Connectors = append(d.Connectors, attribute)
				d.metaverse(t, pair.Metaverse)
			}
		}
		for _, f := range r.Outbound.Flows {
			attribute, _ := object.attribute(f.Target)
			d.Connectors = append(d.Connectors, attribute)
			d.scoped(t, f.Scope)
		}
		r.Inbound, r.Precedence, r.PrecedenceBefore = nil, 0, ""
		d.rule(c, r)
	}
	for _, r := range t.Outbound {
		d.depends(order, r.DependsOnInbound)
		flows := slices.Concat(r.Flows, r.Tests)
		if r.DN != nil {
			flows = append(flows, r.DN)
		}
		for _, f := range flows {
			d.Versions = append(d.Versions, f.Source.versions)
			for _, name := range f.Source.Reads() {
				d.metaverse(t, name)
			}
			if a := t.Attributes[f.Source.Direct]; a != nil {
				d.target(c, t, a)
			}
		}
	}
	for _, name := range c.set.order {
		if !concerned[name] {
			continue
		}
		options := c.agentOptions(name)
		options.ProjectOnAmbiguous, options.MaxConnectors, options.ImportView = false, 0, "" // inbound
		d.Agents = append(d.Agents, options)
		if t.Delete.When == Held && c.set.agents[name].DeprovisionByDefault {
			d.ByDefault = append(d.ByDefault, name)
		}
		if e := c.set.agents[name].Extension; e.Filter != nil || e.Deprovision != nil {
			d.Extensions[name] = cmp.Or(e.Version, c.functions.Version)
		}
	}
	return d
}

// holders adds the inbound rules that hold objects of a type, as far as they do.
func (d *description) holders(order []Rule, t *Type) {
	for _, r := range order {
		if in := r.Inbound; in != nil && r.Metaverse == t.Name && in.Link() != JoinLink {
			d.Holders = append(d.Holders, Rule{Agent: r.Agent, Object: r.Object, Inbound: &Inbound{Scope: in.Scope}})
		}
	}
}

// agentOptions returns what the model says of an agent, without its schema and
// filters.
func (c *compiler) agentOptions(name string) Agent {
	a := c.model.Agents[slices.IndexFunc(c.model.Agents, func(a Agent) bool { return a.Name == name })]
	a.Schema, a.Assumed, a.Filter = identity.Schema{}, false, nil
	return a
}

func (c *compiler) filter(agent, objectType string) Scope {
	i := slices.IndexFunc(c.model.Agents, func(a Agent) bool { return a.Name == agent })
	return c.model.Agents[i].Filter[objectType]
}

// rule adds a rule, with the dialect that counts for it.
func (d *description) rule(c *compiler, r Rule) {
	r.Dialect = cmp.Or(r.Dialect, c.model.Dialect)
	r.Name, r.DependsOn = r.Key(), c.keyOf(r.DependsOn)
	d.Rules = append(d.Rules, r)
}

// depends adds the inbound rules on which one depends, of which the scopes count.
func (d *description) depends(order []Rule, on *InboundRule) {
	for ; on != nil; on = on.DependsOn {
		i := slices.IndexFunc(order, func(other Rule) bool {
			return other.Name == on.Name && other.Agent == on.Agent && other.Inbound != nil
		})
		d.Rules = append(d.Rules, Rule{
			Name: order[i].Key(), Agent: order[i].Agent, Object: order[i].Object, Inbound: &Inbound{Scope: order[i].Inbound.Scope},
		})
	}
}

// metaverse adds the type of a metaverse attribute that is read.
func (d *description) metaverse(t *Type, name string) {
	attribute, _ := metaverseAttribute(t)(name)
	d.Metaverse = append(d.Metaverse, attribute)
}

// keyOf returns the key of the rule with a name.
func (c *compiler) keyOf(name string) string {
	if name != "" {
		for i := range c.model.Rules {
			if c.model.Rules[i].Name == name {
				return c.model.Rules[i].Key()
			}
		}
	}
	return name
}

func (d *description) scoped(t *Type, scope Scope) {
	for _, conditions := range scope {
		for _, condition := range conditions {
			d.metaverse(t, condition.Attribute)
		}
	}
}

// target adds a metaverse attribute with those who contribute to it.
func (d *description) target(c *compiler, t *Type, a *Attribute) {
	attribute, _ := metaverseAttribute(t)(a.Name)
	out := target{AttributeType: attribute, Indexed: a.Indexed, Unique: a.Unique, Mode: a.Mode, Merge: a.Merge, Model: c.model.Precedence}
	for _, definition := range c.model.Types {
		if definition.Name != t.Name {
			continue
		}
		for _, known := range definition.Attributes {
			if known.Name == a.Name {
				out.Agents = known.Precedence.Agents
			}
		}
	}
	for _, f := range a.Flows {
		out.Flows = append(out.Flows, [3]string{f.Rule.Agent, f.Rule.Object, f.Rule.Key})
	}
	d.Targets = append(d.Targets, out)
}
