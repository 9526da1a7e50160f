package config_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/agent/discover"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/identity"
)

func draftOf(text string, found *discover.Discovery) (string, error) {
	draft, err := config.Draft("metasync.yaml", config.Options{
		Kinds:    kinds(),
		ReadFile: func(string) ([]byte, error) { return []byte(text), nil },
		Getenv:   func(name string) (string, bool) { return "hunter2", name == "SECRET" },
	}, "HR", found)
	return string(draft), err
}

// Whatever a system calls its types and attributes, what is drafted can be loaded, holds the
// agent as it is written, and reads only what can be read.
func TestDraft(t *testing.T) {
	awkward := rapid.SampledFrom([]string{
		"title", "true", "null", "7", "a b", "it's", `say "so"`, "a: b", "a #b", "${env:HOME}", "- a", "{a}", "*a", "&a", "<<", "ä", "a,b", "=x", "%",
		"", " x", "x ", "a\tb", "a\nb", "object-type", "dn", "person", "userGroup", "userPassword", "\u2028", "\x00", "?", "~",
	})
	name := rapid.OneOf(awkward, rapid.StringMatching(`[A-Za-z][A-Za-z0-9-]{0,5}`), rapid.String())
	base := "agents: {HR: {type: csv, file: '${env:SECRET}.csv', columns: ['a: b', \"${env:SECRET}\"], objects: {known: {anchor: [id]}}}}"
	rapid.Check(t, func(t *rapid.T) {
		found := &discover.Discovery{Settings: []discover.Fact{{Name: "speed", Value: "fast"}}}
		seen := map[string]bool{"known": true}
		for range rapid.IntRange(0, 4).Draw(t, "types") {
			o := discover.Type{Use: map[string]discover.Use{}, Holders: rapid.Bool().Draw(t, "holders")}
			if o.Name = name.Draw(t, "type"); seen[o.Name] {
				continue
			}
			seen[o.Name] = true
			for range rapid.IntRange(0, 5).Draw(t, "attributes") {
				a := identity.AttributeType{Name: name.Draw(t, "attribute"), Multi: rapid.Bool().Draw(t, "multi")}
				if o.Attribute(a.Name) != nil {
					continue
				}
				a.Type = identity.Type(rapid.IntRange(int(identity.TypeString), int(identity.TypeReference)).Draw(t, "kind"))
				a.ExportOnly = rapid.Bool().Draw(t, "export")
				o.Attributes = append(o.Attributes, a)
				if rapid.Bool().Draw(t, "describe") {
					o.Describe = append(o.Describe, a.Name)
				}
				if rapid.Bool().Draw(t, "unique") {
					o.Candidates = append(o.Candidates, a.Name)
				}
			}
			if n := rapid.StringMatching(`[a-z]{1,3}`).Draw(t, "anchor"); rapid.Bool().Draw(t, "anchored") {
				o.Anchor = []string{n}
			}
			if rapid.Bool().Draw(t, "keys") {
				o.Keys = []discover.Key{{Name: "table", Values: []string{strings.ToValidUTF8(name.Draw(t, "table"), "") + "t"}}}
			}
			found.Types = append(found.Types, o)
		}
		text, err := draftOf(base, found)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text, "hunter2") || !strings.Contains(text, "${env:SECRET}") {
			t.Fatalf("a secret is shown, or lost:\n%s", text)
		}
		c, err := config.Load("metasync.yaml", config.Options{
			Kinds:    kinds(),
			ReadFile: func(string) ([]byte, error) { return []byte(text), nil },
			Getenv:   func(string) (string, bool) { return "hunter2", true },
		})
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		s, ok := c.Agents[0].Settings.(*csvSettings)
		if !ok || !strings.HasSuffix(string(s.File), "hunter2.csv") || !slices.Equal(s.Columns, []string{"a: b", "hunter2"}) || s.Speed != "fast" {
			t.Fatalf("the agent is another one: %+v\n%s", s, text)
		}
		for _, r := range c.Model.Rules {
			if r.Outbound != nil || r.Agent != "HR" {
				t.Fatalf("rule %q writes, or is of another agent", r.Name)
			}
			for _, f := range r.Inbound.Flows {
				i := slices.IndexFunc(found.Types, func(o discover.Type) bool { return o.Name == r.Object })
				if a := found.Types[i].Attribute(f.Source.Attribute); a == nil || a.ExportOnly || a.Name == "userPassword" {
					t.Fatalf("rule %q reads %q", r.Name, f.Source.Attribute)
				}
			}
		}
	})
}

// What there is already is not drafted again.
func TestDraftBesideOthers(t *testing.T) {
	base := `metaverse: {person: {attributes: {id: string, mail: string, phones: string}}}
agents:
  HR: {type: csv, file: hr.csv}
  Old: {type: csv, file: old.csv, objects: {person: {}}}
rules:
- {name: HR employee, agent: Old, object: person, metaverse: person, inbound: {project: true, flows: {id: id}}}
`
	employee := discover.Type{ObjectType: identity.ObjectType{Name: "employee", Anchor: []string{"id"}, Attributes: []identity.AttributeType{
		{Name: "id", Type: identity.TypeString}, {Name: "mail", Type: identity.TypeString}, {Name: "phones", Type: identity.TypeString, Multi: true},
	}}, Describe: []string{"phones"}}
	user := discover.Type{ObjectType: identity.ObjectType{Name: "user", Attributes: []identity.AttributeType{{Name: "login", Type: identity.TypeString}}}}
	got, err := draftOf(base, &discover.Discovery{Types: []discover.Type{employee, user}})
	if err != nil {
		t.Fatal(err)
	}
	want := `# A draft for the agent HR, as its system was found. Look at anchors, types and flows
# before it is used: what is guessed may be wrong. It writes to no system.
# object type user has no rule: no attribute that identifies its objects is one of metaverse type person
agents:
  HR:
    type: csv
    file: hr.csv
    objects:
      employee:
        anchor: [id]
        attributes:
          phones: string[]
      user: {}
rules:
- name: HR employee draft
  agent: HR
  object: employee
  metaverse: person
  join:
    - {id: id}
  inbound:
    flows:
      id: id
      mail: mail
`
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
