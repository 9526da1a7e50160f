package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// Entries calls fn with stored objects as rules extensions see them, in the order
// of their names, and changes nothing. A name is AGENT/KEY, the key being the id,
// anchor or DN of a connector-space object, or TYPE/ID of a metaverse object.
//
// A connector-space object is a [rules.FlowEntry]: an object that is not linked
// shows an empty metaverse object as its target. The entries and the context, which
// has the present as the time of the run, are good until fn returns.
func (e *Engine) Entries(ctx context.Context, names []string, fn func(ctx context.Context, entries []rules.Entry) error) error {
	env := e.current.Load()
	if env == nil {
		return ErrNotConfigured
	}
	now := e.now()
	return e.space.View(func(tx *space.Tx) error {
		s := sync.New(ctx, env.Rules, e.space, now)
		entries := make([]rules.Entry, len(names))
		for i, name := range names {
			id, err := e.named(env, tx, name)
			if err != nil {
				return err
			}
			if entries[i], err = s.Entry(tx, id); err != nil {
				return fmt.Errorf("read %s: %w", name, err)
			}
		}
		return fn(rules.WithNow(ctx, now), entries)
	})
}

// named finds the object that a name stands for.
func (e *Engine) named(env *environment, tx *space.Tx, name string) (identity.ID, error) {
	of, key, found := strings.Cut(name, "/")
	unknown := func(format string, args ...any) error {
		err := fault.New("unknown-object", format, args...)
		err.Hint = "an object is AGENT/KEY, such as HR/1001, or TYPE/ID of the metaverse"
		return err
	}
	if !found || key == "" {
		return 0, unknown("%q is not the name of an object", name)
	}
	isType := slices.ContainsFunc(env.Rules.Types(), func(t string) bool { return t == of })
	if id, err := identity.ParseID(key); isType && err == nil && id.Space() == 0 {
		object, err := tx.Object(id)
		if err != nil {
			return 0, err
		}
		if object == nil || object.Type != of {
			return 0, unknown("the metaverse has no %q with the id %s", of, id)
		}
		return id, nil
	}
	if env.Agents[of] != nil {
		return e.find(tx, of, key)
	}
	if isType {
		return 0, unknown("%q is not the id of a metaverse object", key)
	}
	return 0, unknown("%q is neither an agent nor a metaverse type", of)
}
