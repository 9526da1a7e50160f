package modules

import (
	"strings"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/scripting/host"
)

var dnTypes = host.Type{
	Name: "Components of names",
	Doc:  "A component of a name: its type and its value, without escapes, and its text. If it has several, the first.",
	Text: `interface DNComponent { type: string; value: string; rdn: string }`,
}

var dnObject = &host.Object{
	Name:    "DNFunctions",
	Globals: []string{"dn"},
	Doc:     "Distinguished names, such as CN=Ada,OU=People,DC=example,DC=org. What is none is an error.",
	Members: []host.Member{
		{
			Name: "parse", Signature: "(dn: string): DNComponent[]",
			Doc: "Takes a name apart.", Call: dnParse,
		},
		{
			Name: "escape", Signature: "(value: string): string",
			Doc: "Writes a value so that it can stand in a name: `\"CN=\" + dn.escape(\"Lovelace, Ada\") + \",OU=People\"`.",
			Call: textCall("dn.escape", 1, func(r *arguments) (string, error) {
				return identity.EscapeDNValue(r.text(0, "a value")), nil
			}),
		},
		{
			Name: "rdn", Signature: "(dn: string): string",
			Doc: "The first component of a name.",
			Call: textCall("dn.rdn", 1, func(r *arguments) (string, error) {
				name := r.dn(0)
				if len(name) == 0 {
					return "", nil
				}
				return name[0].String(), nil
			}),
		},
		{
			Name: "parent", Signature: "(dn: string): string",
			Doc: "A name without its first component.",
			Call: textCall("dn.parent", 1, func(r *arguments) (string, error) {
				return r.dn(0).Parent().String(), nil
			}),
		},
		{
			Name: "join", Signature: "(...parts: string[]): string",
			Doc: "Joins names, or components of one, to a name; empty ones are left out.",
			Call: func(a *host.Active, args []goja.Value) (goja.Value, error) {
				r := read(a, "dn.join", args, len(args))
				var parts []string
				for i := range args {
					if name := r.dn(i); len(name) > 0 {
						parts = append(parts, name.String())
					}
				}
				if r.err != nil {
					return nil, r.err
				}
				return a.Runtime().ToValue(strings.Join(parts, ",")), nil
			},
		},
	},
}

func (r *arguments) dn(i int) identity.DN {
	text := r.text(i, "a name")
	if r.err != nil || text == "" {
		return nil
	}
	name, err := identity.ParseDN(text)
	if err != nil {
		r.fail("takes a name: %w", err)
	}
	return name
}

func dnParse(a *host.Active, args []goja.Value) (goja.Value, error) {
	r := read(a, "dn.parse", args, 1)
	name := r.dn(0)
	if r.err != nil {
		return nil, r.err
	}
	items := make([]any, len(name))
	for i, component := range name {
		obj := a.Runtime().NewObject()
		_ = obj.Set("type", component[0].Type) // a new object takes every property
		_ = obj.Set("value", component[0].Value)
		_ = obj.Set("rdn", component.String())
		items[i] = obj
	}
	return a.Runtime().NewArray(items...), nil
}
