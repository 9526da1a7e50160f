//go:build unix && samba

package ad

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"go.uber.org/goleak"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/servers"
)

// controller starts the server for all tests. Each works in a container of its own.
var controller = sync.OnceValues(servers.Samba)

func TestMain(m *testing.M) {
	code := m.Run()
	if s, err := controller(); err == nil {
		s.Stop()
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

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

// create adds an entry behind the agent's back.
func create(t testing.TB, admin *goldap.Conn, dn, class string, more ...string) string {
	t.Helper()
	r := goldap.NewAddRequest(dn, nil)
	r.Attribute("objectClass", []string{class})
	for i := 0; i < len(more); i += 2 {
		r.Attribute(more[i], []string{more[i+1]})
	}
	if err := admin.Add(r); err != nil {
		t.Fatalf("%s: %v", dn, err)
	}
	return dn
}

func modify(t testing.TB, admin *goldap.Conn, dn, name string, values ...string) {
	t.Helper()
	r := goldap.NewModifyRequest(dn, nil)
	r.Replace(name, values)
	must(t, admin.Modify(r))
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

// A reading is what one import delivered: type and name of what is there, "gone" for
// deletions.
type reading struct {
	lines     []string
	entries   []agent.Entry
	watermark []byte
}

func read(t testing.TB, d *directory.Directory, req agent.ImportRequest) (reading, error) {
	t.Helper()
	var out reading
	m, err := d.OpenImport(t.Context(), req)
	if err != nil {
		return out, err
	}
	for {
		page := new(agent.Page) // entries are kept
		err := m.Next(t.Context(), page)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			_, _ = m.Close(context.Background(), agent.Aborted)
			return out, err
		}
		for _, e := range page.Entries {
			line := "gone"
			if e.Op != identity.Delete {
				line = e.ObjectType + " " + e.DN
			}
			if e.Err != nil {
				line += " " + e.Err.Error()
			}
			out.lines = append(out.lines, line)
			out.entries = append(out.entries, e)
		}
	}
	slices.Sort(out.lines)
	out.watermark, err = m.Close(t.Context(), agent.Completed)
	return out, err
}

func (r reading) expect(t testing.TB, what string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(r.lines, want) {
		t.Errorf("%s:\ngot  %q\nwant %q", what, r.lines, want)
	}
}

func (r reading) entry(t testing.TB, dn string) agent.Entry {
	t.Helper()
	for _, e := range r.entries {
		if e.DN == dn {
			return e
		}
	}
	t.Fatalf("%s is not in %q", dn, r.lines)
	return agent.Entry{}
}

// put exports changes, and returns what became of them: "" for success, else the name of
// the error and what was refused.
func put(t testing.TB, d *directory.Directory, changes ...agent.Change) (names []string, results []agent.Result) {
	t.Helper()
	x, err := d.OpenExport(t.Context(), agent.ExportRequest{})
	must(t, err)
	results, err = x.Put(t.Context(), changes)
	must(t, err)
	must(t, x.Close(t.Context(), agent.Completed))
	for _, r := range results {
		name := ""
		if r.Err != nil {
			name = r.Err.Name
		}
		names = append(names, strings.TrimSpace(name+" "+strings.Join(r.Refused, " ")))
	}
	return names, results
}

func expectNames(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func addition(dn string, image identity.Attributes) agent.Change {
	return agent.Change{Op: identity.Add, ObjectType: "user", DN: dn, Changes: identity.Diff(nil, image), Image: image}
}

func references(list ...string) []identity.Value {
	out := make([]identity.Value, len(list))
	for i, dn := range list {
		out[i] = identity.Reference(dn)
	}
	return identity.Normalize(out)
}

// attribute returns what the server holds.
func attribute(t testing.TB, dn, name string) string {
	t.Helper()
	found, err := administrator(t).Search(goldap.NewSearchRequest(dn, goldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{name}, nil))
	must(t, err)
	out := found.Entries[0].GetAttributeValues(name)
	slices.Sort(out)
	return strings.Join(out, " ")
}
