package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestJoinAnchor(t *testing.T) {
	tests := []struct {
		parts []string
		want  string
	}{
		{[]string{"4711"}, "4711"},
		{[]string{`CORP\ada+x`}, `CORP\ada+x`},
		{[]string{"DE", "4711"}, "DE+4711"},
		{[]string{"a+b", "c"}, `a\+b+c`},
		{[]string{"a", "b+c"}, `a+b\+c`},
		{[]string{`a\`, "b"}, `a\\+b`},
		{[]string{"", ""}, "+"},
		{[]string{"", "", "x"}, "++x"},
		{[]string{"\xff", "\xfe"}, "\xff+\xfe"},
	}
	for _, test := range tests {
		if got := JoinAnchor(test.parts...); got != test.want {
			t.Errorf("JoinAnchor(%q) = %q, want %q", test.parts, got, test.want)
		}
	}
}

// Lists of the same length give the same anchor only if they are the same, and
// so do lists of different lengths above one.
func TestJoinAnchorInjective(t *testing.T) {
	part := rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "+", `\`, "\xff", "\xfe", "\uFFFD"}), 0, 3),
		func(parts []string) string { return strings.Join(parts, "") })
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOfN(part, 1, 3).Draw(t, "a")
		b := rapid.SliceOfN(part, 1, 3).Draw(t, "b")
		if (len(a) == 1) != (len(b) == 1) {
			t.Skip("one value is its own anchor")
		}
		if x, y := JoinAnchor(a...), JoinAnchor(b...); (x == y) != slices.Equal(a, b) {
			t.Fatalf("%q gives %q, %q gives %q", a, x, b, y)
		}
	})
}

func TestParseDN(t *testing.T) {
	tests := []struct {
		text string
		want DN
		back string // String of the DN, text itself if empty
	}{
		{"", nil, ""},
		{"DC=example", DN{{{"DC", "example"}}}, ""},
		{"CN=Ada Lovelace,OU=Staff,DC=example", DN{{{"CN", "Ada Lovelace"}}, {{"OU", "Staff"}}, {{"DC", "example"}}}, ""},
		{"cn=a+sn=b,dc=c", DN{{{"cn", "a"}, {"sn", "b"}}, {{"dc", "c"}}}, ""},
		{"  cn = a  b  ; dc = c  ", DN{{{"cn", "a  b"}}, {{"dc", "c"}}}, "cn=a  b,dc=c"},
		{"cn=", DN{{{"cn", ""}}}, ""},
		{"cn=,dc=", DN{{{"cn", ""}}, {{"dc", ""}}}, ""},
		{"2.5.4.3=x,x-y1=z", DN{{{"2.5.4.3", "x"}}, {{"x-y1", "z"}}}, ""},
		{`CN=Lovelace\, Ada`, DN{{{"CN", "Lovelace, Ada"}}}, ""},
		{`CN=\,\+\"\\\<\>\;\=\#\ `, DN{{{"CN", `,+"\<>;=# `}}}, `CN=\,\+\"\\\<\>\;\=#\ `},
		{`CN=a=b#c`, DN{{{"CN", "a=b#c"}}}, `CN=a\=b#c`},
		{`CN=\#1`, DN{{{"CN", "#1"}}}, ""},
		{`CN=\ a\ `, DN{{{"CN", " a "}}}, ""},
		{`CN=a\ \  `, DN{{{"CN", "a  "}}}, `CN=a \ `},
		{`CN=\ `, DN{{{"CN", " "}}}, ""},
		{`CN=M\C3\bcller`, DN{{{"CN", "Müller"}}}, "CN=Müller"},
		{`CN=a\0ADEL:1`, DN{{{"CN", "a\nDEL:1"}}}, "CN=a\nDEL:1"},
		{`CN=\00\FF`, DN{{{"CN", "\x00\xff"}}}, ""},
		{"CN=\xff", DN{{{"CN", "\xff"}}}, `CN=\FF`},
		{"CN=\uFFFD", DN{{{"CN", "\uFFFD"}}}, ""},
		{"1.2=#04024869", DN{{{"1.2", "Hi"}}}, "1.2=Hi"},
		{"1.2=#0c03c3bc2c+cn=b,dc=c", DN{{{"1.2", "ü,"}, {"cn", "b"}}, {{"dc", "c"}}}, `1.2=ü\,+cn=b,dc=c`},
		{"cn=#0400 ;dc=c", DN{{{"cn", ""}}, {{"dc", "c"}}}, "cn=,dc=c"},
		{"cn=#0481024869", DN{{{"cn", "Hi"}}}, "cn=Hi"},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			got, err := ParseDN(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			want := test.back
			if want == "" {
				want = test.text
			}
			if got.String() != want {
				t.Errorf("String() = %q, want %q", got.String(), want)
			}
		})
	}
}

func TestParseDNErrors(t *testing.T) {
	tests := []struct {
		text string
		want string
		at   int
	}{
		{"Ada", "missing '='", 3},
		{"cn", "missing '='", 2},
		{"c_n=a", "missing '='", 1},
		{"=a", "missing attribute type", 0},
		{",", "missing attribute type", 0},
		{"cn=a,", "missing attribute type", 5},
		{"cn=a,,dc=b", "missing attribute type", 5},
		{"cn=a+", "missing attribute type", 5},
		{"cn=a, =b", "missing attribute type", 6},
		{"cn=a,dc", "missing '='", 7},
		{`cn="a"`, `'"' must be escaped`, 3},
		{"cn=a<b", "'<' must be escaped", 4},
		{"cn=a\x00", `'\x00' must be escaped`, 4},
		{`cn=a\`, "bad escape", 4},
		{`cn=a\x`, "bad escape", 4},
		{`cn=a\4`, "bad escape", 4},
		{`cn=a\4g,dc=b`, "bad escape", 4},
		{"cn=#", "hexadecimal value is not the encoding of a string", 3},
		{"cn=#1 Sales", "bad hexadecimal value", 3},
		{"cn=#040", "bad hexadecimal value", 3},
		{"dc=a,cn=#04034869", "hexadecimal value is not the encoding of a string", 8}, // too short
		{"cn=#020105", "hexadecimal value is not the encoding of a string", 3},        // an integer
		{"cn=#04ffffffffff", "hexadecimal value is not the encoding of a string", 3},
		{"cn=#0480", "hexadecimal value is not the encoding of a string", 3},
	}
	for _, test := range tests {
		dn, err := ParseDN(test.text)
		if !errors.Is(err, ErrDN) || dn != nil {
			t.Errorf("ParseDN(%q) = %v, %v", test.text, dn, err)
			continue
		}
		if want := fmt.Sprintf("dn-not-ldap-conformant: %q: %s at byte %d", test.text, test.want, test.at); err.Error() != want {
			t.Errorf("got  %s\nwant %s", err, want)
		}
	}
}

func drawDN(t *rapid.T) DN {
	value := rapid.OneOf(
		rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{
			"a", "B", " ", "#", ",", "+", `"`, `\`, "<", ">", ";", "=", "\x00", "\n", "ü", "\xff", "\uFFFD", "0", "F",
		}), 0, 4), func(parts []string) string { return strings.Join(parts, "") }),
		rapid.String(),
	)
	dn := make(DN, rapid.IntRange(1, 3).Draw(t, "components"))
	for i := range dn {
		dn[i] = make(RDN, rapid.SampledFrom([]int{1, 1, 2, 3}).Draw(t, "pairs"))
		for j := range dn[i] {
			dn[i][j] = AVA{rapid.SampledFrom([]string{"cn", "OU", "2.5.4.3", "x-y"}).Draw(t, "type"), value.Draw(t, "value")}
		}
	}
	return dn
}

func TestDNLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dn := drawDN(t)
		text := dn.String()
		if !utf8.ValidString(text) {
			t.Fatalf("%q is not text", text)
		}
		back, err := ParseDN(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(dn, back); diff != "" {
			t.Fatalf("%q: %s", text, diff)
		}
		if got := back.Parent().String(); got != dn[1:].String() {
			t.Fatalf("the parent of %q is %q", text, got)
		}

		// The same name, spelt differently.
		var respelt strings.Builder
		for i, rdn := range dn {
			if i > 0 {
				respelt.WriteString(rapid.SampledFrom([]string{",", ";", " , "}).Draw(t, "comma"))
			}
			for j, ava := range rapid.Permutation(rdn).Draw(t, "order") {
				if j > 0 {
					respelt.WriteString(rapid.SampledFrom([]string{"+", " + "}).Draw(t, "plus"))
				}
				name := ava.Type
				if rapid.Bool().Draw(t, "upper") {
					name = strings.ToUpper(name)
				}
				respelt.WriteString(name + rapid.SampledFrom([]string{"=", " = "}).Draw(t, "equals"))
				if rapid.Bool().Draw(t, "hex") {
					for k := range len(ava.Value) {
						fmt.Fprintf(&respelt, `\%02x`, ava.Value[k])
					}
					continue
				}
				respelt.WriteString(EscapeDNValue(ava.Value))
			}
		}
		again, err := ParseDN(respelt.String())
		if err != nil {
			t.Fatal(err)
		}
		if again.Fold() != dn.Fold() {
			t.Fatalf("%q folds to %q, but %q to %q", text, dn.Fold(), respelt.String(), again.Fold())
		}
		folded, err := ParseDN(dn.Fold())
		if err != nil || folded.Fold() != dn.Fold() {
			t.Fatalf("%q folds to %q, and that to %q, %v", text, dn.Fold(), folded.Fold(), err)
		}
	})
}

