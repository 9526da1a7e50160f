package engine_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/store/storetest"
)

// exchange is a world in which names pass from one object to another: HR names
// people as it likes, and every account is called as its person is.
const exchange = `
metaverse:
  person:
    attributes: {number: string, name: string, boss: reference}
    delete: {when: any-of, agents: [HR]}
agents:
  HR:
    type: memory
    objects: {employee: {anchor: [id], strings: [name], attributes: {boss: reference}}}
  Dir:
    type: memory
    deprovision: delete
    %s
    objects: {user: {anchor: [%s], strings: [number, note], attributes: {manager: reference}}}
rules:
  - name: people
    agent: HR
    object: employee
    metaverse: person
    join: [{id: number}]
    inbound: {project: true, flows: {number: id, name: name, boss: boss}}
  - name: accounts
    agent: Dir
    object: user
    metaverse: person
    join: [{number: number}]
    outbound: {provision: true, flows: {%s, number: number, manager: {from: boss, allowNull: true}}}
`

// exchangeKinds are the directories of exchange: the settings, the anchor and the
// flow of the name.
var exchangeKinds = map[string][3]string{
	"own":        {"names: own", "guid", `dn: name`},
	"own, delta": {"names: own\n    delta: true", "guid", `dn: name`},
	"ldap":       {"names: ldap\n    references: true\n    actions: true", "guid", `dn: '="CN=" + name + ",OU=x"'`},
	"anchor":     {"names: anchor", "login", `login: name`},
	"file":       {"names: anchor\n    allOrNothing: true", "login", `login: name`},
	"whole":      {"names: own\n    level: object", "guid", `dn: name`},
	"whole file": {"names: anchor\n    level: object\n    allOrNothing: true", "login", `login: name`},

	"own, delta, replacing": {"names: own\n    delta: true\n    deleteAdd: true", "guid", `dn: name`},
	"own, delta, dangling":  {"names: own\n    delta: true\n    dangling: true", "guid", `dn: name`},

	"own, replacing":  {"names: own\n    deleteAdd: true", "guid", `dn: name`},
	"file, replacing": {"names: anchor\n    allOrNothing: true\n    deleteAdd: true", "login", `login: name`},
}

// renamePeople gives people of HR names that no two of them have: some keep theirs, the
// others get them in any order, or new ones; some go, some come.
func (w *world) renamePeople(t *rapid.T) {
	staff := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"1", "2", "3", "4", "5", "6"}), 1, 6, rapid.ID[string]).Draw(t, "staff")
	called := rapid.Permutation([]string{"a", "b", "c", "d", "e", "f", "g"}).Draw(t, "names")
	for i, id := range []string{"1", "2", "3", "4", "5", "6"} {
		if slices.Contains(staff, id) {
			w.edit("HR", id, "employee", "name="+called[i], "boss="+rapid.SampledFrom(append([]string{"", "0"}, staff...)).Draw(t, "boss"))
		} else {
			w.drop("HR", id)
		}
	}
}

// staffed fails the test unless every person has one account of the right name.
func (w *world) staffed(t fataler, suffix func(string) string) {
	var want, got []string
	called := map[string]string{}
	for _, o := range w.systems["HR"].Objects() {
		called[o.Anchor] = suffix(o.Attributes.First("name").Text())
	}
	for _, o := range w.systems["HR"].Objects() {
		want = append(want, fmt.Sprintf("%s %s boss %s", o.Anchor, called[o.Anchor], called[o.Attributes.First("boss").Text()]))
	}
	for _, o := range w.systems["Dir"].Objects() {
		got = append(got, fmt.Sprintf("%s %s boss %s", o.Attributes.First("number").Text(), o.DN, o.Attributes.First("manager").Text()))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("accounts (-want +got):\n%s\n%s", diff, w)
	}
}

// TestOnceEnds: after once, everything is as HR wants it and a second once changes
// nothing anywhere, whoever got whose name and whatever broke off before.
func TestOnceEnds(t *testing.T) {
	for _, kind := range slices.Sorted(maps.Keys(exchangeKinds)) {
		t.Run(kind, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) { onceEnds(t, rt, kind) })
		})
	}
}

