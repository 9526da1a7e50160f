package fault

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestErrorText(t *testing.T) {
	cause := errors.New("connection refused")
	tests := []struct {
		name string
		err  *Error
		want string
	}{
		{"name only", &Error{Name: "parse-error"}, "parse-error"},
		{"text", New("parse-error", "missing %q", "}"), `parse-error: missing "}"`},
		{"cause", Wrap("cd-connectivity-error", cause), "cd-connectivity-error: connection refused"},
		{"text and cause", &Error{Name: "read-error", Text: "reading the schema", Err: cause}, "read-error: reading the schema: connection refused"},
		{"a cause without a cause of its own", Wrap("cd-error", errors.New(`code 68 "Exists": `)), `cd-error: code 68 "Exists"`},
		{"no name", &Error{Text: "unknown key"}, "unknown key"},
		{
			"place in a file",
			&Error{Name: "parse-error", Text: "unknown key", Position: Position{"metasync.yaml", 3, 7}},
			"metasync.yaml:3:7: parse-error: unknown key",
		},
		{
			"place on an object",
			&Error{
				Name: "invalid-attribute-value", Agent: "HR", Object: `CN="A"`, Rule: "HR people", Attribute: "mail",
				Step: "import-flow", Text: "too long",
			},
			`invalid-attribute-value: agent "HR", object "CN=\"A\"", rule "HR people", attribute "mail": too long`,
		},
		{
			"the hint stays apart",
			&Error{Name: "parse-error", Text: "unknown key", Hint: "write agents"},
			"parse-error: unknown key",
		},
		{
			"named cause",
			&Error{Name: "extension-dll-exception", Rule: "R", Err: &Error{Name: "read-error", Text: "torn"}},
			`extension-dll-exception: rule "R": read-error: torn`,
		},
		{"nothing", &Error{}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.err.Error(); got != test.want {
				t.Errorf("Error() = %s\nwant      %s", got, test.want)
			}
			if !strings.HasSuffix(test.want, test.err.Detail()) {
				t.Errorf("Detail() = %q is not the end of %q", test.err.Detail(), test.want)
			}
		})
	}
}

func TestDetailHasNoNameAndPlace(t *testing.T) {
	err := &Error{
		Name: "read-error", Text: "text", Err: errors.New("cause"),
		Position: Position{"f", 1, 2}, Agent: "HR", Object: "o", Rule: "r", Attribute: "a",
	}
	if got, want := err.Detail(), "text: cause"; got != want {
		t.Errorf("Detail() = %q, want %q", got, want)
	}
}

func TestPosition(t *testing.T) {
	tests := []struct {
		position Position
		want     string
	}{
		{Position{}, ""},
		{Position{File: "a.yaml"}, "a.yaml"},
		{Position{"a.yaml", 3, 0}, "a.yaml:3"},
		{Position{"a.yaml", 3, 14}, "a.yaml:3:14"},
		{Position{"a.yaml", 0, 14}, "a.yaml"}, // a column says nothing without its line
		{Position{"", 3, 14}, "3:14"},
		{Position{"", 3, 0}, "3"},
	}
	for _, test := range tests {
		if got := test.position.String(); got != test.want {
			t.Errorf("%#v.String() = %q, want %q", test.position, got, test.want)
		}
		if got, want := test.position.IsZero(), test.position == (Position{}); got != want {
			t.Errorf("%#v.IsZero() = %t", test.position, got)
		}
	}
}

func TestUnwrap(t *testing.T) {
	err := fmt.Errorf("import: %w", Wrap("stopped-file-error", fmt.Errorf("open: %w", fs.ErrNotExist)))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is not found")
	}
	if New("read-error", "text").Unwrap() != nil {
		t.Error("an error without a cause unwraps to something")
	}
}

func TestAs(t *testing.T) {
	if got := As(nil, "unexpected-error"); got != nil {
		t.Errorf("As(nil) = %v", got)
	}

	plain := errors.New("boom")
	if got := As(plain, "unexpected-error"); got.Name != "unexpected-error" || got.Err != plain {
		t.Errorf("a plain error came back as %#v", got)
	}

	inner := New("parse-error", "inner")
	outer := Wrap("read-error", inner)
	if got := As(fmt.Errorf("more: %w", outer), "unexpected-error"); got != outer {
		t.Errorf("As = %v, want the outermost named error", got)
	}
	if got := As(errors.Join(plain, inner), "unexpected-error"); got != inner {
		t.Errorf("As = %v, want the named error among joined ones", got)
	}
}

func TestName(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{nil, ""},
		{errors.New("plain"), ""},
		{New("parse-error", ""), "parse-error"},
		{fmt.Errorf("x: %w", New("parse-error", "")), "parse-error"},
		{Wrap("read-error", New("parse-error", "")), "read-error"},
	}
	for _, test := range tests {
		if got := Name(test.err); got != test.want {
			t.Errorf("Name(%v) = %q, want %q", test.err, got, test.want)
		}
	}
}

func TestSuggest(t *testing.T) {
	attributes := []string{"accountName", "displayName", "employeeID", "givenName", "sn", "mail", "manager"}
	tests := []struct {
		text       string
		candidates []string
		want       string
	}{
		{"dispalyName", attributes, "displayName"}, // swapped
		{"displyName", attributes, "displayName"},  // dropped
		{"displaayName", attributes, "displayName"},
		{"DISPLAYNAME", attributes, "displayName"},
		{"emploeeId", attributes, "employeeID"},
		{"maill", attributes, "mail"},
		{"manger", attributes, "manager"},
		{"ns", attributes, "sn"},
		{"telephoneNumber", attributes, ""},
		{"xy", attributes, ""},
		{"", attributes, ""},
		{"", []string{"a"}, ""},
		{"x", []string{"y"}, ""}, // nothing in common
		{"Straße", []string{"Strasse", "Straßen"}, "Straßen"},
		{"mail", nil, ""},
		{"bar", []string{"car", "far"}, "car"},    // a tie
		{"mail", []string{"mai", "Mail"}, "Mail"}, // case does not count
	}
	for _, test := range tests {
		if got := Suggest(test.text, test.candidates); got != test.want {
			t.Errorf("Suggest(%q, %q) = %q, want %q", test.text, test.candidates, got, test.want)
		}
	}
}

// The distance is symmetric, zero for equal texts only, and at most the length
// of the longer text.
func TestDistanceLaws(t *testing.T) {
	text := rapid.StringMatching(`[abc]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		d := distance(a, b)
		if back := distance(b, a); back != d {
			t.Fatalf("distance is %d one way and %d the other", d, back)
		}
		if (d == 0) != (a == b) {
			t.Fatalf("distance(%q, %q) = %d", a, b, d)
		}
		if d > max(len(a), len(b)) {
			t.Fatalf("distance(%q, %q) = %d is longer than both", a, b, d)
		}
	})
}
