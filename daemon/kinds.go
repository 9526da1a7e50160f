package daemon

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// Schema returns the JSON Schema of configurations, for editors, with the agent types
// of the scripts of this one. They are missing if it does not exist, and for the reason
// that is returned if it or its scripts cannot be loaded.
func Schema(ctx context.Context, o Options) (schema []byte, missing, err error) {
	o = o.withDefaults()
	kinds := o.Kinds
	if _, err := os.Stat(o.File); !errors.Is(err, fs.ErrNotExist) {
		more, release, err := scriptKinds(ctx, o)
		if missing = err; err == nil {
			defer release()
			kinds = more
		}
	}
	schema, err = config.Schema(kinds)
	return schema, missing, err
}

// scriptKinds returns all kinds that a configuration may name, and what ends the use
// of those that its scripts implement.
func scriptKinds(ctx context.Context, o Options) ([]agent.Kind, func(), error) {
	base, err := config.LoadBase(o.File, config.Options{Kinds: o.Kinds})
	if err != nil {
		return nil, nil, err
	}
	scripts, err := fromFolder(ctx, loaderOf(base, o))
	if err != nil {
		return nil, nil, redactedError(err, base.Secrets)
	}
	kinds, err := scripts.Kinds(o.Kinds)
	if err != nil {
		scripts.Close()
		return nil, nil, err
	}
	return kinds, scripts.Close, nil
}

// A missingType stands for the settings of an agent whose type is in scripts that
// cannot be loaded: the agent answers nothing.
type missingType struct{}

// Open implements [agent.Settings].
func (missingType) Open(agent.Env) (agent.Agent, error) { return missingAgent{}, nil }

type missingAgent struct{}

// Capabilities implements [agent.Agent].
func (missingAgent) Capabilities() agent.Capabilities { return agent.Capabilities{} }

// Schema implements [agent.Agent].
func (missingAgent) Schema(context.Context) (identity.Schema, error) {
	return identity.Schema{}, fault.New("no-start-bad-ma-configuration", "its type is not known as long as the scripts cannot be loaded")
}
