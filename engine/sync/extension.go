package sync

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// evaluate computes what a flow says. declined is true if it has nothing to say
// about its target.
func (u *unit) evaluate(source *rules.Evaluator, object expr.Getter) (v expr.Value, declined bool, err error) {
	if source.Direct != "" {
		return expr.OfValues(object.Get(source.Direct)), false, nil
	}
	defer recovered(&err)
	if source.Script != nil {
		values, declined, err := source.Script(u.ctx, u.entry(object))
		if err != nil {
			return expr.Null(), false, extensionError(err)
		}
		return expr.OfValues(identity.Normalize(slices.Clone(values))), declined, nil
	}
	u.evalCtx.Object = object
	if v, err = source.Eval(&u.evalCtx); err != nil {
		return expr.Null(), false, err
	}
	return v, v.Literal() == expr.IgnoreThisFlow, nil
}

// extend calls a rules extension. Its panic is an error of the object
// (sync-engine §9.3).
func extend[T any](call func() (T, error)) (answer T, err error) {
	defer recovered(&err)
	if answer, err = call(); err != nil {
		return answer, extensionError(err)
	}
	return answer, nil
}

func recovered(err *error) {
	if panicked := recover(); panicked != nil {
		*err = fault.New("extension-dll-exception", "panic: %v", panicked)
	}
}

func extensionError(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fault.As(err, "extension-dll-exception")
}

// entry returns the view of an object that extensions are given.
func (u *unit) entry(object expr.Getter) rules.Entry {
	if view, ok := object.(*connectorView); ok {
		return &flowEntry{connectorEntry{u, view}, u.target}
	}
	return &objectEntry{u, object.(objectView)}
}

type connectorEntry struct {
	unit *unit
	view *connectorView
}

func (e *connectorEntry) Get(name string) []identity.Value { return e.view.Get(name) }

func (e *connectorEntry) ID() identity.ID { return e.view.Connector.ID }

func (e *connectorEntry) ObjectType() string { return e.view.Connector.ObjectType }

func (e *connectorEntry) Attributes() identity.Attributes { return e.view.image }

func (e *connectorEntry) Agent() string { return e.unit.space.AgentOf(e.view.Connector.ID) }

func (e *connectorEntry) DN() string { return e.view.Connector.DN }

func (e *connectorEntry) Anchor() string { return e.view.Connector.Anchor }

type flowEntry struct {
	connectorEntry
	target *space.Object
}

func (e *flowEntry) Target() rules.MetaverseEntry { return &objectEntry{e.unit, objectView{e.target}} }

type objectEntry struct {
	unit *unit
	view objectView
}

func (e *objectEntry) Get(name string) []identity.Value { return e.view.Get(name) }

func (e *objectEntry) ID() identity.ID { return e.view.Object.ID }

func (e *objectEntry) ObjectType() string { return e.view.Type }

func (e *objectEntry) Attributes() identity.Attributes { return e.view.Object.Attributes }

// Connectors implements [rules.MetaverseEntry], in the order of their ids.
func (e *objectEntry) Connectors(agent string) ([]rules.ConnectorEntry, error) {
	number := e.unit.space.Number(agent)
	var out []rules.ConnectorEntry
	for _, id := range e.view.Object.Connectors {
		if id.Space() != number {
			continue
		}
		c, err := e.unit.tx.Connector(id)
		if err != nil {
			return nil, err
		}
		if c != nil {
			out = append(out, &connectorEntry{e.unit, &connectorView{c, c.ImportImage(), e.unit}})
		}
	}
	return out, nil
}

// Contributor implements [rules.MetaverseEntry].
func (e *objectEntry) Contributor(attribute string) (agent string, at time.Time) {
	by, present := e.view.Contribution(attribute)
	if !present || by.Null {
		return "", time.Time{}
	}
	return e.unit.space.AgentOf(by.Connector), by.Time
}
