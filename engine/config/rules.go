package config

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
)

// A rule is a synchronization rule (sync-engine §5.1).
type rule struct {
	Name             word          `yaml:"name,required" doc:"Its name, which no other rule has."`
	ID               word          `yaml:"id" doc:"What it is known by in the store, which no other rule has for its id or name. A rule with an id can be renamed without being another one."`
	Description      string        `yaml:"description" doc:"What it is for."`
	Tag              string        `yaml:"tag" doc:"A label of your own, shown where rules are listed."`
	Disabled         bool          `yaml:"disabled" default:"false" doc:"Whether the rule is as if it were not there. It is checked all the same."`
	Agent            word          `yaml:"agent,required" doc:"The agent."`
	Object           word          `yaml:"object,required" doc:"The object type of the agent."`
	Metaverse        word          `yaml:"metaverse,required" doc:"The object type of the metaverse."`
	Precedence       int           `yaml:"precedence" default:"100" doc:"Its rank among the rules of the agent; the smaller wins."`
	PrecedenceBefore word          `yaml:"precedenceBefore" doc:"The rule right before which this one ranks, instead of a precedence of its own."`
	DependsOn        word          `yaml:"dependsOn" doc:"A rule that must apply to an object before this one does."`
	Dialect          string        `yaml:"dialect" oneof:"fim entra" doc:"Dialect of its expressions, if not that of the configuration."`
	Join             []joinItem    `yaml:"join" doc:"How objects find each other, tried in order: mappings {connector attribute: metaverse attribute}, of which every pair must be equal."`
	Inbound          *inboundKeys  `yaml:"inbound" doc:"From the agent into the metaverse."`
	Outbound         *outboundKeys `yaml:"outbound" doc:"From the metaverse to the agent."`

	at fault.Position
}

type inboundKeys struct {
	Scope      scope              `yaml:"scope" doc:"For which objects of the agent the rule holds: a list of conditions on its attributes, all of which must hold, or {any: [lists]}."`
	Project    bool               `yaml:"project" default:"false" doc:"Whether an object that finds no partner creates one in the metaverse."`
	Link       string             `yaml:"link" oneof:"join sticky-join provision" doc:"Instead of project, what the rule does about links. provision: the same as project: true; join: as project: false; sticky-join: the same, but it holds the metaverse object where the deletion rule is held, as provision does."`
	Disconnect bool               `yaml:"disconnect" default:"false" doc:"Whether a link that the rule made is cut when the rule no longer applies to the object and no other rule holds the link. Otherwise the link stays, and only the values go that the rule gave."`
	Flows      named[inboundFlow] `yaml:"flows" doc:"What the metaverse attributes get their values from: an attribute of the agent, an =expression, or a mapping."`
}

type outboundKeys struct {
	Apply       string              `yaml:"apply" oneof:"scope policy" default:"scope" doc:"scope: to every object in the scope; policy: only where an expected rule entry says so."`
	Scope       scope               `yaml:"scope" doc:"For which metaverse objects the rule holds: a list of conditions on their attributes, all of which must hold, or {any: [lists]}."`
	Provision   bool                `yaml:"provision" default:"false" doc:"Whether an object without a partner creates one in the system."`
	Link        string              `yaml:"link" oneof:"join sticky-join provision" doc:"Instead of provision, what the rule does about links. provision: the same as provision: true; join: as provision: false; sticky-join: the same, but it holds the metaverse object where the deletion rule is held."`
	Deprovision bool                `yaml:"deprovision" default:"false" doc:"Whether an object that the rule holds for no longer is disconnected."`
	Parameters  []word              `yaml:"parameters" doc:"Parameters that a workflow fills; an expression reads them as $name."`
	Flows       named[outboundFlow] `yaml:"flows" doc:"What the attributes of the agent get their values from: a metaverse attribute, an =expression, or a mapping."`
}

func (r *rule) check(l *loader, n *node) {
	r.at = n.at
	if len(n.given("inbound", "outbound")) == 0 {
		l.fail(n.at, "a rule needs inbound, outbound or both")
	}
	l.excludes(n, "precedenceBefore", "precedence")
}

