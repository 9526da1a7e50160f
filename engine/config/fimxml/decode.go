package fimxml

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
)

// A Document is what was read. Rules of a document that holds only flows have
// nothing but these.
type Document struct {
	Rules []rules.Rule
	Notes []*fault.Error // what has no counterpart, or needs a look, in the order of the document
}

// Decode reads the rules of a document. The file is for the places of what is
// wrong: the error joins everything, each a *[fault.Error] with one of the
// reference's names. It never returns a document and an error.
func Decode(file string, data []byte) (*Document, error) {
	root, err := parse(file, data)
	if err != nil {
		return nil, err
	}
	d := &decoder{out: &Document{}, agents: map[string]string{}, names: map[string]string{}}
	objects := find(root)
	for _, o := range objects {
		d.know(o)
	}
	for _, o := range objects {
		d.rule(o)
	}
	if len(objects) == 0 {
		d.flowsOnly(root)
	}
	if len(d.out.Rules) == 0 && len(d.problems) == 0 {
		d.problems = append(d.problems, root.Children[0].Fail(errRule, "there is neither a SynchronizationRule nor a flow in it"))
	}
	if len(d.problems) > 0 {
		return nil, errors.Join(d.problems...)
	}
	return d.out, nil
}

type decoder struct {
	out      *Document
	problems []error
	agents   map[string]string // names of management agents, by id
	names    map[string]string // of rules, by id
	current  string            // name of the rule that is read
}

// note tells what could not be taken over.
func (d *decoder) note(e *element, what, format string, args ...any) {
	n := e.Fail(noteNoPlace, format, args...)
	n.Attribute, n.Rule = what, d.current
	d.out.Notes = append(d.out.Notes, n)
}

// failed notes an error, and reports whether there was one.
func (d *decoder) failed(err error) bool {
	if err == nil {
		return false
	}
	named := fault.As(err, errRule)
	named.Rule = d.current
	d.problems = append(d.problems, named)
	return true
}

// flowsOnly reads flows that stand alone.
func (d *decoder) flowsOnly(root *element) {
	elements := root.Children
	if len(elements) == 1 && !isFlow(elements[0]) {
		elements = elements[0].Children
	}
	var r rules.Rule
	for _, e := range elements {
		if !isFlow(e) {
			return
		}
		f, err := d.flow(e)
		if d.failed(err) {
			continue
		}
		d.add(&r, e, f)
	}
	if r.Inbound != nil || r.Outbound != nil {
		d.note(elements[0], "", "a flow without its rule: put it under the rule that it belongs to")
		d.out.Rules = append(d.out.Rules, r)
	}
}

// add adds a flow to its half of a rule.
func (d *decoder) add(r *rules.Rule, e *element, f rules.Flow) {
	var flows *[]rules.Flow
	if e.Local == "import-flow" {
		if r.Inbound == nil {
			r.Inbound = &rules.Inbound{}
		}
		flows = &r.Inbound.Flows
	} else {
		if r.Outbound == nil {
			r.Outbound = &rules.Outbound{}
		}
		flows = &r.Outbound.Flows
	}
	i := slices.IndexFunc(*flows, func(other rules.Flow) bool { return other.Target == f.Target })
	if i < 0 {
		*flows = append(*flows, f)
		return
	}
	before := &(*flows)[i]
	switch same := sameSource(*before, f); {
	case same && before.Initial != f.Initial:
		before.Initial = false // all the time includes the beginning
		before.AllowNull = before.AllowNull || f.AllowNull
	case same:
	case before.Initial && !f.Initial:
		*before = f
		d.note(e, f.Target, "the flow while the object is created differs from the one that persists; only that is kept")
	case f.Initial && !before.Initial:
		d.note(e, f.Target, "the flow while the object is created differs from the one that persists; only that is kept")
	default:
		d.note(e, f.Target, "a rule has one flow into an attribute; write another rule for this one")
	}
}

func sameSource(a, b rules.Flow) bool {
	a.Source.Position, b.Source.Position = fault.Position{}, fault.Position{}
	return a.Source == b.Source && slices.EqualFunc(a.Scope, b.Scope, func(x, y []rules.Condition) bool {
		return slices.EqualFunc(x, y, func(c, d rules.Condition) bool {
			return c.Attribute == d.Attribute && c.Operator == d.Operator && c.Value == d.Value
		})
	})
}

