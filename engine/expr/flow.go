package expr

import (
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// flowFunctions choose between expressions, or evaluate one several times
// (sync-engine §6.5 "Program flow").
var flowFunctions = []Function{
	{
		Name: "IIF", Dialects: everywhere, Source: fimText + ", §0 C5",
		Doc:    "One of two values: the first if the condition holds, the second if it does not or is null. Only the chosen one is evaluated.",
		Params: []Param{param("condition", Condition).whenNull(passNull), {Name: "then"}, {Name: "else"}}, build: buildIIF, lazy: true,
	},
	{
		Name: "Switch", Dialects: entraOnly, Source: entraText + ", §0 C5",
		Doc:    "The value after the first condition that holds; null if none does. Conditions are evaluated from the left, and only the chosen value is.",
		Params: []Param{param("condition", Condition).whenNull(passNull), {Name: "value"}, Param{Name: "more"}.repeated()}, build: buildSwitch, lazy: true,
	},
	{
		Name: "Error", Dialects: entraOnly, Source: entraText,
		Doc:    "No value, but an error of the object with the given text, named sync-rule-error-function-triggered.",
		Params: []Param{param("message", Text).whenNull(passNull)}, build: buildError,
	},
	{
		Name: "Select", Dialects: entraOnly, Source: entraText, List: true,
		Doc:    "What the expression gives for each value of a list, with the value in a variable: Select($item, [otherPhone], Replace($item, \"-\", \"\")). Values for which it gives null are left out.",
		Params: []Param{{Name: "variable", Kind: Variable}, {Name: "list", Kind: List}, {Name: "expression"}}, build: buildSelect, binds: true, lazy: true,
	},
	{
		Name: "Where", Dialects: entraOnly, Source: entraText, List: true,
		Doc:    "The values of a list for which a condition holds, with the value in a variable: Where($item, [otherPhone], Left($item, 1) = \"+\").",
		Params: []Param{{Name: "variable", Kind: Variable}, {Name: "list", Kind: List}, param("condition", Condition).whenNull(passNull)}, build: buildWhere, binds: true, lazy: true,
	},
	{
		Name: "With", Dialects: entraOnly, Source: entraText,
		Doc:    "An expression with the value of another one in a variable: With($name, LCase([mail]), Left($name, InStr($name, \"@\")-1)).",
		Params: []Param{{Name: "variable", Kind: Variable}, {Name: "value"}, {Name: "expression"}}, build: buildWith, binds: true, lazy: true,
	},
	{
		Name: "ImportedValue", Dialects: entraOnly, Source: "sync-engine §1.3, §6.5",
		Doc:    "The value of an attribute as it was last imported, without exports that are not confirmed yet. The name of the attribute is written in quotes.",
		Params: []Param{{Name: "attribute", Kind: Text}}, build: buildImportedValue, lazy: true,
	},
}

func buildIIF(_ *compiler, s *site) (operand, error) {
	condition, yes, no := &s.args[0], s.args[1].code, s.args[2].code
	o := operand{code: func(ctx *Context) (Value, error) {
		chosen, _, err := condition.eval(ctx)
		switch {
		case err != nil:
			return Value{}, err
		case chosen.single.Bool(): // false for null
			return yes(ctx)
		}
		return no(ctx)
	}}
	o.typ, o.plural = oneOfThem(s.args[1].operand, s.args[2].operand)
	return o, nil
}

// oneOfThem returns what is known of a value that is one of two.
func oneOfThem(a, b operand) (identity.Type, plurality) {
	plural := a.plural
	if a.plural != b.plural {
		plural = perhaps
	}
	switch {
	case b.null:
		return a.typ, a.plural
	case a.null:
		return b.typ, b.plural
	case a.typ == b.typ:
		return a.typ, plural
	}
	return 0, plural
}

func buildSwitch(_ *compiler, s *site) (operand, error) {
	if len(s.args)%2 != 0 {
		err := newError(s.position, "Switch takes pairs of a condition and a value, not %d arguments", len(s.args))
		err.Hint = "the last pair may have the condition True"
		return operand{}, err
	}
	conditions, values := make([]*argument, 0, len(s.args)/2), make([]code, 0, len(s.args)/2)
	result := operand{null: true}
	for i := 0; i < len(s.args); i += 2 {
		condition := &s.args[i]
		condition.Param = s.function.Params[0]
		if err := condition.check(); err != nil {
			return operand{}, err
		}
		conditions, values = append(conditions, condition), append(values, s.args[i+1].code)
		typ, plural := oneOfThem(result, s.args[i+1].operand)
		result = operand{typ: typ, plural: plural, null: result.null && s.args[i+1].null}
	}
	result.code = func(ctx *Context) (Value, error) {
		for i, condition := range conditions {
			holds, _, err := condition.eval(ctx)
			switch {
			case err != nil:
				return Value{}, err
			case holds.single.Bool():
				return values[i](ctx)
			}
		}
		return Value{}, nil
	}
	return result, nil
}

func buildError(_ *compiler, s *site) (operand, error) {
	message := &s.args[0]
	return operand{null: true, code: func(ctx *Context) (Value, error) {
		text, _, err := message.eval(ctx)
		if err != nil {
			return Value{}, err
		}
		said := text.single.Str()
		if s.secret {
			said = "the text of this error holds a parameter"
		}
		raised := fault.New("sync-rule-error-function-triggered", "%s", said)
		raised.Position = s.position
		return Value{}, raised
	}}, nil
}

func buildSelect(_ *compiler, s *site) (operand, error) {
	list, each, slot, position := &s.args[1], s.args[2], s.bound.slot, s.position
	return operand{typ: each.typ, code: func(ctx *Context) (Value, error) {
		v, done, err := list.eval(ctx)
		if done || v.IsNull() {
			return v, err
		}
		return mapList(ctx, v, slot, each.code, position)
	}}, nil
}

func buildWhere(_ *compiler, s *site) (operand, error) {
	list, condition, slot, position := &s.args[1], &s.args[2], s.bound.slot, s.position
	return operand{typ: list.typ, code: func(ctx *Context) (Value, error) {
		v, done, err := list.eval(ctx)
		if done || v.IsNull() {
			return v, err
		}
		return mapList(ctx, v, slot, func(ctx *Context) (Value, error) {
			value := ctx.variables[slot]
			holds, _, err := condition.eval(ctx)
			if err != nil || !holds.single.Bool() {
				return Value{}, err
			}
			return value, nil
		}, position)
	}}, nil
}

func buildWith(_ *compiler, s *site) (operand, error) {
	value, expression, slot := s.args[1].code, s.args[2].operand, s.bound.slot
	inner := expression.code
	expression.constant, expression.attribute = false, ""
	expression.code = func(ctx *Context) (Value, error) {
		v, err := value(ctx)
		if err != nil {
			return Value{}, err
		}
		ctx.variables[slot] = v
		return inner(ctx)
	}
	return expression, nil
}

func buildImportedValue(c *compiler, s *site) (operand, error) {
	name := s.args[0]
	if !name.constant || name.null {
		err := newError(name.position, "ImportedValue takes the name of an attribute in quotes")
		err.Hint = `ImportedValue("proxyAddresses")`
		return operand{}, err
	}
	return c.attributeOf(name.value.single.Str(), s.position, func(ctx *Context) Getter {
		if ctx.Imported != nil {
			return ctx.Imported
		}
		return ctx.Object
	})
}
