package expr

import (
	"errors"
	"math"

	"github.com/metasync/metasync/engine/identity"
)

// mimwalText is where the functions come from that MIMWAL, the public workflow
// library, adds to the vocabulary of FIM.
const mimwalText = "sync-engine §6.4 (MIMWAL)"

// arithmeticFunctions compute with whole numbers and join conditions. What does
// not fit into 64 bits is an error.
var arithmeticFunctions = []Function{
	integers("Add", "The sum of two numbers.", func(a, b int64) (int64, error) {
		sum := a + b
		return sum, overflowIf((sum > a) != (b > 0))
	}),
	integers("Subtract", "The first number less the second.", func(a, b int64) (int64, error) {
		difference := a - b
		return difference, overflowIf((difference < a) != (b > 0))
	}),
	integers("Multiply", "The product of two numbers.", func(a, b int64) (int64, error) {
		product, fits := multiply(a, b)
		return product, overflowIf(!fits)
	}),
	integers("Divide", "The first number divided by the second, without the remainder. Division by zero is an error.", func(a, b int64) (int64, error) {
		if b == 0 {
			return 0, errDivision
		}
		return a / b, overflowIf(a == math.MinInt64 && b == -1)
	}),
	integers("Mod", "What remains of the first number after division by the second. It has the sign of the first.", func(a, b int64) (int64, error) {
		if b == 0 {
			return 0, errDivision
		}
		return a % b, nil
	}),
	{
		Name: "BitNot", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeInteger,
		Doc:    "The number with every one of its 64 bits reversed: the complement of a mask, for BitAnd.",
		Params: []Param{param("flag", Number)},
		build:  fixed1(func(_ *Context, flag identity.Value) (Value, error) { return Int(^flag.Int()), nil }),
	},
	{
		Name: "And", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeBoolean,
		Doc:    "Whether all conditions hold. Null is false. What follows a condition that does not hold is not evaluated.",
		Params: conditionsParams, build: buildConditions(false), lazy: true,
	},
	{
		Name: "Or", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeBoolean,
		Doc:    "Whether one of the conditions holds. Null is false. What follows a condition that holds is not evaluated.",
		Params: conditionsParams, build: buildConditions(true), lazy: true,
	},
	{
		Name: "Not", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeBoolean,
		Doc:    "Whether the condition does not hold. Null is false, and so Not of it is true.",
		Params: []Param{param("condition", Condition).whenNull(passNull)},
		build:  fixed1(func(_ *Context, condition identity.Value) (Value, error) { return Bool(!condition.Bool()), nil }),
	},
}

var conditionsParams = []Param{
	param("first", Condition).whenNull(passNull), param("second", Condition).whenNull(passNull),
	param("more", Condition).whenNull(passNull).repeated(),
}

var errDivision = errors.New("division by zero")

func overflowIf(overflows bool) error {
	if overflows {
		return errOverflow
	}
	return nil
}

func integers(name, doc string, compute func(a, b int64) (int64, error)) Function {
	return Function{
		Name: name, Dialects: fimOnly, Source: mimwalText, Result: identity.TypeInteger, Doc: doc,
		Params: []Param{param("first", Number), param("second", Number)},
		build: fixed2(func(_ *Context, a, b identity.Value) (Value, error) {
			n, err := compute(a.Int(), b.Int())
			if err != nil {
				return Value{}, err
			}
			return Int(n), nil
		}),
	}
}

// buildConditions evaluates conditions from the left until one is what decides.
func buildConditions(decides bool) builder {
	return func(_ *compiler, s *site) (operand, error) {
		return operand{code: func(ctx *Context) (Value, error) {
			for i := range s.args {
				holds, _, err := s.args[i].eval(ctx)
				if err != nil {
					return Value{}, err
				}
				if holds.single.Bool() == decides {
					return Bool(decides), nil
				}
			}
			return Bool(!decides), nil
		}}, nil
	}
}