func (r *rule) refine(s *jsonschema.Schema) {
	for _, key := range []string{"inbound", "outbound"} {
		s.AnyOf = append(s.AnyOf, &jsonschema.Schema{Required: []string{key}})
	}
	s.DependentSchemas = map[string]*jsonschema.Schema{"precedenceBefore": without("precedence")}
}

func (in *inboundKeys) check(l *loader, n *node) { l.excludes(n, "link", "project") }

func (in *inboundKeys) refine(s *jsonschema.Schema) {
	s.DependentSchemas = map[string]*jsonschema.Schema{"link": without("project")}
}

func (o *outboundKeys) check(l *loader, n *node) {
	l.unique(o.Parameters)
	l.excludes(n, "link", "provision")
}

func (o *outboundKeys) refine(s *jsonschema.Schema) {
	s.Properties["parameters"].UniqueItems = true
	s.DependentSchemas = map[string]*jsonschema.Schema{"link": without("provision")}
}

// definition returns the rule as the rules have it.
func (r *rule) definition() rules.Rule {
	out := rules.Rule{
		Name: r.Name.text, ID: r.ID.text, Description: r.Description, Tag: r.Tag, Disabled: r.Disabled,
		Agent: r.Agent.text, Object: r.Object.text, Metaverse: r.Metaverse.text,
		Precedence: r.Precedence, PrecedenceBefore: r.PrecedenceBefore.text, DependsOn: r.DependsOn.text, Dialect: r.Dialect, Position: r.at,
	}
	for _, item := range r.Join {
		criterion := rules.JoinCriterion{AnyType: item.AnyType, Resolver: item.Resolver.text, Position: item.at}
		for _, e := range item.Match {
			criterion.Pairs = append(criterion.Pairs, rules.JoinPair{
				Connector: e.name, Metaverse: e.value.Metaverse.text, Position: e.at,
				Script: e.value.Script, CaseSensitive: e.value.CaseSensitive,
			})
		}
		out.Join = append(out.Join, criterion)
	}
	if in := r.Inbound; in != nil {
		out.Inbound = &rules.Inbound{
			Scope: in.Scope.rule(), Disconnect: in.Disconnect,
			Project: in.Project || in.Link == string(rules.ProvisionLink), Sticky: in.Link == string(rules.StickyLink),
		}
		for _, e := range in.Flows {
			out.Inbound.Flows = append(out.Inbound.Flows, rules.Flow{
				Target: e.name, Source: e.value.from, Scope: e.value.Scope.rule(), Merge: rules.MergeType(e.value.Merge), Position: e.at,
			})
		}
	}
	if o := r.Outbound; o != nil {
		out.Outbound = &rules.Outbound{
			ByPolicy: o.Apply == "policy", Scope: o.Scope.rule(),
			Provision: o.Provision || o.Link == string(rules.ProvisionLink), Sticky: o.Link == string(rules.StickyLink),
			Deprovision: o.Deprovision, Parameters: words(o.Parameters),
		}
		for _, e := range o.Flows {
			out.Outbound.Flows = append(out.Outbound.Flows, rules.Flow{
				Target: e.name, Source: e.value.from, Scope: e.value.Scope.rule(), Initial: e.value.Initial,
				AllowNull: e.value.AllowNull, ExistenceTest: e.value.ExistenceTest, Position: e.at,
			})
		}
	}
	return out
}

// A joinItem is one alternative of a join: the pairs of attributes alone, at least
// one; or a mapping with them under match.
type joinItem struct {
	joinItemKeys
	at fault.Position
}

type joinItemKeys struct {
	Match    joinPairs `yaml:"match,required" doc:"The pairs {connector attribute: metaverse attribute}, of which every one must be equal."`
	AnyType  bool      `yaml:"anyType" default:"false" doc:"Whether metaverse objects of all types are looked at that have the attributes, instead of those of the rule's type."`
	Resolver word      `yaml:"resolver" doc:"The name under which the agent's extension is asked which of the objects that match is joined."`
}

// joinPairs are the pairs of one criterion.
type joinPairs named[joinTarget]

// A joinTarget is what a join compares an attribute of the agent with: a
// metaverse attribute alone, or a mapping.
type joinTarget struct{ joinTargetKeys }

