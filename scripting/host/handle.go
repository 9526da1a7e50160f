package host

import (
	"reflect"

	"github.com/dop251/goja"
)

// A handle stands in scripts for a Go value that they can pass on and not look
// into.
type handle struct {
	w     *worker
	shown string
	value any
}

var typeHandle = reflect.TypeFor[*handle]()

// Handle returns an object that stands for a value: as text, in JSON and in the
// log it is what shown says. It has no properties, cannot be changed, and stays
// good as long as the generation.
func (a *Active) Handle(value any, shown string) goja.Value {
	return a.w.rt.NewDynamicObject(&handle{a.w, shown, value})
}

// HandleOf returns what a handle stands for; false for every other value.
func HandleOf(v goja.Value) (any, bool) {
	obj, ok := v.(*goja.Object)
	if !ok {
		return nil, false
	}
	h, ok := handleOf(obj)
	if !ok {
		return nil, false
	}
	return h.value, true
}

func handleOf(obj *goja.Object) (*handle, bool) {
	if obj.ExportType() != typeHandle {
		return nil, false
	}
	h, ok := obj.Export().(*handle)
	return h, ok
}

// Get implements [goja.DynamicObject].
func (h *handle) Get(key string) goja.Value {
	if key != "toString" && key != "toJSON" {
		return nil
	}
	return h.w.rt.ToValue(func(goja.FunctionCall) goja.Value { return h.w.rt.ToValue(h.shown) })
}

// Has implements [goja.DynamicObject].
func (h *handle) Has(key string) bool { return key == "toString" || key == "toJSON" }

// Set implements [goja.DynamicObject].
func (h *handle) Set(string, goja.Value) bool {
	panic(h.w.rt.NewTypeError(h.shown + " cannot be changed"))
}

// Delete implements [goja.DynamicObject].
func (h *handle) Delete(string) bool {
	panic(h.w.rt.NewTypeError(h.shown + " cannot be changed"))
}

// Keys implements [goja.DynamicObject].
func (h *handle) Keys() []string { return nil }
