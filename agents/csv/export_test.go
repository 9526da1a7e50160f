package csv

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/agents/internal/wholefile"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// rename gives an object a new name.
func rename(id, to string) agent.Change {
	return agent.Change{Op: identity.Update, ObjectType: "person", DN: id, Anchor: id, NewDN: to}
}

// values changes the values of an attribute one by one.
func values(id, attribute string, added, removed []string) agent.Change {
	c := identity.Change{Name: attribute, Op: identity.Update}
	for _, s := range added {
		c.Values = append(c.Values, identity.String(s))
	}
	for _, s := range removed {
		c.Removed = append(c.Removed, identity.String(s))
	}
	return agent.Change{Op: identity.Update, ObjectType: "person", DN: id, Anchor: id, Changes: []identity.Change{c}}
}

func clearing(id, attribute string) agent.Change {
	return agent.Change{Op: identity.Update, ObjectType: "person", DN: id, Anchor: id, Changes: []identity.Change{{Name: attribute, Op: identity.Delete}}}
}

// TestExportKeepsTheRest: whatever a change does not mean stays byte for byte.
func TestExportKeepsTheRest(t *testing.T) {
	const plain = personHeader + "1,Ann,42,a|b,\n2,\"Bob\",007,,1\n"
	for _, test := range []struct {
		name, before string
		changes      []agent.Change
		after        string
	}{
		{"update", plain, []agent.Change{update("2", "age", 8)}, personHeader + "1,Ann,42,a|b,\n2,\"Bob\",8,,1\n"},
		{"quoting where needed", plain, []agent.Change{update("1", "name", `"A", n`)}, personHeader + "1,\"\"\"A\"\", n\",42,a|b,\n2,\"Bob\",007,,1\n"},
		{"delete", plain, []agent.Change{remove("1")}, personHeader + "2,\"Bob\",007,,1\n"},
		{"delete the last", plain, []agent.Change{remove("2")}, personHeader + "1,Ann,42,a|b,\n"},
		{"rename", plain, []agent.Change{rename("1", "9")}, personHeader + "9,Ann,42,a|b,\n2,\"Bob\",007,,1\n"},
		{"swap names", plain, []agent.Change{rename("1", "x"), rename("2", "1"), rename("x", "2")}, personHeader + "2,Ann,42,a|b,\n1,\"Bob\",007,,1\n"},
		{"rename and back", plain, []agent.Change{rename("1", "x"), update("x", "name", "Eve"), rename("x", "1")}, personHeader + "1,Eve,42,a|b,\n2,\"Bob\",007,,1\n"},
		{"rename, then delete", plain, []agent.Change{rename("1", "x"), remove("x")}, personHeader + "2,\"Bob\",007,,1\n"},
		{"add", plain, []agent.Change{add("3", "phones", []string{"z", "y"}, "manager", identity.Reference("1"))}, plain + "3,,,y|z,1\n"},
		{"add and change it", plain, []agent.Change{add("3", "name", "Cy"), update("3", "age", 1), rename("3", "4")}, plain + "4,Cy,1,,\n"},
		{"delete and add again", plain, []agent.Change{remove("1"), add("1", "name", "Eve")}, personHeader + "2,\"Bob\",007,,1\n1,Eve,,,\n"},
		{"delete, take the name, delete", plain, []agent.Change{remove("1"), rename("2", "1"), remove("1")}, personHeader},
		{"clear", plain, []agent.Change{clearing("1", "phones"), clearing("2", "name")}, personHeader + "1,Ann,42,,\n2,,007,,1\n"},
		{"values one by one", plain, []agent.Change{values("1", "phones", []string{"0", "c"}, []string{"a", "nope"})}, personHeader + "1,Ann,42,0|b|c,\n2,\"Bob\",007,,1\n"},
		{"value of a single-valued attribute", plain, []agent.Change{values("1", "name", []string{"Eve"}, nil)}, personHeader + "1,Eve,42,a|b,\n2,\"Bob\",007,,1\n"},
		{
			"rows that are no objects stay",
			personHeader + "\n1,x\n,,,,\n\"1\",A\xFFn,\"old\",\"b|a\",\n2,,,,\n",
			[]agent.Change{update("2", "name", "Bob"), update("1", "name", "Ann")},
			personHeader + "\n1,x\n,,,,\n\"1\",Ann,\"old\",\"b|a\",\n2,Bob,,,\n",
		},
		{
			"byte order mark, CRLF, empty lines",
			"\xEF\xBB\xBF\r\n\"id\",name,age,phones,manager\r\n1,\"two\r\nlines\",,,\r\n\r\n2,Bob,,,",
			[]agent.Change{update("1", "age", 1), update("2", "age", 2), add("3")},
			"\xEF\xBB\xBF\r\n\"id\",name,age,phones,manager\r\n1,\"two\r\nlines\",1,,\r\n\r\n2,Bob,2,,\r\n3,,,,\r\n",
		},
		{
			"no line end at the end", personHeader + "1,Ann,,,",
			[]agent.Change{update("1", "name", "Eve")},
			personHeader + "1,Eve,,,",
		},
		{
			"carriage return at the end", personHeader + "1,Ann,,,\"\"\r",
			[]agent.Change{update("1", "name", "Eve"), add("2")},
			personHeader + "1,Eve,,,\"\"\r\n2,,,,\n",
		},
		{
			"header without line end", strings.TrimSpace(personHeader),
			[]agent.Change{add("1", "name", " x")},
			personHeader + "1,\" x\",,,\n",
		},
		{
			"an object named like its column", "\n" + personHeader + "id,Ann,,,\n1,Bob,,,\n",
			[]agent.Change{remove("id")},
			"\n" + personHeader + "1,Bob,,,\n",
		},
		{
			"other columns", "note,id,name,age,phones,manager\n\"keep \"\"me\"\"\",1,Ann,,,\n",
			[]agent.Change{update("1", "name", "Eve")},
			"note,id,name,age,phones,manager\n\"keep \"\"me\"\"\",1,Eve,,,\n",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, path := openPeople(t, test.before)
			mustExport(t, a, test.changes...)
			if diff := cmp.Diff(test.after, readFile(t, path)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			expectAlone(t, path)
		})
	}
}

