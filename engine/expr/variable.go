package expr

import (
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// A variable is a name that Select, Where or With gives to a value, and where
// the value is while its expression is evaluated.
type variable struct {
	name   string
	slot   int
	typ    identity.Type
	plural plurality
	secret bool
}

// bind declares a variable for what is compiled until unbind.
func (c *compiler) bind(name string, value operand) variable {
	v := variable{name: name, slot: c.slots, typ: value.typ, plural: value.plural, secret: value.secret}
	c.slots++
	c.scope = append(c.scope, v)
	return v
}

func (c *compiler) unbind() { c.scope = c.scope[:len(c.scope)-1] }

// variable compiles the use of a variable.
func (c *compiler) variable(name string, position fault.Position) (operand, error) {
	for _, v := range slices.Backward(c.scope) {
		if v.name == name {
			o := v.read()
			o.position = position
			return o, nil
		}
	}
	err := newError(position, "unknown variable $%s", name)
	names := make([]string, len(c.scope))
	for i, v := range c.scope {
		names[i] = "$" + v.name
	}
	if err.Hint = didYouMean("$"+name, names); err.Hint == "" {
		err.Hint = "Select, Where and With name variables for their last argument; parameters are written %" + name + "%"
	}
	return operand{}, err
}

func (v variable) read() operand {
	slot := v.slot
	return operand{
		code: func(ctx *Context) (Value, error) { return ctx.variables[slot], nil },
		typ:  v.typ, plural: v.plural, secret: v.secret,
	}
}

// A spread applies code that takes single values to each value of a list
// (sync-engine §6.2): Trim([proxyAddresses]) trims every address.
type spread struct {
	lists []spreadList
	slots []int
}

type spreadList struct {
	code   code
	plural plurality
}

// spread prepares operands that may be lists: from here on they give one value
// of the list. It returns nil if none of them may be one.
func (c *compiler) spread(operands ...*operand) *spread {
	var s *spread
	for _, o := range operands {
		if o.plural == one {
			continue
		}
		if s == nil {
			s = new(spread)
		}
		s.lists = append(s.lists, spreadList{o.code, o.plural})
		s.slots = append(s.slots, c.slots)
		v := variable{slot: c.slots, typ: o.typ, secret: o.secret}
		c.slots++
		o.code, o.plural, o.attribute = v.read().code, one, ""
	}
	return s
}

// over returns what computes result for each value of the one operand that is a
// list. What is null for a value is left out.
func (s *spread) over(result operand) operand {
	if s == nil {
		return result
	}
	each := result.code
	result.constant, result.null, result.attribute = false, false, ""
	result.plural = perhaps
	for _, l := range s.lists {
		result.plural = max(result.plural, l.plural)
	}
	position := result.position
	result.code = func(ctx *Context) (Value, error) {
		var list Value
		at := -1
		for i, l := range s.lists {
			v, err := l.code(ctx)
			switch {
			case err != nil:
				return Value{}, err
			case v.IsList() && at >= 0:
				return Value{}, newError(position, "only one of the values may be a list")
			case v.IsList():
				list, at = v, i
			case v.IsNull() && l.plural == several: // no value to apply anything to
				return Value{}, nil
			}
			ctx.variables[s.slots[i]] = v
		}
		if at < 0 {
			return each(ctx)
		}
		return mapList(ctx, list, s.slots[at], each, position)
	}
	return result
}

// mapList evaluates an expression for each value of a list, with the value in a
// slot, and returns the values that result.
func mapList(ctx *Context, list Value, slot int, each code, position fault.Position) (Value, error) {
	values := list.Values()
	results := make([]identity.Value, 0, len(values))
	for _, value := range values {
		ctx.variables[slot] = Of(value)
		v, err := each(ctx)
		if err != nil {
			return Value{}, err
		}
		if v.literal != NoLiteral {
			return Value{}, newError(position, "%s cannot be a value of a list", v.literal)
		}
		if err := ctx.spend(len(v.single.Str()) + 16*len(v.multi)); err != nil { // all of them are kept
			return Value{}, newError(position, "%v", err)
		}
		results = append(results, v.Values()...)
	}
	return OfList(results), nil
}
