package fimxml

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
)

// Encode writes rules as one document, and tells what in it FIM does not know. The
// error is a text that XML cannot hold.
func Encode(list []rules.Rule) ([]byte, []*fault.Error, error) {
	e := &encoder{}
	e.open(0, "SynchronizationRules", ` xmlns:metasync="`+namespace+`"`)
	for i := range list {
		e.rule(&list[i])
	}
	e.close(0, "SynchronizationRules")
	if e.err != nil {
		return nil, nil, e.err
	}
	return []byte(xml.Header + e.out.String()), e.notes, nil
}

type encoder struct {
	out   strings.Builder
	notes []*fault.Error
	rules *rules.Rule // that is being written
	err   error
}

// beyond notes the use of what FIM does not have.
func (e *encoder) beyond(what, text string) {
	n := fault.New(noteNoPlace, "%s", text)
	n.Rule, n.Attribute, n.Position = e.rules.Name, what, e.rules.Position
	e.notes = append(e.notes, n)
}

func (e *encoder) indent(depth int) { e.out.WriteString(strings.Repeat("  ", depth)) }

func (e *encoder) open(depth int, name, attributes string) {
	e.indent(depth)
	e.out.WriteString("<" + name + attributes + ">\n")
}

func (e *encoder) close(depth int, name string) {
	e.indent(depth)
	e.out.WriteString("</" + name + ">\n")
}

// escape writes a text for inside an element or an attribute.
func (e *encoder) escape(text string) string {
	for _, r := range text {
		allowed := r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r > 0xffff
		if !allowed && e.err == nil {
			err := fault.New(errRule, "%q holds a character that XML cannot hold", text)
			err.Rule, err.Position = e.rules.Name, e.rules.Position
			e.err = err
		}
	}
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // into memory: cannot fail
	return strings.ReplaceAll(strings.ReplaceAll(b.String(), "&#34;", `"`), "&#39;", "'")
}

// element returns an element with a text, in a line.
func (e *encoder) element(name, text string) string {
	attributes := ""
	if strings.TrimSpace(text) != text {
		attributes = ` xml:space="preserve"`
	}
	return "<" + name + attributes + ">" + e.escape(text) + "</" + name + ">"
}

// line writes an element with a text, unless that is empty.
func (e *encoder) line(depth int, name, text string) {
	if text != "" {
		e.indent(depth)
		e.out.WriteString(e.element(name, text) + "\n")
	}
}

// own writes an element of our namespace, unless it has no text.
func (e *encoder) own(depth int, name, text string) {
	if text != "" {
		e.beyond(name, "FIM has no counterpart")
		e.line(depth, "metasync:"+name, text)
	}
}

func (e *encoder) rule(r *rules.Rule) {
	e.rules = r
	e.open(1, ruleKind, "")
	e.line(2, "DisplayName", r.Name)
	e.line(2, "Description", r.Description)
	direction := "1"
	switch {
	case r.Inbound != nil && r.Outbound != nil:
		direction = "2"
	case r.Inbound != nil:
		direction = "0"
	}
	e.line(2, "FlowType", direction)
	if r.Precedence != 0 {
		e.line(2, "Precedence", strconv.Itoa(r.Precedence))
	}
	e.line(2, "Dependency", r.DependsOn)
	e.line(2, "ILMObjectType", r.Metaverse)
	e.line(2, "ConnectedSystem", r.Agent)
	e.line(2, "ConnectedObjectType", r.Object)
	e.criteria(r.Join)
	in, out := r.Inbound, r.Outbound
	if in == nil {
		in = &rules.Inbound{}
	}
	if out == nil {
		out = &rules.Outbound{}
	}
	e.scope("ConnectedSystemScope", in.Scope)
	e.line(2, "CreateILMObject", strconv.FormatBool(in.Project))
	if r.Outbound != nil {
		e.line(2, "msidmOutboundIsFilterBased", strconv.FormatBool(!out.ByPolicy))
	}
	e.scope("msidmOutboundScopingFilters", out.Scope)
	e.line(2, "CreateConnectedSystemObject", strconv.FormatBool(out.Provision))
	e.line(2, "DisconnectConnectedSystemObject", strconv.FormatBool(out.Deprovision && out.ByPolicy))
	if !out.ByPolicy && r.Outbound != nil && len(r.Join) > 0 {
		e.beyond("RelationshipCriteria", "FIM's tools leave the criteria of a filter-based outbound rule empty")
	}
	for _, name := range out.Parameters {
		e.indent(2)
		e.out.WriteString("<SynchronizationRuleParameters><sync-parameter>" + e.element("name", name) +
			"<type>String</type></sync-parameter></SynchronizationRuleParameters>\n")
	}
	for _, f := range in.Flows {
		e.flow("PersistentFlow", "import-flow", f)
	}
	for _, f := range out.Flows {
		list := "PersistentFlow"
		if f.Initial {
			list = "InitialFlow"
		}
		e.flow(list, "export-flow", f)
		if f.ExistenceTest {
			e.flow("ExistenceTest", "export-flow", f)
		}
	}
	e.own(2, "id", r.ID)
	e.own(2, "tag", r.Tag)
	e.own(2, "dialect", r.Dialect)
	e.own(2, "precedenceBefore", r.PrecedenceBefore)
	if r.Disabled {
		e.own(2, "disabled", "true")
	}
	if in.Disconnect {
		e.own(2, "disconnect", "true")
	}
	if in.Sticky {
		e.own(2, "inboundLink", string(rules.StickyLink))
	}
	if out.Deprovision && !out.ByPolicy { // by a filter-based rule FIM disconnects nothing
		e.own(2, "deprovision", "true")
	}
	if out.Sticky {
		e.own(2, "outboundLink", string(rules.StickyLink))
	}
	e.close(1, ruleKind)
}

