package engine_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/rules"
)

func (w *world) forecast() *engine.Forecast {
	w.t.Helper()
	f, err := w.engine.Forecast(w.t.Context(), engine.ForecastOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

// TestForecastLaws: a forecast changes no byte of the store, and what it says is
// what then happens: as many objects are staged for creation and deletion, and
// once everything is synchronized there is nothing more to tell.
func TestForecastLaws(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newOffice(t, rapid.Bool().Draw(rt, "delta imports"))
		w.keepEdges(rapid.SampledFrom([]int{100, 1}).Draw(rt, "edges from"))
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			w.step(rt)
		}
		w.calm()
		before := dump(w.state)
		f := w.forecast()
		if diff := cmp.Diff(before, dump(w.state)); diff != "" {
			rt.Fatalf("the forecast changed the store (-before +after):\n%s", diff)
		}
		shown := w.showMetaverse()
		for _, name := range w.agents() {
			w.run(name, "full-sync")
		}
		if !f.Different && w.showMetaverse() != shown {
			rt.Fatalf("a forecast of nothing, and then\n%s", cmp.Diff(shown, w.showMetaverse()))
		}
		if again := w.forecast(); again.Different {
			rt.Fatalf("after it was done there is more to do: %+v\n%s", again, w)
		}
	})
}

// definition reads a configuration and opens its agents.
func (w *world) definition(configuration string) engine.Definition {
	w.t.Helper()
	present := w.config
	defer func() { w.config = present }()
	w.load(configuration)
	d := engine.Definition{Model: w.config.Model}
	for _, a := range w.config.Agents {
		opened, err := a.Settings.Open(agent.Env{Name: a.Name, Objects: a.Objects})
		if err != nil {
			w.t.Fatal(err)
		}
		d.Agents = append(d.Agents, engine.Agent{Name: a.Name, Agent: opened, Objects: a.Objects, Profiles: a.Profiles})
	}
	return d
}

const shop = `
metaverse:
  person: {attributes: {number: string, name: string, mail: string, kind: string}}
agents:
  HR: {type: memory, objects: {employee: {anchor: [id], strings: [name, kind]}}}
  AD:
    type: memory
    names: ldap
    deprovision: delete
    objects: {user: {anchor: [guid], strings: [number, name, mail, password], exportOnly: [password]}}
rules:
  - {name: people, agent: HR, object: employee, metaverse: person, inbound: {project: true, flows: {number: id, name: name, kind: kind}}}
  - name: accounts
    agent: AD
    object: user
    metaverse: person
    outbound:
      provision: true
      deprovision: true
      scope: [{attribute: kind, operator: not-equal, value: external}]
      flows: {dn: ="CN=" + name, number: number, name: name, password: {from: ="secret" + number, initial: true}}
`

// TestCompare: what another configuration would do to a population that is in
// step with the present one.
func TestCompare(t *testing.T) {
	newShop := func(t *testing.T) *world {
		w := newWorld(t, shop)
		w.edit("AD", "CN=stray", "user", "number=none")
		for _, person := range []string{"1 name=Ada", "2 name=Bob", "3 name=Cy kind=external"} {
			words := strings.Fields(person)
			w.edit("HR", words[0], "employee", words[1:]...)
		}
		w.cycle()
		w.cycle()
		return w
	}
	replace := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(shop) }
	tests := []struct {
		name string
		with string
		want string
	}{
		{"the same", shop, ""},
		{"another value", replace("name: name, kind", `name: =name + " X", kind`), "AD renames 2, name 2; person updates 3, name 3"},
		{"a further attribute", replace("number: number, name: name, pass", `number: number, mail: =name + "@x", name: name, pass`), "AD updates 2, mail 2"},
		{"a wider scope", replace("not-equal, value: external", "not-equal, value: nobody"), "AD adds 1, name 1, number 1, password 1"},
		{"a narrower scope", replace("attribute: kind, operator: not-equal, value: external", "attribute: name, operator: equal, value: Ada"), "AD deletes 1"},
		{
			"a further system", replace("rules:\n", "  LDAP: {type: memory, names: own, objects: {entry: {anchor: [key], strings: [number]}}}\nrules:\n"+
				"  - {name: entries, agent: LDAP, object: entry, metaverse: person, outbound: {provision: true, flows: {dn: number, number: number}}}\n"),
			"LDAP adds 3, number 3",
		},
		{"a join by what was no criterion before", replace("name: people,", "name: people, join: [{name: name}],"), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newShop(t)
			before := dump(w.state)
			f, err := w.engine.Compare(t.Context(), w.definition(test.with), rules.Functions{}, engine.ForecastOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := summary(f); got != test.want || f.Different != (test.want != "") {
				t.Errorf("different: %v, %s; want %s", f.Different, got, test.want)
			}
			for _, a := range f.Agents {
				for _, s := range a.Samples {
					if password, changes := s.Changes["password"]; changes && fmt.Sprint(password) != "{[] [(not shown)]}" {
						t.Errorf("the sample shows a password: %v", password)
					}
				}
			}
			if diff := cmp.Diff(before, dump(w.state)); diff != "" {
				t.Errorf("the comparison changed the store (-before +after):\n%s", diff)
			}
		})
	}
}

// summary shows a forecast in a line.
func summary(f *engine.Forecast) string {
	var parts []string
	add := func(name string, c engine.Changes) {
		var counts []string
		for _, n := range []struct {
			what string
			n    int
		}{{"adds", c.Adds}, {"updates", c.Updates}, {"renames", c.Renames}, {"deletes", c.Deletes}} {
			if n.n > 0 {
				counts = append(counts, fmt.Sprintf("%s %d", n.what, n.n))
			}
		}
		for _, attribute := range slices.Sorted(maps.Keys(c.Attributes)) {
			counts = append(counts, fmt.Sprintf("%s %d", attribute, c.Attributes[attribute]))
		}
		if len(counts) > 0 {
			parts = append(parts, name+" "+strings.Join(counts, ", "))
		}
	}
	for _, a := range f.Agents {
		add(a.Agent, a.Changes)
	}
	for _, t := range f.Metaverse {
		add(t.Type, t.Changes)
	}
	return strings.Join(parts, "; ")
}
