package rules

import (
	"fmt"
	"maps"
	"slices"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// A Set is a compiled [Model].
type Set struct {
	// Fingerprint is equal for two sets that decide alike. It changes with the
	// model and with the functions of scripts that the model uses. Those of
	// [ObjectRules] and [Type] say what it is that changed.
	Fingerprint string

	// Indexed names, by metaverse type, the attributes by which objects must be
	// found; IndexedConnectors, by agent and object type, those by which
	// disconnectors must be.
	Indexed           map[string][]string
	IndexedConnectors map[string]map[string][]string

	// RulesProvision and ScriptsProvision say who may create, rename and
	// disconnect objects of connected systems.
	RulesProvision, ScriptsProvision bool
	// Warnings is what the model may say, but should not.
	Warnings []*fault.Error

	types     map[string]*Type
	agents    map[string]*AgentRules
	order     []string
	dialect   expr.Dialect             // of the model
	functions map[string]expr.Function // of scripts
	names     map[string]string        // of rules that have an id, by it
}

// Type returns a metaverse type, nil if there is none.
func (s *Set) Type(name string) *Type { return s.types[name] }

// Types returns the names of the metaverse types, ordered.
func (s *Set) Types() []string { return slices.Sorted(maps.Keys(s.types)) }

// Agent returns the rules of an agent, nil if the model does not have it.
func (s *Set) Agent(name string) *AgentRules { return s.agents[name] }

// Inbound returns the fingerprint of what is decided inbound about the objects of
// an agent that are of a type, "" if nothing is.
func (s *Set) Inbound(agent, objectType string) string {
	if a := s.agents[agent]; a != nil {
		if o := a.Objects[objectType]; o != nil {
			return o.Fingerprint
		}
	}
	return ""
}

// Outbound returns the fingerprint of what is decided outbound about metaverse
// objects of a type, "" if nothing is.
func (s *Set) Outbound(metaverseType string) string {
	if t := s.types[metaverseType]; t != nil {
		return t.Fingerprint
	}
	return ""
}

// Agents returns the names of the agents in the order of the model.
func (s *Set) Agents() []string { return s.order }

// A Type is a metaverse type.
type Type struct {
	Name string

	// Fingerprint changes with what is decided about these objects outbound, and
	// about their deletion.
	Fingerprint string

	Attributes map[string]*Attribute
	Unique     []*Attribute // those that are unique, in the order of the model
	Delete     DeletionRule
	Extension  MetaverseExtension

	// Seekers names, by attribute, the agents whose join criteria look at it, ordered.
	Seekers map[string][]string

	// Outbound holds the outbound rules in the order in which they apply:
	// behind the rules that they depend on, then by precedence.
	Outbound []*OutboundRule

	// Tested holds those with existence tests, in the same order.
	Tested []*OutboundRule
}

// An Attribute is a metaverse attribute.
type Attribute struct {
	Name    string
	Type    identity.Type
	Multi   bool
	Indexed bool           // objects are found by it
	Unique  bool           // see [MetaverseAttribute]
	Mode    PrecedenceMode // Ranked unless all flows merge
	Merge   MergeType

	// Flows holds the inbound flows into the attribute, the strongest first.
	Flows []*InboundFlow

	agentRank map[string]int
	byRule    bool // the model's precedence is ByRule
}

// Merges reports whether the attribute holds the values of all its flows.
func (a *Attribute) Merges() bool { return a.Merge == Merge || a.Merge == MergeCaseInsensitive }

// Rank returns how strong a contribution of a rule is, 0 being the strongest. A
// rule that no longer flows into the attribute ranks where its agent's would, an
// agent that is no longer there behind all others.
func (a *Attribute) Rank(agent, rule string) int {
	last := -1
	for _, f := range a.Flows {
		if f.Rule.Agent == agent {
			last = f.Rank
			if f.Rule.Is(rule) {
				return f.Rank
			}
		}
	}
	if last >= 0 {
		return last
	}
	if _, known := a.agentRank[agent]; !known || a.byRule {
		return len(a.Flows) // nobody speaks for it any more
	}
	rank := 0
	for _, f := range a.Flows {
		if a.agentRank[f.Rule.Agent] < a.agentRank[agent] {
			rank = f.Rank + 1
		}
	}
	return rank
}

// AgentRules is what the rules say of one agent.
type AgentRules struct {
	Name        string
	Schema      identity.Schema
	AnchorIsDN  bool
	Deprovision Deprovision
	Recall      bool

	// DeprovisionByDefault: nobody chose Deprovision.
	DeprovisionByDefault bool

	Extension AgentExtension
	Objects   map[string]*ObjectRules
	Groups    []Group // whose members scopes and filters ask for
	assumed   bool    // see ObjectRules

	ImportView         ImportView
	OrphansLowest      bool // kept values of disconnected objects are the weakest
	ProjectOnAmbiguous bool
	MaxConnectors      int // of one metaverse object

	LDAPNames     bool // names tell containers
	RequireParent bool // see [Agent]

	NoContainerRename bool // see agent.Capabilities
	NoRename          bool
	NoEmptyText       bool
	Containers        identity.Containers
}

// ObjectRules is what the rules say of one object type of an agent.
type ObjectRules struct {
	Type *identity.ObjectType

	// Fingerprint changes with what is decided about these objects inbound.
	Fingerprint string

	Filter  *Matcher       // connector filter; nil matches nothing
	Inbound []*InboundRule // by precedence
	Joins   []*Join        // of all rules, inbound and outbound, in the order in which they are tried

	// Dependents holds the inbound rules that apply only where one for these objects
	// does.
	Dependents []*InboundRule

	// Disconnects: a rule for these objects cuts links that it made.
	Disconnects bool

	assumed bool // the type may have more attributes than it says

	// Reads holds the attributes that inbound rules, joins and the filter read,
	// ordered.
	Reads []string

	// Flowing holds the attributes that inbound rules read, the intrinsic ones
	// too, ordered: when an export to them is confirmed, that is news to them.
	Flowing []string

	// Managed holds the attributes that outbound rules give a value.
	Managed map[string]bool

	// Initial holds the attributes into which an outbound rule has an initial flow.
	Initial map[string]bool

	// Tested: an outbound rule has existence tests for these objects.
	Tested bool
}

// Rule returns the inbound rule that the store means by a text, nil if there is
// none.
func (o *ObjectRules) Rule(stored string) *InboundRule {
	for _, r := range o.Inbound {
		if r.Is(stored) {
			return r
		}
	}
	return nil
}

// Flows reports whether an inbound rule has a flow into an attribute of a
// metaverse type.
func (o *ObjectRules) Flows(metaverse, rule, attribute string) bool {
	for _, r := range o.Inbound {
		if !r.Is(rule) || r.Type.Name != metaverse {
			continue
		}
		for _, f := range r.Flows {
			if f.Target.Name == attribute {
				return true
			}
		}
	}
	return false
}

// An InboundRule is the inbound half of a rule.
type InboundRule struct {
	Name    string
	Key     string // by which the store knows it, see [Rule.Key]
	Agent   string
	Object  string
	Type    *Type
	Scope   *Matcher // nil matches everything
	Project bool
	Holds   bool // a metaverse object of which a connector is in the scope, see [Held]
	Flows   []*InboundFlow
	Retype  *InboundFlow // the flow into the object type, which has no Target; nil if there is none

	// DependsOn must apply to the object itself, or to another one that is
	// connected with the same metaverse object, before this rule does; nil if none
	// has to.
	DependsOn *InboundRule

	Disconnect bool // see [Inbound]

	// Criteria are join criteria of which one attribute needs a value before the
	// rule projects; without any, it needs none (sync-engine §3.6).
	Criteria []*Join

	reads  []string // what decides about the object itself, ordered
	groups bool     // ... and its membership in groups
}

// Reads returns the attributes of an object that decide whether the rule applies
// to it, as far as the object decides.
func (r *InboundRule) Reads() []string { return r.reads }

// AsksGroups reports whether membership in a group decides, too.
func (r *InboundRule) AsksGroups() bool { return r.groups }

// An InboundFlow gives a metaverse attribute a value.
type InboundFlow struct {
	Rule   *InboundRule
	Target *Attribute
	Rank   int // among the flows into Target
	Source Evaluator
	Scope  *Matcher // nil matches everything
}

// An OutboundRule is the outbound half of a rule.
type OutboundRule struct {
	Name        string
	Key         string // by which the store knows it, see [Rule.Key]
	Agent       string
	Object      *identity.ObjectType
	Scope       *Matcher // nil matches everything
	Provision   bool
	Deprovision bool
	Holds       bool // a metaverse object in the scope that has a connector of the rule, see [Held]
	Joins       []*Join
	Flows       []*OutboundFlow
	DN          *OutboundFlow // the flow into the DN, nil if there is none
	Tests       []*OutboundFlow

	// Rank orders the rules of a metaverse type by precedence alone: which of
	// several flows into an attribute wins, 0 being the strongest.
	Rank int

	// What must have been applied first; nil if nothing has to. An inbound rule
	// has been applied if the object has a connector in its scope.
	DependsOn        *OutboundRule
	DependsOnInbound *InboundRule
}

// An OutboundFlow gives an attribute of a connected system a value.
type OutboundFlow struct {
	Rule      *OutboundRule
	Target    string
	Type      identity.Type
	Multi     bool
	Source    Evaluator
	Scope     *Matcher // nil matches everything; on an object that it does not hold, the flow does not exist
	Initial   bool
	AllowNull bool
	Confirm   identity.Comparer // of the target

	// Contested: another rule for the same objects flows into the target, too.
	Contested bool
}

// A Join is one join criterion of a rule (sync-engine §3.5, §5.3).
type Join struct {
	Rule     string
	Key      string  // of the rule
	Type     *Type   // of the rule
	Types    []*Type // in which to look, ordered by name
	Pairs    []JoinPair
	Resolver string // the name under which the extension is asked

	// Scope is that of the outbound half of the rule; nil holds every object.
	Scope *Matcher

	// Inbound is the inbound half of the rule, nil if it has none.
	Inbound  *InboundRule
	outbound bool // it has an outbound half
}

// Usable reports whether the criterion may be used for a connector-space object:
// because it is in the inbound scope of the rule, or because the rule is outbound,
// too. Then checked is true, and only metaverse objects that Scope holds may be
// joined.
func (j *Join) Usable(cs expr.Getter) (usable, checked bool) {
	if j.Inbound != nil && j.Inbound.Scope.Match(cs) {
		return true, false
	}
	return j.outbound, true
}

// AlsoOutbound reports whether metaverse objects that Scope holds may be joined
// although the inbound half of the rule does not apply.
func (j *Join) AlsoOutbound() bool { return j.outbound }

// reversible reports whether the criterion can be looked up the other way round,
// from a metaverse object to connector-space objects.
func (j *Join) reversible(object *identity.ObjectType) bool {
	for _, pair := range j.Pairs {
		if pair.Script || object.Attribute(pair.Connector) == nil {
			return false
		}
	}
	return true
}

// An Evaluator computes the value of a flow.
type Evaluator struct {
	// Direct is the attribute that flows as it is, "" for other sources.
	Direct string

	// Script is the flow of an extension, nil for other sources. The object in
	// the context of Eval must then be an [Entry].
	Script Flower

	dnPart   int // the component of the DN, from 1
	ldapName bool

	text     string                 // as the configuration says it
	from     identity.AttributeType // what is known of its values; no name for an expression
	reads    []string
	versions []string // of the scripts that it calls
	constant expr.Value
	program  *expr.Program
}

// Reads returns the attributes that the source reads, ordered. A source that
// reads none is evaluated in every synchronization.
func (s *Evaluator) Reads() []string { return s.reads }

// Eval returns the value for the object in ctx.
func (s *Evaluator) Eval(ctx *expr.Context) (expr.Value, error) {
	switch {
	case s.Direct != "":
		return expr.OfValues(ctx.Object.Get(s.Direct)), nil
	case s.program != nil:
		return s.program.Eval(ctx)
	case s.Script != nil:
		return s.call(ctx)
	case s.dnPart > 0:
		return s.component(ctx.Object)
	}
	return s.constant, nil
}

// call calls the flow of an extension.
func (s *Evaluator) call(ctx *expr.Context) (expr.Value, error) {
	entry, ok := ctx.Object.(Entry)
	if !ok {
		return expr.Null(), fmt.Errorf("a script flow got %T instead of an object", ctx.Object)
	}
	v, err := callFlow(ctx.Context, s.Script, entry)
	if err != nil || v.Literal() != expr.NoLiteral {
		return v, err
	}
	return expr.OfValues(identity.Normalize(v.Values())), nil
}

// component returns a component of the object's DN: its value, without the
// attribute that it is of. A name that is not in the LDAP style is one component.
func (s *Evaluator) component(object expr.Getter) (expr.Value, error) {
	var name string
	if values := object.Get(DNAttribute); len(values) > 0 {
		name = values[0].Text()
	}
	parts := []string{name}
	if s.ldapName {
		dn, err := identity.ParseDN(name)
		if err != nil {
			return expr.Value{}, fault.Wrap("cannot-parse-dn-component", err)
		}
		parts = parts[:0]
		for _, rdn := range dn {
			parts = append(parts, rdn[0].Value)
		}
	}
	if s.dnPart > len(parts) {
		return expr.Value{}, fault.New("dn-index-out-of-bounds", "%q has %d components, there is no component %d", name, len(parts), s.dnPart)
	}
	return expr.Str(parts[s.dnPart-1]), nil
}

// Convert brings the values of a flow into the type of their target. Text and
// other types convert into each other where the text is unambiguous. Errors bear
// the names of sync-engine §3.11.
func Convert(values []identity.Value, to identity.Type, multi bool) ([]identity.Value, error) {
	if len(values) > 1 && !multi {
		return nil, fault.New("flow-multi-values-to-single-value", "%d values for a single-valued attribute", len(values))
	}
	for i, v := range values {
		if v.Type() == to {
			continue
		}
		converted := make([]identity.Value, len(values))
		copy(converted, values[:i])
		for j := i; j < len(values); j++ {
			var err error
			if converted[j], err = convert(values[j], to); err != nil {
				return nil, err
			}
		}
		return identity.Normalize(converted), nil
	}
	return values, nil
}

func convert(v identity.Value, to identity.Type) (identity.Value, error) {
	if v.Type() == to {
		return v, nil
	}
	if v.Type() == identity.TypeReference || to == identity.TypeReference || to == identity.TypeBinary || v.Type() == identity.TypeBinary {
		return identity.Value{}, fault.New("cs-attribute-type-mismatch", "a %s cannot become a %s", v.Type(), to)
	}
	converted, err := identity.ParseValue(to, v.Text())
	if err != nil {
		return identity.Value{}, &fault.Error{Name: "cs-attribute-type-mismatch", Err: err}
	}
	return converted, nil
}
