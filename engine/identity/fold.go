package identity

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fold returns text as case-insensitive comparisons and indexes see it: every
// character is replaced by one that stands for all its case forms, by Unicode's
// simple case folding, which no language changes. So the Kelvin sign is a k and
// ſ an s, while ß and ss, or İ and i, are different. Bytes that are not UTF-8
// stay as they are.
func Fold(s string) string {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= utf8.RuneSelf:
			return foldText(s)
		case 'A' <= c && c <= 'Z':
			if isASCII(s[i:]) {
				return strings.ToLower(s)
			}
			return foldText(s)
		}
	}
	return s
}

func foldText(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		r, width := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError {
			b.WriteString(s[i : i+width])
		} else {
			b.WriteRune(foldRune(r))
		}
		i += width
	}
	return b.String()
}

// foldRune returns the character that stands for all case forms of r: the lower
// case of the first of them if that is one of them, else the first.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	first := firstForm(r)
	if lower := unicode.ToLower(first); firstForm(lower) == first {
		return lower
	}
	return first
}

func firstForm(r rune) rune {
	first := r
	for form := unicode.SimpleFold(r); form != r; form = unicode.SimpleFold(form) {
		first = min(first, form)
	}
	return first
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// EqualFold reports whether two values are equal when the case of strings is
// ignored, as joins and scoping filters compare them (sync-engine §3.5, §5.2).
// Strings are equal exactly if [Fold] makes them equal.
func EqualFold(a, b Value) bool {
	if a.typ != TypeString || b.typ != TypeString || a.str == b.str {
		return a == b
	}
	// strings.EqualFold does not allocate, but takes all bad bytes for the same.
	return strings.EqualFold(a.str, b.str) &&
		(utf8.ValidString(a.str) && utf8.ValidString(b.str) || Fold(a.str) == Fold(b.str))
}

// FoldedKey returns the text under which the index of an attribute finds the
// value. Two values of the attribute's type have the same key exactly if
// [EqualFold] holds them equal; for references, if both or neither are resolved.
func (v Value) FoldedKey() string {
	if v.typ == TypeString {
		return Fold(v.str)
	}
	return v.Text()
}
