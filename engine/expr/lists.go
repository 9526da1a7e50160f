package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/identity"
)

// listFunctions take lists as a whole (sync-engine §6.5 "Multi-valued"). Values
// are counted from 1, in the order in which the engine keeps an attribute.
var listFunctions = []Function{
	{
		Name: "Contains", Dialects: entraOnly, Source: entraText, Result: identity.TypeInteger,
		Doc: "The number, counted from 1, of the first value of a list that contains a text; of references, of the first that is the text. " +
			"0 if there is none. Upper and lower case differ, unless CaseInsensitive is given.",
		Params: []Param{
			{Name: "list", Kind: List}, param("search", Text), oneOf("case", caseSensitive, caseInsensitive).optional(),
		},
		build: taking(buildContains, identity.TypeString, identity.TypeReference),
	},
	{
		Name: "Count", Dialects: entraOnly, Source: entraText, Result: identity.TypeInteger,
		Doc:    "The number of values of a list, 0 for null.",
		Params: []Param{{Name: "list", Kind: List}},
		build:  eagerList(func(_ *Context, list Value, _ identity.Value) (Value, error) { return Int(int64(list.size())), nil }),
	},
	{
		Name: "Item", Dialects: entraOnly, Source: entraText,
		Doc:    "The value of a list with the given number, counted from 1. An error if there is none.",
		Params: []Param{{Name: "list", Kind: List}, param("number", Number)}, build: itemOf(item),
	},
	{
		Name: "ItemOrNull", Dialects: entraOnly, Source: entraText,
		Doc:    "The value of a list with the given number, counted from 1. Null if there is none.",
		Params: []Param{{Name: "list", Kind: List}, param("number", Number)}, build: itemOf(itemOrNull),
	},
	{
		Name: "Join", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc:    "The texts of a list in one, with a delimiter between them: a space if none is given, nothing if it is null.",
		Params: []Param{param("list", List), param("delimiter", Text).whenNull(passNull).optional()},
		build:  taking(withDefaults(eagerList(join), Str(" ")), identity.TypeString),
	},
	{
		Name: "RemoveDuplicates", Dialects: entraOnly, Source: entraText, List: true,
		Doc:    "The list with every value once, where it stands first. Upper and lower case differ.",
		Params: []Param{param("list", List)},
		build: func(c *compiler, s *site) (operand, error) {
			o, err := eagerList(removeDuplicates)(c, s)
			o.typ = s.args[0].typ
			return o, err
		},
	},
	{
		Name: "Split", Dialects: entraOnly, Source: entraText, Result: identity.TypeString, List: true,
		Doc: "The parts of a text between the occurrences of one character. With a limit there are so many parts at most, and the last is the rest; -1 is no limit. " +
			"Null for the empty text.",
		Params: []Param{param("text", Text), param("delimiter", Text), param("limit", Number).optional()},
		build:  withDefaults(fixed3(split), Int(-1)),
	},
}

// The words that say whether case counts.
const (
	caseSensitive   = "CaseSensitive"
	caseInsensitive = "CaseInsensitive"
)

func buildContains(c *compiler, s *site) (operand, error) {
	fold := len(s.args) > 2 && s.args[2].value.single.Str() == caseInsensitive
	return eagerList(func(ctx *Context, list Value, search identity.Value) (Value, error) {
		return contains(ctx, list, search.Str(), fold)
	})(c, s)
}

func contains(ctx *Context, list Value, search string, fold bool) (Value, error) {
	if fold {
		search = identity.Fold(search)
	}
	for i := range list.size() {
		value := list.at(i)
		text := value.Str()
		work := 1 + len(text)
		if fold {
			work *= foldWork
		}
		if err := ctx.handle(work); err != nil {
			return Value{}, err
		}
		if fold {
			text = identity.Fold(text)
		}
		found := false
		switch {
		case value.Type() == identity.TypeString:
			found = strings.Contains(text, search)
		case value.Type() == identity.TypeReference && value.Ref() == 0:
			found = text == search
		default:
			return Value{}, fmt.Errorf("value %d is neither text nor the name of an object, but %s", i+1, show(value))
		}
		if found {
			return Int(int64(i) + 1), nil
		}
	}
	return Int(0), nil
}

