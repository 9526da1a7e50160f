package expr

import (
	"github.com/metasync/metasync/engine/identity"
)

// evaluationFunctions tell what a value is (sync-engine §6.5 "Evaluation").
// Those that take anything look at a list as a whole.
var evaluationFunctions = []Function{
	{
		Name: "IsNull", Dialects: entraOnly, Source: entraText, Result: identity.TypeBoolean,
		Doc:    "Whether there is no value: an attribute is absent. The empty text is a value.",
		Params: []Param{{Name: "value"}}, build: tests(Value.IsNull),
	},
	{
		Name: "IsEmpty", Dialects: entraOnly, Source: entraText, Result: identity.TypeBoolean,
		Doc:    "Whether there is a value, and it is the empty text.",
		Params: []Param{{Name: "value"}}, build: tests(isEmpty),
	},
	{
		Name: "IsNullOrEmpty", Dialects: entraOnly, Source: entraText, Result: identity.TypeBoolean,
		Doc:    "Whether there is no value, or only the empty text.",
		Params: []Param{{Name: "value"}}, build: tests(func(v Value) bool { return v.IsNull() || isEmpty(v) }),
	},
	{
		Name: "IsPresent", Dialects: entraOnly, Source: entraText, Result: identity.TypeBoolean,
		Doc:    "Whether there is a value other than the empty text.",
		Params: []Param{{Name: "value"}}, build: tests(func(v Value) bool { return !v.IsNull() && !isEmpty(v) }),
	},
	{
		Name: "IsString", Dialects: entraOnly, Source: entraText, Result: identity.TypeBoolean,
		Doc:    "Whether CStr can make a text of the value.",
		Params: []Param{{Name: "value"}}, build: tests(converts(asText)),
	},
	{
		Name: "IsNumeric", Dialects: entraOnly, Source: entraText, Result: identity.TypeBoolean,
		Doc:    "Whether CNum can make a number of the value.",
		Params: []Param{{Name: "value"}}, build: tests(converts(asNumber)),
	},
	{
		Name: "IsDate", Dialects: entraOnly, Source: entraText, Result: identity.TypeBoolean,
		Doc:    "Whether CDate can make a datetime of the value.",
		Params: []Param{{Name: "value"}}, build: buildIsDate,
	},
	{
		Name: "IsGuid", Dialects: entraOnly, Source: entraText, Result: identity.TypeBoolean,
		Doc:    "Whether CGuid can make a GUID of the text. False for null.",
		Params: []Param{param("guid", Text).whenNull(passNull)},
		build: fixed1(func(_ *Context, x identity.Value) (Value, error) {
			_, ok := parseHyphenatedGUID(x.Str())
			return Bool(ok), nil
		}),
	},
	{
		Name: "IsBitSet", Dialects: entraOnly, Source: entraText, Result: identity.TypeBoolean,
		Doc:    "Whether a number has all the bits of the flag.",
		Params: []Param{param("number", Number), param("flag", Number)},
		build: fixed2(func(_ *Context, number, flag identity.Value) (Value, error) {
			return Bool(number.Int()&flag.Int() == flag.Int()), nil
		}),
	},
}

// tests builds calls that tell something of whatever they are given.
func tests(holds func(Value) bool) builder {
	return func(_ *compiler, s *site) (operand, error) {
		x := &s.args[0]
		return operand{code: func(ctx *Context) (Value, error) {
			v, _, err := x.eval(ctx)
			if err != nil {
				return Value{}, err
			}
			return Bool(holds(v)), nil
		}}, nil
	}
}

// converts tests whether one value, and not a list of several, can be converted.
func converts(as func(identity.Value) (identity.Value, bool)) func(Value) bool {
	return func(v Value) bool {
		if v.single.Type() == 0 {
			return false
		}
		_, ok := as(v.single)
		return ok
	}
}

func isEmpty(v Value) bool { return v.single.Type() == identity.TypeString && v.single.Str() == "" }

func buildIsDate(_ *compiler, s *site) (operand, error) {
	x := &s.args[0]
	return operand{code: func(ctx *Context) (Value, error) {
		v, _, err := x.eval(ctx)
		if err != nil {
			return Value{}, err
		}
		if err := ctx.handle(dateTimeWork); err != nil {
			return Value{}, s.fail(err)
		}
		_, ok := asDateTime(v.single)
		return Bool(ok), nil
	}}, nil
}
