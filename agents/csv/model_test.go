package csv

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/identity"
)

// TestExportFollowsModel exports random changes, good and bad ones, and holds
// every result and the next import against the in-memory directory.
func TestExportFollowsModel(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t, filepath.Join(folder, "people.csv"))
		for range rapid.IntRange(1, 3).Draw(t, "exports") {
			m.export(rapid.SliceOfN(rapid.Custom(m.change), 1, 8).Draw(t, "changes"))
		}
	})
}

// A model is a file and the directory that it must equal.
type model struct {
	t         *rapid.T
	path      string
	agent     *csvAgent
	directory *agenttest.Directory
	unmanaged []string // rows that are no objects
}

var modelSchema = identity.Schema{Types: []identity.ObjectType{{
	Name: "person", Anchor: []string{"id"},
	Attributes: []identity.AttributeType{
		{Name: "id", Type: identity.TypeString},
		{Name: "name", Type: identity.TypeString},
		{Name: "age", Type: identity.TypeInteger},
		{Name: "phones", Type: identity.TypeString, Multi: true},
		{Name: "manager", Type: identity.TypeReference},
	},
}}}

func newModel(t *rapid.T, path string) *model {
	lineEnd := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "line end")
	bom := rapid.SampledFrom([]string{"", "\xEF\xBB\xBF"}).Draw(t, "byte order mark")
	delimiter := rapid.SampledFrom([]string{",", ";", `\t`}).Draw(t, "delimiter")
	m := &model{t: t, path: path, unmanaged: []string{"torn", `"no ""object"""`}}
	header := strings.ReplaceAll(strings.TrimSpace(personHeader), ",", strings.Replace(delimiter, `\t`, "\t", 1))
	rows := []string{header, m.unmanaged[0], "", m.unmanaged[1]}
	if err := os.WriteFile(path, []byte(bom+strings.Join(rows, lineEnd)), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := (&Settings{File: agent.Path(path), Delimiter: delimiter}).Open(agent.Env{Name: "HR", Objects: []agent.Object{person}})
	if err != nil {
		t.Fatal(err)
	}
	m.agent = a.(*csvAgent)
	m.directory = agenttest.NewDirectory(modelSchema, m.agent.Capabilities())
	return m
}

var (
	drawID   = rapid.SampledFrom([]string{"1", "2", "3", "a;b", " x", `"q"`, "é\n"})
	drawText = rapid.StringMatching(`[ab,;"\n\r\t é]{1,5}`)
)

// change draws a change, sensible or not.
func (m *model) change(t *rapid.T) agent.Change {
	id := drawID.Draw(t, "id")
	c := agent.Change{ObjectType: "person", DN: id, Anchor: id, Repeated: rapid.Bool().Draw(t, "repeated")}
	switch rapid.IntRange(0, 4).Draw(t, "operation") {
	case 0, 1:
		c.Op, c.Anchor = identity.Add, ""
		c.Changes = identity.Diff(nil, drawAttributes(t))
	case 2:
		c.Op = identity.Update
		c.Changes = identity.Diff(drawAttributes(t), drawAttributes(t))
	case 3:
		c.Op = identity.Update
		c.NewDN = drawID.Draw(t, "new name")
		c.Changes = identity.Diff(drawAttributes(t), drawAttributes(t))
	case 4:
		c.Op = identity.Delete
	}
	return c
}

func drawAttributes(t *rapid.T) identity.Attributes {
	var a identity.Attributes
	if rapid.Bool().Draw(t, "with name") {
		a = a.Set("name", identity.String(drawText.Draw(t, "name")))
	}
	if rapid.Bool().Draw(t, "with age") {
		a = a.Set("age", identity.Integer(rapid.Int64().Draw(t, "age")))
	}
	if rapid.Bool().Draw(t, "with manager") {
		a = a.Set("manager", identity.Reference(drawID.Draw(t, "manager")))
	}
	for range rapid.IntRange(0, 3).Draw(t, "phones") {
		a = a.Set("phones", append(slices.Clone(a.Get("phones")), identity.String(drawText.Draw(t, "phone")))...)
	}
	return a
}

// export sends changes to both and compares the results and what is then there.
func (m *model) export(changes []agent.Change) {
	m.t.Helper()
	var results [2][]string
	for i, exporter := range []agent.Exporter{m.agent, m.directory} {
		x, err := exporter.OpenExport(m.t.Context(), agent.ExportRequest{})
		if err != nil {
			m.t.Fatal(err)
		}
		put, err := x.Put(m.t.Context(), changes)
		if err != nil {
			m.t.Fatal(err)
		}
		for j, r := range put {
			line := fmt.Sprintf("%s %q", changes[j].Op, r.Anchor)
			if r.Err != nil {
				line = fmt.Sprintf("%s %s", changes[j].Op, r.Err.Name)
			}
			results[i] = append(results[i], line)
		}
		if err := x.Close(m.t.Context(), agent.Completed); err != nil {
			m.t.Fatal(err)
		}
	}
	if diff := cmp.Diff(results[1], results[0]); diff != "" {
		m.t.Fatalf("results: -directory +file\n%s", diff)
	}
	if diff := cmp.Diff(m.entries(m.directory), m.entries(m.agent)); diff != "" {
		m.t.Fatalf("content: -directory +file\n%s", diff)
	}
	content, err := os.ReadFile(m.path)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, text := range m.unmanaged {
		if !strings.Contains(string(content), text) {
			m.t.Fatalf("%q is lost", text)
		}
	}
}

// entries imports everything that is an object, in the order of the anchors.
func (m *model) entries(importer agent.Importer) []string {
	m.t.Helper()
	imp, err := importer.OpenImport(m.t.Context(), agent.ImportRequest{PageSize: 2})
	if err != nil {
		m.t.Fatal(err)
	}
	var lines []string
	page := new(agent.Page)
	for imp.Next(m.t.Context(), page) == nil {
		for _, e := range page.Entries {
			if e.Line = 0; e.Err == nil {
				lines = append(lines, describe(&e))
			}
		}
	}
	if _, err := imp.Close(m.t.Context(), agent.Completed); err != nil {
		m.t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}
