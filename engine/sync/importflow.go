package sync

import (
	"slices"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// maxIndexed is how many characters an indexed text may have (sync-engine §1.8).
const maxIndexed = 448

// importFlow lets the object contribute to its metaverse object (sync-engine
// §3.7). It reports whether a value changed.
//
// Nothing flows into an object whose type the configuration no longer has: it
// stays as it is.
func (u *unit) importFlow(c *space.Connector, mv *space.Object, view *connectorView, object *rules.ObjectRules, mode Mode) (changed bool, err error) {
	if u.rules.Type(mv.Type) == nil {
		return false, nil
	}
	if changed, err = u.retype(mv, view, object); err != nil {
		return false, err
	}
	if changed {
		mode = Full
	}
	everything := mode != Delta
	for _, rule := range object.Inbound {
		if rule.Type.Name != mv.Type {
			continue
		}
		inScope := u.applies(rule, view, mv)
		whole := everything || rule.AsksGroups() || touches(c.Import, rule.Reads())
		for _, flow := range rule.Flows {
			if !whole && !affected(c, flow) && !u.restaged(c, flow) {
				u.trace.untouched(c, mv, flow)
				continue
			}
			u.trace.beginImport(c, mv, flow)
			done, flowed := false, false
			if inScope && !whole && u.flowView(view, flow) == view {
				done, flowed, err = u.flowValues(c, mv, flow)
			}
			if err == nil && !done {
				flowed, err = u.contribute(c, mv, view, flow, inScope)
			}
			u.trace.endImport(mv, view, inScope, flowed, err)
			if err != nil {
				return false, within(err, stepImportFlow, rule.Name, flow.Target.Name)
			}
			changed = changed || flowed
		}
	}
	if everything {
		withdrawn, err := u.withdrawRemoved(c, mv, object)
		if err != nil {
			return false, err
		}
		changed = changed || withdrawn
	}
	if len(object.Dependents) > 0 {
		settled, err := u.settle(c, mv)
		return changed || settled, err
	}
	return changed, nil
}

// withdrawRemoved takes back what the object contributed by flows that are no more.
func (u *unit) withdrawRemoved(c *space.Connector, mv *space.Object, object *rules.ObjectRules) (changed bool, err error) {
	for _, name := range mv.ContributedBy(c.ID) {
		by, _ := mv.Contribution(name)
		if by.Connector != c.ID || object.Flows(mv.Type, by.Rule, name) {
			continue
		}
		target := u.rules.Type(mv.Type).Attributes[name]
		withdrawn := false
		switch {
		case target == nil:
			withdrawn = u.unset(mv, name)
		case target.Merges():
			withdrawn, err = u.merge(mv, target, nil)
		default:
			withdrawn, err = u.repopulate(mv, target, nil)
		}
		if err != nil {
			return false, within(err, stepImportFlow, u.rules.RuleName(by.Rule), name)
		}
		changed = changed || withdrawn
	}
	return changed, nil
}

// affected reports whether a delta synchronization has to evaluate a flow.
func affected(c *space.Connector, flow *rules.InboundFlow) bool {
	reads := flow.Source.Reads()
	return len(reads) == 0 || touches(c.Import, reads) || touches(c.Import, flow.Scope.Reads()) || flow.Scope.AsksGroups() ||
		c.RetryReferences && flow.Target.Type == identity.TypeReference
}

// touches reports whether a delta changes one of the attributes.
func touches(d *identity.Delta, attributes []string) bool {
	if d == nil || len(attributes) == 0 {
		return false
	}
	if d.DN != "" && slices.Contains(attributes, rules.DNAttribute) || d.Op == identity.Add || d.Op == identity.DeleteAdd {
		return true
	}
	for _, name := range attributes {
		if d.Change(name) != nil {
			return true
		}
	}
	return false
}

// What a flow says about its target: values, that there shall be none (null), or
// nothing; a flow that declined is as if it did not exist.
type said struct {
	values   []identity.Value
	null     bool
	declined bool
}

func (s *said) nothing() bool { return len(s.values) == 0 && !s.null && !s.declined }

// says evaluates a flow whose rule holds the object: in the type of its target
// and with references to metaverse objects.
func (u *unit) says(c *space.Connector, mv *space.Object, view *connectorView, flow *rules.InboundFlow) (s said, err error) {
	if !flow.Scope.Match(view) {
		return s, nil
	}
	u.target = mv
	v, declined, err := u.evaluateInbound(flow, view)
	if err != nil || declined {
		return said{declined: declined}, err
	}
	s.null = v.Literal() == expr.AuthoritativeNull
	target := flow.Target
	if s.values, err = rules.Convert(v.Values(), target.Type, target.Multi); err != nil {
		return s, err
	}
	if target.Indexed {
		if err := checkLength(s.values); err != nil {
			return s, err
		}
	}
	if target.Type == identity.TypeReference {
		s.values, err = u.inboundReferences(c, s.values)
	}
	return s, err
}

func checkLength(values []identity.Value) error {
	for _, v := range values {
		if text := v.Str(); len(text) > maxIndexed && utf8.RuneCountInString(text) > maxIndexed {
			return fault.New("mv-constraint-violation", "the text has %d characters, an indexed attribute holds %d",
				utf8.RuneCountInString(text), maxIndexed)
		}
	}
	return nil
}

// contribute applies the precedence of the target to what one flow says. A flow
// that says nothing takes back what it contributed before.
func (u *unit) contribute(c *space.Connector, mv *space.Object, view *connectorView, flow *rules.InboundFlow, inScope bool) (changed bool, err error) {
	switch target := flow.Target; {
	case target.Merges():
		return u.merge(mv, target, nil)
	case target.Mode == rules.Equal:
		return u.contributeEqual(c, mv, view, flow, inScope)
	}
	return u.contributeRanked(c, mv, view, flow, inScope)
}

// contributeRanked is ranked precedence (sync-engine §4.2) and, where a script
// decides, manual precedence: then rank does not count (§4.8).
func (u *unit) contributeRanked(c *space.Connector, mv *space.Object, view *connectorView, flow *rules.InboundFlow, inScope bool) (changed bool, err error) {
	target := flow.Target
	current, present := mv.Contribution(target.Name)
	own := present && isBy(current, c, flow)
	if present && !own && target.Mode == rules.Ranked && flow.Rank > u.rank(mv, target, current) {
		u.trace.lost(u, mv, view, inScope)
		return false, nil // not precedent
	}
	var s said
	if inScope {
		if s, err = u.says(c, mv, view, flow); err != nil {
			return false, err
		}
	}
	u.trace.says(c, flow, s)
	switch {
	case s.declined:
		return false, nil
	case s.nothing() && !own:
		return false, nil
	case s.nothing():
		return u.repopulate(mv, target, nil)
	}
	if present && !own && target.Mode == rules.Ranked && flow.Rule.Is(current.Rule) && isLinked(mv, current.Connector) {
		if rivals, err := u.rivals(c, current); err != nil || rivals {
			if err != nil {
				return false, err
			}
			return false, u.rival(c, mv, current, flow, s)
		}
	}
	return u.set(mv, target.Name, s, u.by(c, flow)), nil
}

// rivals reports whether what another object contributed still counts beside what
// this one says: it is of the same agent, and not gone.
func (u *unit) rivals(c *space.Connector, current space.Contribution) (bool, error) {
	if current.Connector.Space() != c.ID.Space() {
		return false, nil
	}
	other, err := u.tx.Connector(current.Connector)
	return err == nil && other != nil && !goes(other), err
}

// rival decides about two objects that contribute to one attribute by the same
// rule. The first one stays; that they contradict each other is an error, unless
// a script is to know better (sync-engine §1.1).
func (u *unit) rival(c *space.Connector, mv *space.Object, current space.Contribution, flow *rules.InboundFlow, s said) error {
	if flow.Source.Script != nil || current.Null == s.null && slices.Equal(mv.Attributes.Get(flow.Target.Name), s.values) {
		return nil
	}
	return fault.New("ambiguous-import-flow-from-multiple-connectors", "the object and %s, which is connected to the same metaverse object, contribute different values", current.Connector)
}

func (u *unit) by(c *space.Connector, flow *rules.InboundFlow) space.Contribution {
	return space.Contribution{Connector: c.ID, Rule: flow.Rule.Key, Time: u.now}
}

// isBy reports whether a contribution is that of an object by a flow.
func isBy(by space.Contribution, c *space.Connector, flow *rules.InboundFlow) bool {
	return by.Connector == c.ID && flow.Rule.Is(by.Rule)
}

func isLinked(mv *space.Object, connector identity.ID) bool {
	_, found := slices.BinarySearch(mv.Connectors, connector)
	return found
}

// rank returns how strong a contribution is. What was left behind by an object
// that was disconnected may be the weakest (sync-engine §4.5).
func (u *unit) rank(mv *space.Object, target *rules.Attribute, by space.Contribution) int {
	name := u.space.AgentOf(by.Connector)
	if a := u.rules.Agent(name); a != nil && a.OrphansLowest && !isLinked(mv, by.Connector) {
		return len(target.Flows)
	}
	return target.Rank(name, by.Rule)
}

// set gives an attribute what a flow says, and reports whether that differs from
// before.
func (u *unit) set(mv *space.Object, attribute string, s said, by space.Contribution) bool {
	current, present := mv.Contribution(attribute)
	same := present && current.Null == s.null && slices.Equal(mv.Attributes.Get(attribute), s.values)
	if same && current.Connector == by.Connector && current.Rule == by.Rule {
		return false
	}
	if s.null {
		mv.SetNull(attribute, by)
	} else {
		mv.Set(attribute, s.values, by)
	}
	u.tx.PutObject(mv)
	if !same {
		u.wrote(mv, attribute)
	}
	return !same
}

// unset removes an attribute, and reports whether there was one.
func (u *unit) unset(mv *space.Object, attribute string) bool {
	_, present := mv.Contribution(attribute)
	if present {
		mv.Remove(attribute)
		u.tx.PutObject(mv)
		u.wrote(mv, attribute)
	}
	return present
}

// contributors calls visit for every flow into an attribute and every connector
// that it applies to, the strongest first, until visit returns false. A connector
// in except is passed over. Imports of others than the object that is synchronized
// do not count before they are synchronized themselves.
func (u *unit) contributors(mv *space.Object, target *rules.Attribute, except *space.Connector, visit func(c *space.Connector, flow *rules.InboundFlow, s said) bool) error {
	for _, flow := range target.Flows {
		number := u.space.Number(flow.Rule.Agent)
		for _, id := range mv.Connectors {
			if id.Space() != number || except != nil && id == except.ID {
				continue
			}
			c, err := u.tx.Connector(id)
			if err != nil {
				return err
			}
			if c == nil || c.ObjectType != flow.Rule.Object {
				continue
			}
			view := u.viewOf(c)
			if !u.applies(flow.Rule, view, mv) {
				continue
			}
			s, err := u.says(c, mv, view, flow)
			if err != nil {
				return within(err, stepImportFlow, flow.Rule.Name, target.Name)
			}
			u.trace.says(c, flow, s)
			if !visit(c, flow, s) {
				return nil
			}
		}
	}
	return nil
}

// strongest looks for the strongest flow of the present connectors that has
// something to contribute, and gives the attribute that unless it is weaker than
// limit.
func (u *unit) strongest(mv *space.Object, target *rules.Attribute, except *space.Connector, limit int) (found, changed bool, err error) {
	err = u.contributors(mv, target, except, func(c *space.Connector, flow *rules.InboundFlow, s said) bool {
		if flow.Rank > limit {
			return false
		}
		if s.declined || s.nothing() {
			return true
		}
		found, changed = true, u.set(mv, target.Name, s, u.by(c, flow))
		return false
	})
	return found, changed, err
}

// repopulate gives an attribute the strongest contribution that there is, and
// removes it if there is none (sync-engine §4.3).
func (u *unit) repopulate(mv *space.Object, target *rules.Attribute, except *space.Connector) (changed bool, err error) {
	gone := target.Mode == rules.Manual && u.unset(mv, target.Name) // scripts do not see what goes
	found, changed, err := u.strongest(mv, target, except, len(target.Flows))
	if err != nil || found {
		return gone || changed, err
	}
	return u.unset(mv, target.Name) || gone, nil
}

// recall takes back everything that an object contributed, unless its agent
// says that it stays (sync-engine §4.5).
func (u *unit) recall(c *space.Connector, mv *space.Object) error {
	recall, lowest := u.recalls(u.space.AgentOf(c.ID))
	if !recall && !lowest {
		u.trace.kept(c, mv)
		return nil
	}
	t := u.rules.Type(mv.Type)
	for _, name := range mv.ContributedBy(c.ID) {
		var target *rules.Attribute
		if t != nil {
			target = t.Attributes[name]
		}
		var err error
		u.trace.beginRecall(c, mv, name)
		switch {
		case target == nil && recall:
			u.unset(mv, name)
		case target == nil:
		case target.Merges():
			_, err = u.merge(mv, target, c)
		case !recall && target.Mode == rules.Equal:
		case !recall:
			_, _, err = u.strongest(mv, target, c, len(target.Flows))
		case target.Mode == rules.Equal && target.Multi:
			err = u.recallEqual(c, mv, target)
		default:
			_, err = u.repopulate(mv, target, c)
		}
		u.trace.endRecall(mv)
		if err != nil {
			return err
		}
	}
	return nil
}
