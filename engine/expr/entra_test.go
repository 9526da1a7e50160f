package expr

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// entraTypes is a schema for the tests of the Entra dialect.
var entraTypes = map[string]identity.AttributeType{
	"sn": {Name: "sn", Type: identity.TypeString}, "gn": {Name: "gn", Type: identity.TypeString},
	"mail": {Name: "mail", Type: identity.TypeString}, "missing": {Name: "missing", Type: identity.TypeString},
	"age": {Name: "age", Type: identity.TypeInteger}, "active": {Name: "active", Type: identity.TypeBoolean},
	"none":   {Name: "none", Type: identity.TypeString, Multi: true},
	"one":    {Name: "one", Type: identity.TypeString, Multi: true},
	"proxy":  {Name: "proxy", Type: identity.TypeString, Multi: true},
	"floors": {Name: "floors", Type: identity.TypeInteger, Multi: true},
	"photo":  {Name: "photo", Type: identity.TypeBinary},
}

func entraOptions() Options {
	return Options{
		Dialect:        Entra,
		Attribute:      func(name string) (identity.AttributeType, bool) { t, ok := entraTypes[name]; return t, ok },
		AttributeNames: func() []string { return []string{"sn", "gn", "mail", "proxy"} },
	}
}

func entraObject() identity.Attributes {
	return identity.Attributes{}.Set("sn", identity.String("Lovelace")).Set("gn", identity.String("Ada")).
		Set("mail", identity.String("ada@example.org")).Set("age", identity.Integer(36)).Set("active", identity.Boolean(true)).
		Set("one", identity.String("x")).Set("proxy", identity.String("SMTP:ada@example.org"), identity.String("smtp:al@example.org")).
		Set("floors", identity.Integer(1), identity.Integer(2)).Set("photo", identity.Binary([]byte{1, 2}))
}

func list(items ...any) []any { return items }

