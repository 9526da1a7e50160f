//go:build unix && samba

package main

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/metasync/metasync/internal/servers"
)

// The commands and a real domain controller, which the scripts know as AD_URL and
// AD_SECURE_URL, with AD_CA, AD_USER, AD_PASSWORD and AD_SUFFIX. EXAMPLES are those that
// ship. The command ldif FILE changes what is in the directory.
func TestADScripts(t *testing.T) {
	t.Parallel()
	server := servers.For(t, servers.Samba)
	examples, err := filepath.Abs(filepath.Join("..", "..", "examples"))
	if err != nil {
		t.Fatal(err)
	}
	p := params("testdata/samba")
	setup := p.Setup
	p.Setup = func(env *testscript.Env) error {
		for name, value := range map[string]string{
			"AD_URL": server.URL, "AD_SECURE_URL": server.SecureURL, "AD_CA": server.CA,
			"AD_USER": server.Admin, "AD_PASSWORD": server.Password, "AD_SUFFIX": server.Suffix, "EXAMPLES": examples,
		} {
			env.Setenv(name, value)
		}
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
