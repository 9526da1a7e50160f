package expr

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/identity"
)

// entraTextFunctions are the functions of texts that only Entra has, or that
// differ there (sync-engine §6.5 "Text").
var entraTextFunctions = []Function{
	{
		Name: "UCase", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc:    "The text in upper case.",
		Params: []Param{param("text", Text)}, build: textToText(strings.ToUpper, caseWork),
	},
	{
		Name: "LCase", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc:    "The text in lower case.",
		Params: []Param{param("text", Text)}, build: textToText(strings.ToLower, caseWork),
	},
	{
		Name: "PCase", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc:    "The text with the first letter of each word in upper case and all others in lower case. Words end at spaces; those in capitals stay as they are.",
		Params: []Param{param("text", Text)}, build: textToText(properCaseButCapitals, properCaseWork),
	},
	{
		Name: "Len", Dialects: entraOnly, Source: entraText, Result: identity.TypeInteger,
		Doc:    "The number of characters of the text.",
		Params: []Param{param("text", Text)},
		build: fixed1(func(_ *Context, x identity.Value) (Value, error) {
			return Int(int64(utf8.RuneCountInString(x.Str()))), nil
		}),
	},
	{
		Name: "Mid", Dialects: entraOnly, Source: entraText + ", §0 C6", Result: identity.TypeString,
		Doc: "Characters from the middle of the text, from a position counted from 1; without a count, all that follow. " +
			"All of the text if the position is outside it or the count negative. Null gives the empty text.",
		Params: []Param{param("text", Text).whenNull(emptyOut), param("position", Number), param("count", Number).optional()},
		build:  withDefaults(fixed3(midOrAll), Int(math.MaxInt64)),
	},
	{
		Name: "PadRight", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc:    "The text, filled up at its end to the given length. Null gives the empty text.",
		Params: padParams, build: fixed3(rightPad),
	},
	{
		Name: "PadLeft", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc:    "The text, filled up at its front to the given length. Null gives the empty text.",
		Params: padParams, build: fixed3(leftPad),
	},
	{
		Name: "InStr", Dialects: entraOnly, Source: entraText, Result: identity.TypeInteger,
		Doc:    "The position, counted from 1, of the first occurrence of one text in another, at or after a start. 0 if there is none. Upper and lower case differ, unless vbTextCompare is given.",
		Params: searchParams, build: buildSearch(inStr, 1),
	},
	{
		Name: "InStrRev", Dialects: entraOnly, Source: entraText, Result: identity.TypeInteger,
		Doc: "The position, counted from 1, of the last occurrence of one text in another that ends at or before a start; a start of -1 is the end of the text. " +
			"0 if there is none. Upper and lower case differ, unless vbTextCompare is given.",
		Params: searchParams, build: buildSearch(inStrRev, -1),
	},
	{
		Name: "Replace", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc:    `The text with every occurrence of one text replaced by another. In texts written in the expression, \n, \r and \t stand for line feed, carriage return and tab.`,
		Params: []Param{param("text", Text), param("old", Text), param("new", Text)}, build: buildReplace,
	},
	{
		Name: "ReplaceChars", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc: "The text with characters replaced after a pattern such as ö:oe,ß:ss,': of pairs of one character and what takes its place, nothing removes it. " +
			"White space in the pattern is ignored; commas and colons cannot be replaced.",
		Params: []Param{param("text", Text), param("pattern", Text)}, build: buildReplaceChars,
	},
	{
		Name: "Guid", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc:   "A new random GUID.",
		build: fixed0(randomGUID),
	},
}

var searchParams = []Param{
	param("text", Text), param("search", Text), param("start", Number).optional(),
	oneOf("compare", "vbBinaryCompare", vbTextCompare).optional(),
}

const vbTextCompare = "vbTextCompare"

// properCaseButCapitals changes no word that has letters in upper case only.
func properCaseButCapitals(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for word := range strings.SplitAfterSeq(s, " ") {
		if !isCapitals(word) {
			word = properCase(word)
		}
		b.WriteString(word)
	}
	return b.String()
}

func isCapitals(word string) bool {
	capitals := false
	for _, r := range word {
		if unicode.IsLower(r) || unicode.IsTitle(r) {
			return false
		}
		capitals = capitals || unicode.IsUpper(r)
	}
	return capitals
}

func midOrAll(ctx *Context, text, position, count identity.Value) (Value, error) {
	if count.Int() < 0 {
		return Of(text), nil
	}
	return mid(ctx, text, position, count)
}

// buildSearch compiles a search in a text; start is where it begins if the call
// does not say.
func buildSearch(find func(text, search string, start int64) (int64, error), start int64) builder {
	return func(c *compiler, s *site) (operand, error) {
		if a := &s.args[1]; a.constant && !a.null {
			// The default rules of Entra Connect Sync look for conflicting objects by
			// InStr(DNComponent(CRef([dn]),1),"\\0ACNF:"), and mean one backslash.
			a.operand = constant(Str(strings.ReplaceAll(a.value.single.Str(), `\\0A`, `\0A`)), a.position)
		}
		fold := len(s.args) > 3 && s.args[3].value.single.Str() == vbTextCompare
		return withDefaults(fixed3(func(ctx *Context, text, search, start identity.Value) (Value, error) {
			in, what := text.Str(), search.Str()
			if fold { // leaves every character at its position
				if err := ctx.handle(foldWork * (len(in) + len(what))); err != nil {
					return Value{}, err
				}
				in, what = identity.Fold(in), identity.Fold(what)
			}
			at, err := find(in, what, start.Int())
			return Int(at), err
		}), Int(start), Value{})(c, s)
	}
}

