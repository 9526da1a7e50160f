package expr

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// schema is a small schema for tests.
var schema = map[string]identity.AttributeType{
	"givenName": {Name: "givenName", Type: identity.TypeString},
	"sn":        {Name: "sn", Type: identity.TypeString},
	"age":       {Name: "age", Type: identity.TypeInteger},
	"active":    {Name: "active", Type: identity.TypeBoolean},
	"photo":     {Name: "photo", Type: identity.TypeBinary},
	"born":      {Name: "born", Type: identity.TypeDateTime},
	"phones":    {Name: "phones", Type: identity.TypeString, Multi: true},
}

func schemaOptions() Options {
	return Options{
		Position: fault.Position{File: "rules.yaml", Line: 7, Column: 20},
		Attribute: func(name string) (identity.AttributeType, bool) {
			a, ok := schema[name]
			return a, ok
		},
		AttributeNames: func() []string {
			names := make([]string, 0, len(schema))
			for name := range schema {
				names = append(names, name)
			}
			slices.Sort(names)
			return names
		},
		Parameters: []string{"initialPassword"},
	}
}

func TestCompileErrors(t *testing.T) {
	for _, c := range []struct{ source, want, hint string }{
		{``, `7:20 the expression is empty`, `write "" for the empty text, Null() for no value`},
		{`"a`, `7:20 this text has no closing quote`, `write "" for a quote inside a text`},
		{`sn + `, `7:25 expected a value, found the end of the expression`, ``},
		{`sn sn`, `7:23 expected the end of the expression, found sn`, ``},
		{`Left(sn, 1`, `7:30 expected "," or ")" of Left, found the end of the expression`, ``},
		{`Left(sn,)`, `7:28 expected a value, found )`, ``},
		{`(sn`, `7:23 expected ")", found the end of the expression`, ``},
		{`[sn`, `7:20 this bracket is not closed`, ``},
		{`[ ]`, `7:20 no attribute between the brackets`, ``},
		{`$`, `7:20 $ needs the name of a parameter`, ``},
		{`12ab`, `7:20 12ab is not a whole number`, `whole numbers are written 15, -15, 0xF or &HF`},
		{`1.5`, `7:20 1.5 is not a whole number`, `whole numbers are written 15, -15, 0xF or &HF`},
		{`99999999999999999999`, `7:20 99999999999999999999 does not fit into 64 bits`, `whole numbers are written 15, -15, 0xF or &HF`},
		{`“a”`, `7:20 unexpected '“'`, `texts are written in straight double quotes: "text"`},
		{`sn & "x"`, `7:23 unexpected '&'`, `texts are joined with +`},
		{`IIF(sn="x",1,2)`, `7:26 unexpected '='`, `comparisons are functions, such as Eq(a, b) and LessThan(a, b)`},
		{"sn + \xff", `7:20 the expression is not UTF-8 text`, ``},
		{`"é" + elsewhere`, `7:26 unknown attribute "elsewhere"`, ``},
		{`givenname`, `7:20 unknown attribute "givenname"`, `did you mean givenName?`},
		{`LowerCase + "x"`, `7:20 unknown attribute "LowerCase"`, `LowerCase is a function: write LowerCase(...)`},
		{`[null]`, `7:20 unknown attribute "null"`, `Null is a function: write Null(...)`},
		{`LowrCase(sn)`, `7:20 unknown function "LowrCase"`, `did you mean LowerCase?`},
		{`"x" + Left(sn)`, `7:26 Left takes 2 arguments, not 1`, `Left(text: string, count: integer): string`},
		{`CRLF(1)`, `7:20 CRLF takes no arguments, not 1`, `CRLF(): string`},
		{`LowerCase()`, `7:20 LowerCase takes 1 argument, not 0`, `LowerCase(text: string): string`},
		{`$initialpasword`, `7:20 unknown parameter $initialpasword`, `did you mean initialPassword?`},
		{`Left(sn, "x")`, `7:29 argument 2 of Left must be a whole number, not "x"`, ``},
		{`Left(sn, active)`, `7:29 argument 2 of Left must be a whole number, not a value of type boolean`, ``},
		{`LowerCase(photo)`, `7:30 argument 1 of LowerCase must be text, not a value of type binary`, ``},
		{`"x" + photo`, `7:26 binary values cannot be concatenated`, ``},
		{`ConvertSidToString(sn)`, `7:39 argument 1 of ConvertSidToString must be binary, not a value of type string`, ``},
		{`IIF(age, 1, 2)`, `7:24 argument 1 of IIF must be true or false, not a value of type integer`, ``},
		{`Eq(active, 1)`, `7:20 Eq: a value of type boolean never equals one of type integer`, ``},
		{`Eq(active, "yes")`, `7:20 Eq: "yes" is not a value of type boolean`, ``},
		{`NotEquals("x", age)`, `7:20 NotEquals: "x" is not a value of type integer`, ``},
		{`Eq(photo, sn)`, `7:20 Eq: a value of type string never equals one of type binary`, ``},
		{`DateTimeFormat(born, "q")`, `7:20 DateTimeFormat: "q" is not a datetime format: no standard format is named so`, ``},
		{"sn +\n  elsewhere", `8 unknown attribute "elsewhere"`, ``},
	} {
		program, err := Compile(c.source, schemaOptions())
		if err == nil || program != nil {
			t.Errorf("%q: program %v, error %v", c.source, program, err)
			continue
		}
		named := fault.As(err, "")
		place := strings.TrimPrefix(named.Position.String(), "rules.yaml:")
		if got := place + " " + named.Detail(); got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.source, got, c.want)
		}
		if c.hint != named.Hint {
			t.Errorf("%q: hint %q, want %q", c.source, named.Hint, c.hint)
		}
		if named.Name != errorName && named.Name != "datetime-string-format-incorrect" {
			t.Errorf("%q: name %q", c.source, named.Name)
		}
	}
}

