package expr

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write docs/functions.md")

// TestReference: the page in docs is what the table says.
func TestReference(t *testing.T) {
	const path = "../../docs/functions.md"
	want := Reference()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/functions.md differs from the table: run go test ./engine/expr -update")
	}
}

// TestRows: every row of the table is complete.
func TestRows(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Functions() {
		if f.Doc == "" || f.Source == "" || len(f.Dialects) == 0 || f.build == nil {
			t.Errorf("%s lacks its documentation, source, dialect or implementation", f.Name)
		}
		for _, d := range f.Dialects {
			if name := string(d) + " " + f.Name; seen[name] {
				t.Errorf("%s is there twice", name)
			} else {
				seen[name] = true
			}
		}
		for i, p := range f.Params {
			if p.Name == "" || p.Repeats && i+1 != len(f.Params) || i > 0 && f.Params[i-1].Optional && !p.Optional && !p.Repeats {
				t.Errorf("%s: argument %d", f.Signature, i+1)
			}
		}
	}
}
