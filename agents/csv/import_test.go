package csv

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

func TestImportRows(t *testing.T) {
	for _, test := range []struct {
		name, content string
		settings      Settings
		want          []string
	}{
		{
			name:    "typed, multi-valued and absent values",
			content: personHeader + "1,Ann,42,b|a||b,2\n2,,,|,\n",
			want:    []string{`line 2: person 1 age="42" id="1" manager="2" name="Ann" phones="a","b"`, `line 3: person 2 id="2"`},
		},
		{
			name:    "order of columns does not matter",
			content: "phones,manager,age,id,name\nx,,7,1,Ann\n",
			want:    []string{`line 2: person 1 age="7" id="1" name="Ann" phones="x"`},
		},
		{
			name:    "byte order mark, CRLF, empty lines, no line end at the end",
			content: "\xEF\xBB\xBF\r\n" + strings.TrimSpace(personHeader) + "\r\n\r\n1,Ann,,,\r\n\n2,Bob,,,",
			want:    []string{`line 4: person 1 id="1" name="Ann"`, `line 6: person 2 id="2" name="Bob"`},
		},
		{
			name:    "carriage return at the end of the file",
			content: personHeader + "1,,,,2\r",
			want:    []string{`line 2: person 1 id="1" manager="2"`},
		},
		{
			name:    "quotes",
			content: personHeader + "\"1\",\"say \"\"hi\"\", ok\",\"\",\"a,b|c\",\n2,\"two\r\nlines\n\",,,\n3,,,,\n",
			want:    []string{`line 2: person 1 id="1" name="say \"hi\", ok" phones="a,b","c"`, `line 3: person 2 id="2" name="two\r\nlines\n"`, `line 6: person 3 id="3"`},
		},
		{
			name:    "blanks are text",
			content: personHeader + " 1 , Ann,, a| b,\n",
			want:    []string{`line 2: person  1  id=" 1 " name=" Ann" phones=" a"," b"`},
		},
		{
			name:     "semicolons",
			content:  strings.ReplaceAll(personHeader, ",", ";") + "1;a,b;;;\n",
			settings: Settings{Delimiter: ";"},
			want:     []string{`line 2: person 1 id="1" name="a,b"`},
		},
		{
			name:    "wrong number of cells",
			content: personHeader + "1,Ann,,\n2,Bob,,,,\n3,,,,\n  \n",
			want:    []string{"line 2: parse-error at 2:1", "line 3: parse-error at 3:1", `line 4: person 3 id="3"`, "line 5: parse-error at 5:1"},
		},
		{
			name:    "no anchor",
			content: personHeader + ",Ann,,,\n,,,,\n1,,,,\n",
			want:    []string{"line 2: missing-anchor-component at 2:1 id", "line 3: missing-anchor-component at 3:1 id", `line 4: person 1 id="1"`},
		},
		{
			name:    "bad value",
			content: personHeader + "1,\"An\nn\",old,,\n2,,7,,\n",
			want:    []string{"line 2: invalid-numeric-value at 3:4 age 1", `line 4: person 2 age="7" id="2"`},
		},
		{
			name:    "not UTF-8",
			content: personHeader + "1,M\xFCller,,,\n2,Müller,,,\n",
			want:    []string{"line 2: parse-error at 2:4", `line 3: person 2 id="2" name="Müller"`},
		},
		{
			name:    "header only",
			content: strings.TrimSpace(personHeader),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.settings.File = agent.Path(writeFile(t, test.content))
			got, _, err := importAll(t, openAgent(t, test.settings, person), agent.ImportRequest{PageSize: 2})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestImportSeveralTypes(t *testing.T) {
	user := agent.Object{Name: "user", Anchor: []string{"domain", "name"}, Attributes: []agent.Attribute{
		{Name: "flag", Type: identity.TypeBoolean},
		{Name: "key", Type: identity.TypeBinary, Multi: true},
		{Name: "since", Type: identity.TypeDateTime},
	}}
	group := agent.Object{Name: "group", Anchor: []string{"name"}}
	path := writeFile(t, "kind,domain,name,flag,key,since\n"+
		"user,a+b,Ann,TRUE,,2024-02-29\ngroup,x,Staff,what,,\n,,,,,\nprinter,,lp,,,\nuser,,Bob,,,\nuser,a,Eve,no,,\nuser,a,Abe,,YQ==|Yg,\nuser,a,Joe,,,soon\n")
	a := openAgent(t, Settings{File: agent.Path(path), ObjectType: "kind"}, user, group)
	got, _, err := importAll(t, a, agent.ImportRequest{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`line 2: user a\+b+Ann domain="a+b" flag="true" name="Ann" since="2024-02-29 00:00:00.000"`,
		`line 3: group Staff domain="x" flag="what" name="Staff"`,
		"line 4: missing-object-type at 4:1 kind",
		"line 5: unmappable-object-type at 5:1 kind",
		"line 6: missing-anchor-component at 6:6 domain",
		"line 7: invalid-boolean-value at 7:12 flag a+Eve",
		"line 8: invalid-base64-value at 8:13 key a+Abe",
		"line 9: datetime-string-format-incorrect at 9:14 since a+Joe",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestImportStops has files of which nothing may be concluded.
func TestImportStops(t *testing.T) {
	long := strings.Repeat("x", maxRow+bufferSize)
	for _, test := range []struct{ name, content, want, place string }{
		{"empty file", "", "no-start-header-row-mismatch", ":1"},
		{"only empty lines", "\r\n\n\n", "no-start-header-row-mismatch", ":1"},
		{"no anchor column", "name,age,phones,manager\n", "no-start-header-row-mismatch", ":1"},
		{"no configured column", "id,name,Age,phones,manager\n", "no-start-header-row-mismatch", ":1"},
		{"no required column", "id,age,phones,manager\n", "no-start-header-row-mismatch", ":1"},
		{"other delimiter", strings.ReplaceAll(personHeader, ",", ";"), "no-start-header-row-mismatch", ":1"},
		{"column twice", "id,name,age,phones,manager,name\n", "no-start-header-row-mismatch", ":1:28"},
		{"column without name", "id,name,,age,phones,manager\n", "no-start-header-row-mismatch", ":1:9"},
		{"delimiter at the end", "id,name,age,phones,manager,\n", "no-start-header-row-mismatch", ":1:28"},
		{"header is not UTF-8", "id,name,age,phones,manager,\xFC\n", "no-start-header-row-mismatch", ":1:28"},
		{"UTF-16", "\xFF\xFEi\x00d\x00", "no-start-file-code-page", ":1"},
		{"null byte", personHeader + "1,Ann,,,\n2,B\x00b,,,\n", "stopped-file-embedded-nulls", ":3:4"},
		{"null byte at the end", personHeader + "1,Ann,,,\n\x00\x00\x00", "stopped-file-embedded-nulls", ":3:1"},
		{"quote is never closed", personHeader + "1,\"Ann,,,\n2,Bob,,,\n", "stopped-parsing-errors", ":2:3"},
		{"quote in a cell", personHeader + "1,Ann,,,\n2,5\" disk,,,\n3,\"x\",,,\n", "stopped-parsing-errors", ":3:4"},
		{"two quotes in a cell", personHeader + "2,5\" or 6\" disk,,,\n", "stopped-parsing-errors", ":2:4"},
		{"text behind a quote", personHeader + "1,\"Ann\" B,,,\n", "stopped-parsing-errors", ":2:8"},
		{"quote in the header", "id,\"name,age,phones,manager\n", "stopped-parsing-errors", ":1:4"},
		{"endless quote", personHeader + "1,\"" + long, "stopped-parsing-errors", ":2:3"},
		{"endless row", personHeader + "1," + long + ",,,\n", "stopped-parsing-errors", ":2:1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, path := openPeople(t, test.content)
			required := []agent.Required{{ObjectType: "person", Attribute: "name"}}
			_, _, err := importAll(t, a, agent.ImportRequest{Required: required})
			var named *fault.Error
			if !errors.As(err, &named) || named.Name != test.want || named.Position.String() != path+test.place || named.Agent != "HR" {
				t.Errorf("got %v, want %s at %s", err, test.want, test.place)
			}
			if _, err := a.OpenExport(t.Context(), agent.ExportRequest{}); err == nil && !strings.Contains(test.name, "required") {
				t.Error("but an export would write to it")
			}
			if left := readFile(t, path); left != test.content {
				t.Error("and changed it")
			}
		})
	}
}

func TestHeaderHints(t *testing.T) {
	for _, test := range []struct{ header, want string }{
		{"id;name;age;phones;manager\n", `the header is one column that contains ";"; is that the delimiter?`},
		{"id,name,agee,phones,manager\n", `did you mean "agee"?`},
		{"a,b\n", "the columns are a, b"},
	} {
		a, _ := openPeople(t, test.header)
		_, err := a.Schema(t.Context())
		var named *fault.Error
		if !errors.As(err, &named) || named.Hint != test.want {
			t.Errorf("%q: %v; hint %q", test.header, err, named.Hint)
		}
	}
}

func TestImportOfWhatIsNoFile(t *testing.T) {
	folder := t.TempDir()
	for _, test := range []struct{ name, path, want string }{
		{"nothing", filepath.Join(folder, "nothing.csv"), "no-start-file-not-found"},
		{"no folder", filepath.Join(folder, "no", "folder.csv"), "no-start-file-not-found"},
		{"a folder", folder, "no-start-file-open"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := openAgent(t, Settings{File: agent.Path(test.path)}, person)
			_, schema := a.Schema(t.Context())
			_, _, imported := importAll(t, a, agent.ImportRequest{})
			_, exported := a.OpenExport(t.Context(), agent.ExportRequest{})
			for _, err := range []error{schema, imported, exported} {
				if fault.Name(err) != test.want {
					t.Errorf("got %v, want %s", err, test.want)
				}
			}
		})
	}
}

// TestOpenErrors: what the system says of a file that it does not open has a
// name. (A privileged user may open anything, so nobody is refused here.)
func TestOpenErrors(t *testing.T) {
	a, path := openPeople(t, personHeader)
	for name, err := range map[string]error{
		"no-start-file-access-denied": syscall.EACCES,
		"no-start-file-not-found":     syscall.ENOENT,
		"no-start-file-open":          syscall.EMFILE,
	} {
		got := a.openFault(&fs.PathError{Op: "open", Path: path, Err: err})
		if got.Name != name || got.Position.File != path || !errors.Is(got, err) || strings.Count(got.Error(), path) != 1 {
			t.Errorf("%v is %v, want the name %s and the path once", err, got, name)
		}
	}
}

// TestAbsentFile: a file with configured columns may be missing as long as
// nobody has ever seen it, and its absence never says that objects are gone.
func TestAbsentFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.csv")
	settings := Settings{File: agent.Path(path), Columns: []string{"id", "name", "age", "phones", "manager"}}
	a := openAgent(t, settings, person)
	schema, err := a.Schema(t.Context())
	if err != nil || len(schema.Types[0].Attributes) != 5 {
		t.Fatalf("schema %v, %v", schema, err)
	}
	imp, err := a.OpenImport(t.Context(), agent.ImportRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if imp.Complete() {
		t.Error("the import of an absent file claims to be complete")
	}
	if err := imp.Next(t.Context(), new(agent.Page)); !errors.Is(err, io.EOF) {
		t.Errorf("Next: %v", err)
	}
	if watermark, err := imp.Close(t.Context(), agent.Completed); watermark != nil || err != nil {
		t.Errorf("Close: %q, %v", watermark, err)
	}
	if _, err := a.OpenImport(t.Context(), agent.ImportRequest{Required: []agent.Required{{ObjectType: "person", Attribute: "mail"}}}); fault.Name(err) != "no-start-header-row-mismatch" {
		t.Errorf("required column: %v", err)
	}

	mustExport(t, a, add("1", "name", "Ann"))
	lines, watermark, err := importAll(t, a, agent.ImportRequest{})
	if err != nil || len(lines) != 1 {
		t.Fatalf("%q, %v", lines, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, _, err := importAll(t, a, agent.ImportRequest{}); fault.Name(err) != "no-start-file-not-found" {
		t.Errorf("the agent saw the file, but now: %v", err)
	}
	if _, err := a.OpenExport(t.Context(), agent.ExportRequest{}); fault.Name(err) != "no-start-file-not-found" {
		t.Errorf("the agent saw the file, but would write a new one: %v", err)
	}
	restarted := openAgent(t, settings, person)
	if _, _, err := importAll(t, restarted, agent.ImportRequest{Watermark: watermark}); fault.Name(err) != "no-start-file-not-found" {
		t.Errorf("the last import saw the file, but now: %v", err)
	}
}

// TestFileChangesDuringImport: what was read is then of no use.
func TestFileChangesDuringImport(t *testing.T) {
	content := personHeader + strings.Repeat("1,Ann,,,\n", 3*bufferSize/9)
	for _, test := range []struct {
		name   string
		change func(path string) error
	}{
		{"truncated", func(path string) error { return os.Truncate(path, int64(len(content)-9)) }},
		{"rewritten", func(path string) error { return os.WriteFile(path, []byte(content[:len(content)-1]+"x"), 0o600) }},
		{"appended", func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString("2,Bob,,,\n")
			return errors.Join(err, f.Close())
		}},
		{"replaced", func(path string) error {
			if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		}},
		{"removed", os.Remove},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, path := openPeople(t, content)
			past := time.Now().Add(-time.Hour)
			if err := os.Chtimes(path, past, past); err != nil {
				t.Fatal(err)
			}
			imp, err := a.OpenImport(t.Context(), agent.ImportRequest{PageSize: 10})
			if err != nil {
				t.Fatal(err)
			}
			page := new(agent.Page)
			if err := imp.Next(t.Context(), page); err != nil {
				t.Fatal(err)
			}
			if err := test.change(path); err != nil {
				t.Fatal(err)
			}
			for err == nil {
				err = imp.Next(t.Context(), page)
			}
			if fault.Name(err) != "stopped-import-read" || len(page.Entries) > 0 {
				t.Errorf("got %v with %d entries", err, len(page.Entries))
			}
			if again := imp.Next(t.Context(), page); !errors.Is(again, err) {
				t.Errorf("and then: %v", again)
			}
			if _, err := imp.Close(t.Context(), agent.Aborted); err != nil {
				t.Error(err)
			}
		})
	}
}

type brokenReader struct{ err error }

func (r brokenReader) Read([]byte) (int, error) { return 0, r.err }

func TestReadError(t *testing.T) {
	cause := errors.New("input/output error")
	s := newScanner("f.csv", io.MultiReader(strings.NewReader("a,b\n1,2\n"), brokenReader{cause}), ',')
	r := new(row)
	var err error
	for more := true; more && err == nil; {
		more, err = s.next(r)
	}
	if fault.Name(err) != "stopped-import-read" || !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}

// An endlessReader never ends.
type endlessReader struct{}

func (endlessReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestEndlessRow(t *testing.T) {
	for _, begin := range []string{"a", "a,\"b"} {
		s := newScanner("f.csv", io.MultiReader(strings.NewReader(begin), endlessReader{}), ',')
		if _, err := s.next(new(row)); fault.Name(err) != "stopped-parsing-errors" || s.size > 2*maxRow {
			t.Errorf("%q: %v after %d bytes", begin, err, s.size)
		}
	}
}

// TestBytesReadAreCounted: a file system may say that nothing has changed and
// still have delivered something else.
func TestBytesReadAreCounted(t *testing.T) {
	a, _ := openPeople(t, personHeader+"1,Ann,,,\n")
	imp, err := a.OpenImport(t.Context(), agent.ImportRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer imp.Close(t.Context(), agent.Aborted)
	imp.(*fileImport).scan.size--
	for page := new(agent.Page); err == nil; {
		err = imp.Next(t.Context(), page)
	}
	if fault.Name(err) != "stopped-import-read" {
		t.Errorf("got %v", err)
	}
}

func TestCancelWithinPage(t *testing.T) {
	a, _ := openPeople(t, personHeader+strings.Repeat("1,Ann,,,\n", 10*checkInterval))
	imp, err := a.OpenImport(t.Context(), agent.ImportRequest{PageSize: 100 * checkInterval})
	if err != nil {
		t.Fatal(err)
	}
	ctx := &countdownContext{Context: t.Context(), left: 3}
	page := new(agent.Page)
	if err := imp.Next(ctx, page); !errors.Is(err, context.Canceled) || len(page.Entries) > 0 {
		t.Errorf("Next: %v with %d entries", err, len(page.Entries))
	}
	if _, err := imp.Close(t.Context(), agent.Aborted); err != nil {
		t.Error(err)
	}
}

// A countdownContext is cancelled once it was asked often enough.
type countdownContext struct {
	context.Context
	left int
}

func (c *countdownContext) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestUnchanged(t *testing.T) {
	const content = personHeader + "1,Ann,,a;b,\n2,Bob,,,\n"
	a, path := openPeople(t, content)
	_, first, err := importAll(t, a, agent.ImportRequest{})
	if err != nil {
		t.Fatal(err)
	}
	unchanged := func(a *csvAgent, delta bool, watermark []byte) bool {
		t.Helper()
		imp, err := a.OpenImport(t.Context(), agent.ImportRequest{Delta: delta, Watermark: watermark})
		if err != nil {
			t.Fatal(err)
		}
		defer imp.Close(t.Context(), agent.Aborted)
		if !imp.Complete() {
			t.Error("the import is not complete")
		}
		return imp.Unchanged()
	}
	if !unchanged(a, true, first) {
		t.Error("nothing changed, but Unchanged is false")
	}
	if lines, second, err := importAll(t, a, agent.ImportRequest{Delta: true, Watermark: first}); err != nil || len(lines) > 0 || !bytes.Equal(first, second) {
		t.Errorf("an unchanged file gives %q, watermark %q, %v", lines, second, err)
	}
	if unchanged(a, false, first) {
		t.Error("a full import claims Unchanged")
	}
	for _, bad := range []string{"", "csv1", "csv0 1 2 3 4", "\x00", string(first) + "x"} {
		if unchanged(a, true, []byte(bad)) {
			t.Errorf("Unchanged with watermark %q", bad)
		}
	}

	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	rewrite := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	rewrite(strings.Replace(content, "Bob", "Rob", 1))
	if unchanged(a, true, first) {
		t.Error("other content of the same size and time, but Unchanged")
	}
	rewrite(content)
	if !unchanged(a, true, first) {
		t.Error("the content is the same again, but Unchanged is false")
	}
	other := person
	other.Attributes = []agent.Attribute{{Name: "phones", Type: identity.TypeString, Multi: true, Separator: ";"}}
	if unchanged(openAgent(t, Settings{File: agent.Path(path)}, other), true, first) {
		t.Error("the separator changed, but Unchanged")
	}
}

// TestImportStreams: the memory of an import does not grow with the file.
func TestImportStreams(t *testing.T) {
	rows := 200_000
	a, _ := openPeople(t, personHeader+strings.Repeat("1,Ann Margaret Berg of Upper Somewhere,42,a|b,2\n", rows))
	imp, err := a.OpenImport(t.Context(), agent.ImportRequest{PageSize: 500})
	if err != nil {
		t.Fatal(err)
	}
	defer imp.Close(t.Context(), agent.Aborted)
	page := new(agent.Page)
	var before, after runtime.MemStats
	read := 0
	for read < rows {
		if err := imp.Next(t.Context(), page); err != nil {
			t.Fatal(err)
		}
		read += len(page.Entries)
		if read == 10_000 {
			runtime.GC()
			runtime.ReadMemStats(&before)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}
