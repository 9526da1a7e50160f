package ldif

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/identity"
)

var person = agent.Object{Name: "person", Settings: &ObjectSettings{Class: "inetOrgPerson"}, Attributes: []agent.Attribute{
	{Name: "title", Type: identity.TypeString},
	{Name: "cn;lang-de", Type: identity.TypeString},
	{Name: "age", Type: identity.TypeInteger},
}}

func anchored(o agent.Object, names ...string) agent.Object {
	o.Anchor = names
	return o
}

func writeFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
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

func open(t testing.TB, settings Settings, objects ...agent.Object) agent.Agent {
	t.Helper()
	a, err := settings.Open(agent.Env{Name: "Dir", Objects: objects})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// describe writes an entry down in one line.
func describe(e *agent.Entry) string {
	if e.Err != nil {
		return strings.TrimSpace(fmt.Sprintf("%s at %s:%d:%d %s", e.Err.Name, filepath.Base(e.Err.Position.File), e.Err.Position.Line, e.Err.Position.Column, e.Err.Attribute))
	}
	s := fmt.Sprintf("%s %s", e.Op, e.DN)
	if e.Anchor != e.DN {
		s += " #" + e.Anchor
	}
	for _, a := range e.Attributes {
		if a.Name == objectClass {
			continue
		}
		var values []string
		for _, v := range a.Values {
			values = append(values, fmt.Sprintf("%q", v.Text()))
		}
		s += " " + a.Name + "=" + strings.Join(values, ",")
	}
	return s
}

// importAll reads everything and returns its entries, written down, and the error that
// ended the import, if one did.
func importAll(t testing.TB, a agent.Agent, req agent.ImportRequest) (lines []string, complete bool, watermark []byte, err error) {
	t.Helper()
	imp, err := a.(agent.Importer).OpenImport(t.Context(), req)
	if err != nil {
		return nil, false, nil, err
	}
	complete = imp.Complete()
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
	return lines, complete, watermark, err
}

// export sends changes and closes the export.
func export(t testing.TB, a agent.Agent, changes ...agent.Change) ([]string, error) {
	t.Helper()
	x, err := a.(agent.Exporter).OpenExport(t.Context(), agent.ExportRequest{})
	if err != nil {
		return nil, err
	}
	results, err := x.Put(t.Context(), changes)
	if err != nil {
		return nil, errors.Join(err, x.Close(t.Context(), agent.Aborted))
	}
	var names []string
	for _, r := range results {
		name := ""
		if r.Err != nil {
			name = r.Err.Name
		}
		names = append(names, name)
	}
	return names, x.Close(t.Context(), agent.Completed)
}

func mustExport(t testing.TB, a agent.Agent, changes ...agent.Change) {
	t.Helper()
	names, err := export(t, a, changes...)
	if err != nil || strings.Join(names, "") != "" {
		t.Fatal(names, err)
	}
}

func TestConforms(t *testing.T) {
	subject := agenttest.Subject{
		Type: "person", Text: "title", List: "telephoneNumber", Reference: "manager", Naming: []string{"uid"}, SystemMade: []string{objectClass},
		DN: func(n int) string { return fmt.Sprintf(`uid=p\, %d,ou=people`, n) },
		Attributes: func(n int) identity.Attributes {
			return agenttest.Attrs("uid", fmt.Sprintf("p, %d", n), "title", fmt.Sprintf("Person\r\n%d ", n), "age", n)
		},
	}
	for _, header := range []string{"version: 1\n", "version: 1\r\n\r\n# people\r\n\r\ndn: ou=people\r\nobjectClass: organizationalUnit\r\n\r\n"} {
		t.Run("names "+fmt.Sprint(len(header)), func(t *testing.T) {
			subject := subject
			subject.Agent = func(t *testing.T) agent.Agent {
				return open(t, Settings{File: agent.Path(writeFile(t, "p.ldif", header))}, person)
			}
			agenttest.Run(t, subject)
		})
		t.Run("anchor "+fmt.Sprint(len(header)), func(t *testing.T) {
			subject := subject
			subject.Agent = func(t *testing.T) agent.Agent {
				return open(t, Settings{File: agent.Path(writeFile(t, "p.ldif", header))}, anchored(person, "entryUUID"))
			}
			subject.Attributes = func(n int) identity.Attributes {
				return agenttest.Attrs("uid", fmt.Sprintf("p, %d", n), "title", fmt.Sprintf("Person\r\n%d ", n), "age", n, "entryUUID", fmt.Sprint(n))
			}
			agenttest.Run(t, subject)
		})
	}
}
