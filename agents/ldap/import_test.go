//go:build unix && slapd

package ldap

import (
	"context"
	"slices"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// An entry is an object of the first type that it matches, whether classes tell or only
// a filter does; what no type matches is none.
func TestObjectTypes(t *testing.T) {
	useSlapd(t)
	base, admin := place(t), administrator(t)
	intern := someone(t, admin, "intern", base, "employeeType", "Intern")
	both := someone(t, admin, "both", base, "employeeType", "Intern", "title", "Guest")
	guest := someone(t, admin, "guest", base, "title", "guest")
	someone(t, admin, "nobody", base)
	r := goldap.NewAddRequest("cn=all,"+base, nil)
	r.Attribute("objectClass", []string{"groupOfNames"})
	r.Attribute("member", []string{guest, ""})
	must(t, admin.Add(r))
	d := open(t, settings(base),
		agent.Object{Name: "intern", Settings: &ObjectSettings{Class: "inetOrgPerson", Filter: "employeeType=intern"}},
		agent.Object{Name: "guest", Settings: &ObjectSettings{Class: "person", Filter: "(title=guest)"}, Attributes: []agent.Attribute{{Name: "CN", Type: identity.TypeString}}},
		group)
	got, err := read(t, d, agent.ImportRequest{PageSize: 3})
	must(t, err)
	got.Expect(t, "full", "intern "+intern, "intern "+both, "guest "+guest, "group cn=all,"+base)
	for _, e := range got.Entries {
		switch e.ObjectType {
		case "guest":
			if e.Attributes.First("CN").Text() != "guest" || len(e.Attributes.Get("title")) != 0 {
				t.Errorf("not the attributes of the type, as they are configured: %v", e.Attributes)
			}
		case "group":
			if members := e.Attributes.Get("member"); len(members) != 1 || members[0] != identity.Reference(guest) {
				t.Errorf("%v", members)
			}
		}
	}
	// What is of another type now, and what is of none any more, comes so.
	change := goldap.NewModifyRequest(both, nil)
	change.Delete("employeeType", nil)
	must(t, admin.Modify(change))
	modify(t, admin, intern, "employeeType", "staff")
	delta, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: got.Watermark})
	must(t, err)
	delta.Expect(t, "delta", "guest "+both, "gone")
}

// Every base is a partition with a watermark of its own; one that is gone is no empty one.
func TestPartitions(t *testing.T) {
	useSlapd(t)
	base, admin := place(t), administrator(t)
	a, b := "ou=a,"+base, "ou=b,"+base
	container(t, admin, a)
	container(t, admin, b)
	ada, bob := someone(t, admin, "ada", a), someone(t, admin, "bob", b)
	d := open(t, settings(a, b), person)
	partitions, err := d.Partitions(t.Context())
	must(t, err)
	if !slices.Equal(partitions, []agent.Partition{{Name: a, Root: a}, {Name: b, Root: b}}) {
		t.Errorf("%v", partitions)
	}
	one, err := read(t, d, agent.ImportRequest{Partition: a})
	must(t, err)
	one.Expect(t, "a", "person "+ada)
	two, err := read(t, d, agent.ImportRequest{Partition: b})
	must(t, err)
	two.Expect(t, "b", "person "+bob)
	if _, err := read(t, d, agent.ImportRequest{Partition: b, Delta: true, Watermark: one.Watermark}); fault.Name(err) != "no-start-full-import-required" {
		t.Errorf("the watermark of another partition: %v", err)
	}
	if _, err := read(t, d, agent.ImportRequest{}); fault.Name(err) != "no-start-partition-not-configured" {
		t.Errorf("no partition: %v", err)
	}
	must(t, admin.Del(goldap.NewDelRequest(bob, nil)))
	must(t, admin.Del(goldap.NewDelRequest(b, nil)))
	if _, err := read(t, d, agent.ImportRequest{Partition: b}); fault.Name(err) != "no-start-partition-delete" {
		t.Errorf("a base that is gone: %v", err)
	}
}

// One container that counts is all that is searched.
func TestContainers(t *testing.T) {
	useSlapd(t)
	base, admin := place(t), administrator(t)
	staff := "ou=staff," + base
	container(t, admin, staff)
	ada := someone(t, admin, "ada", staff)
	bob := someone(t, admin, "bob", base)
	d := open(t, settings(base), person)
	for _, test := range []struct{ include, want []string }{
		{[]string{staff}, []string{"person " + ada}},
		{[]string{staff, "ou=other," + base}, []string{"person " + ada, "person " + bob}}, // the engine leaves out the rest
		{[]string{"ou=other,dc=example,dc=org"}, []string{"person " + ada, "person " + bob}},
		{nil, []string{"person " + ada, "person " + bob}},
	} {
		only, err := identity.NewContainers(test.include, nil)
		must(t, err)
		got, err := read(t, d, agent.ImportRequest{Containers: only})
		must(t, err)
		got.Expect(t, "containers", test.want...)
	}
	only, err := identity.NewContainers([]string{"ou=other," + base}, nil)
	must(t, err)
	if _, err := read(t, d, agent.ImportRequest{Containers: only}); fault.Name(err) != "no-start-partition-delete" {
		t.Errorf("a container that is not there: %v", err)
	}
}

// A connection that breaks in the middle ends an import with an error.
func TestConnectionThatBreaks(t *testing.T) {
	slapd := useSlapd(t)
	base, admin := place(t), administrator(t)
	for _, uid := range []string{"a", "b", "c"} {
		someone(t, admin, uid, base)
	}
	m, err := open(t, settings(base), person).OpenImport(t.Context(), agent.ImportRequest{PageSize: 1})
	must(t, err)
	page := new(agent.Page)
	must(t, m.Next(t.Context(), page))
	must(t, slapd.Restart())
	for range 2 {
		if err := m.Next(t.Context(), page); fault.Name(err) != "stopped-connectivity" || len(page.Entries) > 0 {
			t.Errorf("%v", err)
		}
	}
	if w, err := m.Close(context.Background(), agent.Aborted); w != nil || err != nil {
		t.Errorf("%s, %v", w, err)
	}
}

// Times of changes tell what was changed, and no more; so from time to time a full import
// is asked for.
func TestTimestamps(t *testing.T) {
	useSlapd(t)
	base, admin := place(t), administrator(t)
	ada := someone(t, admin, "ada", base)
	s := settings(base)
	s.Changes, s.FullImportEvery = "timestamp", time.Hour
	d := open(t, s, person)
	full, err := read(t, d, agent.ImportRequest{})
	must(t, err)
	full.Expect(t, "full", "person "+ada)
	time.Sleep(1100 * time.Millisecond) // the clock of these times is that coarse
	bob := someone(t, admin, "bob", base)
	delta, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: full.Watermark})
	must(t, err)
	if !slices.Contains(delta.Lines, "person "+bob) {
		t.Errorf("%q", delta.Lines)
	}
	delta, err = read(t, d, agent.ImportRequest{Delta: true, Watermark: delta.Watermark})
	must(t, err)
	if slices.Contains(delta.Lines, "person "+ada) {
		t.Errorf("the watermark did not move: %q", delta.Lines)
	}
	s.FullImportEvery = time.Nanosecond
	d = open(t, s, person)
	if _, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: delta.Watermark}); fault.Name(err) != "no-start-full-import-required" {
		t.Errorf("%v", err)
	}
}
