package expr

import (
	"errors"

	"github.com/metasync/metasync/engine/identity"
)

// numberFunctions are bit masks and random numbers.
var numberFunctions = []Function{
	{
		Name: "BitOr", Dialects: everywhere, Source: bothText, Result: identity.TypeInteger,
		Doc:    "The flag with the bits of the mask set.",
		Params: bitParams,
		build:  fixed2(func(_ *Context, mask, flag identity.Value) (Value, error) { return Int(mask.Int() | flag.Int()), nil }),
	},
	{
		Name: "BitAnd", Dialects: everywhere, Source: bothText, Result: identity.TypeInteger,
		Doc:    "The bits that the mask and the flag have in common.",
		Params: bitParams,
		build:  fixed2(func(_ *Context, mask, flag identity.Value) (Value, error) { return Int(mask.Int() & flag.Int()), nil }),
	},
	{
		Name: "RandomNum", Dialects: everywhere, Source: bothText, Result: identity.TypeInteger,
		Doc:    "A random number between two numbers, both included.",
		Params: []Param{param("start", Number), param("end", Number)}, build: fixed2(randomNum),
	},
}

var bitParams = []Param{param("mask", Number), param("flag", Number)}

func randomNum(ctx *Context, start, end identity.Value) (Value, error) {
	low, high := start.Int(), end.Int()
	size := high - low + 1
	switch {
	case low > high:
		return Value{}, errors.New("the start is greater than the end")
	case size <= 0: // overflow
		return Value{}, errors.New("the numbers are too far apart")
	}
	return Int(low + ctx.random(size)), nil
}
