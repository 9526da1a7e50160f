package expr

import (
	"testing"

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
