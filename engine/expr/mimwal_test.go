package expr

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

func TestDateTimeNow(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for source, want := range map[string]any{
		`DateTimeNow()`: "2026-11-22T10:00:00Z",
		`DateTimeAdd(DateTimeNow(), "-365.00:00:00")`: "2025-11-22T10:00:00Z",
		`After(DateTimeNow(), expires)`:               true,
	} {
		program, err := Compile(source, Options{})
		if err != nil {
			t.Fatal(err)
		}
		object := identity.Attributes{}.Set("expires", identity.DateTime(now.Add(-time.Minute)))
		got, err := program.Eval(&Context{Object: object, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		if single, _ := got.Single(); single.JSON() != want {
			t.Errorf("%s = %v, want %v", source, got.JSON(), want)
		}
	}
}

// TestResultsOfLists: what gives a list is known to do so, with its type, before
// anything is evaluated.
func TestResultsOfLists(t *testing.T) {
	types := map[string]identity.AttributeType{
		"mail":  {Name: "mail", Type: identity.TypeString},
		"one":   {Name: "one", Type: identity.TypeString, Multi: true},
		"years": {Name: "years", Type: identity.TypeInteger, Multi: true},
		"guids": {Name: "guids", Type: identity.TypeBinary, Multi: true},
	}
	object := identity.Attributes{}.Set("mail", identity.String("a b")).Set("one", identity.String("x")).
		Set("years", identity.Integer(1)).Set("guids", identity.Binary(make([]byte, 16)))
	for source, want := range map[string]struct {
		value any
		list  bool
		typ   identity.Type
	}{
		`SplitString(mail)`:                            {list("a", "b"), true, identity.TypeString},
		`SplitString("x")`:                             {list("x"), true, identity.TypeString},
		`SortList(years)`:                              {list(int64(1)), true, identity.TypeInteger},
		`RemoveDuplicates(one)`:                        {list("x"), true, identity.TypeString},
		`First(years)`:                                 {int64(1), false, identity.TypeInteger},
		`Last(one)`:                                    {"x", false, identity.TypeString},
		`ValueByIndex(years, 0)`:                       {int64(1), false, identity.TypeInteger},
		`ConvertNumberToList(1)`:                       {list(int64(1)), true, identity.TypeInteger},
		`FormatMultivaluedList("{0}!", one)`:           {list("x!"), true, identity.TypeString},
		`FormatMultivaluedList("{0}!", mail)`:          {"a b!", false, identity.TypeString},
		`FormatMultivaluedList("{0}{1}", mail, years)`: {list("a b1"), true, identity.TypeString},
		`ConvertToUniqueIdentifier(guids)`:             {list("urn:uuid:00000000-0000-0000-0000-000000000000"), true, identity.TypeString},
		`ValueType(one)`:                               {"System.Collections.Generic.List`1[System.String]", false, identity.TypeString},
	} {
		opts := Options{Attribute: func(name string) (identity.AttributeType, bool) { a, ok := types[name]; return a, ok }}
		program, err := Compile(source, opts)
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := program.Eval(&Context{Object: object})
		if diff := cmp.Diff(want.value, got.JSON()); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", source, err, diff)
		}
		if program.IsList() != want.list || program.Type() != want.typ {
			t.Errorf("%s is declared %v, list %v", source, program.Type(), program.IsList())
		}
	}
}

func TestRandomPassword(t *testing.T) {
	program, err := Compile("GenerateRandomPassword(length)", Options{})
	if err != nil {
		t.Fatal(err)
	}
	generate := func(length int64, random func(int64) int64) string {
		got, err := program.Eval(&Context{Object: identity.Attributes{}.Set("length", identity.Integer(length)), Random: random})
		if err != nil {
			t.Fatal(err)
		}
		single, _ := got.Single()
		return single.Str()
	}
	for range 200 {
		password := generate(4, nil)
		for _, class := range passwordClasses {
			if !strings.ContainsAny(password, class) {
				t.Errorf("%s has none of %s", password, class)
			}
		}
	}
	if a, b := generate(30, nil), generate(30, nil); a == b || len(a) != 30 {
		t.Errorf("passwords %s, %s", a, b)
	}
	pinned := func() string {
		return generate(30, rand.New(rand.NewPCG(1, 2)).Int64N)
	}
	if a, b := pinned(), pinned(); a != b {
		t.Errorf("the same randomness gives %s and %s", a, b)
	}
}

// TestPasswordsStaySecret: no error shows what is made of a generated password.
func TestPasswordsStaySecret(t *testing.T) {
	ctx := &Context{Random: func(int64) int64 { return 0 }, Object: identity.Attributes{}}
	plain, err := evaluate("GenerateRandomPassword(8)", Options{}, nil)
	if single, _ := plain.Single(); err != nil || len(single.Str()) != 8 {
		t.Fatal(plain.JSON(), err)
	}
	for _, source := range []string{
		`ConvertToNumber(GenerateRandomPassword(8))`, `ConvertToBoolean("x" + GenerateRandomPassword(8))`, `Left("x", GenerateRandomPassword(8))`,
		`DateTimeFromString(GenerateRandomPassword(8))`, `RegexMatch("x", "(" + GenerateRandomPassword(8))`,
		`DateTimeUtcToLocalTime("2026-01-01", GenerateRandomPassword(8))`, `FormatMultivaluedList("{" + GenerateRandomPassword(8), "x")`,
		`ParametersList(GenerateRandomPassword(8))`, `DateTimeAdd("2026-01-01", GenerateRandomPassword(8))`,
	} {
		program, err := Compile(source, Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = program.Eval(ctx)
		if err == nil || strings.Contains(err.Error(), "2aA") || strings.Contains(err.Error(), "a2") || strings.Contains(err.Error(), "AA") {
			t.Errorf("%s: error %v", source, err)
		}
	}
}

func TestTimeZonesExist(t *testing.T) {
	if len(windowsZones) < 130 {
		t.Errorf("only %d zones", len(windowsZones))
	}
	for name, iana := range windowsZones {
		if name != identity.Fold(name) {
			t.Errorf("%q is never found", name)
		}
		if _, err := time.LoadLocation(iana); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{"", "Local", "../x", "Europe\\Berlin", strings.Repeat("x", 70), "Europe/Nowhere"} {
		if zone, err := timeZone(bad); err == nil || !strings.Contains(err.Error(), "unknown time zone") {
			t.Errorf("%q is %v, %v", bad, zone, err)
		}
	}
}

// TestTimespansRoundTrip: a time span that was written is read as it was.
func TestTimespansRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ticks := rapid.Int64Range(-ticksPerDay*10_000_000, ticksPerDay*10_000_000).Draw(t, "ticks")
		if got, ok := parseTimespan(formatTimespan(ticks)); !ok || got != ticks {
			t.Errorf("%s is read as %d, not %d", formatTimespan(ticks), got, ticks)
		}
	})
	for _, bad := range []string{"", "-", "x", "1:2:3:4:5", "1.2", "1:60", "24:00:00", "1:1:60", "1:1:1.", "1:1:1.12345678", "+1", "--1", ":1", "1::1", "10675200"} {
		if got, ok := parseTimespan(bad); ok {
			t.Errorf("%q is %d", bad, got)
		}
	}
}