// criteria writes the relationship criteria: one set for each item of a join, of
// which FIM knows the first.
func (e *encoder) criteria(join []rules.JoinCriterion) {
	if len(join) == 0 {
		return
	}
	if len(join) > 1 {
		e.beyond("RelationshipCriteria", "FIM knows the first of the alternatives only")
	}
	e.open(2, "RelationshipCriteria", "")
	for _, criterion := range join {
		of := ""
		if criterion.AnyType {
			of += ` metasync:any-type="true"`
		}
		if criterion.Resolver != "" {
			of += ` metasync:resolver="` + strings.ReplaceAll(e.escape(criterion.Resolver), `"`, "&#34;") + `"`
		}
		if of != "" {
			e.beyond("RelationshipCriteria", "FIM has no counterpart for joins of any type and for resolvers")
		}
		e.open(3, "conditions", of)
		for _, p := range criterion.Pairs {
			flags := ""
			if p.Script {
				flags += ` metasync:script="true"`
			}
			if p.CaseSensitive {
				flags += ` metasync:case-sensitive="true"`
			}
			if flags != "" {
				e.beyond("RelationshipCriteria", "FIM has no counterpart for scripts and case in joins")
			}
			e.indent(4)
			e.out.WriteString("<condition" + flags + ">" + e.element("ilmAttribute", p.Metaverse) + e.element("csAttribute", p.Connector) + "</condition>\n")
		}
		e.close(3, "conditions")
	}
	e.close(2, "RelationshipCriteria")
}

// scope writes a scoping filter: one list for each alternative, of which FIM knows
// the first.
func (e *encoder) scope(name string, scope rules.Scope) {
	if len(scope) == 0 {
		return
	}
	if len(scope) > 1 {
		e.beyond(name, "FIM knows the first of the alternatives only")
	}
	e.open(2, name, "")
	for _, conditions := range scope {
		e.indent(3)
		e.out.WriteString(e.scoping(conditions) + "\n")
	}
	e.close(2, name)
}

func (e *encoder) scoping(conditions []rules.Condition) string {
	var b strings.Builder
	b.WriteString("<scoping>")
	for _, c := range conditions {
		code := rules.OperatorCode(c.Operator)
		if strings.HasPrefix(code, "IS") {
			e.beyond(c.Attribute, "FIM does not have the operator "+code)
		}
		b.WriteString("<scope>" + e.element("csAttribute", c.Attribute) + e.element("csOperator", code))
		if rules.OperatorTakesValue(c.Operator) {
			b.WriteString(e.element("csValue", c.Value))
		}
		b.WriteString("</scope>")
	}
	b.WriteString("</scoping>")
	return b.String()
}

// flow writes a flow as a value of one of the lists.
func (e *encoder) flow(list, kind string, f rules.Flow) {
	attributes := ""
	if kind == "export-flow" {
		attributes = fmt.Sprintf(` allows-null="%t"`, f.AllowNull)
	}
	if f.Merge != "" && f.Merge != rules.Update {
		e.beyond(f.Target, "FIM has no merge types")
		attributes += ` metasync:merge="` + string(f.Merge) + `"`
	}
	source, function := e.source(f)
	e.indent(2)
	e.out.WriteString("<" + list + "><" + kind + attributes + ">" + source + e.element("dest", f.Target))
	if len(f.Scope) > 0 {
		e.beyond(f.Target, "what FIM makes of the scope of a flow is not known")
	} else {
		e.out.WriteString("<scoping></scoping>")
	}
	for _, conditions := range f.Scope {
		e.out.WriteString(e.scoping(conditions))
	}
	e.out.WriteString(function + "</" + kind + "></" + list + ">\n")
}

func (e *encoder) source(f rules.Flow) (source, function string) {
	s := f.Source
	switch {
	case s.Script != "":
		e.beyond(f.Target, "FIM's rules call no scripts")
		return `<src metasync:script="` + strings.ReplaceAll(e.escape(s.Script), `"`, "&#34;") + `"></src>`, ""
	case s.DNPart > 0:
		e.beyond(f.Target, "FIM's rules do not take names apart")
		return fmt.Sprintf(`<src metasync:dn-part="%d"></src>`, s.DNPart), ""
	case s.Expression != "":
		t, ok := parseExpression(s.Expression)
		if !ok || t.isCustom() {
			return "<src></src>", `<fn id="` + custom + `" isCustomExpression="true">` + e.element("arg", s.Expression) + "</fn>"
		}
		var reads strings.Builder
		seen := map[string]bool{}
		t.reads(func(name string) {
			if !seen[name] {
				seen[name] = true
				reads.WriteString(e.element("attr", name))
			}
		})
		if t.function == "" {
			t = &tree{function: custom, args: []*tree{t}}
		}
		return "<src>" + reads.String() + "</src>", e.function(t, !t.simple())
	case s.Attribute != "":
		return "<src>" + e.element("attr", s.Attribute) + "</src>", ""
	}
	return e.element("src", s.Value), ""
}

func (e *encoder) function(t *tree, isCustom bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<fn id="%s" isCustomExpression="%t">`, e.escape(t.function), isCustom || t.function == custom)
	for _, a := range t.args {
		if a.function == "" {
			b.WriteString(e.element("arg", a.text))
			continue
		}
		b.WriteString("<arg>" + e.function(a, isCustom) + "</arg>")
	}
	b.WriteString("</fn>")
	return b.String()
}
