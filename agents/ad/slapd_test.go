//go:build unix && samba && slapd

package ad

import (
	"testing"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/internal/servers"
)

// Other directories are refused: nothing of them would be found by objectGUID.
func TestOtherDirectories(t *testing.T) {
	slapd := servers.For(t, servers.OpenLDAP)
	s := &Settings{Settings: directory.Settings{URL: slapd.URL, BindDN: slapd.Admin, Password: agent.Secret(slapd.Password), Base: []string{slapd.Suffix}}}
	if _, err := open(t, s, user).Schema(t.Context()); fault.Name(err) != "no-start-ma" {
		t.Errorf("%v", err)
	}
}
