package identity

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseValue(t *testing.T) {
	noon := time.Date(2026, 1, 5, 12, 30, 15, 0, time.UTC)
	tests := []struct {
		typ  Type
		text string
		want Value
		back string // Text of the value, text itself if empty
	}{
		{TypeString, "Ada", String("Ada"), ""},
		{TypeString, "", String(""), ""},
		{TypeString, "  two spaces  ", String("  two spaces  "), ""},
		{TypeString, "\xff\x00", String("\xff\x00"), ""},

		{TypeInteger, "0", Integer(0), ""},
		{TypeInteger, "-1", Integer(-1), ""},
		{TypeInteger, "9223372036854775807", Integer(math.MaxInt64), ""},
		{TypeInteger, "-9223372036854775808", Integer(math.MinInt64), ""},
		{TypeInteger, " +007 ", Integer(7), "7"},

		{TypeBoolean, "true", Boolean(true), ""},
		{TypeBoolean, "false", Boolean(false), ""},
		{TypeBoolean, "TRUE", Boolean(true), "true"},
		{TypeBoolean, " False ", Boolean(false), "false"},
		{TypeBoolean, "1", Boolean(true), "true"},
		{TypeBoolean, "0", Boolean(false), "false"},

		{TypeBinary, "", Binary(nil), ""},
		{TypeBinary, "AP8=", Binary([]byte{0, 255}), ""},
		{TypeBinary, " AP8=\n", Binary([]byte{0, 255}), "AP8="},

		{TypeDateTime, "2026-01-05 12:30:15.000", DateTime(noon), ""},
		{TypeDateTime, "2026-01-05 12:30:15.123", DateTime(noon.Add(123 * time.Millisecond)), ""},
		{TypeDateTime, "2026-01-05 12:30:15.123456", DateTime(noon.Add(123456 * time.Microsecond)), ""},
		{TypeDateTime, "2026-01-05 12:30:15.000001", DateTime(noon.Add(time.Microsecond)), ""},
		{TypeDateTime, "2026-01-05 12:30:15", DateTime(noon), "2026-01-05 12:30:15.000"},
		{TypeDateTime, "2026-01-05", DateTime(noon.Truncate(24 * time.Hour)), "2026-01-05 00:00:00.000"},
		{TypeDateTime, "2026-01-05T12:30:15", DateTime(noon), "2026-01-05 12:30:15.000"},
		{TypeDateTime, "2026-01-05T12:30:15Z", DateTime(noon), "2026-01-05 12:30:15.000"},
		{TypeDateTime, "2026-01-05T14:30:15+02:00", DateTime(noon), "2026-01-05 12:30:15.000"},
		{TypeDateTime, "2026-01-05T12:30:15.1234567Z", DateTime(noon.Add(123456 * time.Microsecond)), "2026-01-05 12:30:15.123456"},
		{TypeDateTime, "20260105123015Z", DateTime(noon), "2026-01-05 12:30:15.000"},
		{TypeDateTime, "20260105123015.0Z", DateTime(noon), "2026-01-05 12:30:15.000"},
		{TypeDateTime, "20260105143015+0200", DateTime(noon), "2026-01-05 12:30:15.000"},
		{TypeDateTime, "0000-01-01 00:00:00.000", DateTime(time.UnixMicro(minMicro)), ""},
		{TypeDateTime, "9999-12-31 23:59:59.999999", DateTime(time.UnixMicro(maxMicro)), ""},
		{TypeDateTime, "1969-12-31 23:59:59.999", DateTime(time.UnixMilli(-1)), ""},

		{TypeReference, "CN=Ada,DC=example", Reference("CN=Ada,DC=example"), ""},
	}
	for _, test := range tests {
		t.Run(test.typ.String()+" "+test.text, func(t *testing.T) {
			got, err := ParseValue(test.typ, test.text)
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("got %#v, want %#v", got, test.want)
			}
			want := test.back
			if want == "" {
				want = test.text
			}
			if got.Text() != want || got.String() != want {
				t.Errorf("Text() = %q, String() = %q, want %q", got.Text(), got.String(), want)
			}
			if got.Type() != test.typ {
				t.Errorf("Type() = %s", got.Type())
			}
		})
	}
}

func TestParseValueErrors(t *testing.T) {
	tests := []struct {
		typ  Type
		text string
		name string
	}{
		{TypeInteger, "", "invalid-numeric-value"},
		{TypeInteger, "1.0", "invalid-numeric-value"},
		{TypeInteger, "0x10", "invalid-numeric-value"},
		{TypeInteger, "1_000", "invalid-numeric-value"},
		{TypeInteger, "9223372036854775808", "invalid-numeric-value"},
		{TypeInteger, "-9223372036854775809", "invalid-numeric-value"},
		{TypeBoolean, "", "invalid-boolean-value"},
		{TypeBoolean, "yes", "invalid-boolean-value"},
		{TypeBoolean, "2", "invalid-boolean-value"},
		{TypeBinary, "A", "invalid-base64-value"},
		{TypeBinary, "AP8", "invalid-base64-value"},
		{TypeBinary, "AP_-", "invalid-base64-value"},
		{TypeDateTime, "", "datetime-string-format-incorrect"},
		{TypeDateTime, "yesterday", "datetime-string-format-incorrect"},
		{TypeDateTime, "2026-02-30 00:00:00.000", "datetime-string-format-incorrect"},
		{TypeDateTime, "2026-01-05 24:00:00.000", "datetime-string-format-incorrect"},
		{TypeDateTime, "05.01.2026", "datetime-string-format-incorrect"},
		{TypeDateTime, "10000-01-01 00:00:00.000", "datetime-string-format-incorrect"},
		{0, "x", "unsupported-value-type"},
		{TypeReference + 1, "x", "unsupported-value-type"},
	}
	for _, test := range tests {
		got, err := ParseValue(test.typ, test.text)
		var parse *ParseError
		if !errors.As(err, &parse) {
			t.Errorf("ParseValue(%s, %q) = %v, %v; want a ParseError", test.typ, test.text, got, err)
			continue
		}
		if want := (ParseError{test.name, test.typ, test.text}); *parse != want {
			t.Errorf("got %#v, want %#v", *parse, want)
		}
		if got != (Value{}) {
			t.Errorf("ParseValue(%s, %q) returns %#v beside an error", test.typ, test.text, got)
		}
		if message := err.Error(); !strings.HasPrefix(message, test.name+": ") || !strings.Contains(message, test.typ.String()) {
			t.Errorf("message %q", message)
		}
	}
}

func TestTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawValue(t, "value")
		if v.Ref() != 0 {
			t.Skip("the text of a resolved reference is an id")
		}
		back, err := ParseValue(v.Type(), v.Text())
		if err != nil || back != v {
			t.Fatalf("%#v has the text %q, which parses as %#v, %v", v, v.Text(), back, err)
		}
	})
}

func FuzzParseValue(f *testing.F) {
	for _, text := range []string{"", "true", "-12", "AP8=", "2026-01-05 12:30:15.123", "20260105143015.5+0200", "cn=a"} {
		for typ := range len(typeNames) {
			f.Add(uint8(typ), text)
		}
	}
	f.Fuzz(func(t *testing.T, typ uint8, text string) {
		v, err := ParseValue(Type(typ), text)
		if err != nil {
			return
		}
		if micro := v.Int(); v.Type() == TypeDateTime && (micro < minMicro || micro > maxMicro) {
			t.Skip("a zone moved it out of the years that have a text")
		}
		back, err := ParseValue(v.Type(), v.Text())
		if err != nil || back != v {
			t.Errorf("%q parsed as %#v, whose text %q parses as %#v, %v", text, v, v.Text(), back, err)
		}
	})
}

func TestTypeNames(t *testing.T) {
	for typ := TypeString; typ <= TypeReference; typ++ {
		if back, ok := ParseType(typ.String()); !ok || back != typ {
			t.Errorf("ParseType(%q) = %v, %t", typ.String(), back, ok)
		}
	}
	for _, name := range []string{"", "String", "type(0)", "number"} {
		if typ, ok := ParseType(name); ok || typ != 0 {
			t.Errorf("ParseType(%q) = %v, %t", name, typ, ok)
		}
	}
	if got := Type(0).String(); got != "type(0)" {
		t.Errorf("Type(0) = %q", got)
	}
	if got := Type(99).String(); got != "type(99)" {
		t.Errorf("Type(99) = %q", got)
	}
}

func TestValueAccessors(t *testing.T) {
	raw := []byte{1, 2}
	binary := Binary(raw)
	raw[0] = 9
	if binary.Str() != "\x01\x02" {
		t.Error("Binary does not copy")
	}
	at := time.Date(2026, 1, 5, 14, 0, 0, 1999, time.FixedZone("", 7200))
	if got, want := DateTime(at).Time(), time.Date(2026, 1, 5, 12, 0, 0, 1000, time.UTC); got != want {
		t.Errorf("Time() = %v, want %v", got, want)
	}
	id := NewID(65535, 7)
	if got := ReferenceTo(id); got.Ref() != id || got.Text() != id.String() || got.Str() != "" {
		t.Errorf("ReferenceTo: Ref %v, Text %q, Str %q", got.Ref(), got.Text(), got.Str())
	}
	if got := Reference("cn=a"); got.Ref() != 0 || got.Str() != "cn=a" {
		t.Errorf("Reference: Ref %v, Str %q", got.Ref(), got.Str())
	}
	if got := Integer(7).Ref(); got != 0 {
		t.Errorf("an integer refers to %v", got)
	}
	if !Boolean(true).Bool() || Boolean(false).Bool() || Integer(-3).Int() != -3 {
		t.Error("Bool or Int")
	}
	var zero Value
	if zero.Type() != 0 || zero.Text() != "" || zero.Ref() != 0 {
		t.Error("the zero Value is something")
	}
}

func TestValueJSON(t *testing.T) {
	values := []Value{
		String("a\"b"), Integer(math.MaxInt64), Boolean(true), Binary([]byte{0, 255}),
		DateTime(time.Date(2026, 1, 5, 12, 30, 15, 500_000_000, time.UTC)), Reference("cn=a"), ReferenceTo(NewID(1, 2)),
		{},
	}
	seen := make([]any, len(values))
	for i, v := range values {
		seen[i] = v.JSON()
	}
	got, err := json.Marshal(seen)
	if err != nil {
		t.Fatal(err)
	}
	want := `["a\"b",9223372036854775807,true,"AP8=","2026-01-05T12:30:15.5Z","cn=a","0001-000000000002",null]`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestCompareOrder(t *testing.T) {
	ascending := []Value{
		{},
		String(""), String("A"), String("B"), String("a"), String("é"),
		Integer(math.MinInt64), Integer(-1), Integer(0), Integer(1), Integer(math.MaxInt64),
		Boolean(false), Boolean(true),
		Binary(nil), Binary([]byte{0}), Binary([]byte{255}),
		DateTime(time.UnixMicro(-1)), DateTime(time.UnixMicro(0)),
		Reference("cn=a"), Reference("cn=b"), ReferenceTo(1), ReferenceTo(2),
	}
	for i, a := range ascending {
		for j, b := range ascending {
			want := min(1, max(-1, i-j))
			if got := Compare(a, b); got != want {
				t.Errorf("Compare(%#v, %#v) = %d, want %d", a, b, got, want)
			}
		}
	}
}

// A normalized set holds exactly the given values, each once and in order;
// normalizing again changes nothing, and the order given does not matter.
func TestNormalizeLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		given := make([]Value, rapid.IntRange(0, 20).Draw(t, "count"))
		model := make(map[Value]bool)
		for i := range given {
			if given[i] = drawValue(t, "value"); rapid.IntRange(0, 9).Draw(t, "none") == 0 {
				given[i] = Value{}
			}
			if given[i] != (Value{}) {
				model[given[i]] = true
			}
		}
		shuffled := rapid.Permutation(given).Draw(t, "shuffled")
		set := Normalize(slices.Clone(given))
		checkNormalized(t, set)
		if len(set) != len(model) {
			t.Fatalf("%d values of %d different ones", len(set), len(model))
		}
		if !slices.Equal(set, Normalize(slices.Clone(shuffled))) {
			t.Fatal("the order given matters")
		}
		if !slices.Equal(set, Normalize(slices.Clone(set))) {
			t.Fatal("normalizing twice changes the set")
		}
		probe := drawValue(t, "probe")
		for v := range model {
			if !Contains(set, v) {
				t.Fatalf("%v is lost", v)
			}
		}
		if Contains(set, probe) != model[probe] {
			t.Fatalf("Contains(%v) = %t", probe, !model[probe])
		}
	})
}

func TestNormalizeOfLittle(t *testing.T) {
	if got := Normalize(nil); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
	if got := Normalize([]Value{{}}); len(got) != 0 {
		t.Errorf("of no value: %v", got)
	}
	if got := Normalize([]Value{String("")}); !slices.Equal(got, []Value{String("")}) {
		t.Errorf("the empty string is a value, got %v", got)
	}
	if Contains(nil, String("")) {
		t.Error("nothing contains something")
	}
}
