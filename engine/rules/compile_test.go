package rules

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

func at(line int) fault.Position {
	return fault.Position{File: "metasync.yaml", Line: line, Column: 1}
}

// model is a model that compiles, with one rule in and one out.
func model() Model {
	str, ref := identity.TypeString, identity.TypeReference
	return Model{
		Types: []MetaverseType{{
			Name: "person",
			Attributes: []MetaverseAttribute{
				{Name: "number", Type: str},
				{Name: "name", Type: str},
				{Name: "phones", Type: str, Multi: true},
				{Name: "boss", Type: ref},
				{Name: "photo", Type: identity.TypeBinary},
			},
			Position: at(1),
		}},
		Agents: []Agent{
			{Name: "HR", AnchorIsDN: true, Position: at(10), Schema: identity.Schema{Types: []identity.ObjectType{{
				Name: "employee", Anchor: []string{"id"}, Attributes: []identity.AttributeType{
					{Name: "id", Type: str},
					{Name: "name", Type: str},
					{Name: "phones", Type: str, Multi: true},
					{Name: "boss", Type: ref},
				},
			}}}},
			{Name: "AD", Position: at(20), Schema: identity.Schema{Types: []identity.ObjectType{{
				Name: "user", Anchor: []string{"guid"}, Attributes: []identity.AttributeType{
					{Name: "guid", Type: str, ImportOnly: true},
					{Name: "number", Type: str},
					{Name: "mail", Type: str},
					{Name: "manager", Type: ref},
				},
			}}}},
		},
		Rules: []Rule{
			{
				Name: "people", Agent: "HR", Object: "employee", Metaverse: "person", Position: at(30),
				Join: []JoinCriterion{{Pairs: []JoinPair{{Connector: "id", Metaverse: "number", Position: at(31)}}}},
				Inbound: &Inbound{Project: true, Flows: []Flow{
					{Target: "number", Source: Source{Attribute: "id", Position: at(33)}, Position: at(33)},
					{Target: "boss", Source: Source{Attribute: "boss", Position: at(34)}, Position: at(34)},
				}},
			},
			{
				Name: "accounts", Agent: "AD", Object: "user", Metaverse: "person", Position: at(40),
				Join: []JoinCriterion{{Pairs: []JoinPair{{Connector: "number", Metaverse: "number", Position: at(41)}}}},
				Outbound: &Outbound{Provision: true, Flows: []Flow{
					{Target: "dn", Source: Source{Expression: `"CN=" + name`, Position: at(43)}, Position: at(43)},
					{Target: "number", Source: Source{Attribute: "number", Position: at(44)}, Position: at(44)},
				}},
			},
		},
	}
}

