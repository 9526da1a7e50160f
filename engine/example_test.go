package engine_test

import (
	"context"
	"fmt"
	"log"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/store"
)

// example returns two connected systems, which a real program implements by
// package agent, and the rules that keep the second in step with the first.
func example() (engine.Definition, *agenttest.Directory) {
	text := func(name string) identity.AttributeType {
		return identity.AttributeType{Name: name, Type: identity.TypeString}
	}
	hr := agenttest.NewDirectory(identity.Schema{Types: []identity.ObjectType{
		{Name: "employee", Anchor: []string{"id"}, Attributes: []identity.AttributeType{text("id"), text("givenName"), text("sn")}},
	}}, agent.Capabilities{AnchorIsDN: true})
	hr.Put(agenttest.Object{DN: "7", Attributes: agenttest.Attrs("givenName", "Ada", "sn", "Lovelace")})

	directory := agenttest.NewDirectory(identity.Schema{Types: []identity.ObjectType{
		{Name: "account", Anchor: []string{"uid"}, Attributes: []identity.AttributeType{text("uid"), text("cn")}},
	}}, agent.Capabilities{AnchorIsDN: true})

	return engine.Definition{
		Agents: []engine.Agent{{Name: "HR", Agent: hr}, {Name: "Directory", Agent: directory}},
		Model: rules.Model{
			Types: []rules.MetaverseType{{Name: "person", Attributes: []rules.MetaverseAttribute{
				{Name: "number", Type: identity.TypeString}, {Name: "displayName", Type: identity.TypeString},
			}}},
			Rules: []rules.Rule{
				{
					Name: "people", Agent: "HR", Object: "employee", Metaverse: "person",
					Inbound: &rules.Inbound{Project: true, Flows: []rules.Flow{
						{Target: "number", Source: rules.Source{Attribute: "id"}},
						{Target: "displayName", Source: rules.Source{Expression: `givenName + " " + sn`}},
					}},
				},
				{
					Name: "accounts", Agent: "Directory", Object: "account", Metaverse: "person",
					Join: []rules.JoinCriterion{{Pairs: []rules.JoinPair{{Connector: "uid", Metaverse: "number"}}}},
					Outbound: &rules.Outbound{Provision: true, Flows: []rules.Flow{
						{Target: "uid", Source: rules.Source{Attribute: "number"}},
						{Target: "cn", Source: rules.Source{Attribute: "displayName"}},
					}},
				},
			},
		},
	}, directory
}

// Runs by hand: both systems are imported before anything is synchronized, so that
// no account is created that exists.
func Example() {
	ctx := context.Background()
	definition, directory := example()
	e, err := engine.Open(engine.Options{State: store.NewMemory()})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := e.Configure(ctx, definition, rules.Functions{}); err != nil {
		log.Fatal(err)
	}
	for _, step := range []struct{ agent, profile string }{
		{"HR", "full-import"},
		{"Directory", "full-import"},
		{"HR", "full-sync"},
		{"Directory", "export"},
		{"Directory", "delta-import"},
	} {
		record, err := e.Run(ctx, step.agent, step.profile, engine.Cause{Kind: autosync.CauseManual}, nil)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(record.Agent, record.Profile, record.Result)
	}
	for _, account := range directory.Objects() {
		fmt.Println(account.DN, account.Attributes.First("cn").Text())
	}
	// Output:
	// HR full-import success
	// Directory full-import completed-no-objects
	// HR full-sync success
	// Directory export success
	// Directory delta-import success
	// 7 Ada Lovelace
}

// A scheduler runs what there is to run, until nothing is left.
func ExampleDefinition_Scheduling() {
	ctx := context.Background()
	definition, directory := example()
	state := store.NewMemory()
	e, err := engine.Open(engine.Options{State: state})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := e.Configure(ctx, definition, rules.Functions{}); err != nil {
		log.Fatal(err)
	}
	scheduler, err := autosync.New(autosync.Options{Engine: e, Store: state, Settings: definition.Scheduling()})
	if err != nil {
		log.Fatal(err)
	}
	summary, err := scheduler.Once(ctx, autosync.Changes)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("failed:", summary.Failed, "accounts:", len(directory.Objects()))
	// Output: failed: false accounts: 1
}

// What new rules would change is known before they are in force.
func ExampleEngine_Forecast() {
	ctx := context.Background()
	definition, _ := example()
	e, err := engine.Open(engine.Options{State: store.NewMemory()})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := e.Configure(ctx, definition, rules.Functions{}); err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"HR", "Directory"} {
		if _, err := e.Run(ctx, name, "full-import", engine.Cause{Kind: autosync.CauseManual}, nil); err != nil {
			log.Fatal(err)
		}
	}
	forecast, err := e.Forecast(ctx, engine.ForecastOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for _, a := range forecast.Agents {
		for _, sample := range a.Samples {
			fmt.Println(a.Agent, sample.Operation, sample.Object, sample.DN)
		}
	}
	// Output:
	// HR connect employee 7
	// Directory add account 7
}
