package host

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/fault"
)

// An Apart is a worker of its own beside those of a generation. A call in it may
// make calls of the generation, also if that has only one worker, and what it does
// to variables of the scripts is seen by no other call. One goroutine uses it.
type Apart struct {
	generation *Generation
	w          *worker
	fresh      bool // for each call
}

// Apart returns a worker of its own. The caller closes it.
func (g *Generation) Apart() *Apart { return &Apart{generation: g} }

// Fresh returns a worker that is made anew for each call: nothing that a call leaves
// behind is seen by another one.
func (g *Generation) Fresh() *Apart { return &Apart{generation: g, fresh: true} }

// Do makes a call, as [Generation.Do] does.
func (p *Apart) Do(ctx context.Context, c Call, body func(*Active) error) error {
	select {
	case <-p.generation.closing:
		return fault.Wrap(nameException, ErrClosed)
	default:
	}
	if p.w == nil {
		w, err := p.generation.anotherWorker(ctx)
		if err != nil {
			return err
		}
		p.w = w
	}
	err := p.w.run(ctx, c, body)
	if p.fresh || p.w.spent(err) {
		p.Close()
	}
	return err
}

// Close ends the use of the worker.
func (p *Apart) Close() {
	if p.w != nil {
		p.generation.forget(p.w)
		p.w = nil
	}
}

// SetNow changes what Date sees in the rest of the call.
func (a *Active) SetNow(now time.Time) { a.call.Now = now }

// CallSite returns where in a script the running host function was called.
func (a *Active) CallSite() fault.Position { return a.w.callSite() }

// Fault returns an error that a function of the script gave as a named one, with
// the place where it was thrown.
func (a *Active) Fault(err error) *fault.Error { return a.w.fault(err) }

// ThrownBy returns what was thrown by an error class of the API, nil if the
// function is none. It is what [ErrorClass.Err] returns without options.
func (a *Active) ThrownBy(constructor *goja.Object) error {
	for i, class := range a.w.errorClasses {
		if class == constructor {
			return a.w.generation.api.Errors[i].Err(nil)
		}
	}
	return nil
}

// IsPromise reports whether a value is a promise.
func (a *Active) IsPromise(v goja.Value) bool {
	obj, ok := v.(*goja.Object)
	return ok && obj.ExportType() == typePromise
}

// ToScript returns plain data as objects of the script, with sorted keys: maps,
// slices, texts, numbers, booleans, nil for null, and values that are some already.
// A json.Number that is an integer beyond 2^53 becomes a BigInt.
func (a *Active) ToScript(plain any) (goja.Value, error) {
	switch x := plain.(type) {
	case nil:
		return goja.Null(), nil
	case goja.Value:
		return x, nil
	case map[string]any:
		obj := a.w.rt.NewObject()
		for _, key := range slices.Sorted(maps.Keys(x)) {
			v, err := a.ToScript(x[key])
			if err != nil {
				return nil, err
			}
			if err := obj.Set(key, v); err != nil {
				return nil, err
			}
		}
		return obj, nil
	case []any:
		items := make([]any, len(x))
		for i, item := range x {
			v, err := a.ToScript(item)
			if err != nil {
				return nil, err
			}
			items[i] = v
		}
		return a.w.rt.NewArray(items...), nil
	case json.Number:
		return a.number(x)
	}
	return a.w.rt.ToValue(plain), nil
}
