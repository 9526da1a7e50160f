package host

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/fault"
)

// An Event is something that happens in the program and that scripts may listen to.
type Event struct {
	Name   string // such as "order.placed"
	Type   string // of what a listener is given, in TypeScript
	Result string // of what it may return, in TypeScript; "" is nothing
	Doc    string
}

// Events returns the kind of registration by which scripts listen to events, such as
// on("order.placed", order => { ... }). Several may listen to one, and
// [Generation.Call] calls them in the order of the files. A name that is no event is
// an error of the script.
func Events(function, doc string, events ...Event) Kind {
	var names, quoted, listeners []string
	var about strings.Builder
	about.WriteString(doc + "\n")
	for _, e := range events {
		name := fmt.Sprintf("%q", e.Name)
		names, quoted = append(names, e.Name), append(quoted, name)
		result := cmp.Or(e.Result, "void")
		listeners = append(listeners, fmt.Sprintf("%s: (event: %s) => %s | Promise<%s>", name, e.Type, result, result))
		fmt.Fprintf(&about, "\n- `%s`: %s", e.Name, e.Doc)
	}
	return Kind{
		Name: function,
		Signature: fmt.Sprintf("<E extends %s>(event: E, listener: { %s }[E]): void",
			strings.Join(quoted, " | "), strings.Join(listeners, "; ")),
		Doc:     about.String(),
		Many:    true,
		Declare: Listeners(names...),
	}
}

// Listeners returns the Declare of a kind like that of [Events]: it takes the name of
// an event and a function.
func Listeners(events ...string) func(args []goja.Value) (Declaration, error) {
	return func(args []goja.Value) (Declaration, error) {
		name, listener, err := NameAndFunction(args)
		if err != nil {
			return Declaration{}, err
		}
		if slices.Contains(events, name) {
			return Declaration{Name: name, Hooks: map[string]goja.Value{"": listener}}, nil
		}
		unknown := invalid("there is no event %q", name)
		unknown.Hint = "the events are " + strings.Join(events, ", ")
		if near := fault.Suggest(name, events); near != "" {
			unknown.Hint = fmt.Sprintf("did you mean %q?", near)
		}
		return Declaration{}, unknown
	}
}
