//go:build unix && samba

package ad

import (
	"slices"
	"testing"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/discover"
)

// Somebody who has described nothing yet is told which classes there are, each by itself.
func TestDiscover(t *testing.T) {
	base, admin := place(t), administrator(t)
	create(t, admin, "CN=ada,"+base, "user", "sAMAccountName", "ada-discover")
	create(t, admin, "CN=bob,"+base, "user", "sAMAccountName", "bob-discover")
	create(t, admin, "CN=pc,"+base, "computer", "sAMAccountName", "pc-discover$")
	for what, objects := range map[string][]agent.Object{"nothing": nil, "users": {user}} {
		d, err := settings(t, base).Discover(t.Context(), agent.Env{Name: "AD", Objects: objects})
		must(t, err)
		counts := map[string]int{}
		for i := range d.Types {
			counts[d.Types[i].Name] = d.Types[i].Objects
		}
		if len(counts) != 3 || counts["user"] != 2 || counts["computer"] != 1 || counts["organizationalUnit"] != 1 {
			t.Errorf("%s described: %v", what, counts)
		}
		i := slices.IndexFunc(d.Types, func(o discover.Type) bool { return o.Name == "user" })
		if a := d.Types[i].Attribute("sAMAccountName"); a == nil || d.Types[i].Use["sAMAccountName"].Objects != 2 || d.Types[i].Anchor[0] != "objectGUID" {
			t.Errorf("%+v", d.Types[i].Use)
		}
		if len(d.Warnings) > 0 || d.Capabilities[0].Value != byAuto || d.Capabilities[1].Value != "yes" {
			t.Errorf("%q, %+v", d.Warnings, d.Capabilities)
		}
	}
}
