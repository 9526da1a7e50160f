package engine_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
)

// simple returns a definition in which a system of people gives another one its
// accounts, and both systems.
func simple() (definition engine.Definition, people, accounts *agenttest.Directory) {
	schema := func(name string) identity.Schema {
		return identity.Schema{Types: []identity.ObjectType{{
			Name: name, Anchor: []string{"id"}, Attributes: []identity.AttributeType{{Name: "id", Type: identity.TypeString}},
		}}}
	}
	people = agenttest.NewDirectory(schema("employee"), agent.Capabilities{AnchorIsDN: true})
	accounts = agenttest.NewDirectory(schema("account"), agent.Capabilities{AnchorIsDN: true})
	flow := []rules.Flow{{Target: "id", Source: rules.Source{Attribute: "id"}}}
	return engine.Definition{
		Agents: []engine.Agent{{Name: "People", Agent: people}, {Name: "Accounts", Agent: accounts}},
		Model: rules.Model{
			Types: []rules.MetaverseType{{Name: "person", Attributes: []rules.MetaverseAttribute{{Name: "id", Type: identity.TypeString}}}},
			Rules: []rules.Rule{
				{
					Name: "in", Agent: "People", Object: "employee", Metaverse: "person",
					Inbound: &rules.Inbound{Project: true, Flows: flow},
				},
				{
					Name: "out", Agent: "Accounts", Object: "account", Metaverse: "person",
					Outbound: &rules.Outbound{Provision: true, Flows: flow},
				},
			},
		},
	}, people, accounts
}

// A reader is an agent that cannot export, a writer one that cannot import.
type (
	reader struct {
		agent.Agent
		agent.Importer
	}
	writer struct {
		agent.Agent
		agent.Exporter
	}
)

// TestSchedulerOverEngine: an engine is what a scheduler drives; one store is
// enough for both, and the model need not name the agents.
func TestSchedulerOverEngine(t *testing.T) {
	definition, people, accounts := simple()
	people.Put(agenttest.Object{DN: "ada"}, agenttest.Object{DN: "grace"})
	definition.Agents[0].Agent = reader{people, people}
	state := store.NewMemory()
	e, err := engine.Open(engine.Options{State: state})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Configure(t.Context(), definition, rules.Functions{}); err != nil {
		t.Fatal(err)
	}
	scheduler, err := autosync.New(autosync.Options{Engine: e, Store: state, Settings: definition.Scheduling()})
	if err != nil {
		t.Fatal(err)
	}
	first, err := scheduler.Once(t.Context(), autosync.Changes)
	if err != nil || first.Failed || first.Errors {
		t.Fatalf("%+v, %v", first, err)
	}
	if got := len(accounts.Objects()); got != 2 {
		t.Errorf("%d accounts", got)
	}
	last, err := e.History().Last(100)
	if err != nil || len(last) != len(first.Runs) {
		t.Errorf("%d runs, %d records, %v", len(first.Runs), len(last), err)
	}
	people.FailCall(agenttest.CallOpenImport, 1, errors.New("the network is down"))
	second, err := scheduler.Once(t.Context(), autosync.Changes)
	if err != nil || !second.Failed {
		t.Fatalf("%+v, %v", second, err)
	}
}

func TestScheduling(t *testing.T) {
	definition, people, accounts := simple()
	definition.Agents = []engine.Agent{
		{Name: "both", Agent: people},
		{Name: "reads", Agent: reader{people, people}},
		{Name: "writes", Agent: writer{accounts, accounts}},
		{Name: "own", Agent: people, Profiles: []run.Profile{{Name: "everything", Steps: []run.Step{{Type: run.FullImport}}}}},
	}
	got := map[string]map[run.StepType]string{}
	for _, a := range definition.Scheduling().Agents {
		got[a.Name] = a.Operations
	}
	sync := map[run.StepType]string{run.FullSync: "full-sync", run.DeltaSync: "delta-sync", run.Resync: "resync"}
	with := func(more map[run.StepType]string) map[run.StepType]string {
		for t, name := range sync {
			more[t] = name
		}
		return more
	}
	want := map[string]map[run.StepType]string{
		"both":   with(map[run.StepType]string{run.FullImport: "full-import", run.DeltaImport: "delta-import", run.Export: "export"}),
		"reads":  with(map[run.StepType]string{run.FullImport: "full-import", run.DeltaImport: "delta-import"}),
		"writes": with(map[run.StepType]string{run.Export: "export"}),
		"own":    {run.FullImport: "everything", run.DeltaImport: "everything"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}

// TestImpossible: what cannot be an engine, or a definition, is refused.
func TestImpossible(t *testing.T) {
	if _, err := engine.Open(engine.Options{}); err == nil {
		t.Error("an engine without a store was opened")
	}
	one := store.NewMemory()
	if _, err := engine.Open(engine.Options{State: one, History: one}); err == nil {
		t.Error("an engine with one store for state and history was opened")
	}
	e, err := engine.Open(engine.Options{State: one})
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*engine.Definition){
		`two agents "People"`: func(d *engine.Definition) { d.Agents[1].Name = "People" },
		`no agent "HR"`:       func(d *engine.Definition) { d.Model.Agents = []rules.Agent{{Name: "HR"}} },
	} {
		definition, _, _ := simple()
		change(&definition)
		if _, err := e.Configure(t.Context(), definition, rules.Functions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	definition, _, _ := simple()
	definition.Model.Agents = []rules.Agent{{Name: "Accounts"}}
	if _, err := e.Configure(t.Context(), definition, rules.Functions{}); err != nil {
		t.Fatal(err)
	}
	facts, err := e.Facts()
	if err != nil || len(facts) != 2 || facts[0].Agent != "Accounts" || facts[1].Agent != "People" {
		t.Errorf("agents of the model go first: %+v, %v", facts, err)
	}
}
