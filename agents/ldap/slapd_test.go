//go:build unix && slapd

package ldap

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/servers"
)

func init() { each["OpenLDAP"] = func(t *testing.T) { useSlapd(t) } }

// useSlapd makes OpenLDAP the server of a test.
func useSlapd(t *testing.T) *servers.OpenLDAPServer {
	t.Helper()
	s, err := openLDAP()
	must(t, err)
	target = testServer{s.URL, s.Suffix, s.Admin, s.Password}
	return s
}

// openLDAP starts the server for all tests.
var openLDAP = sync.OnceValues(func() (*servers.OpenLDAPServer, error) {
	s, err := servers.OpenLDAP()
	if err == nil {
		stops = append(stops, s.Stop)
	}
	return s, err
})

func TestConformance(t *testing.T) {
	useSlapd(t)
	for _, method := range []string{"syncrepl", "accesslog", "none"} {
		t.Run(method, func(t *testing.T) { conformance(t, func(s *Settings) { s.Changes = method }) })
	}
}

func TestConformanceOverTLS(t *testing.T) {
	slapd := useSlapd(t)
	conformance(t, func(s *Settings) { s.URL, s.CA = slapd.SecureURL, agent.Path(slapd.CA) })
}

// What changes behind the agent's back comes with a delta import as a full one shows
// it, and keeps its anchor.
func TestDelta(t *testing.T) {
	useSlapd(t)
	for _, method := range []string{"syncrepl", "accesslog"} {
		t.Run(method, func(t *testing.T) {
			base := place(t)
			admin := administrator(t)
			staff, leavers := "ou=staff,"+base, "ou=leavers,"+base
			container(t, admin, staff)
			container(t, admin, leavers)
			ada := someone(t, admin, "ada", staff, "employeeNumber", "1")
			grace := someone(t, admin, "grace", staff, "employeeNumber", "2")
			joan := someone(t, admin, "joan", staff, "employeeNumber", "3")
			someone(t, admin, "guest", staff)
			s := settings(base)
			s.Changes = method
			numbered := person
			numbered.Settings = &ObjectSettings{Class: "inetOrgPerson", Filter: "(employeeNumber=*)"}
			d := open(t, s, numbered)
			full, err := read(t, d, agent.ImportRequest{PageSize: 2})
			must(t, err)
			full.Expect(t, "full", "person "+ada, "person "+grace, "person "+joan)
			anchor := func(dn string) string { return full.Entry(t, dn).Anchor }

			must(t, admin.Del(goldap.NewDelRequest(ada, nil)))
			must(t, admin.ModifyDN(goldap.NewModifyDNRequest(grace, "uid=hopper", true, leavers)))
			leave := goldap.NewModifyRequest(joan, nil)
			leave.Delete("employeeNumber", nil)
			must(t, admin.Modify(leave))
			mary := someone(t, admin, "mary", staff, "employeeNumber", "4")
			delta, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: full.Watermark})
			must(t, err)
			delta.Expect(t, "delta", "gone", "gone", "person uid=hopper,"+leavers, "person "+mary)
			if e := delta.Entry(t, "uid=hopper,"+leavers); e.Anchor != anchor(grace) {
				t.Errorf("the rename changed the anchor from %s to %s", anchor(grace), e.Anchor)
			}
			for _, e := range delta.Entries {
				if e.Op == identity.Delete && e.Anchor != anchor(ada) && e.Anchor != anchor(joan) {
					t.Errorf("%s is gone, which is neither of the two", e.Anchor)
				}
			}

			// The container that moves is no object; what is in it moves all the same.
			must(t, admin.ModifyDN(goldap.NewModifyDNRequest(leavers, "ou=former", true, "")))
			moved, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: delta.Watermark})
			must(t, err)
			if !slices.Contains(moved.Lines, "person uid=hopper,ou=former,"+base) {
				t.Errorf("after the container was renamed: %q", moved.Lines)
			}
			quiet, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: moved.Watermark})
			must(t, err)
			quiet.Expect(t, "nothing changed")
		})
	}
}

