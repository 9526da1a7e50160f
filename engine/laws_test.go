package engine_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
)

// office is a world of three systems: HR decides who there is, the portal adds
// what people say of themselves, the directory has the accounts and groups.
const office = `
metaverse:
  person:
    attributes: {number: string, name: string, title: {type: string, precedence: [HR, Portal]}, phone: string, manager: reference, kind: string}
    delete: {when: any-of, agents: [HR]}
  group:
    attributes: {number: string, members: "reference[]"}
    delete: {when: any-of, agents: [HR]}
agents:
  HR:
    type: memory
    objects:
      employee: {anchor: [id], strings: [name, title, kind], attributes: {manager: reference}}
      team: {anchor: [id], attributes: {members: "reference[]"}}
  Portal:
    type: memory
    names: own
    delta: %t
    objects: {page: {anchor: [key], strings: [number, phone, title, name]}}
  Directory:
    type: memory
    names: ldap
    delta: %t
    deprovision: delete
    objects:
      user: {anchor: [guid], strings: [number, name, title, phone, note], attributes: {manager: reference}}
      group: {anchor: [guid], strings: [number], attributes: {member: "reference[]"}}
rules:
  - name: employees
    agent: HR
    object: employee
    metaverse: person
    join: [{id: number}]
    inbound: {project: true, flows: {number: id, name: name, title: title, manager: manager, kind: kind}}
  - name: teams
    agent: HR
    object: team
    metaverse: group
    join: [{id: number}]
    inbound: {project: true, flows: {number: id, members: members}}
  - name: pages
    agent: Portal
    object: page
    metaverse: person
    join: [{number: number}]
    inbound: {flows: {phone: phone, title: title}}
  - name: names for pages
    agent: Portal
    object: page
    metaverse: person
    outbound: {flows: {name: {from: name, allowNull: true}}}
  - name: accounts
    agent: Directory
    object: user
    metaverse: person
    join: [{number: number}]
    outbound:
      scope: [{attribute: kind, operator: not-equal, value: external}]
      provision: true
      deprovision: true
      flows:
        dn: ="CN=" + number + " " + name
        number: number
        name: {from: name, allowNull: true}
        title: {from: title, allowNull: true}
        phone: {from: phone, allowNull: true, existenceTest: true}
        manager: {from: manager, allowNull: true, existenceTest: true}
        note: {value: new, initial: true}
  # Stronger, but applied later; without a value it leaves the phone to the other.
  - name: phones
    agent: Directory
    object: user
    metaverse: person
    precedence: 1
    dependsOn: accounts
    outbound:
      scope: [{attribute: title, operator: is-not-null}]
      flows: {phone: phone, title: {from: title, allowNull: true}}
  - name: groups
    agent: Directory
    object: group
    metaverse: group
    join: [{number: number}]
    outbound:
      provision: true
      flows: {dn: ="CN=group " + number, number: number, member: {from: members, allowNull: true}}
`

func newOffice(t testing.TB, delta bool) *world {
	return newOfficeOf(newWorld(t, fmt.Sprintf(office, delta, delta)))
}

// newScriptedOffice returns the same world with an extension that provisions in
// place of the rules.
func newScriptedOffice(t testing.TB, delta bool) *world {
	return newOfficeOf(newExtendedWorld(t, "provisioning: scripted\n"+fmt.Sprintf(office, delta, delta), directory()))
}

func newOfficeOf(w *world) *world {
	// What never goes keeps the systems from being empty, which is not believed.
	w.edit("HR", "p0", "employee", "name=zero")
	w.edit("Portal", "nobody", "page", "number=none")
	w.edit("Directory", "CN=stray", "user", "name=stray")
	return w
}

// edit creates or replaces an object of a system.
func (w *world) edit(systemName, key, objectType string, pairs ...string) {
	w.t.Helper()
	if w.mirror != nil {
		w.mirror.edit(systemName, key, objectType, pairs...)
	}
	s := &script{world: w}
	if err := s.put(w.systems[systemName], key, append([]string{"type=" + objectType}, pairs...), false); err != nil {
		w.t.Fatal(err)
	}
}

// change changes an object of a system, if it has it.
func (w *world) change(systemName, key string, pairs ...string) {
	w.t.Helper()
	if w.mirror != nil {
		w.mirror.change(systemName, key, pairs...)
	}
	if _, found := w.systems[systemName].object(key); !found {
		return
	}
	s := &script{world: w}
	if err := s.put(w.systems[systemName], key, pairs, true); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) drop(systemName, key string) {
	if w.mirror != nil {
		w.mirror.drop(systemName, key)
	}
	if o, found := w.systems[systemName].object(key); found {
		w.systems[systemName].Remove(o.Anchor)
	}
}

