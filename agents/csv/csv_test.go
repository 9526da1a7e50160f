package csv

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// person describes the objects of most tests.
var person = agent.Object{
	Name:   "person",
	Anchor: []string{"id"},
	Attributes: []agent.Attribute{
		{Name: "age", Type: identity.TypeInteger},
		{Name: "phones", Type: identity.TypeString, Multi: true, Separator: "|"},
		{Name: "manager", Type: identity.TypeReference},
	},
}

const personHeader = "id,name,age,phones,manager\n"

// writeFile writes content to a file of its own and returns its path.
func writeFile(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "people.csv")
	if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func openAgent(t testing.TB, settings Settings, objects ...agent.Object) *csvAgent {
	t.Helper()
	a, err := settings.Open(agent.Env{Name: "HR", Objects: objects})
	if err != nil {
		t.Fatal(err)
	}
	return a.(*csvAgent)
}

// openPeople returns an agent for a file with this content.
func openPeople(t testing.TB, content string) (*csvAgent, string) {
	t.Helper()
	path := writeFile(t, content)
	return openAgent(t, Settings{File: agent.Path(path)}, person), path
}

// describe writes an entry down in one line.
func describe(e *agent.Entry) string {
	if e.Err != nil {
		place := fmt.Sprintf("%d:%d", e.Err.Position.Line, e.Err.Position.Column)
		return strings.TrimSpace(fmt.Sprintf("line %d: %s at %s %s %s", e.Line, e.Err.Name, place, e.Err.Attribute, e.Anchor))
	}
	s := fmt.Sprintf("line %d: %s %s", e.Line, e.ObjectType, e.Anchor)
	for _, a := range e.Attributes {
		s += " " + a.Name + "="
		for i, v := range a.Values {
			if i > 0 {
				s += ","
			}
			s += fmt.Sprintf("%q", v.Text())
		}
	}
	return s
}

// importAll reads the file and returns its entries, written down, and the error
// that ended the import, if one did.
func importAll(t testing.TB, a *csvAgent, req agent.ImportRequest) (lines []string, watermark []byte, err error) {
	t.Helper()
	imp, err := a.OpenImport(t.Context(), req)
	if err != nil {
		return nil, nil, err
	}
	outcome := agent.Completed
	for page := new(agent.Page); ; {
		err = imp.Next(t.Context(), page)
		for i := range page.Entries {
			lines = append(lines, describe(&page.Entries[i]))
		}
		if err != nil {
			break
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	} else {
		outcome = agent.Aborted
	}
	watermark, closed := imp.Close(t.Context(), outcome)
	if closed != nil {
		t.Fatal(closed)
	}
	return lines, watermark, err
}

// export sends changes and closes the export. It returns the names of the errors.
func export(t testing.TB, a *csvAgent, changes ...agent.Change) ([]string, error) {
	t.Helper()
	x, err := a.OpenExport(t.Context(), agent.ExportRequest{})
	if err != nil {
		t.Fatal(err)
	}
	results, err := x.Put(t.Context(), changes)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(results))
	for i, r := range results {
		if r.Err != nil {
			names[i] = r.Err.Name
		}
	}
	return names, x.Close(t.Context(), agent.Completed)
}

// mustExport sends changes that must all succeed.
func mustExport(t testing.TB, a *csvAgent, changes ...agent.Change) {
	t.Helper()
	names, err := export(t, a, changes...)
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(names, func(name string) bool { return name != "" }); i >= 0 {
		t.Fatalf("change %d: %s", i, names[i])
	}
}

func add(id string, pairs ...any) agent.Change {
	return agent.Change{
		Op: identity.Add, ObjectType: "person", DN: id,
		Changes: identity.Diff(nil, agenttest.Attrs(append(pairs, "id", id)...)),
	}
}

// update replaces attributes.
func update(id string, pairs ...any) agent.Change {
	c := agent.Change{Op: identity.Update, ObjectType: "person", DN: id, Anchor: id}
	for _, a := range agenttest.Attrs(pairs...) {
		c.Changes = append(c.Changes, identity.Change{Name: a.Name, Op: identity.Replace, Values: a.Values})
	}
	return c
}

func remove(id string) agent.Change {
	return agent.Change{Op: identity.Delete, ObjectType: "person", DN: id, Anchor: id}
}

