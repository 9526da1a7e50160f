package identity

import (
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

func TestFold(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", ""},
		{"ada", "ada"},
		{"Ada LOVELACE 1", "ada lovelace 1"},
		{"MÜLLER", "müller"},
		{"müller", "müller"},
		{"\u212A", "k"},              // Kelvin sign
		{"\u212B", "å"},              // Ångström sign
		{"\u017F", "s"},              // long s
		{"ΣΊΣΥΦΟΣ", "σίσυφοσ"},       // one sigma, whatever its place
		{"σίσυφος", "σίσυφοσ"},       //
		{"ß", "ß"},                   // not ss
		{"\u1E9E", "ß"},              // capital ß
		{"İ", "İ"},                   // dotted I: no language's rules
		{"ı", "ı"},                   // dotless i
		{"I", "i"},                   //
		{"Ǆ", "ǆ"},                   // three forms: upper, title, lower
		{"ǅ", "ǆ"},                   //
		{"Ꭰ", "ꭰ"},                   // Cherokee: the small letters came later
		{"A\xffB\x80", "a\xffb\x80"}, // not UTF-8
		{"A\uFFFDB", "a\uFFFDb"},
		{"Äa\xe2\x84K", "äa\xe2\x84k"}, // the first bytes of a Kelvin sign
	}
	for _, test := range tests {
		if got := Fold(test.text); got != test.want {
			t.Errorf("Fold(%q) = %q, want %q", test.text, got, test.want)
		}
	}
}

func TestEqualFold(t *testing.T) {
	tests := []struct {
		a, b Value
		want bool
	}{
		{String("Ada"), String("aDA"), true},
		{String("Ada"), String("Adb"), false},
		{String("K"), String("\u212A"), true},
		{String("ss"), String("ß"), false},
		{String("s"), String("ſ"), true},
		{String("i"), String("İ"), false},
		{String("I"), String("ı"), false},
		{String("ς"), String("Σ"), true},
		{String("\xff"), String("\xfe"), false},
		{String("\xff"), String("\uFFFD"), false},
		{String("A\xff"), String("a\xff"), true},
		{String("a"), String(""), false},
		{String("1"), Integer(1), false},
		{Integer(1), Integer(1), true},
		{Binary([]byte("A")), Binary([]byte("a")), false},
		{Reference("CN=A"), Reference("cn=a"), false},
		{Value{}, Value{}, true},
		{Value{}, String(""), false},
	}
	for _, test := range tests {
		if got := EqualFold(test.a, test.b); got != test.want {
			t.Errorf("EqualFold(%#v, %#v) = %t", test.a, test.b, got)
		}
		if got := EqualFold(test.b, test.a); got != test.want {
			t.Errorf("EqualFold(%#v, %#v) = %t", test.b, test.a, got)
		}
	}
}

// Fold is one character of each group that simple case folding holds equal, for
// every character there is.
func TestFoldEveryCharacter(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if 0xD800 <= r && r <= 0xDFFF {
			continue // surrogates are not characters
		}
		s := string(r)
		folded := Fold(s)
		if !strings.EqualFold(s, folded) {
			t.Errorf("Fold(%q) = %q, which is not a case form of it", s, folded)
		}
		if next := string(unicode.SimpleFold(r)); Fold(next) != folded {
			t.Errorf("%q folds to %q, but its case form %q to %q", s, folded, next, Fold(next))
		}
	}
}

// drawCased draws text in which case forms of the same characters, and bytes
// that are not UTF-8, meet often.
func drawCased(t *rapid.T, label string) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{
		"k", "K", "\u212A", "s", "S", "ſ", "ss", "ß", "\u1E9E", "i", "I", "İ", "ı", "å", "Å", "\u212B", "σ", "ς", "Σ", "\u0307",
		"\xff", "\xfe", "\x80", "\xe2\x84", "\xe2", "\uFFFD",
	}), 0, 3).Draw(t, label), "")
}

func TestFoldedKeyLaw(t *testing.T) {
	t.Run("strings", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			checkFoldedKey(t, String(drawCased(t, "a")), String(drawCased(t, "b")))
		})
	})
	t.Run("case forms", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			text := rapid.String().Draw(t, "text")
			for _, other := range []string{strings.ToUpper(text), strings.ToLower(text), strings.ToTitle(text), Fold(text)} {
				checkFoldedKey(t, String(text), String(other))
			}
			if Fold(Fold(text)) != Fold(text) {
				t.Fatalf("folding %q twice is not folding once", text)
			}
		})
	})
	t.Run("every type", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			a, b := drawValue(t, "a"), drawValue(t, "b")
			checkFoldedKey(t, a, a)
			if a.Type() == b.Type() && (a.Ref() == 0) == (b.Ref() == 0) {
				checkFoldedKey(t, a, b)
			}
		})
	})
	t.Run("datetimes that differ by little", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			small := rapid.Int64Range(0, 2000)
			checkFoldedKey(t, Value{typ: TypeDateTime, num: small.Draw(t, "a")}, Value{typ: TypeDateTime, num: small.Draw(t, "b")})
		})
	})
}

func checkFoldedKey(t *rapid.T, a, b Value) {
	if equal, sameKey := EqualFold(a, b), a.FoldedKey() == b.FoldedKey(); equal != sameKey {
		t.Fatalf("EqualFold(%#v, %#v) = %t, but the keys are %q and %q", a, b, equal, a.FoldedKey(), b.FoldedKey())
	}
}

func TestEqualFoldAllocatesNothing(t *testing.T) {
	a, b := String("Müller-LÜDENSCHEIDT"), String("MÜLLER-Lüdenscheidt")
	if n := testing.AllocsPerRun(100, func() { EqualFold(a, b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkFold(b *testing.B) {
	for _, s := range []string{"ada.lovelace@example.org", "Ada.Lovelace@Example.org", "Jürgen.Müller@Example.org"} {
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Fold(s)
			}
		})
	}
}
