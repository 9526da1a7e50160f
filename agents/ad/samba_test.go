//go:build unix && samba

package ad

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/agents/internal/directory/directorytest"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/servers"
)

// controller starts the server for all tests. Each works in a container of its own.
var controller = sync.OnceValues(servers.Samba)

func TestMain(m *testing.M) {
	directorytest.Main(m, func() {
		if s, err := controller(); err == nil {
			s.Stop()
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

func samba(t testing.TB) *servers.SambaServer {
	t.Helper()
	s, err := controller()
	must(t, err)
	return s
}

// dial connects as somebody, who may be the administrator.
func dial(t testing.TB, user, password string) (*goldap.Conn, error) {
	t.Helper()
	s := samba(t)
	certificate, err := os.ReadFile(s.CA)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	conn, err := goldap.DialURL(s.SecureURL, goldap.DialWithTLSConfig(&tls.Config{RootCAs: roots, ServerName: s.Host})) //nolint:gosec // of a test
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn, conn.Bind(user, password)
}

// administrator is somebody else who works in the directory.
func administrator(t testing.TB) *goldap.Conn {
	t.Helper()
	conn, err := dial(t, samba(t).Admin, samba(t).Password)
	must(t, err)
	return conn
}

var places atomic.Int64

// place creates a container for a test, and returns its name.
func place(t testing.TB) string {
	t.Helper()
	dn := fmt.Sprintf("OU=T%d,%s", places.Add(1), samba(t).Suffix)
	create(t, administrator(t), dn, "organizationalUnit")
	return dn
}

func settings(t testing.TB, base ...string) *Settings {
	s := samba(t)
	return &Settings{Settings: directory.Settings{URL: s.SecureURL, CA: agent.Path(s.CA), BindDN: s.Admin, Password: agent.Secret(s.Password), Base: base}}
}

var (
	user     = agent.Object{Name: "user"}
	group    = agent.Object{Name: "group"}
	computer = agent.Object{Name: "computer"}
	unit     = agent.Object{Name: "unit", Settings: &ObjectSettings{Class: "organizationalUnit"}}
)

func open(t testing.TB, s *Settings, objects ...agent.Object) *directory.Directory {
	t.Helper()
	d, err := s.open(agent.Env{Name: "AD", Objects: objects})
	must(t, err)
	return d
}

// systemMade are attributes that a controller gives every account.
var systemMade = []string{
	"objectGUID", "objectSid", "objectClass", "objectCategory", "instanceType", "whenCreated", "distinguishedName",
	"sAMAccountType", "primaryGroupID", "accountExpires", "codePage", "countryCode", "pwdLastSet", "userAccountControl",
	"accountDisabled", "passwordNeverExpires", "passwordNotRequired", "mustChangePassword", "isCriticalSystemObject",
}

func TestConformance(t *testing.T) {
	for _, method := range []string{"dirsync", "usn"} {
		t.Run(method, func(t *testing.T) {
			base := ""
			agenttest.Run(t, agenttest.Subject{
				Agent: func(t *testing.T) agent.Agent {
					base = place(t)
					s := settings(t, base)
					s.Changes = method
					return open(t, s, user)
				},
				Type: "user",
				DN:   func(n int) string { return fmt.Sprintf("CN=User %d,%s", n, base) },
				Attributes: func(n int) identity.Attributes {
					_, rest, _ := strings.Cut(base, "=")
					place, _, _ := strings.Cut(rest, ",")
					return agenttest.Attrs("sAMAccountName", fmt.Sprintf("u%d-%s", n, place), "displayName", "A user")
				},
				Naming: []string{"cn", "name"}, SystemMade: append(systemMade, "cn", "name"),
				Text: "displayName", List: "url", Reference: "manager",
			})
		})
	}
}

func addition(dn string, image identity.Attributes) agent.Change {
	return agent.Change{Op: identity.Add, ObjectType: "user", DN: dn, Changes: identity.Diff(nil, image), Image: image}
}

// attribute returns what the server holds.
func attribute(t testing.TB, dn, name string) string {
	t.Helper()
	return strings.Join(directorytest.Attribute(t, administrator(t), dn, name), " ")
}