func TestUnknownDialect(t *testing.T) {
	if _, err := Compile("sn", Options{Dialect: "cobol"}); fault.Name(err) != errorName {
		t.Errorf("got error %v", err)
	}
	if Library("cobol") != nil {
		t.Error("an unknown dialect has functions")
	}
}

func TestPositions(t *testing.T) {
	file := fault.Position{File: "r.yaml", Line: 3, Column: 5}
	for _, c := range []struct {
		base   fault.Position
		source string
		want   fault.Position
	}{
		{fault.Position{}, "?", fault.Position{Line: 1, Column: 1}},
		{fault.Position{}, "sn +\n ?", fault.Position{Line: 2, Column: 2}},
		{file, `"ü"?`, fault.Position{File: "r.yaml", Line: 3, Column: 8}},
		{file, "sn +\n ?", fault.Position{File: "r.yaml", Line: 4}},
		{fault.Position{File: "r.yaml", Line: 3}, "sn ?", fault.Position{File: "r.yaml", Line: 3}},
		{fault.Position{File: "r.yaml"}, "sn +\n?", fault.Position{File: "r.yaml"}},
	} {
		_, err := Compile(c.source, Options{Position: c.base})
		if got := fault.As(err, "").Position; got != c.want {
			t.Errorf("%q at %v: got %+v, want %+v", c.source, c.base, got, c.want)
		}
	}
}

func TestAttributesAndTypes(t *testing.T) {
	for _, c := range []struct {
		source     string
		attributes []string
		typ        identity.Type
	}{
		{`sn`, []string{"sn"}, identity.TypeString},
		{`age`, []string{"age"}, identity.TypeInteger},
		{`IIF(IsPresent(sn), givenName + sn, [phones])`, []string{"givenName", "phones", "sn"}, identity.TypeString},
		{`IIF(active, age, Null())`, []string{"active", "age"}, identity.TypeInteger},
		{`IIF(active, Null, age)`, []string{"active", "age"}, identity.TypeInteger},
		{`IIF(active, age, sn)`, []string{"active", "age", "sn"}, 0},
		{`CustomExpression(Eq(sn, "x"))`, []string{"sn"}, identity.TypeBoolean},
		{`"x"`, nil, identity.TypeString},
		{`$initialPassword`, nil, 0},
		{`Null()`, nil, 0},
		{`BitOr(2, age)`, []string{"age"}, identity.TypeInteger},
	} {
		program, err := Compile(c.source, schemaOptions())
		if err != nil {
			t.Errorf("%s: %v", c.source, err)
			continue
		}
		if diff := cmp.Diff(c.attributes, program.Attributes()); diff != "" {
			t.Errorf("%s: attributes (-want +got):\n%s", c.source, diff)
		}
		if program.Type() != c.typ {
			t.Errorf("%s: type %v, want %v", c.source, program.Type(), c.typ)
		}
	}
}

