package rules

import (
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/identity"
)

// TestPrecedenceModels is sync-engine §4.6: by agent and then by rule, or by rule
// and then by agent; and a rule that ranks before another one.
func TestPrecedenceModels(t *testing.T) {
	schema := identity.Schema{Types: []identity.ObjectType{{
		Name: "user", Anchor: []string{"id"}, Attributes: []identity.AttributeType{{Name: "id", Type: identity.TypeString}},
	}}}
	rule := func(name, agent string, precedence int, before string) Rule {
		return Rule{
			Name: name, Agent: agent, Object: "user", Metaverse: "person", Precedence: precedence, PrecedenceBefore: before,
			Inbound: &Inbound{Flows: []Flow{{Target: "id", Source: Source{Attribute: "id"}}}},
		}
	}
	for _, tt := range []struct {
		name   string
		model  PrecedenceModel
		agents []string // of the attribute
		rules  []Rule
		want   string
	}{
		{"by agent", ByAgent, nil, []Rule{rule("b1", "B", 1, ""), rule("a2", "A", 2, ""), rule("a", "A", 0, ""), rule("a1", "A", 1, "")}, "a1 a2 a b1"},
		{"by agent of the attribute", "", []string{"B"}, []Rule{rule("a1", "A", 1, ""), rule("b", "B", 0, "")}, "b a1"},
		{"by rule", ByRule, nil, []Rule{rule("b1", "B", 1, ""), rule("a2", "A", 2, ""), rule("b3", "B", 3, "")}, "b1 a2 b3"},
		{"by rule, ties by agent", ByRule, nil, []Rule{rule("b", "B", 0, ""), rule("b100", "B", 100, ""), rule("a", "A", 0, "")}, "a b b100"},
		{"before", ByRule, nil, []Rule{
			rule("x", "A", 0, "y"), rule("a", "A", 10, ""), rule("z", "B", 0, "a"), rule("y", "B", 0, "b"), rule("b", "B", 20, ""),
		}, "z a x y b"},
		{"several before one", ByRule, nil, []Rule{rule("a", "A", 10, ""), rule("x", "A", 0, "a"), rule("y", "B", 0, "a")}, "x y a"},
		{"before by agent", ByAgent, nil, []Rule{rule("a1", "A", 1, ""), rule("b", "B", 5, ""), rule("a", "A", 0, "a1")}, "a a1 b"},
	} {
		set, err := Compile(Model{
			Types: []MetaverseType{{Name: "person", Attributes: []MetaverseAttribute{
				{Name: "id", Type: identity.TypeString, Precedence: Precedence{Agents: tt.agents}},
			}}},
			Agents:     []Agent{{Name: "A", Schema: schema}, {Name: "B", Schema: schema}},
			Rules:      tt.rules,
			Precedence: tt.model,
		}, Functions{})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		attribute := set.Type("person").Attributes["id"]
		var got []string
		for i, f := range attribute.Flows {
			got = append(got, f.Rule.Name)
			if rank := attribute.Rank(f.Rule.Agent, f.Rule.Name); rank != i {
				t.Errorf("%s: rule %s ranks %d, not %d", tt.name, f.Rule.Name, rank, i)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestWarnings: what is deprecated is said, and compiles.
func TestWarnings(t *testing.T) {
	m := model()
	m.Types[0].Attributes[0].Precedence.Mode, m.Types[0].Attributes[0].Position = Equal, at(2)
	set, err := Compile(m, Functions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Warnings) != 1 || set.Warnings[0].Name != "deprecated-precedence" || set.Warnings[0].Position != at(2) {
		t.Errorf("warnings: %v", set.Warnings)
	}
}

// TestExtensionConflicts: an extension for nobody, and a filter twice, are mistakes.
func TestExtensionConflicts(t *testing.T) {
	_, err := Compile(model(), Functions{Agents: map[string]AgentExtension{"HRR": {}}})
	if err == nil || !strings.Contains(err.Error(), `unknown agent "HRR"`) {
		t.Errorf("an extension for nobody: %v", err)
	}
}