type joinTargetKeys struct {
	Metaverse     word `yaml:"metaverse,required" doc:"The metaverse attribute; object-id is the id of the object."`
	Script        bool `yaml:"script" default:"false" doc:"Whether the name on the left is that of a join script of the agent's extension, which computes the values, instead of an attribute."`
	CaseSensitive bool `yaml:"caseSensitive" default:"false" doc:"Whether upper and lower case differ."`
}

func (t *joinTarget) decode(l *loader, n *node) {
	if n.kind == mappingNode {
		l.fill(n, &t.joinTargetKeys)
		return
	}
	t.Metaverse.decode(l, n)
}

func (t *joinTarget) schema(g *generator) *jsonschema.Schema {
	return g.define("join target", g.shortOrMapping(textSchema(), &joinTargetKeys{}))
}

// decode takes an item with a mapping under match for the long form, unless that
// mapping is the target of an attribute of this name.
func (j *joinItem) decode(l *loader, n *node) {
	if !l.want(n, mappingNode) {
		return
	}
	j.at = n.at
	if match := n.get("match"); match != nil && match.kind == mappingNode && match.get("metaverse") == nil {
		l.fill(n, &j.joinItemKeys)
		return
	}
	j.Match.decode(l, n)
}

func (j *joinItem) schema(g *generator) *jsonschema.Schema {
	long := g.object(&j.joinItemKeys)
	long.Type, long.Types = "object", nil
	isLong := &jsonschema.Schema{
		Type: "object", Required: []string{"match"},
		Properties: map[string]*jsonschema.Schema{"match": {Type: "object", Not: &jsonschema.Schema{Required: []string{"metaverse"}}}},
	}
	return g.define("join", &jsonschema.Schema{If: isLong, Then: long, Else: j.Match.schema(g)})
}

func (p *joinPairs) decode(l *loader, n *node) {
	if !l.want(n, mappingNode) {
		return
	}
	if len(n.pairs) == 0 {
		l.fail(n.at, "a join needs at least one pair of attributes")
	}
	(*named[joinTarget])(p).decode(l, n)
}

func (p *joinPairs) schema(g *generator) *jsonschema.Schema {
	s := (*named[joinTarget])(p).schema(g)
	s.Type, s.Types, s.MinProperties = "object", nil, ptr(1)
	return s
}

// A source is a text that is an attribute or, after =, an expression.
type source struct{ rules.Source }

func (s *source) decode(l *loader, n *node) {
	if !l.nonEmpty(n) {
		return
	}
	s.Position = n.at
	expression, ok := strings.CutPrefix(n.text, "=")
	if !ok {
		s.Attribute = n.text
		return
	}
	if strings.TrimSpace(expression) == "" {
		l.fail(n.at, "an expression is missing after =")
	}
	s.Expression, s.Position = expression, n.start
	s.Position.Column++
	var marks expr.Marks
	for _, m := range n.marks {
		if m.Offset > 0 { // behind the =
			marks = append(marks, expr.Mark{Offset: m.Offset - 1, Position: m.Position})
		}
	}
	if marks != nil {
		s.Marks = &marks
	}
}

func (s *source) schema(g *generator) *jsonschema.Schema {
	return g.define("source", &jsonschema.Schema{
		Type: "string", Pattern: `^([^=]|=\s*\S)`,
		Description: "The name of an attribute or, after =, an expression.",
	})
}

// sourceKeys are the three kinds of sources in a mapping.
type sourceKeys struct {
	From   source   `yaml:"from" doc:"An attribute, or an =expression."`
	Value  constant `yaml:"value" doc:"A constant."`
	Script word     `yaml:"script" doc:"The name of a flow function of a script."`
}

func (k *sourceKeys) check(l *loader, n *node) { l.exactlyOne(n, "from", "value", "script") }

func (k *sourceKeys) refine(s *jsonschema.Schema) { exactlyOneOf(s, "from", "value", "script") }

// source returns the source as the rules have it.
func (k *sourceKeys) source() rules.Source {
	switch {
	case k.Value.set:
		return rules.Source{Constant: true, Value: k.Value.text, Position: k.Value.at}
	case k.Script.text != "":
		return rules.Source{Script: k.Script.text, Position: k.Script.at}
	}
	return k.From.Source
}

