//go:build unix && slapd && toxiproxy

package main

import (
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/metasync/metasync/internal/servers"
)

// The commands and a real OpenLDAP behind a proxy, to which LDAP_URL leads. The command proxy down or up stops the server, as the commands see it, and starts
// it again; proxy KIND upstream|downstream KEY=NUMBER... disturbs what goes to it or comes
// from it, and proxy calm ends that. DIRECT_URL and the command ldif go past the proxy.
func TestLDAPFaults(t *testing.T) {
	t.Parallel()
	toxiproxy := servers.For(t, servers.Toxiproxy)
	p := slapdParams(t, "testdata/ldapfaults")
	setup := p.Setup
	p.Setup = func(env *testscript.Env) error {
		if err := setup(env); err != nil {
			return err
		}
		server := env.Values["slapd"].(*servers.OpenLDAPServer)
		proxy, err := toxiproxy.Proxy(server.Address)
		if err != nil {
			return err
		}
		env.Values["proxy"] = proxy
		env.Setenv("LDAP_URL", "ldap://"+proxy.Address)
		env.Setenv("DIRECT_URL", server.URL)
		return nil
	}
	p.Cmds["proxy"] = func(ts *testscript.TestScript, neg bool, args []string) {
		proxy := ts.Value("proxy").(*servers.Proxy)
		switch {
		case neg || len(args) == 0:
			ts.Fatalf("usage: proxy down|up|calm|KIND upstream|downstream KEY=NUMBER...")
		case args[0] == "down":
			ts.Check(proxy.Down())
		case args[0] == "up":
			ts.Check(proxy.Up())
		case args[0] == "calm":
			ts.Check(proxy.Calm())
		default:
			attributes := map[string]int{}
			for _, pair := range args[2:] {
				name, text, _ := strings.Cut(pair, "=")
				number, err := strconv.Atoi(text)
				ts.Check(err)
				attributes[name] = number
			}
			ts.Check(proxy.Disturb(args[0], args[1], attributes))
		}
	}
	testscript.Run(t, p)
}