var errStart = errors.New("the start must be a position, counted from 1")

// inStr follows InStr of Visual Basic: the empty text is found where the search
// starts, but in an empty text nothing is.
func inStr(text, search string, start int64) (int64, error) {
	if start < 1 {
		return 0, errStart
	}
	if start > int64(len(text)) {
		return 0, nil
	}
	from := bytesOf(text, start-1)
	if from == len(text) {
		return 0, nil
	}
	at := strings.Index(text[from:], search)
	if at < 0 {
		return 0, nil
	}
	return start + int64(utf8.RuneCountInString(text[from:from+at])), nil
}

func inStrRev(text, search string, start int64) (int64, error) {
	switch {
	case start == 0, start < -1:
		return 0, errStart
	case start > 0 && start > int64(utf8.RuneCountInString(text)):
		return 0, nil
	case start > 0:
		text = text[:bytesOf(text, start)]
	}
	at := strings.LastIndex(text, search)
	switch {
	case at < 0 || text == "":
		return 0, nil
	case search == "": // found where the search starts
		return int64(utf8.RuneCountInString(text)), nil
	}
	return int64(utf8.RuneCountInString(text[:at])) + 1, nil
}

// A charPattern is what ReplaceChars replaces each character by.
type charPattern map[rune]string

// maxPattern bounds a pattern in bytes. It has room for an alphabet.
const maxPattern = 16 << 10

// parseCharPattern reads source:target pairs with commas between them.
func parseCharPattern(pattern string) (charPattern, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("the pattern has more than %d bytes", maxPattern)
	}
	pattern = strings.Join(strings.Fields(pattern), "")
	replacements := make(charPattern)
	if pattern == "" {
		return replacements, nil
	}
	for pair := range strings.SplitSeq(pattern, ",") {
		source, target, ok := strings.Cut(pair, ":")
		r, size := utf8.DecodeRuneInString(source)
		switch {
		case !ok || strings.Contains(target, ":"):
			return nil, fmt.Errorf("%s in the pattern is not a character, a colon and what replaces it", show(identity.String(pair)))
		case size == 0 || size != len(source):
			return nil, fmt.Errorf("%s in the pattern must be exactly one character before the colon", show(identity.String(pair)))
		}
		if _, twice := replacements[r]; twice {
			return nil, fmt.Errorf("the pattern replaces %s twice", show(identity.String(source)))
		}
		replacements[r] = target
	}
	return replacements, nil
}

// buildReplaceChars reads a pattern that is written in the expression once.
func buildReplaceChars(c *compiler, s *site) (operand, error) {
	if a := &s.args[1]; a.constant && !a.null {
		replacements, err := parseCharPattern(a.value.single.Str())
		if err != nil {
			return operand{}, s.fail(err)
		}
		return fixed2(func(ctx *Context, text, _ identity.Value) (Value, error) { return replacements.replace(ctx, text) })(c, s)
	}
	return fixed2(func(ctx *Context, text, pattern identity.Value) (Value, error) {
		if err := ctx.handle(len(pattern.Str()) * 32); err != nil { // each pair takes its time
			return Value{}, err
		}
		replacements, err := parseCharPattern(pattern.Str())
		if err != nil {
			return Value{}, err
		}
		return replacements.replace(ctx, text)
	})(c, s)
}

func (p charPattern) replace(ctx *Context, text identity.Value) (Value, error) {
	s := text.Str()
	if err := ctx.handle(caseWork * len(s)); err != nil {
		return Value{}, err
	}
	affected := func(r rune) bool { _, ok := p[r]; return ok }
	first := strings.IndexFunc(s, affected)
	if first < 0 {
		return Of(text), nil
	}
	var b strings.Builder
	b.Grow(len(s))
	b.WriteString(s[:first])
	for i, size := first, 0; i < len(s); i += size {
		var r rune
		r, size = utf8.DecodeRuneInString(s[i:])
		target, ok := p[r]
		if !ok || r == utf8.RuneError && size == 1 { // a byte that is no character stays
			target = s[i : i+size]
		}
		if b.WriteString(target); b.Len() > max(maxText, len(s)) {
			return Value{}, errTooLong
		}
	}
	return Str(b.String()), nil
}

// randomGUID makes a GUID of version 4 (RFC 9562 §5.4) of the randomness of the
// context.
func randomGUID(ctx *Context) (Value, error) {
	if err := ctx.spend(3 * stepWork); err != nil {
		return Value{}, err
	}
	var b [16]byte
	for i := 0; i < len(b); i += 4 {
		n := ctx.random(1 << 32)
		b[i], b[i+1], b[i+2], b[i+3] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	}
	b[7] = b[7]&0x0f | 0x40 // stored in the little-endian order of formatGUID
	b[8] = b[8]&0x3f | 0x80
	return Str(formatGUID(b)), nil
}
