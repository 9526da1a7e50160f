//go:build unix && slapd

package main

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/metasync/metasync/internal/servers"
)

// The commands and a real OpenLDAP, which the scripts know as LDAP_URL, LDAP_CA and
// LDAP_PASSWORD, and which has one person, grace. SCRIPTS are those that ship. The
// command ldif FILE changes what is in the directory.
func TestLDAPScripts(t *testing.T) {
	t.Parallel()
	server := servers.For(t, servers.OpenLDAP)
	if err := server.Load("dn: uid=grace,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: grace\ncn: Grace\nsn: Hopper\n"); err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Abs(filepath.Join("..", "..", "scripts"))
	if err != nil {
		t.Fatal(err)
	}
	p := params("testdata/slapd")
	setup := p.Setup
	p.Setup = func(env *testscript.Env) error {
		env.Setenv("LDAP_URL", server.URL)
		env.Setenv("LDAP_CA", server.CA)
		env.Setenv("LDAP_PASSWORD", server.Password)
		env.Setenv("SCRIPTS", scripts)
		return setup(env)
	}
	p.Cmds["ldif"] = func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 1 {
			ts.Fatalf("usage: ldif FILE")
		}
		ts.Check(server.Load(ts.ReadFile(args[0])))
	}
	testscript.Run(t, p)
}