var (
	people    = []string{"p1", "p2", "p3", "p4"}
	teams     = []string{"t1", "t2"}
	names     = []string{"ada", "bob", "Carl"}
	titles    = []string{"", "Dr", "Prof"}
	kinds     = []string{"", "", "external"}
	failCalls = []agenttest.Call{
		agenttest.CallOpenImport, agenttest.CallNext, agenttest.CallCloseImport,
		agenttest.CallOpenExport, agenttest.CallPut, agenttest.CallCloseExport,
	}
)

func pick(t *rapid.T, label string, from []string) string {
	return rapid.SampledFrom(from).Draw(t, label)
}

// account draws a DN of the directory.
func (w *world) account(t *rapid.T) string {
	objects := w.systems["Directory"].Objects()
	return rapid.SampledFrom(objects).Draw(t, "account").DN
}

// step does one random thing.
func (w *world) step(t *rapid.T) {
	switch rapid.IntRange(0, 17).Draw(t, "step") {
	case 0, 1, 2:
		w.edit("HR", pick(t, "person", people), "employee",
			"name="+pick(t, "name", names), "title="+pick(t, "title", titles),
			"kind="+pick(t, "kind", kinds), "manager="+pick(t, "manager", append([]string{"", "p0"}, people...)))
	case 3:
		members := rapid.SliceOfNDistinct(rapid.SampledFrom(append([]string{"p0"}, people...)), 0, 4, rapid.ID[string]).Draw(t, "members")
		w.edit("HR", pick(t, "team", teams), "team", "members="+strings.Join(members, ";"))
	case 4:
		w.drop("HR", pick(t, "gone", append(teams, people...)))
	case 5:
		person := pick(t, "page", append([]string{"p0"}, people...))
		w.edit("Portal", "page "+person, "page", "number="+person, "phone="+pick(t, "phone", []string{"", "1", "2"}), "title="+pick(t, "own title", titles))
	case 6:
		w.drop("Portal", "page "+pick(t, "page gone", people))
	case 7:
		dn := w.account(t)
		if o, _ := w.systems["Directory"].object(dn); o.Type == "user" && dn != "CN=stray" {
			w.change("Directory", dn, "title="+pick(t, "drift", titles), "phone="+pick(t, "phone drift", []string{"", "9"}), "manager="+dn)
		}
	case 8:
		if dn := w.account(t); dn != "CN=stray" {
			w.drop("Directory", dn)
		}
	case 9:
		if dn := w.account(t); dn != "CN=stray" {
			other := "CN=moved " + pick(t, "moved to", []string{"1", "2"})
			if _, taken := w.systems["Directory"].object(other); !taken {
				w.change("Directory", dn, "dn="+other)
			}
		}
	case 10:
		agent := rapid.SampledFrom(w.agents()).Draw(t, "faulty")
		call := rapid.SampledFrom(failCalls).Draw(t, "call")
		n := rapid.IntRange(1, 3).Draw(t, "at")
		w.disturb(agent, call, n, rapid.Bool().Draw(t, "answer lost"))
	case 11:
		w.open()
	default:
		agent := rapid.SampledFrom(w.agents()).Draw(t, "agent")
		w.run(agent, string(rapid.SampledFrom(run.StepTypes).Draw(t, "profile")))
	}
}

// disturb has the n-th call from now on fail, or work and its answer be lost.
func (w *world) disturb(agent string, call agenttest.Call, n int, lost bool) {
	if w.mirror != nil {
		w.mirror.disturb(agent, call, n, lost)
	}
	err := fault.New("stopped-connectivity", "as the test wants it")
	if lost {
		w.systems[agent].LoseAnswer(call, n, err)
	} else {
		w.systems[agent].FailCall(call, n, err)
	}
}