// TestEntra shows what the dialect itself does; the functions have cases of
// their own.
func TestEntra(t *testing.T) {
	for source, want := range map[string]any{
		// Operators have one rank and go from left to right; && and || come last.
		`2*5+3`: int64(13), `2+5*3`: int64(21), `2*(5+3)`: int64(16), `5-1-1`: int64(3), `5-1`: int64(4), `[age]-1`: int64(35), `-3+1`: int64(-2),
		`"a" & 1 & True`: "a1True", `"a" + "b"`: "ab", `1 & 2`: "12", `[sn]&[gn]`: "LovelaceAda",
		`[missing] & "x"`: "x", `NULL & NULL`: "", `1 + NULL`: nil, `"a" + [missing]`: "a",
		`&HFF`: int64(255), `1 &H`: fault.Error{}, `"x" &HF`: fault.Error{},
		`1 = 1`: true, `1 <> 1`: false, `"a" = "A"`: false, `[missing] = "x"`: false, `[missing] <> "x"`: true, `[missing] = NULL`: false,
		`[age] > 35`: true, `[age] >= 36`: true, `[age] < 36`: false, `[age] <= 36`: true, `"a" < "b"`: true, `[missing] < "b"`: false,
		`[age] > 35 && [sn] = "x"`: false, `[sn] = "x" || [age] > 35`: true, `[age] = 36 = True`: true,
		`IIF(IsString([photo]), CStr([photo]), ConvertToBase64([photo]))`: "AQI=", `IsString([photo]) && CBool([photo])`: false,
		`CStr([photo])`: fault.Error{}, `IIF(IsPresent([photo]), CStr([photo]), "")`: fault.Error{},
		`[age] > 35 && ([sn] = "x")`: false, `([age] < 35) || ([sn] = "Lovelace")`: true, `True || [active]`: true, `NULL && True`: false,
		`9223372036854775807 + 1`: fault.Error{}, `-9223372036854775808 - 1`: fault.Error{}, `4611686018427387904 * 2`: fault.Error{},
		`-4611686018427387904 * 2`: int64(-9223372036854775808),
		// Words.
		`True`: true, `NULL`: nil, `CRLF`: "\r\n", `IgnoreThisFlow`: map[string]any{"$literal": "IgnoreThisFlow"},
		`IIF(True, AuthoritativeNull, "x")`: map[string]any{"$literal": "AuthoritativeNull"},
		// What takes one value is applied to each value of a list.
		`[proxy]`: list("SMTP:ada@example.org", "smtp:al@example.org"), `[one]`: list("x"), `[none]`: nil,
		`[proxy] & "!"`: list("SMTP:ada@example.org!", "smtp:al@example.org!"), `[one] & "!"`: list("x!"), `[none] & "!"`: nil,
		`[floors] + 1`: list(int64(2), int64(3)), `[proxy] & [floors]`: fault.Error{}, `[proxy] = "x"`: fault.Error{}, `[one] = "x"`: true,
		// Program flow.
		`IIF([sn] = "x", Error("no"), 1)`: int64(1), `IIF([active], 1, 2)`: int64(1), `IIF(NULL, 1, 2)`: int64(2),
		`Switch([sn] = "x", "X", True, "other")`: "other", `Switch([sn] = "x", "X")`: nil, `Switch(True, 1, Error("x") = "", 2)`: int64(1),
		`Select($i, [proxy], $i & "!")`:                                   list("SMTP:ada@example.org!", "smtp:al@example.org!"),
		`Select($i, [proxy], IIF($i = "SMTP:ada@example.org", $i, NULL))`: list("SMTP:ada@example.org"),
		`Select($i, [none], $i)`:                                          nil, `Select($i, "a", $i & "b")`: list("ab"),
		`Where($i, [floors], $i > 1)`: list(int64(2)), `Where($i, [floors], $i > 2)`: nil,
		`With($x, [sn] & "!", $x & $x)`:                     "Lovelace!Lovelace!",
		`Select($i, [floors], With($j, $i+1, $i*$j))`:       list(int64(2), int64(6)),
		`Select($i, [floors], Select($j, [floors], $i*$j))`: list(int64(1), int64(2), int64(2), int64(4)),
		`With($l, [proxy], Where($i, $l, $i <> "x"))`:       list("SMTP:ada@example.org", "smtp:al@example.org"),
		`ImportedValue("sn")`:                               "Imported", `ImportedValue("sn") & [sn]`: "ImportedLovelace",
	} {
		program, err := Compile(source, entraOptions())
		var got Value
		if err == nil {
			got, err = program.Eval(&Context{
				Object: entraObject(), Imported: identity.Attributes{}.Set("sn", identity.String("Imported")),
			})
		}
		if _, fails := want.(fault.Error); fails {
			if named := fault.As(err, ""); err == nil || named.Position.Line == 0 || named.Name == "" {
				t.Errorf("%s = %v, %#v, want an error with its place", source, got.JSON(), err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if diff := cmp.Diff(want, got.JSON()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", source, diff)
		}
		if single, ok := got.Single(); ok && program.Type() != 0 && program.Type() != single.Type() {
			t.Errorf("%s is declared %v", source, program.Type())
		}
		if program.IsList() && !got.IsNull() && !got.IsList() {
			t.Errorf("%s is declared a list", source)
		}
	}
}

func TestEntraCompileErrors(t *testing.T) {
	for source, want := range map[string]string{
		`sn`:                           `1:1 unknown word "sn"; an attribute is written in brackets: [sn]`,
		`[snn]`:                        `1:1 unknown attribute "snn"; did you mean sn?`,
		`IIF`:                          `1:1 unknown word "IIF"; IIF is a function: write IIF(...)`,
		`iif(True, 1, 2)`:              `1:1 unknown function "iif"; did you mean IIF?`,
		`IIF([sn], 1, 2)`:              `1:5 argument 1 of IIF must be true or false, not a value of type string; CBool converts a value to this type`,
		`[age] = "x"`:                  `1:1 =: "x" is not a value of type integer`,
		`[sn] * 2`:                     `1:1 * cannot be applied to a value of type string`,
		`[age] && True`:                `1:1 && cannot be applied to a value of type integer`,
		`[photo] & "x"`:                `1:1 binary values cannot be concatenated`,
		`$i`:                           `1:1 unknown variable $i; Select, Where and With name variables for their last argument; parameters are written %i%`,
		`Select($item, [proxy], $itm)`: `1:24 unknown variable $itm; did you mean $item?`,
		`Select([proxy], [proxy], 1)`:  `1:8 argument 1 of Select must be the name of a variable; Select(variable: variable, list: list, expression: any): any[]`,
		`With($x, 1, $x) + $x`:         `1:19 unknown variable $x; Select, Where and With name variables for their last argument; parameters are written %x%`,
		`%`:                            `1:1 this parameter has no closing percent sign; parameters are written %Name%`,
		`%Nam%`:                        `1:1 unknown parameter %Nam%; did you mean Name?`,
		`1 == 1`:                       `1:4 expected a value, found =`,
		`‘x’`:                          `1:1 unexpected '‘'; texts are written in straight double quotes: "text"`,
		`Switch([active], 1, 2)`:       `1:1 Switch takes pairs of a condition and a value, not 3 arguments; the last pair may have the condition True`,
		`Switch([active], 1, [sn], 2)`: `1:21 argument 3 of Switch must be true or false, not a value of type string; CBool converts a value to this type`,
		`ImportedValue([sn])`:          `1:15 ImportedValue takes the name of an attribute in quotes; ImportedValue("proxyAddresses")`,
		`ImportedValue("snn")`:         `1:1 unknown attribute "snn"; did you mean sn?`,
	} {
		opts := entraOptions()
		opts.Parameters = []string{"Name"}
		_, err := Compile(source, opts)
		if err == nil {
			t.Errorf("%s: no error", source)
			continue
		}
		named := fault.As(err, "")
		got := strings.Join([]string{named.Position.String() + " " + named.Text, named.Hint}, "; ")
		got = strings.TrimSuffix(strings.TrimPrefix(got, ":"), "; ")
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", source, got, want)
		}
	}
}

// TestWorkIsBounded: no expression takes long, whatever it repeats.
func TestWorkIsBounded(t *testing.T) {
	long := strings.Repeat("x", maxText/2)
	object := identity.Attributes{}.Set("sn", identity.String(long))
	for i := range 1000 {
		object = object.Set("proxy", append(object.Get("proxy"), identity.String(strings.Repeat("y", i+1)))...)
	}
	for _, source := range []string{
		`Select($i, [proxy], [sn] & $i)`, `Select($i, [proxy], Select($j, [proxy], Select($k, [proxy], $i)))`,
		`Where($i, [proxy], [sn] & $i <> "")`, `Select($i, [proxy], PadLeft("", 1000000, "x"))`,
		`Select($i, [proxy], Split($i & $i & $i, "y"))`, `Select($i, [proxy], Select($j, [proxy], [proxy]))`, `Split([sn], "x")`,
		`Select($i, [proxy], Count(RemoveDuplicates([proxy])))`, `Where($i, [proxy], Contains([proxy], $i & "z") > 0)`,
		`Select($i, [proxy], Len(Join([proxy])))`, `Where($i, Split([proxy], "y"), IsDate("12/25 of 2007"))`,
		`Word([sn], 9, [sn] & "ö")`, `Select($i, [proxy], InStr([sn], "ö", 1, vbTextCompare))`, `Select($i, [proxy], PCase([sn]))`,
		`Select($i, [proxy], FormatDateTime(Now(), $i & "x"))`,
	} {
		program, err := Compile(source, entraOptions())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := program.Eval(&Context{Object: object}); err == nil || !strings.Contains(err.Error(), "too much data") {
			t.Errorf("%s: %v", source, err)
		}
	}
}
