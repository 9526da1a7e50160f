package rules

import (
	"slices"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/identity"
)

// Denies reports whether the join criteria say that a connector-space object and a
// metaverse object of a type are two different ones: none of the criteria holds for them,
// and at least one has values on both sides to compare. Criteria of scripts, and those of
// which a side has no value, say nothing; without any that does, the answer is no.
func (o *ObjectRules) Denies(cs, mv expr.Getter, t *Type) bool {
	denied := false
	for _, join := range o.Joins {
		if usable, _ := join.Usable(cs); !usable || !slices.Contains(join.Types, t) {
			continue
		}
		holds, says := join.compare(cs, mv, t)
		if says && holds {
			return false
		}
		denied = denied || says
	}
	return denied
}

// compare reports whether the criterion holds; says is false if it cannot tell.
func (j *Join) compare(cs, mv expr.Getter, t *Type) (holds, says bool) {
	holds = true
	for _, pair := range j.Pairs {
		target := t.Attributes[pair.Metaverse]
		if pair.Script || target == nil {
			return false, false
		}
		ours, theirs := mv.Get(pair.Metaverse), cs.Get(pair.Connector)
		if len(ours) == 0 || len(theirs) == 0 {
			return false, false
		}
		holds = holds && slices.ContainsFunc(theirs, func(v identity.Value) bool {
			converted, err := Convert([]identity.Value{v}, target.Type, true)
			return err == nil && slices.ContainsFunc(ours, func(own identity.Value) bool {
				return own == converted[0] || !pair.CaseSensitive && identity.EqualFold(own, converted[0])
			})
		})
	}
	return holds, true
}
