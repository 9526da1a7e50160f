//go:build unix && slapd

package ldap

import (
	"fmt"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
)

// A password is written over an encrypted connection only, by either way, and is what
// its owner binds with afterwards.
func TestPasswords(t *testing.T) {
	slapd := useSlapd(t)
	base := place(t)
	for _, way := range []string{"clear", "modify", "exop"} {
		t.Run(way, func(t *testing.T) {
			s := settings(base)
			want := "encryption-not-enabled userPassword"
			if way != "clear" {
				s.URL, s.CA, s.Passwords, want = slapd.SecureURL, agent.Path(slapd.CA), way, ""
			}
			d := open(t, s, person)
			dn := "uid=" + way + "," + base
			names, results := put(t, d, addition(dn, "userPassword", "first"))
			expectNames(t, names, want)
			bind := func(password string) error {
				conn, err := goldap.DialURL(slapd.URL)
				must(t, err)
				defer conn.Close()
				return conn.Bind(dn, password)
			}
			if err := bind("first"); (err == nil) != (way != "clear") {
				t.Errorf("bind: %v", err)
			}
			names, _ = put(t, d, agent.Change{
				Op: identity.Update, ObjectType: "person", DN: dn, Anchor: results[0].Anchor,
				Changes: []identity.Change{
					{Name: "displayName", Op: identity.Add, Values: texts("Ada")},
					{Name: "userPassword", Op: identity.Replace, Values: texts("second")},
				},
			})
			expectNames(t, names, want)
			if err := bind("second"); (err == nil) != (way != "clear") {
				t.Errorf("bind: %v", err)
			}
			if len(attribute(t, dn, "displayName")) != 1 {
				t.Error("the rest of the change is missing")
			}
		})
	}
}

// A server that shows a few entries at most is asked for each.
func TestAnchorsOfManyWithinLimits(t *testing.T) {
	useSlapd(t)
	base := place(t)
	admin := administrator(t)
	writer := someone(t, admin, "writer", base, "userPassword", "secret")
	for _, name := range []string{"one", "two"} {
		container(t, admin, "ou="+name+","+base)
	}
	someone(t, admin, "taken", "ou=one,"+base)
	configure(t, true, "olcAccess", `to attrs=userPassword by * auth`, `to * by users write by * read`)
	s := settings("ou=one,"+base, "ou=two,"+base)
	s.BindDN, s.Password = writer, "secret"
	d := open(t, s, person)
	configure(t, true, "olcLimits", fmt.Sprintf(`dn.exact="%s" size.soft=4 size.hard=4 size.prtotal=4`, writer))
	createMany(t, d, open(t, settings(s.Base...), person), base)
}
