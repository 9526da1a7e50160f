package expr

import (
	"strconv"
	"unicode/utf8"
)

// Bounds of an expression. Both are far beyond what a person writes, and keep
// the stack and the work of the parser small.
const (
	maxSource = 64 << 10 // bytes
	maxDepth  = 200      // parentheses in each other
)

// A grammar is what distinguishes a dialect: its syntax, and the few rules that
// hold for all its functions.
type grammar struct {
	operators []string         // longest first
	dollar    tokenKind        // what $name is
	percent   bool             // %name% is a parameter
	foldNames bool             // the case of function names does not matter
	bareNames bool             // a bare name is an attribute
	words     map[string]Value // bare names, folded, that are constants

	maps     bool // functions and operators on one value are applied to each value of a list
	strict   bool // an argument of another type is an error: nothing is converted
	nullText bool // a null operand of a concatenation is the empty text

	functions functionTable
}

// The tree. Offsets are bytes in the source.
type (
	node interface{ offset() int }

	at int

	constantNode struct {
		at
		value Value
	}
	nameNode struct { // a bare name: a word or an attribute
		at
		name string
	}
	attributeNode struct {
		at
		name string
	}
	parameterNode struct {
		at
		name string
	}
	variableNode struct {
		at
		name string
	}
	callNode struct {
		at
		name string
		args []node
	}
	// A chainNode is operands joined by operators of equal rank, left to right.
	// There is one operator less than operands.
	chainNode struct {
		at
		operators []string
		operands  []node
	}
)

func (a at) offset() int { return int(a) }

type parser struct {
	lexer
	current token
	depth   int
}

// parse reads a whole source. The error is a *syntaxError.
func parse(source string, g *grammar) (node, error) {
	if len(source) > maxSource {
		return nil, &syntaxError{0, "an expression has at most " + strconv.Itoa(maxSource) + " bytes", ""}
	}
	if !utf8.ValidString(source) {
		return nil, &syntaxError{0, "the expression is not UTF-8 text", ""}
	}
	p := &parser{lexer: lexer{source: source, grammar: g}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.current.kind == endToken {
		return nil, &syntaxError{0, "the expression is empty", `write "" for the empty text, Null() for no value`}
	}
	tree, err := p.expression()
	if err != nil {
		return nil, err
	}
	if p.current.kind != endToken {
		return nil, p.unexpectedToken("the end of the expression")
	}
	return tree, nil
}

func (p *parser) advance() (err error) {
	p.current, err = p.next()
	return err
}

// expression = operand { operator operand }
func (p *parser) expression() (node, error) {
	first, err := p.operand()
	if err != nil || p.current.kind != operatorToken {
		return first, err
	}
	chain := &chainNode{at: at(first.offset()), operands: []node{first}}
	for p.current.kind == operatorToken {
		chain.operators = append(chain.operators, p.current.text)
		if err := p.advance(); err != nil {
			return nil, err
		}
		operand, err := p.operand()
		if err != nil {
			return nil, err
		}
		chain.operands = append(chain.operands, operand)
	}
	return chain, nil
}

// operand = text | number | name | [attribute] | parameter | variable | call | ( expression )
func (p *parser) operand() (node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, &syntaxError{p.current.start, "the expression is nested more than " + strconv.Itoa(maxDepth) + " deep", ""}
	}
	defer func() { p.depth-- }()

	t := p.current
	start := at(t.start)
	var n node
	switch t.kind {
	case textToken:
		n = &constantNode{start, Str(t.text)}
	case numberToken:
		n = &constantNode{start, Int(t.number)}
	case attributeToken:
		n = &attributeNode{start, t.text}
	case parameterToken:
		n = &parameterNode{start, t.text}
	case variableToken:
		n = &variableNode{start, t.text}
	case nameToken:
		if err := p.advance(); err != nil {
			return nil, err
		}
		if p.current.kind == openToken {
			return p.call(t)
		}
		return &nameNode{start, t.text}, nil
	case openToken:
		return p.group()
	default:
		return nil, p.unexpectedToken("a value")
	}
	return n, p.advance()
}

func (p *parser) group() (node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	inner, err := p.expression()
	if err != nil {
		return nil, err
	}
	if p.current.kind != closeToken {
		return nil, p.unexpectedToken(`")"`)
	}
	return inner, p.advance()
}

// call reads the arguments of a function; the current token is the parenthesis
// that opens them.
func (p *parser) call(name token) (node, error) {
	call := &callNode{at: at(name.start), name: name.text}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.current.kind == closeToken {
		return call, p.advance()
	}
	for {
		arg, err := p.expression()
		if err != nil {
			return nil, err
		}
		call.args = append(call.args, arg)
		switch p.current.kind {
		case commaToken:
			if err := p.advance(); err != nil {
				return nil, err
			}
		case closeToken:
			return call, p.advance()
		default:
			return nil, p.unexpectedToken(`"," or ")" of ` + name.text)
		}
	}
}

func (p *parser) unexpectedToken(wanted string) error {
	found := "the end of the expression"
	if p.current.kind != endToken {
		found = p.source[p.current.start:p.current.end]
	}
	return &syntaxError{p.current.start, "expected " + wanted + ", found " + found, ""}
}