func TestDNFoldFromRoot(t *testing.T) {
	fold := func(text string) string {
		t.Helper()
		dn, err := ParseDN(text)
		if err != nil {
			t.Fatal(err)
		}
		return dn.FoldFromRoot()
	}
	if a, b := fold("CN=Joe+UID=1, OU=Staff,DC=x"), fold("uid=1+cn=joe,ou=staff,dc=X"); a != b {
		t.Errorf("one name folds to %q and %q", a, b)
	}
	container := fold("OU=Staff,DC=x") + ","
	for text, below := range map[string]bool{
		"CN=Joe,OU=Staff,DC=x":       true,
		"CN=Joe,OU=It,OU=staff,DC=X": true,
		"OU=Staff,DC=x":              false,
		"OU=Staffing,DC=x":           false,
		`OU=Staff\,a,DC=x`:           false,
		"CN=Joe,OU=Other,DC=x":       false,
	} {
		if got := strings.HasPrefix(fold(text), container); got != below {
			t.Errorf("%q below OU=Staff,DC=x: %v, want %v", text, got, below)
		}
	}
}

func TestDNFold(t *testing.T) {
	tests := []struct {
		a, b string
		same bool
	}{
		{"CN=Ada,DC=Example", "cn=ada, dc=example", true},
		{`cn=a\2cb`, `CN=A\,B`, true},
		{"cn=a+sn=b,dc=c", "SN=b + CN=a,dc=c", true},
		{"cn=a,sn=b", "sn=b,cn=a", false},
		{"cn=a+sn=b", "cn=a,sn=b", false},
		{`cn=a\+sn\=b`, "cn=a+sn=b", false},
		{"cn=a  b", "cn=a b", false},
		{"", "", true},
	}
	for _, test := range tests {
		a, err1 := ParseDN(test.a)
		b, err2 := ParseDN(test.b)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if got := a.Fold() == b.Fold(); got != test.same {
			t.Errorf("%q and %q fold to %q and %q", test.a, test.b, a.Fold(), b.Fold())
		}
	}
}

func TestDNParent(t *testing.T) {
	dn, err := ParseDN("cn=a,ou=b,dc=c")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ou=b,dc=c", "dc=c", "", ""} {
		if dn = dn.Parent(); dn.String() != want {
			t.Fatalf("the parent is %q, want %q", dn, want)
		}
	}
}

func FuzzParseDN(f *testing.F) {
	for _, text := range []string{
		"", " ", "CN=Ada,OU=Staff;DC=example", "cn=a+sn=b", `CN=\,\+\"\\\<\>\;\=\#\ `, "cn=#04024869", `cn=\ff\00`, "cn=a,", `cn=\`, "cn=#",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dn, err := ParseDN(text)
		if err != nil {
			if !errors.Is(err, ErrDN) || dn != nil {
				t.Fatalf("ParseDN(%q) = %v, %v", text, dn, err)
			}
			return
		}
		back, err := ParseDN(dn.String())
		if err != nil {
			t.Fatalf("%q comes out as %q: %v", text, dn, err)
		}
		if diff := cmp.Diff(dn, back); diff != "" {
			t.Fatalf("%q comes out as %q: %s", text, dn, diff)
		}
		if dn.Fold() != back.Fold() {
			t.Fatalf("%q folds in two ways", text)
		}
	})
}
