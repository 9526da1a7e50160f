//go:build unix && slapd

package ldap

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/agents/internal/directory/directorytest"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// configure changes an attribute of the configuration of slapd, of the server or of the
// database of tests, until the end of the test.
func configure(t *testing.T, database bool, name string, values ...string) {
	t.Helper()
	change := func(values []string) (before []string) {
		conn, err := goldap.DialURL(target.URL)
		must(t, err)
		defer conn.Close()
		must(t, conn.Bind("cn=config", "secret"))
		scope, filter := goldap.ScopeBaseObject, "(objectClass=*)"
		if database {
			scope, filter = goldap.ScopeSingleLevel, "(olcSuffix="+target.Suffix+")"
		}
		found, err := conn.Search(goldap.NewSearchRequest("cn=config", scope, 0, 0, 0, false, filter, nil, nil))
		must(t, err)
		before = found.Entries[0].GetAttributeValues(name)
		r := goldap.NewModifyRequest(found.Entries[0].DN, nil)
		switch {
		case len(values) == 0:
			r.Delete(name, nil)
		case len(before) == 0:
			r.Add(name, values)
		default:
			r.Replace(name, values)
		}
		must(t, conn.Modify(r))
		return before
	}
	before := change(values)
	t.Cleanup(func() { change(before) })
}

// A size limit that is smaller than what there is ends an import with an error, whether
// the server pages or not: nothing of it is complete.
func TestSizeLimits(t *testing.T) {
	useSlapd(t)
	base := place(t)
	admin := administrator(t)
	reader := someone(t, admin, "reader", base, "userPassword", "secret")
	for i := range 60 {
		someone(t, admin, fmt.Sprintf("u%03d", i), base)
	}
	s := settings(base)
	s.BindDN, s.Password = reader, "secret"
	d := open(t, s, person)
	full, err := read(t, d, agent.ImportRequest{PageSize: 10})
	must(t, err)
	for i := range 60 {
		modify(t, admin, fmt.Sprintf("uid=u%03d,%s", i, base), "title", "New")
	}
	for name, limit := range map[string]string{
		"of all pages":                   "users size.prtotal=30",
		"of every search":                "users size.soft=30 size.hard=30",
		"of a server that does not page": "users size.prtotal=disabled size.soft=30 size.hard=30",
	} {
		t.Run(name, func(t *testing.T) {
			configure(t, true, "olcLimits", limit)
			for what, req := range map[string]agent.ImportRequest{
				"full":  {PageSize: 10},
				"delta": {Delta: true, Watermark: full.Watermark},
			} {
				got, err := read(t, d, req)
				if err == nil && len(got.Lines) < 60 || got.Watermark != nil && err != nil {
					t.Errorf("%s: %d entries and %v", what, len(got.Lines), err)
				}
				if name := fault.Name(err); err != nil && name != "stopped-import-read" && name != "no-start-connection" {
					t.Errorf("%s: %v", what, err)
				}
				if what == "full" && err == nil {
					t.Errorf("%s: the limit had no effect", what)
				}
			}
		})
	}
}

// An entry that refers to another server is no object, and does no harm; what is below it
// is not written here.
func TestReferrals(t *testing.T) {
	useSlapd(t)
	base, admin := place(t), administrator(t)
	ada := someone(t, admin, "ada", base)
	elsewhere := "ou=elsewhere," + base
	refer := func() {
		r := goldap.NewAddRequest(elsewhere, []goldap.Control{goldap.NewControlManageDsaIT(true)})
		r.Attribute("objectClass", []string{"referral", "extensibleObject"})
		r.Attribute("ref", []string{"ldap://127.0.0.1:1/" + elsewhere})
		must(t, admin.Add(r))
	}
	d := open(t, settings(base), person)
	before, err := read(t, d, agent.ImportRequest{})
	must(t, err)
	refer()
	bob := someone(t, admin, "bob", base)
	full, err := read(t, d, agent.ImportRequest{PageSize: 1})
	must(t, err)
	full.Expect(t, "full", "person "+ada, "person "+bob)
	for _, method := range []string{"syncrepl", "accesslog", "timestamp"} {
		s := settings(base)
		s.Changes = method
		other := open(t, s, person)
		full, err := read(t, other, agent.ImportRequest{})
		must(t, err)
		full.Expect(t, method, "person "+ada, "person "+bob)
	}
	delta, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: before.Watermark})
	must(t, err)
	delta.Lines = slices.DeleteFunc(delta.Lines, func(line string) bool { return line == "gone" }) // nobody knew it
	delta.Expect(t, "delta", "person "+bob)

	_, results := put(t, d, addition("uid=eve,"+elsewhere), addition("uid=eve,"+base))
	if err := results[0].Err; err == nil || err.Name != "permission-issue" || !strings.Contains(err.Error(), "refers to ldap://127.0.0.1:1/") {
		t.Errorf("%v", err)
	}
	if results[1].Err != nil {
		t.Errorf("%v", results[1].Err)
	}
}

// A server that only reads refuses every object by name, and says where to write instead,
// if it says so.
func TestReadOnlyReplica(t *testing.T) {
	slapd := useSlapd(t)
	base, admin := place(t), administrator(t)
	ada := someone(t, admin, "ada", base)
	d := open(t, settings(base), person)
	full, err := read(t, d, agent.ImportRequest{})
	must(t, err)
	changes := []agent.Change{
		addition("uid=eve," + base),
		{
			Op: identity.Update, ObjectType: "person", DN: ada, Anchor: full.Entries[0].Anchor,
			Changes: []identity.Change{{Name: "title", Op: identity.Add, Values: texts("New")}},
		},
		{Op: identity.Update, ObjectType: "person", DN: ada, Anchor: full.Entries[0].Anchor, NewDN: "uid=lovelace," + base},
		{Op: identity.Delete, ObjectType: "person", DN: ada, Anchor: full.Entries[0].Anchor},
	}
	refused := func(name, text string) {
		t.Helper()
		_, results := put(t, d, changes...)
		for i, r := range results {
			if r.Err == nil || r.Err.Name != name || !strings.Contains(r.Err.Error(), text) {
				t.Errorf("%s %s: %v, want %s %q", changes[i].Op, changes[i].DN, r.Err, name, text)
			}
		}
	}
	t.Run("that refers to another", func(t *testing.T) {
		configure(t, true, "olcUpdateDN", "cn=replicator,"+target.Suffix)
		configure(t, true, "olcUpdateRef", "ldap://primary.example.org")
		refused("permission-issue", "refers to ldap://primary.example.org")
	})
	must(t, slapd.Restart()) // it stays a replica otherwise
	t.Run("that refuses", func(t *testing.T) {
		configure(t, true, "olcReadOnly", "TRUE")
		refused("cd-error", "operation restricted")
	})
	got, err := read(t, d, agent.ImportRequest{})
	must(t, err)
	got.Expect(t, "afterwards", "person "+ada)
	names, _ := put(t, d, changes...)
	expectNames(t, names, "", "", "", "")
}

// Connections that the server closes because they are idle are replaced, and whoever
// listens goes on doing so.
func TestIdleConnections(t *testing.T) {
	useSlapd(t)
	base := place(t)
	configure(t, false, "olcIdleTimeout", "1")
	s := settings(base)
	s.Timeout = time.Second
	calls := directorytest.Listen(t, open(t, s, person))
	hears(t, calls, "at the beginning")
	g := gateBefore(t)
	s = settings(base)
	s.URL = "ldap://" + g.Addr().String()
	x, err := open(t, s, person).OpenExport(t.Context(), agent.ExportRequest{})
	must(t, err)
	for round := range 2 {
		var changes []agent.Change
		for i := range 8 {
			changes = append(changes, addition(fmt.Sprintf("uid=r%du%d,%s", round, i, base)))
		}
		results, err := x.Put(t.Context(), changes)
		must(t, err)
		for _, r := range results {
			if r.Err != nil {
				t.Errorf("round %d: %v", round, r.Err)
			}
		}
		hears(t, calls, fmt.Sprint("in round ", round))
		g.awaitEnd(t)
		for len(calls) > 0 {
			<-calls
		}
	}
	must(t, x.Close(t.Context(), agent.Completed))
	someone(t, administrator(t), "ada", base)
	hears(t, calls, "after it was idle")
}

