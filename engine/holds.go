package engine

import (
	"fmt"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
)

// A Verdict is what somebody decides about what thresholds hold.
type Verdict = run.Verdict

// Holds returns what thresholds hold of an agent, of all agents in the order of the
// model if it is "": what nobody has decided about, and what was rejected and is still
// there.
func (e *Engine) Holds(agent string) ([]hold.Hold, error) {
	env, err := e.knows(agent)
	if err != nil {
		return nil, err
	}
	list := []hold.Hold{}
	err = e.space.View(func(tx *space.Tx) error {
		for _, name := range env.order {
			if agent != "" && name != agent {
				continue
			}
			held, err := run.FindHeld(tx, &env.Environment, name)
			if err != nil {
				return err
			}
			list = append(list, held.Holds...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what is held: %w", err)
	}
	return list, nil
}

// RaisedLimits returns the limits of an agent that somebody has raised, of all agents
// if it is "".
func (e *Engine) RaisedLimits(agent string) (list []hold.Raised, err error) {
	err = e.space.View(func(tx *space.Tx) error {
		list, err = hold.RaisedLimits(tx.Store(), agent)
		return err
	})
	return list, err
}

// Approve allows what is held of an agent, and returns what that was. Once, the next
// step of that kind may do as much as was reported, and more is held anew; or the limit
// is raised to that, for good.
func (e *Engine) Approve(v Verdict) ([]hold.Hold, error) { return e.decide(v, run.Approve) }

// Reject has the objects left out that a held step is about, as long as the same would
// happen to them, and returns what was held.
func (e *Engine) Reject(v Verdict) ([]hold.Hold, error) { return e.decide(v, run.Reject) }

func (e *Engine) decide(v Verdict, how func(*space.Tx, *run.Environment, Verdict) ([]hold.Hold, error)) (about []hold.Hold, err error) {
	env, err := e.knows(v.Agent)
	if err != nil {
		return nil, err
	}
	v.At = e.now().UTC()
	err = e.space.Update(func(tx *space.Tx) error {
		about, err = how(tx, &env.Environment, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("decide about what is held: %w", err)
	}
	if len(about) == 0 {
		nothing := fault.New("nothing-held", "nothing is held")
		if v.Step != "" {
			nothing.Text = fmt.Sprintf("no %s is held", v.Step)
		}
		nothing.Agent = v.Agent
		return nil, nothing
	}
	return about, nil
}

// ClearRaised takes back all limits of an agent that somebody has raised, and returns
// them.
func (e *Engine) ClearRaised(agent string) (list []hold.Raised, err error) {
	if _, err := e.knows(agent); err != nil {
		return nil, err
	}
	err = e.space.Update(func(tx *space.Tx) error {
		list, err = run.ClearRaised(tx, agent)
		return err
	})
	return list, err
}

// knows returns the environment, if it has the agent; "" is all.
func (e *Engine) knows(agent string) (*environment, error) {
	env := e.current.Load()
	if env == nil {
		return nil, ErrNotConfigured
	}
	if agent != "" && env.Agents[agent] == nil {
		return nil, e.unknownAgent(agent)
	}
	return env, nil
}

// addHeld adds to facts what thresholds hold of their agent.
func (env *environment) addHeld(tx *space.Tx, f *autosync.Facts) error {
	held, err := run.FindHeld(tx, &env.Environment, f.Agent)
	if err != nil {
		return err
	}
	for i := range held.Holds {
		if h := &held.Holds[i]; run.Blocks(h) {
			f.Held = append(f.Held, autosync.HeldStep{Step: h.Step, Reason: h.Text()})
		}
	}
	f.HeldImports, f.HeldExports = min(held.Imports, f.PendingImports), min(held.Exports, f.PendingExports)
	f.PendingImports, f.PendingExports = f.PendingImports-f.HeldImports, f.PendingExports-f.HeldExports
	return nil
}
