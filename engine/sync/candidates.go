package sync

import (
	"context"
	"errors"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// A Standing is how a flow stands among those into a metaverse attribute.
type Standing string

// The standings.
const (
	StandingContributor  Standing = "contributor"
	StandingNotPrecedent Standing = "skipped: not precedent"
	StandingNoValue      Standing = "skipped: no value"
	StandingAwaits       Standing = "skipped: waits for a reference"
	StandingDeclined     Standing = "declined"
	StandingOutOfScope   Standing = "out of scope"
	StandingWaits        Standing = "waits for another rule"
	StandingFailed       Standing = "error"
	StandingNoConnector  Standing = "no connector"
	StandingLastWriter   Standing = "skipped: written later by another"    // equal precedence
	StandingScript       Standing = "skipped: a script decides"            // manual precedence
	StandingNotFlowed    Standing = "waits for a synchronization"          // the rules, or the object, changed since
	StandingRival        Standing = "skipped: another connector was first" // of the same rule
)

// A Candidate is what an inbound flow from one connector says about an attribute.
type Candidate struct {
	Flow       *rules.InboundFlow
	Connector  identity.ID // 0 if the object has none that the flow is for
	Said       Said
	Standing   Standing
	Conditions [][]rules.Tested // of the rule's scope, if it is why the flow is out of scope
	FlowScope  [][]rules.Tested // of the flow's
	Pending    bool             // an import is pending that may change it; it is not counted yet
	Err        error
}

// Candidates returns what every flow into an attribute says of a metaverse object,
// in the order of their rank, and why those that do not contribute lost
// (sync-engine §4). What was imported and not synchronized does not count. The
// transaction must be one that is thrown away.
func (s *Synchronizer) Candidates(tx *space.Tx, mv *space.Object, target *rules.Attribute) ([]Candidate, error) {
	u := s.unit(tx)
	var out []Candidate
	for _, flow := range target.Flows {
		number, some := u.space.Number(flow.Rule.Agent), false
		for _, id := range mv.Connectors {
			if id.Space() != number {
				continue
			}
			c, err := tx.Connector(id)
			if err != nil {
				return nil, err
			}
			if c == nil || c.ObjectType != flow.Rule.Object {
				continue
			}
			some = true
			candidate, err := u.candidate(c, mv, flow)
			if err != nil {
				return nil, err
			}
			out = append(out, candidate)
		}
		if !some {
			out = append(out, Candidate{Flow: flow, Standing: StandingNoConnector})
		}
	}
	return out, nil
}

func (u *unit) candidate(c *space.Connector, mv *space.Object, flow *rules.InboundFlow) (Candidate, error) {
	out := Candidate{Flow: flow, Connector: c.ID, Pending: !c.Import.IsZero() && affected(c, flow)}
	view := &connectorView{c, c.Synchronized, u}
	if on := flow.Rule.DependsOn; on != nil && flow.Rule.Scope.Match(view) && !u.satisfied(on, view, mv) {
		out.Standing = StandingWaits
		return out, u.failure
	}
	if !flow.Rule.Scope.Match(view) || !flow.Scope.Match(view) {
		out.Standing = StandingOutOfScope
		if !flow.Rule.Scope.Match(view) {
			out.Conditions = flow.Rule.Scope.Explain(view)
		}
		if !flow.Scope.Match(view) {
			out.FlowScope = flow.Scope.Explain(view)
		}
		return out, nil
	}
	said, err := u.says(c, mv, view, flow)
	if err != nil {
		if _, ofObject := objectError(err); !ofObject || errors.Is(err, context.Canceled) {
			return out, err
		}
		out.Standing, out.Err = StandingFailed, err
		return out, nil
	}
	out.Said = Said{said.values, said.null, said.declined}
	out.Standing = u.standing(c, mv, flow, said)
	if out.Standing == StandingNoValue && refers(flow, view) {
		out.Standing = StandingAwaits
	}
	return out, nil
}

// standing finds out why a flow does, or does not, contribute.
func (u *unit) standing(c *space.Connector, mv *space.Object, flow *rules.InboundFlow, s said) Standing {
	target := flow.Target
	by, present := mv.Contribution(target.Name)
	own := present && isBy(by, c, flow)
	if target.Merges() || target.Mode == rules.Equal && target.Multi {
		for _, v := range mv.Contributed(target.Name) {
			own = own || isBy(v.By, c, flow)
		}
	}
	switch {
	case own:
		return StandingContributor
	case s.declined:
		return StandingDeclined
	case s.nothing():
		return StandingNoValue
	case target.Mode == rules.Manual:
		return StandingScript
	case target.Mode == rules.Equal:
		return StandingLastWriter
	case !present || target.Merges() && len(mv.Contributed(target.Name)) == 0:
		return StandingNotFlowed
	case target.Merges() || flow.Rank > u.rank(mv, target, by):
		return StandingNotPrecedent
	case flow.Rule.Is(by.Rule) && isLinked(mv, by.Connector):
		return StandingRival
	}
	return StandingNotFlowed
}
