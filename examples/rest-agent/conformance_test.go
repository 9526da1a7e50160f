// Package restagent tests the example: its script is held to the contract of agents,
// over HTTP.
package restagent

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/examples/rest-agent/badges"
	"github.com/metasync/metasync/internal/hostlist"
	"github.com/metasync/metasync/scripting"
	"github.com/metasync/metasync/scripting/modules"
)

const token = "open-sesame"

// kind loads the scripts of the example, which may ask a server, and returns their
// agent type.
func kind(t *testing.T, server *httptest.Server) agent.Kind {
	t.Helper()
	granted, err := hostlist.Parse(strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	base, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	g, err := scripting.NewLoader(scripting.Options{
		Folder: filepath.Join(base, "scripts"), Base: base, Workers: 1, Env: modules.Env{HTTP: hostlist.List{granted}},
	}).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	if err := scripting.TestError(g.Test(t.Context(), scripting.TestOptions{})); err != nil {
		t.Error(err)
	}
	kinds, err := g.Kinds(nil)
	if err != nil || len(kinds) != 1 {
		t.Fatalf("%d kinds, %v", len(kinds), err)
	}
	return kinds[0]
}

// open opens an agent of the kind as a configuration does that gives these settings.
func open(t *testing.T, kind agent.Kind, given map[string]string) agent.Agent {
	t.Helper()
	settings := kind.New()
	form := reflect.ValueOf(settings).Elem().FieldByName("Settings").Elem().Elem()
	for i := range form.NumField() {
		name, _, _ := strings.Cut(form.Type().Field(i).Tag.Get("yaml"), ",")
		field := reflect.New(form.Type().Field(i).Type.Elem())
		field.Elem().SetString(given[name])
		form.Field(i).Set(field)
	}
	a, err := settings.Open(agent.Env{Name: "Badges"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func serve(t *testing.T) (*badges.System, *httptest.Server) {
	t.Helper()
	system := badges.New(token)
	server := httptest.NewServer(system)
	t.Cleanup(server.Close)
	return system, server
}

func TestConformance(t *testing.T) {
	var system *badges.System
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { system.ServeHTTP(w, r) }))
	defer server.Close()
	kind := kind(t, server)
	agenttest.Run(t, agenttest.Subject{
		Agent: func(t *testing.T) agent.Agent {
			system = badges.New(token)
			return open(t, kind, map[string]string{"url": server.URL, "token": token})
		},
		Type: "badge", Text: "name", List: "doors", Reference: "sponsor", SystemMade: []string{"id"},
		DN: func(n int) string { return fmt.Sprintf("user%d", n) },
		Attributes: func(n int) identity.Attributes {
			return agenttest.Attrs("name", fmt.Sprintf("User %d", n)).Set("active", identity.Boolean(n%2 == 0))
		},
	})
}

// What goes wrong with the system stops the import under its name.
func TestFailures(t *testing.T) {
	system, server := serve(t)
	kind := kind(t, server)
	read := func(a agent.Agent, req agent.ImportRequest) error {
		var err error
		if req.Schema, err = a.Schema(t.Context()); err != nil {
			return err
		}
		imp, err := a.(agent.Importer).OpenImport(t.Context(), req)
		if err != nil {
			return err
		}
		_, err = imp.Close(t.Context(), agent.Completed)
		return err
	}
	a := open(t, kind, map[string]string{"url": server.URL, "token": token})
	delta := agent.ImportRequest{Delta: true, Watermark: []byte(`{"version":0}`)}
	if err := read(a, delta); err != nil {
		t.Fatal(err)
	}
	wrong := open(t, kind, map[string]string{"url": server.URL, "token": "guess"})
	if err := read(wrong, agent.ImportRequest{}); fault.Name(err) != "stopped-bad-server-credentials" {
		t.Errorf("a wrong token: %v", err)
	}
	exp, err := a.(agent.Exporter).OpenExport(t.Context(), agent.ExportRequest{Schema: schemaOf(t, a)})
	if err != nil {
		t.Fatal(err)
	}
	add := agent.Change{Op: identity.Add, ObjectType: "badge", DN: "ada"}
	if results, err := exp.Put(t.Context(), []agent.Change{add}); err != nil || results[0].Anchor != "B00001" {
		t.Fatalf("%+v, %v", results, err)
	}
	system.Forget()
	if err := read(a, delta); fault.Name(err) != "no-start-full-import-required" {
		t.Errorf("a feed that has forgotten: %v", err)
	}
	system.Fail(func(*http.Request) bool { return true })
	if err := read(a, agent.ImportRequest{}); fault.Name(err) != "stopped-server-down" {
		t.Errorf("a system that is down: %v", err)
	}
	server.Close()
	if err := read(a, agent.ImportRequest{}); fault.Name(err) != "stopped-connectivity" {
		t.Errorf("no system: %v", err)
	}
	if _, err := exp.Put(t.Context(), []agent.Change{add}); fault.Name(err) != "stopped-connectivity" {
		t.Errorf("an export without a system: %v", err)
	}
	if err := exp.Close(t.Context(), agent.Aborted); err != nil {
		t.Error(err)
	}
}

func schemaOf(t *testing.T, a agent.Agent) identity.Schema {
	t.Helper()
	schema, err := a.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
