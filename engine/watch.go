package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
	"github.com/metasync/metasync/engine/workflow"
)

// A Watch says about which objects somebody wants to do something: those behind a
// counter of runs. None of them is left out of the run history, see
// [run.DetailOptions].
type Watch struct {
	Name    string
	Counter string // in whatever group it is: connector-flow is that of both directions
	Agent   string // whose objects they are
	Object  string // their type, "" for any
	Where   string // an expression, with or without = in front, that is true for them; "" is any

	Position fault.Position // of the watch
	WhereAt  fault.Position
}

// A watch is a compiled [Watch].
type watch struct {
	Watch
	groups []run.CounterGroup
	where  *rules.Choice
}

// watches compiles the watches of a definition.
func (d *Definition) watches(env *environment) error {
	var problems []error
	fail := func(w Watch, err *fault.Error) {
		if err.Position.IsZero() {
			err.Position = w.Position
		}
		err.Text = fmt.Sprintf("workflow %q: %s", w.Name, err.Detail())
		err.Err = nil
		problems = append(problems, err)
	}
	watched := map[[2]string]bool{}
	for _, given := range d.Watches {
		w := &watch{Watch: given}
		var known []string
		for _, group := range []run.CounterGroup{run.StagingCounters, run.InboundCounters, run.OutboundCounters, run.ExportCounters} {
			counters := run.DetailedCounters(group)
			known = append(known, counters...)
			if slices.Contains(counters, w.Counter) {
				w.groups = append(w.groups, group)
			}
		}
		a := env.Agents[w.Agent]
		switch {
		case len(w.groups) == 0:
			err := fault.New("unknown-counter", "there is no counter %q that leads to objects", w.Counter)
			err.Hint = hintOf(w.Counter, known)
			fail(given, err)
			continue
		case a == nil:
			err := fault.New("unknown-agent", "there is no agent %q", w.Agent)
			err.Hint = hintOf(w.Agent, env.order)
			fail(given, err)
			continue
		case w.Object != "" && !slices.Contains(env.types[w.Agent], w.Object):
			err := fault.New("unknown-object-type", "agent %q has no object type %q", w.Agent, w.Object)
			err.Hint = hintOf(w.Object, env.types[w.Agent])
			fail(given, err)
			continue
		}
		if w.Where != "" {
			var err error
			if w.where, err = env.Rules.ChooseConnectors(w.Agent, w.Where); err != nil {
				named := *fault.As(err, "sync-rule-invalid-expression")
				named.Text, named.Position, named.Err = fmt.Sprintf("where: %s", named.Detail()), w.WhereAt, nil
				fail(given, &named)
				continue
			}
		}
		watched[[2]string{w.Agent, w.Counter}] = true
		env.watches = append(env.watches, w)
	}
	if len(watched) > 0 {
		env.Details.Watched = func(agent, counter string) bool { return watched[[2]string{agent, counter}] }
	}
	return errors.Join(problems...)
}

