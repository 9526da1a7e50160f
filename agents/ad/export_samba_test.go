//go:build unix && samba

package ad

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/identity"
)

func update(dn, anchor string, changes ...identity.Change) agent.Change {
	return agent.Change{Op: identity.Update, ObjectType: "user", DN: dn, Anchor: anchor, Changes: changes}
}

func replace(name string, v identity.Value) identity.Change {
	return identity.Change{Name: name, Op: identity.Replace, Values: []identity.Value{v}}
}

// An account is created with its password and enabled at once; without a password it is
// disabled, and in no case does it go without one.
func TestAccounts(t *testing.T) {
	base := place(t)
	d := open(t, settings(t, base), user)
	ada, bob, eve, dan := "CN=ada,"+base, "CN=bob,"+base, "CN=eve,"+base, "CN=dan,"+base
	names, _ := put(t, d, addition(dan, agenttest.Attrs("sAMAccountName", "dan-acc", disabled, true, mustChange, false, "passwordNeverExpires", true)))
	expectNames(t, names, "")
	seen, err := read(t, d, agent.ImportRequest{})
	must(t, err)
	for name, want := range map[string]bool{disabled: true, mustChange: false, "passwordNeverExpires": true, "passwordNotRequired": false} {
		if got := seen.Entry(t, dan).Attributes.First(name); got != identity.Boolean(want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	names, results := put(t, d,
		addition(ada, agenttest.Attrs("sAMAccountName", "ada-acc", "unicodePwd", "Secret123!", mustChange, false)),
		addition(bob, agenttest.Attrs("sAMAccountName", "bob-acc")),
		addition(eve, agenttest.Attrs("sAMAccountName", "eve-acc", "unicodePwd", "x")),
	)
	expectNames(t, names, "", "", "password-policy-violation")
	for dn, want := range map[string]string{ada: "512", bob: "514"} {
		if got := attribute(t, dn, "userAccountControl"); got != want {
			t.Errorf("%s: %s, want %s", dn, got, want)
		}
	}
	if _, err := dial(t, `EXAD\ada-acc`, "Secret123!"); err != nil {
		t.Errorf("ada: %v", err)
	}

	// The bits are changed one by one, and those of others stay.
	admin := administrator(t)
	modify(t, admin, ada, "userAccountControl", fmt.Sprint(512|0x40000|dontExpirePassword))
	names, _ = put(t, d, update(ada, results[0].Anchor,
		replace(disabled, identity.Boolean(true)), identity.Change{Name: "passwordNeverExpires", Op: identity.Delete}, replace("title", identity.String("Dr"))))
	expectNames(t, names, "")
	if got := attribute(t, ada, "userAccountControl"); got != fmt.Sprint(512|0x40000|accountDisable) || attribute(t, ada, "title") != "Dr" {
		t.Errorf("%s", got)
	}
	// A password and the account that it opens come with one change.
	names, _ = put(t, d, update(bob, results[1].Anchor,
		replace(disabled, identity.Boolean(false)), replace(mustChange, identity.Boolean(true)), replace(passwordAttribute, identity.String("Secret456!"))))
	expectNames(t, names, "")
	if got := attribute(t, bob, "userAccountControl") + " " + attribute(t, bob, "pwdLastSet"); got != "512 0" {
		t.Errorf("%s", got)
	}
	if _, err := dial(t, `EXAD\bob-acc`, "Secret456!"); err == nil || !strings.Contains(err.Error(), "data 773") {
		t.Errorf("bob: %v", err)
	}
	names, _ = put(t, d, update(bob, results[1].Anchor, replace(mustChange, identity.Boolean(false))))
	expectNames(t, names, "")
	if _, err := dial(t, `EXAD\bob-acc`, "Secret456!"); err != nil {
		t.Errorf("bob: %v", err)
	}
	got, err := read(t, d, agent.ImportRequest{})
	must(t, err)
	if e := got.Entry(t, ada); e.Attributes.First(disabled) != identity.Boolean(true) || e.Attributes.First(mustChange) != identity.Boolean(false) {
		t.Errorf("%v", e.Attributes)
	}

	// A password that the policy refuses, in the middle of other changes.
	names, _ = put(t, d, update(bob, results[1].Anchor, replace(passwordAttribute, identity.String("x"))))
	expectNames(t, names, "password-policy-violation")
}

// Somebody else changes other bits at the same time: none is lost.
func TestBitsOfOthers(t *testing.T) {
	base := place(t)
	d := open(t, settings(t, base), user)
	ada := "CN=ada," + base
	_, results := put(t, d, addition(ada, agenttest.Attrs("sAMAccountName", "ada-bits", "unicodePwd", "Secret123!")))
	var group sync.WaitGroup
	for i := range 2 {
		group.Go(func() {
			s := switches[i*2] // accountDisabled, passwordNeverExpires
			for n := range 6 {
				x, err := d.OpenExport(t.Context(), agent.ExportRequest{})
				if err != nil {
					t.Error(err)
					return
				}
				out, err := x.Put(t.Context(), []agent.Change{update(ada, results[0].Anchor, replace(s.name, identity.Boolean(n%2 == 0 || n == 5)))})
				if err != nil || out[0].Err != nil {
					t.Errorf("%v, %+v", err, out)
				}
				_ = x.Close(t.Context(), agent.Completed) // which writes nothing
			}
		})
	}
	group.Wait()
	if got := attribute(t, ada, "userAccountControl"); got != fmt.Sprint(normalAccount|accountDisable|dontExpirePassword) {
		t.Errorf("%s", got)
	}
}

// Values of a group come and go one by one. Those that others have added or removed
// meanwhile do no harm, wherever they are among the rest; what is no object is told.
func TestMembership(t *testing.T) {
	base, admin := place(t), administrator(t)
	d := open(t, settings(t, base), user, group)
	var members []string
	for i := range 12 {
		members = append(members, create(t, admin, fmt.Sprintf("CN=m%02d,%s", i, base), "user", "sAMAccountName", fmt.Sprintf("m%02d-member", i)))
	}
	dn := create(t, admin, "CN=all,"+base, "group", "sAMAccountName", "all-members")
	got, err := read(t, d, agent.ImportRequest{})
	must(t, err)
	change := func(come, gone []string) agent.Change {
		return agent.Change{
			Op: identity.Update, ObjectType: "group", DN: dn, Anchor: got.Entry(t, dn).Anchor,
			Changes: []identity.Change{{Name: "member", Op: identity.Update, Values: references(come...), Removed: references(gone...)}},
		}
	}
	names, _ := put(t, d, change(members[:8], nil))
	expectNames(t, names, "")
	others := goldap.NewModifyRequest(dn, nil)
	others.Delete("member", []string{members[3]})
	others.Add("member", []string{members[9], members[10]})
	must(t, admin.Modify(others))
	must(t, admin.Del(goldap.NewDelRequest(members[2], nil)))
	names, _ = put(t, d, change(members[8:], members[:6]))
	expectNames(t, names, "")
	if got := attribute(t, dn, "member"); got != strings.Join(members[6:], " ") {
		t.Errorf("%q", got)
	}
	names, _ = put(t, d, change([]string{"CN=nobody," + base}, members[6:7]))
	expectNames(t, names, "dn-attributes-failure")
}

// A move leads to where it should, a parent that is missing is told, and what is below a
// container goes with it only if that is meant.
func TestMovesAndContainers(t *testing.T) {
	base, admin := place(t), administrator(t)
	s := settings(t, base)
	d := open(t, s, user, unit)
	ada := "CN=ada," + base
	names, results := put(t, d, addition(ada, agenttest.Attrs("sAMAccountName", "ada-moves")))
	expectNames(t, names, "")
	names, refused := put(t, d,
		addition("CN=x,OU=none,"+base, agenttest.Attrs("sAMAccountName", "x-moves")),
		addition("CN=twin,"+base, agenttest.Attrs("sAMAccountName", "ada-moves")),
	)
	expectNames(t, names, "non-existent-parent", "cd-existing-object")
	if refused[0].Action != agent.ProvisionParent {
		t.Errorf("%+v", refused[0])
	}
	move := update(ada, results[0].Anchor, replace("title", identity.String("Dr")))
	move.NewDN = "CN=Lovelace,OU=new," + base
	names, _ = put(t, d, move)
	expectNames(t, names, "non-existent-parent")
	s.CreateParents = true
	names, _ = put(t, open(t, s, user, unit), move)
	expectNames(t, names, "")
	if attribute(t, move.NewDN, "title") != "Dr" {
		t.Error("the title is missing")
	}
	// Somebody has renamed it, and another one has its name: the anchor decides.
	must(t, admin.ModifyDN(goldap.NewModifyDNRequest(move.NewDN, "CN=Countess", true, "")))
	create(t, admin, move.NewDN, "user", "sAMAccountName", "stranger")
	names, results = put(t, d, update(move.NewDN, results[0].Anchor, replace("title", identity.String("Lady")), replace(disabled, identity.Boolean(true))))
	expectNames(t, names, "")
	if !strings.EqualFold(results[0].DN, "CN=Countess,OU=new,"+base) || attribute(t, move.NewDN, "title") != "" {
		t.Errorf("%+v", results[0])
	}

	gone := agent.Change{Op: identity.Delete, ObjectType: "unit", DN: "OU=new," + base}
	names, _ = put(t, d, gone)
	expectNames(t, names, "unsupported-container-delete")
	s.DeleteSubtree = true
	names, _ = put(t, open(t, s, user, unit), gone)
	expectNames(t, names, "")
	got, err := read(t, d, agent.ImportRequest{})
	must(t, err)
	got.Expect(t, "after the deletion", "unit "+base)
}