// TestCompileErrors: everything that may be wrong with a model is found, under
// its name, at its place, and with what may have been meant.
func TestCompileErrors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Model)
		want   string // the error name
		line   int
		text   string // in the message or the hint
	}{
		{"unknown agent", func(m *Model) { m.Rules[0].Agent = "HRR" }, "sync-rule-validation-parsing-error", 30, `unknown agent "HRR"`},
		{"unknown metaverse type", func(m *Model) { m.Rules[0].Metaverse = "persn" }, "sync-rule-validation-parsing-error", 30, `unknown metaverse type "persn"`},
		{"unknown object type", func(m *Model) { m.Rules[1].Object = "usr" }, "sync-rule-validation-parsing-error", 40, `no object type "usr"`},
		{"filter for an unknown type", func(m *Model) { m.Agents[0].Filter = map[string]Scope{"worker": {}} }, "sync-rule-validation-parsing-error", 10, `unknown object type "worker"`},
		{"join on an unknown attribute", func(m *Model) { m.Rules[0].Join[0].Pairs[0].Connector = "nr" }, "sync-rule-relationship-criteria-attribute-not-found", 31, `unknown attribute "nr"`},
		{"join with an unknown attribute", func(m *Model) { m.Rules[0].Join[0].Pairs[0].Metaverse = "numbr" }, "sync-rule-relationship-criteria-attribute-not-found", 31, `did you mean "number"?`},
		{"join by reference", func(m *Model) {
			m.Rules[0].Join[0].Pairs[0] = JoinPair{Connector: "boss", Metaverse: "boss", Position: at(31)}
		}, "sync-rule-invalid-relationship-criteria-xml", 31, "references"},
		{"inbound flow into an unknown attribute", func(m *Model) { m.Rules[0].Inbound.Flows[0].Target = "numbr" }, "sync-rule-flow-attribute-not-found", 33, `did you mean "number"?`},
		{"inbound flow from an unknown attribute", func(m *Model) { m.Rules[0].Inbound.Flows[0].Source.Attribute = "idd" }, "sync-rule-flow-attribute-not-found", 33, `did you mean "id"?`},
		{"outbound flow into an unknown attribute", func(m *Model) { m.Rules[1].Outbound.Flows[1].Target = "numbr" }, "sync-rule-flow-attribute-not-found", 44, `did you mean "number"?`},
		{"outbound flow into the anchor", func(m *Model) { m.Rules[1].Outbound.Flows[1].Target = "anchor" }, "sync-rule-flow-attribute-not-found", 44, "anchor"},
		{"outbound flow into what cannot be written", func(m *Model) { m.Rules[1].Outbound.Flows[1].Target = "guid" }, "sync-rule-outbound-flow-rules-invalid", 44, "cannot be exported"},
		{"several values into one", func(m *Model) { m.Rules[0].Inbound.Flows[0].Source.Attribute = "phones" }, "flow-multi-values-to-single-value", 33, "phones"},
		{"a reference into a text", func(m *Model) { m.Rules[0].Inbound.Flows[0].Source.Attribute = "boss" }, "cs-attribute-type-mismatch", 33, "reference"},
		{"a text into a reference", func(m *Model) { m.Rules[0].Inbound.Flows[1].Source.Attribute = "name" }, "cs-attribute-type-mismatch", 34, "reference"},
		{"an expression that is a number into a reference", func(m *Model) { m.Rules[0].Inbound.Flows[1].Source = Source{Expression: "BitOr(1, 2)"} }, "cs-attribute-type-mismatch", 34, "the expression is of type integer"},
		{"an expression that is a list into one value", func(m *Model) {
			m.Rules[0].Dialect = "entra"
			m.Rules[0].Inbound.Flows[0].Source = Source{Expression: `Where($p, [phones], $p <> "")`}
		}, "flow-multi-values-to-single-value", 33, "the expression has several"},
		{"a binary into a text", func(m *Model) { m.Rules[1].Outbound.Flows[1].Source.Attribute = "photo" }, "cs-attribute-type-mismatch", 44, "binary"},
		{"a broken expression", func(m *Model) { m.Rules[1].Outbound.Flows[0].Source.Expression = `"CN=" +` }, "sync-rule-invalid-expression", 43, ""},
		{"an unknown function", func(m *Model) { m.Rules[1].Outbound.Flows[0].Source.Expression = `Lft(name, 1)` }, "", 43, "Left"},
		{"an unknown attribute in an expression", func(m *Model) { m.Rules[1].Outbound.Flows[0].Source.Expression = `nam` }, "", 43, `name?`},
		{"a script flow", func(m *Model) { m.Rules[0].Inbound.Flows[0].Source = Source{Script: "x", Position: at(33)} }, "extension-entry-point-not-implemented", 33, `"x"`},
		{"provisioning without a name", func(m *Model) { m.Rules[1].Outbound.Flows = m.Rules[1].Outbound.Flows[1:] }, "sync-rule-outbound-flow-rules-invalid", 40, "dn"},
		{"provisioning without an anchor", func(m *Model) {
			m.Agents[1].AnchorIsDN = true
			m.Agents[1].Schema.Types[0].Attributes[0].ImportOnly = false
			m.Rules[1].Outbound.Flows = m.Rules[1].Outbound.Flows[1:]
		}, "sync-rule-outbound-flow-rules-invalid", 40, `"guid"`},
		{"an export flow of a script that there is not", func(m *Model) {
			m.Rules[1].Outbound.Flows[1].Source = Source{Script: "x", Position: at(44)}
		}, "extension-entry-point-not-implemented", 44, `"x"`},
		{"a script that decides about the end of accounts", func(m *Model) { m.Agents[1].Deprovision = DeprovisionScript }, "extension-entry-point-not-implemented", 20, "deprovisioning"},
		{"a script that decides about the end of persons", func(m *Model) {
			m.Types[0].Delete = DeletionRule{Script: true, Position: at(3)}
		}, "extension-entry-point-not-implemented", 3, `"person"`},
		{"containers in a system without", func(m *Model) { m.Agents[1].RequireParent = true }, "sync-rule-validation-parsing-error", 20, "requireParent"},
		{"a test of what cannot be read", func(m *Model) {
			m.Agents[1].Schema.Types[0].Attributes[2].ExportOnly = true
			m.Rules[1].Outbound.Flows[1] = Flow{Target: "mail", Source: Source{Attribute: "name", Position: at(44)}, ExistenceTest: true, Position: at(44)}
		}, "sync-rule-outbound-flow-rules-invalid", 44, "tests nothing"},
		{"a rule that depends on itself", func(m *Model) { m.Rules[1].DependsOn = "accounts" }, "sync-rule-validation-parsing-error", 40, "depends on itself"},
		{"a rule that depends on nothing", func(m *Model) { m.Rules[1].DependsOn = "acounts" }, "sync-rule-validation-parsing-error", 40, `did you mean "accounts"?`},
		{"a unique reference", func(m *Model) {
			m.Types[0].Attributes = append(m.Types[0].Attributes, MetaverseAttribute{Name: "chief", Type: identity.TypeReference, Unique: true, Position: at(4)})
		}, "sync-rule-validation-parsing-error", 4, "cannot be unique"},
		{"a constant that is not true or false", func(m *Model) {
			m.Types[0].Attributes = append(m.Types[0].Attributes, MetaverseAttribute{Name: "active", Type: identity.TypeBoolean})
			m.Rules[0].Inbound.Flows[0] = Flow{Target: "active", Source: Source{Constant: true, Value: "maybe", Position: at(34)}, Position: at(33)}
		}, "invalid-boolean-constant-flow", 34, `"maybe"`},
		{"a constant reference", func(m *Model) {
			m.Types[0].Attributes = append(m.Types[0].Attributes, MetaverseAttribute{Name: "chief", Type: identity.TypeReference})
			m.Rules[0].Inbound.Flows[0] = Flow{Target: "chief", Source: Source{Constant: true, Value: "ada", Position: at(34)}, Position: at(33)}
		}, "invalid-reference-constant-flow", 34, `"chief"`},
		{"a constant that is no number", func(m *Model) {
			m.Types[0].Attributes = append(m.Types[0].Attributes, MetaverseAttribute{Name: "floor", Type: identity.TypeInteger})
			m.Rules[0].Inbound.Flows[0] = Flow{Target: "floor", Source: Source{Constant: true, Value: "top"}, Position: at(33)}
		}, "cs-attribute-type-mismatch", 33, `top`},
		{"a constant reference outbound", func(m *Model) {
			t := &m.Agents[1].Schema.Types[0]
			t.Attributes = append(t.Attributes, identity.AttributeType{Name: "boss", Type: identity.TypeReference})
			m.Rules[1].Outbound.Flows[1] = Flow{Target: "boss", Source: Source{Constant: true, Value: "CN=x", Position: at(44)}, Position: at(43)}
		}, "invalid-reference-constant-flow", 44, `"boss"`},
		{"a join over all types of an outbound rule", func(m *Model) {
			m.Rules[1].Join[0].AnyType, m.Rules[1].Join[0].Position = true, at(41)
		}, "sync-rule-invalid-relationship-criteria-xml", 41, "without an inbound half"},
		{"a join over types of which none has the attribute", func(m *Model) {
			m.Rules[0].Join[0].AnyType, m.Rules[0].Join[0].Pairs[0].Metaverse = true, "numbr"
		}, "sync-rule-relationship-criteria-attribute-not-found", 31, `did you mean "number"?`},
		{"a resolver that there is not", func(m *Model) {
			m.Rules[0].Join[0].Resolver, m.Rules[0].Join[0].Position = "nearest", at(31)
		}, "extension-entry-point-not-implemented", 31, "resolves joins"},
		{"a rule that cuts links and makes none", func(m *Model) {
			m.Rules[0].Inbound.Disconnect, m.Rules[0].Inbound.Project, m.Rules[0].Join = true, false, nil
		}, "sync-rule-inbound-flow-rules-invalid", 30, "neither joins nor projects"},
		{"an inbound rule that depends on itself", func(m *Model) { m.Rules[0].DependsOn = "people" }, "sync-rule-validation-parsing-error", 30, "depends on itself"},
		{"inbound rules that depend on each other", func(m *Model) {
			m.Rules[0].DependsOn = "others"
			m.Rules = append(m.Rules, Rule{Name: "others", Agent: "HR", Object: "employee", Metaverse: "person", DependsOn: "people", Inbound: &Inbound{}, Position: at(50)})
		}, "sync-rule-validation-parsing-error", 30, "depends on itself"},
		{"an inbound rule that depends on nothing", func(m *Model) { m.Rules[0].DependsOn = "peoples" }, "sync-rule-validation-parsing-error", 30, "no rule for"},
		{"an inbound rule that depends on an outbound one", func(m *Model) { m.Rules[0].DependsOn = "accounts" }, "sync-rule-validation-parsing-error", 30, "does not flow inbound"},
		{"manual precedence without a script", func(m *Model) {
			m.Types[0].Attributes[0].Precedence.Mode = Manual
		}, "sync-rule-inbound-flow-rules-invalid", 33, "only scripts may write"},
		{"a list of agents where rules rank", func(m *Model) {
			m.Precedence = ByRule
			m.Types[0].Attributes[0].Precedence.Agents, m.Types[0].Attributes[0].Position = []string{"AD"}, at(2)
		}, "sync-rule-validation-parsing-error", 2, "list of agents"},
		{"a rule before an unknown one", func(m *Model) { m.Rules[0].PrecedenceBefore = "acounts" }, "sync-rule-validation-parsing-error", 30, `did you mean "accounts"?`},
		{"rules before each other", func(m *Model) {
			m.Rules[0].PrecedenceBefore, m.Rules[1].PrecedenceBefore = "accounts", "people"
		}, "sync-rule-validation-parsing-error", 30, "waits for this one"},
		{"a group of references that nobody has", func(m *Model) {
			m.Rules[0].Inbound.Scope = Scope{{{Attribute: "bos", Operator: "ISMEMBEROF", Value: "x", Position: at(32)}}}
		}, "sync-rule-required-attr-not-found", 32, `did you mean "boss"?`},
		{"a group without a name", func(m *Model) {
			m.Rules[0].Inbound.Scope = Scope{{{Attribute: "boss", Operator: "is-not-member-of", Position: at(32)}}}
		}, "sync-rule-scoping-filter-invalid-operator", 32, "name of a group"},
		{"a group in the metaverse", func(m *Model) {
			m.Rules[1].Outbound.Scope = Scope{{{Attribute: "boss", Operator: "is-member-of", Value: "x", Position: at(42)}}}
		}, "sync-rule-scoping-filter-invalid-operator", 42, "not for those of the metaverse"},
		{"two merge types", func(m *Model) {
			m.Rules[0].Inbound.Flows[1] = Flow{Target: "phones", Source: Source{Attribute: "phones"}, Merge: Merge, Position: at(34)}
			second := m.Rules[0]
			second.Name, second.Join = "second", nil
			second.Inbound = &Inbound{Flows: []Flow{{Target: "phones", Source: Source{Attribute: "phones"}, Position: at(52)}}}
			m.Rules = append(m.Rules, second)
		}, "sync-rule-inbound-flow-rules-invalid", 52, "merge type update"},
		{"a merge into one value", func(m *Model) { m.Rules[0].Inbound.Flows[0].Merge = Merge }, "sync-rule-inbound-flow-rules-invalid", 33, "only one"},
		{"a merge with equal precedence", func(m *Model) {
			m.Types[0].Attributes[2].Precedence.Mode = Equal
			m.Rules[0].Inbound.Flows[0] = Flow{Target: "phones", Source: Source{Attribute: "phones"}, Merge: Merge, Position: at(33)}
		}, "sync-rule-inbound-flow-rules-invalid", 33, "equal precedence"},
		{"a scripted join without a script", func(m *Model) { m.Rules[0].Join[0].Pairs[0].Script = true }, "extension-entry-point-not-implemented", 31, "values of joins"},
		{"a flow with an unknown attribute in its scope", func(m *Model) {
			m.Rules[0].Inbound.Flows[0].Scope = Scope{{{Attribute: "idd", Operator: "is-null", Position: at(33)}}}
		}, "sync-rule-required-attr-not-found", 33, `did you mean "id"?`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := model()
			tt.change(&m)
			set, err := Compile(m, Functions{})
			if err == nil || set != nil {
				t.Fatalf("compiled")
			}
			e := fault.As(err, "")
			if tt.want != "" && e.Name != tt.want || e.Position.Line != tt.line || e.Position.File != "metasync.yaml" ||
				!strings.Contains(err.Error()+" "+e.Hint, tt.text) {
				t.Errorf("%v (name %q, hint %q, at %v)", err, e.Name, e.Hint, e.Position)
			}
		})
	}
}