// TestConvergence: whatever happened, and whether rules or scripts provision, in whatever order, two full cycles without
// trouble bring all systems to what HR and the portal say; a further cycle
// changes nothing.
func TestConvergence(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		world := newOffice
		if rapid.Bool().Draw(rt, "scripted") {
			world = newScriptedOffice
		}
		w := world(t, rapid.Bool().Draw(rt, "delta imports"))
		w.keepEdges(rapid.SampledFrom([]int{100, 1, 2}).Draw(rt, "edges from"))
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			w.step(rt)
			if err := w.engine.Space().Check(); err != nil {
				rt.Fatalf("the store is not sound: %v\n%s", err, w)
			}
		}
		w.calm()
		w.cycle()
		w.cycle()
		w.settled(rt)
	})
}

// calm forgets the faults that are still planned.
func (w *world) calm() {
	for _, s := range w.systems {
		s.Calm()
	}
}

type fataler interface {
	Fatalf(format string, args ...any)
}

// settled fails the test unless the systems are as they should be and a further
// cycle changes nothing.
func (w *world) settled(t fataler) {
	if err := w.engine.Space().Check(); err != nil {
		t.Fatalf("the store is not sound: %v\n%s", err, w)
	}
	if diff := cmp.Diff(w.expected(), w.actual()); diff != "" {
		t.Fatalf("systems (-want +got):\n%s\n%s", diff, w)
	}
	before, changes := dump(w.state), w.changes()
	for _, r := range w.cycle() {
		if !quiet(r) {
			t.Fatalf("a further cycle does something:\n%s\n%s", showRecord(r), w)
		}
	}
	if w.changes() != changes {
		t.Fatalf("a further cycle changes systems\n%s", w)
	}
	if diff := cmp.Diff(before, dump(w.state)); diff != "" {
		t.Fatalf("a further cycle changes the store (-before +after):\n%s\n%s", diff, w)
	}
}

// expected is what HR and the portal say about the directory: a line per object.
func (w *world) expected() []string {
	lines := []string{"stray"}
	hr := map[string]agenttest.Object{}
	for _, o := range w.systems["HR"].Objects() {
		hr[o.Anchor] = o
	}
	hasAccount := func(id string) bool {
		o, found := hr[id]
		return found && o.Type == "employee" && o.Attributes.First("kind").Text() != "external"
	}
	dn := func(id string) string { return "CN=" + id + " " + hr[id].Attributes.First("name").Text() }
	for id, o := range hr {
		if o.Type == "team" {
			var members []string
			for _, m := range o.Attributes.Get("members") {
				if hasAccount(m.Text()) {
					members = append(members, dn(m.Text()))
				}
			}
			slices.Sort(members)
			lines = append(lines, fmt.Sprintf("CN=group %s %q", id, members))
			continue
		}
		if !hasAccount(id) {
			continue
		}
		title, phone := o.Attributes.First("title").Text(), ""
		if page, found := w.systems["Portal"].object("page " + id); found {
			phone = page.Attributes.First("phone").Text()
			if title == "" {
				title = page.Attributes.First("title").Text()
			}
		}
		manager := ""
		if m := o.Attributes.First("manager").Text(); hasAccount(m) {
			manager = dn(m)
		}
		lines = append(lines, fmt.Sprintf("%s title=%s phone=%s manager=%s", dn(id), title, phone, manager))
	}
	slices.Sort(lines)
	return lines
}

// actual is the directory in the same form.
func (w *world) actual() []string {
	var lines []string
	for _, o := range w.systems["Directory"].Objects() {
		switch {
		case o.DN == "CN=stray":
			lines = append(lines, "stray")
		case o.Type == "group":
			var members []string
			for _, m := range o.Attributes.Get("member") {
				members = append(members, m.Text())
			}
			slices.Sort(members)
			lines = append(lines, fmt.Sprintf("%s %q", o.DN, members))
		default:
			text := func(name string) string { return o.Attributes.First(name).Text() }
			lines = append(lines, fmt.Sprintf("%s title=%s phone=%s manager=%s", o.DN, text("title"), text("phone"), text("manager")))
		}
	}
	slices.Sort(lines)
	return lines
}

// dump returns every entry of a store but what runs always note about their
// agents.
func dump(s store.Store) map[string]string {
	entries := map[string]string{}
	_ = s.View(func(r store.Reader) error {
		for _, bucket := range []store.Bucket{"meta-space", "object", "anchor", "dn", "value", "work", "backref", "waiting", "retry", "count"} {
			for key, value := range r.Scan(bucket, nil, nil) {
				if bytes.HasPrefix(key, []byte("state/")) {
					continue
				}
				entries[fmt.Sprintf("%s %q", bucket, key)] = fmt.Sprintf("%x", value)
			}
		}
		return nil
	})
	return entries
}
