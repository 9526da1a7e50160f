package csv

import (
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
)

// TestReadObject: an object is taken for gone only if no row can be it.
func TestReadObject(t *testing.T) {
	for _, test := range []struct{ name, rows, want string }{
		{"found", "1,Ann,,,\n2,Bob,,,\n", `line 3: person 2 id="2" name="Bob"`},
		{"found beside rows that cannot be read", "torn\n2,Bob,,,\n", `line 3: person 2 id="2" name="Bob"`},
		{"gone", "1,Ann,,,\n3,Eve,,,\n", "gone"},
		{"gone, another value is wrong", "1,Ann,x,,\n", "gone"},
		{"a row without an anchor", "1,Ann,,,\n,Bob,,,\n", "cd-missing-object"},
		{"a torn row", "1,Ann,,,\n2,Bo", "cd-missing-object"},
		{"nothing but a header", "", "cd-missing-object"},
		{"its value is wrong", "2,Bob,x,,\n", "line 2: invalid-numeric-value at 2:7 age 2"},
		{"twice", "2,Bob,,,\n1,Ann,,,\n2,Bo,,,\n", "line 2: duplicate-object at 4:0  2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, path := openPeople(t, personHeader+test.rows)
			schema, err := a.Schema(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var page agent.Page
			err = a.ReadObject(t.Context(), agent.ObjectRequest{Schema: schema, Anchor: "2", DN: "2"}, &page)
			got := "gone"
			switch {
			case err != nil:
				if got = fault.Name(err); fault.As(err, "").Position.File != path {
					t.Errorf("%v does not say in which file", err)
				}
			case len(page.Entries) == 1:
				got = strings.TrimRight(describe(&page.Entries[0]), " ")
			}
			if got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

// TestReadObjectOfNothing: what keeps an import from starting keeps one object from
// being read.
func TestReadObjectOfNothing(t *testing.T) {
	a, _ := openPeople(t, "id,age,phones,manager\n")
	err := a.ReadObject(t.Context(), agent.ObjectRequest{
		Anchor: "2", Required: []agent.Required{{ObjectType: "person", Attribute: "name"}},
	}, &agent.Page{})
	if fault.Name(err) != "no-start-header-row-mismatch" {
		t.Errorf("%v, want no-start-header-row-mismatch", err)
	}
}