// TestCompileFindsAll: one error does not hide another.
func TestCompileFindsAll(t *testing.T) {
	m := model()
	m.Rules[0].Inbound.Flows[0].Target = "numbr"
	m.Rules[1].Outbound.Flows[1].Target = "nmbr"
	m.Rules[1].Join[0].Pairs[0].Metaverse = "x"
	_, err := Compile(m, Functions{})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 3 {
		t.Fatalf("%v", err)
	}
	for _, e := range joined.Unwrap() {
		var named *fault.Error
		if !errors.As(e, &named) || named.Position.IsZero() || named.Rule == "" {
			t.Errorf("without name, place or rule: %v", e)
		}
	}
}

// TestOrder: outbound rules apply by precedence, but never before a rule that
// they depend on; flows into an attribute rank by agent, then by rule.
func TestOrder(t *testing.T) {
	m := model()
	out := func(name string, precedence int, dependsOn string) Rule {
		return Rule{Name: name, Agent: "AD", Object: "user", Metaverse: "person", Precedence: precedence, DependsOn: dependsOn, Outbound: &Outbound{}}
	}
	m.Rules = append(m.Rules, out("last", 200, ""), out("first", 1, ""), out("behind last", 2, "last"), out("default", 0, ""))
	in := func(name, agent, object string, precedence int) Rule {
		return Rule{
			Name: name, Agent: agent, Object: object, Metaverse: "person", Precedence: precedence,
			Inbound: &Inbound{Flows: []Flow{{Target: "name", Source: Source{Constant: true, Value: name}}}},
		}
	}
	m.Types[0].Attributes[1].Precedence.Agents = []string{"AD"}
	m.Rules = append(m.Rules, in("HR weak", "HR", "employee", 50), in("HR strong", "HR", "employee", 5), in("AD any", "AD", "user", 0))
	set, err := Compile(m, Functions{})
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, r := range set.Type("person").Outbound {
		order = append(order, r.Name)
	}
	if diff := cmp.Diff([]string{"first", "last", "behind last", "accounts", "default"}, order); diff != "" {
		t.Errorf("outbound rules (-want +got):\n%s", diff)
	}
	attribute := set.Type("person").Attributes["name"]
	var flows []string
	for i, f := range attribute.Flows {
		flows = append(flows, f.Rule.Name)
		if f.Rank != i {
			t.Errorf("%s has rank %d", f.Rule.Name, f.Rank)
		}
	}
	if diff := cmp.Diff([]string{"AD any", "HR strong", "HR weak"}, flows); diff != "" {
		t.Errorf("flows into name (-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		agent, rule string
		want        int
	}{
		{"AD", "AD any", 0},
		{"HR", "HR strong", 1},
		{"HR", "HR weak", 2},
		{"HR", "a rule that is gone", 2}, // as the weakest of its agent
		{"an agent that is gone", "x", 3},
	} {
		if got := attribute.Rank(tt.agent, tt.rule); got != tt.want {
			t.Errorf("rank of %s, %s: %d, want %d", tt.agent, tt.rule, got, tt.want)
		}
	}
}

func TestIndexed(t *testing.T) {
	m := model()
	m.Types[0].Attributes[1].Indexed = true
	set, err := Compile(m, Functions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]string{"person": {"name", "number"}}, set.Indexed); diff != "" {
		t.Errorf("metaverse (-want +got):\n%s", diff)
	}
	// Only a rule that provisions looks among the disconnectors.
	if diff := cmp.Diff(map[string]map[string][]string{"AD": {"user": {"number"}}}, set.IndexedConnectors); diff != "" {
		t.Errorf("connector spaces (-want +got):\n%s", diff)
	}
	if got := set.Agent("HR").Objects["employee"].Reads; !slices.Equal(got, []string{"boss", "id"}) {
		t.Errorf("HR reads %q", got)
	}
	if got := set.Agents(); !slices.Equal(got, []string{"HR", "AD"}) {
		t.Errorf("agents %q", got)
	}
}

