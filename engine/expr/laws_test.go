package expr

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/identity"
)

// evalWith evaluates an expression over the attributes a and b.
func evalWith(t *rapid.T, source string, a, b string) string {
	object := identity.Attributes{}.Set("a", identity.String(a)).Set("b", identity.String(b))
	got, err := evaluate(source, Options{}, object)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	single, _ := got.Single()
	return single.Text()
}

// TestTextLaws: parts of a text, put together, are the text.
func TestTextLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		length := utf8.RuneCountInString(a)
		n := rapid.IntRange(1, length+1).Draw(t, "n")
		count := strconv.Itoa(n)

		if got := evalWith(t, "a + b", a, b); got != a+b {
			t.Errorf("a + b = %q", got)
		}
		if rest := length - n; rest >= 0 {
			if got := evalWith(t, "Left(a, "+count+") + Right(a, "+strconv.Itoa(rest)+")", a, b); got != a {
				t.Errorf("Left and Right give %q", got)
			}
			if got := evalWith(t, "Mid(a, 1, "+count+")", a, b); got != evalWith(t, "Left(a, "+count+")", a, b) {
				t.Errorf("Mid from 1 gives %q", got)
			}
		}
		padded := evalWith(t, `LeftPad(a, `+strconv.Itoa(length+n)+`, "*")`, a, b)
		if padded != strings.Repeat("*", n)+a {
			t.Errorf("LeftPad gives %q", padded)
		}
		// Words between delimiters: as many as the delimiters and one.
		text := strings.Join([]string{a, b, a}, ";")
		words := strings.Split(text, ";")
		for i, word := range words {
			if got := evalWith(t, `Word(a, `+strconv.Itoa(i+1)+`, ";")`, text, b); got != word {
				t.Errorf("word %d is %q, want %q", i+1, got, word)
			}
		}
	})
}

// TestEscapedNamesParse: an escaped component, put into a DN, is read back as
// the text that it was.
func TestEscapedNamesParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		runes := rapid.SliceOfN(rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune(` ,=+<>#;\"a`+"\x00\x1f"))), 1, 12)
		text := string(runes.Draw(t, "text"))
		dn, err := identity.ParseDN(evalWith(t, `"CN=" + EscapeDNComponent(a) + ",DC=x"`, text, ""))
		if err != nil {
			t.Fatal(err)
		}
		want := identity.DN{{{Type: "CN", Value: text}}, {{Type: "DC", Value: "x"}}}
		if !slices.EqualFunc(dn, want, slices.Equal[identity.RDN]) {
			t.Errorf("got %q, want %q", dn, want)
		}
	})
}
