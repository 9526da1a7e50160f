package engine

import (
	"fmt"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// A ParkedView shows an object that is left out of exports because its changes go
// round between systems. Its JSON form is the public one.
type ParkedView struct {
	ID     identity.ID `json:"id"`
	Agent  string      `json:"agent"`
	DN     string      `json:"dn"`
	Anchor string      `json:"anchor"`
	space.Parked
}

// Name returns what the object is called: by its DN, or else its anchor.
func (v *ParkedView) Name() string {
	if v.DN != "" {
		return v.DN
	}
	return v.Anchor
}

// Parked returns the objects of an agent that are parked, in the order of their ids.
func (e *Engine) Parked(agent string) ([]ParkedView, error) {
	var views []ParkedView
	err := e.space.View(func(tx *space.Tx) error {
		list, err := tx.Parked(agent)
		if err != nil {
			return err
		}
		for _, p := range list {
			c, err := tx.Connector(p.ID)
			if err != nil {
				return err
			}
			if c != nil {
				views = append(views, e.parkedView(c, p))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read parked objects of %q: %w", agent, err)
	}
	return views, nil
}

func (e *Engine) parkedView(c *space.Connector, p space.Parked) ParkedView {
	return ParkedView{ID: c.ID, Agent: e.space.AgentOf(c.ID), DN: c.DN, Anchor: c.Anchor, Parked: p}
}

// Release has a parked object exported again, by the next export of its agent, and
// returns what was known of it. If its changes still go round it is parked anew. key is
// an id, an anchor or a DN. The error is not-parked if the object is not, and wraps
// [run.ErrBusy] while the agent runs.
func (e *Engine) Release(agent, key string) (*ParkedView, error) {
	env := e.current.Load()
	if env == nil {
		return nil, ErrNotConfigured
	}
	if env.Agents[agent] == nil {
		return nil, e.unknownAgent(agent)
	}
	var view ParkedView
	_, err := e.runner.ReleaseParked(agent, func(tx *space.Tx) (identity.ID, error) {
		id, err := e.find(tx, agent, key)
		if err != nil {
			return 0, err
		}
		c, err := tx.Connector(id)
		if err != nil {
			return 0, err
		}
		p, err := tx.ParkedObject(c)
		if p != nil {
			view = e.parkedView(c, *p)
		}
		return id, err
	})
	if err != nil {
		return nil, err
	}
	return &view, nil
}
