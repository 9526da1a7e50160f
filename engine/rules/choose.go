package rules

import (
	"strings"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// A Choice chooses objects by an expression that is true for them.
type Choice struct{ program *expr.Program }

// ChooseConnectors compiles an expression, with or without the = in front, over
// the attributes of an agent's objects. It may use an attribute of any of their
// types; objects of the others do not have it.
func (s *Set) ChooseConnectors(agent, expression string) (*Choice, error) {
	a := s.Agent(agent)
	if a == nil {
		err := fault.New("unknown-agent", "there is no agent %q", agent)
		err.Hint = suggestion(agent, s.order)
		return nil, err
	}
	find, names := a.anyAttribute()
	return s.choose(expression, find, names)
}

// ChooseObjects does the same over the attributes of a metaverse type.
func (s *Set) ChooseObjects(metaverseType, expression string) (*Choice, error) {
	t := s.Type(metaverseType)
	if t == nil {
		err := fault.New("unknown-object-type", "there is no metaverse type %q", metaverseType)
		err.Hint = suggestion(metaverseType, s.Types())
		return nil, err
	}
	return s.choose(expression, metaverseAttribute(t), t.names)
}

func (s *Set) choose(expression string, find func(string) (identity.AttributeType, bool), names func() []string) (*Choice, error) {
	source := strings.TrimLeft(expression, " ")
	bare := strings.TrimPrefix(source, "=")
	at := fault.Position{File: "where", Line: 1, Column: 1 + len(expression) - len(bare)}
	program, err := expr.Compile(bare, expr.Options{
		Dialect: s.dialect, Position: at, Attribute: find, AttributeNames: names, Functions: s.functions, Parameters: []string{},
	})
	if err != nil {
		return nil, err
	}
	if t := program.Type(); t != 0 && t != identity.TypeBoolean && t != identity.TypeString {
		wrong := fault.New("sync-rule-invalid-expression", "the expression gives values of type %s, not true or false", t)
		wrong.Position = at
		return nil, wrong
	}
	return &Choice{program}, nil
}

// Match reports whether the expression is true for the object in ctx. No value is
// not true; one that is neither true nor false is an error.
func (c *Choice) Match(ctx *expr.Context) (bool, error) {
	v, err := c.program.Eval(ctx)
	if err != nil || v.IsNull() {
		return false, err
	}
	if single, ok := v.Single(); ok {
		if b, err := convert(single, identity.TypeBoolean); err == nil {
			return b.Bool(), nil
		}
	}
	return false, fault.New("sync-rule-invalid-expression", "the expression gives %s, which is neither true nor false", shown(v))
}

// shown is a value as messages show it.
func shown(v expr.Value) string {
	if v.Literal() != expr.NoLiteral {
		return v.Literal().String()
	}
	texts := []string{}
	for _, single := range v.Values() {
		texts = append(texts, `"`+single.Text()+`"`)
	}
	return strings.Join(texts, ", ")
}
