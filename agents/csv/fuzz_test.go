package csv

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/identity"
)

// awkward are files as people have them.
var awkward = []string{
	"",
	"\n",
	"id,name,phones\n1,Ann,a|b\n2,Bob,\n",
	"\xEF\xBB\xBFid,name,phones\r\n\"1\",\"say \"\"hi\"\"\",\"a\"\r\n\r\n2,Bob,",
	"phones,id,name\n,1,\"two\r\nlines\"\n\n,2\n,,\n  \n,3,x,y\n",
	"id;name;phones\n1;Ann;a\n",
	"id,name,phones,\n1,Ann,a,\n",
	"id,name,phones\n1,\"Ann\n2,Bob,c\n",
	"id,name,phones\n1,5\" disk,\n",
	"id,name,phones\n1,\"Ann\" B,\n",
	"id,name,phones\n1,A\xFFn,a||b\n1,Ann,\n",
	"id,name,phones\n1,A\x00n,\n",
	"id,name,phones\r1,Ann,\r2,Bob,\r",
	"id,name,id\n1,Ann,2\n",
	"\xFF\xFEi\x00d\x00",
	"id,name,phones\r\n\"\"\r",
	"name,id,phones,\"two words\"\n, 1 , \"x\",\n",
}

// FuzzScanner compares the rows with those of encoding/csv.
func FuzzScanner(f *testing.F) {
	for _, content := range awkward {
		f.Add([]byte(content))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		got, gotErr := scan(content)
		if bytes.IndexByte(content, 0) >= 0 || bytes.HasPrefix(content, []byte("\xFF\xFE")) || bytes.HasPrefix(content, []byte("\xFE\xFF")) {
			if gotErr == nil {
				t.Error("a file that is not UTF-8 text has rows")
			}
			return
		}
		r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(content, []byte("\xEF\xBB\xBF"))))
		r.FieldsPerRecord = -1
		want, wantErr := r.ReadAll()
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("errors: %v, but encoding/csv says %v", gotErr, wantErr)
		}
		if gotErr == nil && !slices.EqualFunc(want, got, slices.Equal[[]string]) {
			t.Errorf("got %q, but encoding/csv says %q", got, want)
		}
	})
}

// scan returns the cells of all rows, with line ends as encoding/csv has them.
// It fails if the rows do not add up to the content.
func scan(content []byte) ([][]string, error) {
	s, r := newScanner("f.csv", bytes.NewReader(content), ','), new(row)
	var rows [][]string
	raw := []byte{}
	for {
		more, err := s.next(r)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		raw = append(raw, r.raw...)
		if r.blank() {
			continue
		}
		var cells []string
		for i := range r.cells {
			cells = append(cells, strings.ReplaceAll(r.value(i), "\r\n", "\n"))
		}
		rows = append(rows, cells)
	}
	if !bytes.Equal(raw, bytes.TrimPrefix(content, []byte("\xEF\xBB\xBF"))) {
		return nil, errors.New("the rows are not the content")
	}
	return rows, nil
}

// FuzzFile imports any bytes, and exports over them.
func FuzzFile(f *testing.F) {
	for _, content := range awkward {
		f.Add([]byte(content))
	}
	path := filepath.Join(f.TempDir(), "fuzz.csv")
	object := agent.Object{Name: "person", Anchor: []string{"id"}, Attributes: []agent.Attribute{
		{Name: "phones", Type: identity.TypeString, Multi: true, Separator: "|"},
		{Name: "name", Type: identity.TypeString},
	}}
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		a := openAgent(t, Settings{File: agent.Path(path)}, object)
		before, err := entriesOf(t, a)
		if err != nil {
			if _, err := a.OpenExport(t.Context(), agent.ExportRequest{}); err == nil {
				t.Error("an export would write to a file that cannot be imported")
			}
			return
		}

		// An added row follows everything that was there.
		mustExport(t, a, add("\nnew\n", "name", "x"))
		got := readFile(t, path)
		rest, kept := strings.CutPrefix(got, string(content))
		if !kept || !strings.Contains(rest, "\"\nnew\n\"") {
			t.Fatalf("added to %q: %q", content, got)
		}

		// Taken away again it leaves nothing but the end of the last line.
		mustExport(t, a, remove("\nnew\n"))
		if rest := strings.TrimPrefix(readFile(t, path), string(content)); rest != "" && rest != "\n" && rest != "\r\n" {
			t.Fatalf("removed from %q: %q is left", content, rest)
		}

		// A changed object changes alone.
		if len(before) == 0 {
			return
		}
		c := update(before[0].Anchor, "name", "fuzzed")
		if names, err := export(t, a, c); err != nil || names[0] == "ambiguous-update" {
			return
		} else if names[0] != "" {
			t.Fatalf("update of %q: %s", before[0].Anchor, names[0])
		}
		before[0].Attributes = before[0].Attributes.Clone().Set("name", identity.String("fuzzed"))
		after, err := entriesOf(t, a)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

// entriesOf imports a file and returns its objects. Those with errors are left
// out, after it made sure that they have no place in a synchronization.
func entriesOf(t *testing.T, a *csvAgent) ([]agenttest.Object, error) {
	t.Helper()
	imp, err := a.OpenImport(t.Context(), agent.ImportRequest{PageSize: 3})
	if err != nil {
		return nil, err
	}
	defer imp.Close(t.Context(), agent.Aborted)
	var objects []agenttest.Object
	for page := new(agent.Page); ; {
		err := imp.Next(t.Context(), page)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		for _, e := range page.Entries {
			switch {
			case e.Line < 2:
				t.Errorf("an entry in line %d", e.Line)
			case e.Err != nil && (e.Err.Name == "" || e.Err.Position.Line < e.Line || e.Attributes != nil):
				t.Errorf("line %d: %v with %v", e.Line, e.Err, e.Attributes)
			case e.Err == nil && (e.Anchor == "" || e.DN != e.Anchor || e.ObjectType != "person"):
				t.Errorf("line %d: an object %+v", e.Line, e)
			}
			if e.Err == nil {
				attributes := make(identity.Attributes, len(e.Attributes))
				for i, attribute := range e.Attributes {
					attributes[i] = identity.Attribute{Name: attribute.Name, Values: slices.Clone(attribute.Values)}
				}
				if !attributes.Equal(identity.SortAttributes(slices.Clone(attributes))) {
					t.Errorf("line %d: attributes are not in order: %v", e.Line, attributes)
				}
				objects = append(objects, agenttest.Object{DN: e.DN, Anchor: e.Anchor, Type: e.ObjectType, Attributes: attributes})
			}
		}
	}
}
