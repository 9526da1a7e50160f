//go:build unix && (slapd || ds389)

package ldap

import (
	"fmt"
	"testing"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
)

// What many new entries are known by is learnt of each, whatever their names are like and
// whoever else has such a name.
func TestAnchorsOfMany(t *testing.T) { onEach(t, anchorsOfMany) }

func anchorsOfMany(t *testing.T) {
	base := place(t)
	d := open(t, settings("ou=one,"+base, "ou=two,"+base), person)
	admin := administrator(t)
	for _, name := range []string{"one", "two"} {
		container(t, admin, "ou="+name+","+base)
	}
	someone(t, admin, "taken", "ou=one,"+base)
	createMany(t, d, d, base)
}

// createMany creates people below ou=one and ou=two, where uid=taken is there already, and
// compares what was learnt with what an import by reader says.
func createMany(t *testing.T, d, reader *directory.Directory, base string) {
	t.Helper()
	changes := []agent.Change{
		addition(`uid=a*\2c(b)\5c,ou=one,` + base),
		addition("UID=Upper,OU=One,"+base, "uid", "Upper"),
		addition("uid=twice+cn=Multi,ou=one,"+base, "cn", "Multi"),
		addition("uid=taken,ou=one," + base),
		addition("uid=taken,ou=two," + base),
		addition("uid=nobody,ou=none,ou=two," + base),
	}
	for i := range 70 {
		changes = append(changes, addition(fmt.Sprintf("uid=many%d,ou=%s,%s", i, []string{"one", "two"}[i%2], base)))
	}
	names, results := put(t, d, changes...)
	there := map[string]string{} // anchors by name
	for _, partition := range []string{"one", "two"} {
		got, err := read(t, reader, agent.ImportRequest{Partition: "ou=" + partition + "," + base})
		must(t, err)
		for _, e := range got.Entries {
			there[folded(t, e.DN)] = e.Anchor
		}
	}
	refused := map[int]string{3: "cd-existing-object", 5: "non-existent-parent"}
	for i, c := range changes {
		want := there[folded(t, c.DN)]
		if refused[i] != "" {
			want = ""
		} else if want == "" {
			t.Errorf("%s is not there", c.DN)
		}
		if names[i] != refused[i] || results[i].Anchor != want {
			t.Errorf("%s: %q, known by %q, want %q by %q", c.DN, names[i], results[i].Anchor, refused[i], want)
		}
	}
}

func folded(t *testing.T, name string) string {
	t.Helper()
	dn, err := identity.ParseDN(name)
	must(t, err)
	return dn.Fold()
}
