package expr

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"unicode"

	"github.com/metasync/metasync/engine/identity"
)

// multivaluedFunctions take lists apart and make them. Positions count from 0.
// Case does not count where values are compared.
var multivaluedFunctions = []Function{
	{
		Name: "Count", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeInteger,
		Doc:    "How many values there are; 0 for null.",
		Params: []Param{param("values", List).whenNull(passNull)},
		build:  ofValues(func(_ *Context, v Value) (Value, error) { return Int(int64(len(v.Values()))), nil }),
	},
	{
		Name: "First", Dialects: fimOnly, Source: mimwalText,
		Doc:    "The first of the values. Those of an attribute are in no order of their own: sort them, or split a text.",
		Params: valuesParams, build: sameType(func(_ *Context, v Value) (Value, error) { return valueAt(v, 0), nil }),
	},
	{
		Name: "Last", Dialects: fimOnly, Source: mimwalText,
		Doc:    "The last of the values.",
		Params: valuesParams, build: sameType(func(_ *Context, v Value) (Value, error) { return valueAt(v, int64(len(v.Values())-1)), nil }),
	},
	{
		Name: "ValueByIndex", Dialects: fimOnly, Source: mimwalText,
		Doc:    "The value at a position, counted from 0; null if there is none.",
		Params: []Param{param("values", List), param("index", Number).whenNull(nullError)}, build: buildValueByIndex,
	},
	{
		Name: "IndexByValue", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeInteger,
		Doc:    "The position of a value, counted from 0; -1 if it is not there. Case does not count.",
		Params: []Param{param("values", List).whenNull(passNull), param("value", Single).whenNull(passNull)},
		build: ofValuesAnd(func(_ *Context, v Value, wanted identity.Value) (Value, error) {
			return Int(int64(indexOf(v, wanted))), nil
		}),
	},
	{
		Name: "Contains", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeBoolean,
		Doc:    "Whether a value is one of several. Case does not count. Null is in no list.",
		Params: []Param{param("values", List).whenNull(passNull), param("value", Single).whenNull(passNull)},
		build: ofValuesAnd(func(_ *Context, v Value, wanted identity.Value) (Value, error) {
			return Bool(indexOf(v, wanted) >= 0), nil
		}),
	},
	{
		Name: "RemoveDuplicates", Dialects: fimOnly, Source: mimwalText, List: true,
		Doc:    "The values without those that were there before. Case does not count: the first spelling stays.",
		Params: valuesParams, build: sameType(removeFoldedDuplicates),
	},
	{
		Name: "SortList", Dialects: fimOnly, Source: mimwalText, List: true,
		Doc:    "The values in ascending order: numbers and datetimes by size, texts by their characters, where case counts only between equals.",
		Params: valuesParams, build: sameType(sortList),
	},
	{
		Name: "ConvertNumberToList", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeInteger, List: true,
		Doc:    "The numbers from 1 to the given one; null if that is less than 1.",
		Params: []Param{param("number", Number)}, build: fixed1(numberToList),
	},
	{
		Name: "SplitString", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeString, List: true,
		Doc:    "The parts of a text between separators, at white space without one. Empty parts are left out. Of at most count parts, the last is the rest of the text.",
		Params: []Param{param("text", Text), param("separator", Text).whenNull(passNull).optional(), param("count", Number).optional()}, build: withOptional(splitString),
	},
	{
		Name: "ConcatenateMultivaluedString", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeString,
		Doc:    "The values as one text, with a delimiter between them.",
		Params: []Param{param("values", List), param("delimiter", Text).whenNull(nullError)}, build: ofValuesAnd(joinValues),
	},
	{
		Name: "FormatMultivaluedList", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeString,
		Doc:    "For each value of the longest list the text of the format, in which {0} stands for the value of the first list, {1} for that of the second and so on: FormatMultivaluedList(\"smtp:{0}@{1}\", aliases, domain). A single value stands for itself every time; a list that has ended gives the empty text.",
		Params: []Param{param("format", Text).whenNull(nullError), {Name: "values", Kind: List}, {Name: "more", Kind: List, Repeats: true}}, build: buildFormatList,
	},
}

var valuesParams = []Param{param("values", List)}

// ofValues builds calls of a function of a list.
func ofValues(f func(ctx *Context, v Value) (Value, error)) builder {
	return func(_ *compiler, s *site) (operand, error) {
		values := &s.args[0]
		return operand{code: func(ctx *Context) (Value, error) {
			v, done, err := values.eval(ctx)
			if done {
				return v, err
			}
			if v, err = f(ctx, v); err != nil {
				return Value{}, s.fail(err)
			}
			return v, nil
		}}, nil
	}
}

// sameType is ofValues for a function that gives values of the same type.
func sameType(f func(ctx *Context, v Value) (Value, error)) builder {
	return func(c *compiler, s *site) (operand, error) {
		result, err := ofValues(f)(c, s)
		result.typ = s.args[0].typ
		return result, err
	}
}

// ofValuesAnd builds calls of a function of a list and a single value.
func ofValuesAnd(f func(ctx *Context, v Value, x identity.Value) (Value, error)) builder {
	return func(_ *compiler, s *site) (operand, error) {
		values, x := &s.args[0], &s.args[1]
		return operand{code: func(ctx *Context) (Value, error) {
			v, done, err := values.eval(ctx)
			if done {
				return v, err
			}
			xv, done, err := x.eval(ctx)
			if done {
				return xv, err
			}
			if v, err = f(ctx, v, xv.single); err != nil {
				return Value{}, s.fail(err)
			}
			return v, nil
		}}, nil
	}
}

