package expr

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/metasync/metasync/engine/identity"
)

// normalizeFunctions rewrite whole texts.
var normalizeFunctions = []Function{
	{
		Name: "NormalizeString", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeString,
		Doc:    "The text without accents and other marks, and with ligatures and other special forms in plain letters. Before that, the substitutions are made: old:new, separated by |, as in NormalizeString(sn, \"Ä:Ae|ß:ss\").",
		Params: []Param{param("text", Text), param("substitutions", Text).whenNull(passNull).optional()}, build: withOptional(normalizeString),
	},
	{
		Name: "TitleCase", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeString,
		Doc:    "The text with the first letter of each word in upper case and the others in lower case, but for words in capitals, which stay: they are taken for acronyms.",
		Params: []Param{param("text", Text)}, build: textToText(titleCase, properCaseWork),
	},
	{
		Name: "Length", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeInteger,
		Doc:    "How many characters the text has; 0 for null.",
		Params: []Param{param("text", Text).whenNull(passNull)},
		build: fixed1(func(_ *Context, text identity.Value) (Value, error) {
			return Int(int64(utf8.RuneCountInString(text.Str()))), nil
		}),
	},
	{
		Name: "CR", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeString,
		Doc:   "A carriage return.",
		build: fixed0(func(*Context) (Value, error) { return Str("\r"), nil }),
	},
	{
		Name: "WrapXPathFilter", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeString,
		Doc:    "The XPath as the filter of a set or group of the FIM Service, which is XML: write &lt; for < in it.",
		Params: []Param{param("xpath", Text)}, build: fixed1(wrapXPathFilter),
	},
}

// normalizeString decomposes every character and drops the marks.
func normalizeString(_ *Context, text, substitutions, _ identity.Value) (Value, error) {
	s, err := substitute(text.Str(), substitutions.Str())
	if err != nil {
		return Value{}, err
	}
	var b strings.Builder
	var decomposed norm.Iter
	for decomposed.InitString(norm.NFKD, s); !decomposed.Done(); {
		for _, r := range string(decomposed.Next()) {
			if !unicode.Is(unicode.Mn, r) {
				b.WriteRune(r)
			}
		}
		if b.Len() > max(maxText, len(s)) {
			return Value{}, errTooLong
		}
	}
	return Str(b.String()), nil
}

// substitute makes replacements, old:new separated by |, one after the other.
func substitute(s, pairs string) (string, error) {
	for pair := range strings.SplitSeq(pairs, "|") {
		if pair == "" {
			continue
		}
		from, to, ok := strings.Cut(pair, ":")
		from, to = strings.TrimSpace(from), strings.TrimSpace(to)
		if !ok || from == "" || strings.Contains(to, ":") {
			return "", errors.New("substitutions are written old:new, separated by |")
		}
		if growth := len(to) - len(from); growth > 0 && len(s)+strings.Count(s, from)*growth > maxText {
			return "", errTooLong
		}
		s = strings.ReplaceAll(s, from, to)
	}
	return s, nil
}

// titleCase finds words as .NET does: they begin with a letter, and go on to
// white space, punctuation or a symbol, but for the apostrophe.
func titleCase(s string) string {
	var b strings.Builder
	for s != "" {
		start := strings.IndexFunc(s, unicode.IsLetter)
		if start < 0 {
			break
		}
		b.WriteString(s[:start])
		s = s[start:]
		end := strings.IndexFunc(s, endsWord)
		if end < 0 {
			end = len(s)
		}
		word := s[:end]
		s = s[end:]
		if strings.IndexFunc(word, unicode.IsLower) < 0 {
			b.WriteString(word)
			continue
		}
		first, size := utf8.DecodeRuneInString(word)
		b.WriteRune(unicode.ToTitle(first))
		b.WriteString(strings.ToLower(word[size:]))
	}
	b.WriteString(s)
	return b.String()
}

func endsWord(r rune) bool {
	return r != '\'' && (unicode.IsSpace(r) || unicode.IsPunct(r) || unicode.IsSymbol(r) || unicode.IsControl(r))
}

const (
	filterOpening = `<Filter xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema" ` +
		`Dialect="http://schemas.microsoft.com/2006/11/XPathFilterDialect" xmlns="http://schemas.xmlsoap.org/ws/2004/09/enumeration">`
	filterClosing = `</Filter>`
)

// wrapXPathFilter refuses what would not be the text of one element.
func wrapXPathFilter(_ *Context, xpath identity.Value) (Value, error) {
	if len(xpath.Str()) > maxText-len(filterOpening)-len(filterClosing) {
		return Value{}, errTooLong
	}
	filter := filterOpening + xpath.Str() + filterClosing
	elements := 0
	for d := xml.NewDecoder(strings.NewReader(filter)); ; {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && elements == 1:
			return Str(filter), nil
		case err != nil:
			return Value{}, errBadFilter
		}
		switch token.(type) {
		case xml.StartElement:
			elements++
		case xml.CharData, xml.EndElement:
		default:
			return Value{}, errBadFilter
		}
	}
}

var errBadFilter = errors.New("the XPath cannot stand in XML; write &lt; for < and &amp; for &")
