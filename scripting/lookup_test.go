package scripting

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/scripting/modules"
)

// tables gives a loader a table of departments.
func tables(t *testing.T, l *Loader, base, text string) {
	t.Helper()
	write(t, filepath.Join(base, "d.csv"), text)
	l.options.Tables = []modules.TableSpec{{
		Name: "departments", File: filepath.Join(base, "d.csv"), Key: "code",
		Position: fault.Position{File: "metasync.yaml", Line: 3, Column: 1},
	}}
}

func TestLookup(t *testing.T) {
	tests := []struct{ expression, want, wantErr string }{
		{expression: `lookup("departments", "r1", "name")`, want: "Research, pure"},
		{expression: `lookup("departments", "R1", "name")`, want: "Research, pure"},
		{expression: `lookup("departments", "STRASSE", "name")`, want: "undefined"},
		{expression: `lookup("departments", 7, "name")`, want: "Seven"},
		{expression: `lookup("departments", "7", "head")`, want: "undefined"},
		{expression: `JSON.stringify(lookup("departments", "r1"))`, want: `{"code":"R1","name":"Research, pure","head":"Ada"}`},
		{expression: `JSON.stringify(lookup("departments", "7"))`, want: `{"code":"7","name":"Seven"}`},
		{expression: `lookup("departments", "x", "name")`, want: "undefined"},
		{expression: `lookup("departments", undefined, "name")`, want: "undefined"},
		{expression: `{ const row = lookup("departments", "7"); row.name = "changed"; lookup("departments", "7").name }`, want: "Seven"},
		{expression: `lookup("department", "7", "name")`, wantErr: `there is no lookup table "department" (did you mean "departments"?)`},
		{expression: `lookup("departments", "7", "nam")`, wantErr: `the lookup table "departments" has no column "nam" (did you mean "name"?)`},
		{expression: `lookup("departments", undefined, "nam")`, wantErr: `no column "nam"`},
		{expression: `lookup("departments", {}, "name")`, wantErr: "lookup takes a key, which is a text"},
		{expression: `lookup()`, wantErr: "lookup needs the name of a table"},
	}
	for _, test := range tests {
		l, base := folder(t, "a.js", `flowFunction("f", () => String(eval(`+"`"+test.expression+"`"+`)))`)
		tables(t, l, base, "\ufeffcode,name,head\r\nR1,\"Research, pure\",Ada\r\n7,Seven,\r\n")
		got, err := call(t, load(t, l), "f")
		single, _ := got.Single()
		if test.wantErr != "" {
			if err == nil || !strings.Contains(err.Error()+" ("+fault.As(err, "").Hint+")", test.wantErr) && !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("%s: %v, want %q", test.expression, err, test.wantErr)
			}
			continue
		}
		if err != nil || single.Str() != test.want {
			t.Errorf("%s: %q, want %q (%v)", test.expression, single.Str(), test.want, err)
		}
	}
	g := script(t, `flowFunction("f", () => lookup("departments", "7", "name"))`)
	_, err := call(t, g, "f")
	wantError(t, err, `there is no lookup table "departments"`)
}

func TestBadTables(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", "metasync.yaml:3:1: lookup-invalid: lookup table \"departments\": d.csv is empty"},
		{"cod,name\n", `metasync.yaml:3:1: lookup-invalid: lookup table "departments": there is no column "code"`},
		{"code,code\n", `d.csv:1:1: lookup-invalid: lookup table "departments": the column "code" is there twice`},
		{"code,name\na,b\n\nA,c\n", `d.csv:4:1: lookup-invalid: lookup table "departments": the key "A" is there twice`},
		{"code,name\n,b\n", `d.csv:2:1: lookup-invalid: lookup table "departments": a row without a key`},
		{"code,name\na\n", "d.csv:2:1: lookup-invalid: lookup table \"departments\": wrong number of fields"},
		{"code,name\na,\"b\n", "extraneous or missing"},
		{"code,name\na,\xff\n", "not encoded as UTF-8"},
	}
	for _, test := range tests {
		l, base := folder(t)
		tables(t, l, base, test.text)
		_, err := l.Load(t.Context())
		wantError(t, err, test.want)
	}
	l, base := folder(t)
	tables(t, l, base, "")
	if err := os.Remove(filepath.Join(base, "d.csv")); err != nil {
		t.Fatal(err)
	}
	_, err := l.Load(t.Context())
	wantError(t, err, `metasync.yaml:3:1: lookup-invalid: lookup table "departments": `)
	wantError(t, err, "no such file")
	write(t, filepath.Join(base, "d.csv", "x"), "")
	_, err = l.Load(t.Context())
	wantError(t, err, "not a file")
}

// Other content of a table is another version of what looks into it, and of nothing
// else: it says which objects must be synchronized again.
func TestTablesCountForVersions(t *testing.T) {
	l, base := folder(
		t, "finds.js", `import {find} from "./lib"; flowFunction("finds", find); flow("HR.employee", "finds", find)`,
		"lib.ts", `export const find = (code: any) => lookup("departments", code, "name")`,
		"other.js", `flowFunction("other", a => a)`,
	)
	versions := func(text string) (finds, flow, other, name string) {
		tables(t, l, base, text)
		g := load(t, l)
		for _, version := range g.Rules().FlowVersions {
			flow = version
		}
		v, err := call(t, g, "finds", expr.Str("a"))
		if err != nil {
			t.Fatal(err)
		}
		single, _ := v.Single()
		return g.Functions()["finds"].Version, flow, g.Functions()["other"].Version, single.Str()
	}
	finds1, flow1, other1, name1 := versions("code,name\na,x\n")
	finds2, flow2, other2, name2 := versions("code,name\na,y\n")
	finds3, flow3, other3, name3 := versions("code,name\na,x\n")
	if name1 != "x" || name2 != "y" || name3 != "x" {
		t.Errorf("found %q, %q, %q", name1, name2, name3)
	}
	if finds1 == finds2 || flow1 == flow2 {
		t.Error("another table is no other version")
	}
	if finds1 != finds3 || flow1 != flow3 {
		t.Error("the same table is another version")
	}
	if other1 != other2 || other1 != other3 {
		t.Error("what does not look into tables has another version")
	}
}