func itemOf(f func(*Context, Value, identity.Value) (Value, error)) builder {
	return func(c *compiler, s *site) (operand, error) {
		o, err := eagerList(f)(c, s)
		o.typ = s.args[0].typ
		return o, err
	}
}

func item(ctx *Context, list Value, number identity.Value) (Value, error) {
	v, err := itemOrNull(ctx, list, number)
	if err == nil && v.IsNull() {
		err = fmt.Errorf("there is no value %d, the list has %d", number.Int(), list.size())
	}
	return v, err
}

func itemOrNull(_ *Context, list Value, number identity.Value) (Value, error) {
	if n := number.Int(); n >= 1 && n <= int64(list.size()) {
		return Of(list.at(int(n) - 1)), nil
	}
	return Value{}, nil
}

func join(ctx *Context, list Value, delimiter identity.Value) (Value, error) {
	length := 0
	for i := range list.size() {
		value := list.at(i)
		if value.Type() != identity.TypeString {
			return Value{}, fmt.Errorf("value %d is not text, but %s; CStr converts it", i+1, show(value))
		}
		if i > 0 {
			length += len(delimiter.Str())
		}
		if length += len(value.Str()); length > maxText {
			return Value{}, errTooLong
		}
	}
	if err := ctx.handle(length); err != nil {
		return Value{}, err
	}
	if list.size() == 1 {
		return Of(list.at(0)), nil
	}
	var b strings.Builder
	b.Grow(length)
	for i := range list.size() {
		if i > 0 {
			b.WriteString(delimiter.Str())
		}
		b.WriteString(list.at(i).Str())
	}
	return Str(b.String()), nil
}

// removeDuplicates makes a new list only if there is something to leave out.
func removeDuplicates(ctx *Context, list Value, _ identity.Value) (Value, error) {
	const few = 16 // up to which looking at all is faster than a map
	values := list.multi
	if values == nil {
		return OfList(list.Values()), nil
	}
	length := 0
	for _, v := range values {
		length += 1 + len(v.Str())
	}
	if err := ctx.handle(length); err != nil {
		return Value{}, err
	}
	if isSet(values) { // as an attribute is
		return list, nil
	}
	if err := ctx.handle(2 * stepWork * len(values)); err != nil {
		return Value{}, err
	}
	var seen map[identity.Value]bool
	if len(values) > few {
		seen = make(map[identity.Value]bool, len(values))
	}
	known := func(kept []identity.Value, v identity.Value) bool {
		if seen == nil {
			return slices.Contains(kept, v)
		}
		before := seen[v]
		seen[v] = true
		return before
	}
	for i, v := range values {
		if !known(values[:i], v) {
			continue
		}
		kept := slices.Clone(values[:i])
		for _, v := range values[i+1:] {
			if !known(kept, v) {
				kept = append(kept, v)
			}
		}
		return OfList(kept), nil
	}
	return list, nil
}

// isSet reports whether the values are in order, each of them once.
func isSet(values []identity.Value) bool {
	for i, v := range values[1:] {
		if identity.Compare(values[i], v) >= 0 {
			return false
		}
	}
	return true
}

func split(ctx *Context, text, delimiter, limit identity.Value) (Value, error) {
	s, n := text.Str(), limit.Int()
	switch {
	case utf8.RuneCountInString(delimiter.Str()) != 1:
		return Value{}, fmt.Errorf("the delimiter must be exactly one character, not %s", show(delimiter))
	case n < -1:
		return Value{}, errors.New("the limit must be a number of values, or -1")
	case s == "" || n == 0:
		return Value{}, nil
	}
	parts := strings.Count(s, delimiter.Str()) + 1
	if n > 0 {
		parts = int(min(n, int64(parts)))
	}
	if err := ctx.handle(parts * stepWork); err != nil { // they take much more room than the text
		return Value{}, err
	}
	values := make([]identity.Value, 0, parts)
	for len(values) < parts-1 {
		part, rest, _ := strings.Cut(s, delimiter.Str())
		values = append(values, identity.String(part))
		s = rest
	}
	return OfList(append(values, identity.String(s))), nil
}
