package scripting

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/script-api.md")

// TestReferencePage: the page in docs is what the table says, and has all of it.
func TestReferencePage(t *testing.T) {
	const path = "../docs/script-api.md"
	want := ReferencePage()
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
		t.Error("docs/script-api.md differs from the table: run go test ./scripting -update")
	}
	for _, kind := range table.Kinds {
		if kind.Doc == "" || !strings.Contains(string(got), "### "+kind.Name+"\n") {
			t.Errorf("%s is not described", kind.Name)
		}
	}
	for _, object := range table.Objects {
		for _, member := range object.Members {
			if !strings.Contains(string(got), member.Name) {
				t.Errorf("%s.%s is not described", object.Name, member.Name)
			}
		}
	}
	for _, typ := range table.Types {
		if typ.Name == "" || typ.Doc == "" {
			t.Errorf("a type has no name or is not described: %s", typ.Text)
		}
	}
}
