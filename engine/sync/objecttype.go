package sync

import (
	"maps"
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// maxRetypes bounds how often rules may change the type of one object in a row.
const maxRetypes = 10

// retype carries out the flows into the object type of the metaverse object. The
// strongest rule that has one and holds the object decides. It reports whether
// the type changed.
func (u *unit) retype(mv *space.Object, view *connectorView, object *rules.ObjectRules) (changed bool, err error) {
	for range maxRetypes {
		rule, name, err := u.newType(mv, view, object)
		if err != nil || rule == nil || name == mv.Type {
			return changed, err
		}
		t := u.rules.Type(name)
		if t == nil {
			return false, within(fault.New("mv-constraint-violation", "there is no metaverse type %q", name), stepObjectType, rule.Name, rules.ObjectTypeAttribute)
		}
		former := mv.Type
		if err := u.changeType(mv, t); err != nil {
			return false, within(err, stepObjectType, rule.Name, "")
		}
		u.trace.retyped(mv, former, rule.Name)
		changed = true
	}
	return false, within(fault.New("mv-constraint-violation", "the rules change the object type of the metaverse object without end"), stepObjectType, "", rules.ObjectTypeAttribute)
}

// newType returns the type that the rules want the metaverse object to have, and
// the rule that says so; nil if none does.
func (u *unit) newType(mv *space.Object, view *connectorView, object *rules.ObjectRules) (*rules.InboundRule, string, error) {
	for _, rule := range object.Inbound {
		flow := rule.Retype
		if flow == nil || rule.Type.Name != mv.Type || !u.applies(rule, view, mv) || !flow.Scope.Match(view) {
			continue
		}
		u.target = mv
		values, declined, err := u.eval(&flow.Source, view)
		if err != nil {
			return nil, "", within(err, stepObjectType, rule.Name, rules.ObjectTypeAttribute)
		}
		switch {
		case declined || len(values) == 0:
		case len(values) > 1:
			several := fault.New("flow-multi-values-to-single-value", "%d values for the object type", len(values))
			return nil, "", within(several, stepObjectType, rule.Name, rules.ObjectTypeAttribute)
		default:
			return rule, values[0].Text(), nil
		}
	}
	return nil, "", nil
}

// changeType makes a metaverse object one of another type. All contributions are
// evaluated again by the rules of that type; attributes that it does not have
// are dropped (sync-engine §3.7).
func (u *unit) changeType(mv *space.Object, t *rules.Type) error {
	former := u.rules.Type(mv.Type)
	if former != nil {
		if u.retyped == nil {
			u.retyped = map[identity.ID][]*rules.Type{}
		}
		u.retyped[mv.ID] = append(u.retyped[mv.ID], former)
	}
	mv.Type, u.before = t.Name, before{}
	u.tx.PutObject(mv)
	for _, name := range append(mv.Nulls(), names(mv)...) {
		if is := t.Attributes[name]; is == nil || former == nil || !sameKind(is, former.Attributes[name]) {
			mv.Remove(name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Attributes)) {
		if err := u.reevaluate(mv, t.Attributes[name]); err != nil {
			return err
		}
	}
	for _, a := range t.Unique { // what it brings along may be that of one of the new type
		u.written = append(u.written, written{mv.ID, a})
	}
	return nil
}

func names(mv *space.Object) []string {
	var out []string
	for _, a := range mv.Attributes {
		out = append(out, a.Name)
	}
	return out
}

func sameKind(a, b *rules.Attribute) bool {
	return b != nil && a.Type == b.Type && (a.Multi || !b.Multi)
}

// reevaluate gives an attribute what the present connectors contribute. What a
// disconnected object left behind stays unless something stronger comes.
func (u *unit) reevaluate(mv *space.Object, target *rules.Attribute) error {
	if target.Merges() || target.Mode == rules.Equal && target.Multi {
		_, err := u.merge(mv, target, nil)
		return err
	}
	if by, present := mv.Contribution(target.Name); present && !isLinked(mv, by.Connector) {
		_, _, err := u.strongest(mv, target, nil, u.rank(mv, target, by))
		return err
	}
	_, err := u.repopulate(mv, target, nil)
	return err
}

// mayLeave returns the outbound rules that a metaverse object may have left: those
// of its type, and of the types that it had before.
func (u *unit) mayLeave(mv *space.Object, t *rules.Type) []*rules.OutboundRule {
	list := t.Outbound
	for _, former := range u.retyped[mv.ID] {
		if former != t {
			list = slices.Concat(list, former.Outbound)
		}
	}
	return list
}
