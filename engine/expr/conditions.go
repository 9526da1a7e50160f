package expr

import (
	"fmt"

	"github.com/metasync/metasync/engine/identity"
)

// conditionFunctions are the conditions, and what depends on them
// (sync-engine §6.3, §6.4).
var conditionFunctions = []Function{
	{
		Name: "CustomExpression", Dialects: fimOnly, Source: "sync-engine §6.1",
		Doc:    "The expression itself. It marks expressions that were typed in, and has no effect.",
		Params: []Param{{Name: "expression"}},
		build:  func(_ *compiler, s *site) (operand, error) { return s.args[0].operand, nil },
	},
	{
		Name: "Null", Dialects: fimOnly, Source: fimText,
		Doc:   "No value: this flow contributes nothing, and the next in precedence may. The parentheses may be left out.",
		build: func(_ *compiler, s *site) (operand, error) { return constant(Null(), s.position), nil },
	},
	{
		Name: "IsPresent", Dialects: fimOnly, Source: fimText, Result: identity.TypeBoolean,
		Doc:    "Whether the attribute has a value. The empty text is one.",
		Params: []Param{{Name: "attribute"}}, build: buildIsPresent,
	},
	{
		Name: "Eq", Dialects: fimOnly, Source: fimText, Result: identity.TypeBoolean,
		Doc:    "Whether two values are equal. Null equals nothing. Upper and lower case differ.",
		Params: comparedParams,
		build:  buildEquality(func(_ *Context, x, y identity.Value) (Value, error) { return Bool(equal(x, y)), nil }),
	},
	{
		Name: "NotEquals", Dialects: fimOnly, Source: fimText, Result: identity.TypeBoolean,
		Doc:    "Whether two values differ. Null differs from everything. Upper and lower case differ.",
		Params: comparedParams,
		build:  buildEquality(func(_ *Context, x, y identity.Value) (Value, error) { return Bool(!equal(x, y)), nil }),
	},
	ordering("LessThan", "is less than", func(x, y int64) bool { return x < y }),
	ordering("LessThanOrEquals", "is less than or equal to", func(x, y int64) bool { return x <= y }),
	ordering("GreaterThan", "is greater than", func(x, y int64) bool { return x > y }),
	ordering("GreaterThanOrEquals", "is greater than or equal to", func(x, y int64) bool { return x >= y }),
}

var (
	comparedParams = []Param{param("first", Single).whenNull(passNull), param("second", Single).whenNull(passNull)}
	orderedParams  = []Param{param("first", Number).whenNull(passNull), param("second", Number).whenNull(passNull)}
)

func ordering(name, relation string, holds func(x, y int64) bool) Function {
	return Function{
		Name: name, Dialects: fimOnly, Source: fimText, Result: identity.TypeBoolean,
		Doc:    "Whether the first number " + relation + " the second. False if one of them is null.",
		Params: orderedParams,
		build: fixed2(func(_ *Context, x, y identity.Value) (Value, error) {
			return Bool(x.Type() != 0 && y.Type() != 0 && holds(x.Int(), y.Int())), nil
		}),
	}
}

// equal compares values across types: text is read as the type of the other
// value. A null, the zero Value, equals nothing.
func equal(x, y identity.Value) bool {
	if x.Type() == 0 || y.Type() == 0 {
		return false
	}
	if x.Type() == y.Type() {
		return x == y
	}
	if y.Type() == identity.TypeString {
		x, y = y, x
	}
	converted, ok := readAs(x, y.Type())
	return ok && converted == y
}

// readAs returns a text as a value of another type; false if it is not one.
func readAs(text identity.Value, t identity.Type) (identity.Value, bool) {
	if text.Type() != identity.TypeString {
		return identity.Value{}, false
	}
	switch t {
	case identity.TypeInteger:
		return Number.convert(text)
	case identity.TypeBoolean:
		return Condition.convert(text)
	case identity.TypeDateTime:
		return DateTime.convert(text)
	case identity.TypeReference:
		return identity.Reference(text.Str()), true
	}
	return identity.Value{}, false
}

// buildEquality refuses comparisons that can never hold because of the types.
func buildEquality(compare func(*Context, identity.Value, identity.Value) (Value, error)) builder {
	return func(c *compiler, s *site) (operand, error) {
		if problem := neverEqual(s.args[0].operand, s.args[1].operand); problem != "" {
			return operand{}, newError(s.position, "%s: %s", s.function.Name, problem)
		}
		return fixed2(compare)(c, s)
	}
}

// neverEqual says why two operands can never be equal; "" if they can.
func neverEqual(x, y operand) string {
	if y.typ == identity.TypeString {
		x, y = y, x
	}
	switch {
	case x.typ == 0 || y.typ == 0 || x.typ == y.typ:
	case x.typ != identity.TypeString || y.typ == identity.TypeBinary:
		return fmt.Sprintf("a value of type %s never equals one of type %s", x.typ, y.typ)
	case x.constant:
		if _, ok := readAs(x.value.single, y.typ); !ok {
			return fmt.Sprintf("%s is not a value of type %s", show(x.value.single), y.typ)
		}
	}
	return ""
}

func buildIsPresent(_ *compiler, s *site) (operand, error) {
	argument := s.args[0].code
	return operand{code: func(ctx *Context) (Value, error) {
		v, err := argument(ctx)
		if err != nil {
			return Value{}, err
		}
		return Bool(!v.IsNull()), nil
	}}, nil
}
