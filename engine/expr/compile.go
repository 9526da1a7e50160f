package expr

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// errorName is the public name of everything that is wrong with an expression
// (sync-engine §3.11), unless a more precise one applies.
const errorName = "sync-rule-invalid-expression"

// Options say what an expression may refer to. The zero Options accept any
// attribute and parameter, and the built-in functions of the FIM dialect.
type Options struct {
	// Dialect is FIM if empty.
	Dialect Dialect
	// Position is the place of the first character of the source. Without it,
	// errors count lines and columns within the source.
	Position fault.Position
	// Marks are the places of further bytes of the source, by offset, where
	// columns do not count on from Position or from the mark before: after a
	// folded line, say, or an escape.
	Marks *Marks
	// Attribute looks an attribute up in the schema. Nil accepts any name, as an
	// attribute of unknown type.
	Attribute func(name string) (identity.AttributeType, bool)
	// AttributeNames lists what Attribute knows, for suggestions; it may be nil.
	AttributeNames func() []string
	// Functions are those of scripts, by name; built-in ones of the same name win.
	Functions map[string]Function
	// Parameters are the names of parameters; nil accepts any.
	Parameters []string
	// Constants are further parameters, and what they stand for. Their case does
	// not matter, and they go before those of the Context.
	Constants map[string]Value
	// Names is the form of distinguished names in the system that the
	// expression writes to.
	Names NameStyle
}

// Marks are places of bytes of a source, by offset.
type Marks []Mark

// A Mark is the place of a byte of a source.
type Mark struct {
	Offset   int
	Position fault.Position
}

// Compile reads an expression, given without the = in front. An error is a
// *fault.Error named sync-rule-invalid-expression, with the place of the
// mistake, and a hint where one is known. It never returns a program and an error.
func Compile(source string, opts Options) (*Program, error) {
	if opts.Dialect == "" {
		opts.Dialect = FIM
	}
	c := &compiler{opts: opts, source: source, grammar: grammars[opts.Dialect]}
	if c.grammar == nil {
		err := fault.New(errorName, "unknown dialect %q", opts.Dialect)
		err.Position = opts.Position
		return nil, err
	}
	tree, err := parse(source, c.grammar)
	if err != nil {
		return nil, c.syntaxFault(err)
	}
	result, err := c.compile(tree)
	if err != nil {
		return nil, err
	}
	return &Program{
		code:       result.code,
		attributes: slices.Sorted(maps.Keys(c.attributes)),
		scripts:    slices.SortedFunc(maps.Values(c.scripts), func(a, b Function) int { return strings.Compare(a.Name, b.Name) }),
		typ:        result.typ,
		plural:     result.plural,
		variables:  c.slots,
	}, nil
}

type compiler struct {
	opts       Options
	source     string
	grammar    *grammar
	attributes map[string]bool
	scripts    map[string]Function // those that are called, by name
	slots      int                 // of Context.variables
	scope      []variable          // innermost last
	byNeed     int                 // greater than 0 where an earlier condition decides what is evaluated
}

// An operand is a compiled part of an expression.
type operand struct {
	code      code
	typ       identity.Type // 0: unknown
	null      bool          // always null
	constant  bool          // value is what code returns
	value     Value
	attribute string // the attribute that it is, "" if it is something else
	secret    bool   // depends on a parameter, which may be a password: errors do not show it
	plural    plurality
	position  fault.Position
}

// A plurality says whether an operand is a list.
type plurality uint8

const (
	one     plurality = iota
	perhaps           // nobody knows before it is evaluated
	several           // a list, or null
)

func constant(v Value, position fault.Position) operand {
	return operand{
		code:     func(*Context) (Value, error) { return v, nil },
		typ:      v.single.Type(),
		null:     v.IsNull(),
		constant: true,
		value:    v,
		position: position,
	}
}

func (c *compiler) compile(n node) (operand, error) {
	position := c.position(n.offset())
	switch n := n.(type) {
	case *constantNode:
		return constant(n.value, position), nil
	case *attributeNode:
		return c.attribute(n.name, position)
	case *nameNode:
		return c.name(n, position)
	case *parameterNode:
		return c.parameter(n.name, position)
	case *variableNode:
		return c.variable(n.name, position)
	case *callNode:
		return c.call(n, position)
	case *chainNode:
		return c.chain(n, position)
	}
	panic(fmt.Sprintf("no code for %T", n))
}

