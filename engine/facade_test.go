package engine_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
)

func TestNotConfigured(t *testing.T) {
	e, err := engine.Open(engine.Options{State: store.NewMemory(), History: store.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(t.Context(), "HR", "full-import", engine.Cause{}, nil); !errors.Is(err, engine.ErrNotConfigured) {
		t.Errorf("run: %v", err)
	}
	if _, err := e.Facts(); !errors.Is(err, engine.ErrNotConfigured) {
		t.Errorf("facts: %v", err)
	}
	if _, err := e.Connectors(engine.ConnectorQuery{Agent: "HR"}); fault.Name(err) != "unknown-agent" {
		t.Errorf("connectors: %v", err)
	}
}

// TestRefusals: what is asked for wrongly is refused with what may have been meant.
func TestRefusals(t *testing.T) {
	w := newOffice(t, false)
	for _, tt := range []struct{ agent, profile, name, hint string }{
		{"HRR", "full-import", "unknown-agent", `did you mean "HR"?`},
		{"HR", "full-imprt", "unknown-run-profile", `did you mean "full-import"?`},
	} {
		_, err := w.tryRun(t.Context(), tt.agent, tt.profile)
		e := fault.As(err, "")
		if e == nil || e.Name != tt.name || e.Hint != tt.hint {
			t.Errorf("%s %s: %v", tt.agent, tt.profile, err)
		}
	}
	// A run, and a synchronization, that are in the way of another.
	w.cycle()
	w.edit("HR", "p1", "employee", "name=x")
	var busy []error
	w.systems["HR"].OnCall(func(call agenttest.Call) {
		if call == agenttest.CallNext {
			_, err := w.engine.Run(t.Context(), "HR", "delta-sync", engine.Cause{}, nil)
			busy = append(busy, err)
		}
	})
	w.run("HR", "full-import")
	if len(busy) == 0 {
		t.Fatal("the run never called its system")
	}
	for _, err := range busy {
		if !errors.Is(err, run.ErrBusy) {
			t.Errorf("a second run of an agent: %v", err)
		}
	}
	w.systems["HR"].OnCall(nil)
	if _, err := w.tryRun(t.Context(), "HR", "delta-sync"); err != nil {
		t.Errorf("after the run: %v", err)
	}
}

// TestConfigureFails: a definition that does not compile changes nothing.
func TestConfigureFails(t *testing.T) {
	w := newOffice(t, false)
	w.cycle()
	before := dump(w.state)
	bad := engine.Definition{Model: w.config.Model}
	for _, a := range w.config.Agents {
		bad.Agents = append(bad.Agents, engine.Agent{Name: a.Name, Agent: w.systems[a.Name], Objects: a.Objects})
	}
	bad.Model.Rules = append([]rules.Rule{{Name: "bad", Agent: "nobody", Metaverse: "nothing"}}, bad.Model.Rules...)
	for name, try := range map[string]func() error{
		"configure": func() error { _, err := w.engine.Configure(t.Context(), bad, rules.Functions{}); return err },
		"check":     func() error { _, err := w.engine.Check(t.Context(), bad, rules.Functions{}); return err },
	} {
		if err := try(); err == nil || !strings.Contains(err.Error(), "nobody") || !strings.Contains(err.Error(), "nothing") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if diff := cmp.Diff(before, dump(w.state)); diff != "" {
		t.Errorf("the store (-before +after):\n%s", diff)
	}
	for _, r := range w.cycle() {
		if !quiet(r) {
			t.Errorf("the definition before is not in force:\n%s", showRecord(r))
		}
	}
}

// TestSilentSystem: a system that does not answer while the engine is configured
// is assumed to be as it was, and its imports fail; the others go on.
func TestSilentSystem(t *testing.T) {
	w := newStory(t, "")
	w.systems["Directory"].FailCall(agenttest.CallSchema, 1, fault.New("stopped-connectivity", "as the test wants it"))
	definition := engine.Definition{Model: w.config.Model}
	for _, a := range w.config.Agents {
		definition.Agents = append(definition.Agents, engine.Agent{Name: a.Name, Agent: w.systems[a.Name], Objects: a.Objects})
	}
	warnings, err := w.engine.Configure(t.Context(), definition, rules.Functions{})
	if err != nil || len(warnings) != 1 || fault.Name(warnings[0]) != "stopped-connectivity" {
		t.Fatalf("configure: %v, warnings %v", err, warnings)
	}
	w.cycle()
	w.cycle()
	w.settled(t)
}

// TestThresholdDefault: unless configured otherwise an export carries 500
// deletions and not one more.
func TestThresholdDefault(t *testing.T) {
	w := newOffice(t, false)
	for i := range 501 {
		w.edit("HR", fmt.Sprintf("x%03d", i), "employee", "name=x")
	}
	w.cycle()
	for i := range 501 {
		w.drop("HR", fmt.Sprintf("x%03d", i))
	}
	w.run("HR", "full-import")
	w.run("HR", "delta-sync")
	changes := w.changes()
	if r := w.run("Directory", "export"); r.Result != run.StoppedExportThreshold || w.changes() != changes {
		t.Errorf("501 deletions: %s", showRecord(r))
	}
	w.edit("HR", "x000", "employee", "name=x")
	w.run("HR", "full-import")
	w.run("HR", "delta-sync")
	if r := w.run("Directory", "export"); r.Result != run.Success || r.Steps[0].Exports["export-delete"] != 500 {
		t.Errorf("500 deletions: %s", showRecord(r))
	}
}

// TestErrorLimit: a step that meets too many errors stops; what it did until
// then stays.
func TestErrorLimit(t *testing.T) {
	w := newOffice(t, false)
	for i := range 5100 {
		key := fmt.Sprintf("y%04d", i)
		w.edit("HR", key, "employee", "name=x")
		w.systems["HR"].FailImport(key, fault.New("parse-error", "as the test wants it"))
	}
	r := w.run("HR", "full-import")
	if r.Result != run.StoppedErrorLimit || len(r.Steps[0].DiscoveryErrors) == 0 {
		t.Errorf("%s with %d listed errors", r.Result, len(r.Steps[0].DiscoveryErrors))
	}
	w.check()
}

// TestViews pins the public form of objects.
func TestViews(t *testing.T) {
	w := newStory(t, "")
	w.run("HR", "full-import")
	connectors, err := w.engine.Connectors(engine.ConnectorQuery{Agent: "HR", Key: "p1"})
	if err != nil || len(connectors) != 1 {
		t.Fatalf("connectors: %v, %v", connectors, err)
	}
	checkJSON(t, connectors[0], `{
 "id": "0001-000000000002",
 "agent": "HR",
 "object": "employee",
 "dn": "p1",
 "anchor": "p1",
 "state": "connector",
 "attributes": {
  "id": ["p1"],
  "manager": ["p4"],
  "name": ["ida"]
 },
 "metaverse": "0000-000000000002",
 "linked": {"type": "projection", "rule": "employees", "time": "2026-01-05T02:04:00Z"},
 "pendingImport": {
  "operation": "update",
  "changes": {
   "manager": {"operation": "replace", "values": ["p4"]},
   "name": {"operation": "replace", "values": ["ida"]},
   "title": {"operation": "delete"}
  }
 },
 "pendingExport": null,
 "error": null
}`)
	objects, err := w.engine.Objects(engine.ObjectQuery{Type: "person", Key: "0000-000000000001"})
	if err != nil || len(objects) != 1 {
		t.Fatalf("objects: %v, %v", objects, err)
	}
	number := objects[0].Attributes["number"]
	if number.Contributor != "HR" || number.Rule != "employees" || number.Values[0] != "p0" || number.Time.IsZero() || len(objects[0].Connectors) != 2 {
		t.Errorf("%+v", objects[0])
	}
	for _, tt := range []struct {
		query engine.ConnectorQuery
		want  int
	}{
		{engine.ConnectorQuery{Agent: "HR"}, 12}, // who left is still there, with a pending delete
		{engine.ConnectorQuery{Agent: "HR", Limit: 2}, 2},
		{engine.ConnectorQuery{Agent: "HR", Pending: "import"}, 10},
		{engine.ConnectorQuery{Agent: "HR", Pending: "export"}, 0},
		{engine.ConnectorQuery{Agent: "Directory", State: "disconnector"}, 2},
		{engine.ConnectorQuery{Agent: "Directory", Key: "cn=STRAY"}, 1},
	} {
		got, err := w.engine.Connectors(tt.query)
		if err != nil || len(got) != tt.want {
			t.Errorf("%+v: %d objects, %v", tt.query, len(got), err)
		}
	}
	if _, err := w.engine.Connectors(engine.ConnectorQuery{Agent: "HR", State: "connectr"}); err == nil {
		t.Error("an unknown state is no error")
	}
	if _, err := w.engine.Objects(engine.ObjectQuery{Type: "persn"}); err == nil {
		t.Error("an unknown type is no error")
	}
	statistics, n, err := w.engine.Statistics()
	if err != nil || n != 8 || statistics[0].Agent != "HR" || statistics[0].Count["total-connector"] != 8 {
		t.Errorf("statistics: %+v, %d objects, %v", statistics, n, err)
	}
}

func checkJSON(t *testing.T, got any, want string) {
	t.Helper()
	data, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if err := errors.Join(json.Unmarshal(data, &a), json.Unmarshal([]byte(want), &b)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b, a); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAgentLeft: an agent that is renamed or removed while its objects are linked
// is warned of.
func TestAgentLeft(t *testing.T) {
	w := newWorld(t, shop)
	w.edit("HR", "1", "employee", "name=Ada")
	w.run("HR", "full-import")
	w.run("HR", "full-sync")
	renamed := w.definition(strings.NewReplacer("HR:", "People:", "agent: HR", "agent: People").Replace(shop))
	warnings, err := w.engine.Configure(t.Context(), renamed, rules.Functions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, warning := range warnings {
		if fault.Name(warning) == "agent-not-configured" && strings.Contains(warning.Error(), `"HR"`) && strings.Contains(warning.Error(), "1 of its objects") {
			return
		}
	}
	t.Errorf("warnings: %v", warnings)
}