// expectAlone checks that there is nothing but the file in its folder.
func expectAlone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(path) {
			t.Errorf("%s is left behind", e.Name())
		}
	}
}

// TestExportWithoutEffect: the file is then not replaced.
func TestExportWithoutEffect(t *testing.T) {
	const content = personHeader + "1,\"Ann\",007,b|a,\n"
	repeated := add("1", "age", 7)
	repeated.Repeated = true
	gone := remove("2")
	gone.Repeated = true
	for _, test := range []struct {
		name    string
		changes []agent.Change
	}{
		{"nothing", nil},
		{"refused", []agent.Change{update("2", "name", "x"), add("1")}},
		{"the same values", []agent.Change{update("1", "name", "Ann", "age", 7, "phones", []string{"a", "b"}), clearing("1", "manager")}},
		{"values that are there, or not", []agent.Change{values("1", "phones", []string{"a"}, []string{"c"})}},
		{"repeated", []agent.Change{repeated, gone}},
		{"add and delete", []agent.Change{add("3"), remove("3")}},
		{"rename and back", []agent.Change{rename("1", "2"), rename("2", "1")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, path := openPeople(t, content)
			past := time.Now().Add(-time.Hour).Truncate(time.Second)
			if err := os.Chtimes(path, past, past); err != nil {
				t.Fatal(err)
			}
			before, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := export(t, a, test.changes...); err != nil {
				t.Fatal(err)
			}
			after, err := os.Stat(path)
			if err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(past) || readFile(t, path) != content {
				t.Errorf("the file was written: %v", err)
			}
			expectAlone(t, path)
		})
	}
}