// rule reads one rule.
func (d *decoder) rule(o *object) {
	if !strings.EqualFold(o.kind, ruleKind) {
		return
	}
	r := rules.Rule{Name: o.text("displayname"), Position: o.at.At}
	d.current = r.Name
	defer func() { d.current = "" }()
	before := len(d.problems)
	for _, required := range []string{"DisplayName", "ILMObjectType", "ConnectedObjectType"} {
		if o.text(strings.ToLower(required)) == "" {
			d.failed(o.at.Fail(errRule, "the rule has no %s", required))
		}
	}
	r.Description, r.Metaverse, r.Object = o.text("description"), o.text("ilmobjecttype"), o.text("connectedobjecttype")
	r.Agent = d.agent(o)
	r.ID, r.Tag, r.Dialect, r.PrecedenceBefore = o.own("id"), o.own("tag"), o.own("dialect"), o.own("precedenceBefore")
	r.Disabled = d.flag(o, "disabled", o.own("disabled"))
	d.number(o, &r)
	d.dependency(o, &r)
	d.halves(o, &r)
	d.criteria(o, &r)
	d.flows(o, &r)
	d.unknown(o)
	if len(d.problems) == before {
		d.out.Rules = append(d.out.Rules, r)
	}
}

func (d *decoder) number(o *object, r *rules.Rule) {
	text := o.text("precedence")
	if text == "" {
		return
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		d.failed(o.place("precedence").Fail(errRule, "Precedence %q is not a number", text))
		return
	}
	r.Precedence = n
}

// flag reads a boolean attribute.
func (d *decoder) flag(o *object, name, text string) bool {
	set, err := boolean(text)
	if err != nil {
		d.failed(o.place(strings.ToLower(name)).Fail(errRule, "%s: %s", name, err))
	}
	return set
}

// agent returns the name of the rule's management agent. FIM knows it by an id, of
// which the name stands elsewhere in the document, if at all.
func (d *decoder) agent(o *object) string {
	id, system := identifier(o.text("managementagentid")), o.text("connectedsystem")
	if name := d.agents[id]; name != "" {
		return name
	}
	if name := d.agents[identifier(system)]; name != "" {
		return name
	}
	if system == "" {
		system = o.text("managementagentid")
	}
	switch {
	case system == "":
		d.failed(o.at.Fail(errRule, "the rule has neither ConnectedSystem nor ManagementAgentID"))
	case isIdentifier(system):
		d.note(o.at, "ConnectedSystem", "the management agent is known here by its id only: put the name of the agent in its place")
	}
	return system
}

func (d *decoder) dependency(o *object, r *rules.Rule) {
	on := o.text("dependency")
	switch name := d.names[identifier(on)]; {
	case name != "":
		r.DependsOn = name
	case isIdentifier(on):
		d.note(o.place("dependency"), "Dependency", "the rule that it depends on is not in the document: give its name as dependsOn")
	default:
		r.DependsOn = on
	}
}

// halves reads the direction of the rule and what belongs to it.
func (d *decoder) halves(o *object, r *rules.Rule) {
	creates, provisions := d.flag(o, "CreateILMObject", o.text("createilmobject")), d.flag(o, "CreateConnectedSystemObject", o.text("createconnectedsystemobject"))
	leaves, byScope := d.flag(o, "DisconnectConnectedSystemObject", o.text("disconnectconnectedsystemobject")), d.flag(o, "msidmOutboundIsFilterBased", o.text("msidmoutboundisfilterbased"))
	inbound, outbound := false, false
	switch direction := o.text("flowtype"); direction {
	case "0":
		inbound = true
	case "1":
		outbound = true
	case "2":
		inbound, outbound = true, true
	default:
		d.failed(o.place("flowtype").Fail(errRule, "FlowType %q is none of 0, 1 and 2", direction))
		return
	}
	if leaves && byScope && outbound {
		leaves = false
		d.note(o.place("disconnectconnectedsystemobject"), "DisconnectConnectedSystemObject",
			"FIM disconnects nothing by a filter-based rule, so deprovision is left out; here it would disconnect objects that leave the scope")
	}
	leaves = leaves || d.flag(o, "deprovision", o.own("deprovision"))
	if inbound {
		r.Inbound = &rules.Inbound{Project: creates, Disconnect: d.flag(o, "disconnect", o.own("disconnect")), Sticky: !creates && o.own("inboundLink") == string(rules.StickyLink), Scope: d.scope(o, "connectedsystemscope")}
	} else if creates || len(d.scope(o, "connectedsystemscope")) > 0 {
		d.note(o.at, "FlowType", "the rule is outbound only: what it says about inbound is left out")
	}
	if outbound {
		r.Outbound = &rules.Outbound{
			ByPolicy: !byScope, Scope: d.scope(o, "msidmoutboundscopingfilters"), Provision: provisions,
			Sticky: !provisions && o.own("outboundLink") == string(rules.StickyLink), Deprovision: leaves, Parameters: d.parameters(o),
		}
	} else if provisions || leaves || len(d.scope(o, "msidmoutboundscopingfilters")) > 0 {
		d.note(o.at, "FlowType", "the rule is inbound only: what it says about outbound is left out")
	}
}

