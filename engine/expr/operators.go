package expr

import (
	"cmp"
	"errors"
	"math"
	"math/bits"
	"strings"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// chain compiles operands joined by operators. All operators have one rank and
// go from left to right (sync-engine §6.2): 2+5*3 is 21. Only && and || come
// last, from left to right among themselves: the rules that Entra Connect Sync
// itself has, such as [a] = "x" || [b] = "y", mean nothing otherwise.
func (c *compiler) chain(n *chainNode, position fault.Position) (operand, error) {
	end := n.logic(0)
	left, err := c.link(n, 0, end, position)
	for err == nil && end < len(n.operators) {
		start := end
		end = n.logic(start + 1)
		c.byNeed++
		var right operand
		right, err = c.link(n, start+1, end, position)
		c.byNeed--
		if err == nil {
			left, err = c.binary(n.operators[start], left, right, position)
		}
	}
	return left, err
}

// logic returns the index of the first && or || from an operator on, how many
// operators there are if there is none.
func (n *chainNode) logic(from int) int {
	for i := from; i < len(n.operators); i++ {
		if n.operators[i] == "&&" || n.operators[i] == "||" {
			return i
		}
	}
	return len(n.operators)
}

// link compiles the operands from start to end, with the operators between them.
func (c *compiler) link(n *chainNode, start, end int, position fault.Position) (operand, error) {
	first, err := c.compile(n.operands[start])
	if err != nil {
		return operand{}, err
	}
	texts := []operand{first} // what is to be concatenated
	for i := start; i < end; i++ {
		operator := n.operators[i]
		next, err := c.compile(n.operands[i+1])
		if err != nil {
			return operand{}, err
		}
		if operator == "&" || !c.grammar.strict { // FIM has no operator but the + of texts
			texts = append(texts, next)
			continue
		}
		left, err := c.join(texts, position)
		if err != nil {
			return operand{}, err
		}
		if left, err = c.binary(operator, left, next, position); err != nil {
			return operand{}, err
		}
		texts = []operand{left}
	}
	return c.join(texts, position)
}

// join concatenates texts, or returns the only one.
func (c *compiler) join(texts []operand, position fault.Position) (operand, error) {
	if len(texts) == 1 {
		return texts[0], nil
	}
	if !c.grammar.maps {
		return c.concatenation(texts, position)
	}
	pointers := make([]*operand, len(texts))
	for i := range texts {
		pointers[i] = &texts[i]
	}
	each := c.spread(pointers...)
	joined, err := c.concatenation(texts, position)
	return each.over(joined), err
}

// binary compiles one operator. The errors of its evaluation have the place of
// the chain that it stands in.
func (c *compiler) binary(operator string, x, y operand, position fault.Position) (operand, error) {
	result := operand{secret: x.secret || y.secret, position: position}
	refuse := func(found string) error {
		err := newError(position, "%s cannot be applied to %s", operator, found)
		if result.secret {
			err = newError(position, "%s cannot be applied to the value of a parameter", operator)
		}
		return err
	}
	var compute func(x, y identity.Value) (identity.Value, error)
	switch operator {
	case "&&", "||":
		return c.logic(operator, x, y, result, refuse)
	case "=", "<>":
		if problem := neverEqual(x, y); problem != "" {
			return operand{}, newError(position, "%s: %s", operator, problem)
		}
		result.typ = identity.TypeBoolean
		same := operator == "="
		compute = func(x, y identity.Value) (identity.Value, error) { return identity.Boolean(equal(x, y) == same), nil }
	case "<", "<=", ">", ">=":
		if x.typ != 0 && y.typ != 0 && x.typ != y.typ {
			return operand{}, refuse(typeName(x.typ) + " and " + typeName(y.typ))
		}
		result.typ = identity.TypeBoolean
		compute = func(x, y identity.Value) (identity.Value, error) { return ordered(operator, x, y) }
	default:
		for _, o := range []operand{x, y} {
			if o.typ != 0 && o.typ != identity.TypeInteger && (operator != "+" || o.typ != identity.TypeString) {
				return operand{}, refuse(typeName(o.typ))
			}
		}
		result.typ = identity.TypeInteger
		if operator == "+" {
			if result.typ = x.typ; x.typ != y.typ {
				result.typ = 0
			}
		}
		compute = func(x, y identity.Value) (identity.Value, error) { return arithmetic(operator, x, y) }
	}
	var each *spread
	if result.typ != identity.TypeBoolean { // a comparison of a list has no one answer
		each = c.spread(&x, &y)
	}
	left, right := single(x, refuse), single(y, refuse)
	result.code = func(ctx *Context) (Value, error) {
		if err := ctx.spend(0); err != nil {
			return Value{}, newError(position, "%v", err)
		}
		xv, err := left(ctx)
		if err != nil {
			return Value{}, err
		}
		yv, err := right(ctx)
		if err != nil {
			return Value{}, err
		}
		v, err := compute(xv, yv)
		switch {
		case errors.Is(err, errOverflow), errors.Is(err, errTooLong):
			return Value{}, newError(position, "%s: %v", operator, err)
		case err != nil:
			return Value{}, refuse(show(xv) + " and " + show(yv))
		}
		return Of(v), nil
	}
	return each.over(result), nil
}

// single evaluates an operand that must be one value, or null.
func single(o operand, refuse func(string) error) func(*Context) (identity.Value, error) {
	return func(ctx *Context) (identity.Value, error) {
		v, err := o.code(ctx)
		switch {
		case err != nil:
			return identity.Value{}, err
		case v.literal != NoLiteral:
			return identity.Value{}, refuse(v.literal.String())
		case v.multi != nil:
			err := newError(o.position, "an operand must be one value, not %d", len(v.multi))
			err.Name = "flow-multi-values-to-single-value"
			return identity.Value{}, err
		}
		return v.single, nil
	}
}

// logic compiles && and ||. The second operand is not evaluated if the first
// decides; null is false.
func (c *compiler) logic(operator string, x, y, result operand, refuse func(string) error) (operand, error) {
	for _, o := range []operand{x, y} {
		if o.typ != 0 && o.typ != identity.TypeBoolean {
			return operand{}, refuse(typeName(o.typ))
		}
	}
	condition := func(ctx *Context, value func(*Context) (identity.Value, error)) (bool, error) {
		v, err := value(ctx)
		if err != nil || v.Type() == 0 || v.Type() == identity.TypeBoolean {
			return v.Bool(), err
		}
		return false, refuse(show(v))
	}
	left, right := single(x, refuse), single(y, refuse)
	decides := operator == "||"
	result.typ = identity.TypeBoolean
	result.code = func(ctx *Context) (Value, error) {
		holds, err := condition(ctx, left)
		if err == nil && holds != decides {
			holds, err = condition(ctx, right)
		}
		if err != nil {
			return Value{}, err
		}
		return Bool(holds), nil
	}
	return result, nil
}

var (
	errTypes    = errors.New("types do not fit")
	errOverflow = errors.New("the result does not fit into 64 bits")
)

// ordered compares two numbers, texts or datetimes. Null is in no order.
func ordered(operator string, x, y identity.Value) (identity.Value, error) {
	if x.Type() == 0 || y.Type() == 0 {
		return identity.Boolean(false), nil
	}
	if x.Type() != y.Type() {
		return identity.Value{}, errTypes
	}
	var order int
	switch x.Type() {
	case identity.TypeInteger:
		order = cmp.Compare(x.Int(), y.Int())
	case identity.TypeString:
		order = strings.Compare(x.Str(), y.Str())
	case identity.TypeDateTime:
		order = x.Time().Compare(y.Time())
	default:
		return identity.Value{}, errTypes
	}
	var holds bool
	switch operator {
	case "<":
		holds = order < 0
	case "<=":
		holds = order <= 0
	case ">":
		holds = order > 0
	case ">=":
		holds = order >= 0
	}
	return identity.Boolean(holds), nil
}

// arithmetic computes with two whole numbers; + also concatenates two texts, of
// which one may be null.
func arithmetic(operator string, x, y identity.Value) (identity.Value, error) {
	textual := x.Type() == identity.TypeString || y.Type() == identity.TypeString
	switch {
	case operator == "+" && textual && (x.Type() == y.Type() || x.Type() == 0 || y.Type() == 0):
		if len(x.Str())+len(y.Str()) > maxText {
			return identity.Value{}, errTooLong
		}
		return identity.String(x.Str() + y.Str()), nil
	case x.Type() == 0 || y.Type() == 0:
		if textual {
			return identity.Value{}, errTypes
		}
		return identity.Value{}, nil
	case x.Type() != identity.TypeInteger || y.Type() != identity.TypeInteger:
		return identity.Value{}, errTypes
	}
	a, b := x.Int(), y.Int()
	var n int64
	fits := true
	switch operator {
	case "+":
		n = a + b
		fits = (n > a) == (b > 0)
	case "-":
		n = a - b
		fits = (n < a) == (b > 0)
	case "*":
		n, fits = multiply(a, b)
	}
	if !fits {
		return identity.Value{}, errOverflow
	}
	return identity.Integer(n), nil
}

// multiply returns the product of two numbers, and whether it fits.
func multiply(a, b int64) (int64, bool) {
	high, low := bits.Mul64(magnitude(a), magnitude(b))
	negative := (a < 0) != (b < 0)
	switch {
	case high != 0:
		return 0, false
	case negative:
		return -int64(low), low <= 1<<63
	}
	return int64(low), low <= math.MaxInt64
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// typeName is a type as messages name it.
func typeName(t identity.Type) string { return "a value of type " + t.String() }
