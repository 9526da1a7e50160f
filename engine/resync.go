package engine

import (
	"context"
	"slices"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
)

// A Resync chooses objects to be synchronized fully, whether the rules have
// changed or not: objects of an agent, or everything that is connected with the
// metaverse objects of a type.
type Resync struct {
	Agent string `json:"agent,omitempty"`
	Type  string `json:"type,omitempty"`

	// Where is an expression in the dialect of the configuration, true for the
	// objects that are chosen: of the agent as the last import saw them, or of the
	// metaverse.
	Where string `json:"where"`
}

// Resync synchronizes the chosen objects fully, in a run for each agent that has
// some, and returns the records. What is chosen is settled before the first run
// begins; an error of the expression means that there was none. A run that is
// stopped is the last one.
func (e *Engine) Resync(ctx context.Context, q Resync, cause Cause, progress run.Progress) ([]*Record, error) {
	env := e.current.Load()
	if env == nil {
		return nil, ErrNotConfigured
	}
	cause.Name = "where " + q.Where
	chosen, err := e.choose(ctx, env, q)
	if err != nil {
		return nil, err
	}
	records := []*Record{}
	for _, name := range env.order {
		ids := chosen[name]
		if len(ids) == 0 && name != q.Agent {
			continue
		}
		record, err := e.runner.Resync(ctx, &env.Environment, name, ids, cause, progress)
		if err != nil {
			return records, err
		}
		if records = append(records, record); record.Result.Stopped() {
			break
		}
	}
	return records, nil
}

// choose returns the chosen objects of each agent, in the order of their ids.
func (e *Engine) choose(ctx context.Context, env *environment, q Resync) (map[string][]identity.ID, error) {
	if q.Agent != "" && q.Type != "" {
		return nil, fault.New("invalid-search", "either objects of an agent are chosen or metaverse objects of a type")
	}
	chosen := map[string][]identity.ID{}
	values := &expr.Context{Context: ctx, Now: e.now()}
	if q.Agent != "" {
		choice, err := env.Rules.ChooseConnectors(q.Agent, q.Where)
		if err != nil {
			return nil, err
		}
		return chosen, e.space.View(func(tx *space.Tx) error {
			for c, err := range tx.Connectors(q.Agent) {
				if err != nil {
					return err
				}
				if c.State == space.Placeholder {
					continue
				}
				values.Object = connectorGetter{c, c.ImportImage()}
				matches, err := choice.Match(values)
				if err != nil {
					named := *fault.As(err, "sync-rule-invalid-expression")
					named.Agent, named.Object = q.Agent, c.DN
					return &named
				}
				if matches {
					chosen[q.Agent] = append(chosen[q.Agent], c.ID)
				}
			}
			return ctx.Err()
		})
	}
	choice, err := env.Rules.ChooseObjects(q.Type, q.Where)
	if err != nil {
		return nil, err
	}
	err = e.space.View(func(tx *space.Tx) error {
		for o, err := range tx.Objects() {
			if err != nil {
				return err
			}
			if o.Type != q.Type {
				continue
			}
			values.Object = objectGetter{o}
			matches, err := choice.Match(values)
			if err != nil {
				named := *fault.As(err, "sync-rule-invalid-expression")
				named.Object = o.ID.String()
				return &named
			}
			if !matches {
				continue
			}
			for _, id := range o.Connectors {
				name := e.space.AgentOf(id)
				chosen[name] = append(chosen[name], id)
			}
		}
		return ctx.Err()
	})
	for _, ids := range chosen {
		slices.Sort(ids)
	}
	return chosen, err
}
