package fimxml_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/config/fimxml"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
)

var update = flag.Bool("update", false, "write what is read into testdata")

// TestRead: testdata/*.txtar hold a document, the rules that it becomes, and the
// notes or errors.
func TestRead(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got []txtar.File
			for _, f := range archive.Files {
				if !strings.HasSuffix(f.Name, ".xml") {
					continue
				}
				got = append(got, f)
				document, err := fimxml.Decode(f.Name, f.Data)
				if err != nil {
					got = append(got, txtar.File{Name: "errors", Data: lines(fault.All(err))})
					continue
				}
				got = append(got, txtar.File{Name: "rules", Data: config.WriteRules(document.Rules)})
				if len(document.Notes) > 0 {
					got = append(got, txtar.File{Name: "notes", Data: lines(document.Notes)})
				}
			}
			want := string(txtar.Format(archive))
			archive.Files = got
			now := string(txtar.Format(archive))
			if *update {
				if err := os.WriteFile(file, []byte(now), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(now, "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func lines(list []*fault.Error) []byte {
	var b strings.Builder
	for _, e := range list {
		b.WriteString(e.Error())
		if e.Hint != "" {
			b.WriteString(" (" + e.Hint + ")")
		}
		b.WriteString("\n")
	}
	return []byte(b.String())
}

// A generator makes rules.
type generator struct{ *rapid.T }

var (
	odd   = []string{"sn", "a b", "ä", `it's "so"`, "<b>", "a&b", " x ", "a\nb", "]]>", "true", "$x", "7"}
	texts = rapid.OneOf(rapid.SampledFrom(odd), rapid.StringMatching(`[ -~\n]{0,10}`))
	names = rapid.OneOf(rapid.SampledFrom([]string{"sn", "a b", "ä", "<b>", "a&b", "msDS-x", "7"}), rapid.StringMatching(`[A-Za-z][A-Za-z0-9-]{0,6}`))
)

func (g generator) name(label string) string { return names.Draw(g.T, label) }
func (g generator) flag(label string) bool   { return rapid.Bool().Draw(g.T, label) }

func (g generator) scope(label string) rules.Scope {
	var out rules.Scope
	for range rapid.IntRange(0, 2).Draw(g.T, label) {
		var list []rules.Condition
		for range rapid.IntRange(1, 2).Draw(g.T, label) {
			operator := rules.OperatorName(rapid.SampledFrom(rules.Operators()).Draw(g.T, "operator"))
			c := rules.Condition{Attribute: g.name("attribute"), Operator: operator}
			if rules.OperatorTakesValue(operator) {
				c.Value = texts.Draw(g.T, "value")
			}
			list = append(list, c)
		}
		out = append(out, list)
	}
	return out
}

// expression writes blanks as the package does, so that it comes back unchanged.
func (g generator) expression(depth int) string {
	operand := func(depth int) string {
		switch rapid.IntRange(0, 6).Draw(g.T, "operand") {
		case 0:
			return `"` + strings.ReplaceAll(texts.Draw(g.T, "text"), `"`, `""`) + `"`
		case 1:
			return rapid.SampledFrom([]string{"7", "-15", "0xFF", "&H1F"}).Draw(g.T, "number")
		case 2:
			return "$" + rapid.StringMatching(`[a-z][a-z0-9]{0,3}`).Draw(g.T, "parameter")
		case 3:
			return "[" + rapid.StringMatching(`[A-Za-z][A-Za-z ]{0,4}`).Draw(g.T, "attribute") + "]"
		case 4, 5:
			if depth > 0 {
				args := make([]string, rapid.IntRange(0, 3).Draw(g.T, "arguments"))
				for i := range args {
					args[i] = g.expression(depth - 1)
				}
				return rapid.SampledFrom([]string{"Left", "IIF", "my_function", "CustomExpression"}).Draw(g.T, "function") + "(" + strings.Join(args, ", ") + ")"
			}
		}
		return rapid.StringMatching(`[A-Za-z_][A-Za-z0-9-]{0,5}`).Draw(g.T, "name")
	}
	parts := make([]string, rapid.IntRange(1, 3).Draw(g.T, "operands"))
	for i := range parts {
		if len(parts) > 1 && depth > 0 && rapid.IntRange(0, 5).Draw(g.T, "group") == 0 {
			parts[i] = "(" + operand(0) + " + " + operand(0) + ")"
			continue
		}
		parts[i] = operand(depth)
	}
	return strings.Join(parts, " + ")
}

func (g generator) source() rules.Source {
	switch rapid.IntRange(0, 4).Draw(g.T, "source") {
	case 0:
		return rules.Source{Attribute: g.name("attribute")}
	case 1:
		return rules.Source{Script: texts.Filter(func(s string) bool { return s != "" }).Draw(g.T, "script")}
	case 2:
		return rules.Source{Constant: true, Value: texts.Draw(g.T, "constant")}
	case 3:
		return rules.Source{Expression: rapid.SampledFrom([]string{`a & "b"`, "  a = b", "a <> 7\n", `IIF(a > 1, "x", b)`}).Draw(g.T, "other")}
	}
	return rules.Source{Expression: g.expression(3)}
}

func (g generator) flows() []rules.Flow {
	targets := rapid.SliceOfNDistinct(names, 0, 4, rapid.ID).Draw(g.T, "targets")
	var out []rules.Flow
	for _, target := range targets {
		out = append(out, rules.Flow{Target: target, Source: g.source(), Scope: g.scope("flow scope")})
	}
	return out
}

func (g generator) rule() rules.Rule {
	r := rules.Rule{
		Name: g.name("name"), ID: g.name("id"), Description: texts.Draw(g.T, "description"), Tag: texts.Draw(g.T, "tag"), Disabled: g.flag("disabled"),
		Agent: g.name("agent"), Object: g.name("object"), Metaverse: g.name("metaverse"), Precedence: rapid.IntRange(1, 300).Draw(g.T, "precedence"),
		Dialect: rapid.SampledFrom([]string{"", "fim", "entra"}).Draw(g.T, "dialect"),
	}
	if g.flag("relations") {
		r.DependsOn, r.PrecedenceBefore = g.name("dependsOn"), g.name("precedenceBefore")
	}
	for range rapid.IntRange(0, 2).Draw(g.T, "join") {
		criterion := rules.JoinCriterion{AnyType: g.flag("anyType")}
		if g.flag("resolved") {
			criterion.Resolver = g.name("resolver")
		}
		for _, name := range rapid.SliceOfNDistinct(names, 1, 2, rapid.ID).Draw(g.T, "pairs") {
			criterion.Pairs = append(criterion.Pairs, rules.JoinPair{Connector: name, Metaverse: g.name("mv"), Script: g.flag("script"), CaseSensitive: g.flag("case")})
		}
		r.Join = append(r.Join, criterion)
	}
	half := rapid.IntRange(1, 3).Draw(g.T, "halves")
	if half&1 != 0 {
		r.Inbound = &rules.Inbound{Scope: g.scope("inbound"), Project: g.flag("project"), Disconnect: g.flag("disconnect"), Flows: g.flows()}
		r.Inbound.Sticky = !r.Inbound.Project && g.flag("sticky")
		for i := range r.Inbound.Flows {
			f := &r.Inbound.Flows[i]
			f.Merge = rapid.SampledFrom([]rules.MergeType{"", rules.Merge, rules.MergeCaseInsensitive, rules.ReplaceValues}).Draw(g.T, "merge")
			if rapid.IntRange(0, 4).Draw(g.T, "dnPart") == 0 {
				f.Source = rules.Source{DNPart: 2}
			}
		}
	}
	if half&2 != 0 {
		r.Outbound = &rules.Outbound{
			ByPolicy: g.flag("policy"), Scope: g.scope("outbound"), Provision: g.flag("provision"), Deprovision: g.flag("deprovision"),
			Parameters: rapid.SliceOfNDistinct(names, 0, 2, rapid.ID).Draw(g.T, "parameters"), Flows: g.flows(),
		}
		r.Outbound.Sticky = !r.Outbound.Provision && g.flag("sticky")
		for i := range r.Outbound.Flows {
			f := &r.Outbound.Flows[i]
			f.Initial, f.AllowNull, f.ExistenceTest = g.flag("initial"), g.flag("null"), g.flag("test")
		}
	}
	return r
}

// TestThereAndBack: rules that are written as XML and read again are the same rules.
func TestThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := []rules.Rule{generator{t}.rule(), generator{t}.rule()}
		data, _, err := fimxml.Encode(list)
		if err != nil {
			t.Fatal(err)
		}
		document, err := fimxml.Decode("rules.xml", data)
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		if diff := cmp.Diff(list, document.Rules, cmpopts.IgnoreTypes(fault.Position{}), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-want +got):\n%s\n%s", diff, data)
		}
		if want, got := string(config.WriteRules(list)), string(config.WriteRules(document.Rules)); want != got {
			t.Fatalf("written as\n%s\ninstead of\n%s", got, want)
		}
	})
}

