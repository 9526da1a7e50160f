package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/fault"
)

// TestList: the order is that in which rules are applied, and the attributes are
// those that a rule reads and writes, without any schema.
func TestList(t *testing.T) {
	m := model()
	for i := range m.Agents {
		m.Agents[i].Schema.Types = nil
	}
	m.Rules[0].Precedence = 50
	m.Rules[0].Inbound.Scope = Scope{{{Attribute: "status", Operator: "ISNULL"}, {Attribute: "member", Operator: "ISMEMBEROF", Value: "CN=x"}}}
	m.Rules[0].Inbound.Flows = append(m.Rules[0].Inbound.Flows, Flow{Target: "name", Source: Source{Expression: `first + Left([last], 3)`}})
	m.Rules = append(m.Rules, Rule{Name: "late", Agent: "HR", Object: "employee", Metaverse: "person", Disabled: true, Inbound: &Inbound{Sticky: true}},
		Rule{Name: "early", Agent: "HR", Object: "employee", Metaverse: "person", PrecedenceBefore: "people", Inbound: &Inbound{}})
	order := func(model Model) []string {
		list, err := List(model, nil)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, l := range list {
			out = append(out, fmt.Sprintf("%s %d %s", l.Agent, l.Order, l.Name))
			if l.Name != "people" {
				continue
			}
			if diff := cmp.Diff(&ListedHalf{
				Link: ProvisionLink, Flows: len(m.Rules[0].Inbound.Flows),
				Reads: []string{"boss", "first", "id", "last", "status"}, Writes: []string{"boss", "name", "number"},
			}, l.In); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
		return out
	}
	byAgent := order(m)
	if diff := cmp.Diff([]string{"HR 1 early", "HR 2 people", "HR 3 late"}, byAgent[:3]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	m.Precedence, m.Rules[1].Precedence = ByRule, 1
	if diff := cmp.Diff([]string{"HR 2 early", "HR 3 people", "HR 4 late", "AD 1 " + m.Rules[1].Name}, order(m)); diff != "" {
		t.Errorf("over all agents (-want +got):\n%s", diff)
	}
	m.Rules[0].Inbound.Flows[0].Source = Source{Expression: "nosuch(", Position: at(33)}
	if _, err := List(m, nil); fault.Name(err) != "sync-rule-invalid-expression" || !strings.Contains(err.Error(), "metasync.yaml:33") {
		t.Errorf("%v, want the place of the expression", err)
	}
}

// TestNamesAndCodesOfOperators: every operator has a code, which means that operator.
func TestNamesAndCodesOfOperators(t *testing.T) {
	for _, operator := range Operators() {
		name, code := OperatorName(operator), OperatorCode(operator)
		if name == "" || !slices.Contains(Operators(), code) || OperatorName(code) != name || OperatorName(strings.ToLower(code)) != name {
			t.Errorf("%s: name %q, code %q", operator, name, code)
		}
	}
	if OperatorName("EQUALS") != "" || OperatorCode("nothing") != "" || OperatorCode("NOTSTARTWITH") != "NOTSTARTSWITH" {
		t.Error("an operator that there is not")
	}
}
