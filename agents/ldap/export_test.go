//go:build unix && (slapd || ds389)

package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/agents/internal/directory/directorytest"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/ldapconn"
)

func texts(list ...string) []identity.Value {
	out := make([]identity.Value, len(list))
	for i, text := range list {
		out[i] = identity.String(text)
	}
	return identity.Normalize(out)
}

func addition(dn string, more ...string) agent.Change {
	image := agenttest.Attrs("cn", "x", "sn", "x")
	for i := 0; i < len(more); i += 2 {
		image = image.Set(more[i], identity.String(more[i+1]))
	}
	return agent.Change{Op: identity.Add, ObjectType: "person", DN: dn, Changes: identity.Diff(nil, image), Image: image}
}

// attribute returns what the server holds.
func attribute(t testing.TB, dn, name string) []string {
	t.Helper()
	return directorytest.Attribute(t, administrator(t), dn, name)
}

// Values of a large group come and go one by one. Those that others have added or
// removed meanwhile do no harm, wherever they are among the rest.
func TestMembership(t *testing.T) { onEach(t, membership) }

func membership(t *testing.T) {
	base := place(t)
	d := open(t, settings(base), person, group)
	var members []string
	for i := range 40 {
		members = append(members, fmt.Sprintf("uid=m%02d,%s", i, base))
	}
	dn := "cn=all," + base
	image := identity.Attributes{}.Set("member", references(members[:20]...)...)
	names, results := put(t, d, agent.Change{Op: identity.Add, ObjectType: "group", DN: dn, Changes: identity.Diff(nil, image), Image: image})
	expectNames(t, names, "")
	admin := administrator(t)
	others := goldap.NewModifyRequest(dn, nil)
	others.Delete("member", []string{members[3]})
	others.Add("member", []string{members[25], members[33]})
	must(t, admin.Modify(others))
	names, _ = put(t, d, agent.Change{
		Op: identity.Update, ObjectType: "group", DN: dn, Anchor: results[0].Anchor,
		Changes: []identity.Change{{Name: "member", Op: identity.Update, Values: references(members[20:]...), Removed: references(members[:10]...)}},
	})
	expectNames(t, names, "")
	if got := attribute(t, dn, "member"); !slices.Equal(got, members[10:]) {
		t.Errorf("%q", got)
	}
	// Another error is told, and nothing of the change is done.
	names, _ = put(t, d, agent.Change{
		Op: identity.Update, ObjectType: "group", DN: dn, Anchor: results[0].Anchor,
		Changes: []identity.Change{{Name: "member", Op: identity.Update, Values: references("nobody"), Removed: references(members[10:]...)}},
	})
	expectNames(t, names, "syntax-violation")
	if got := attribute(t, dn, "member"); len(got) != 30 {
		t.Errorf("%d members", len(got))
	}
}

// Somebody has given the name of an object to another one: that is left alone, and the
// object is found by its anchor.
func TestNamesThatOthersHaveGiven(t *testing.T) { onEach(t, namesThatOthersHaveGiven) }

func namesThatOthersHaveGiven(t *testing.T) {
	for _, by := range []string{"the server, if it can", "a search"} {
		t.Run(by, func(t *testing.T) {
			base := place(t)
			d := open(t, settings(base), person)
			if by == "a search" {
				d = withoutAssertions(t, settings(base), person)
			}
			admin := administrator(t)
			a, b := "uid=a,"+base, "uid=b,"+base
			_, results := put(t, d, addition(a))
			anchor := results[0].Anchor
			must(t, admin.ModifyDN(goldap.NewModifyDNRequest(a, "uid=b", true, "")))
			stranger := someone(t, admin, "a", base)

			x, err := d.OpenExport(t.Context(), agent.ExportRequest{})
			must(t, err)
			defer x.Close(t.Context(), agent.Completed)
			change := []identity.Change{{Name: "displayName", Op: identity.Add, Values: texts("Ada")}}
			got, err := x.Put(t.Context(), []agent.Change{{Op: identity.Update, ObjectType: "person", DN: a, Anchor: anchor, Changes: change}})
			must(t, err)
			if got[0].Err != nil || !strings.EqualFold(got[0].DN, b) {
				t.Errorf("%+v", got[0])
			}
			if len(attribute(t, b, "displayName")) != 1 || len(attribute(t, stranger, "displayName")) != 0 {
				t.Error("the change went to the wrong entry")
			}
			must(t, admin.Del(goldap.NewDelRequest(b, nil)))
			got, err = x.Put(t.Context(), []agent.Change{{Op: identity.Delete, ObjectType: "person", DN: a, Anchor: anchor}})
			must(t, err)
			if got[0].Err == nil || got[0].Err.Name != "cd-missing-object" {
				t.Errorf("%+v", got[0])
			}
			attribute(t, stranger, "cn") // fails if it is gone
		})
	}
}