// TestFingerprint: it changes with what decides, and with nothing else.
func TestFingerprint(t *testing.T) {
	compile := func(m Model, f Functions) string {
		t.Helper()
		set, err := Compile(m, f)
		if err != nil {
			t.Fatal(err)
		}
		return set.Fingerprint
	}
	base := compile(model(), Functions{})
	moved := model()
	moved.Rules[0].Position = at(99)
	if compile(moved, Functions{}) != base {
		t.Error("a rule that only moved in its file changes the fingerprint")
	}
	changed := model()
	changed.Rules[0].Inbound.Project = false
	if compile(changed, Functions{}) == base {
		t.Error("a changed rule does not change the fingerprint")
	}
}

func TestConvert(t *testing.T) {
	str := func(s string) identity.Value { return identity.String(s) }
	for _, tt := range []struct {
		from  []identity.Value
		to    identity.Type
		multi bool
		want  []identity.Value
		err   string
	}{
		{[]identity.Value{str("7")}, identity.TypeInteger, false, []identity.Value{identity.Integer(7)}, ""},
		{[]identity.Value{identity.Integer(7)}, identity.TypeString, false, []identity.Value{str("7")}, ""},
		{[]identity.Value{str("True")}, identity.TypeBoolean, false, []identity.Value{identity.Boolean(true)}, ""},
		{[]identity.Value{str("10"), str("9")}, identity.TypeInteger, true, []identity.Value{identity.Integer(9), identity.Integer(10)}, ""},
		{[]identity.Value{str("1"), str("01")}, identity.TypeInteger, true, []identity.Value{identity.Integer(1)}, ""},
		{nil, identity.TypeInteger, false, nil, ""},
		{[]identity.Value{str("seven")}, identity.TypeInteger, false, nil, "cs-attribute-type-mismatch"},
		{[]identity.Value{str("a"), str("b")}, identity.TypeString, false, nil, "flow-multi-values-to-single-value"},
		{[]identity.Value{identity.Reference("x")}, identity.TypeString, false, nil, "cs-attribute-type-mismatch"},
		{[]identity.Value{str("x")}, identity.TypeReference, false, nil, "cs-attribute-type-mismatch"},
		{[]identity.Value{identity.Binary([]byte{1})}, identity.TypeString, false, nil, "cs-attribute-type-mismatch"},
	} {
		got, err := Convert(slices.Clone(tt.from), tt.to, tt.multi)
		if fault.Name(err) != tt.err || !slices.Equal(got, tt.want) {
			t.Errorf("%v to %s: %v, %v", tt.from, tt.to, got, err)
		}
	}
}

