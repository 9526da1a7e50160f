package expr

import (
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// entraDNFunctions take names apart (sync-engine §6.5 "Directory"). What goes
// wrong has the names that the same has in a flow from a component of the DN.
var entraDNFunctions = []Function{
	{
		Name: "DNComponent", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc:    "The value of a component of the DN that a reference holds, counted from 1 at the object itself. Control characters stay escaped, such as \\0A. An error if there is none with this number.",
		Params: []Param{param("dn", Ref), param("number", Number)},
		build: fixed2(func(ctx *Context, dn, number identity.Value) (Value, error) {
			components, err := parseReference(ctx, dn)
			if err != nil {
				return Value{}, err
			}
			return component(components, number.Int())
		}),
	},
	{
		Name: "DNComponentRev", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc: "The value of a component of the DN that a reference holds, counted from 1 at the root; with DC, without the components that begin with dc=. " +
			"An error if there is none with this number.",
		Params: []Param{param("dn", Ref), param("number", Number), oneOf("options", "DC").optional()},
		build:  buildDNComponentRev,
	},
}

func buildDNComponentRev(c *compiler, s *site) (operand, error) {
	skip := len(s.args) > 2
	return fixed2(func(ctx *Context, dn, number identity.Value) (Value, error) {
		components, err := parseReference(ctx, dn)
		if err != nil {
			return Value{}, err
		}
		if skip {
			components = slices.DeleteFunc(components, func(rdn identity.RDN) bool { return strings.EqualFold(rdn[0].Type, "dc") })
		}
		slices.Reverse(components)
		return component(components, number.Int())
	})(c, s)
}

func parseReference(ctx *Context, dn identity.Value) (identity.DN, error) {
	const work = 12 // for each byte
	if err := ctx.handle(work * len(dn.Str())); err != nil {
		return nil, err
	}
	if dn.Ref() != 0 {
		return nil, fault.New("cannot-parse-dn-component", "the name of the object is not known here")
	}
	components, err := identity.ParseDN(dn.Str())
	if err != nil {
		return nil, fault.New("cannot-parse-dn-component", "%s is not a distinguished name", show(identity.String(dn.Str())))
	}
	return components, nil
}

// component returns the value of a component, of its first pair if it has several.
func component(components identity.DN, number int64) (Value, error) {
	if number < 1 || number > int64(len(components)) {
		return Value{}, fault.New("dn-index-out-of-bounds", "there is no component %d, there are %d", number, len(components))
	}
	return Str(escapeControls(components[number-1][0].Value)), nil
}

// escapeControls writes control characters as a DN does, such as \0A. Nobody
// has them in a name; Active Directory has one in the names of objects that lost
// a conflict, and rules look for it in this form.
func escapeControls(s string) string {
	const digits = "0123456789ABCDEF"
	isControl := func(r rune) bool { return r < ' ' || r == 0x7F }
	if strings.IndexFunc(s, isControl) < 0 {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if isControl(rune(s[i])) {
			b.Write([]byte{'\\', digits[s[i]>>4], digits[s[i]&15]})
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