func onceEnds(t *testing.T, rt *rapid.T, kind string) {
	k := exchangeKinds[kind]
	w := newWorld(t, fmt.Sprintf(exchange, k[0], k[1], k[2]))
	w.edit("HR", "0", "employee", "name=always")
	dn := func(name string) string {
		if kind == "ldap" && name != "" {
			return "CN=" + name + ",OU=x"
		}
		return name
	}
	for range rapid.IntRange(1, 6).Draw(rt, "rounds") {
		w.renamePeople(rt)
		switch rapid.IntRange(0, 5).Draw(rt, "before") {
		case 0: // somebody ran a part of it by hand
			w.run("HR", "full-import")
			w.run("HR", "delta-sync")
			if rapid.Bool().Draw(rt, "exported") {
				w.run("Dir", "export")
			}
			w.renamePeople(rt)
		case 1: // ... and it broke off
			w.run("HR", "full-import")
			w.run("HR", "delta-sync")
			call := rapid.SampledFrom([]agenttest.Call{agenttest.CallOpenExport, agenttest.CallPut, agenttest.CallCloseExport}).Draw(rt, "call")
			w.disturb("Dir", call, rapid.IntRange(1, 2).Draw(rt, "at"), rapid.Bool().Draw(rt, "answer lost"))
			w.run("Dir", "export")
			w.calm()
			if rapid.Bool().Draw(rt, "meanwhile") {
				w.open()
			}
		}
		records, summary := w.once()
		shown := func() (text string) {
			for _, r := range records {
				text += showRecord(r)
			}
			return text
		}
		if summary.Failed || summary.Errors {
			rt.Fatalf("%+v\n%s\n%s", summary.Left, shown(), w)
		}
		if err := w.engine.Space().Check(); err != nil {
			rt.Fatalf("the store is not sound: %v\n%s", err, w)
		}
		w.staffed(rt, dn)
		before, changes := dump(w.state), w.changes()
		first := shown()
		records, _ = w.once()
		for _, r := range records {
			if !quiet(r) {
				rt.Fatalf("a second once does something:\n%s\nafter\n%s\n%s", shown(), first, w)
			}
		}
		if w.changes() != changes {
			rt.Fatalf("a second once changes systems:\n%s\n%s", shown(), w)
		}
		if diff := cmp.Diff(before, dump(w.state)); diff != "" {
			rt.Fatalf("a second once changes the store (-before +after):\n%s\n%s", diff, w)
		}
	}
}

// TestNamesCrash kills the engine at every commit while names pass from one account
// to another. Every account ends with the name of its person, and with what somebody
// else has written on it: none has become another one on the way.
func TestNamesCrash(t *testing.T) {
	for _, kind := range slices.Sorted(maps.Keys(exchangeKinds)) {
		t.Run(kind, func(t *testing.T) {
			k := exchangeKinds[kind]
			dn := func(name string) string {
				if kind == "ldap" && name != "" {
					return "CN=" + name + ",OU=x"
				}
				return name
			}
			n := 1
			for crashed := true; crashed; n++ {
				w := newWorld(t, fmt.Sprintf(exchange, k[0], k[1], k[2]))
				for i, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
					w.edit("HR", fmt.Sprint(i), "employee", "name="+name, fmt.Sprintf("boss=%d", (i+1)%6))
				}
				w.once()
				for i, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
					w.change("Dir", dn(name), fmt.Sprintf("note=of %d", i))
				}
				w.once()
				// Two swap, three go round, one gets a new name, and its own goes to
				// somebody who had that of one who goes.
				for id, name := range map[string]string{"0": "b", "1": "a", "2": "d", "3": "e", "4": "c", "5": "g"} {
					w.change("HR", id, "name="+name)
				}
				w.drop("HR", "6")
				w.open()
				if err := w.tryOpen(storetest.FailAfter(w.state, n)); err == nil {
					crashed = w.killed("HR", "full-import") || w.killed("HR", "delta-sync") || w.killed("Dir", "export")
				}
				w.open()
				w.check()
				records, summary := w.once()
				if summary.Failed || summary.Errors {
					for _, r := range records {
						t.Log(showRecord(r))
					}
					t.Fatalf("after a crash at commit %d: %+v\n%s", n, summary, w)
				}
				w.check()
				w.staffed(t, dn)
				for _, o := range w.systems["Dir"].Objects() {
					if got, want := o.Attributes.First("note").Text(), "of "+o.Attributes.First("number").Text(); got != want {
						t.Fatalf("after a crash at commit %d: the account of %s is that %s\n%s", n, o.Attributes.First("number"), got, w)
					}
				}
			}
			if n < 8 {
				t.Fatalf("there are only %d commits: the test tests nothing", n)
			}
		})
	}
}

// killed runs a profile and reports whether the store failed on the way.
func (w *world) killed(agent, profile string) bool {
	record, err := w.tryRun(w.t.Context(), agent, profile)
	return err != nil || record.Result.Severity() > 3
}