// withOptional builds calls of a function of up to three arguments; those that
// are left out are zero Values.
func withOptional(f func(ctx *Context, x, y, z identity.Value) (Value, error)) builder {
	return func(_ *compiler, s *site) (operand, error) {
		return operand{code: func(ctx *Context) (Value, error) {
			var args [3]identity.Value
			for i := range s.args {
				v, done, err := s.args[i].eval(ctx)
				if done {
					return v, err
				}
				args[i] = v.single
			}
			v, err := f(ctx, args[0], args[1], args[2])
			if err != nil {
				return Value{}, s.fail(err)
			}
			return v, nil
		}}, nil
	}
}

func buildValueByIndex(c *compiler, s *site) (operand, error) {
	result, err := ofValuesAnd(func(_ *Context, v Value, index identity.Value) (Value, error) {
		return valueAt(v, index.Int()), nil
	})(c, s)
	result.typ = s.args[0].typ
	return result, err
}

func valueAt(v Value, index int64) Value {
	values := v.Values()
	if index < 0 || index >= int64(len(values)) {
		return Value{}
	}
	return Of(values[index])
}

// indexOf returns the position of a value in a list, -1 if it is not there.
func indexOf(list Value, wanted identity.Value) int {
	if v, ok := list.Single(); ok { // without making a list of it
		if sameButCase(v, wanted) {
			return 0
		}
		return -1
	}
	return slices.IndexFunc(list.Values(), func(v identity.Value) bool { return sameButCase(v, wanted) })
}

func sameButCase(x, y identity.Value) bool {
	if x.Type() == identity.TypeString && y.Type() == identity.TypeString {
		return identity.Fold(x.Str()) == identity.Fold(y.Str())
	}
	return equal(x, y)
}

func removeFoldedDuplicates(_ *Context, list Value) (Value, error) {
	values := list.Values()
	kept, seen := make([]identity.Value, 0, len(values)), make(map[identity.Value]bool, len(values))
	for _, v := range values {
		if key := foldedValue(v); !seen[key] {
			seen[key] = true
			kept = append(kept, v)
		}
	}
	return OfList(kept), nil
}

func foldedValue(v identity.Value) identity.Value {
	if v.Type() == identity.TypeString {
		return identity.String(identity.Fold(v.Str()))
	}
	return v
}

func sortList(ctx *Context, list Value) (Value, error) {
	values := list.Values()
	length := 0
	for _, v := range values {
		length += len(v.Str())
	}
	// Every text is folded once, and compared as often as the number of values has bits.
	if err := ctx.handle(foldWork/2*length + (length/4+valueBytes/4*len(values))*bits.Len(uint(len(values)))); err != nil {
		return Value{}, err
	}
	type key struct{ folded, value identity.Value }
	keys := make([]key, len(values))
	for i, v := range values {
		keys[i] = key{foldedValue(v), v}
	}
	slices.SortStableFunc(keys, func(x, y key) int {
		return cmp.Or(identity.Compare(x.folded, y.folded), identity.Compare(x.value, y.value))
	})
	sorted := make([]identity.Value, len(keys))
	for i, k := range keys {
		sorted[i] = k.value
	}
	return OfList(sorted), nil
}

// valueBytes is what a value of a list counts as work.
const valueBytes = 40

func numberToList(ctx *Context, number identity.Value) (Value, error) {
	n := number.Int()
	if n < 1 {
		return Value{}, nil
	}
	if n > maxWork/valueBytes {
		return Value{}, errTooMuchWork
	}
	if err := ctx.spend(int(n) * valueBytes); err != nil {
		return Value{}, err
	}
	values := make([]identity.Value, n)
	for i := range values {
		values[i] = identity.Integer(int64(i) + 1)
	}
	return OfList(values), nil
}

func splitString(ctx *Context, text, separator, count identity.Value) (Value, error) {
	most := int64(-1)
	if count.Type() != 0 {
		if most = count.Int(); most < 0 {
			return Value{}, fmt.Errorf("the count is %d, which is less than 0", most)
		}
	}
	next := func(s string) (before, after string, found bool) { return strings.Cut(s, separator.Str()) }
	if separator.Str() == "" {
		next = cutSpace
	}
	var parts []identity.Value
	rest, found := text.Str(), true
	if most == 1 && rest != "" { // the whole text, with separators in front, too
		return OfList([]identity.Value{text}), nil
	}
	for found && int64(len(parts)) != most {
		whole := rest
		var part string
		part, rest, found = next(rest)
		switch {
		case part == "":
			continue
		case int64(len(parts)) == most-1:
			part, found = whole, false
		}
		if err := ctx.spend(valueBytes); err != nil {
			return Value{}, err
		}
		parts = append(parts, identity.String(part))
	}
	return OfList(parts), nil
}

// cutSpace is strings.Cut at the first white space.
func cutSpace(s string) (before, after string, found bool) {
	i := strings.IndexFunc(s, unicode.IsSpace)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+bytesOf(s[i:], 1):], true
}

func joinValues(_ *Context, list Value, delimiter identity.Value) (Value, error) {
	var b strings.Builder
	for i, v := range list.Values() {
		text, ok := textOf(v)
		if !ok {
			return Value{}, fmt.Errorf("%s has no text", show(v))
		}
		if i > 0 {
			b.WriteString(delimiter.Str())
		}
		if b.Len()+len(text.Str()) > maxText {
			return Value{}, errTooLong
		}
		b.WriteString(text.Str())
	}
	return Str(b.String()), nil
}