func hintOf(text string, known []string) string {
	if near := fault.Suggest(text, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// occurrencePage is how many objects are looked at in one transaction.
const occurrencePage = 200

// Occurrences implements [workflow.Source]: it yields the objects that a run counted
// and a watch is about. Their attributes are those that the connector space has now,
// with what was exported; of an object that is gone there are none.
func (e *Engine) Occurrences(ctx context.Context, record *Record, name string, yield func(workflow.Occurrence) error) error {
	env := e.current.Load()
	if env == nil {
		return ErrNotConfigured
	}
	i := slices.IndexFunc(env.watches, func(w *watch) bool { return w.Name == name })
	if i < 0 {
		return nil
	}
	w := env.watches[i]
	steps, err := e.history.DetailedSteps(record.Run)
	if err != nil {
		return err
	}
	for _, step := range steps {
		for _, group := range w.groups {
			if err := e.occurrencesOf(ctx, env, record.Run, step, group, w, yield); err != nil {
				return fmt.Errorf("run %d: %w", record.Run, err)
			}
		}
	}
	return nil
}

func (e *Engine) occurrencesOf(ctx context.Context, env *environment, number uint64, step int, group run.CounterGroup, w *watch, yield func(workflow.Occurrence) error) error {
	var page []run.Detail
	flush := func() error {
		var list []workflow.Occurrence
		err := e.space.View(func(tx *space.Tx) error {
			s := sync.New(ctx, env.Rules, e.space, e.now())
			for _, detail := range page {
				o, err := e.occurrence(ctx, env, tx, s, w, detail)
				if err != nil {
					return err
				}
				if o != nil {
					o.Step, o.Counter = step, w.Counter
					list = append(list, *o)
				}
			}
			return nil
		})
		page = page[:0]
		for i := 0; i < len(list) && err == nil; i++ {
			err = yield(list[i])
		}
		return err
	}
	var failed error
	err := e.history.Details(number, step, group, w.Agent, w.Counter, func(d run.Detail) bool {
		if page = append(page, d); len(page) == occurrencePage {
			failed = flush()
		}
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	return flush()
}

// occurrence returns an object as a watch has it, nil if it is not about it.
func (e *Engine) occurrence(ctx context.Context, env *environment, tx *space.Tx, s *sync.Synchronizer, w *watch, d run.Detail) (*workflow.Occurrence, error) {
	view, err := detailView(showing{tx: tx}, d) // nobody looks at it: it is for a script
	if err != nil || w.Object != "" && view.Object != w.Object {
		return nil, err
	}
	o := &workflow.Occurrence{Operation: view.Operation}
	if len(view.Changes) > 0 {
		if o.Changes, err = json.Marshal(view.Changes); err != nil {
			return nil, err
		}
	}
	var object expr.Getter = connectorGetter{&space.Connector{DN: view.DN, Anchor: view.Anchor, ObjectType: view.Object}, nil}
	if d.ID != 0 {
		entry, err := s.Exported(tx, d.ID)
		if err != nil {
			return nil, err
		}
		if entry != nil {
			object = entry
			secret := func(attribute string) bool { return env.Secret(w.Agent, entry.ObjectType(), attribute) }
			if o.Object, err = workflow.Copy(entry, secret, func(id identity.ID) (identity.Value, error) { return namedReference(tx, id) }); err != nil {
				return nil, err
			}
			c, err := tx.Connector(d.ID)
			if err != nil {
				return nil, err
			}
			o.Metaverse = c.Link
		}
	}
	// What it is called is what it was called then, also if it is gone.
	o.Object.ID, o.Object.Agent, o.Object.Type, o.Object.DN, o.Object.Anchor = d.ID, w.Agent, view.Object, view.DN, view.Anchor
	if view.NewDN != "" {
		o.Object.DN = view.NewDN
	}
	if w.where == nil {
		return o, nil
	}
	switch chosen, err := w.where.Match(&expr.Context{Context: ctx, Object: object, Now: e.now()}); {
	case err != nil:
		o.Problem = fmt.Sprintf("where: %s", fault.As(err, "").Detail())
		return o, nil
	case !chosen:
		return nil, nil
	}
	return o, nil
}

// Snapshot returns a copy of a metaverse object as it is now, with its connectors;
// nil if it is gone.
func (e *Engine) Snapshot(ctx context.Context, id identity.ID) (*workflow.MetaverseObject, error) {
	env := e.current.Load()
	if env == nil {
		return nil, ErrNotConfigured
	}
	var out *workflow.MetaverseObject
	err := e.space.View(func(tx *space.Tx) error {
		mv, err := tx.Object(id)
		if err != nil || mv == nil {
			return err
		}
		entry, err := sync.New(ctx, env.Rules, e.space, e.now()).Entry(tx, id)
		if err != nil {
			return err
		}
		name := func(id identity.ID) (identity.Value, error) { return namedReference(tx, id) }
		out = &workflow.MetaverseObject{Contributors: map[string]workflow.Contributor{}}
		if out.Object, err = workflow.Copy(entry, nil, name); err != nil {
			return err
		}
		object := entry.(rules.MetaverseEntry)
		for attribute := range out.Attributes {
			if agent, at := object.Contributor(attribute); agent != "" {
				out.Contributors[attribute] = workflow.Contributor{Agent: agent, Time: at}
			}
		}
		connectors, err := object.Connectors("")
		if err != nil {
			return err
		}
		for _, c := range connectors {
			secret := func(attribute string) bool { return env.Secret(c.Agent(), c.ObjectType(), attribute) }
			copied, err := workflow.Copy(c, secret, name)
			if err != nil {
				return err
			}
			out.Connectors = append(out.Connectors, copied)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read metaverse object %s: %w", id, err)
	}
	return out, nil
}
