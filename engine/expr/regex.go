package expr

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/identity"
)

// regexFunctions match regular expressions of .NET in linear time. What the
// linear engine cannot do is an error (regexpattern.go).
var regexFunctions = []Function{
	{
		Name: "RegexMatch", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeBoolean,
		Doc:    "Whether a regular expression matches a part of the text, as .NET reads it: upper and lower case differ, (?i) in front makes them equal. False for null.",
		Params: []Param{param("text", Text).whenNull(passNull), param("pattern", Text).whenNull(nullError)}, build: buildRegexMatch,
	},
	{
		Name: "RegexReplace", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeString,
		Doc:    "The text with every match of a regular expression replaced. In the replacement, $1 and ${name} stand for groups, $0 for the match and $$ for a dollar sign.",
		Params: []Param{param("text", Text), param("pattern", Text).whenNull(nullError), param("replacement", Text).whenNull(nullError)}, build: buildRegexReplace,
	},
}

// A pattern is a compiled regular expression.
type pattern struct {
	re *regexp.Regexp
	// cost is the number of nodes, each of which may be held against every byte of
	// a text; that takes up to 8 ns, more where the
	// processor is shared.
	cost int
	// asciiWords says that it looks at the borders of words, which the engine
	// knows of ASCII letters only.
	asciiWords bool
	// groups maps the numbers of .NET, which counts named groups after all
	// others, to those of re; names maps the names.
	groups []int
	names  map[string]int
}

const (
	maxRegex       = 4096 // bytes
	maxPatternSize = 2000 // nodes, with repetitions counted as often as they are repeated
	maxGroups      = 100
)

var patterns boundedCache[*pattern]

func compilePattern(source string) (*pattern, error) {
	if len(source) > maxRegex {
		return nil, badPattern(source, fmt.Sprintf("it has more than %d bytes", maxRegex))
	}
	translated, asciiWords, err := translatePattern(source)
	if err != nil {
		return nil, badPattern(source, err.Error())
	}
	tree, err := syntax.Parse(translated, syntax.Perl)
	if err != nil {
		var problem *syntax.Error
		if errors.As(err, &problem) {
			return nil, badPattern(source, problem.Code.String())
		}
		return nil, badPattern(source, err.Error())
	}
	size := treeSize(tree)
	switch {
	case size > maxPatternSize:
		return nil, badPattern(source, "it is too large, with its repetitions counted out")
	case tree.MaxCap() > maxGroups:
		return nil, badPattern(source, fmt.Sprintf("it has more than %d groups", maxGroups))
	}
	re, err := regexp.Compile(translated)
	if err != nil {
		return nil, badPattern(source, err.Error())
	}
	p := &pattern{re: re, cost: size, asciiWords: asciiWords, groups: []int{0}, names: map[string]int{}}
	for i, name := range re.SubexpNames()[1:] {
		if name == "" {
			p.groups = append(p.groups, i+1)
		}
	}
	for i, name := range re.SubexpNames()[1:] {
		if name != "" {
			p.groups = append(p.groups, i+1)
			p.names[name] = i + 1
		}
	}
	return p, nil
}

func badPattern(source, problem string) error {
	return fmt.Errorf("%s is not a regular expression that can be used: %s", show(identity.String(source)), problem)
}

// treeSize counts the nodes of a pattern as they will be when repetitions are
// written out, up to a little more than allowed.
func treeSize(re *syntax.Regexp) int {
	size := 1 + len(re.Rune)/8
	for _, sub := range re.Sub {
		if size += treeSize(sub); size > maxPatternSize {
			return maxPatternSize + 1
		}
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Min, re.Max, 1)
	}
	return min(size, maxPatternSize+1)
}

var errWordBorder = errors.New(`the pattern has \b or \B, which know only the letters A to Z, and the text has others`)

// prepare counts the work of a match and refuses a text of which the pattern
// cannot tell the words.
func (p *pattern) prepare(ctx *Context, text string) error {
	if p.asciiWords && strings.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 {
		return errWordBorder
	}
	if len(text) > maxWork { // and the product could overflow
		return errTooMuchWork
	}
	return ctx.spend(len(text) * p.cost * 4)
}

// patternOf returns what gives the pattern of an argument: compiled for good if
// it is written in the expression, from a small cache otherwise.
func patternOf(a *argument, s *site) (func(text string) (*pattern, error), error) {
	if !a.constant || a.null {
		return func(text string) (*pattern, error) { return patterns.get(text, compilePattern) }, nil
	}
	p, err := compilePattern(a.value.single.Str())
	if err != nil {
		return nil, s.fail(err)
	}
	return func(string) (*pattern, error) { return p, nil }, nil
}

