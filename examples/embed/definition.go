package main

import (
	"context"
	"strings"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
)

// define says what shall be in step with what, and how.
func define(people *People, accounts *Accounts) engine.Definition {
	return engine.Definition{
		Agents: []engine.Agent{
			// If more than one person leaves at a time, somebody shall look first.
			{Name: "People", Agent: people, Thresholds: run.Thresholds{ImportDeletes: run.AtMost(1)}},
			{Name: "Accounts", Agent: accounts},
		},
		Model: rules.Model{
			Types: []rules.MetaverseType{{
				Name: "person",
				Attributes: []rules.MetaverseAttribute{
					{Name: "id", Type: identity.TypeString},
					{Name: "login", Type: identity.TypeString},
					{Name: "displayName", Type: identity.TypeString},
					{Name: "department", Type: identity.TypeString},
					{Name: "manager", Type: identity.TypeReference},
				},
				// Who is no longer among the people is nobody, whatever accounts there are.
				Delete: rules.DeletionRule{When: rules.AnyOf, Agents: []string{"People"}},
			}},
			Agents: []rules.Agent{
				{Name: "People"},
				{Name: "Accounts", Deprovision: rules.DeprovisionScript}, // code decides about accounts of nobody: see below
			},
			Rules: []rules.Rule{
				{
					Name: "People are persons", Agent: "People", Object: "employee", Metaverse: "person",
					Join: []rules.JoinCriterion{{Pairs: []rules.JoinPair{{Connector: "id", Metaverse: "id"}}}},
					Inbound: &rules.Inbound{
						Project: true,
						Flows: []rules.Flow{
							{Target: "id", Source: rules.Source{Attribute: "id"}},
							{Target: "displayName", Source: rules.Source{Expression: `givenName + " " + surname`}},
							{Target: "login", Source: rules.Source{Expression: `login(givenName, surname)`}},
							{Target: "department", Source: rules.Source{Attribute: "department"}},
							{Target: "manager", Source: rules.Source{Attribute: "manager"}},
						},
					},
				},
				{
					Name: "Persons have accounts", Agent: "Accounts", Object: "account", Metaverse: "person",
					Join: []rules.JoinCriterion{{Pairs: []rules.JoinPair{{Connector: "number", Metaverse: "id"}}}}, // an account that exists is not made again
					Outbound: &rules.Outbound{
						Provision: true,
						Flows: []rules.Flow{
							{Target: "login", Source: rules.Source{Attribute: "login"}, Initial: true},
							{Target: "number", Source: rules.Source{Attribute: "id"}},
							{Target: "name", Source: rules.Source{Attribute: "displayName"}},
							{Target: "department", Source: rules.Source{Attribute: "department"}, AllowNull: true},
							{Target: "manager", Source: rules.Source{Attribute: "manager"}, AllowNull: true},
						},
					},
				},
			},
		},
	}
}

// functions are the code of the rules: functions that expressions may call besides
// the library, and a rules extension. Version changes with what they decide.
var functions = rules.Functions{
	Version: "1",
	ByName: map[string]expr.Function{
		"login": {
			Name: "login", MinArgs: 2, MaxArgs: 2,
			Params: []expr.Param{{Name: "givenName", Kind: expr.Text}, {Name: "surname", Kind: expr.Text}},
			Call:   login,
		},
	},
	Agents: map[string]rules.AgentExtension{"Accounts": {Deprovision: deprovision}},
}

// login makes "alovelace" of "Ada" and "Lovelace". Without one of them there is
// no login, rather than half of one.
func login(_ *expr.Context, args []expr.Value) (expr.Value, error) {
	givenName, given := args[0].Single()
	surname, named := args[1].Single()
	if !given || !named {
		return expr.Null(), nil
	}
	initial := []rune(givenName.Text())[:1]
	return expr.Str(strings.ToLower(string(initial) + surname.Text())), nil
}

// deprovision decides what becomes of the account of a person who is gone: it is
// deleted, but those of engineers are left alone, for what they built runs on them.
func deprovision(_ context.Context, account rules.ConnectorEntry) (rules.Deprovision, error) {
	for _, department := range account.Get("department") {
		if department.Text() == "Engineering" {
			return rules.Disconnect, nil
		}
	}
	return rules.DeleteObject, nil
}
