package ldif

import (
	"fmt"
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
)

// TestReadObject: an object is taken for gone only if no entry can be it, whether it is
// known by its name or by an anchor; a log of changes counts.
func TestReadObject(t *testing.T) {
	entry := func(uid, more string) string {
		return "dn: uid=" + uid + ",ou=p\nobjectClass: inetOrgPerson\nuid: " + uid + "\nentryUUID: " + uid + "\n" + more + "\n"
	}
	for _, test := range []struct{ name, entries, log, want string }{
		{"found", entry("1", "") + entry("2", "title: T\n"), "", "uid=2,ou=p T"},
		{"found beside what cannot be read", "dn: nobody\nobjectClass: inetOrgPerson\n\n" + entry("2", ""), "", "uid=2,ou=p"},
		{"gone", entry("1", ""), "", "gone"},
		{"gone, another value is wrong", entry("1", "age: old\n"), "", "gone"},
		{"of another class", entry("1", "") + "dn: uid=2,ou=p\nobjectClass: organizationalUnit\n\n", "", "gone"},
		{"an entry without a name", entry("1", "") + "dn: nobody\nobjectClass: inetOrgPerson\nuid: 2\n\n", "", "cd-missing-object"},
		{"an entry without a class", entry("1", "") + "dn: uid=2,ou=p\nuid: 2\n\n", "", "cd-missing-object"},
		{"nothing", "version: 1\n", "", "cd-missing-object"},
		{"torn", entry("1", "") + "dn: uid=2,ou=p\nobjectClass: inet", "", "stopped-parsing-errors"},
		{"its value is wrong", entry("2", "age: old\n"), "", "invalid-numeric-value"},
		{"twice", entry("2", "") + entry("1", "") + entry("2", ""), "", "duplicate-object"},
		{"deleted by the log", entry("1", "") + entry("2", ""), "dn: uid=2,ou=p\nchangetype: delete\n\n", "gone"},
		{"added by the log", entry("1", ""), "dn: uid=2,ou=p\nchangetype: add\nobjectClass: inetOrgPerson\nentryUUID: 2\ntitle: T\n\n", "uid=2,ou=p T"},
	} {
		for _, anchor := range []string{"", "entryUUID"} {
			for _, by := range []string{"anchor", "name"} {
				t.Run(fmt.Sprint(test.name, " ", anchor, " by ", by), func(t *testing.T) {
					path := writeFile(t, "p.ldif", test.entries)
					s, object := Settings{File: agent.Path(path)}, person
					if test.log != "" {
						s.Changes = agent.Path(writeFile(t, "log.ldif", test.log))
					}
					req := agent.ObjectRequest{Anchor: "uid=2,ou=p"}
					if anchor != "" {
						object, req.Anchor = anchored(person, anchor), "2"
					}
					if by == "name" {
						req.Anchor, req.DN = "", "UID=2, ou=P"
					}
					a := open(t, s, object)
					var err error
					if req.Schema, err = a.Schema(t.Context()); err != nil {
						t.Fatal(err)
					}
					var page agent.Page
					err = a.(agent.ObjectReader).ReadObject(t.Context(), req, &page)
					got := "gone"
					switch {
					case err != nil:
						if got = fault.Name(err); fault.As(err, "").Position.File != path {
							t.Errorf("%v does not say in which file", err)
						}
					case len(page.Entries) == 1 && page.Entries[0].Err != nil:
						problem := page.Entries[0].Err
						if got = problem.Name; problem.Position.File != path || problem.Position.Line == 0 {
							t.Errorf("%v does not say where", problem)
						}
					case len(page.Entries) == 1:
						e := page.Entries[0]
						got = strings.TrimSpace(e.DN + " " + e.Attributes.First("title").Text())
					}
					if got != test.want {
						t.Errorf("%s, want %s", got, test.want)
					}
				})
			}
		}
	}
}

// What keeps an import from starting keeps one object from being read.
func TestReadObjectOfNothing(t *testing.T) {
	a := open(t, Settings{File: agent.Path(writeFile(t, "p.ldif", "version: 1\n"))}, person)
	err := a.(agent.ObjectReader).ReadObject(t.Context(), agent.ObjectRequest{
		Anchor: "uid=2", Required: []agent.Required{{ObjectType: "person", Attribute: "shoeSize"}},
	}, &agent.Page{})
	if fault.Name(err) != "no-start-database-schema-mismatch" {
		t.Errorf("%v, want no-start-database-schema-mismatch", err)
	}
}
