package config_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
)

// loadRules loads rules in a configuration that has all attributes that they name.
func loadRules(text string, attributes ...string) ([]rules.Rule, error) {
	var b strings.Builder
	b.WriteString("metaverse:\n  person:\n    attributes:\n")
	seen := map[string]bool{}
	for _, name := range attributes {
		if !seen[name] {
			seen[name] = true
			fmt.Fprintf(&b, "      %q: string\n", name)
		}
	}
	b.WriteString("agents: {HR: {type: csv, file: x}}\nrules:\n")
	for line := range strings.Lines(text) {
		b.WriteString("  " + line)
	}
	c, err := loadText(b.String())
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, b.String())
	}
	return c.Model.Rules, nil
}

// TestWrittenRules: a rule that is written and loaded again is the same rule,
// whatever texts it holds.
func TestWrittenRules(t *testing.T) {
	awkward := rapid.SampledFrom([]string{
		"title", "true", "null", "7", "0x1F", "a b", "it's", `say "so"`, "a: b", "a #b", "${env:HOME}", "$x", "- a", "{a}", "[a]", "*a", "&a", "!a", "~",
		"ä", "ﬁ", "a,b", "=", "%", "@a", "`", "?", "|", ">", "no", "1e5", "2026-01-01", "a\\b", "<<", "a:", "x'", "'", `"`, "a\tb",
	})
	name := rapid.OneOf(awkward, rapid.StringMatching(`[A-Za-z][A-Za-z0-9-]{0,5}`))
	text := rapid.OneOf(awkward, rapid.StringMatching(`[ -~\n\t]{0,12}`))
	rapid.Check(t, func(t *rapid.T) {
		var attributes []string
		metaverse := func(label string) string {
			n := "m" + name.Draw(t, label)
			attributes = append(attributes, n)
			return n
		}
		scope := func(label string, attribute func(string) string) rules.Scope {
			var out rules.Scope
			for range rapid.IntRange(0, 3).Draw(t, label) {
				var list []rules.Condition
				for range rapid.IntRange(1, 2).Draw(t, label+" conditions") {
					c := rules.Condition{Attribute: attribute(label), Operator: rules.OperatorName(rapid.SampledFrom(rules.Operators()).Draw(t, "operator"))}
					if rules.OperatorTakesValue(c.Operator) {
						c.Value = text.Draw(t, "value")
					}
					list = append(list, c)
				}
				out = append(out, list)
			}
			return out
		}
		source := func(attribute func(string) string) rules.Source {
			switch rapid.IntRange(0, 3).Draw(t, "source") {
			case 0:
				return rules.Source{Attribute: "a" + attribute("attribute")}
			case 1:
				if e := text.Draw(t, "expression"); strings.TrimSpace(e) != "" {
					return rules.Source{Expression: e}
				}
			case 2:
				return rules.Source{Script: name.Draw(t, "script")}
			}
			return rules.Source{Constant: true, Value: text.Draw(t, "constant")}
		}
		r := rules.Rule{
			Name: name.Draw(t, "name"), Description: text.Draw(t, "description"), Tag: text.Draw(t, "tag"), Disabled: rapid.Bool().Draw(t, "disabled"),
			Agent: "HR", Object: name.Draw(t, "object"), Metaverse: "person", Precedence: rapid.IntRange(1, 200).Draw(t, "precedence"),
			Join: []rules.JoinCriterion{{AnyType: rapid.Bool().Draw(t, "any type"), Resolver: rapid.SampledFrom([]string{"", "best"}).Draw(t, "resolver"), Pairs: []rules.JoinPair{
				{Connector: name.Draw(t, "connector"), Metaverse: metaverse("join"), Script: rapid.Bool().Draw(t, "script"), CaseSensitive: rapid.Bool().Draw(t, "case")},
			}}},
		}
		connector := func(label string) string { return name.Draw(t, label) }
		r.Inbound = &rules.Inbound{Scope: scope("inbound scope", connector), Project: rapid.Bool().Draw(t, "project"), Disconnect: rapid.Bool().Draw(t, "disconnect")}
		r.Inbound.Sticky = !r.Inbound.Project && rapid.Bool().Draw(t, "sticky")
		r.Inbound.Flows = []rules.Flow{
			{Target: metaverse("target"), Source: source(connector), Scope: scope("flow scope", connector), Merge: rapid.SampledFrom([]rules.MergeType{"update", "merge"}).Draw(t, "merge")},
		}
		if rapid.Bool().Draw(t, "outbound") {
			r.Outbound = &rules.Outbound{
				ByPolicy: rapid.Bool().Draw(t, "policy"), Scope: scope("outbound scope", metaverse), Provision: rapid.Bool().Draw(t, "provision"),
				Deprovision: rapid.Bool().Draw(t, "deprovision"), Parameters: []string{"p" + name.Draw(t, "parameter")},
			}
			s := source(metaverse)
			if s.Attribute != "" {
				attributes = append(attributes, s.Attribute)
			}
			r.Outbound.Flows = []rules.Flow{{
				Target: name.Draw(t, "target"), Source: s, Initial: rapid.Bool().Draw(t, "initial"), AllowNull: rapid.Bool().Draw(t, "null"),
				ExistenceTest: rapid.Bool().Draw(t, "test"),
			}}
		}
		written := string(config.WriteRules([]rules.Rule{r}))
		got, err := loadRules(written, attributes...)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]rules.Rule{r}, got, sameRules...); diff != "" {
			t.Fatalf("(-want +got):\n%s\n%s", diff, written)
		}
	})
}

// sameRules compares rules by what they mean, without their places.
var sameRules = []cmp.Option{
	cmpopts.IgnoreTypes(fault.Position{}, &expr.Marks{}), cmpopts.EquateEmpty(),
	cmp.Transformer("merge", func(m rules.MergeType) string {
		if m == "" {
			m = rules.Update
		}
		return string(m)
	}),
}