// scope reads the alternatives of a scoping filter, of which FIM has one.
func (d *decoder) scope(o *object, name string) rules.Scope {
	var out rules.Scope
	for _, v := range o.values[name] {
		inner, err := inner(v, errScope)
		if d.failed(err) {
			continue
		}
		for _, e := range inner {
			if e.Local != "scoping" {
				d.failed(e.Fail(errScope, "unexpected <%s>", e.Local))
				continue
			}
			conditions, err := d.scoping(e)
			if !d.failed(err) && len(conditions) > 0 {
				out = append(out, conditions)
			}
		}
	}
	return out
}

func (d *decoder) criteria(o *object, r *rules.Rule) {
	for _, v := range o.values["relationshipcriteria"] {
		inner, err := inner(v, errCriteria)
		if d.failed(err) {
			continue
		}
		for _, e := range inner {
			if e.Local != "conditions" {
				d.failed(e.Fail(errCriteria, "unexpected <%s>", e.Local))
				continue
			}
			criterion, err := d.conditions(e)
			if !d.failed(err) && len(criterion.Pairs) > 0 {
				r.Join = append(r.Join, criterion)
			}
		}
	}
}

// parameters reads the names of workflow parameters: texts, or with their types.
func (d *decoder) parameters(o *object) []string {
	var out []string
	for _, v := range o.values["synchronizationruleparameters"] {
		inner, err := inner(v, errRule)
		if d.failed(err) {
			continue
		}
		if len(inner) == 0 {
			inner = []*element{v}
		}
		for _, e := range inner {
			name := e.Text()
			if e.Child("name") != nil {
				name = e.Child("name").Text()
			}
			if name != "" && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// flows reads the three lists of flows, in the order of the document. Existence
// tests come last: each belongs to a flow of the other lists.
func (d *decoder) flows(o *object, r *rules.Rule) {
	var tests []*element
	for _, v := range o.flows {
		inner, err := inner(v.element, errFlow)
		if d.failed(err) {
			continue
		}
		for _, e := range inner {
			switch {
			case !isFlow(e):
				d.failed(e.Fail(errFlow, "unexpected <%s>", e.Local))
			case e.Local == "import-flow" && r.Inbound == nil || e.Local == "export-flow" && r.Outbound == nil:
				d.note(e, "FlowType", "the flow is of a direction that the rule does not have; it is left out")
			case v.list == "existencetest":
				tests = append(tests, e)
			default:
				f, err := d.flow(e)
				if d.failed(err) {
					continue
				}
				if f.Initial = v.list == "initialflow"; f.Initial && e.Local == "import-flow" {
					f.Initial = false
					d.note(e, f.Target, "an inbound flow is never initial only")
				}
				d.add(r, e, f)
			}
		}
	}
	for _, e := range tests {
		d.test(r, e)
	}
}

// test marks a flow as an existence test.
func (d *decoder) test(r *rules.Rule, e *element) {
	f, err := d.flow(e)
	if d.failed(err) {
		return
	}
	if e.Local == "import-flow" {
		d.note(e, f.Target, "an inbound flow is no existence test")
		return
	}
	for i := range r.Outbound.Flows {
		other := &r.Outbound.Flows[i]
		if other.Target != f.Target {
			continue
		}
		if sameSource(*other, f) {
			other.ExistenceTest = true
			return
		}
		d.note(e, f.Target, "the existence test differs from the flow into the attribute; it is left out")
		return
	}
	f.ExistenceTest = true
	r.Outbound.Flows = append(r.Outbound.Flows, f)
	d.note(e, f.Target, "an existence test flows, too: take it out if the attribute is to stay as it is")
}
