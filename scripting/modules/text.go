package modules

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/dop251/goja"
	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/scripting/host"
)

var textObject = &host.Object{
	Name:    "TextFunctions",
	Globals: []string{"text"},
	Doc:     "What the language does not know of texts.",
	Members: []host.Member{
		{
			Name: "compare", Signature: "(a: string, b: string, locale?: string): number",
			Doc: "Says how two texts are ordered in a language: -1, 0 or 1. `names.sort((a, b) => text.compare(a, b, \"sv\"))`\n" +
				"puts ä after z. Without a locale it is the order that most languages share.",
			Call: textCompare,
		},
		{
			Name: "ascii", Signature: "(text: string, other?: string): string",
			Doc: "Writes a text in ASCII: letters without their accents, and ss for ß, ae for æ, o for ø, l for ł and so on.\n" +
				"What has no such form, as a letter of another alphabet, becomes other, or is left out: look whether\n" +
				"anything is left.",
			Call: textCall("text.ascii", 2, func(r *arguments) (string, error) {
				s, other := r.text(0, "a text"), r.optionalText(1, "what stands for other characters", "")
				return ascii(s, other)
			}),
		},
		{
			Name: "letters", Signature: "(text: string): string",
			Doc: "Leaves only the letters of a text, of all alphabets: `text.letters(s) === s` says whether there are others.",
			Call: textCall("text.letters", 1, func(r *arguments) (string, error) {
				return strings.Map(func(c rune) rune {
					if unicode.IsLetter(c) || unicode.IsMark(c) {
						return c
					}
					return -1
				}, r.text(0, "a text")), nil
			}),
		},
		{
			Name: "normalize", Signature: "(text: string): string",
			Doc: "Makes texts alike that look alike: accents joined with their letters (NFC), no white space at the ends,\n" +
				"and one space wherever there is white space.",
			Call: textCall("text.normalize", 1, func(r *arguments) (string, error) {
				return norm.NFC.String(strings.Join(strings.Fields(r.text(0, "a text")), " ")), nil
			}),
		},
		{
			Name: "pad", Signature: "(text: string | number, length: number, fill?: string, side?: \"start\" | \"end\"): string",
			Doc: "Fills a text up to a number of characters, at its start or its end: `text.pad(7, 3, \"0\")` is 007. A\n" +
				"longer text stays as it is.",
			Call: textCall("text.pad", 4, pad),
		},
		{
			Name: "title", Signature: "(text: string): string",
			Doc:  "Writes the first letter of each word in upper case and the others in lower case; words in capitals stay.",
			Call: textCall("text.title", 1, func(r *arguments) (string, error) { return expr.TitleCase(r.text(0, "a text")), nil }),
		},
	},
}

// textCall is a function from arguments to a text.
func textCall(name string, most int, f func(*arguments) (string, error)) func(*host.Active, []goja.Value) (goja.Value, error) {
	return func(a *host.Active, args []goja.Value) (goja.Value, error) {
		r := read(a, name, args, most)
		out, err := f(r)
		if r.err != nil {
			return nil, r.err
		}
		if err != nil {
			return nil, err
		}
		return a.Runtime().ToValue(out), nil
	}
}

func textCompare(a *host.Active, args []goja.Value) (goja.Value, error) {
	r := read(a, "text.compare", args, 3)
	x, y, locale := r.text(0, "a text"), r.text(1, "another text"), r.optionalText(2, "a locale", "und")
	if r.err != nil {
		return nil, r.err
	}
	tag, err := language.Parse(locale)
	if err != nil {
		r.fail("knows no locale %q", locale)
		return nil, r.err
	}
	return a.Runtime().ToValue(collatorFor(tag).compare(x, y)), nil
}

// A collator is used by one goroutine at a time.
type collator struct {
	mu sync.Mutex
	c  *collate.Collator
}

func (c *collator) compare(x, y string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.c.CompareString(x, y)
}

// Collators are costly to make: some are kept.
var (
	collatorsMu sync.Mutex
	collators   = map[language.Tag]*collator{}
)

const maxCollators = 64

func collatorFor(tag language.Tag) *collator {
	collatorsMu.Lock()
	defer collatorsMu.Unlock()
	c := collators[tag]
	if c == nil {
		if len(collators) >= maxCollators {
			clear(collators)
		}
		c = &collator{c: collate.New(tag)}
		collators[tag] = c
	}
	return c
}

// letterForms are the letters that no decomposition leads to ASCII, in lower case,
// and signs that are written for those of ASCII.
var letterForms = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'ð': "d", 'đ': "d", 'þ': "th", 'ł': "l", 'ħ': "h", 'ı': "i", 'ŋ': "ng", 'ŧ': "t",
	'ĸ': "k", 'ə': "e", 'ɨ': "i", 'ƀ': "b", 'ɓ': "b", 'ɗ': "d", 'ƒ': "f", 'ǥ': "g", 'ɠ': "g", 'ƙ': "k", 'ɲ': "n", 'ƴ': "y", 'ƶ': "z", 'ȷ': "j",
	'‘': "'", '’': "'", '‚': "'", '‛': "'", 'ʼ': "'", 'ʻ': "'", '′': "'", '“': `"`, '”': `"`, '„': `"`, '«': `"`, '»': `"`,
	'‐': "-", '‑': "-", '‒': "-", '–': "-", '—': "-", '−': "-", '⁄': "/", '·': "-",
}

// ascii writes a text in ASCII.
func ascii(s, other string) (string, error) {
	var b strings.Builder
	for _, c := range norm.NFKD.String(s) {
		switch {
		case c < utf8.RuneSelf:
			b.WriteRune(c)
		case unicode.Is(unicode.Mn, c):
		default:
			form, ok := letterForms[unicode.ToLower(c)]
			switch {
			case !ok:
				form = other
			case unicode.IsUpper(c):
				form = strings.ToUpper(form[:1]) + form[1:]
			}
			b.WriteString(form)
		}
		if b.Len() > max(maxText, len(s)) {
			return "", errTooLong
		}
	}
	return b.String(), nil
}

func pad(r *arguments) (string, error) {
	s, length := r.text(0, "a text"), r.number(1, "a length")
	fill, side := r.optionalText(2, "a character", " "), r.choice(3, "a side", "start", "end")
	if r.err == nil && utf8.RuneCountInString(fill) != 1 {
		r.fail("fills with one character, not %q", fill)
	}
	missing := length - int64(utf8.RuneCountInString(s))
	switch {
	case r.err != nil || missing <= 0:
		return s, nil
	case missing > maxText/utf8.UTFMax:
		return "", errTooLong
	case side == "end":
		return s + strings.Repeat(fill, int(missing)), nil
	}
	return strings.Repeat(fill, int(missing)) + s, nil
}