func TestExportErrors(t *testing.T) {
	integer := []identity.Value{identity.Integer(1)}
	change := func(id string, c identity.Change) agent.Change {
		return agent.Change{Op: identity.Update, ObjectType: "person", DN: id, Anchor: id, Changes: []identity.Change{c}}
	}
	mismatched := add("3")
	mismatched.DN = "4"
	nameless := agent.Change{Op: identity.Add, ObjectType: "person"}
	strange := agent.Change{Op: identity.DeleteAdd, ObjectType: "person", DN: "1", Anchor: "1"}
	for _, test := range []struct {
		change          agent.Change
		want, attribute string
	}{
		{add("1"), "cd-existing-object", ""},
		{update("9", "name", "x"), "cd-missing-object", ""},
		{remove("9"), "cd-missing-object", ""},
		{update("twin", "name", "x"), "ambiguous-update", ""},
		{remove("twin"), "ambiguous-update", ""},
		{add("twin"), "ambiguous-update", ""},
		{rename("1", "2"), "rename-to-existing-dn", ""},
		{rename("1", "twin"), "rename-to-existing-dn", ""},
		{update("1", "id", "7"), "modify-naming-attribute", "id"},
		{clearing("1", "id"), "modify-naming-attribute", "id"},
		{mismatched, "modify-naming-attribute", ""},
		{nameless, "missing-anchor-component", "id"},
		{rename("1", "a\x00"), "invalid-attribute-value", "id"},
		{update("1", "mail", "x"), "schema-violation", "mail"},
		{update("1", "name", ""), "invalid-attribute-value", "name"},
		{update("1", "name", "a\x00b"), "invalid-attribute-value", "name"},
		{update("1", "name", "a\xFFb"), "code-page-conversion", "name"},
		{update("1", "phones", []string{"a", "b|c"}), "invalid-attribute-value", "phones"},
		{update("1", "name", []string{"a", "b"}), "constraint-violation", "name"},
		{update("1", "age", "7"), "type-mismatch", "age"},
		{change("1", identity.Change{Name: "name", Op: identity.Update, Values: integer}), "type-mismatch", "name"},
		{update("1", "manager", identity.ReferenceTo(7)), "dn-attributes-failure", "manager"},
		{agent.Change{Op: identity.Delete, ObjectType: "robot", Anchor: "1"}, "no-export-to-this-object-type", ""},
		{strange, "unexpected-error", ""},
	} {
		const content = personHeader + "1,Ann,,,\n2,Bob,,,\ntwin,A,,,\ntwin,B,,,\n"
		a, path := openPeople(t, content)
		x, err := a.OpenExport(t.Context(), agent.ExportRequest{})
		if err != nil {
			t.Fatal(err)
		}
		results, err := x.Put(t.Context(), []agent.Change{test.change})
		if err != nil {
			t.Fatal(err)
		}
		got := results[0].Err
		if got == nil || got.Name != test.want || got.Attribute != test.attribute || got.Agent != "HR" || got.Object != test.change.DN {
			t.Errorf("%s %q: %v, want %s %s", test.change.Op, test.change.Anchor, got, test.want, test.attribute)
		}
		if err := x.Close(t.Context(), agent.Completed); err != nil {
			t.Error(err)
		}
		if readFile(t, path) != content {
			t.Errorf("%s: the file was written", test.want)
		}
	}
}

func TestExportOfSeveralTypes(t *testing.T) {
	user := agent.Object{Name: "user", Anchor: []string{"domain", "name"}}
	group := agent.Object{Name: "group", Anchor: []string{"name"}}
	path := writeFile(t, "kind,domain,name\nuser,a,Ann\ngroup,,Staff\nprinter,,lp\n")
	a := openAgent(t, Settings{File: agent.Path(path), ObjectType: "kind"}, user, group)
	of := func(typ string, c agent.Change) agent.Change {
		c.ObjectType = typ
		return c
	}
	names, err := export(t, a,
		of("user", rename("a+Ann", `b\++Ann`)),
		of("user", agent.Change{Op: identity.Add, DN: "a+Bob"}),
		of("group", add("Guests", "name", "Guests")),
		of("user", remove("Staff")),
		of("group", remove("lp")),
		of("user", rename(`b\++Ann`, "c")),
		of("user", rename(`b\++Ann`, "c+")),
	)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"", "", "schema-violation", "cd-missing-object", "cd-missing-object", "missing-anchor-component", "missing-anchor-component"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got, want := readFile(t, path), "kind,domain,name\nuser,b+,Ann\ngroup,,Staff\nprinter,,lp\nuser,a,Bob\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestExportCreatesFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.csv")
	a := openAgent(t, Settings{File: agent.Path(path), Columns: []string{"id", "a;b", "age", "phones", "manager"}, Delimiter: ";"}, person)
	mustExport(t, a)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an export of nothing created the file: %v", err)
	}
	mustExport(t, a, add("1", "age", 1), add("2"))
	if got, want := readFile(t, path), "id;\"a;b\";age;phones;manager\n1;;1;;\n2;;;;\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	expectAlone(t, path)
}

