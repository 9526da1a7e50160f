//go:build unix && (slapd || ds389)

package ldap

import (
	"slices"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/discover"
	"github.com/metasync/metasync/engine/fault"
)

func discovery(t *testing.T, s *Settings, objects ...agent.Object) *discover.Discovery {
	t.Helper()
	d, err := s.Discover(t.Context(), agent.Env{Name: "Directory", Objects: objects})
	must(t, err)
	return d
}

func capable(d *discover.Discovery, name string) discover.Capability {
	i := slices.IndexFunc(d.Capabilities, func(c discover.Capability) bool { return c.Name == name })
	return d.Capabilities[max(i, 0)]
}

// Every server is told apart, and its classes are counted with and without a description.
func TestDiscover(t *testing.T) {
	onEach(t, func(t *testing.T) {
		base := place(t)
		admin := administrator(t)
		container(t, admin, "ou=staff,"+base)
		ada := someone(t, admin, "ada", "ou=staff,"+base, "mail", "ada@example.org")
		someone(t, admin, "grace", base, "manager", ada, "userPassword", "sesame")
		r := goldap.NewAddRequest("cn=Mary,"+base, nil)
		r.Attribute("objectClass", []string{"person"})
		r.Attribute("sn", []string{"Mary"})
		r.Attribute("cn", []string{"Mary", "Marie"})
		must(t, admin.Add(r))

		d := discovery(t, settings(base))
		system, method, anchor := "OpenLDAP", "syncrepl", "entryUUID"
		if strings.HasSuffix(t.Name(), "389") {
			system, method, anchor = "389 Project", "changelog", "nsUniqueId"
		}
		if !strings.HasPrefix(d.System, system) {
			t.Errorf("system %q", d.System)
		}
		if c := capable(d, "delta import"); c.Value != method || !strings.HasPrefix(c.Why, "chosen by auto: ") {
			t.Errorf("%+v", c)
		}
		if c := capable(d, "paging"); c.Value != "yes" {
			t.Errorf("%+v", c)
		}
		var names []string
		for i := range d.Types {
			names = append(names, d.Types[i].Name)
			if strings.EqualFold(d.Types[i].Name, "organizationalUnit") != d.Types[i].Holders {
				t.Errorf("%+v", d.Types[i])
			}
		}
		if !slices.Equal(names, []string{"inetOrgPerson", "organizationalUnit", "person"}) {
			t.Fatalf("%q", names)
		}
		people, plain := d.Types[0], d.Types[2]
		if people.Objects != 2 || people.Read != 2 || plain.Objects != 1 || plain.Read != 1 || people.AtLeast || people.Anchor[0] != anchor {
			t.Errorf("%+v %+v", people, plain)
		}
		if a := plain.Attribute("cn"); a == nil || !a.Multi || plain.Use["cn"] != (discover.Use{Objects: 1, Values: 2}) {
			t.Errorf("%+v %+v", a, plain.Use)
		}
		if a := people.Attribute("cn"); a == nil || a.Multi || !slices.Contains(people.Describe, "cn") || slices.Contains(people.Describe, "manager") {
			t.Errorf("%+v %q", a, people.Describe)
		}
		if _, shown := people.Use["userPassword"]; shown && people.Attribute("userPassword").Type != 0 && !people.Attribute("userPassword").ExportOnly {
			t.Error("a password can be read")
		}
		if i := slices.IndexFunc(d.Containers, func(c discover.Container) bool { return c.Name == "ou=staff,"+base && c.Type == "inetOrgPerson" }); i < 0 || d.Containers[i].Objects != 1 {
			t.Errorf("%+v", d.Containers)
		}

		// A class that is described counts with what is derived from it, as an import does.
		d = discovery(t, settings(base), agent.Object{Name: "human", Settings: &ObjectSettings{Class: "person"}}, agent.Object{Name: "dragon"})
		if h := d.Types[0]; !h.Configured || h.Name != "human" || h.Objects != 3 {
			t.Errorf("%+v", h)
		}
		if x := d.Types[1]; x.Name != "dragon" || x.Objects != discover.Uncounted || !strings.Contains(strings.Join(d.Warnings, ""), `no object class "dragon"`) {
			t.Errorf("%+v %q", x, d.Warnings)
		}

		s := settings(base)
		s.Changes = "none"
		if c := capable(discovery(t, s), "delta import"); c.Value != "no" || c.Why != "the configuration says so" {
			t.Errorf("%+v", c)
		}
		s = settings("ou=nowhere," + target.Suffix)
		if _, err := s.Discover(t.Context(), agent.Env{}); fault.Name(err) != "no-start-partition-delete" || !strings.Contains(fault.As(err, "").Hint, target.Suffix) {
			t.Errorf("%v", err)
		}
	})
}
