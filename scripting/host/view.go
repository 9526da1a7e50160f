package host

import (
	"fmt"

	"github.com/dop251/goja"
)

// A View gives the properties of an object when a script reads them. The object
// is read-only, and good until the call that made it is over.
type View interface {
	// Get returns a property, nil if there is none. An error is thrown.
	Get(a *Active, key string) (goja.Value, error)
	// Keys returns the names that a loop over the object meets, in order.
	Keys() []string
	// Describe names the object in messages, such as "the entry".
	Describe() string
}

// View makes an object of a view.
func (a *Active) View(v View) *goja.Object {
	return a.w.rt.NewDynamicObject(&viewObject{a, v})
}

// ViewOf returns the view behind an object that [Active.View] made; false for
// every other value.
func ViewOf(v goja.Value) (View, bool) {
	obj, ok := v.(*goja.Object)
	if !ok || obj.ExportType() != typeView {
		return nil, false
	}
	view, ok := obj.Export().(*viewObject)
	if !ok {
		return nil, false
	}
	return view.View, true
}

// Function returns a function for scripts that acts in this call only.
func (a *Active) Function(f func(args []goja.Value) (goja.Value, error)) goja.Value {
	return a.w.rt.ToValue(func(call goja.FunctionCall) goja.Value {
		if a != a.w.active {
			panic(a.w.throwable(errOver))
		}
		result, err := f(call.Arguments)
		if err != nil {
			panic(a.w.throwable(err))
		}
		return result
	})
}

// A viewObject is a view in one call, as goja sees it.
type viewObject struct {
	a *Active
	View
}

// Get implements [goja.DynamicObject].
func (o *viewObject) Get(key string) goja.Value {
	if o.a != o.a.w.active {
		panic(o.a.w.throwable(errOver))
	}
	v, err := o.View.Get(o.a, key)
	if err != nil {
		panic(o.a.w.throwable(err))
	}
	return v
}

// Has implements [goja.DynamicObject].
func (o *viewObject) Has(key string) bool {
	v := o.Get(key)
	return v != nil && !goja.IsUndefined(v)
}

// Set implements [goja.DynamicObject].
func (o *viewObject) Set(key string, _ goja.Value) bool {
	panic(o.a.w.rt.NewTypeError(fmt.Sprintf("%s is read-only: cannot set %q", o.Describe(), key)))
}

// Delete implements [goja.DynamicObject].
func (o *viewObject) Delete(key string) bool {
	panic(o.a.w.rt.NewTypeError(fmt.Sprintf("%s is read-only: cannot delete %q", o.Describe(), key)))
}
