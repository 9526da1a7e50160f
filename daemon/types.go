package daemon

import (
	"context"
	"errors"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/scripting"
)

// ScriptTypes are the declarations that an editor of scripts needs.
type ScriptTypes struct {
	Folder   string   // the scripts folder
	Text     string   // of metasync.d.ts
	Warnings []string // systems that could not be asked for their attributes
}

// Types asks the connected systems of a configuration for their attributes and
// declares them for scripts. It changes nothing and does not look at the rules.
// Scripts that cannot be loaded, because they are half written, are a warning: what
// they would change of the configuration is not declared then.
func Types(ctx context.Context, o Options) (_ *ScriptTypes, err error) {
	o = o.withDefaults()
	g, err := glanceAt(ctx, o)
	if err != nil {
		return nil, err
	}
	defer g.close()
	cfg := g.config
	defer func() { err = redactedError(err, cfg.Secrets) }()
	c := &candidate{config: cfg}
	if err := errors.Join(c.define(o.Log)...); err != nil {
		return nil, err
	}
	state, inUse, unreadable := existingState(cfg.State, o.Log)
	defer func() { err = errors.Join(err, state.Close()) }()
	e, err := engine.Open(engine.Options{State: state, History: store.NewMemory(), Log: o.Log})
	if err != nil {
		return nil, err
	}
	schemas, err := e.Schemas(ctx, c.definition)
	if err != nil {
		return nil, err
	}
	out := &ScriptTypes{Folder: cfg.Scripts, Warnings: []string{}}
	for _, problem := range fault.All(g.broken) {
		out.Warnings = append(out.Warnings, problem.Error()+"; what scripts change of the configuration is not in the types")
	}
	known := scripting.Known{Metaverse: cfg.Model.Types}
	for _, s := range schemas {
		known.Agents = append(known.Agents, scripting.KnownAgent{
			Name: s.Agent, Types: s.Schema.Types, Assumed: s.Assumed, Profiles: s.Profiles,
		})
		if s.Silent == nil {
			continue
		}
		warning := config.Redact(cfg.Secrets, s.Silent.Error())
		switch {
		case s.Assumed && inUse:
			warning += "; what is remembered of it is in use by another process: its objects are declared with any attribute"
		case s.Assumed && unreadable != nil:
			warning += "; what is remembered of it cannot be read: its objects are declared with any attribute"
		case s.Assumed:
			warning += "; its objects are declared with any attribute"
		default:
			warning += "; its objects are declared as they were last imported"
		}
		out.Warnings = append(out.Warnings, warning)
	}
	out.Text = scripting.Types(known)
	return out, nil
}
