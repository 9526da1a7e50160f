package expr

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// A corpusCase is a documented example, or one of the same kind. Want is a value
// in the form of FromJSON, {"$match": regexp}, {"$range": [low, high]}, or
// {"$error": true} or a part of the error's text.
type corpusCase struct {
	ID         string         `json:"id"`
	Expr       string         `json:"expr"`
	Attributes map[string]any `json:"attributes"`
	Imported   map[string]any `json:"imported"`
	Parameters map[string]any `json:"parameters"`
	Names      string         `json:"names"`
	Want       any            `json:"want"`
}

// corpora are the files of cases of each dialect, in testdata.
var corpora = map[Dialect][]string{FIM: {"fim.json", "mimwal.json"}, Entra: {"entra.json"}}

// readCorpus reads the cases of a dialect.
func readCorpus(t testing.TB, d Dialect) (cases []corpusCase) {
	t.Helper()
	for _, file := range corpora[d] {
		cases = append(cases, readCases(t, "testdata/"+file)...)
	}
	return cases
}

// A listedObject holds attributes whose lists keep the order that they were given.
type listedObject map[string]Value

func (o listedObject) Get(name string) []identity.Value { return o[name].Values() }

// attribute is the schema of the attributes: they have the type of their first
// value, any if they have none, and are lists if they are written so.
func (o listedObject) attribute(name string) (identity.AttributeType, bool) {
	found := identity.AttributeType{Name: name, Multi: o[name].IsList()}
	if values := o[name].Values(); len(values) > 0 {
		found.Type = values[0].Type()
	}
	return found, true
}

func listedObjectOf(t testing.TB, object map[string]any) listedObject {
	t.Helper()
	values := listedObject{}
	for name, document := range object {
		v, err := FromJSON(document)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		values[name] = v
	}
	return values
}

// eval computes the value of a case at a fixed time. In Entra, attributes have types.
func (c corpusCase) eval(t testing.TB, d Dialect) (Value, error) {
	t.Helper()
	opts := Options{Dialect: d}
	if c.Names == "plain" {
		opts.Names = PlainNames
	}
	object, parameters := listedObjectOf(t, c.Attributes), listedObjectOf(t, c.Parameters)
	if d == Entra {
		opts.Attribute = object.attribute
	}
	program, err := Compile(c.Expr, opts)
	if err != nil {
		return Value{}, err
	}
	ctx := &Context{
		Object: object, Now: time.Date(2026, 1, 5, 2, 0, 0, 0, time.UTC),
		Parameters: func(name string) Value { return parameters[name] },
	}
	if c.Imported != nil {
		ctx.Imported = listedObjectOf(t, c.Imported)
	}
	v, err := program.Eval(ctx)
	if single, ok := v.Single(); ok && program.Type() != 0 && program.Type() != single.Type() {
		t.Errorf("%s is of type %v, declared %v", c.Expr, single.Type(), program.Type())
	}
	if program.IsList() && !v.IsNull() && !v.IsList() {
		t.Errorf("%s is declared a list", c.Expr)
	}
	return v, err
}

func TestDocumentedExamples(t *testing.T) {
	for d, least := range map[Dialect]int{FIM: 50, Entra: 450} {
		cases := readCorpus(t, d)
		if len(cases) < least {
			t.Fatalf("%s has only %d cases", d, len(cases))
		}
		for _, c := range cases {
			t.Run(string(d)+"/"+c.ID, func(t *testing.T) {
				got, err := c.eval(t, d)
				want, _ := c.Want.(map[string]any)
				if wanted := want["$error"]; wanted != nil {
					part, _ := wanted.(string)
					if err == nil || !strings.Contains(err.Error(), part) {
						t.Fatalf("%s = %v, error %v, want error %q", c.Expr, got.JSON(), err, part)
					}
					if named := fault.As(err, ""); named.Name == "" || named.Position.Line == 0 {
						t.Errorf("error without name or place: %+v", named)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				compareCase(t, c, got)
			})
		}
	}
}

// TestCertificates reads two certificates that OpenSSL made, of a person and of a
// certification authority.
func TestCertificates(t *testing.T) {
	for _, c := range readCases(t, "testdata/certificates.json") {
		t.Run(c.ID, func(t *testing.T) {
			got, err := evaluate(c.Expr, Options{Dialect: Entra}, attributesOf(t, c.Attributes))
			want, _ := c.Want.(map[string]any)
			if want["$error"] != nil {
				if named := fault.As(err, ""); err == nil || named.Position.Column == 0 {
					t.Fatalf("%s = %v, %v, want an error with its place", c.Expr, got.JSON(), err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			compareCase(t, c, got)
		})
	}
}

func readCases(t testing.TB, file string) []corpusCase {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []corpusCase
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

func compareCase(t *testing.T, c corpusCase, got Value) {
	t.Helper()
	single, _ := got.Single()
	special, _ := c.Want.(map[string]any)
	if pattern, ok := special["$match"].(string); ok {
		if !regexp.MustCompile(pattern).MatchString(single.Text()) {
			t.Errorf("%s = %v, want a match of %s", c.Expr, got.JSON(), pattern)
		}
		return
	}
	if bounds, ok := special["$range"].([]any); ok {
		low, err1 := bounds[0].(json.Number).Int64()
		high, err2 := bounds[1].(json.Number).Int64()
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if n := single.Int(); single.Type() != identity.TypeInteger || n < low || n > high {
			t.Errorf("%s = %v, want %d to %d", c.Expr, got.JSON(), low, high)
		}
		return
	}
	want, err := FromJSON(c.Want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.JSON(), got.JSON()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", c.Expr, diff)
	}
}

// TestEveryFunctionHasAnExample keeps the corpora in step with the table.
func TestEveryFunctionHasAnExample(t *testing.T) {
	for _, d := range Dialects() {
		var corpus strings.Builder
		for _, c := range readCorpus(t, d) {
			corpus.WriteString(c.Expr + "\n")
		}
		for _, c := range readCases(t, "testdata/certificates.json") {
			corpus.WriteString(c.Expr + "\n")
		}
		if d == FIM {
			for _, c := range behaviour {
				corpus.WriteString(c.source + "\n")
			}
			corpus.WriteString("DateTimeNow()") // TestDateTimeNow
		}
		for _, f := range Library(d) {
			if !strings.Contains(corpus.String(), f.Name) {
				t.Errorf("no example of %s in %s", f.Name, d)
			}
		}
	}
}

func attributesOf(t testing.TB, object map[string]any) identity.Attributes {
	t.Helper()
	var attributes identity.Attributes
	for name, document := range object {
		v, err := FromJSON(document)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		attributes = attributes.Set(name, v.Values()...)
	}
	return attributes
}

func evaluate(source string, opts Options, object identity.Attributes) (Value, error) {
	program, err := Compile(source, opts)
	if err != nil {
		return Value{}, err
	}
	return program.Eval(&Context{Object: object})
}
