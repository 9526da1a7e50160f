package expr

import (
	"testing"
	"time"

	"github.com/metasync/metasync/engine/identity"
)

// BenchmarkEval measures each kind of construct, on an object of 18 attributes.
// "givenName + text + sn" takes about 125 ns on a machine of two busy cores, and
// one allocation, the result; calls allocate nothing but new texts.
func BenchmarkEval(b *testing.B) {
	ctx := &Context{
		Object:     behaviourObject(b),
		Parameters: func(string) Value { return Str("secret") },
	}
	for _, bench := range []struct{ name, source string }{
		{"attribute", `sn`},
		{"constant", `"x"`},
		{"parameter", `$p`},
		{"concatenation", `givenName + " " + sn`},
		{"long concatenation", `"a"+sn+"b"+sn+"c"+sn+"d"+sn+"e"+sn+"f"+sn`},
		{"left", `Left(givenName, 1)`},
		{"mid", `Mid(umlaut, 2, 2)`},
		{"lower", `LowerCase(sn)`},
		{"account name", `LowerCase(Left(givenName, 1) + sn)`},
		{"proper", `ProperCase(sn)`},
		{"pad", `LeftPad(age, 8, "0")`},
		{"replace", `ReplaceString(sn, "l", "L")`},
		{"word", `Word(sn, 2, "ve")`},
		{"iif", `IIF(Eq(sn, "Byron"), "x", sn)`},
		{"is present", `IsPresent(missing)`},
		{"less than", `LessThan(age, 100000)`},
		{"bits", `BitAnd(&HFFFFFFFD, BitOr(2, age))`},
		{"random", `RandomNum(0, 999)`},
		{"sid", `ConvertSidToString(wideSid)`},
		{"guid", `ConvertStringToGuid("382c74c3-721d-4f34-80e5-57657b6cbc27")`},
		{"datetime", `DateTimeFormat(born, "yyyy-MM-dd")`},
		{"datetime text", `DateTimeFormat("12/25/2007", "yyyy-MM-dd")`},
		{"dn", `"CN=" + EscapeDNComponent(sn) + ",OU=Staff,DC=x"`},
	} {
		program, err := Compile(bench.source, Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := program.Eval(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEvalEntra does the same for the other dialect, with a schema: then no
// variable stands for what might be a list. What takes one value allocates its
// result at most; what is applied to a list, the list, its values and a variable.
// "LCase(Left([givenName], 1) & [sn])" takes about 200 ns, two allocations.
func BenchmarkEvalEntra(b *testing.B) {
	ctx := &Context{Object: entraObject(), Now: time.Date(2026, 1, 5, 2, 0, 0, 0, time.UTC), Parameters: func(string) Value { return Str("ö:oe,ß:ss") }}
	for _, bench := range []struct{ name, source string }{
		{"concatenation", `[gn] & " " & [sn]`},
		{"comparison", `[age] > 35 && ([sn] = "Lovelace")`},
		{"account name", `LCase(Left([gn], 1) & [sn])`},
		{"proper", `PCase([sn])`},
		{"search", `InStr([mail], "@")`},
		{"text search", `InStr([mail], "@EXAMPLE", 1, vbTextCompare)`},
		{"domain", `With($m, [mail], Mid($m, InStr($m, "@") + 1))`},
		{"replace chars", `ReplaceChars([sn], "l:ll,v:")`},
		{"replace chars, parameter", `ReplaceChars([sn], %R%)`},
		{"is present", `IIF(IsPresent([missing]), [missing], NULL)`},
		{"switch", `Switch([sn] = "a", 1, [sn] = "b", 2, True, 3)`},
		{"number", `CNum("36") = [age]`},
		{"guid", `StringFromGuid(CGuid("382c74c3-721d-4f34-80e5-57657b6cbc27"))`},
		{"new guid", `Guid()`},
		{"base64", `ConvertFromBase64(ConvertToBase64([mail]))`},
		{"datetime", `FormatDateTime(DateAdd("d", 30, Now()), "yyyy-MM-dd")`},
		{"datetime text", `CDate("2013-01-10 4:00 PM -8")`},
		{"component", `DNComponentRev(CRef("cn=Joe,ou=US,dc=x"), 1, "DC")`},
		{"trim list", `Trim([proxy])`},
		{"primary", `Mid(Item([proxy], Contains([proxy], "SMTP:")), 6)`},
		{"select", `Select($i, [proxy], Replace($i, "smtp:", ""))`},
		{"join", `Join(RemoveDuplicates([proxy]), ";")`},
		{"split", `Split([mail], "@")`},
	} {
		program, err := Compile(bench.source, entraOptions())
		if err != nil {
			b.Fatal(err)
		}
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := program.Eval(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(`"CN=" + EscapeDNComponent(displayName) + ",OU=Staff,DC=x"`, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAllocations holds the promise of the concatenation and of calls.
func TestAllocations(t *testing.T) {
	ctx := &Context{Object: identity.Attributes{}.Set("a", identity.String("Ada")).Set("b", identity.String("Lovelace"))}
	for source, want := range map[string]float64{
		`a + " " + b`: 1,
		`IIF(Eq(a, "x"), Left(b, 1), Mid(b, 2, 3))`: 0,
		`LessThan(BitOr(1, 2), 4)`:                  0,
	} {
		program, err := Compile(source, Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := testing.AllocsPerRun(100, func() {
			if _, err := program.Eval(ctx); err != nil {
				t.Error(err)
			}
		})
		if got > want {
			t.Errorf("%s: %v allocations, want %v", source, got, want)
		}
	}
}

// TestEntraAllocations: functions of one value allocate nothing but the texts
// that they make; those of a list do not copy it.
func TestEntraAllocations(t *testing.T) {
	object := entraObject().Set("guid", identity.Binary(make([]byte, 16))).Set("hired", identity.DateTime(time.Unix(0, 0)))
	options := entraOptions()
	types := options.Attribute
	options.Attribute = func(name string) (identity.AttributeType, bool) {
		switch name {
		case "guid":
			return identity.AttributeType{Name: name, Type: identity.TypeBinary}, true
		case "hired":
			return identity.AttributeType{Name: name, Type: identity.TypeDateTime}, true
		}
		return types(name)
	}
	ctx := &Context{Object: object, Now: time.Unix(1, 0)}
	for source, want := range map[string]float64{
		`IIF(IsPresent([missing]), [missing], Left([sn], InStr([sn], "e")))`: 0,
		`Mid([sn], InStrRev([sn], "e"), Len([gn]))`:                          0,
		`IsGuid([sn]) || IsNumeric([sn]) || IsString([sn])`:                  0,
		`IsBitSet(BitOr([age], 2), 2) && IsNullOrEmpty([missing])`:           0,
		`DateAdd("m", 1, DateFromNum(NumFromDate([hired]))) < Now()`:         0,
		`CBool(CNum("1")) && IsDate([hired])`:                                0,
		`LCase([mail]) & PadLeft([sn], 2, "0") & Trim([sn])`:                 1,
		`ReplaceChars([sn], "x:y")`:                                          0,
		`ReplaceChars([sn], "L:M")`:                                          1,
		`CStr([age]) & ""`:                                                   1, // 36 has its text for good
		`StringFromGuid([guid])`:                                             1,
		`CGuid("382c74c3-721d-4f34-80e5-57657b6cbc27")`:                      1,
		`FormatDateTime([hired], "yyyy-MM-dd")`:                              1,
		`PCase([mail])`:                                                      2, // the word, and the text of it
		`Guid()`:                                                             1,
		`Count([proxy]) + Contains([proxy], "smtp:")`:                        0,
		`Item([proxy], 2)`:                                                   0,
		`Join([proxy], ";")`:                                                 1,
		`RemoveDuplicates([proxy])`:                                          0,
		`Split([mail], "@")`:                                                 1,
	} {
		program, err := Compile(source, options)
		if err != nil {
			t.Fatal(err)
		}
		got := testing.AllocsPerRun(100, func() {
			if _, err := program.Eval(ctx); err != nil {
				t.Error(err)
			}
		})
		if got > want {
			t.Errorf("%s: %v allocations, want %v", source, got, want)
		}
	}
}