// TestCharacters: what XML cannot hold is an error and no other character.
func TestCharacters(t *testing.T) {
	list := []rules.Rule{{Name: "bell", Description: "ring\a", Inbound: &rules.Inbound{}}}
	if data, _, err := fimxml.Encode(list); fault.Name(err) != "sync-rule-validation-parsing-error" || data != nil {
		t.Errorf("%q, %v", data, err)
	}
}

// Whatever the bytes: no panic; rules or errors, never both; each error and note has
// a name and a place; and rules that were read can be written and read again.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range archive.Files {
			f.Add(part.Data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		document, err := fimxml.Decode("rules.xml", data)
		if (document == nil) != (err != nil) {
			t.Fatalf("%v and %v", document, err)
		}
		all := fault.All(err)
		if document != nil {
			all = document.Notes
		}
		for _, e := range all {
			if e.Name == "" || e.Position.File != "rules.xml" || e.Position.Line < 1 || e.Position.Column < 1 {
				t.Errorf("without name or place: %#v", e)
			}
		}
		if document == nil {
			return
		}
		config.WriteRules(document.Rules)
		again, _, err := fimxml.Encode(document.Rules)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		for _, r := range document.Rules {
			if r.Name == "" {
				return // flows alone
			}
		}
		second, err := fimxml.Decode("rules.xml", again)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, again)
		}
		if diff := cmp.Diff(document.Rules, second.Rules, cmpopts.IgnoreTypes(fault.Position{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-first +second):\n%s\n%s", diff, again)
		}
	})
}
