package scripting

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/scripting/host"
)

// configureKind registers what changes the configuration.
var configureKind = host.Kind{
	Name:      "configure",
	Signature: "(change: (config: any) => void): void",
	Doc: "Registers a function that changes the configuration before it is checked:\n" +
		"`configure(config => { config.agents.HR.import = \"10m\"; })`. It gets what the files say, key by key, with ${env:}\n" +
		"and ${file:} as they are written, and changes it in place. Functions are called in the order of the files. Where the\n" +
		"scripts come from (`include`, `state`, `scripts`, `scripting`), and who is told (`notify`), cannot be changed.",
	Declare: declareConfigure,
}

func declareConfigure(args []goja.Value) (host.Declaration, error) {
	if len(args) != 1 {
		return host.Declaration{}, errors.New("takes a function")
	}
	if _, ok := goja.AssertFunction(args[0]); !ok {
		return host.Declaration{}, errors.New("takes a function")
	}
	hash := fnv.New64a()
	hash.Write([]byte(args[0].String()))
	return host.Declaration{Name: fmt.Sprintf("%016x", hash.Sum64()), Hooks: map[string]goja.Value{"": args[0]}}, nil
}

// An Override is a function that changes a configuration, given and returned as a
// JSON object.
type Override struct {
	Position fault.Position
	Apply    func(document []byte) ([]byte, error)
}

// Overrides returns the functions that change the configuration, in the order in
// which they are to be called.
func (g *Generation) Overrides(ctx context.Context) []Override {
	var list []Override
	for _, r := range g.host.Registrations(configureKind.Name) {
		list = append(list, Override{r.Position, func(document []byte) ([]byte, error) { return g.configure(ctx, r, document) }})
	}
	return list
}

func (g *Generation) configure(ctx context.Context, r *host.Registration, document []byte) ([]byte, error) {
	var out string
	err := g.host.Do(ctx, host.Call{Of: r, Log: []slog.Attr{slog.String("registration", configureKind.Name)}}, func(a *host.Active) error {
		config, err := a.ParseJSON(string(document))
		if err != nil {
			return err
		}
		if _, err := a.Invoke("", config); err != nil {
			return err
		}
		out, err = a.FormatJSON(config)
		return err
	})
	if err != nil {
		return nil, inFunction(err, r)
	}
	return []byte(out), nil
}