// TestExportNeedsKnownFile: a file whose rows were imported before, and that is
// gone, is not created anew with a part of them.
func TestExportNeedsKnownFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "people.csv")
	a := openAgent(t, Settings{File: agent.Path(path), Columns: []string{"id", "name", "age", "phones", "manager"}}, person)
	_, err := a.OpenExport(t.Context(), agent.ExportRequest{Seen: true})
	if fault.Name(err) != "no-start-file-not-found" {
		t.Errorf("opened: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file: %v", err)
	}
}

// TestExportDoesNotOverwrite: what somebody else writes during an export stays,
// and the export fails.
func TestExportDoesNotOverwrite(t *testing.T) {
	const content = personHeader + "1,Ann,,,\n"
	for _, test := range []struct {
		name    string
		columns []string
		change  func(path string) error
		left    string
	}{
		{"other content", nil, func(path string) error { return os.WriteFile(path, []byte(content+"2,Bob,,,\n"), 0o600) }, content + "2,Bob,,,\n"},
		{"other content of the same size and time", nil, func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			err = os.WriteFile(path, []byte(strings.Replace(content, "Ann", "Eve", 1)), 0o600)
			return errors.Join(err, os.Chtimes(path, info.ModTime(), info.ModTime()))
		}, strings.Replace(content, "Ann", "Eve", 1)},
		{"torn", nil, func(path string) error { return os.WriteFile(path, []byte(content+"2,\"Bob"), 0o600) }, content + "2,\"Bob"},
		{"created", []string{"id", "name", "age", "phones", "manager"}, func(path string) error { return os.WriteFile(path, nil, 0o600) }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "people.csv")
			if test.columns == nil {
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			a := openAgent(t, Settings{File: agent.Path(path), Columns: test.columns}, person)
			x, err := a.OpenExport(t.Context(), agent.ExportRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := x.Put(t.Context(), []agent.Change{add("3")}); err != nil {
				t.Fatal(err)
			}
			if err := test.change(path); err != nil {
				t.Fatal(err)
			}
			if err := x.Close(t.Context(), agent.Completed); !strings.HasPrefix(fault.Name(err), "stopped-") {
				t.Errorf("Close: %v", err)
			}
			if got := readFile(t, path); got != test.left {
				t.Errorf("the file holds %q", got)
			}
			expectAlone(t, path)
		})
	}
}

// A brokenFile fails at one of its methods.
type brokenFile struct {
	wholefile.New
	at  string
	err error
	n   int // bytes that still fit
}

func (f *brokenFile) Write(p []byte) (int, error) {
	if f.at == "write" {
		if f.n -= len(p); f.n < 0 {
			return 0, f.err
		}
	}
	return f.New.Write(p)
}

func (f *brokenFile) Sync() error {
	if f.at == "sync" {
		return f.err
	}
	return f.New.Sync()
}

func (f *brokenFile) Chmod(mode fs.FileMode) error {
	if f.at == "chmod" {
		return f.err
	}
	return f.New.Chmod(mode)
}

func (f *brokenFile) Close() error {
	if err := f.New.Close(); f.at != "close" || err != nil {
		return err
	}
	return f.err
}