func buildRegexMatch(c *compiler, s *site) (operand, error) {
	get, err := patternOf(&s.args[1], s)
	if err != nil {
		return operand{}, err
	}
	return fixed2(func(ctx *Context, text, source identity.Value) (Value, error) {
		p, err := get(source.Str())
		if err != nil || text.Type() == 0 {
			return Bool(false), err
		}
		if err := p.prepare(ctx, text.Str()); err != nil {
			return Value{}, err
		}
		return Bool(p.re.MatchString(text.Str())), nil
	})(c, s)
}

func buildRegexReplace(c *compiler, s *site) (operand, error) {
	get, err := patternOf(&s.args[1], s)
	if err != nil {
		return operand{}, err
	}
	return fixed3(func(ctx *Context, text, source, replacement identity.Value) (Value, error) {
		p, err := get(source.Str())
		if err != nil {
			return Value{}, err
		}
		if err := p.prepare(ctx, text.Str()); err != nil {
			return Value{}, err
		}
		out, err := p.replace(ctx, text.Str(), replacement.Str())
		if err != nil {
			return Value{}, err
		}
		return Str(out), nil
	})(c, s)
}

// replace writes the text with each match replaced.
func (p *pattern) replace(ctx *Context, text, replacement string) (string, error) {
	each := valueBytes + 16*(p.re.NumSubexp()+1) // what is known of one match
	most := maxWork / each
	matches := p.re.FindAllStringSubmatchIndex(text, most+1)
	if len(matches) == 0 {
		return text, nil
	}
	if len(matches) > most {
		return "", errTooMuchWork
	}
	if err := ctx.spend(len(matches) * each); err != nil {
		return "", err
	}
	pieces := p.parseReplacement(replacement)
	var b strings.Builder
	last := 0
	write := func(s string) bool {
		if b.Len()+len(s) > max(maxText, len(text)) {
			return false
		}
		b.WriteString(s)
		return true
	}
	for _, match := range matches {
		fits := write(text[last:match[0]])
		for _, piece := range pieces {
			if err := ctx.spend(0); err != nil {
				return "", err
			}
			fits = fits && write(piece.of(text, match))
		}
		if !fits {
			return "", errTooLong
		}
		last = match[1]
	}
	if !write(text[last:]) {
		return "", errTooLong
	}
	return b.String(), nil
}

// A replacementPiece is literal text, or a part of the text that was searched.
type replacementPiece struct {
	text string
	part replacementPart
	// group is a group of the regexp.Regexp.
	group int
}

type replacementPart uint8

const (
	literalText  replacementPart = iota
	groupText                    // $1, ${name}, $&, $+
	textBefore                   // $`
	textAfter                    // $'
	searchedText                 // $_
)

func (r *replacementPiece) of(text string, match []int) string {
	switch r.part {
	case groupText:
		if start, end := match[2*r.group], match[2*r.group+1]; start >= 0 {
			return text[start:end]
		}
		return ""
	case textBefore:
		return text[:match[0]]
	case textAfter:
		return text[match[1]:]
	case searchedText:
		return text
	}
	return r.text
}

// parseReplacement reads a replacement as .NET does: what names no group is
// text.
func (p *pattern) parseReplacement(s string) []replacementPiece {
	var pieces []replacementPiece
	for s != "" {
		dollar := strings.IndexByte(s, '$')
		if dollar < 0 {
			return append(pieces, replacementPiece{text: s})
		}
		if dollar > 0 {
			pieces = append(pieces, replacementPiece{text: s[:dollar]})
		}
		piece, width := p.reference(s[dollar+1:])
		pieces = append(pieces, piece)
		s = s[dollar+1+width:]
	}
	return pieces
}

// reference reads what follows a dollar sign, and how many bytes it has. What
// means nothing is the dollar sign itself.
func (p *pattern) reference(s string) (piece replacementPiece, width int) {
	piece.text = "$"
	if s == "" {
		return piece, 0
	}
	switch s[0] {
	case '$':
		return piece, 1
	case '&':
		return replacementPiece{part: groupText}, 1
	case '`':
		return replacementPiece{part: textBefore}, 1
	case '\'':
		return replacementPiece{part: textAfter}, 1
	case '_':
		return replacementPiece{part: searchedText}, 1
	case '+':
		return replacementPiece{part: groupText, group: p.groups[len(p.groups)-1]}, 1
	case '{':
		name, _, closed := strings.Cut(s[1:], "}")
		if group, ok := p.group(name); closed && ok {
			return replacementPiece{part: groupText, group: group}, len(name) + 2
		}
		return piece, 0
	}
	digits := s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
	if group, ok := p.group(digits); ok {
		return replacementPiece{part: groupText, group: group}, len(digits)
	}
	return piece, 0
}

// group finds a group by its number in .NET, or by its name.
func (p *pattern) group(name string) (int, bool) {
	if n, err := strconv.ParseUint(name, 10, 16); err == nil {
		if int(n) < len(p.groups) {
			return p.groups[n], true
		}
		return 0, false
	}
	group, ok := p.names[name]
	return group, ok
}
