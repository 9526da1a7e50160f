package run

import (
	"context"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// An Outdated says that other rules than the present ones were in force when
// objects of a type were last synchronized.
type Outdated struct {
	Type     string `json:"type"`
	Outbound bool   `json:"outbound"` // a metaverse type, and its outbound rules
	Objects  int    `json:"objects"`  // how many, 0 if nobody knows: in all connector spaces, if outbound
}

// FindOutdated returns what a resynchronization of an agent has to do, ordered by
// direction and type. Of an agent that was never synchronized as a whole, nothing
// is outdated. It is cheap: it reads the census, and no object.
//
// Objects that the last complete pass could not bring up to date, because they
// have errors, are left to those that try again what failed.
func FindOutdated(tx *space.Tx, set *rules.Set, agent string) ([]Outdated, error) {
	state, err := tx.AgentState(agent)
	a := set.Agent(agent)
	if err != nil || state.Rules == "" || a == nil {
		return nil, err
	}
	if state.Inbound == nil { // objects do not know their rules yet
		if state.Rules == set.Fingerprint {
			return nil, nil
		}
		var all []Outdated
		for _, t := range a.Schema.Types {
			all = append(all, Outdated{Type: t.Name})
		}
		return all, nil
	}
	var list []Outdated
	find := func(outbound bool, passes map[string]space.Pass, stale map[string]int, types []string, present func(string) string) {
		for _, name := range types {
			n := stale[name]
			if pass := passes[name]; pass.Rules == present(name) {
				n -= pass.Left
			}
			if n > 0 {
				list = append(list, Outdated{name, outbound, stale[name]})
			}
		}
	}
	inbound, types := staleObjects(tx, agent, set)
	find(false, state.Inbound, inbound, types, func(name string) string { return set.Inbound(agent, name) })
	counters := tx.Counters(agent)
	if counters[space.CountConnector]+counters[space.CountExplicitConnector] > 0 { // else it leads to no metaverse object
		outbound, types := staleObjects(tx, "", set)
		find(true, state.Outbound, outbound, types, set.Outbound)
	}
	return list, nil
}

// staleObjects counts, by type, the objects of an agent, or of the metaverse if
// agent is "", about which other rules decided than the present ones.
func staleObjects(tx *space.Tx, agent string, set *rules.Set) (stale map[string]int, types []string) {
	stale = map[string]int{}
	for _, c := range tx.Census(agent) {
		present := set.Outbound(c.Type)
		if agent != "" {
			present = set.Inbound(agent, c.Type)
		}
		if c.Rules == present {
			continue
		}
		if _, known := stale[c.Type]; !known {
			types = append(types, c.Type)
		}
		stale[c.Type] += c.Objects
	}
	return stale, types
}

// resync synchronizes the objects of the agent about which other rules decided
// than the present ones, or that were chosen; where it was interrupted, the next
// one goes on by itself. Nothing is looked at if nothing is outdated.
func (x *synchronization) resync() error {
	if x.chosen != nil {
		if err := x.some(); err != nil {
			return err
		}
		x.finish(x.processed, CompletedSyncErrors)
		return nil
	}
	known, outbound := false, false
	err := x.space.View(func(tx *space.Tx) error {
		state, err := tx.AgentState(x.agent.Name)
		if err != nil {
			return err
		}
		outdated, err := FindOutdated(tx, x.env.Rules, x.agent.Name)
		if err != nil {
			return err
		}
		known = state.Rules != "" && len(outdated) == 0
		for _, o := range outdated {
			outbound = outbound || o.Outbound
			x.total += o.Objects
		}
		if state.Inbound == nil {
			outbound, x.total = true, int(tx.LastSequence(x.agent.Name))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !known {
		x.mode = sync.Resync
		err := x.those(func(tx *space.Tx, after identity.ID, limit int) ([]identity.ID, error) {
			return tx.IDs(x.agent.Name, after, limit)
		}, func(tx *space.Tx, id identity.ID) (bool, error) {
			return x.sync.Outdated(tx, id, outbound)
		})
		if err != nil {
			return err
		}
		if x.halt == "" {
			if err := x.rememberRules(); err != nil {
				return err
			}
		}
	}
	x.finish(x.processed, CompletedSyncErrors)
	return nil
}

// those synchronizes the objects that next lists and wanted says, and then what
// waited for them.
func (x *synchronization) those(next func(tx *space.Tx, after identity.ID, limit int) ([]identity.ID, error), wanted func(*space.Tx, identity.ID) (bool, error)) error {
	looked := 0
	err := x.walk(next, func(tx *space.Tx, id identity.ID) error {
		if want, err := wanted(tx, id); err != nil || !want {
			return err
		}
		if x.room(looked, 1) == 0 {
			x.tooMany()
			return nil
		}
		looked++
		return x.ordinary(tx, id)
	})
	if err != nil || looked == 0 {
		return err
	}
	return x.rest()
}

// rememberRules notes that all objects of the agent have seen these rules, and how
// many of each type have not.
func (s *step) rememberRules() error {
	return s.space.Update(func(tx *space.Tx) error {
		state, err := tx.AgentState(s.agent.Name)
		if err != nil {
			return err
		}
		set := s.env.Rules
		state.Rules = set.Fingerprint
		state.Inbound, state.Outbound = map[string]space.Pass{}, map[string]space.Pass{}
		left, types := staleObjects(tx, s.agent.Name, set)
		for _, t := range set.Agent(s.agent.Name).Schema.Types {
			types = append(types, t.Name)
		}
		for _, name := range types {
			state.Inbound[name] = space.Pass{Rules: set.Inbound(s.agent.Name, name), Left: left[name]}
		}
		left, types = staleObjects(tx, "", set)
		for _, name := range append(types, set.Types()...) {
			state.Outbound[name] = space.Pass{Rules: set.Outbound(name), Left: left[name]}
		}
		return tx.SetAgentState(s.agent.Name, state)
	})
}

// Resync synchronizes the chosen objects of an agent fully, whether they are
// outdated or not, as a run of its own, and returns its record. ids are ordered;
// those of which there is no object any more are passed over. For errors see
// [Runner.Run].
func (r *Runner) Resync(ctx context.Context, env *Environment, agentName string, ids []identity.ID, cause Cause, progress Progress) (*Record, error) {
	a, err := env.agent(agentName)
	if err != nil {
		return nil, err
	}
	profile := &Profile{Name: string(Resync), Steps: []Step{{Type: Resync}}}
	return r.run(ctx, env, a, profile, job{chosen: append([]identity.ID{}, ids...)}, cause, progress)
}

// some synchronizes the chosen objects fully.
func (x *synchronization) some() error {
	x.mode, x.total = sync.Full, len(x.chosen)
	return x.those(listed(&x.chosen), func(tx *space.Tx, id identity.ID) (bool, error) {
		c, err := tx.Connector(id)
		return c != nil && c.State != space.Placeholder, err
	})
}
