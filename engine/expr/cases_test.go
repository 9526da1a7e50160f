package expr

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// A corpusCase is a documented example. Want is a value in the form of FromJSON,
// {"$match": regexp}, {"$range": [low, high]} or {"$error": true}.
type corpusCase struct {
	ID         string         `json:"id"`
	Expr       string         `json:"expr"`
	Attributes map[string]any `json:"attributes"`
	Names      string         `json:"names"`
	Want       any            `json:"want"`
}

func TestDocumentedExamples(t *testing.T) {
	cases := readCases(t, "testdata/fim.json")
	if len(cases) < 50 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range append(cases, readCases(t, "testdata/mimwal.json")...) {
		t.Run(c.ID, func(t *testing.T) {
			opts := Options{Dialect: FIM}
			if c.Names == "plain" {
				opts.Names = PlainNames
			}
			got, err := evaluate(c.Expr, opts, attributesOf(t, c.Attributes))
			want, _ := c.Want.(map[string]any)
			if want["$error"] != nil {
				if err == nil {
					t.Fatalf("%s = %v, want an error", c.Expr, got.JSON())
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
	corpus := ""
	for _, file := range []string{"testdata/fim.json", "testdata/mimwal.json"} {
		for _, c := range readCases(t, file) {
			corpus += c.Expr + "\n"
		}
	}
	for _, c := range behaviour {
		corpus += c.source + "\n"
	}
	corpus += "DateTimeNow()" // TestDateTimeNow
	for _, f := range Library(FIM) {
		if !strings.Contains(corpus, f.Name) {
			t.Errorf("no example of %s", f.Name)
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
