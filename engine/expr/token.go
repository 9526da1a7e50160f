package expr

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	endToken       tokenKind = iota
	textToken                // "text"; text holds it without quotes
	numberToken              // number holds it
	nameToken                // a function, a word or an attribute
	attributeToken           // [name]
	parameterToken           // $name, or %name%, as the dialect has it
	variableToken            // $name where parameters are %name%
	operatorToken
	openToken
	closeToken
	commaToken
)

type token struct {
	kind   tokenKind
	text   string
	number int64
	start  int // byte offsets in the source
	end    int
}

// A lexer cuts a source into tokens.
type lexer struct {
	source  string
	pos     int
	grammar *grammar
	value   bool // the last token ended a value: only an operator can go on
}

// A syntaxError is a mistake in the source, at a byte offset.
type syntaxError struct {
	offset int
	text   string
	hint   string
}

func (e *syntaxError) Error() string { return e.text }

// next returns the next token; after the last one it keeps returning endToken.
func (l *lexer) next() (token, error) {
	t, err := l.scan()
	switch t.kind {
	case textToken, numberToken, nameToken, attributeToken, parameterToken, variableToken, closeToken:
		l.value = true
	default:
		l.value = false
	}
	return t, err
}

func (l *lexer) scan() (token, error) {
	for l.pos < len(l.source) && strings.IndexByte(" \t\r\n", l.source[l.pos]) >= 0 {
		l.pos++
	}
	start := l.pos
	if start == len(l.source) {
		return token{kind: endToken, start: start, end: start}, nil
	}
	t := token{start: start}
	var err error
	switch c := l.source[start]; {
	case c == '"':
		t.kind = textToken
		t.text, err = l.quoted()
	case c == '[':
		t.kind = attributeToken
		t.text, err = l.bracketed()
	case c == '(':
		t.kind = openToken
		l.pos++
	case c == ')':
		t.kind = closeToken
		l.pos++
	case c == ',':
		t.kind = commaToken
		l.pos++
	case c == '$':
		t.kind = l.grammar.dollar
		l.pos++
		if t.text = l.name(); t.text == "" {
			what := "parameter"
			if t.kind == variableToken {
				what = "variable"
			}
			err = &syntaxError{start, "$ needs the name of a " + what, ""}
		}
	case c == '%' && l.grammar.percent:
		t.kind = parameterToken
		t.text, err = l.percented()
	case isDigit(c), c == '&' && l.startsHex(), c == '-' && start+1 < len(l.source) && isDigit(l.source[start+1]) && !l.subtracts():
		t.kind = numberToken
		t.number, err = l.numeral()
	default:
		if t.text = l.operator(); t.text != "" {
			t.kind = operatorToken
			break
		}
		t.kind = nameToken
		if t.text = l.name(); t.text == "" {
			err = l.unexpected()
		}
	}
	t.end = l.pos
	return t, err
}

// quoted reads a text in double quotes; a doubled quote stands for one.
func (l *lexer) quoted() (string, error) {
	start := l.pos
	for l.pos++; ; l.pos += 2 {
		i := strings.IndexByte(l.source[l.pos:], '"')
		if i < 0 {
			return "", &syntaxError{start, "this text has no closing quote", `write "" for a quote inside a text`}
		}
		l.pos += i
		if !strings.HasPrefix(l.source[l.pos:], `""`) {
			l.pos++
			return strings.ReplaceAll(l.source[start+1:l.pos-1], `""`, `"`), nil
		}
	}
}

// bracketed reads the name of an attribute in brackets.
func (l *lexer) bracketed() (string, error) {
	start := l.pos
	length := strings.IndexByte(l.source[start:], ']')
	if length < 0 {
		return "", &syntaxError{start, "this bracket is not closed", ""}
	}
	l.pos += length + 1
	name := strings.TrimSpace(l.source[start+1 : start+length])
	if name == "" {
		return "", &syntaxError{start, "no attribute between the brackets", ""}
	}
	return name, nil
}

// percented reads the name of a parameter between percent signs. It may have dots.
func (l *lexer) percented() (string, error) {
	start := l.pos
	length := strings.IndexByte(l.source[start+1:], '%')
	if length < 0 {
		return "", &syntaxError{start, "this parameter has no closing percent sign", "parameters are written %Name%"}
	}
	l.pos += length + 2
	name := strings.TrimSpace(l.source[start+1 : start+1+length])
	if name == "" || strings.ContainsAny(name, "\"[]()&,\n") {
		return "", &syntaxError{start, "no name of a parameter between the percent signs", "parameters are written %Name%"}
	}
	return name, nil
}

