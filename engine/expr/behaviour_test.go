package expr

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

var person = map[string]any{
	"givenName": "Ada", "sn": "Lovelace", "empty": "", "phones": []any{"1", "2"}, "one": []any{"1"},
	"age": 36, "active": true, "born": map[string]any{"$dt": "1815-12-10T01:02:03.04Z"},
	"photo": map[string]any{"$bin": "ffd8"}, "manager": map[string]any{"$ref": "CN=Byron,DC=x"},
	"path": `\\server\tom`, "lines": "a\r\nb\tc", "umlaut": "Grüße", "number": " 0x1F ", "long": strings.Repeat("x", maxText/2+1),
	"with space": "yes",
}

// behaviour is what the language does where the documented examples are silent.
// A want of type wantError is a part of the error's text.
type wantError string

var behaviour = []struct {
	source string
	want   any
}{
	// literals and syntax
	{`"say ""hi"""`, `say "hi"`},
	{`""`, ""},
	{"-15", int64(-15)},
	{"0x1F", int64(31)},
	{"&HfF", int64(255)},
	{"0xFFFFFFFFFFFFFFFF", int64(-1)},
	{"TRUE", true},
	{"false", false},
	{"Null", nil},
	{"null()", nil},
	{"authoritativeNull", map[string]any{"$literal": "AuthoritativeNull"}},
	{"IIF(IsPresent(missing), 1, IgnoreThisFlow)", map[string]any{"$literal": "IgnoreThisFlow"}},
	{"crlf", "\r\n"},
	{"givenName+CRLF+sn", "Ada\r\nLovelace"},
	{"[with space]", "yes"},
	{"[ sn ]", "Lovelace"},
	{"$p", "parameter"},
	{"(givenName)", "Ada"},
	{"  uppercase ( sn )\n", "LOVELACE"},
	{`CustomExpression("a" + CustomExpression("b"))`, "ab"},
	{"phones", []any{"1", "2"}},
	{"missing", nil},

	// concatenation
	{`givenName + " " + sn`, "Ada Lovelace"},
	{`1 + 2 + age + active`, "1236true"},
	{`"born " + born`, "born 1815-12-10 01:02:03.040"},
	{`"<" + manager + ">"`, "<CN=Byron,DC=x>"},
	{`"CN=" + missing + ",DC=x"`, nil},
	{`"x" + LowerCase(missing)`, nil},
	{`"x" + Left(missing, 1)`, "x"},
	{`"x" + Null() + RightPad("", 9999999, "x")`, nil}, // stops at null
	{`"" + empty`, ""},
	{`"a"+"b"+"c"+"d"+"e"+"f"+"g"+"h"+"i"+"j"`, "abcdefghij"},
	{`one + "!"`, "1!"},
	{`phones + "!"`, wantError("one value, not 2")},
	{`photo + "!"`, wantError("must be text, not 2 bytes of binary")},
	{`resolved + "!"`, wantError("must be text, not a reference")},
	{`long + long`, wantError("more than 1048576 bytes")},

	// conditions
	{`IIF(missing, 1, 2)`, int64(2)},
	{`IIF(active, 1, 2)`, int64(1)},
	{`IIF("FALSE", 1, 2)`, int64(2)},
	{`IIF(sn, 1, 2)`, wantError(`must be true or false, not "Lovelace"`)},
	{`IIF(age, 1, 2)`, wantError("must be true or false, not 36")},
	{`IIF(IsPresent(missing), RandomNum(2, 1), "lazy")`, "lazy"},
	{`IIF(true, RandomNum(2, 1), 1)`, wantError("the start is greater than the end")},
	{`IIF(IsPresent(empty), phones, 1)`, []any{"1", "2"}},
	{`IsPresent(phones)`, true},
	{`IsPresent(missing)`, false},
	{`IsPresent(Null())`, false},
	{`Eq(missing, missing)`, false},
	{`NotEquals(missing, missing)`, true},
	{`NotEquals(missing, "")`, true},
	{`NotEquals(age, 36)`, false},
	{`Eq(sn, "lovelace")`, false},
	{`Eq(LowerCase(sn), "lovelace")`, true},
	{`Eq(age, "36")`, true},
	{`Eq("0x24", age)`, true},
	{`Eq(age, "many")`, false},
	{`Eq(active, "True")`, true},
	{`Eq(born, "1815-12-10 01:02:03.04")`, true},
	{`Eq(manager, "CN=Byron,DC=x")`, true},
	{`Eq(photo, "ffd8")`, false},
	{`Eq(phones, "1")`, wantError("must be one value, not 2 values")},
	{`LessThan(missing, 1)`, false},
	{`GreaterThanOrEquals(1, missing)`, false},
	{`GreaterThanOrEquals(number, 31)`, true},
	{`LessThanOrEquals(32, number)`, false},
	{`LessThan(sn, 1)`, wantError(`must be a whole number, not "Lovelace"`)},
	{`LessThan(active, 1)`, wantError("must be a whole number, not true")},

	// text
	{`UpperCase("straße")`, "STRAßE"},
	{`LowerCase(missing)`, nil},
	{`LowerCase(empty)`, ""},
	{`LowerCase(age)`, "36"},
	{`ProperCase("$TEsT o'NEIL-smith 3COM")`, "$Test O'neil-smith 3Com"},
	{`ProperCase("britta simon")`, "Britta Simon"},
	{`LTrim(" Test ")`, "Test "},
	{`Trim(lines + CRLF)`, "a\r\nb\tc"},
	{`Trim(missing)`, nil},
	{`LeftPad(missing, 5, "0")`, ""},
	{`LeftPad(age, 5, "0")`, "00036"},
	{`RightPad(umlaut, 7, "ß")`, "Grüßeßß"},
	{`LeftPad(sn, -1, "0")`, "Lovelace"},
	{`LeftPad(sn, missing, "0")`, nil},
	{`LeftPad(sn, 10, missing)`, wantError("argument 3 of LeftPad must be text, not null")},
	{`LeftPad(sn, 10, Null())`, wantError("argument 3 of LeftPad must be text, not null")},
	{`LeftPad(sn, 10, "ab")`, wantError(`exactly one character, not "ab"`)},
	{`LeftPad(sn, 9223372036854775807, "a")`, wantError("more than 1048576 bytes")},
	{`RightPad("", 1048577, "a")`, wantError("more than 1048576 bytes")},
	{`RightPad("", 600000, "ß")`, wantError("more than 1048576 bytes")},
	{`ReplaceString("One\n\rMicrosoft\n\rWay", "\n\r", " ")`, "One Microsoft Way"},
	{`ReplaceString(lines, "\r\n", "|")`, "a|b\tc"},
	{`ReplaceString(path, "\tom", "x")`, `\\server\tom`}, // a tab in the expression, a backslash in the data
	{`ReplaceString("a", "a", path)`, `\\server\tom`},
	{`ReplaceString(sn, "", "x")`, "Lovelace"},
	{`ReplaceString(missing, "a", "b")`, nil},
	{`ReplaceString(sn, "a", missing)`, nil},
	{`ReplaceString(long, "x", "yyy")`, wantError("more than 1048576 bytes")},
	{`Word("Test;of%function;", 3, ";$&%")`, "function"},
	{`Word("Test;of%function;", 4, ";$&%")`, ""},
	{`Word("Test;of%function;", 0, ";$&%")`, ""},
	{`Word("Test;of", 2, ";")`, "of"},
	{`Word("aßbüc", 3, "üß")`, "c"},
	{`Word(missing, 1, ";")`, ""},
	{`Word(sn, 1, "")`, ""},
	{`Left("Britta Simon", 3)`, "Bri"},
	{`Left("Britta Simon", -1)`, "Britta Simon"},
	{`Left("Bri", 10)`, "Bri"},
	{`Left(umlaut, 4)`, "Grüß"},
	{`Left(umlaut, 6)`, "Grüße"},
	{`Left(sn, missing)`, nil},
	{`Left(sn, "2")`, "Lo"},
	{`Left(phones, 1)`, wantError("argument 1 of Left must be text, not 2 values")},
	{`Left(photo, 1)`, wantError("argument 1 of Left must be text, not 2 bytes of binary")},
	{`Left(sn, givenName)`, wantError(`argument 2 of Left must be a whole number, not "Ada"`)},
	{`Right("Britta Simon", 3)`, "mon"},
	{`Right("Britta Simon", -1)`, "Britta Simon"},
	{`Right(umlaut, 3)`, "üße"},
	{`Right(missing, 3)`, ""},
	{`Mid(umlaut, 3, 2)`, "üß"},
	{`Mid(umlaut, 5, 9223372036854775807)`, "e"},
	{`Mid(umlaut, 6, 1)`, "Grüße"},
	{`Mid(umlaut, 99, 0)`, ""},
	{`Mid(missing, 1, 1)`, ""},
	{`Mid(umlaut, 1, missing)`, nil},

	// numbers
	{`BitOr(0x2, 512)`, int64(514)},
	{`BitOr(2, missing)`, nil},
	{`BitAnd(&HFFFFFFFD, 514)`, int64(512)},
	{`BitAnd("&H2", "514")`, int64(2)},
	{`RandomNum(7, 7)`, int64(7)},
	{`RandomNum(-3, -1)`, int64(-1)}, // the tests' random source gives the greatest number
	{`RandomNum(-9223372036854775807, 9223372036854775807)`, wantError("too far apart")},
	{`RandomNum(1, missing)`, nil},

	// conversions
	{`ConvertSidToString(photo)`, wantError("2 bytes are not a security identifier")},
	{`ConvertSidToString(missing)`, nil},
	{`ConvertSidToString(sn)`, wantError(`must be binary, not "Lovelace"`)},
	{`ConvertSidToString(wideSid)`, "S-1-0x010203040506-16909060"},
	{`ConvertStringToGuid("382c74c3-721d-4f34-80e5-57657b6cbc27")`, map[string]any{"$bin": "c3742c381d72344f80e557657b6cbc27"}},
	{`ConvertStringToGuid("{382C74C3-721D-4F34-80E5-57657B6CBC27}")`, map[string]any{"$bin": "c3742c381d72344f80e557657b6cbc27"}},
	{`ConvertStringToGuid("382c74c3721d4f3480e557657b6cbc27")`, map[string]any{"$bin": "c3742c381d72344f80e557657b6cbc27"}},
	{`ConvertStringToGuid("382c74c3-721d-4f34-80e557657b6cbc27")`, wantError("not a valid GUID")},
	{`ConvertStringToGuid("{382c74c3721d4f3480e557657b6cbc27")`, wantError("not a valid GUID")},
	{`ConvertStringToGuid(missing)`, nil},

	// datetimes
	{`DateTimeFormat(born, "d MMM yyyy")`, "10 Dec 1815"},
	{`DateTimeFormat(missing, "d")`, nil},
	{`DateTimeFormat(sn, "d")`, wantError(`must be a datetime, not "Lovelace"`)},
	{`DateTimeFormat(born, "q")`, wantError(`"q" is not a datetime format`)},
	{`DateTimeFormat(born, sn + "'")`, wantError("a quote is not closed")},
	{`DateTimeFormat(born, "yyyyMMddHHmmss.0Z")`, "18151210010203.0Z"},

	// names
	{`EscapeDNComponent("Lovelace, Ada")`, `Lovelace\, Ada`},
	{`EscapeDNComponent(" a ")`, `\ a\ `},
	{`EscapeDNComponent(" ")`, `\ `},
	{`EscapeDNComponent(missing)`, nil},
	{`EscapeDNComponent("a;b>c""d+e")`, `a\;b\>c\"d\+e`},
	{`"CN=" + EscapeDNComponent(umlaut)`, "CN=Grüße"},
	{`EscapeDNComponent(long)`, wantError("more than 1048576 bytes")},
}

