package host

import "github.com/dop251/goja"

// A Field is a property of a record.
type Field struct {
	Name  string
	Value goja.Value
}

// Record returns a frozen object with these properties, in their order.
func (a *Active) Record(fields []Field) goja.Value {
	obj := a.w.rt.NewObject()
	for _, f := range fields {
		// Defined, not set: a column may be called __proto__.
		_ = obj.DefineDataProperty(f.Name, f.Value, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_TRUE) // a new object takes every property
	}
	_, _ = a.w.freeze(goja.Undefined(), obj)
	return obj
}
