package engine

import (
	"maps"
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// explainConnector explains an object of a connector space.
func (x *explaining) explainConnector(c *space.Connector) *ConnectorExplanation {
	agent := x.agentOf(c.ID)
	view := &ConnectorExplanation{
		ID: c.ID, Agent: agent, Object: c.ObjectType, DN: x.text(c.DN), Anchor: x.text(c.Anchor), State: c.State.String(), Provisioned: c.Provisioned,
		Applied: append([]string{}, x.env.Rules.RuleNames(c.Applied)...), Detected: append([]string{}, x.env.Rules.RuleNames(c.Detected)...), Attempts: c.Attempts,
		Runs: x.touching[c.ID], ImportError: x.objectError(c.ImportError), ExportError: x.objectError(c.ExportError), Awaits: x.awaits(c), Attributes: []ConnectorAttribute{},
	}
	if c.Link != 0 {
		view.Link = &LinkExplanation{x.reference(c.Link), c.LinkBy.String(), x.env.Rules.RuleName(c.LinkRule), c.LinkedAt}
	}
	if c.Cut != nil {
		view.Disconnection = lineageView(c.Cut.By, x.env.Rules.RuleName(c.Cut.Rule), c.Cut.At)
	}
	operation := func(d *identity.Delta) string {
		if d.IsZero() {
			return ""
		}
		return d.Op.String()
	}
	view.Import, view.Export, view.Unconfirmed = operation(c.Import), operation(c.Unapplied), operation(c.Exported)
	if view.Unconfirmed != "" {
		view.Batch = c.Batch
	}
	for _, d := range []*identity.Delta{c.Unapplied, c.Exported} {
		if d.IsRename() && view.NewDN == "" {
			view.NewDN = x.text(d.DN)
		}
	}
	flows := map[string][]FlowView{}
	for _, f := range x.trace.ExportFlows {
		if f.Connector == c.ID {
			flows[f.Attribute] = append(flows[f.Attribute], x.exportFlow(f))
		}
	}
	for _, name := range x.names(c, flows) {
		view.Attributes = append(view.Attributes, x.attribute(c, agent, name, flows[name]))
	}
	return view
}

func (x *explaining) objectError(e *space.ObjectError) *space.ObjectError {
	if e == nil {
		return nil
	}
	shown := *e
	shown.Detail = x.text(e.Detail)
	return &shown
}

// names lists the attributes of an object that the query wants to know about.
func (x *explaining) names(c *space.Connector, flows map[string][]FlowView) []string {
	names := map[string]bool{}
	for name := range flows {
		names[name] = true
	}
	for _, image := range []identity.Attributes{c.Synchronized, c.ImportImage(), c.ExportedImage(), c.TopImage()} {
		for _, a := range image {
			names[a.Name] = true
		}
	}
	if want := x.q.Attribute; want != "" {
		related := map[string]bool{want: true}
		own := x.agentOf(c.ID) == x.q.Agent && slices.Contains(x.attributesOf(x.q.Agent, c.ObjectType), want)
		if object := x.objectRules(c); object != nil && !own {
			for _, rule := range object.Inbound {
				for _, f := range rule.Flows {
					if f.Target.Name == want {
						for _, read := range f.Source.Reads() {
							related[read] = true
						}
					}
				}
			}
		}
		for _, rule := range x.outboundRules() {
			for _, f := range rule.Flows {
				if rule.Agent == x.agentOf(c.ID) && slices.Contains(f.Source.Reads(), want) && !own {
					related[f.Target] = true
				}
			}
		}
		maps.DeleteFunc(names, func(name string, _ bool) bool { return !related[name] })
	}
	return slices.Sorted(maps.Keys(names))
}

func (x *explaining) objectRules(c *space.Connector) *rules.ObjectRules {
	if a := x.env.Rules.Agent(x.agentOf(c.ID)); a != nil {
		return a.Objects[c.ObjectType]
	}
	return nil
}

func (x *explaining) outboundRules() []*rules.OutboundRule {
	if x.out.Metaverse == nil || x.env.Rules.Type(x.out.Metaverse.Type) == nil {
		return nil
	}
	return x.env.Rules.Type(x.out.Metaverse.Type).Outbound
}

func (x *explaining) attribute(c *space.Connector, agent, name string, flows []FlowView) ConnectorAttribute {
	show := func(image identity.Attributes) []any { return x.secretive(agent, c.ObjectType, name, image.Get(name)) }
	view := ConnectorAttribute{Name: name, Synchronized: show(c.Synchronized), Flows: append([]FlowView{}, flows...)}
	removed := func(image string, values []any) []any {
		if len(values) == 0 {
			view.Removed = append(view.Removed, image)
		}
		return values
	}
	if c.Import.Change(name) != nil {
		view.Imported = removed("pendingImport", show(c.ImportImage()))
	}
	if c.Exported.Change(name) != nil {
		view.Unconfirmed = true
		view.Exported = removed("unconfirmedExport", show(c.ExportedImage()))
	}
	if change := c.Unapplied.Change(name); change != nil {
		view.Unapplied = removed("pendingExport", show(c.TopImage()))
		since := x.staged[c.ID][name]
		since.Operation = change.Op.String()
		view.Pending = &since
	}
	return view
}

// awaits lists the references of an object that cannot flow now.
func (x *explaining) awaits(c *space.Connector) []AwaitedView {
	out := []AwaitedView{}
	if object := x.objectRules(c); object != nil && c.State.IsConnector() {
		for _, a := range c.ImportImage() {
			if !slices.Contains(object.Reads, a.Name) || x.q.Attribute != "" && a.Name != x.q.Attribute {
				continue
			}
			for _, v := range a.All() {
				if v.Ref() == 0 {
					continue
				}
				if target := x.connector(v.Ref()); !target.State.IsConnector() {
					out = append(out, AwaitedView{Attribute: a.Name, Name: x.text(target.DN), State: target.State.String()})
				}
			}
		}
	}
	return append(out, x.awaitsConnectors(c)...)
}

// awaitsConnectors lists references of the metaverse object that cannot flow to an
// object, because their targets have no connector beside it.
func (x *explaining) awaitsConnectors(c *space.Connector) []AwaitedView {
	var out []AwaitedView
	if c.Link == 0 {
		return nil
	}
	mv, err := x.tx.Object(c.Link)
	x.keep(err)
	for _, rule := range x.outboundRules() {
		if mv == nil || rule.Agent != x.agentOf(c.ID) || rule.Object.Name != c.ObjectType || !rule.Among(c.Applied) {
			continue
		}
		for _, flow := range rule.Flows {
			if flow.Source.Direct == "" || flow.Type != identity.TypeReference || x.q.Attribute != "" && x.q.Attribute != flow.Target && x.q.Attribute != flow.Source.Direct {
				continue
			}
			for _, v := range mv.Attributes.Get(flow.Source.Direct) {
				target, err := x.tx.Object(v.Ref())
				x.keep(err)
				if target != nil && !slices.ContainsFunc(target.Connectors, func(id identity.ID) bool { return id.Space() == c.ID.Space() }) {
					out = append(out, AwaitedView{flow.Target, x.name(target.ID), "no connector", rule.Agent})
				}
			}
		}
	}
	return out
}