// name reads a name: letters, digits, underscores and hyphens, not starting
// with a digit or a hyphen. It returns "" if there is none.
func (l *lexer) name() string {
	start := l.pos
	for l.pos < len(l.source) {
		r, size := utf8.DecodeRuneInString(l.source[l.pos:])
		inner := l.pos > start && (r == '-' || unicode.IsDigit(r))
		if !inner && r != '_' && !unicode.IsLetter(r) {
			break
		}
		l.pos += size
	}
	return l.source[start:l.pos]
}

func (l *lexer) operator() string {
	for _, operator := range l.grammar.operators {
		if strings.HasPrefix(l.source[l.pos:], operator) {
			l.pos += len(operator)
			return operator
		}
	}
	return ""
}

// subtracts reports whether a minus sign here is an operator: the dialect has it,
// and a value stands before it.
func (l *lexer) subtracts() bool { return l.value && slices.Contains(l.grammar.operators, "-") }

// startsHex reports whether the ampersand here begins a hexadecimal number: not
// where it joins the value before it with what follows.
func (l *lexer) startsHex() bool {
	if l.value && slices.Contains(l.grammar.operators, "&") {
		return false
	}
	rest := l.source[l.pos:]
	return len(rest) > 2 && (rest[1] == 'H' || rest[1] == 'h') && isHexDigit(rest[2])
}

// numeral reads a number as far as letters, digits and dots go, so that 12abc
// is one mistake and not two tokens.
func (l *lexer) numeral() (int64, error) {
	start := l.pos
	l.pos++ // a digit, a minus sign or an ampersand
	for l.pos < len(l.source) {
		if c := l.source[l.pos]; c != '_' && c != '.' && !isDigit(c) && !isLetter(c) {
			break
		}
		l.pos++
	}
	n, err := parseNumber(l.source[start:l.pos])
	if err != nil {
		return 0, &syntaxError{start, l.source[start:l.pos] + " " + err.Error(), "whole numbers are written 15, -15, 0xF or &HF"}
	}
	return n, nil
}

func (l *lexer) unexpected() error {
	r, _ := utf8.DecodeRuneInString(l.source[l.pos:])
	hint := ""
	switch {
	case strings.ContainsRune("'“”„‘’`", r):
		return &syntaxError{l.pos, "unexpected " + strconv.QuoteRune(r), `texts are written in straight double quotes: "text"`}
	case len(l.grammar.operators) > 1: // the hints below are about operators that this dialect has
		return &syntaxError{l.pos, "unexpected " + strconv.QuoteRune(r), ""}
	}
	switch r {
	case '&':
		hint = "texts are joined with +"
	case '=', '<', '>', '!':
		hint = "comparisons are functions, such as Eq(a, b) and LessThan(a, b)"
	case '-':
		hint = "attributes whose names begin with a hyphen are written in brackets"
	}
	return &syntaxError{l.pos, "unexpected " + strconv.QuoteRune(r), hint}
}

var (
	errNotANumber = errors.New("is not a whole number")
	errTooLarge   = errors.New("does not fit into 64 bits")
)

// parseNumber reads a whole number: decimal with an optional sign, or
// hexadecimal after 0x or &H. Sixteen hexadecimal digits give all 64 bits, the
// sign included. The errors go after the text that they speak of.
func parseNumber(s string) (int64, error) {
	s = strings.TrimSpace(s)
	if s == "" || !isDigit(s[0]) && strings.IndexByte("+-&", s[0]) < 0 {
		return 0, errNotANumber // the error of strconv would hold a copy of the text
	}
	var n int64
	var err error
	if len(s) > 2 && (s[0] == '0' && s[1]|0x20 == 'x' || s[0] == '&' && s[1]|0x20 == 'h') {
		var bits uint64
		bits, err = strconv.ParseUint(s[2:], 16, 64)
		n = int64(bits)
	} else {
		n, err = strconv.ParseInt(s, 10, 64)
	}
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, strconv.ErrRange):
		return math.MaxInt64, errTooLarge
	}
	return 0, errNotANumber
}

func isDigit(c byte) bool    { return '0' <= c && c <= '9' }
func isLetter(c byte) bool   { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isHexDigit(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }
