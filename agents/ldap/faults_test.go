//go:build unix && slapd && toxiproxy

package ldap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/agents/internal/directory/directorytest"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/servers"
)

// toxiproxy starts the proxies for all tests.
var toxiproxy = sync.OnceValues(func() (*servers.ToxiproxyServer, error) {
	s, err := servers.Toxiproxy()
	if err == nil {
		stops = append(stops, s.Stop)
	}
	return s, err
})

// proxied stands a proxy before the server of a test, and returns settings that lead to it.
func proxied(t *testing.T, base string) (*servers.Proxy, *Settings) {
	t.Helper()
	s, err := toxiproxy()
	must(t, err)
	p, err := s.Proxy(strings.TrimPrefix(target.URL, "ldap://"))
	must(t, err)
	out := settings(base)
	out.URL, out.Timeout = "ldap://"+p.Address, 30*time.Second // as a busy machine may take
	return p, out
}

// crowd creates people.
func crowd(t *testing.T, base string, n int) {
	t.Helper()
	admin := administrator(t)
	for i := range n {
		someone(t, admin, fmt.Sprintf("u%03d", i), base, "displayName", strings.Repeat("x", 100))
	}
}

// Wherever an answer is cut off, an import delivers everything or ends with an error.
func TestImportThatIsCut(t *testing.T) {
	useSlapd(t)
	base := place(t)
	crowd(t, base, 120)
	p, s := proxied(t, base)
	d := open(t, s, person)
	cut, whole := 0, 0
	for bytes := 20_000; bytes < 400_000 && whole == 0; bytes += 9_000 {
		must(t, p.Disturb("limit_data", "downstream", map[string]int{"bytes": bytes}))
		got, err := read(t, d, agent.ImportRequest{PageSize: 25})
		must(t, p.Calm())
		switch name := fault.Name(err); {
		case err == nil && len(got.Lines) == 120:
			whole++
		case (name == "stopped-connectivity" || name == "no-start-connection") && got.Watermark == nil:
			if len(got.Lines) > 0 {
				cut++
			}
		default:
			t.Fatalf("after %d bytes: %d entries and %v", bytes, len(got.Lines), err)
		}
	}
	if cut < 2 || whole == 0 {
		t.Errorf("%d were cut in the middle, %d not", cut, whole)
	}
}

// A server that falls silent is given up after the time that it is allowed; one that is
// slow, and goes on, is not.
func TestServerThatFallsSilent(t *testing.T) {
	useSlapd(t)
	base := place(t)
	crowd(t, base, 60)
	p, s := proxied(t, base)
	s.Timeout = 4 * time.Second
	d := open(t, s, person)
	began := time.Now()
	must(t, p.Disturb("bandwidth", "downstream", map[string]int{"rate": 15}))
	got, err := read(t, d, agent.ImportRequest{})
	must(t, err)
	if len(got.Lines) != 60 || time.Since(began) < s.Timeout {
		t.Errorf("%d entries in %s from a slow server", len(got.Lines), time.Since(began))
	}
	must(t, p.Calm())

	s.Timeout = 3 * time.Second
	d = open(t, s, person)
	m, err := d.OpenImport(t.Context(), agent.ImportRequest{PageSize: 20})
	must(t, err)
	x, err := d.OpenExport(t.Context(), agent.ExportRequest{})
	must(t, err)
	page := new(agent.Page)
	must(t, m.Next(t.Context(), page))
	must(t, p.Disturb("timeout", "downstream", map[string]int{"timeout": 0}))
	for what, f := range map[string]func() error{
		"stopped-connectivity of an import": func() error {
			_ = m.Next(t.Context(), page) // which may have been read ahead
			return m.Next(t.Context(), page)
		},
		"stopped-connectivity of an export":      func() error { _, err := x.Put(t.Context(), []agent.Change{addition("uid=new," + base)}); return err },
		"no-start-connection of an import":       func() error { _, err := d.OpenImport(t.Context(), agent.ImportRequest{}); return err },
		"no-start-connection of a single object": func() error { return d.ReadObject(t.Context(), agent.ObjectRequest{DN: "uid=u001," + base}, page) },
		"no-start-connection of the schema":      func() error { _, err := d.Schema(t.Context()); return err },
		"no-start-connection of the hierarchy":   func() error { _, err := d.Hierarchy(t.Context(), base); return err },
	} {
		began := time.Now()
		err := f()
		if name, _, _ := strings.Cut(what, " "); fault.Name(err) != name || time.Since(began) > time.Minute {
			t.Errorf("want %s: %v after %s", what, err, time.Since(began))
		}
	}
	must(t, p.Calm())
	_, _ = m.Close(context.Background(), agent.Aborted)
	_ = x.Close(context.Background(), agent.Aborted)
}