// TestOutboundPrecedence: which rule's flow wins is a matter of precedence, also
// where the rules apply in another order.
func TestOutboundPrecedence(t *testing.T) {
	m := model()
	m.Rules = append(m.Rules, Rule{
		Name: "strong", Agent: "AD", Object: "user", Metaverse: "person", Precedence: 1, DependsOn: "accounts",
		Outbound: &Outbound{Flows: []Flow{
			{Target: "number", Source: Source{Attribute: "name"}},
			{Target: "mail", Source: Source{Attribute: "name"}, ExistenceTest: true},
		}},
	})
	set, err := Compile(m, Functions{})
	if err != nil {
		t.Fatal(err)
	}
	person := set.Type("person")
	weak, strong := person.Outbound[0], person.Outbound[1]
	if weak.Name != "accounts" || weak.Rank != 1 || strong.Rank != 0 {
		t.Errorf("%s applies first with rank %d, then %s with rank %d", weak.Name, weak.Rank, strong.Name, strong.Rank)
	}
	if !weak.Flows[0].Contested || !strong.Flows[0].Contested || strong.Flows[1].Contested {
		t.Error("only the flows into number compete")
	}
	if !slices.Equal(person.Tested, []*OutboundRule{strong}) || !set.Agent("AD").Objects["user"].Tested || set.Agent("HR").Objects["employee"].Tested {
		t.Error("the existence test is not known")
	}
}

