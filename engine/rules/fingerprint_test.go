package rules

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/identity"
)

// outdated lists of which objects the fingerprints are other ones.
func outdated(t *testing.T, before, after *Set) []string {
	t.Helper()
	var list []string
	for _, agent := range before.Agents() {
		for name := range before.Agent(agent).Objects {
			if before.Inbound(agent, name) != after.Inbound(agent, name) {
				list = append(list, agent+"."+name)
			}
		}
	}
	for name := range before.types {
		if before.Outbound(name) != after.Outbound(name) {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	if (len(list) > 0) && before.Fingerprint == after.Fingerprint {
		t.Error("the fingerprint of everything is the same")
	}
	return list
}

// TestFingerprintsOfTypes: a change concerns those objects about which it decides,
// and no others.
func TestFingerprintsOfTypes(t *testing.T) {
	functions := func(change func(*Functions)) Functions {
		flower := func(context.Context, Entry) (expr.Value, error) { return expr.Null(), nil }
		f := Functions{
			ByName: map[string]expr.Function{
				"initials": {Name: "initials", MaxArgs: -1, Version: "1"}, "other": {Name: "other", MaxArgs: -1, Version: "1"},
			},
			Flows:        map[FlowName]Flower{{Agent: "HR", Object: "employee", Name: "full name"}: flower},
			FlowVersions: map[FlowName]string{{Agent: "HR", Object: "employee", Name: "full name"}: "1"},
			Agents:       map[string]AgentExtension{"AD": {Version: "1", Deprovision: func(context.Context, ConnectorEntry) (Deprovision, error) { return Disconnect, nil }}},
			Version:      "1",
		}
		change(&f)
		return f
	}
	scripted := func() Model {
		m := model()
		m.Types = append(m.Types, MetaverseType{Name: "thing", Attributes: []MetaverseAttribute{{Name: "number", Type: identity.TypeString}}})
		hr := &m.Agents[0].Schema
		hr.Types = append(hr.Types, identity.ObjectType{Name: "car", Anchor: []string{"id"}, Attributes: []identity.AttributeType{{Name: "id", Type: identity.TypeString}}})
		m.Rules = append(m.Rules, Rule{
			Name: "cars", Agent: "HR", Object: "car", Metaverse: "thing",
			Inbound: &Inbound{Project: true, Flows: []Flow{{Target: "number", Source: Source{Attribute: "id"}}}},
		})
		m.Rules[0].ID, m.Types[0].Delete.When = "r1", Held
		m.Agents[1].Deprovision, m.Agents[1].DeprovisionByDefault = Disconnect, true
		m.Rules[0].Inbound.Flows = append(m.Rules[0].Inbound.Flows,
			Flow{Target: "name", Source: Source{Script: "full name"}})
		m.Rules[1].Outbound.Flows[0].Source.Expression = `"CN=" + initials(name)`
		return m
	}
	nothing := func(*Functions) {}
	before, err := Compile(scripted(), functions(nothing))
	if err != nil {
		t.Fatal(err)
	}
	user := Rule{
		Name: "users", Agent: "AD", Object: "user", Metaverse: "person",
		Inbound: &Inbound{Flows: []Flow{{Target: "phones", Source: Source{Attribute: "mail"}}}},
	}
	for _, tt := range []struct {
		name      string
		model     func(*Model)
		functions func(*Functions)
		want      []string
	}{
		{"nothing", func(*Model) {}, nothing, nil},
		{"a place", func(m *Model) { m.Rules[0].Position = at(99) }, nothing, nil},
		{"an inbound flow", func(m *Model) { m.Rules[0].Inbound.Flows[0].Source.Attribute = "name" }, nothing, []string{"HR.employee"}},
		{"an inbound flow of another type", func(m *Model) { m.Rules[2].Inbound.Flows = nil }, nothing, []string{"HR.car"}},
		{"an outbound flow", func(m *Model) { m.Rules[1].Outbound.Flows[1].AllowNull = true }, nothing, []string{"person"}},
		{"a join of an outbound rule", func(m *Model) { m.Rules[1].Join[0].Pairs[0].CaseSensitive = true }, nothing, []string{"AD.user", "person"}},
		{"an outbound scope limits joins", func(m *Model) {
			m.Rules[1].Outbound.Scope = Scope{{{Attribute: "name", Operator: "is-not-null"}}}
		}, nothing, []string{"AD.user", "person"}},
		{"a filter", func(m *Model) {
			m.Agents[1].Filter = map[string]Scope{"user": {{{Attribute: "mail", Operator: "is-null"}}}}
		}, nothing, []string{"AD.user", "person"}},
		{"deprovisioning", func(m *Model) { m.Agents[1].Deprovision = DeleteObject }, nothing, []string{"person"}},
		{"recall", func(m *Model) { m.Agents[0].NoRecall = true }, nothing, []string{"HR.car", "HR.employee"}},
		{"the deletion rule", func(m *Model) { m.Types[1].Delete.Ignore = []string{"AD"} }, nothing, []string{"thing"}},
		{"provisioning", func(m *Model) { m.Provisioning = NoProvisioning }, nothing, []string{"person", "thing"}},
		{"a rule that contributes to no common attribute", func(m *Model) { m.Rules = append(m.Rules, user) }, nothing, []string{"AD.user"}},
		{"a rival of a flow", func(m *Model) {
			rival := user
			rival.Inbound = &Inbound{Flows: []Flow{{Target: "number", Source: Source{Attribute: "mail"}}}}
			m.Rules = append(m.Rules, rival)
		}, nothing, []string{"AD.user", "HR.employee", "person"}}, // number flows out directly
		{"another name of a rule that keeps its id", func(m *Model) { m.Rules[0].Name = "staff" }, nothing, nil},
		{"a label, a description, a disabled rule", func(m *Model) {
			m.Rules[0].Tag, m.Rules[0].Description = "core", "people"
			disabled := user
			disabled.Disabled = true
			m.Rules = append(m.Rules, disabled)
		}, nothing, nil},
		{"a sticky join", func(m *Model) { m.Rules[0].Inbound.Project, m.Rules[0].Inbound.Sticky = false, true }, nothing, []string{"HR.employee"}},
		{"a link type that holds nobody", func(m *Model) { m.Rules[0].Inbound.Project = false }, nothing, []string{"HR.employee", "person"}},
		{"whether deprovisioning was chosen", func(m *Model) { m.Agents[1].Deprovision, m.Agents[1].DeprovisionByDefault = Disconnect, false }, nothing, []string{"person"}},
		{"the precedence of an attribute", func(m *Model) { m.Types[0].Attributes[0].Precedence.Agents = []string{"AD"} }, nothing, []string{"HR.employee", "person"}},
		{"an attribute that nobody uses", func(m *Model) {
			m.Types[0].Attributes = append(m.Types[0].Attributes, MetaverseAttribute{Name: "x", Type: identity.TypeString})
			t := &m.Agents[0].Schema.Types[0]
			t.Attributes = append(t.Attributes, identity.AttributeType{Name: "x", Type: identity.TypeString})
		}, nothing, nil},
		{"the type of an attribute that flows", func(m *Model) { m.Types[0].Attributes[0].Type = identity.TypeInteger }, nothing, []string{"AD.user", "HR.employee", "person"}},
		{"a system that does not answer", func(m *Model) { m.Agents[1].Assumed = true }, nothing, nil},
		{"another agent", func(m *Model) { m.Agents = append(m.Agents, Agent{Name: "New"}) }, nothing, nil},
		{"a function that an expression calls", func(*Model) {}, func(f *Functions) {
			f.ByName["initials"] = expr.Function{Name: "initials", MaxArgs: -1, Version: "2"}
		}, []string{"person"}},
		{"a function that nobody calls", func(*Model) {}, func(f *Functions) {
			f.ByName["other"] = expr.Function{Name: "other", MaxArgs: -1, Version: "2"}
			f.Version = "2"
		}, nil},
		{"a script flow", func(*Model) {}, func(f *Functions) {
			f.FlowVersions = nil
			f.Version = "2"
		}, []string{"HR.employee"}},
		{"an extension", func(*Model) {}, func(f *Functions) {
			e := f.Agents["AD"]
			e.Version = "2"
			f.Agents["AD"] = e
		}, []string{"person"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := scripted()
			tt.model(&m)
			after, err := Compile(m, functions(tt.functions))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, outdated(t, before, after)); diff != "" {
				t.Errorf("outdated (-want +got):\n%s", diff)
			}
		})
	}
}