func TestConforms(t *testing.T) {
	subject := agenttest.Subject{
		Type: "person", Text: "name", List: "phones", Reference: "manager", Naming: []string{"id"},
		DN: func(n int) string { return fmt.Sprintf("p, %d", n) },
		Attributes: func(n int) identity.Attributes {
			return agenttest.Attrs("id", fmt.Sprintf("p, %d", n), "name", fmt.Sprintf("Person\r\n%d ", n), "age", n)
		},
	}
	t.Run("simple", func(t *testing.T) {
		subject := subject
		subject.Agent = func(t *testing.T) agent.Agent {
			a, _ := openPeople(t, personHeader)
			return a
		}
		agenttest.Run(t, subject)
	})
	t.Run("two types, anchor of two columns", func(t *testing.T) {
		subject := subject
		subject.Naming = []string{"site", "id"}
		subject.DN = func(n int) string { return fmt.Sprintf(`N\+S+%d`, n) }
		subject.Attributes = func(n int) identity.Attributes {
			return agenttest.Attrs("site", "N+S", "id", fmt.Sprint(n), "name", fmt.Sprintf("Person %d", n))
		}
		subject.Agent = func(t *testing.T) agent.Agent {
			path := writeFile(t, "\xEF\xBB\xBFkind\tsite\tid\tname\tphones\tmanager\r\n")
			people := person
			people.Anchor = []string{"site", "id"}
			people.Attributes = people.Attributes[1:]
			robot := agent.Object{Name: "robot", Anchor: []string{"id"}}
			return openAgent(t, Settings{File: agent.Path(path), Delimiter: `\t`, ObjectType: "kind"}, robot, people)
		}
		agenttest.Run(t, subject)
	})
	t.Run("names in a column", func(t *testing.T) {
		subject := subject
		subject.Naming = nil
		subject.DN = func(n int) string { return fmt.Sprintf("CN=%d,OU=people", n) }
		subject.Agent = func(t *testing.T) agent.Agent {
			return openAgent(t, Settings{File: agent.Path(writeFile(t, "dn,"+personHeader)), DN: "dn"}, person)
		}
		agenttest.Run(t, subject)
	})
}

// TestNamesInAColumn checks what a file with names says of them, and what it then
// holds.
func TestNamesInAColumn(t *testing.T) {
	path := writeFile(t, "id,name,where\n1,Ann,\"CN=Ann,OU=a\"\n2,Bob,\n3,Cid,\"CN=Cid,OU=b\"\n")
	a := openAgent(t, Settings{File: agent.Path(path), DN: "where"}, agent.Object{Name: "person", Anchor: []string{"id"}})
	var got []string
	imp, err := a.OpenImport(t.Context(), agent.ImportRequest{})
	if err != nil {
		t.Fatal(err)
	}
	page := new(agent.Page)
	if err := imp.Next(t.Context(), page); err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Entries {
		line := fmt.Sprintf("%s %s %d", e.Anchor, e.DN, len(e.Attributes))
		if e.Err != nil {
			line = fmt.Sprintf("%s %s:%d:%d", e.Err.Name, e.Err.Attribute, e.Err.Position.Line, e.Err.Position.Column)
		}
		got = append(got, line)
	}
	if _, err := imp.Close(t.Context(), agent.Completed); err != nil {
		t.Fatal(err)
	}
	if want := []string{"1 CN=Ann,OU=a 2", "missing-dn where:3:7", "3 CN=Cid,OU=b 2"}; !slices.Equal(got, want) {
		t.Errorf("entries %q, want %q", got, want)
	}

	fields := func(pairs ...any) []identity.Change { return identity.Diff(nil, agenttest.Attrs(pairs...)) }
	names, err := export(t, a,
		agent.Change{Op: identity.Add, ObjectType: "person", DN: "CN=Dan,OU=b", Changes: fields("id", "4", "name", "Dan")},
		agent.Change{Op: identity.Add, ObjectType: "person", DN: "cn=ann, ou=A", Changes: fields("id", "5")},
		agent.Change{Op: identity.Update, ObjectType: "person", Anchor: "1", DN: "CN=Ann,OU=a", NewDN: "CN=Cid,OU=b"},
		agent.Change{Op: identity.Delete, ObjectType: "person", Anchor: "3", DN: "CN=Cid,OU=b"},
		agent.Change{Op: identity.Update, ObjectType: "person", Anchor: "1", DN: "CN=Ann,OU=a", NewDN: "CN=Cid,OU=b"},
		agent.Change{Op: identity.Add, ObjectType: "person", DN: "CN=Ann,OU=a", Changes: fields("id", "6")},
	)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"", "cd-existing-object", "rename-to-existing-dn", "", "", ""}; !slices.Equal(names, want) {
		t.Errorf("results %q, want %q", names, want)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "id,name,where\n1,Ann,\"CN=Cid,OU=b\"\n2,Bob,\n4,Dan,\"CN=Dan,OU=b\"\n6,,\"CN=Ann,OU=a\"\n"
	if string(content) != want {
		t.Errorf("the file holds\n%s\nwant\n%s", content, want)
	}
}

