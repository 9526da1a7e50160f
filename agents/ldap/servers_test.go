//go:build unix && (slapd || ds389)

package ldap

import (
	"fmt"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/agents/internal/directory/directorytest"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/ldapconn"
)

// A testServer is what tests know of a target. Each test works in a container of its own.
type testServer struct{ URL, Suffix, Admin, Password string }

var (
	target testServer // of the test that runs
	stops  []func()   // of the servers that were started
)

// each has what makes a server that of a test, for every kind that tests are for.
var each = map[string]func(*testing.T){}

// onEach runs a test on every server.
func onEach(t *testing.T, test func(*testing.T)) {
	for name, use := range each {
		t.Run(name, func(t *testing.T) {
			use(t)
			test(t)
		})
	}
}

func TestMain(m *testing.M) {
	directorytest.Main(m, func() {
		for _, stop := range stops {
			stop()
		}
	})
}

// What tests say of every kind of directory.
var (
	must        = directorytest.Must
	read        = directorytest.Read
	put         = directorytest.Put
	expectNames = directorytest.ExpectNames
	references  = directorytest.References
	create      = directorytest.Create
	modify      = directorytest.Modify
)

// administrator is somebody else who works in the directory.
func administrator(t testing.TB) *goldap.Conn {
	t.Helper()
	conn, err := goldap.DialURL(target.URL)
	must(t, err)
	must(t, conn.Bind(target.Admin, target.Password))
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// place creates a container for a test, and returns its name.
func place(t testing.TB) string {
	t.Helper()
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", r) {
			return r
		}
		return '-'
	}, t.Name())
	dn := "ou=" + name + "," + target.Suffix
	container(t, administrator(t), dn)
	return dn
}

func container(t testing.TB, admin *goldap.Conn, dn string) {
	t.Helper()
	create(t, admin, dn, "organizationalUnit")
}

// someone creates a person behind the agent's back.
func someone(t testing.TB, admin *goldap.Conn, uid, parent string, more ...string) string {
	t.Helper()
	return create(t, admin, "uid="+uid+","+parent, "inetOrgPerson", append([]string{"cn", uid, "sn", uid}, more...)...)
}

func settings(base ...string) *Settings {
	return &Settings{Settings: directory.Settings{URL: target.URL, BindDN: target.Admin, Password: agent.Secret(target.Password), Base: base}}
}

var person = agent.Object{Name: "person", Settings: &ObjectSettings{Class: "inetOrgPerson", RDN: "uid"}}

var group = agent.Object{Name: "group", Settings: &ObjectSettings{Class: "groupOfNames"}}

func open(t testing.TB, s *Settings, objects ...agent.Object) *directory.Directory {
	t.Helper()
	d, err := s.open(agent.Env{Name: "Directory", Objects: objects})
	must(t, err)
	return d
}

func connection(t testing.TB, d *directory.Directory) *ldapconn.Conn {
	t.Helper()
	c, err := d.Connect(t.Context())
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

func conformance(t *testing.T, change func(*Settings)) {
	base := ""
	agenttest.Run(t, agenttest.Subject{
		Agent: func(t *testing.T) agent.Agent {
			base = place(t)
			s := settings(base)
			change(s)
			return open(t, s, person)
		},
		Type: "person",
		DN:   func(n int) string { return fmt.Sprintf("uid=user%d,%s", n, base) },
		Attributes: func(n int) identity.Attributes {
			return agenttest.Attrs("uid", fmt.Sprintf("user%d", n), "cn", fmt.Sprintf("User %d", n), "sn", "User", "displayName", "A user")
		},
		Naming: []string{"uid"}, SystemMade: []string{"entryUUID", "nsUniqueId", "objectClass"},
		Text: "displayName", List: "description", Reference: "manager",
	})
}
