package host

import (
	"fmt"
	"strings"

	"github.com/dop251/goja"
)

// An API is the table of everything that scripts see. Its rows bind the names
// and describe them; nothing else does either.
type API struct {
	Kinds     []Kind
	Functions []Member // global functions: members of no object
	Objects   []Object
	Errors    []ErrorClass
	Types     []Type

	// Outside is the hint for a script that reaches out where it may not: see
	// [Active.ReachOut].
	Outside string

	// Instead is the hint for a built-in that a script may not use because it would
	// give wrong answers, by its name, such as localeCompare, or \p for properties of
	// characters in regular expressions. See [Load].
	Instead map[string]string
}

// A Kind is a kind of registration: a global function that scripts call while
// they are loaded.
type Kind struct {
	Name      string // of the function
	Signature string // its parameters and result in TypeScript
	Doc       string

	Many bool // several registrations may have the same name

	// Declare reads the arguments of one registration. It runs in every worker.
	// An error is reported at the place of the registration, and the others
	// are still read.
	Declare func(args []goja.Value) (Declaration, error)
}

// A Declaration is what a registration declares.
type Declaration struct {
	Name  string                // unique in its kind, unless that is shared
	Spec  any                   // for whoever asks for the registration; plain data
	Hooks map[string]goja.Value // the functions that may be called later, by name
}

// An Object is a type of objects that scripts use, and perhaps global ones.
type Object struct {
	Name    string   // the type, in TypeScript
	Globals []string // the global names of an object of this type
	Doc     string
	Members []Member
}

// A Member is a property of an object: a function, a text, another object or any
// other value.
type Member struct {
	Name      string
	Signature string // of a function: its parameters and result in TypeScript
	Doc       string

	// Call is what the function does. The call that goes on is a. A value nil
	// is undefined; an error is thrown.
	Call func(a *Active, args []goja.Value) (goja.Value, error)

	Text   func(a *Active) string // the value of a text
	Object *Object                // the type of an object

	// Value is any other value, of the TypeScript type Type; nil is undefined. It
	// is asked for when the object is made.
	Value func(a *Active) goja.Value
	Type  string
	// Absent, if set, reports whether an object is missing in a call.
	Absent func(a *Active) bool
}

// A Type is a type that exists only in TypeScript, or several.
type Type struct {
	Name string // its heading on the reference page
	Doc  string
	Text string // the declaration
}

// DTS returns the table as TypeScript declarations.
func (api *API) DTS() string {
	var b strings.Builder
	for _, kind := range api.Kinds {
		comment(&b, "", kind.Doc)
		fmt.Fprintf(&b, "declare function %s%s;\n\n", kind.Name, kind.Signature)
	}
	for _, function := range api.Functions {
		comment(&b, "", function.Doc)
		fmt.Fprintf(&b, "declare function %s%s;\n\n", function.Name, function.Signature)
	}
	for _, object := range api.Objects {
		for _, global := range object.Globals {
			fmt.Fprintf(&b, "declare const %s: %s;\n", global, object.Name)
		}
		comment(&b, "", object.Doc)
		fmt.Fprintf(&b, "interface %s {\n", object.Name)
		for _, member := range object.Members {
			comment(&b, "\t", member.Doc)
			fmt.Fprintf(&b, "\t%s;\n", member.declaration())
		}
		b.WriteString("}\n\n")
	}
	for _, class := range api.Errors {
		comment(&b, "", class.Doc)
		fmt.Fprintf(&b, "declare class %s extends Error {\n\tconstructor%s;\n}\n\n", class.Name, strings.TrimPrefix(class.constructor(), class.Name))
	}
	for _, t := range api.Types {
		comment(&b, "", t.Doc)
		b.WriteString(t.Text + "\n\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// declaration is the member in TypeScript.
func (m *Member) declaration() string {
	switch {
	case m.Call != nil:
		return m.Name + m.Signature
	case m.Absent != nil:
		return "readonly " + m.Name + "?: " + m.Object.Name
	case m.Object != nil:
		return "readonly " + m.Name + ": " + m.Object.Name
	case m.Value != nil:
		return "readonly " + m.Name + ": " + m.Type
	}
	return "readonly " + m.Name + ": string"
}

// constructor is how an error of the class is made, in TypeScript.
func (c *ErrorClass) constructor() string {
	if c.Options == "" {
		return c.Name + "(message?: string)"
	}
	return c.Name + "(message?: string, options?: " + c.Options + ")"
}

func comment(b *strings.Builder, indent, doc string) {
	if doc == "" {
		return
	}
	lines := strings.Split(strings.TrimSpace(doc), "\n")
	if len(lines) == 1 {
		fmt.Fprintf(b, "%s/** %s */\n", indent, lines[0])
		return
	}
	b.WriteString(indent + "/**\n")
	for _, line := range lines {
		b.WriteString(strings.TrimRight(indent+" * "+line, " ") + "\n")
	}
	b.WriteString(indent + " */\n")
}