// TestWholeObjects checks that a whole object takes the place of a row.
func TestWholeObjects(t *testing.T) {
	path := writeFile(t, "id,name,phone\n1,Ann,5\n2,Bob,6\n")
	a := openAgent(t, Settings{File: agent.Path(path)}, agent.Object{Name: "person", Anchor: []string{"id"}})
	mustExport(t, a, agent.Change{
		Op: identity.Replace, ObjectType: "person", Anchor: "1", DN: "1",
		Changes: identity.Diff(nil, agenttest.Attrs("id", "1", "name", "Anne")),
	})
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := "id,name,phone\n1,Anne,\n2,Bob,6\n"; string(content) != want {
		t.Errorf("the file holds\n%s\nwant\n%s", content, want)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings Settings
		objects  []agent.Object
	}{
		{"no file", Settings{}, []agent.Object{person}},
		{"long delimiter", Settings{File: "f", Delimiter: "::"}, []agent.Object{person}},
		{"delimiter is a quote", Settings{File: "f", Delimiter: `"`}, []agent.Object{person}},
		{"delimiter is not ASCII", Settings{File: "f", Delimiter: "§"}, []agent.Object{person}},
		{"no object", Settings{File: "f"}, nil},
		{"two objects", Settings{File: "f"}, []agent.Object{person, person}},
		{"no anchor", Settings{File: "f"}, []agent.Object{{Name: "person"}}},
		{"multi-valued anchor", Settings{File: "f"}, []agent.Object{{Name: "p", Anchor: []string{"id"}, Attributes: []agent.Attribute{{Name: "id", Multi: true}}}}},
		{"separator for one value", Settings{File: "f"}, []agent.Object{{Name: "p", Anchor: []string{"id"}, Attributes: []agent.Attribute{{Name: "a", Separator: ";"}}}}},
		{"type column as attribute", Settings{File: "f", ObjectType: "a"}, []agent.Object{{Name: "p", Anchor: []string{"id"}, Attributes: []agent.Attribute{{Name: "a"}}}}},
		{"column of names in the anchor", Settings{File: "f", DN: "id"}, []agent.Object{{Name: "p", Anchor: []string{"id"}}}},
		{"column of names as attribute", Settings{File: "f", DN: "a"}, []agent.Object{{Name: "p", Anchor: []string{"id"}, Attributes: []agent.Attribute{{Name: "a"}}}}},
		{"column of names and types", Settings{File: "f", DN: "a", ObjectType: "a"}, []agent.Object{{Name: "p", Anchor: []string{"id"}}}},
		{"columns without names", Settings{File: "f", DN: "dn", Columns: []string{"id"}}, []agent.Object{{Name: "p", Anchor: []string{"id"}}}},
		{"columns without anchor", Settings{File: "f", Columns: []string{"name"}}, []agent.Object{{Name: "p", Anchor: []string{"id"}}}},
		{"column twice", Settings{File: "f", Columns: []string{"id", "id"}}, []agent.Object{{Name: "p", Anchor: []string{"id"}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := test.settings.Open(agent.Env{Name: "HR", Objects: test.objects})
			if fault.Name(err) != "no-start-bad-ma-configuration" {
				t.Errorf("Open: %v", err)
			}
		})
	}
}

func TestSchema(t *testing.T) {
	a, _ := openPeople(t, "name,id,phones,age,manager\n1,2,3,4,5\n")
	schema, err := a.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	person := schema.Type("person")
	var got []string
	for _, c := range person.Attributes {
		got = append(got, fmt.Sprintf("%s %s %t", c.Name, c.Type, c.Multi))
	}
	want := []string{"name string false", "id string false", "phones string true", "age integer false", "manager reference false"}
	if !slices.Equal(got, want) || !slices.Equal(person.Anchor, []string{"id"}) {
		t.Errorf("attributes %q, anchor %q", got, person.Anchor)
	}
}
