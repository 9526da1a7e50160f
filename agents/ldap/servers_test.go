//go:build unix && (slapd || ds389)

package ldap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"go.uber.org/goleak"

	"github.com/metasync/metasync/agents/internal/directory"
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
	code := m.Run()
	for _, stop := range stops {
		stop()
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
	r := goldap.NewAddRequest(dn, nil)
	r.Attribute("objectClass", []string{"organizationalUnit"})
	must(t, admin.Add(r))
}

// someone creates a person behind the agent's back.
func someone(t testing.TB, admin *goldap.Conn, uid, parent string, more ...string) string {
	t.Helper()
	dn := "uid=" + uid + "," + parent
	r := goldap.NewAddRequest(dn, nil)
	r.Attribute("objectClass", []string{"inetOrgPerson"})
	r.Attribute("cn", []string{uid})
	r.Attribute("sn", []string{uid})
	for i := 0; i < len(more); i += 2 {
		r.Attribute(more[i], []string{more[i+1]})
	}
	must(t, admin.Add(r))
	return dn
}

// replacing returns what gives an entry one value of an attribute.
func replacing(dn, name, value string) *goldap.ModifyRequest {
	r := goldap.NewModifyRequest(dn, nil)
	r.Replace(name, []string{value})
	return r
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

// A reading is what one import delivered: "type anchor-independent name" for what is
// there, "gone" for deletions.
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
