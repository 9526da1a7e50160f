package expr

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// A builder turns a call of a built-in function into code. Most functions are
// eager and use fixed0 to fixed3; those that evaluate arguments by need, or look
// at them while they are compiled, have their own.
type builder func(c *compiler, s *site) (operand, error)

// A site is one call in an expression.
type site struct {
	function *Function
	args     []argument
	bound    variable // that the first argument names
	secret   bool     // an argument is
	position fault.Position
}

// call compiles the call of a function.
func (c *compiler) call(n *callNode, position fault.Position) (operand, error) {
	f := c.grammar.find(n.name, c.opts.Functions)
	if f == nil {
		return operand{}, c.unknownFunction(n.name, position)
	}
	if len(n.args) < f.MinArgs || f.MaxArgs >= 0 && len(n.args) > f.MaxArgs {
		err := newError(position, "%s takes %s, not %d", f.Name, arity(f.MinArgs, f.MaxArgs), len(n.args))
		if f.Signature != "" {
			err.Hint = f.Signature
		}
		return operand{}, err
	}
	s := &site{function: f, args: make([]argument, len(n.args)), position: position}
	for i, argNode := range n.args {
		a := &s.args[i]
		*a = argument{index: i + 1, of: f.Name, strict: c.grammar.strict && f.build != nil}
		if i < len(f.Params) {
			a.Param = f.Params[i]
		} else if last := len(f.Params) - 1; last >= 0 && f.Params[last].Repeats {
			a.Param = f.Params[last]
		}
		byNeed := i > 0 && f.lazy && !f.binds
		if byNeed {
			c.byNeed++
		}
		err := c.argument(a, argNode, s)
		if byNeed {
			c.byNeed--
		}
		if err != nil {
			return operand{}, err
		}
		s.secret = s.secret || a.secret
	}
	if f.binds {
		c.unbind()
	}
	var each *spread
	if c.grammar.maps && f.build != nil && !f.lazy {
		each = c.spread(s.scalars()...)
	}
	build := f.build
	if build == nil {
		build = script
		if c.scripts == nil {
			c.scripts = map[string]Function{}
		}
		c.scripts[n.name] = *f
	}
	result, err := build(c, s)
	result.position, result.secret = position, s.secret
	if err != nil {
		return operand{}, err
	}
	if result.typ == 0 {
		result.typ = f.Result
	}
	switch {
	case f.List:
		result.plural = several
	case f.build == nil:
		result.plural = perhaps
	}
	return each.over(result), nil
}

// argument compiles one argument of a call, after those before it.
func (c *compiler) argument(a *argument, n node, s *site) error {
	position := c.position(n.offset())
	switch a.Kind {
	case Variable:
		v, ok := n.(*variableNode)
		if !ok {
			err := newError(position, "argument %d of %s must be the name of a variable", a.index, a.of)
			err.Hint = s.function.Signature
			return err
		}
		s.bound.name = v.name
		return nil
	case Enum:
		return a.choose(n, position)
	}
	compiled, err := c.compile(n)
	if err != nil {
		return err
	}
	a.operand = compiled
	if err := a.check(); err != nil {
		return err
	}
	if s.function.binds && a.index == 2 {
		value := a.operand
		if a.Kind == List { // the variable is a value of it
			value.plural = one
		}
		s.bound = c.bind(s.bound.name, value)
	}
	return nil
}

// scalars returns the arguments that must be single values.
func (s *site) scalars() []*operand {
	var scalars []*operand
	for i := range s.args {
		switch a := &s.args[i]; a.Kind {
		case Any, List, Variable, Enum:
		default:
			scalars = append(scalars, &a.operand)
		}
	}
	return scalars
}

func (c *compiler) unknownFunction(name string, position fault.Position) error {
	candidates := slices.Collect(maps.Keys(c.grammar.functions.byName))
	candidates = slices.AppendSeq(candidates, maps.Keys(c.opts.Functions))
	slices.Sort(candidates)
	err := newError(position, "unknown function %q", name)
	err.Hint = didYouMean(name, candidates)
	return err
}

