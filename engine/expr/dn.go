package expr

import (
	"encoding/hex"
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/identity"
)

// A NameStyle is the form of distinguished names in a connected system; it
// decides what EscapeDNComponent escapes (sync-engine §6.4).
type NameStyle uint8

// The name styles.
const (
	LDAPNames         NameStyle = iota // attribute=value pairs
	HierarchicalNames                  // components without attributes, separated by commas
	PlainNames                         // one component, built from anchor values, as in files and tables
)

var dnFunctions = []Function{
	{
		Name: "EscapeDNComponent", Dialects: everywhere, Source: bothText, Result: identity.TypeString,
		Doc:    "The text, escaped for use as the value of a component of a distinguished name of the target system.",
		Params: []Param{param("text", Text)}, build: buildEscapeDN,
	},
}

func buildEscapeDN(c *compiler, s *site) (operand, error) {
	escape := escapeLDAP
	switch c.opts.Names {
	case HierarchicalNames:
		escape = escapeHierarchical
	case PlainNames:
		escape = escapePlain
	}
	return fixed1(func(_ *Context, x identity.Value) (Value, error) {
		if len(x.Str()) > maxText/4 { // escaping makes at most four bytes of one
			return Value{}, errTooLong
		}
		out, err := escape(x.Str())
		return Str(out), err
	})(c, s)
}

// escapeLDAP escapes every special character wherever it stands, a leading and
// a trailing space, and writes what XML cannot hold in hexadecimal digits.
func escapeLDAP(s string) (string, error) {
	if s == "" || s[0] != ' ' && s[len(s)-1] != ' ' && !strings.ContainsAny(s, `,=+<>#;\"`) && validXML(s) {
		return s, nil
	}
	var b strings.Builder
	b.Grow(len(s) + 8)
	for i, size := 0, 0; i < len(s); i += size {
		var r rune
		r, size = utf8.DecodeRuneInString(s[i:])
		switch {
		case !isXML(r) || r == utf8.RuneError && size == 1:
			for _, c := range []byte(s[i : i+size]) {
				b.WriteByte('\\')
				b.WriteString(hex.EncodeToString([]byte{c}))
			}
			continue
		case r == ' ' && (i == 0 || i+1 == len(s)), strings.ContainsRune(`,=+<>#;\"`, r):
			b.WriteByte('\\')
		}
		b.WriteString(s[i : i+size])
	}
	return b.String(), nil
}

// escapeHierarchical escapes commas, backslashes and a trailing space.
func escapeHierarchical(s string) (string, error) {
	if !validXML(s) {
		return "", errors.New("the text holds a character that no name may hold")
	}
	return escapeChars(s, `,\`), nil
}

// escapePlain escapes what joins the parts of a name; a text that XML cannot
// hold is written as the hexadecimal digits of its UTF-16LE bytes after #.
func escapePlain(s string) (string, error) {
	if validXML(s) {
		return escapeChars(s, `\,+#`), nil
	}
	var raw []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		raw = append(raw, byte(unit), byte(unit>>8))
	}
	return "#" + hex.EncodeToString(raw), nil
}

func escapeChars(s, chars string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(chars, s[i]) >= 0 || s[i] == ' ' && i == len(s)-1 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func validXML(s string) bool {
	for _, r := range s {
		if !isXML(r) {
			return false
		}
	}
	return utf8.ValidString(s)
}

// isXML reports whether XML 1.0 allows the character.
func isXML(r rune) bool {
	return r >= ' ' && r != 0xFFFE && r != 0xFFFF || r == '\t' || r == '\n' || r == '\r'
}