// name compiles a bare name: a word of the language, or else an attribute.
func (c *compiler) name(n *nameNode, position fault.Position) (operand, error) {
	if word, ok := c.grammar.words[identity.Fold(n.name)]; ok {
		return constant(word, position), nil
	}
	if c.grammar.bareNames {
		return c.attribute(n.name, position)
	}
	err := newError(position, "unknown word %q", n.name)
	if f := c.grammar.find(n.name, c.opts.Functions); f != nil {
		err.Hint = fmt.Sprintf("%s is a function: write %s(...)", f.Name, f.Name)
	} else {
		err.Hint = fmt.Sprintf("an attribute is written in brackets: [%s]", n.name)
	}
	return operand{}, err
}

func (c *compiler) attribute(name string, position fault.Position) (operand, error) {
	o, err := c.attributeOf(name, position, func(ctx *Context) Getter { return ctx.Object })
	o.attribute = name
	return o, err
}

// attributeOf reads an attribute of one of the objects of a context.
func (c *compiler) attributeOf(name string, position fault.Position, object func(*Context) Getter) (operand, error) {
	o := operand{plural: perhaps, position: position}
	if c.opts.Attribute != nil {
		attribute, found := c.opts.Attribute(name)
		if !found {
			return operand{}, c.unknownAttribute(name, position)
		}
		if o.typ, o.plural = attribute.Type, one; attribute.Multi {
			o.plural = several
		}
	}
	if c.attributes == nil {
		c.attributes = make(map[string]bool)
	}
	c.attributes[name] = true
	values := OfValues
	if o.plural == several {
		values = OfList
	}
	o.code = func(ctx *Context) (Value, error) {
		from := object(ctx)
		if from == nil {
			return Value{}, nil
		}
		return values(from.Get(name)), nil
	}
	return o, nil
}

func (c *compiler) unknownAttribute(name string, position fault.Position) error {
	err := newError(position, "unknown attribute %q", name)
	err.Attribute = name
	if f := c.grammar.find(name, c.opts.Functions); f != nil {
		err.Hint = fmt.Sprintf("%s is a function: write %s(...)", f.Name, f.Name)
	} else if c.opts.AttributeNames != nil {
		err.Hint = didYouMean(name, c.opts.AttributeNames())
	}
	return err
}

func (c *compiler) parameter(name string, position fault.Position) (operand, error) {
	for known, value := range c.opts.Constants {
		if strings.EqualFold(known, name) {
			o := constant(value, position)
			o.secret = true
			return o, nil
		}
	}
	if c.opts.Parameters != nil && !slices.Contains(c.opts.Parameters, name) {
		err := newError(position, "unknown parameter %s", c.grammar.parameter(name))
		err.Hint = didYouMean(name, slices.Concat(c.opts.Parameters, slices.Sorted(maps.Keys(c.opts.Constants))))
		return operand{}, err
	}
	return operand{
		code: func(ctx *Context) (Value, error) {
			if ctx.Parameters == nil {
				return Value{}, nil
			}
			return ctx.Parameters(name), nil
		},
		secret:   true,
		position: position,
	}, nil
}

// parameter writes the name of a parameter as the dialect has it.
func (g *grammar) parameter(name string) string {
	if g.percent {
		return "%" + name + "%"
	}
	return "$" + name
}

// position returns the place of a byte of the source.
func (c *compiler) position(offset int) fault.Position {
	place := c.opts.Position
	local := place.Line == 0 && place.File == "" // nothing to add to: count within the source
	if local {
		place.Line, place.Column = 1, 1
	}
	before := c.source[:offset]
	if c.opts.Marks != nil {
		marks := *c.opts.Marks
		i := sort.Search(len(marks), func(i int) bool { return marks[i].Offset > offset })
		if i > 0 {
			place, before = marks[i-1].Position, c.source[marks[i-1].Offset:offset]
		}
		before, _, _ = strings.Cut(before, "\n")
	}
	if i := strings.LastIndexByte(before, '\n'); i >= 0 {
		if place.Line > 0 {
			place.Line += strings.Count(before, "\n")
		}
		// How far a continued line is indented in the file is not known here.
		place.Column = 0
		if local {
			place.Column = 1 + utf8.RuneCountInString(before[i+1:])
		}
		return place
	}
	if place.Column > 0 {
		place.Column += utf8.RuneCountInString(before)
	}
	return place
}

func (c *compiler) syntaxFault(err error) error {
	var mistake *syntaxError
	if !errors.As(err, &mistake) {
		return fault.Wrap(errorName, err)
	}
	named := newError(c.position(mistake.offset), "%s", mistake.text)
	named.Hint = mistake.hint
	return named
}

func newError(position fault.Position, format string, args ...any) *fault.Error {
	err := fault.New(errorName, format, args...)
	err.Position = position
	return err
}

func didYouMean(name string, candidates []string) string {
	if suggestion := fault.Suggest(name, candidates); suggestion != "" {
		return fmt.Sprintf("did you mean %s?", suggestion)
	}
	return ""
}
