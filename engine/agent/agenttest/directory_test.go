package agenttest_test

import (
	"fmt"
	"testing"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/identity"
)

// people is a schema like that of a file or a table.
var people = identity.Schema{Types: []identity.ObjectType{{
	Name:   "person",
	Anchor: []string{"id"},
	Attributes: []identity.AttributeType{
		{Name: "id", Type: identity.TypeString},
		{Name: "name", Type: identity.TypeString},
		{Name: "phones", Type: identity.TypeString, Multi: true},
		{Name: "manager", Type: identity.TypeReference},
	},
}}}

// accounts is a schema like that of a directory: the anchor is no attribute.
var accounts = identity.Schema{Types: []identity.ObjectType{{
	Name: "user",
	Attributes: []identity.AttributeType{
		{Name: "name", Type: identity.TypeString},
		{Name: "mail", Type: identity.TypeString, Multi: true},
		{Name: "member", Type: identity.TypeReference, Multi: true},
		{Name: "password", Type: identity.TypeString, ExportOnly: true},
		{Name: "created", Type: identity.TypeString, ImportOnly: true},
	},
}}}

var ldap = agent.Capabilities{LDAPNames: true, DeltaImport: true}

func TestDirectoryConforms(t *testing.T) {
	table := agenttest.Subject{
		Type: "person", Text: "name", List: "phones", Reference: "manager", Naming: []string{"id"},
		DN: func(n int) string { return fmt.Sprintf("p%d", n) },
		Attributes: func(n int) identity.Attributes {
			return agenttest.Attrs("id", fmt.Sprintf("p%d", n), "name", fmt.Sprintf("Person %d", n))
		},
	}
	tree := agenttest.Subject{
		Type: "user", Text: "name", List: "mail", Reference: "member",
		DN: func(n int) string { return fmt.Sprintf("CN=User %d,OU=Staff", n) },
		Attributes: func(n int) identity.Attributes {
			return agenttest.Attrs("name", fmt.Sprintf("User %d", n))
		},
	}
	for _, test := range []struct {
		name    string
		schema  identity.Schema
		caps    agent.Capabilities
		subject agenttest.Subject
	}{
		{"table", people, agent.Capabilities{AnchorIsDN: true}, table},
		{"table with a change log", people, agent.Capabilities{AnchorIsDN: true, DeltaImport: true}, table},
		{"file", people, agent.Capabilities{AnchorIsDN: true, AllOrNothing: true}, table},
		{"directory", accounts, ldap, tree},
		{"directory without change log", accounts, agent.Capabilities{LDAPNames: true}, tree},
		{"table with whole attributes", people, agent.Capabilities{AnchorIsDN: true, ExportLevel: agent.AttributeLevel}, table},
		{"table with whole objects", people, agent.Capabilities{AnchorIsDN: true, ExportLevel: agent.ObjectLevel}, table},
		{"directory with whole objects", accounts, agent.Capabilities{LDAPNames: true, ExportLevel: agent.ObjectLevel, NoReferencesInFirstExport: true}, tree},
		{"directory with references in a second pass", accounts, agent.Capabilities{LDAPNames: true, NoReferencesInFirstExport: true}, tree},
		{"plain names", accounts, agent.Capabilities{DeltaImport: true, AllOrNothing: true}, tree},
	} {
		t.Run(test.name, func(t *testing.T) {
			subject := test.subject
			subject.Agent = func(*testing.T) agent.Agent { return agenttest.NewDirectory(test.schema, test.caps) }
			agenttest.Run(t, subject)
		})
	}
}