// TestWriteFails: the old file stays as it was, and nothing is left beside it.
func TestWriteFails(t *testing.T) {
	content := personHeader + strings.Repeat("1,Ann,,,\n2,Bob,,,\n", bufferSize/8)
	for _, test := range []struct {
		at   string
		err  error
		want string
	}{
		{"write", syscall.ENOSPC, "stopped-disk-full"},
		{"write", syscall.EDQUOT, "stopped-disk-full"},
		{"write", syscall.EIO, "stopped-export-write"},
		{"sync", syscall.EIO, "stopped-export-write"},
		{"chmod", syscall.EPERM, "stopped-export-write"},
		{"close", syscall.ENOSPC, "stopped-disk-full"},
		{"create", syscall.EACCES, "stopped-export-write"},
	} {
		t.Run(test.at+" "+test.err.Error(), func(t *testing.T) {
			a, path := openPeople(t, content)
			x, err := a.OpenExport(t.Context(), agent.ExportRequest{})
			if err != nil {
				t.Fatal(err)
			}
			a.create = func(path string, mode fs.FileMode) (wholefile.New, error) {
				if test.at == "create" {
					return nil, &fs.PathError{Op: "open", Path: path, Err: test.err}
				}
				f, err := wholefile.Make(path, mode)
				return &brokenFile{New: f, at: test.at, err: test.err, n: bufferSize}, err
			}
			if _, err := x.Put(t.Context(), []agent.Change{add("3")}); err != nil {
				t.Fatal(err)
			}
			if err := x.Close(t.Context(), agent.Completed); fault.Name(err) != test.want || !errors.Is(err, test.err) {
				t.Errorf("Close: %v, want %s", err, test.want)
			}
			if readFile(t, path) != content {
				t.Error("the file was changed")
			}
			expectAlone(t, path)

			a.create = wholefile.Make
			mustExport(t, a, add("3"))
			if got := readFile(t, path); got != content+"3,,,,\n" {
				t.Error("the next export does not work")
			}
		})
	}
}

func TestExportNeedsPermission(t *testing.T) {
	a, _ := openPeople(t, personHeader)
	a.create = func(path string, _ fs.FileMode) (wholefile.New, error) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.EACCES}
	}
	if _, err := a.OpenExport(t.Context(), agent.ExportRequest{}); fault.Name(err) != "no-start-file-access-denied" {
		t.Errorf("OpenExport: %v", err)
	}
}

func TestExportKeepsModeAndLink(t *testing.T) {
	a, path := openPeople(t, personHeader)
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link.csv")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	mustExport(t, openAgent(t, Settings{File: agent.Path(link)}, person), add("1"))
	mustExport(t, a, add("2"))
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != 0o604 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("the link became %v, %v", info.Mode(), err)
	}
	if got := readFile(t, link); got != personHeader+"1,,,,\n2,,,,\n" {
		t.Errorf("the file holds %q", got)
	}
}

// TestLeftoverOfCrash: a process that dies while writing leaves a file that the
// next export clears away.
func TestLeftoverOfCrash(t *testing.T) {
	a, path := openPeople(t, personHeader)
	leftover := filepath.Join(filepath.Dir(path), ".people.csv.new")
	if err := os.WriteFile(leftover, []byte("half a fi"), 0o400); err != nil {
		t.Fatal(err)
	}
	mustExport(t, a, add("1"))
	if got := readFile(t, path); got != personHeader+"1,,,,\n" {
		t.Errorf("the file holds %q", got)
	}
	expectAlone(t, path)
}

func TestCancelledClose(t *testing.T) {
	content := personHeader + strings.Repeat("x,,,,\n", 3*checkInterval)
	a, path := openPeople(t, content)
	x, err := a.OpenExport(t.Context(), agent.ExportRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Put(t.Context(), []agent.Change{add("1")}); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(&countdownContext{Context: t.Context(), left: 1}, agent.Completed); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v", err)
	}
	if err := x.Close(t.Context(), agent.Completed); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if readFile(t, path) != content {
		t.Error("the file was changed")
	}
	expectAlone(t, path)
	if _, err := x.Put(t.Context(), []agent.Change{add("1")}); err == nil {
		t.Error("Put after Close succeeds")
	}
}

func TestAppendCell(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", ""},
		{"plain", "plain"},
		{"a b", "a b"},
		{" a", `" a"`},
		{"a ", `"a "`},
		{"a;b", `"a;b"`},
		{"a,b", "a,b"},
		{`"`, `""""`},
		{`a"b"`, `"a""b"""`},
		{"a\nb", "\"a\nb\""},
		{"a\r", "\"a\r\""},
	} {
		if got := appendCell([]byte("x"), test.text, ';'); !bytes.Equal(got, []byte("x"+test.want)) {
			t.Errorf("appendCell(%q) = %q, want %q", test.text, got, test.want)
		}
	}
}
