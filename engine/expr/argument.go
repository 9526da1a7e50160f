package expr

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// An argument is an operand with what the function says of it.
type argument struct {
	operand
	Param
	index  int // from 1
	of     string
	strict bool // nothing is converted
}

// check converts a constant argument for good, and refuses one whose type can
// never do.
func (a *argument) check() error {
	if a.constant {
		v, _, err := a.convert(a.value)
		if err == nil && !a.null {
			converted := constant(v, a.position)
			converted.secret = a.secret
			a.operand = converted
		}
		return err
	}
	if a.typ != 0 && !a.accepts(a.typ) {
		return a.refuse("a value of type " + a.typ.String())
	}
	return nil
}

// choose takes one of the words of an Enum, bare or in quotes.
func (a *argument) choose(n node, position fault.Position) error {
	word := ""
	switch n := n.(type) {
	case *nameNode:
		word = n.name
	case *constantNode:
		word = n.value.single.Str()
	}
	for _, known := range a.enum {
		if strings.EqualFold(known, word) {
			a.operand = constant(Str(known), position)
			return nil
		}
	}
	return newError(position, "argument %d of %s must be one of %s", a.index, a.of, strings.Join(a.enum, ", "))
}

// accepts reports whether the argument may have values of the type.
func (a *argument) accepts(t identity.Type) bool {
	if a.strict {
		want := kindTypes[a.Kind]
		return want == 0 || want == t
	}
	return a.Kind.accepts(t)
}

// kindTypes are the types of the kinds that have one.
var kindTypes = [...]identity.Type{
	Text: identity.TypeString, Number: identity.TypeInteger, Bytes: identity.TypeBinary,
	DateTime: identity.TypeDateTime, Condition: identity.TypeBoolean, Ref: identity.TypeReference, Enum: 0,
}

// accepts reports whether values of the type can be converted to the kind.
func (k Kind) accepts(t identity.Type) bool {
	switch k {
	case Text:
		return t != identity.TypeBinary
	case Number:
		return t == identity.TypeInteger || t == identity.TypeString
	case Bytes:
		return t == identity.TypeBinary
	case DateTime:
		return t == identity.TypeDateTime || t == identity.TypeString
	case Condition:
		return t == identity.TypeBoolean || t == identity.TypeString
	case Ref:
		return t == identity.TypeReference || t == identity.TypeString
	}
	return true
}

// eval evaluates the argument. If done, the function is not to be called, and
// v and err are its result.
func (a *argument) eval(ctx *Context) (v Value, done bool, err error) {
	if v, err = a.code(ctx); err != nil {
		return Value{}, true, err
	}
	if err := ctx.spend(len(v.single.Str()) + len(v.multi)); err != nil {
		return Value{}, true, newError(a.position, "%v", err)
	}
	if t := kindTypes[a.Kind]; t != 0 && v.single.Type() == t { // as nearly always
		return v, false, nil
	}
	return a.convert(v)
}

func (a *argument) convert(v Value) (out Value, done bool, err error) {
	switch {
	case a.Kind == Any && a.nulls == passNull:
		return v, false, nil
	case v.IsNull():
		return a.onNullValue()
	case a.Kind == Any:
		return v, false, nil
	case v.literal != NoLiteral:
		return Value{}, true, a.refuse(v.literal.String())
	case a.Kind == List:
		return v, false, nil
	case v.multi != nil:
		err := a.refuse(fmt.Sprintf("%d values", len(v.multi)))
		err.Name = "flow-multi-values-to-single-value"
		return Value{}, true, err
	}
	converted, ok := v.single, a.accepts(v.single.Type())
	if ok && !a.strict {
		converted, ok = a.Kind.convert(v.single)
	}
	if !ok {
		found := show(v.single)
		if a.secret {
			found = "the value of a parameter"
		}
		return Value{}, true, a.refuse(found)
	}
	return Value{single: converted}, false, nil
}

func (a *argument) onNullValue() (v Value, done bool, err error) {
	switch a.nulls {
	case nullOut:
		return Value{}, true, nil
	case emptyOut:
		return Str(""), true, nil
	case nullError:
		return Value{}, true, a.refuse("null")
	}
	return Value{}, false, nil
}

// convert returns the value in the form that functions expect of the kind.
func (k Kind) convert(v identity.Value) (identity.Value, bool) {
	switch k {
	case Text:
		return textOf(v)
	case Number:
		if v.Type() == identity.TypeString {
			n, err := parseNumber(v.Str())
			return identity.Integer(n), err == nil
		}
		return v, v.Type() == identity.TypeInteger
	case Bytes:
		return v, v.Type() == identity.TypeBinary
	case DateTime:
		if v.Type() == identity.TypeString {
			at, ok := parseDateTime(v.Str())
			return identity.DateTime(at), ok
		}
		return v, v.Type() == identity.TypeDateTime
	case Condition:
		if v.Type() == identity.TypeString {
			b, ok := parseBool(v.Str())
			return identity.Boolean(b), ok
		}
		return v, v.Type() == identity.TypeBoolean
	case Ref:
		if v.Type() == identity.TypeString {
			return identity.Reference(v.Str()), true
		}
		return v, v.Type() == identity.TypeReference
	}
	return v, true
}

// textOf returns a value as text; false if it has none.
func textOf(v identity.Value) (identity.Value, bool) {
	switch v.Type() {
	case identity.TypeString:
		return v, true
	case identity.TypeBinary:
		return v, false
	case identity.TypeReference:
		return identity.String(v.Str()), v.Ref() == 0
	}
	return identity.String(v.Text()), true
}

func parseBool(s string) (value, ok bool) {
	switch identity.Fold(s) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

var kindWanted = [...]string{
	Any: "a value", Single: "one value", Text: "text", Number: "a whole number", Bytes: "binary",
	DateTime: "a datetime", Condition: "true or false", Ref: "a reference", List: "values",
}

// converters are the functions that make a value of a kind out of another.
var converters = [...]string{
	Text: "CStr", Number: "CNum", DateTime: "CDate", Condition: "CBool", Ref: "CRef", Enum: "",
}

// refuse returns the error for an argument that is not what the function takes.
func (a *argument) refuse(found string) *fault.Error {
	err := newError(a.position, "argument %d of %s must be %s, not %s", a.index, a.of, kindWanted[a.Kind], found)
	switch {
	case a.strict && converters[a.Kind] != "":
		err.Hint = fmt.Sprintf("%s converts a value to this type", converters[a.Kind])
	case a.Kind == DateTime:
		err.Name = "datetime-string-format-incorrect"
	}
	return err
}

// show returns a value for an error message.
func show(v identity.Value) string {
	const most = 40 // characters
	switch v.Type() {
	case identity.TypeBinary:
		return fmt.Sprintf("%d bytes of binary", len(v.Str()))
	case identity.TypeReference:
		return "a reference"
	case identity.TypeString:
		text := v.Str()
		if utf8.RuneCountInString(text) > most {
			text = text[:bytesOf(text, most)] + "…"
		}
		return strconv.Quote(text)
	}
	return v.Text()
}
