package expr

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/identity"
)

// The dialects of a row, and where its behaviour is described.
var (
	fimOnly    = []Dialect{FIM}
	entraOnly  = []Dialect{Entra}
	everywhere = []Dialect{FIM, Entra}
)

const (
	fimText   = "sync-engine §6.4"
	entraText = "sync-engine §6.5"
	bothText  = "sync-engine §6.4, §6.5"
)

// textFunctions are the functions that take texts apart and change them.
var textFunctions = []Function{
	{
		Name: "UpperCase", Dialects: fimOnly, Source: fimText, Result: identity.TypeString,
		Doc:    "The text in upper case.",
		Params: []Param{param("text", Text)}, build: textToText(strings.ToUpper, caseWork),
	},
	{
		Name: "LowerCase", Dialects: fimOnly, Source: fimText, Result: identity.TypeString,
		Doc:    "The text in lower case.",
		Params: []Param{param("text", Text)}, build: textToText(strings.ToLower, caseWork),
	},
	{
		Name: "ProperCase", Dialects: fimOnly, Source: fimText + ", §0 C7", Result: identity.TypeString,
		Doc:    "The text with the first letter of each word in upper case and all others in lower case. Words end at spaces.",
		Params: []Param{param("text", Text)}, build: textToText(properCase, properCaseWork),
	},
	{
		Name: "LTrim", Dialects: everywhere, Source: bothText, Result: identity.TypeString,
		Doc:    "The text without leading white space.",
		Params: []Param{param("text", Text)},
		build:  textToText(func(s string) string { return strings.TrimLeftFunc(s, unicode.IsSpace) }, 0),
	},
	{
		Name: "RTrim", Dialects: everywhere, Source: bothText, Result: identity.TypeString,
		Doc:    "The text without trailing white space.",
		Params: []Param{param("text", Text)},
		build:  textToText(func(s string) string { return strings.TrimRightFunc(s, unicode.IsSpace) }, 0),
	},
	{
		Name: "Trim", Dialects: everywhere, Source: bothText, Result: identity.TypeString,
		Doc:    "The text without leading and trailing white space.",
		Params: []Param{param("text", Text)}, build: textToText(strings.TrimSpace, 0),
	},
	{
		Name: "RightPad", Dialects: fimOnly, Source: fimText, Result: identity.TypeString,
		Doc:    "The text, filled up at its end to the given length. Null gives the empty text.",
		Params: padParams, build: fixed3(rightPad),
	},
	{
		Name: "LeftPad", Dialects: fimOnly, Source: fimText, Result: identity.TypeString,
		Doc:    "The text, filled up at its front to the given length. Null gives the empty text.",
		Params: padParams, build: fixed3(leftPad),
	},
	{
		Name: "ReplaceString", Dialects: fimOnly, Source: fimText, Result: identity.TypeString,
		Doc:    `The text with every occurrence of one text replaced by another. In texts written in the expression, \n, \r and \t stand for line feed, carriage return and tab.`,
		Params: []Param{param("text", Text), param("old", Text), param("new", Text)}, build: buildReplace,
	},
	{
		Name: "Word", Dialects: everywhere, Source: bothText, Result: identity.TypeString,
		Doc:    "The word with the given number, counted from 1. Each character of delimiters ends a word. Empty if there is no such word, no delimiter in the text, or an argument is null.",
		Params: []Param{param("text", Text).whenNull(emptyOut), param("number", Number).whenNull(emptyOut), param("delimiters", Text).whenNull(emptyOut)}, build: fixed3(word),
	},
	{
		Name: "Left", Dialects: everywhere, Source: bothText, Result: identity.TypeString,
		Doc:    "The first characters of the text; all of it if count is negative. Null gives the empty text.",
		Params: []Param{param("text", Text).whenNull(emptyOut), param("count", Number)}, build: fixed2(left),
	},
	{
		Name: "Right", Dialects: everywhere, Source: bothText, Result: identity.TypeString,
		Doc:    "The last characters of the text; all of it if count is negative. Null gives the empty text.",
		Params: []Param{param("text", Text).whenNull(emptyOut), param("count", Number)}, build: fixed2(right),
	},
	{
		Name: "Mid", Dialects: fimOnly, Source: fimText + ", §0 C6", Result: identity.TypeString,
		Doc:    "Characters from the middle of the text, from a position counted from 1. All of the text if the position is outside it, empty if count is not positive. Null gives the empty text.",
		Params: []Param{param("text", Text).whenNull(emptyOut), param("position", Number), param("count", Number)}, build: fixed3(mid),
	},
	{
		Name: "CRLF", Dialects: fimOnly, Source: fimText, Result: identity.TypeString,
		Doc:   "A line break: carriage return and line feed. The parentheses may be left out.",
		build: fixed0(func(*Context) (Value, error) { return Str("\r\n"), nil }),
	},
}

var padParams = []Param{
	param("text", Text).whenNull(emptyOut), param("length", Number), param("padCharacter", Text).whenNull(nullError),
}