// An inboundFlow is a source alone, or in a mapping that may say more.
type inboundFlow struct {
	inboundFlowKeys
	from rules.Source
}

type inboundFlowKeys struct {
	sourceKeys
	DNPart int   `yaml:"dnPart" doc:"A component of the name, counted from 1, which is the object's own."`
	Scope  scope `yaml:"scope" doc:"For which objects of the agent the flow exists: conditions as in the scope of a rule."`
	Merge  merge `yaml:"merge" default:"update" doc:"update and replace: the strongest flow gives the attribute all its values; merge: it has the values of all flows; merge-case-insensitive: the same, without values that differ only in case. All flows into an attribute have the same. The reference's spellings, such as MergeCaseInsensitive, are accepted."`
}

// A merge is a merge type, in our spelling or that of the reference (sync-engine
// §4.9).
type merge rules.MergeType

var merges = []string{string(rules.Update), string(rules.ReplaceValues), string(rules.Merge), string(rules.MergeCaseInsensitive)}

func (m *merge) decode(l *loader, n *node) {
	if n.kind == textNode {
		plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "")) }
		for _, name := range merges {
			if plain(name) == plain(n.text) {
				*m = merge(name)
				return
			}
		}
	}
	l.choice(n, merges)
}

func (m *merge) schema(g *generator) *jsonschema.Schema {
	var pattern strings.Builder
	for i, name := range merges {
		pattern.WriteString([]string{"^(", "|"}[min(i, 1)])
		for _, r := range name {
			if r == '-' {
				pattern.WriteString("-?")
				continue
			}
			fmt.Fprintf(&pattern, "[%c%c]", unicode.ToUpper(r), r)
		}
	}
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{g.choice(merges), {Type: "string", Pattern: pattern.String() + ")$"}}}
}

var inboundSources = []string{"from", "value", "script", "dnPart"}

func (k *inboundFlowKeys) check(l *loader, n *node) {
	l.exactlyOne(n, inboundSources...)
	if given := n.get("dnPart"); given != nil && given.kind == numberNode && k.DNPart < 1 {
		l.fail(given.at, "dnPart must be at least 1")
	}
}

func (k *inboundFlowKeys) refine(s *jsonschema.Schema) {
	exactlyOneOf(s, inboundSources...)
	s.Properties["dnPart"].Minimum = ptr(1.0)
}

func (f *inboundFlow) decode(l *loader, n *node) {
	if n.kind == mappingNode {
		l.fill(n, &f.inboundFlowKeys)
	} else {
		f.From.decode(l, n)
	}
	f.from = f.source()
	if part := n.get("dnPart"); f.DNPart > 0 {
		f.from = rules.Source{DNPart: f.DNPart, Position: part.at}
	}
}

func (f *inboundFlow) schema(g *generator) *jsonschema.Schema {
	return g.define("inbound flow", g.shortOrMapping(new(source).schema(g), &inboundFlowKeys{}))
}

// An outboundFlow is a source alone, or in a mapping that may say more.
type outboundFlow struct {
	outboundFlowKeys
	from rules.Source
}

type outboundFlowKeys struct {
	sourceKeys
	Scope         scope `yaml:"scope" doc:"For which metaverse objects the flow exists: conditions as in the scope of a rule."`
	Initial       bool  `yaml:"initial" default:"false" doc:"Only while the object is being created."`
	AllowNull     bool  `yaml:"allowNull" default:"false" doc:"Whether no value removes the attribute."`
	ExistenceTest bool  `yaml:"existenceTest" default:"false" doc:"Whether an object that has this value counts as one to which the rule was applied."`
}

func (f *outboundFlow) decode(l *loader, n *node) {
	if n.kind == mappingNode {
		l.fill(n, &f.outboundFlowKeys)
	} else {
		f.From.decode(l, n)
	}
	f.from = f.source()
}

func (f *outboundFlow) schema(g *generator) *jsonschema.Schema {
	return g.define("outbound flow", g.shortOrMapping(new(source).schema(g), &outboundFlowKeys{}))
}
