package expr

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
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

// entraValue evaluates an expression of the Entra dialect over attributes.
func entraValue(t *rapid.T, source string, object identity.Attributes) Value {
	program, err := Compile(source, Options{Dialect: Entra})
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	v, err := program.Eval(&Context{Object: object})
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return v
}

// TestEntraLaws: what one function makes, its counterpart takes back; and what
// one finds is there.
func TestEntraLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.StringN(1, 3, -1).Draw(t, "b")
		at := time.UnixMicro(rapid.Int64Range(-11_644_473_600_000_000, 253_402_300_799_999_999).Draw(t, "at"))
		raw := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "raw")
		object := identity.Attributes{}.Set("a", identity.String(a)).Set("b", identity.String(b)).Set("text", identity.String(a+b+a)).
			Set("at", identity.DateTime(at)).Set("raw", identity.Binary(raw)).Set("c", identity.String(string([]rune(b)[:1])))
		for _, source := range []string{
			`ConvertFromBase64(ConvertToBase64([a])) = [a]`, `ConvertFromUTF8Hex(ConvertToUTF8Hex([a])) = [a]`,
			`DateFromNum(NumFromDate([at])) = [at]`, `CGuid(StringFromGuid([raw])) = [raw]`, `IsGuid(StringFromGuid([raw]))`,
			`([a] = "") || (Join(Split([a], [c]), [c]) = [a])`, `(Count(Split([text], [c], 2)) = 2)`,
			`Mid([text], InStr([text], [b]), Len([b])) = [b]`, `Mid([text], InStrRev([text], [b]), Len([b])) = [b]`,
			`InStr([text], [b]) <= InStrRev([text], [b])`, `InStr([text], [b], InStrRev([text], [b])) = InStrRev([text], [b])`,
			`InStr([text], [b], 1, vbTextCompare) <= InStr([text], [b])`,
			`Contains([text], [b]) = 1`, `Len(Left([text], Len([a]))) = Len([a])`,
			`IIF(IsNumeric([b]), CStr(CNum([b])) <> NULL, True)`, `IIF(IsDate([b]), IsDate(CDate([b])), True)`,
			`CNum(CStr(Len([text]))) = Len([text])`, `CDate(FormatDateTime([at], "yyyy-MM-dd HH:mm:ss.ffffff")) = [at]`,
			`ReplaceChars([text], "ö:ö,ß:ß") = [text]`,
		} {
			if v, _ := entraValue(t, source, object).Single(); !v.Bool() {
				t.Errorf("%s does not hold", source)
			}
		}
	})
}

// TestDateAddLaws: days added are days taken away again, and a month later is the
// next month.
func TestDateAddLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(-11_644_473_600_000_000, 240_000_000_000_000_000).Draw(t, "at")).UTC()
		n := rapid.Int64Range(-10_000, 10_000).Draw(t, "n")
		object := identity.Attributes{}.Set("at", identity.DateTime(at)).Set("n", identity.Integer(n))
		for _, interval := range []string{"d", "y", "w", "ww", "h", "n", "s"} {
			source := `DateAdd("` + interval + `", 0-[n], DateAdd("` + interval + `", [n], [at])) = [at]`
			if v, _ := entraValue(t, source, object).Single(); !v.Bool() {
				t.Errorf("%s does not hold", source)
			}
		}
		v, _ := entraValue(t, `DateAdd("m", 1, [at])`, object).Single()
		next := v.Time()
		if months := (next.Year()-at.Year())*12 + int(next.Month()-at.Month()); months != 1 || next.Day() > at.Day() || next.Day() < min(at.Day(), 28) {
			t.Errorf("a month after %v is %v", at, next)
		}
	})
}
