package host

import (
	"fmt"

	"github.com/dop251/goja"
)

// Once its files ran, the built-ins of a worker are locked: their names stay what
// they are, and what belongs to them cannot be changed. Otherwise one call that
// changes Array.prototype, on purpose or by mistake, would decide about all objects
// that the worker is asked about later. Files may still extend them while they are
// loaded, which happens in every worker alike.

// overridable are properties of prototypes that objects which inherit them are
// commonly given for themselves, as in `this.name = "MyError"`. The language refuses
// that if the prototype is frozen; so they become pairs of functions, of which one
// gives the value and the other gives it to the object.
var overridable = []struct {
	of    string
	names []string
}{
	{"Object", []string{"constructor", "toString", "toLocaleString", "valueOf"}},
	{"Function", []string{"toString"}},
	{"Error", errorProperties},
	{"AggregateError", errorProperties},
	{"EvalError", errorProperties},
	{"GoError", errorProperties}, // of errors of the host
	{"RangeError", errorProperties},
	{"ReferenceError", errorProperties},
	{"SyntaxError", errorProperties},
	{"TypeError", errorProperties},
	{"URIError", errorProperties},
}

var errorProperties = []string{"constructor", "name", "message", "toString"}

// lock locks the built-ins.
func (w *worker) lock() {
	global := w.rt.GlobalObject()
	for _, o := range overridable {
		if prototype := w.prototype(o.of); prototype != nil {
			for _, name := range o.names {
				w.overridable(prototype, name)
			}
		}
	}
	for _, name := range w.builtIns {
		v := global.Get(name)
		obj, ok := v.(*goja.Object)
		if !ok || obj == global {
			continue
		}
		w.freezeObject(obj)
		w.freezeObject(w.prototype(name))
		if name == "Uint8Array" { // what all of them have in common
			w.freezeObject(obj.Prototype().Prototype())
			w.freezeObject(w.prototype(name).Prototype())
		}
		// Names of which a script has made something else stay that.
		_ = global.DefineDataProperty(name, v, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)
	}
}

// prototype returns the prototype property of a built-in, nil if there is none.
func (w *worker) prototype(name string) *goja.Object {
	obj, ok := w.rt.GlobalObject().Get(name).(*goja.Object)
	if !ok {
		return nil
	}
	prototype, _ := obj.Get("prototype").(*goja.Object)
	return prototype
}

func (w *worker) freezeObject(obj *goja.Object) {
	if obj != nil {
		_, _ = w.freeze(goja.Undefined(), obj)
	}
}

// overridable makes a property of a prototype one that objects can have for
// themselves.
func (w *worker) overridable(prototype *goja.Object, name string) {
	value := prototype.Get(name)
	if value == nil {
		return
	}
	get := w.rt.ToValue(func(goja.FunctionCall) goja.Value { return value })
	set := w.rt.ToValue(func(call goja.FunctionCall) goja.Value {
		obj, ok := call.This.(*goja.Object)
		if !ok || obj == prototype {
			panic(w.rt.NewTypeError(fmt.Sprintf("Cannot assign to read only property '%s' of a built-in", name)))
		}
		if err := obj.DefineDataProperty(name, call.Argument(0), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE); err != nil {
			panic(err)
		}
		return goja.Undefined()
	})
	// A script may have frozen it already.
	_ = prototype.DefineAccessorProperty(name, get, set, goja.FLAG_FALSE, goja.FLAG_FALSE)
}
