package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
)

// extensions are the rules extensions that scenarios name.
var extensions = map[string]func() rules.Functions{
	"accounts": accounts,
	"deleter":  deleter,
	"badges":   badges,
}

// accounts is an extension that manages the accounts of persons in the agent
// AD. What it does depends on the person's attribute "wish", so that a transcript
// can make it do everything that an extension can do, right and wrong.
func accounts() rules.Functions {
	return rules.Functions{
		Version: "accounts",
		Flows: map[rules.FlowName]rules.Flower{
			{Object: "person", Name: "greeting"}: func(_ context.Context, person rules.Entry) (expr.Value, error) {
				name := text(person, "name")
				switch text(person, "wish") {
				case "no greeting":
					return expr.Null(), nil
				case "declined":
					return expr.Null(), fmt.Errorf("no mood: %w", rules.ErrDeclineMapping)
				case "odd":
					return expr.Null(), fmt.Errorf("%q is no name: %w", name, rules.ErrUnexpectedData)
				case "panic":
					panic("out of words")
				case "slow":
					return expr.Null(), context.DeadlineExceeded
				case "two greetings":
					return expr.OfValues([]identity.Value{identity.String("hello " + name), identity.String("hi " + name)}), nil
				}
				return expr.Of(identity.String("hello " + name)), nil
			},
		},
		Agents: map[string]rules.AgentExtension{
			"AD": {
				Deprovision: func(_ context.Context, account rules.ConnectorEntry) (rules.Deprovision, error) {
					answer := text(account, "fate")
					if answer == "throw" {
						return "", fmt.Errorf("cannot decide about %s", account.DN())
					}
					return rules.Deprovision(answer), nil
				},
			},
		},
		Metaverse: map[string]rules.MetaverseExtension{
			"person": {Provision: provision, ShouldDelete: func(_ context.Context, from rules.ConnectorEntry, person rules.MetaverseEntry) (bool, error) {
				if text(from, "keep") == "throw" {
					return true, fmt.Errorf("nobody knows")
				}
				return from.Agent() == "HR" && text(from, "keep") == "", nil
			}},
		},
	}
}

func provision(_ context.Context, person rules.ProvisioningEntry) error {
	account, err := person.Connectors("AD")
	if err != nil {
		return err
	}
	dn := text(person, "account")
	wish := text(person, "wish")
	agent, dn, _ := strings.Cut("AD/"+dn, "/")
	objectType := "user"
	switch wish {
	case "terminate":
		return rules.ErrTerminateRun
	case "not implemented":
		return rules.ErrEntryPointNotImplemented
	case "unknown agent":
		agent = "LDAP"
	case "unknown type":
		objectType = "robot"
	case "group":
		objectType = "group"
	case "no account":
		dn = ""
	case "again and again":
		for _, c := range account {
			if err := person.Disconnect(c.ID()); err != nil {
				return err
			}
		}
		account = nil
	case "foreign":
		return person.Disconnect(identity.NewID(1, 1<<30))
	}
	switch {
	case dn == "" && len(account) > 0:
		return person.Disconnect(account[0].ID())
	case dn == "":
		return nil
	case len(account) > 0 && slices.Contains([]string{"", "greet"}, wish) && account[0].DN() != dn:
		return person.Rename(account[0].ID(), dn)
	case wish == "extra":
		dn += " extra"
	}
	initial := identity.Attributes{}.Set("number", identity.String(text(person, "employeeID")))
	if wish == "odd attribute" {
		initial = initial.Set("shoeSize", identity.String("45"))
	}
	agentOf, at := person.Contributor("employeeID")
	initial = initial.Set("origin", identity.String(agentOf+" "+at.Format(time.DateOnly)))
	return person.NewConnector(agent, objectType, dn, initial)
}

// badges gives every person a badge in a system whose objects are named by their
// anchor, in the way that the person's attribute "way" says.
func badges() rules.Functions {
	return rules.Functions{Version: "badges", Metaverse: map[string]rules.MetaverseExtension{"person": {
		Provision: func(_ context.Context, person rules.ProvisioningEntry) error {
			number := text(person, "employeeID")
			initial := func(site, number string) identity.Attributes {
				return identity.Attributes{}.Set("site", identity.String(site)).Set("number", identity.String(number))
			}
			own, err := person.Connectors("Door")
			if err != nil {
				return err
			}
			switch text(person, "way") {
			case "by name":
				return person.NewConnector("Door", "badge", number, nil)
			case "by number":
				return person.NewConnector("Door", "badge", number, identity.Attributes{}.Set("number", identity.String("x")))
			case "two parts":
				return person.NewConnector("Door", "pass", "north+"+number, initial("north", number))
			case "one part":
				return person.NewConnector("Door", "pass", "north+"+number, identity.Attributes{}.Set("site", identity.String("north")))
			case "nameless":
				return person.NewConnector("Door", "pass", "", initial("north", number))
			case "rename":
				return person.Rename(own[0].ID(), "new")
			case "boss":
				return person.NewConnector("Door", "badge", number, identity.Attributes{}.Set("owner", person.Get("boss")...))
			}
			return nil
		},
	}}}
}

// directory is an extension that provisions the office's directory as its rules
// would.
func directory() rules.Functions {
	put := func(mv rules.ProvisioningEntry, objectType, dn string, wanted bool) error {
		own, err := mv.Connectors("Directory")
		number := text(mv, "number")
		switch {
		case err != nil:
			return err
		case !wanted && len(own) > 0:
			return mv.Disconnect(own[0].ID())
		case !wanted:
			return nil
		case len(own) == 0 && number == "":
			return fmt.Errorf("nobody knows the number: %w", rules.ErrUnexpectedData)
		case len(own) == 0:
			return mv.NewConnector("Directory", objectType, dn, identity.Attributes{}.Set("number", identity.String(number)))
		case number != "" && own[0].DN() != dn:
			return mv.Rename(own[0].ID(), dn)
		}
		return nil
	}
	return rules.Functions{Version: "directory", Metaverse: map[string]rules.MetaverseExtension{
		"person": {Provision: func(_ context.Context, mv rules.ProvisioningEntry) error {
			return put(mv, "user", "CN="+text(mv, "number")+" "+text(mv, "name"), text(mv, "kind") != "external")
		}},
		"group": {Provision: func(_ context.Context, mv rules.ProvisioningEntry) error {
			return put(mv, "group", "CN=group "+text(mv, "number"), true)
		}},
	}}
}

// text returns the value of a single-valued attribute, "" if it is absent.
func text(e rules.Entry, attribute string) string {
	if values := e.Get(attribute); len(values) == 1 {
		return values[0].Text()
	}
	return ""
}
