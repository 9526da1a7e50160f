//go:build unix && slapd

package main

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/metasync/metasync/internal/servers"
)

// The commands and a real OpenLDAP, one for each script, which they know as LDAP_URL,
// LDAP_SECURE_URL, LDAP_CA and LDAP_PASSWORD, and which has one person, grace. SCRIPTS are
// those that ship. The command ldif FILE changes what is in the directory; slapd restart
// ends the server, with what it has only in memory, and starts it again.
func TestLDAPScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, slapdParams(t, "testdata/slapd"))
}

// slapdParams are those of scripts with an OpenLDAP: of their own, because whoever asks one
// what changed is told of deletions anywhere in it.
func slapdParams(t *testing.T, dir string) testscript.Params {
	t.Helper()
	scripts, err := filepath.Abs(filepath.Join("..", "..", "scripts"))
	if err != nil {
		t.Fatal(err)
	}
	p := params(dir)
	setup := p.Setup
	p.Setup = func(env *testscript.Env) error {
		server, err := servers.OpenLDAP()
		if err != nil {
			return err
		}
		env.Defer(server.Stop)
		env.Values["slapd"] = server
		env.Setenv("LDAP_URL", server.URL)
		env.Setenv("LDAP_SECURE_URL", server.SecureURL)
		env.Setenv("LDAP_CA", server.CA)
		env.Setenv("LDAP_PASSWORD", server.Password)
		env.Setenv("SCRIPTS", scripts)
		return errors.Join(
			server.Load("dn: uid=grace,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: grace\ncn: Grace\nsn: Hopper\n"),
			setup(env),
		)
	}
	p.Cmds["ldif"] = func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 1 {
			ts.Fatalf("usage: ldif FILE")
		}
		ts.Check(ts.Value("slapd").(*servers.OpenLDAPServer).Load(ts.ReadFile(args[0])))
	}
	p.Cmds["slapd"] = func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 1 || args[0] != "restart" {
			ts.Fatalf("usage: slapd restart")
		}
		ts.Check(ts.Value("slapd").(*servers.OpenLDAPServer).Restart())
	}
	return p
}
