package engine

import (
	"context"
	"fmt"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// A Manual is what an administrator does by hand with one object of a connector
// space (sync-engine §1.5).
type Manual struct {
	What  run.StepType `json:"what"` // run.Join, run.Disconnect or run.Project
	Agent string       `json:"agent"`
	Key   string       `json:"key"` // id, anchor or DN of the object

	Metaverse string `json:"metaverse,omitempty"` // to join: the id of the metaverse object
	Type      string `json:"type,omitempty"`      // to project: the metaverse type, "" is the one that the rules say
	Normal    bool   `json:"normal,omitempty"`    // to disconnect: make it a normal disconnector, and not an explicit one
}

// ByHand joins, disconnects or projects an object and synchronizes it. The run
// record bears the name of what was done as its profile and is in the history. An
// error says why it could not be done; then nothing has changed.
// [sync.Synchronizer] has the rules.
func (e *Engine) ByHand(ctx context.Context, m Manual, cause Cause) (*Record, error) {
	env := e.current.Load()
	if env == nil {
		return nil, ErrNotConfigured
	}
	if env.Agents[m.Agent] == nil {
		return nil, e.unknownAgent(m.Agent)
	}
	var target identity.ID
	if m.What == run.Join {
		var err error
		if target, err = identity.ParseID(m.Metaverse); err != nil || target.Space() != 0 {
			unknown := fault.New("unknown-object", "%q is not the id of a metaverse object", m.Metaverse)
			unknown.Hint = "metasync get mv TYPE shows objects with their ids"
			return nil, unknown
		}
	}
	return e.runner.ByHand(ctx, &env.Environment, m.Agent, m.What, cause, func(s *sync.Synchronizer, tx *space.Tx) (sync.Result, error) {
		id, err := e.find(tx, m.Agent, m.Key)
		if err != nil {
			return sync.Result{}, err
		}
		switch m.What {
		case run.Join:
			return s.Join(tx, id, target)
		case run.Project:
			return s.Project(tx, id, m.Type)
		case run.Disconnect:
			state := space.ExplicitDisconnector
			if m.Normal {
				state = space.Disconnector
			}
			return s.Disconnect(tx, id, state)
		}
		return sync.Result{}, fmt.Errorf("unknown action %q", m.What)
	})
}

// find returns the object of an agent with an id, an anchor or a DN.
func (e *Engine) find(tx *space.Tx, agent, key string) (identity.ID, error) {
	if id, err := identity.ParseID(key); err == nil && id.Space() == e.space.Number(agent) {
		c, err := tx.Connector(id)
		if err != nil || c != nil {
			return id, err
		}
	}
	if id, _, found, err := tx.ByAnchor(agent, key); err != nil || found {
		return id, err
	}
	if id, err := tx.ByDN(agent, key); err != nil || id != 0 {
		return id, err
	}
	err := fault.New("unknown-object", "agent %q has no object with the id, anchor or DN %q", agent, key)
	err.Hint = "metasync get cs " + agent + " shows its objects"
	return 0, err
}
