package sync

import (
	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
)

// evaluate computes what a flow says about an object. declined is true if it has
// nothing to say about its target. A function that panics fails the object
// (sync-engine §9.3).
func (u *unit) evaluate(source *rules.Evaluator, object expr.Getter) (v expr.Value, declined bool, err error) {
	if source.Direct != "" {
		return expr.OfValues(object.Get(source.Direct)), false, nil
	}
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fault.New("extension-dll-exception", "the extension panicked: %v", panicked)
		}
	}()
	u.evalCtx.Object = object
	u.random.begin(readBy(object), source.String())
	if source.Script != nil {
		u.evalCtx.Object = u.entry(object)
	}
	if v, err = source.Eval(&u.evalCtx); err != nil {
		return expr.Null(), false, err
	}
	return v, v.Literal() == expr.IgnoreThisFlow, nil
}

// readBy returns the object that a flow reads.
func readBy(object expr.Getter) identity.ID {
	switch view := object.(type) {
	case *connectorView:
		return view.Connector.ID
	case objectView:
		return view.Object.ID
	}
	return 0
}

// eval computes the values of a flow, without its references resolved.
func (u *unit) eval(source *rules.Evaluator, object expr.Getter) (values []identity.Value, declined bool, err error) {
	v, declined, err := u.evaluate(source, object)
	return v.Values(), declined, err
}