// What cannot be told any more is an error by the name that makes the scheduler run a
// full import, never an import without changes.
func TestLostWatermarks(t *testing.T) {
	slapd := useSlapd(t)
	base := place(t)
	admin := administrator(t)
	someone(t, admin, "ada", base)
	s := settings(base)
	d := open(t, s, person)
	full, err := read(t, d, agent.ImportRequest{})
	must(t, err)
	for name, watermark := range map[string][]byte{
		"none":    nil,
		"garbage": []byte("x"),
		"future":  future(t, full.Watermark),
	} {
		if _, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: watermark}); fault.Name(err) != "no-start-full-import-required" {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := open(t, s, agent.Object{Name: "person", Settings: &ObjectSettings{Class: "inetOrgPerson", Filter: "(mail=*)"}})
	if _, err := read(t, other, agent.ImportRequest{Delta: true, Watermark: full.Watermark}); fault.Name(err) != "no-start-full-import-required" {
		t.Errorf("another filter: %v", err)
	}
	// The log of sessions is in the memory of slapd: after a restart it lists what is
	// there (the present phase), from which nobody learns what was deleted.
	doomed := someone(t, admin, "doomed", base)
	full, err = read(t, d, agent.ImportRequest{})
	must(t, err)
	must(t, admin.Del(goldap.NewDelRequest(doomed, nil)))
	must(t, slapd.Restart())
	if got, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: full.Watermark}); fault.Name(err) != "no-start-full-import-required" {
		t.Errorf("after a restart: %v, %q", err, got.Lines)
	}
}

// future returns a watermark that the server has not reached, as one that was restored
// from a backup.
func future(t *testing.T, text []byte) []byte {
	t.Helper()
	w := new(directory.Watermark)
	must(t, json.Unmarshal(text, w))
	at := bytes.Index(w.Cookie, []byte("csn=20"))
	if at < 0 {
		t.Fatalf("a cookie without a time: %s", w.Cookie)
	}
	copy(w.Cookie[at:], "csn=2999")
	out, err := w.Bytes()
	must(t, err)
	return out
}

// A limit of the server ends an import with an error: what it did not show is not gone.
func TestLimitsOfTheServer(t *testing.T) {
	useSlapd(t)
	base := place(t)
	admin := administrator(t)
	reader := someone(t, admin, "reader", base, "userPassword", "secret")
	for i := range 520 {
		someone(t, admin, fmt.Sprintf("u%03d", i), base)
	}
	configure(t, true, "olcLimits", "users size.prtotal=300")
	s := settings(base)
	s.BindDN, s.Password = reader, "secret"
	got, err := read(t, open(t, s, person), agent.ImportRequest{PageSize: 100})
	if fault.Name(err) != "stopped-import-read" || len(got.Lines) == 0 {
		t.Errorf("%v after %d entries", err, len(got.Lines))
	}
}

// A limit of the server cuts the counts short, and that is said.
func TestDiscoverWithinLimits(t *testing.T) {
	useSlapd(t)
	base := place(t)
	admin := administrator(t)
	container(t, admin, "ou=limited,"+target.Suffix)
	reader := someone(t, admin, "reader", "ou=limited,"+target.Suffix, "userPassword", "sesame")
	for i := range 6 {
		someone(t, admin, fmt.Sprint("user", i), base)
	}
	s := settings(base)
	s.BindDN, s.Password = reader, "sesame"
	d := discovery(t, s)
	if len(d.Warnings) != 1 || !strings.Contains(d.Warnings[0], "a limit of the server") {
		t.Errorf("%q", d.Warnings)
	}
	for _, o := range d.Types {
		if !o.AtLeast || len(o.Candidates) > 0 {
			t.Errorf("%+v", o)
		}
	}
}