// A gate stands before a server.
type gate struct {
	net.Listener
	upstream string
	wait     sync.WaitGroup
	live     atomic.Int64 // directions of connections
	mu       sync.Mutex
	open     []net.Conn
}

// gateBefore stands a gate before the server of a test.
func gateBefore(t *testing.T) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	g := &gate{Listener: l, upstream: strings.TrimPrefix(target.URL, "ldap://")}
	g.wait.Go(g.accept)
	t.Cleanup(func() {
		l.Close()
		g.cut()
		g.wait.Wait()
	})
	return g
}

func (g *gate) accept() {
	for {
		near, err := g.Accept()
		if err != nil {
			return // it is closed: who is there stays
		}
		far, err := net.Dial("tcp", g.upstream)
		if err != nil {
			near.Close()
			continue
		}
		g.mu.Lock()
		g.open = append(g.open, near, far)
		g.mu.Unlock()
		for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
			g.live.Add(1)
			g.wait.Go(func() {
				defer g.live.Add(-1)
				_, _ = io.Copy(pair[0], pair[1]) // the end of one is that of both
				pair[0].Close()
				pair[1].Close()
			})
		}
	}
}

// awaitEnd waits until the server has closed all connections, and whoever has the other
// end of one has heard of it.
func (g *gate) awaitEnd(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); g.live.Load() > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the server keeps connections that are idle")
		}
	}
	time.Sleep(time.Second)
}

// cut closes all connections.
func (g *gate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, conn := range g.open {
		conn.Close()
	}
}

// An export goes on with the connections that it has; without any it stops, and says why.
func TestFurtherConnections(t *testing.T) {
	useSlapd(t)
	base, admin := place(t), administrator(t)
	writer := someone(t, admin, "writer", base, "userPassword", "secret")
	configure(t, true, "olcAccess", "to * by dn.exact=\""+writer+"\" write by * read")
	for _, want := range []string{"stopped-connectivity", "stopped-bad-server-credentials"} {
		t.Run(want, func(t *testing.T) {
			modify(t, admin, writer, "userPassword", "secret")
			g := gateBefore(t)
			s := settings(base)
			s.URL, s.BindDN, s.Password = "ldap://"+g.Addr().String(), writer, "secret"
			x, err := open(t, s, person).OpenExport(t.Context(), agent.ExportRequest{})
			must(t, err)
			if want == "stopped-connectivity" {
				must(t, g.Close())
			} else {
				modify(t, admin, writer, "userPassword", "hunter22")
			}
			var changes []agent.Change
			for i := range 8 {
				changes = append(changes, addition(fmt.Sprintf("uid=%s%d,%s", want, i, base)))
			}
			results, err := x.Put(t.Context(), changes)
			must(t, err)
			for _, r := range results {
				if r.Err != nil {
					t.Errorf("%v", r.Err)
				}
			}
			g.cut()
			for deadline := time.Now().Add(time.Minute); ; { // until the end is heard
				_, err = x.Put(t.Context(), []agent.Change{addition("uid=late," + base)})
				if fault.Name(err) != "stopped-connectivity" || fault.Name(err) == want || time.Now().After(deadline) {
					break
				}
			}
			if fault.Name(err) != want {
				t.Errorf("%v, want %s", err, want)
			}
			must(t, x.Close(t.Context(), agent.Aborted))
		})
	}
}