// TestProvisioningSwitch: each setting lets those provision that it names.
func TestProvisioningSwitch(t *testing.T) {
	for setting, want := range map[Provisioning][2]bool{
		"": {true, true}, ByBoth: {true, true}, BySyncRule: {true, false}, ByScript: {false, true}, NoProvisioning: {},
	} {
		m := model()
		m.Provisioning = setting
		set, err := Compile(m, Functions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{set.RulesProvision, set.ScriptsProvision}; got != want {
			t.Errorf("%q: rules and scripts %v, want %v", setting, got, want)
		}
	}
}

// TestDecide: only an answer that names one of the options is a decision.
func TestDecide(t *testing.T) {
	scripted := &AgentRules{Name: "AD", Deprovision: DeprovisionScript}
	for answer, want := range map[Deprovision]string{
		Disconnect: "", ExplicitDisconnect: "", DeleteObject: "",
		"": "extension-deprovisioning-invalid-result", DeprovisionScript: "extension-deprovisioning-invalid-result",
		"Delete": "extension-deprovisioning-invalid-result",
	} {
		got, err := scripted.Decide(func() (Deprovision, error) { return answer, nil })
		if fault.Name(err) != want || err == nil && got != answer {
			t.Errorf("%q: %q, %v", answer, got, err)
		}
	}
	declared := &AgentRules{Name: "AD", Deprovision: ExplicitDisconnect}
	got, err := declared.Decide(func() (Deprovision, error) { t.Error("asked"); return DeleteObject, nil })
	if got != ExplicitDisconnect || err != nil {
		t.Errorf("declared: %q, %v", got, err)
	}
}