// The work that some functions are for each byte of a text, beyond handling it.
const (
	caseWork       = 3
	properCaseWork = 8
	foldWork       = 12 // of identity.Fold
)

// textToText builds calls of a function of a text that is some work for each byte.
func textToText(f func(string) string, work int) builder {
	return fixed1(func(ctx *Context, x identity.Value) (Value, error) {
		if err := ctx.handle(work * len(x.Str())); err != nil {
			return Value{}, err
		}
		out := f(x.Str())
		if len(out) > max(maxText, len(x.Str())) { // a letter can take more bytes in the other case
			return Value{}, errTooLong
		}
		return Str(out), nil
	})
}

func properCase(s string) string {
	lower := false // in a word, after its first letter
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			lower = false
		case lower:
			return unicode.ToLower(r)
		case unicode.IsLetter(r):
			lower = true
			return unicode.ToUpper(r)
		}
		return r
	}, s)
}

func rightPad(_ *Context, text, length, pad identity.Value) (Value, error) {
	fill, err := padding(text.Str(), length.Int(), pad.Str())
	if err != nil || fill == "" {
		return Of(text), err
	}
	return Str(text.Str() + fill), nil
}

func leftPad(_ *Context, text, length, pad identity.Value) (Value, error) {
	fill, err := padding(text.Str(), length.Int(), pad.Str())
	if err != nil || fill == "" {
		return Of(text), err
	}
	return Str(fill + text.Str()), nil
}

// padding returns what text lacks to have length characters.
func padding(text string, length int64, pad string) (string, error) {
	if utf8.RuneCountInString(pad) != 1 {
		return "", fmt.Errorf("the pad character must be exactly one character, not %s", show(identity.String(pad)))
	}
	missing := length - int64(utf8.RuneCountInString(text))
	switch {
	case missing <= 0:
		return "", nil
	case missing > maxText || int64(len(text))+missing*int64(len(pad)) > maxText:
		return "", errTooLong
	}
	return strings.Repeat(pad, int(missing)), nil
}

// buildReplace replaces the monikers in texts that are written in the expression
// itself. In attribute values a backslash stays one: \\server\tom is a path.
func buildReplace(c *compiler, s *site) (operand, error) {
	for i := range s.args {
		if a := &s.args[i]; a.constant && !a.null {
			a.operand = constant(Str(monikers.Replace(a.value.single.Str())), a.position)
		}
	}
	return fixed3(replaceString)(c, s)
}

var monikers = strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\t`, "\t")

func replaceString(_ *Context, text, from, to identity.Value) (Value, error) {
	s, old, replacement := text.Str(), from.Str(), to.Str()
	if old == "" {
		return Of(text), nil
	}
	if growth := len(replacement) - len(old); growth > 0 && len(s)+strings.Count(s, old)*growth > maxText {
		return Value{}, errTooLong
	}
	return Str(strings.ReplaceAll(s, old, replacement)), nil
}

func word(ctx *Context, text, number, delimiters identity.Value) (Value, error) {
	s, n := text.Str(), number.Int()
	// Every character of the text may be held against every delimiter.
	if err := ctx.handle(len(s) * (1 + len(delimiters.Str())/8)); err != nil {
		return Value{}, err
	}
	if n < 1 || !strings.ContainsAny(s, delimiters.Str()) {
		return Str(""), nil
	}
	for {
		end := strings.IndexAny(s, delimiters.Str())
		if n == 1 {
			if end >= 0 {
				s = s[:end]
			}
			return Str(s), nil
		}
		if end < 0 {
			return Str(""), nil
		}
		_, size := utf8.DecodeRuneInString(s[end:])
		s = s[end+size:]
		n--
	}
}

func left(_ *Context, text, count identity.Value) (Value, error) {
	s, n := text.Str(), count.Int()
	if n < 0 || n >= int64(len(s)) {
		return Of(text), nil
	}
	return Str(s[:bytesOf(s, n)]), nil
}

func right(_ *Context, text, count identity.Value) (Value, error) {
	s, n := text.Str(), count.Int()
	if n < 0 || n >= int64(len(s)) {
		return Of(text), nil
	}
	start := len(s)
	for ; n > 0 && start > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(s[:start])
		start -= size
	}
	return Str(s[start:]), nil
}

func mid(_ *Context, text, position, count identity.Value) (Value, error) {
	s, pos, n := text.Str(), position.Int(), count.Int()
	switch {
	case n <= 0:
		return Str(""), nil
	case pos <= 0 || pos > int64(utf8.RuneCountInString(s)):
		return Of(text), nil
	}
	s = s[bytesOf(s, pos-1):]
	return Str(s[:bytesOf(s, n)]), nil
}

// bytesOf returns the length in bytes of the first n characters of s, or of all
// of s if it has fewer.
func bytesOf(s string, n int64) int {
	if n >= int64(len(s)) {
		return len(s)
	}
	i := 0
	for ; n > 0 && i < len(s); n-- {
		if s[i] < utf8.RuneSelf {
			i++
			continue
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		i += size
	}
	return i
}