// arity puts the number of arguments that a function takes into words.
func arity(least, most int) string {
	switch {
	case most == 0:
		return "no arguments"
	case most < 0 && least == 1:
		return "at least 1 argument"
	case most < 0:
		return fmt.Sprintf("at least %d arguments", least)
	case least < most:
		return fmt.Sprintf("%d to %d arguments", least, most)
	case least == 1:
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", least)
}

// fail gives the error of a function its place, unless it has one already. The
// text of a built-in function's error may show an argument; not so if that is
// secret.
func (s *site) fail(err error) error {
	if s.secret && s.function.Call == nil && !errors.Is(err, errTooLong) && !errors.Is(err, errTooMuchWork) {
		err = errors.New("the value of a parameter does not fit")
	}
	placed := &fault.Error{Name: errorName, Text: s.function.Name, Position: s.position, Err: err}
	var named *fault.Error
	switch {
	case !errors.As(err, &named):
	case !named.Position.IsZero():
		return err
	case error(named) == err:
		*placed = *named
		placed.Position = s.position
		placed.Text = strings.TrimSuffix(s.function.Name+": "+named.Text, ": ")
	default:
		placed.Name = named.Name
	}
	return placed
}

// fixed0 builds calls of a function without arguments.
func fixed0(f func(*Context) (Value, error)) builder {
	return func(*compiler, *site) (operand, error) { return operand{code: f}, nil }
}

// fixed1 builds calls of a function of one argument. Like its siblings it needs
// no list of arguments, and so no allocation.
func fixed1(f func(ctx *Context, x identity.Value) (Value, error)) builder {
	return func(_ *compiler, s *site) (operand, error) {
		x := &s.args[0]
		return operand{code: func(ctx *Context) (Value, error) {
			xv, done, err := x.eval(ctx)
			if done {
				return xv, err
			}
			v, err := f(ctx, xv.single)
			if err != nil {
				return Value{}, s.fail(err)
			}
			return v, nil
		}}, nil
	}
}

// fixed2 builds calls of a function of two arguments.
func fixed2(f func(ctx *Context, x, y identity.Value) (Value, error)) builder {
	return func(_ *compiler, s *site) (operand, error) {
		x, y := &s.args[0], &s.args[1]
		return operand{code: func(ctx *Context) (Value, error) {
			xv, done, err := x.eval(ctx)
			if done {
				return xv, err
			}
			yv, done, err := y.eval(ctx)
			if done {
				return yv, err
			}
			v, err := f(ctx, xv.single, yv.single)
			if err != nil {
				return Value{}, s.fail(err)
			}
			return v, nil
		}}, nil
	}
}

// fixed3 builds calls of a function of three arguments.
func fixed3(f func(ctx *Context, x, y, z identity.Value) (Value, error)) builder {
	return func(_ *compiler, s *site) (operand, error) {
		x, y, z := &s.args[0], &s.args[1], &s.args[2]
		return operand{code: func(ctx *Context) (Value, error) {
			xv, done, err := x.eval(ctx)
			if done {
				return xv, err
			}
			yv, done, err := y.eval(ctx)
			if done {
				return yv, err
			}
			zv, done, err := z.eval(ctx)
			if done {
				return zv, err
			}
			v, err := f(ctx, xv.single, yv.single, zv.single)
			if err != nil {
				return Value{}, s.fail(err)
			}
			return v, nil
		}}, nil
	}
}

// eagerList builds calls of a function of a list and, if there is a second
// argument, a value.
func eagerList(f func(ctx *Context, list Value, x identity.Value) (Value, error)) builder {
	return func(_ *compiler, s *site) (operand, error) {
		list := &s.args[0]
		var x *argument
		if len(s.args) > 1 {
			x = &s.args[1]
		}
		return operand{code: func(ctx *Context) (Value, error) {
			lv, done, err := list.eval(ctx)
			if done {
				return lv, err
			}
			var xv Value
			if x != nil {
				if xv, done, err = x.eval(ctx); done {
					return xv, err
				}
			}
			v, err := f(ctx, lv, xv.single)
			if err != nil {
				return Value{}, s.fail(err)
			}
			return v, nil
		}}, nil
	}
}

// withDefaults gives the last parameters of a function values for calls that
// leave them out.
func withDefaults(build builder, defaults ...Value) builder {
	return func(c *compiler, s *site) (operand, error) {
		params := s.function.Params
		for i := len(s.args); i < len(params); i++ {
			value := defaults[i-len(params)+len(defaults)]
			s.args = append(s.args, argument{
				operand: constant(value, s.position), Param: params[i], index: i + 1, of: s.function.Name, strict: c.grammar.strict,
			})
		}
		return build(c, s)
	}
}

// taking refuses, while it is compiled, a call whose first argument has none of
// the types.
func taking(build builder, types ...identity.Type) builder {
	return func(c *compiler, s *site) (operand, error) {
		if a := &s.args[0]; a.typ != 0 && !slices.Contains(types, a.typ) {
			return operand{}, notTaken(a, types)
		}
		return build(c, s)
	}
}

// converting is taking for functions that convert a value. Where a call is
// evaluated by need only, as in IIF(IsString([a]), CStr([a]), ...), a condition
// may ask before it: what cannot be converted is an error when it happens.
func converting(build builder, types ...identity.Type) builder {
	checked := taking(build, types...)
	return func(c *compiler, s *site) (operand, error) {
		if c.byNeed > 0 {
			return build(c, s)
		}
		return checked(c, s)
	}
}

func notTaken(a *argument, types []identity.Type) error {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.String()
	}
	err := newError(a.position, "argument %d of %s must be of type %s, not %s", a.index, a.of, strings.Join(names, " or "), a.typ)
	if a.typ == identity.TypeDateTime && slices.Contains(types, identity.TypeString) {
		err.Hint = "FormatDateTime makes a text of a datetime"
	}
	return err
}

// script builds calls of a function of a script.
func script(_ *compiler, s *site) (operand, error) {
	return operand{code: func(ctx *Context) (Value, error) {
		args := make([]Value, len(s.args))
		for i := range s.args {
			v, done, err := s.args[i].eval(ctx)
			if done {
				return v, err
			}
			args[i] = v
		}
		v, err := s.callScript(ctx, args)
		if err != nil {
			return Value{}, s.fail(err)
		}
		return v, nil
	}}, nil
}

func (s *site) callScript(ctx *Context, args []Value) (v Value, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fault.New("extension-dll-crash", "panic: %v", cause)
		}
	}()
	return s.function.Call(ctx, args)
}
