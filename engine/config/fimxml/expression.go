package fimxml

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// custom is the function whose one argument is an expression as people write it.
const custom = "CustomExpression"

// maxNest bounds how deep calls stand in each other as XML; a deeper expression is a
// text there.
const maxNest = 100

// concatenation is the function of the operator +.
const concatenation = "+"

// A tree is an expression as FIM's XML shows it: a call, or a value whose text
// stands as in the expression: "text", 15, name, [name] or $parameter.
type tree struct {
	function string
	args     []*tree
	text     string // of a value
}

// String writes the expression.
func (t *tree) String() string {
	if t.function == "" {
		return t.text
	}
	args := make([]string, len(t.args))
	for i, a := range t.args {
		args[i] = a.String()
		if t.function == concatenation && a.function == concatenation {
			args[i] = "(" + args[i] + ")"
		}
	}
	if t.function == concatenation {
		return strings.Join(args, " + ")
	}
	return t.function + "(" + strings.Join(args, ", ") + ")"
}

// simple reports whether the expression is one call of values.
func (t *tree) simple() bool {
	for _, a := range t.args {
		if a.function != "" {
			return false
		}
	}
	return true
}

// reads adds the attributes that the expression names. A bare name may be a word of
// the language.
func (t *tree) reads(add func(name string)) {
	for _, a := range t.args {
		a.reads(add)
	}
	switch first, _ := utf8.DecodeRuneInString(t.text); {
	case first == '[':
		add(strings.TrimSpace(t.text[1 : len(t.text)-1]))
	case first == '_', unicode.IsLetter(first):
		add(t.text)
	}
}

// isCustom reports whether a call in the expression has the name of [custom].
func (t *tree) isCustom() bool {
	if strings.EqualFold(t.function, custom) {
		return true
	}
	for _, a := range t.args {
		if a.isCustom() {
			return true
		}
	}
	return false
}

// parseExpression reads an expression that consists of calls, + and values. There is
// more to the language, which FIM's XML knows only as text: ok is false then.
func parseExpression(source string) (t *tree, ok bool) {
	p := &expressionParser{rest: source}
	t = p.chain()
	p.blanks()
	return t, t != nil && p.rest == ""
}

type expressionParser struct {
	rest  string
	depth int
}

func (p *expressionParser) blanks() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// accept takes a sign if it comes next.
func (p *expressionParser) accept(sign string) bool {
	p.blanks()
	rest, found := strings.CutPrefix(p.rest, sign)
	if found {
		p.rest = rest
	}
	return found
}

// chain = operand { "+" operand }; nil is a mistake.
func (p *expressionParser) chain() *tree {
	first := p.operand()
	if first == nil || !p.accept(concatenation) {
		return first
	}
	t := &tree{function: concatenation, args: []*tree{first}}
	for {
		next := p.operand()
		if next == nil {
			return nil
		}
		if t.args = append(t.args, next); !p.accept(concatenation) {
			return t
		}
	}
}

func (p *expressionParser) operand() *tree {
	if p.depth++; p.depth > maxNest {
		return nil
	}
	defer func() { p.depth-- }()
	if p.accept("(") {
		t := p.chain()
		if t == nil || !p.accept(")") {
			return nil
		}
		return t
	}
	if p.rest == "" {
		return nil
	}
	switch c := p.rest[0]; {
	case c == '"':
		return p.take(quotedLength(p.rest))
	case c == '[':
		return p.take(strings.IndexByte(p.rest, ']') + 1)
	case c == '$':
		n := nameLength(p.rest[1:])
		if n == 0 {
			return nil
		}
		return p.take(n + 1)
	case numberLength(p.rest) > 0:
		return p.take(numberLength(p.rest))
	}
	name := p.take(nameLength(p.rest))
	if name == nil || !p.accept("(") {
		return name
	}
	call := &tree{function: name.text}
	if p.accept(")") {
		return call
	}
	for {
		arg := p.chain()
		if arg == nil {
			return nil
		}
		call.args = append(call.args, arg)
		switch {
		case p.accept(","):
		case p.accept(")"):
			return call
		default:
			return nil
		}
	}
}

// take takes a value of a length; there is none of length 0.
func (p *expressionParser) take(n int) *tree {
	if n == 0 {
		return nil
	}
	t := &tree{text: p.rest[:n]}
	p.rest = p.rest[n:]
	return t
}

// quotedLength returns the length of the text in double quotes that comes first, 0
// if it does not end.
func quotedLength(s string) int {
	for i := 1; i < len(s); i++ {
		if s[i] != '"' {
			continue
		}
		if i+1 == len(s) || s[i+1] != '"' {
			return i + 1
		}
		i++
	}
	return 0
}

// nameLength returns the length of the name that comes first.
func nameLength(s string) int {
	for i, r := range s {
		inner := i > 0 && (r == '-' || unicode.IsDigit(r))
		if !inner && r != '_' && !unicode.IsLetter(r) {
			return i
		}
	}
	return len(s)
}

// numberLength returns the length of the number that comes first: decimal, or
// hexadecimal after 0x or &H.
func numberLength(s string) int {
	i := 0
	switch {
	case strings.HasPrefix(strings.ToUpper(s[:min(2, len(s))]), "&H"):
		i = 2
	case s[0] == '-':
		i = 1
	}
	start := i
	for i < len(s) && (isAlphanumeric(s[i]) || s[i] == '.') {
		i++
	}
	if i == start || s[0] != '&' && (s[start] < '0' || s[start] > '9') {
		return 0
	}
	return i
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_'
}
