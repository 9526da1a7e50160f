package host

import (
	"fmt"

	"github.com/dop251/goja"
)

// An ErrorClass is a class of errors that scripts may throw to say something to
// the program. It extends Error, takes a message and an object of options, and
// keeps the options as its property options.
type ErrorClass struct {
	Name    string
	Doc     string
	Options string // the type of the options in TypeScript, "" if it takes none

	// Of is the name of errors of host functions that are of this class, for scripts
	// that catch them; "" for none.
	Of string

	// Err returns what the error of a call wraps if a script threw one. Options
	// are plain data, see [Active.Plain].
	Err func(options any) error
}

// internalSource names sources of the host itself: places in them are no places
// of the administrator.
const internalSource = "metasync:host"

// errorClassSource defines the classes of errors in a runtime.
const errorClassSource = `(name => {
	const c = {[name]: class extends Error {
		constructor(message, options) { super(message); this.name = name; this.options = options; }
	}}[name];
	return c;
})`

// defineErrors binds the classes of the API.
func (w *worker) defineErrors() {
	if len(w.generation.api.Errors) == 0 {
		return
	}
	maker, err := w.rt.RunScript(internalSource, errorClassSource)
	if err != nil {
		panic(fmt.Errorf("define the classes of errors: %w", err)) // a mistake in the source above
	}
	define, _ := goja.AssertFunction(maker)
	for _, class := range w.generation.api.Errors {
		constructor, err := define(goja.Undefined(), w.rt.ToValue(class.Name))
		if err != nil {
			panic(fmt.Errorf("define %s: %w", class.Name, err))
		}
		w.errorClasses = append(w.errorClasses, constructor.(*goja.Object))
		w.global(class.Name, constructor)
	}
}

// classOf returns what an object of one of the classes stands for, nil for every
// other object. The caller guards it.
func (w *worker) classOf(obj *goja.Object) error {
	for i, class := range w.errorClasses {
		if !w.rt.InstanceOf(obj, class) {
			continue
		}
		var options any
		if v := obj.Get("options"); v != nil {
			options, _ = new(plainer).value(v, 0)
		}
		return w.generation.api.Errors[i].Err(options)
	}
	return nil
}
