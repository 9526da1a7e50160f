package sync

import (
	"slices"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// Inbound flows read what the last import saw or, if their agent says so, the
// exported view: for each attribute with a change that was exported, or is going to
// be, what it will be (sync-engine §1.3). Scopes, filters and joins always look at
// what was imported, and so do flows with equal precedence, which is about who wrote
// last, and those to the object type.
//
// A change that is staged, or no longer, is news for the flows that read the
// attribute: the object is synchronized again, as if an import had brought it.

// exportedView reports whether inbound flows of an agent read the exported view.
func exportedView(agent *rules.AgentRules) bool {
	return agent != nil && agent.ImportView == rules.ExportedView
}

// flowView returns what an inbound flow reads of an object.
func (u *unit) flowView(view *connectorView, flow *rules.InboundFlow) *connectorView {
	c := view.Connector
	if c.Exported == nil && c.Unapplied == nil {
		return view
	}
	agent := u.rules.Agent(u.space.AgentOf(c.ID))
	if !exportedView(agent) || flow.Target != nil && flow.Target.Mode == rules.Equal || agent.Objects[c.ObjectType] == nil {
		return view
	}
	if u.overlaid.of == view {
		return u.overlaid.view
	}
	exported := &connectorView{c, view.image, u}
	for _, d := range [...]*identity.Delta{c.Exported, c.Unapplied} {
		if d == nil || d.Op.Removes() {
			continue
		}
		changes := slices.DeleteFunc(slices.Clone(d.Changes), func(change identity.Change) bool {
			a := agent.Objects[c.ObjectType].Type.Attribute(change.Name)
			return a == nil || a.ExportOnly // passwords go one way
		})
		exported.image = (&identity.Delta{Op: identity.Update, Changes: changes}).Apply(exported.image)
	}
	u.overlaid = overlaid{view, exported}
	return exported
}

// evaluateInbound computes what an inbound flow says about an object. ImportedValue
// reads what was imported in either view.
func (u *unit) evaluateInbound(flow *rules.InboundFlow, view *connectorView) (v expr.Value, declined bool, err error) {
	read := u.flowView(view, flow)
	if read == view {
		return u.evaluate(&flow.Source, view)
	}
	u.evalCtx.Imported = view
	defer func() { u.evalCtx.Imported = nil }()
	return u.evaluate(&flow.Source, read)
}

// An overlaid is a view and what flows read in its place.
type overlaid struct{ of, view *connectorView }

// restaged reports whether a flow may say something else because of what is staged
// for the object, or was.
func (u *unit) restaged(c *space.Connector, flow *rules.InboundFlow) bool {
	if !c.RetryReferences && c.Exported == nil && c.Unapplied == nil || !exportedView(u.rules.Agent(u.space.AgentOf(c.ID))) {
		return false
	}
	reads := flow.Source.Reads()
	return c.RetryReferences || touches(c.Exported, reads) || touches(c.Unapplied, reads)
}

// noteStaged has an object synchronized again if another change is staged for an
// attribute that its inbound flows read.
func (u *unit) noteStaged(c *space.Connector, staged *identity.Delta) {
	agent := u.rules.Agent(u.space.AgentOf(c.ID))
	if !exportedView(agent) || agent.Objects[c.ObjectType] == nil {
		return
	}
	only := func(change *identity.Change) *identity.Delta {
		d := &identity.Delta{Op: identity.Update}
		if change != nil {
			d.Changes = []identity.Change{*change}
		}
		return d
	}
	for _, name := range agent.Objects[c.ObjectType].Flowing {
		if !only(c.Unapplied.Change(name)).Equal(only(staged.Change(name))) {
			c.RetryReferences = true
			return
		}
	}
}

// noteForgotten has an object synchronized again if its inbound flows still count
// on a change that was exported, but that the system did not keep and that is not
// staged again.
func (u *unit) noteForgotten(c *space.Connector, exported *identity.Delta) {
	agent := u.rules.Agent(u.space.AgentOf(c.ID))
	if exported == nil || !c.State.IsConnector() || !exportedView(agent) {
		return
	}
	for _, name := range agent.Objects[c.ObjectType].Flowing {
		if exported.Change(name) != nil && c.Unapplied.Change(name) == nil {
			u.reconsider(c)
			return
		}
	}
}