// Whoever sends again what an export was interrupted in finds everything as it should be,
// wherever that was.
func TestExportThatIsCut(t *testing.T) {
	useSlapd(t)
	admin := administrator(t)
	interrupted := 0
	for bytes := 600; bytes <= 6_000; bytes += 450 {
		t.Run(fmt.Sprint(bytes), func(t *testing.T) {
			base := place(t)
			p, s := proxied(t, base)
			s.Connections = 2
			d := open(t, s, person, group)
			members := []string{"uid=m0," + base, "uid=m1," + base, "uid=m2," + base}
			image := identity.Attributes{}.Set("member", references(members[:2]...)...)
			_, results := put(t, d,
				addition("uid=old,"+base), addition("uid=gone,"+base),
				agent.Change{Op: identity.Add, ObjectType: "group", DN: "cn=all," + base, Changes: identity.Diff(nil, image), Image: image})
			var changes []agent.Change
			for i := range 12 {
				changes = append(changes, addition(fmt.Sprintf("uid=new%02d,%s", i, base), "displayName", "New"))
			}
			changes = append(
				changes,
				agent.Change{
					Op: identity.Update, ObjectType: "person", DN: "uid=old," + base, Anchor: results[0].Anchor, NewDN: "uid=Renamed, " + base,
					Changes: []identity.Change{{Name: "displayName", Op: identity.Add, Values: texts("Renamed")}},
				},
				agent.Change{Op: identity.Delete, ObjectType: "person", DN: "uid=gone," + base, Anchor: results[1].Anchor},
				agent.Change{
					Op: identity.Update, ObjectType: "group", DN: "cn=all," + base, Anchor: results[2].Anchor,
					Changes: []identity.Change{{Name: "member", Op: identity.Update, Values: references(members[2]), Removed: references(members[0])}},
				})
			must(t, p.Disturb("limit_data", "upstream", map[string]int{"bytes": bytes}))
			x, err := d.OpenExport(t.Context(), agent.ExportRequest{})
			if err == nil {
				if _, err = x.Put(t.Context(), changes); err != nil {
					interrupted++
					if fault.Name(err) != "stopped-connectivity" {
						t.Errorf("%v", err)
					}
				}
				must(t, x.Close(t.Context(), agent.Aborted))
			}
			must(t, p.Calm())
			for i := range changes {
				changes[i].Repeated = true
			}
			names, _ := put(t, d, changes...)
			expectNames(t, names, slices.Repeat([]string{""}, len(changes))...)
			found, err := admin.Search(goldap.NewSearchRequest(base, goldap.ScopeSingleLevel, 0, 0, 0, false, "(displayName=*)", []string{"1.1"}, nil))
			must(t, err)
			if len(found.Entries) != 13 {
				t.Errorf("%d people, want 13", len(found.Entries))
			}
			if got := attribute(t, "cn=all,"+base, "member"); !slices.Equal(got, members[1:]) {
				t.Errorf("%q", got)
			}
			if err := d.Exists(t.Context(), connection(t, d), "uid=gone,"+base); fault.Name(err) != "no-start-partition-delete" {
				t.Errorf("who shall be gone: %v", err)
			}
		})
	}
	if interrupted < 3 {
		t.Errorf("only %d exports were interrupted", interrupted)
	}
}

// A connection that lives no more, and does not say so, is found out; what happened
// meanwhile is made up for by a call.
func TestWatchOfAConnectionThatIsDead(t *testing.T) {
	useSlapd(t)
	base := place(t)
	p, s := proxied(t, base)
	s.Timeout = time.Second
	calls := directorytest.Listen(t, open(t, s, person))
	hears(t, calls, "at the beginning")
	must(t, p.Disturb("timeout", "downstream", map[string]int{"timeout": 0}))
	someone(t, administrator(t), "ada", base)
	time.Sleep(3 * s.Timeout)
	must(t, p.Calm())
	hears(t, calls, "after a silence")
	for len(calls) > 0 {
		<-calls
	}
	someone(t, administrator(t), "grace", base)
	hears(t, calls, "over the next connection")
}

// A connection over which nothing is told for long is no dead one.
func TestWatchOfAQuietDirectory(t *testing.T) {
	useSlapd(t)
	s := settings(place(t))
	s.Timeout = 3 * time.Second // one that a busy machine keeps
	calls := directorytest.Listen(t, open(t, s, person))
	hears(t, calls, "at the beginning")
	time.Sleep(3 * s.Timeout)
	silent(t, calls)
}

// An import waits for no server that was stopped while nobody was reading.
func TestServerThatIsStopped(t *testing.T) {
	useSlapd(t)
	base := place(t)
	crowd(t, base, 10)
	p, s := proxied(t, base)
	d := open(t, s, person)
	m, err := d.OpenImport(t.Context(), agent.ImportRequest{PageSize: 4})
	must(t, err)
	must(t, p.Down())
	for {
		page := new(agent.Page)
		if err = m.Next(t.Context(), page); err != nil {
			break
		}
	}
	if errors.Is(err, io.EOF) || fault.Name(err) != "stopped-connectivity" {
		t.Errorf("%v", err)
	}
	_, _ = m.Close(context.Background(), agent.Aborted)
	if _, err := d.OpenImport(t.Context(), agent.ImportRequest{}); fault.Name(err) != "no-start-connection" {
		t.Errorf("%v", err)
	}
	must(t, p.Up())
	got, err := read(t, d, agent.ImportRequest{})
	if must(t, err); len(got.Lines) != 10 {
		t.Errorf("%d entries", len(got.Lines))
	}
}
