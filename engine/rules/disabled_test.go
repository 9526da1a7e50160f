package rules

import (
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/fault"
)

// TestDisabledRules: a disabled rule decides nothing, so the set is the one without
// it, but its mistakes are found.
func TestDisabledRules(t *testing.T) {
	with := func(change func(*Model)) Model {
		m := model()
		extra := Rule{
			Name: "extra", Agent: "AD", Object: "user", Metaverse: "person", Position: at(70), Disabled: true,
			Join:    []JoinCriterion{{Pairs: []JoinPair{{Connector: "mail", Metaverse: "name", Position: at(71)}}}},
			Inbound: &Inbound{Project: true, Flows: []Flow{{Target: "phones", Source: Source{Attribute: "mail"}, Merge: Merge}}},
		}
		m.Rules = append(m.Rules, extra)
		change(&m)
		return m
	}
	without, err := Compile(model(), Functions{})
	if err != nil {
		t.Fatal(err)
	}
	set, err := Compile(with(func(*Model) {}), Functions{})
	if err != nil {
		t.Fatal(err)
	}
	if set.Fingerprint != without.Fingerprint || len(set.Agent("AD").Objects["user"].Inbound) != 0 || len(set.Indexed["person"]) != len(without.Indexed["person"]) {
		t.Error("a disabled rule makes a difference")
	}
	last := func(m *Model) *Rule { return &m.Rules[len(m.Rules)-1] }
	for _, tt := range []struct {
		name   string
		change func(*Model)
		want   string
	}{
		{"an unknown attribute", func(m *Model) { last(m).Join[0].Pairs[0].Connector = "nowhere" }, "metasync.yaml:71:1: sync-rule-relationship-criteria-attribute-not-found"},
		{"an unknown agent", func(m *Model) { last(m).Agent = "XX" }, `unknown agent "XX"`},
		{"two link types", func(m *Model) { last(m).Inbound.Sticky = true }, "two link types"},
		{"a rule that depends on it", func(m *Model) { m.Rules[1].DependsOn = "extra" }, `depends on "extra", which is disabled`},
		{"a rule that ranks before it", func(m *Model) { m.Rules[1].PrecedenceBefore = "extra" }, `ranks before "extra", which is disabled`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Compile(with(tt.change), Functions{})
			if all := fault.All(err); len(all) != 1 || !strings.Contains(all[0].Error(), tt.want) {
				t.Errorf("%v, want one error with %q", err, tt.want)
			}
		})
	}
	// Of a merge type that the others do not share, nobody is hurt while it is off.
	if _, err := Compile(with(func(m *Model) { last(m).Disabled = false; last(m).Inbound.Flows[0].Target = "name" }), Functions{}); err == nil {
		t.Error("values are merged into an attribute that has only one")
	}
}