// A certificate that has expired, or is that of a stranger, is no connection.
func TestExpiredCertificate(t *testing.T) {
	slapd := useSlapd(t)
	base := place(t)
	s := settings(base)
	s.URL, s.CA = slapd.SecureURL, agent.Path(slapd.CA)
	d := open(t, s, person)
	must(t, slapd.Recertify(time.Now().Add(-time.Hour)))
	_, err := read(t, d, agent.ImportRequest{})
	if fault.Name(err) != "no-start-connection" || !strings.Contains(err.Error(), "expired") {
		t.Errorf("%v", err)
	}
	if _, err := d.OpenExport(t.Context(), agent.ExportRequest{}); fault.Name(err) != "no-start-connection" || !strings.Contains(err.Error(), "expired") {
		t.Errorf("%v", err)
	}
	must(t, slapd.Recertify(time.Now().Add(48*time.Hour)))
	_, err = read(t, d, agent.ImportRequest{})
	must(t, err)
}

// What the server has against one object is an error on that alone.
func TestConstraints(t *testing.T) { onEach(t, constraints) }

func constraints(t *testing.T) {
	base := place(t)
	loose := agent.Object{
		Name: "person", Settings: &ObjectSettings{Class: "inetOrgPerson", RDN: "uid"},
		Attributes: []agent.Attribute{{Name: "employeeNumber", Type: identity.TypeString, Multi: true}},
	}
	d := open(t, settings(base), loose)
	wrong := addition("uid=wrong," + base)
	wrong.Image = wrong.Image.Set("employeeNumber", texts("1", "2")...)
	wrong.Changes = identity.Diff(nil, wrong.Image)
	names, _ := put(t, d, addition("uid=a,"+base), wrong, addition("uid=b,"+base))
	if names[0] != "" || names[2] != "" || names[1] != "constraint-violation" && names[1] != "schema-violation" {
		t.Errorf("%q", names)
	}
	if got := attribute(t, "uid=b,"+base, "cn"); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

// What moves from one base into another is the same object, in whichever order they are
// imported; a base says nothing of the others.
func TestMovesBetweenBases(t *testing.T) { onEach(t, movesBetweenBases) }

func movesBetweenBases(t *testing.T) {
	base, admin := place(t), administrator(t)
	a, b := "ou=a,"+base, "ou=b,"+base
	container(t, admin, a)
	container(t, admin, b)
	ada, bob, eve := someone(t, admin, "ada", a), someone(t, admin, "bob", b), someone(t, admin, "eve", b)
	d := open(t, settings(a, b), person)
	marks := map[string][]byte{}
	anchors := map[string]string{}
	for _, partition := range []string{a, b} {
		got, err := read(t, d, agent.ImportRequest{Partition: partition})
		must(t, err)
		marks[partition] = got.Watermark
		for _, e := range got.Entries {
			anchors[e.DN] = e.Anchor
		}
	}
	must(t, admin.ModifyDN(goldap.NewModifyDNRequest(ada, "uid=ada", true, b)))
	modify(t, admin, bob, "title", "New")
	must(t, admin.Del(goldap.NewDelRequest(eve, nil)))
	delta := func(partition string) directorytest.Reading {
		got, err := read(t, d, agent.ImportRequest{Partition: partition, Delta: true, Watermark: marks[partition]})
		must(t, err)
		return got
	}
	for _, e := range delta(a).Entries {
		if e.Anchor != anchors[eve] || e.Op != identity.Delete {
			t.Errorf("the base that nobody is in any more: %s %s %q", e.Op, e.Anchor, e.DN)
		}
	}
	second := delta(b)
	second.Expect(t, "the other base", "person uid=ada,"+b, "person "+bob, "gone")
	if second.Entry(t, "uid=ada,"+b).Anchor != anchors[ada] {
		t.Errorf("the move changed the anchor")
	}
}
