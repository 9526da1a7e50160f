package rules

import (
	"testing"

	"github.com/metasync/metasync/engine/identity"
)

// The criteria deny what they can compare and find different, unless one of them holds.
func TestDenies(t *testing.T) {
	m := model()
	m.Rules[1].Join = append(m.Rules[1].Join,
		JoinCriterion{Pairs: []JoinPair{{Connector: "mail", Metaverse: "name"}, {Connector: "number", Metaverse: "phones", CaseSensitive: true}}})
	set, err := Compile(m, Functions{})
	if err != nil {
		t.Fatal(err)
	}
	texts := func(pairs ...string) (a identity.Attributes) {
		for i := 0; i < len(pairs); i += 2 {
			a = a.Set(pairs[i], identity.String(pairs[i+1]))
		}
		return a
	}
	for _, test := range []struct {
		what   string
		cs, mv identity.Attributes
		want   bool
	}{
		{"the first holds", texts("number", "A1"), texts("number", "a1"), false},
		{"the first does not hold", texts("number", "2"), texts("number", "1"), true},
		{"no value there", texts("mail", "x"), texts("number", "1"), false},
		{"no value here", texts("number", "1"), texts("name", "x"), false},
		{"the second holds", texts("number", "A2", "mail", "x"), texts("number", "1", "name", "X", "phones", "A2"), false},
		{"the second holds but for the case", texts("number", "A2", "mail", "x"), texts("number", "1", "name", "X", "phones", "a2"), true},
		{"half of the second is not there", texts("number", "A2", "mail", "x"), texts("name", "y"), false},
	} {
		if got := set.Agent("AD").Objects["user"].Denies(test.cs, test.mv, set.Type("person")); got != test.want {
			t.Errorf("%s: %v", test.what, got)
		}
	}
}

// Of a system that does not answer nobody knows what its attributes are: flows of any
// type are taken for right.
func TestAssumedTypes(t *testing.T) {
	m := model()
	m.Agents[1].Assumed = true
	m.Agents[1].Schema.Types[0].Attributes = nil
	outbound := m.Rules[1].Outbound
	outbound.Flows = append(outbound.Flows,
		Flow{Target: "manager", Source: Source{Attribute: "boss"}}, Flow{Target: "photo", Source: Source{Attribute: "photo"}},
		Flow{Target: "telephoneNumber", Source: Source{Attribute: "phones"}})
	m.Rules[1].Inbound = &Inbound{Flows: []Flow{
		{Target: "boss", Source: Source{Attribute: "manager"}}, {Target: "photo", Source: Source{Attribute: "thumbnailPhoto"}},
	}}
	if _, err := Compile(m, Functions{}); err != nil {
		t.Error(err)
	}
	m.Agents[1].Assumed = false
	if _, err := Compile(m, Functions{}); err == nil {
		t.Error("attributes that are known not to be there are taken for right")
	}
}