// withoutAssertions opens an agent that takes the server for one without assertions
// (RFC 4528).
func withoutAssertions(t *testing.T, s *Settings, objects ...agent.Object) *directory.Directory {
	t.Helper()
	options, dialect := s.options()
	options.Dialect = hidden{dialect, "1.3.6.1.1.12"}
	d, err := directory.Open(agent.Env{Name: "Directory", Objects: objects}, options)
	must(t, err)
	dialect.Directory = d
	return d
}

// A hidden dialect does not see that a server has a control.
type hidden struct {
	*dialect
	control string
}

func (h hidden) Learn(ctx context.Context, c *ldapconn.Conn, s *directory.Server) error {
	s.Controls = slices.DeleteFunc(s.Controls, func(control string) bool { return control == h.control })
	return h.dialect.Learn(ctx, c, s)
}

func TestParents(t *testing.T) { onEach(t, parents) }

func parents(t *testing.T) {
	base := place(t)
	s := settings(base)
	d := open(t, s, person)
	deep := "uid=ada,ou=c,ou=b,ou=a," + base
	names, results := put(t, d, addition(deep), addition("uid=x,"+base))
	expectNames(t, names, "non-existent-parent", "")
	if results[0].Action != agent.ProvisionParent {
		t.Errorf("%+v", results[0])
	}
	move := agent.Change{Op: identity.Update, ObjectType: "person", DN: "uid=x," + base, Anchor: results[1].Anchor, NewDN: "uid=x,ou=z," + base}
	names, _ = put(t, d, move)
	expectNames(t, names, "non-existent-parent")
	s.CreateParents = true
	d = open(t, s, person)
	names, results = put(t, d, addition(deep), addition("uid=grace,ou=c,ou=b,ou=a,"+base), move, addition("uid=y,cn=k,"+base))
	expectNames(t, names, "", "", "", "non-existent-parent")

	// What others are below is deleted only by option, leaves first.
	container := agent.Object{Name: "unit", Settings: &ObjectSettings{Class: "organizationalUnit"}}
	unit := agent.Change{Op: identity.Delete, ObjectType: "unit", DN: "ou=a," + base}
	d = open(t, s, person, container)
	names, _ = put(t, d, unit)
	expectNames(t, names, "unsupported-container-delete")
	s.DeleteSubtree = true
	d = open(t, s, person, container)
	names, _ = put(t, d, unit)
	expectNames(t, names, "")
	_ = results
	must(t, d.Exists(t.Context(), connection(t, d), base))
	if err := d.Exists(t.Context(), connection(t, d), "ou=a,"+base); fault.Name(err) != "no-start-partition-delete" {
		t.Errorf("%v", err)
	}
}

// Deletions come in any order, and what depends on what within a batch is kept.
func TestOrder(t *testing.T) { onEach(t, order) }

func order(t *testing.T) {
	base := place(t)
	unit := agent.Object{Name: "unit", Settings: &ObjectSettings{Class: "organizationalUnit"}}
	d := open(t, settings(base), person, unit)
	var changes []agent.Change
	for i := range 30 {
		ou := fmt.Sprintf("ou=u%d,%s", i, base)
		changes = append(changes, agent.Change{Op: identity.Add, ObjectType: "unit", DN: ou})
		for j := range 3 {
			changes = append(changes, addition(fmt.Sprintf("uid=p%d,%s", j, ou)))
		}
	}
	names, results := put(t, d, changes...)
	for i, name := range names {
		if name != "" || results[i].Anchor == "" {
			t.Fatalf("%s: %s %q", changes[i].DN, name, results[i].Anchor)
		}
	}
	for i := range changes {
		changes[i] = agent.Change{Op: identity.Delete, ObjectType: changes[i].ObjectType, DN: changes[i].DN, Anchor: results[i].Anchor}
	}
	names, _ = put(t, d, changes...)
	for i, name := range names {
		if name != "" {
			t.Errorf("%s: %s", changes[i].DN, name)
		}
	}
}
