package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
)

// Removal says what is to go because the configuration no longer has it.
type Removal = run.Removal

// A RemovalPreview says what a removal would do. Its JSON form is the public one.
type RemovalPreview struct {
	Removal          Removal `json:"removal"`
	Objects          int     `json:"objects"` // that would be removed from the connector space
	Linked           int     `json:"linked"`  // of them to the metaverse
	MetaverseDeletes int     `json:"metaverseDeletes"`
	Limit            int     `json:"limit"` // of metaverse deletes
	Held             bool    `json:"held"`  // there are too many: nothing would be done

	// Forecast says what would become different beside the removed objects: in the
	// metaverse, and in the other systems once everything is exported.
	Forecast
}

// Remove carries out a removal and returns the record of its run. It is refused
// for what the configuration still has, and for what nothing is known of. See
// [run.Runner.Remove].
func (e *Engine) Remove(ctx context.Context, r Removal, cause Cause, progress run.Progress) (*Record, error) {
	env := e.current.Load()
	if env == nil {
		return nil, ErrNotConfigured
	}
	if _, _, err := e.removable(ctx, env, r); err != nil {
		return nil, err
	}
	cause.Name = r.String()
	return e.runner.Remove(ctx, &env.Environment, r, cause, progress)
}

// PreviewRemoval says what a removal would do. It changes nothing. For errors see
// [Engine.Remove].
func (e *Engine) PreviewRemoval(ctx context.Context, r Removal, o ForecastOptions) (*RemovalPreview, error) {
	env := e.current.Load()
	if env == nil {
		return nil, ErrNotConfigured
	}
	objects, linked, err := e.removable(ctx, env, r)
	if err != nil {
		return nil, err
	}
	p := &RemovalPreview{Removal: r, Objects: objects, Linked: linked, Limit: r.Limit()}
	transitions := &rehearsal{objects: map[objectKey]transition{}, same: true}
	err = e.space.Rehearse(env.named(), env.indexes(), func(was, tx *space.Tx) error {
		report, removed, err := e.runner.RehearseRemoval(ctx, &env.Environment, tx, r, o.Progress)
		if err != nil {
			return err
		}
		for _, record := range report.SyncErrors {
			transitions.errors = append(transitions.errors, ForecastError{r.Agent, record})
		}
		spaces := append([]string{""}, env.order...)
		if r.Agent != "" && !slices.Contains(spaces, r.Agent) {
			spaces = append(spaces, r.Agent)
		}
		for _, name := range spaces {
			if err := transitions.gather(name, was, tx); err != nil {
				return err
			}
		}
		for id := range removed {
			delete(transitions.objects, objectKey{r.Agent, id.String()})
		}
		p.MetaverseDeletes = int(was.Counters("")[space.CountObject] - tx.Counters("")[space.CountObject])
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("rehearse the removal: %w", err)
	}
	f := newForecast(env, transitions, o)
	for key, t := range transitions.objects {
		f.compare(key, t.before, t.after)
	}
	p.Forecast, p.Held = *f.done(), p.MetaverseDeletes > p.Limit
	return p, nil
}

// removable returns how many objects a removal would remove from a connector
// space, and how many of them are linked, or why it is not possible.
func (e *Engine) removable(ctx context.Context, env *environment, r Removal) (objects, linked int, err error) {
	if r.Metaverse != "" {
		if r.Agent+r.Partition+r.Object != "" {
			return 0, 0, fault.New("invalid-removal", "either an agent or a metaverse type is removed")
		}
		return 0, 0, e.removableType(env, r)
	}
	if r.Agent == "" || r.Partition != "" && r.Object != "" {
		return 0, 0, fault.New("invalid-removal", "an agent, one of its partitions, one of its object types or a metaverse type can be removed")
	}
	configured := env.Agents[r.Agent]
	if configured != nil {
		if err := env.removablePart(ctx, r); err != nil {
			return 0, 0, err
		}
	}
	remembered := false
	err = e.space.View(func(tx *space.Tx) error {
		var err error
		if remembered, err = tx.Remembers(r.Agent); err != nil || !remembered {
			return err
		}
		if configured != nil || r.Partition+r.Object != "" {
			state, err := tx.AgentState(r.Agent)
			if err != nil {
				return err
			}
			types, err := knownTypes(tx, r.Agent)
			if err != nil {
				return err
			}
			_, known := state.Partitions[r.Partition]
			remembered = known || r.Object != "" && slices.Contains(types, r.Object)
		}
		for c, err := range tx.Connectors(r.Agent) {
			if err != nil {
				return err
			}
			if r.Has(c) {
				objects++
				if c.State.IsConnector() {
					linked++
				}
			}
		}
		return ctx.Err()
	})
	if err != nil || remembered || objects > 0 {
		return objects, linked, err
	}
	name := "unknown-agent"
	switch {
	case r.Partition != "":
		name = "unknown-partition"
	case r.Object != "":
		name = "unknown-object-type"
	}
	return 0, 0, e.suggestOrphan(env, fault.New(name, "nothing is known of %s", r.String()))
}

// removablePart finds out whether an agent that is configured lacks what is to be
// removed of it.
func (env *environment) removablePart(ctx context.Context, r Removal) error {
	switch {
	case r.Object != "":
		if slices.Contains(env.types[r.Agent], r.Object) {
			return stillConfigured(r)
		}
		return nil
	case r.Partition == "":
		return stillConfigured(r)
	}
	var names []string
	if p, ok := env.Agents[r.Agent].Agent.(agent.Partitioner); ok {
		partitions, err := p.Partitions(ctx) // a system that does not answer may have it
		if err != nil {
			return err
		}
		for _, known := range partitions {
			names = append(names, known.Name)
		}
	}
	if len(names) == 0 {
		err := fault.New("unknown-partition", "the system of agent %q is not divided any more", r.Agent)
		err.Hint = "its next full import tells which objects it still has"
		return err
	}
	if slices.Contains(names, r.Partition) {
		return stillConfigured(r)
	}
	return nil
}

func (e *Engine) removableType(env *environment, r Removal) error {
	if env.Rules.Type(r.Metaverse) != nil {
		return stillConfigured(r)
	}
	known := false
	err := e.space.View(func(tx *space.Tx) error {
		types, err := knownTypes(tx, "")
		known = slices.Contains(types, r.Metaverse)
		return err
	})
	if err != nil || known {
		return err
	}
	return e.suggestOrphan(env, fault.New("unknown-metaverse-type", "nothing is known of %s", r.String()))
}

func stillConfigured(r Removal) error {
	err := fault.New("still-configured", "the configuration still has the %s", r.String())
	err.Hint = "only what the configuration no longer has can be removed: take it out of the configuration first"
	return err
}

// suggestOrphan completes an error about something that is not known with what
// could be removed.
func (e *Engine) suggestOrphan(env *environment, err *fault.Error) error {
	orphans, lookErr := e.orphans(env)
	if lookErr != nil {
		return lookErr
	}
	var commands []string
	for _, o := range orphans {
		commands = append(commands, o.Command)
	}
	err.Hint = "the configuration has everything of which there are objects"
	if len(commands) > 0 {
		err.Hint = "there is " + strings.Join(commands, ", ")
	}
	return err
}