// TestFileTimesRoundTrip: file times of whole microseconds survive.
func TestFileTimesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ticks := rapid.Int64Range(0, 2_650_467_743_999_999_990/10).Draw(t, "microseconds") * ticksPerMicrosecond
		at, err := fromFileTime(nil, identity.Integer(ticks))
		if err != nil {
			t.Fatal(err)
		}
		back, err := toFileTime(nil, at.single)
		if err != nil || back.single.Int() != ticks {
			t.Errorf("%d comes back as %v, %v", ticks, back.JSON(), err)
		}
	})
}

func TestPatternErrors(t *testing.T) {
	for source, want := range map[string]string{
		`(?=a)`:                   "a look ahead",
		`(?!a)`:                   "a look ahead",
		`(?<=a)`:                  "a look behind",
		`(?<!a)`:                  "a look behind",
		`(?>a)`:                   "an atomic group",
		`(?(a)b|c)`:               "a condition",
		`(?#x)`:                   "a comment",
		`(?<a-b>x)`:               "balancing groups",
		`(?<1>x)`:                 "must begin with a letter",
		`(?x)a`:                   "only to .NET",
		`(?i-n:a)`:                "only to .NET",
		`(?U)a`:                   "does not know",
		`(a)\1`:                   "refers back",
		`(?<a>x)\k<a>`:            "refers back",
		`a\Z`:                     `\Z`,
		`\cA`:                     `\c`,
		`\y`:                      "means nothing",
		`a\`:                      "nothing follows",
		`[a-z-[b]]`:               "takes a class",
		`[a`:                      "is not closed",
		`[\W_]`:                   "in brackets",
		`\u12`:                    "4 hexadecimal digits",
		`\x{41}`:                  "2 hexadecimal digits",
		`a**`:                     "repetition",
		`\p{Nonsense}`:            "range",
		`(`:                       "missing closing )",
		`(a{500}){500}`:           "repeat",
		`((a{40}){40}){2}`:        "repeat",
		`(abc){900}`:              "too large",
		strings.Repeat("()", 101): "groups",
		strings.Repeat("a", 5000): "more than 4096 bytes",
	} {
		_, err := compilePattern(source)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", source, err, want)
		}
		_, err = Compile(`RegexMatch("x", "`+strings.ReplaceAll(source, `"`, `""`)+`")`, Options{})
		if named := fault.As(err, ""); len(source) < 4000 && (err == nil || named.Name != errorName || named.Position.Column == 0) {
			t.Errorf("%s: a pattern in the expression is not refused: %v", source, err)
		}
	}
}

// TestPatternsAreDotNets: what differs between .NET and Go means what it means in
// .NET.
func TestPatternsAreDotNets(t *testing.T) {
	for _, c := range []struct {
		source, text string
		match        bool
	}{
		{`^\w+$`, "Grüße_٣", true},
		{`^[\w-]+$`, "Jörg-Ölaf", true},
		{`^\W$`, "ü", false},
		{`^[^\w]$`, "ü", false},
		{`^\d$`, "٣", true},
		{`^[\D]$`, "٣", false},
		{`^\s$`, "\u00a0", true},
		{`^\S$`, "\u00a0", false},
		{`^[\s]$`, "\u2003", true},
		{`\ba\b`, "b a", true},
		{`^[\b]$`, "\b", true},
		{`^\u00fc$`, "ü", true},
		{`^\xfc$`, "ü", true},
		{`^\e\t\0$`, "\x1b\t\x00", true},
		{`^(?<x>a)(?'y'b)$`, "ab", true},
		{`^[[:a]+$`, "[:a", true}, // no class of POSIX
		{`^\p{Lu}\P{Lu}$`, "Üb", true},
		{`^\-\#\ \"$`, `-# "`, true},
		{`^\ü$`, "ü", true},
		{`^a{,2}$`, "a{,2}", true},
	} {
		p, err := compilePattern(c.source)
		if err != nil {
			t.Error(err)
			continue
		}
		if p.re.MatchString(c.text) != c.match {
			t.Errorf("%s matches %q: %v", c.source, c.text, !c.match)
		}
	}
}

// TestWorkOfPatternsIsBounded: neither a large text nor a replacement that grows
// takes long.
func TestWorkOfPatternsIsBounded(t *testing.T) {
	object := identity.Attributes{}.Set("long", identity.String(strings.Repeat("ab", maxText/2)))
	for source, want := range map[string]string{
		`RegexReplace(long, "^a", "$_$_")`:      "more than 1048576 bytes",
		`RegexReplace(long, "", "xy")`:          "too much data",
		`RegexMatch(long, "(a?b?){200}x{200}")`: "too much data",
		`RegexReplace(long, "(a)", "$1$1$1$1")`: "too much data",
	} {
		_, err := evaluate(source, Options{}, object)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", source, err, want)
		}
	}
}

func TestCachesAreBounded(t *testing.T) {
	var c boundedCache[int]
	made := 0
	get := func(key string) int {
		n, err := c.get(key, func(key string) (int, error) { made++; return strconv.Atoi(key) })
		if err != nil {
			return -1
		}
		return n
	}
	for i := range 10 * maxCached {
		for range 2 {
			if get(strconv.Itoa(i)) != i || len(c.values) > maxCached {
				t.Fatalf("%d: %d values", i, len(c.values))
			}
		}
	}
	if made != 10*maxCached {
		t.Errorf("made %d", made)
	}
	for i := range 2 {
		if get("x") != -1 || made != 10*maxCached+1+i {
			t.Error("an error is kept")
		}
	}
}

// FuzzRegex: any pattern over any text gives a result or an error, never a
// panic; replacing every match by itself changes nothing.
func FuzzRegex(f *testing.F) {
	for _, c := range []string{`^(\w+), (?<first>\w+)$`, `[^\w]|\d`, `(?=a)`, `[a-z-[x]]`, `\u0041\x41`, `(?i:a){2,3}`, `[]a]`, `\`, `(?<`, `a{1000}`} {
		f.Add(c, "Lovelace, Ada", "${first} $1$$")
	}
	f.Fuzz(func(t *testing.T, source, text, replacement string) {
		p, err := compilePattern(source)
		if err != nil {
			return
		}
		if len(text) > 1000 {
			text = text[:1000]
		}
		if p.re.NumSubexp()+1 != len(p.groups) {
			t.Errorf("%d groups of %d", len(p.groups), p.re.NumSubexp())
		}
		for _, with := range []string{replacement, "$&", "$0", "${0}"} {
			out, err := p.replace(&Context{}, text, with)
			if err == nil && with != replacement && out != text {
				t.Errorf("%s over %q by %s gives %q", source, text, with, out)
			}
		}
	})
}