func TestBounds(t *testing.T) {
	deep := func(n int) string {
		return strings.Repeat("LowerCase(", n) + "sn" + strings.Repeat(")", n)
	}
	if _, err := Compile(deep(maxDepth-1), Options{}); err != nil {
		t.Error(err)
	}
	for name, source := range map[string]string{
		"depth":       deep(maxDepth),
		"parentheses": strings.Repeat("(", 10000),
		"size":        `"` + strings.Repeat("x", maxSource) + `"`,
	} {
		if _, err := Compile(source, Options{}); fault.Name(err) != errorName {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	wide := "sn" + strings.Repeat("+sn", maxSource/4)
	if _, err := Compile(wide, Options{}); err != nil {
		t.Error(err)
	}
}

func TestLibrary(t *testing.T) {
	for d, wanted := range map[Dialect][]string{
		FIM: {
			"UpperCase", "LowerCase", "ProperCase", "LTrim", "RTrim", "Trim", "RightPad", "LeftPad", "BitOr", "BitAnd",
			"DateTimeFormat", "ConvertSidToString", "ConvertStringToGuid", "ReplaceString", "Word", "Left", "Right", "Mid",
			"CRLF", "RandomNum", "EscapeDNComponent", "Null", "IIF", "Eq", "NotEquals", "LessThan", "GreaterThan",
			"LessThanOrEquals", "GreaterThanOrEquals", "IsPresent", "CustomExpression",
		},
		Entra: {
			"CBool", "CDate", "CGuid", "CNum", "CRef", "CStr", "ConvertFromBase64", "ConvertToBase64", "ConvertFromUTF8Hex",
			"ConvertToUTF8Hex", "StringFromGuid", "StringFromSid", "DateAdd", "DateFromNum", "NumFromDate", "FormatDateTime",
			"Now", "DNComponent", "DNComponentRev", "EscapeDNComponent", "IsBitSet", "IsDate", "IsEmpty", "IsGuid", "IsNull",
			"IsNullOrEmpty", "IsNumeric", "IsPresent", "IsString", "BitAnd", "BitOr", "RandomNum", "Contains", "Count", "Item",
			"ItemOrNull", "Join", "RemoveDuplicates", "Split", "Error", "IIF", "Select", "Switch", "Where", "With", "Guid",
			"InStr", "InStrRev", "LCase", "Left", "Len", "LTrim", "Mid", "PadLeft", "PadRight", "PCase", "Replace",
			"ReplaceChars", "Right", "RTrim", "Trim", "UCase", "Word", "ImportedValue",
		},
	} {
		rows := Library(d)
		if !slices.IsSortedFunc(rows, func(a, b Function) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("%s is not sorted", d)
		}
		names := make(map[string]bool)
		for _, f := range rows {
			if names[strings.ToLower(f.Name)] {
				t.Errorf("%s is there twice in %s", f.Name, d)
			}
			names[strings.ToLower(f.Name)] = true
			if f.Doc == "" || f.Source == "" || f.build == nil || !strings.HasPrefix(f.Signature, f.Name+"(") {
				t.Errorf("%s is not complete: %+v", f.Name, f)
			}
		}
		for _, name := range wanted {
			if !names[strings.ToLower(name)] {
				t.Errorf("%s is missing in %s", name, d)
			}
		}
		rows[0].Name = "changed"
		if Library(d)[0].Name == "changed" {
			t.Error("Library returns its own rows")
		}
	}
}