func behaviourObject(t testing.TB) identity.Attributes {
	object := attributesOf(t, person)
	object = object.Set("wideSid", identity.Binary([]byte{1, 1, 1, 2, 3, 4, 5, 6, 4, 3, 2, 1}))
	return object.Set("resolved", identity.ReferenceTo(identity.NewID(0, 7)))
}

func TestBehaviour(t *testing.T) {
	ctx := &Context{
		Object:     behaviourObject(t),
		Parameters: func(name string) Value { return map[string]Value{"p": Str("parameter")}[name] },
		Random:     func(n int64) int64 { return n - 1 },
	}
	for _, c := range behaviour {
		t.Run(c.source, func(t *testing.T) {
			var got Value
			program, err := Compile(c.source, Options{})
			if err == nil {
				got, err = program.Eval(ctx)
			}
			if want, ok := c.want.(wantError); ok {
				if err == nil || !strings.Contains(err.Error(), string(want)) {
					t.Fatalf("got %v, error %v, want error %q", got.JSON(), err, want)
				}
				if named := fault.As(err, ""); named.Name == "" || named.Position.Column == 0 {
					t.Errorf("error without name or place: %+v", named)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.JSON()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLayouts(t *testing.T) {
	at := time.Date(2007, 2, 3, 14, 5, 6, 70_800_000, time.UTC)
	for format, want := range map[string]string{
		"":                           "02/03/2007 14:05:06",
		"G":                          "02/03/2007 14:05:06",
		"d":                          "02/03/2007",
		"D":                          "Saturday, 03 February 2007",
		"o":                          "2007-02-03T14:05:06.0708000Z",
		"R":                          "Sat, 03 Feb 2007 14:05:06 GMT",
		"u":                          "2007-02-03 14:05:06Z",
		"Long Date":                  "Saturday, 03 February 2007",
		"short time":                 "14:05",
		"%d":                         "3",
		"%dd":                        "33",
		"d/M/yy":                     "3/2/07",
		"%y":                         "7",
		"yyyyy":                      "02007",
		"ddd dddd MMM MMMM":          "Sat Saturday Feb February",
		"h:m:s t":                    "2:5:6 P",
		"hh:mm:ss tt":                "02:05:06 PM",
		"HH.fff":                     "14.070",
		"ss.FFFFFFF":                 "06.0708",
		"ss.F":                       "06",
		"z zz zzz K":                 "+0 +00 +00:00 Z",
		`yyyy'y' "d" \d\ü ü`:         "2007y d dü ü",
		`'it\'s' yyyy`:               "it's 2007",
		"gg":                         "A.D.",
		"yyyy-MM-dd'T'HH:mm:ss.fffZ": "2007-02-03T14:05:06.070Z",
	} {
		compiled, err := parseLayout(format)
		if err != nil {
			t.Errorf("%q: %v", format, err)
			continue
		}
		if got := compiled.format(at); got != want {
			t.Errorf("%q: got %q, want %q", format, got, want)
		}
	}
	for _, bad := range []string{"x", "ü", "yyyy'", `yyyy\`, `"a\`, "yyyy%", "%%", "ffffffff", strings.Repeat("y", 1001)} {
		if _, err := parseLayout(bad); fault.Name(err) != "datetime-string-format-incorrect" {
			t.Errorf("%q: got error %v", bad, err)
		}
	}
	midnight, _ := parseLayout("hh tt")
	if got := midnight.format(time.Date(2007, 1, 1, 0, 0, 0, 0, time.UTC)); got != "12 AM" {
		t.Errorf("midnight is %q", got)
	}
}

func TestParseDateTime(t *testing.T) {
	for text, want := range map[string]string{
		"12/25/2007":                    "2007-12-25T00:00:00Z",
		"1/2/2007 3:04:05 PM":           "2007-01-02T15:04:05Z",
		" 2007-12-25 ":                  "2007-12-25T00:00:00Z",
		"2007-12-25T10:00:00+02:00":     "2007-12-25T08:00:00Z",
		"2007-12-25 10:11:12.013":       "2007-12-25T10:11:12.013Z",
		"20071225101112.0Z":             "2007-12-25T10:11:12Z",
		"20071225101112+0100":           "2007-12-25T09:11:12Z",
		"25 December 2007":              "2007-12-25T00:00:00Z",
		"Tue, 25 Dec 2007 10:11:12 GMT": "2007-12-25T10:11:12Z",
		"2007-12-25 4:05 PM":            "2007-12-25T16:05:00Z",
	} {
		got, ok := parseDateTime(text)
		if !ok || got.Format(time.RFC3339Nano) != want {
			t.Errorf("%q: got %v, %v, want %s", text, got, ok, want)
		}
	}
	for _, bad := range []string{"", "25/12/2007", "yesterday", "2007-02-30", "Tue, 25 Dec 2007 10:11:12 CET", "2007-12-25T10:11:12." + strings.Repeat("0", 100)} {
		if got, ok := parseDateTime(bad); ok {
			t.Errorf("%q: got %v, want none", bad, got)
		}
	}
}

func TestEscapeDNStyles(t *testing.T) {
	object := identity.Attributes{}.Set("x", identity.String(`a\b,c+d#e=f `)).Set("control", identity.String("a\x10,")).
		Set("torn", identity.String("a\xffb"))
	for _, c := range []struct {
		names        NameStyle
		source, want string
	}{
		{LDAPNames, "EscapeDNComponent(x)", `a\\b\,c\+d\#e\=f\ `},
		{LDAPNames, "EscapeDNComponent(control)", `a\10\,`},
		{LDAPNames, "EscapeDNComponent(torn)", `a\ffb`},
		{HierarchicalNames, "EscapeDNComponent(x)", `a\\b\,c+d#e=f\ `},
		{PlainNames, "EscapeDNComponent(x)", `a\\b\,c\+d\#e=f\ `},
		{PlainNames, "EscapeDNComponent(control)", "#610010002c00"},
	} {
		got, err := evaluate(c.source, Options{Names: c.names}, object)
		if single, _ := got.Single(); err != nil || single.Str() != c.want {
			t.Errorf("%d %s: got %q, %v, want %q", c.names, c.source, single.Str(), err, c.want)
		}
	}
	if _, err := evaluate("EscapeDNComponent(control)", Options{Names: HierarchicalNames}, object); err == nil {
		t.Error("a control character in a hierarchical name is no error")
	}
}

func TestScriptFunctions(t *testing.T) {
	type key struct{}
	sentinel := errors.New("stop everything")
	functions := map[string]Function{
		"initials": {Name: "initials", MinArgs: 1, MaxArgs: -1, Call: func(ctx *Context, args []Value) (Value, error) {
			if ctx.Context.Value(key{}) != "run" || ctx.Now.Year() != 2026 {
				return Value{}, errors.New("wrong context")
			}
			out := ""
			for _, a := range args {
				single, _ := a.Single()
				out += single.Str()[:1]
			}
			return Str(out), nil
		}},
		"fails":   {Name: "fails", Call: func(*Context, []Value) (Value, error) { return Value{}, sentinel }},
		"named":   {Name: "named", Call: func(*Context, []Value) (Value, error) { return Value{}, fault.New("extension-dll-timeout", "late") }},
		"literal": {Name: "literal", Call: func(*Context, []Value) (Value, error) { return OfLiteral(AuthoritativeNull), nil }},
		"Left":    {Name: "Left", Call: func(*Context, []Value) (Value, error) { return Str("mine"), nil }},
		"typed": {
			Name: "typed", MinArgs: 1, MaxArgs: 1, Params: []Param{{Name: "n", Kind: Number}}, Result: identity.TypeBoolean,
			Call: func(_ *Context, args []Value) (Value, error) { return Bool(args[0].IsNull()), nil },
		},
		"placed": {Name: "placed", Call: func(*Context, []Value) (Value, error) {
			return Value{}, &fault.Error{Name: "x", Position: fault.Position{File: "a.js", Line: 3}}
		}},
	}
	eval := func(source string) (Value, error) {
		program, err := Compile(source, Options{Functions: functions})
		if err != nil {
			return Value{}, err
		}
		return program.Eval(&Context{
			Object:  attributesOf(t, person),
			Context: context.WithValue(t.Context(), key{}, "run"),
			Now:     time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		})
	}
	for source, want := range map[string]any{
		`initials(givenName, sn)`:                  "AL",
		`"<" + INITIALS(sn) + ">"`:                 "<L>",
		`IIF(IsPresent(missing), initials(), "-")`: wantError("initials takes at least 1 argument, not 0"),
		`Left(sn, 1)`:                              "L",
		`literal()`:                                map[string]any{"$literal": "AuthoritativeNull"},
		`literal() + "x"`:                          wantError("1:1: sync-rule-invalid-expression: an operand of + must be text, not AuthoritativeNull"),
		`LowerCase(literal())`:                     wantError("must be text, not AuthoritativeNull"),
		`typed(missing)`:                           true,
		`typed(sn)`:                                wantError("argument 1 of typed must be a whole number"),
		`initials(missing)`:                        wantError("1:1: extension-dll-crash: initials: panic: runtime error"),
		`"a" + fails()`:                            wantError("1:7: sync-rule-invalid-expression: fails: stop everything"),
		`named()`:                                  wantError("1:1: extension-dll-timeout: named: late"),
		`placed()`:                                 wantError("a.js:3: x"),
		`initial(sn)`:                              wantError(`unknown function "initial"`),
	} {
		got, err := eval(source)
		if part, ok := want.(wantError); ok {
			if err == nil || !strings.Contains(err.Error(), string(part)) {
				t.Errorf("%s: error %v, want %q", source, err, part)
			}
			continue
		}
		if diff := cmp.Diff(want, got.JSON()); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", source, err, diff)
		}
	}
	if _, err := eval("fails()"); !errors.Is(err, sentinel) {
		t.Errorf("the cause is lost: %v", err)
	}
	if _, err := eval("initial(sn)"); fault.As(err, "").Hint != "did you mean initials?" {
		t.Errorf("hint %q", fault.As(err, "").Hint)
	}
}

// TestSecretsStaySecret: a parameter may be a password, and no error shows it.
func TestSecretsStaySecret(t *testing.T) {
	const secret = "hunter2"
	ctx := &Context{Parameters: func(string) Value { return Str(secret) }}
	for _, source := range []string{
		`Left("x", $p)`, `Left("x", LowerCase($p))`, `IIF($p, 1, 2)`, `ConvertStringToGuid($p)`, `ConvertStringToGuid("x" + $p)`,
		`LeftPad("x", 9, CustomExpression($p))`, `DateTimeFormat($p, "d")`, `DateTimeFormat("12/25/2007", $p + "'")`,
		`RandomNum(1, IIF(true, $p, 2))`, `ConvertSidToString($p)`,
	} {
		program, err := Compile(source, Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = program.Eval(ctx)
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: error %v", source, err)
		}
	}
	for _, source := range []string{
		`CNum(%p%)`, `CBool(%p%)`, `CDate(%p%)`, `CGuid(%p%)`, `DNComponent(CRef(%p%), 1)`, `DateAdd(%p%, 1, Now())`, `FormatDateTime(Now(), %p% & "'")`,
		`ReplaceChars("x", %p%)`, `ConvertFromBase64(%p%)`, `Split("x", %p%)`, `Join(%p%, 1)`, `With($x, %p%, CNum($x))`, `Select($x, %p%, CNum($x))`,
		`Item(%p%, 2)`, `Error(%p%)`,
	} {
		program, err := Compile(source, Options{Dialect: Entra})
		if err == nil {
			_, err = program.Eval(ctx)
		}
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: error %v", source, err)
		}
	}
}

func TestEvalWithoutContext(t *testing.T) {
	for _, source := range []string{`sn`, `$p`, `sn + "x"`, `LowerCase(sn)`} {
		program, err := Compile(source, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := program.Eval(nil); err != nil || !got.IsNull() {
			t.Errorf("%s: got %v, %v, want null", source, got.JSON(), err)
		}
	}
	program, err := Compile(`IIF(IsPresent($p), sn, RandomNum(1, 3))`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := program.Eval(nil)
	if single, _ := got.Single(); err != nil || single.Int() < 1 || single.Int() > 3 {
		t.Errorf("got %v, %v", got.JSON(), err)
	}
}
