package scripting

import (
	"encoding/json"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/scripting/host"
	"github.com/metasync/metasync/scripting/modules"
)

// An systemCall is what the context of a function of an agent refers to.
type systemCall struct {
	agent     *scriptAgent
	run       string
	partition string
	schema    identity.Schema
	full      bool
	pageSize  int

	// JSON, nil is undefined.
	watermark, cursor, session []byte
}

func systemCallOf(a *host.Active) *systemCall { return a.Data().(*systemCall) }

// agentContext is the type of the first argument of every function of an agent.
var agentContext = &host.Object{
	Name: "AgentContext",
	Doc:  "What every function of an agent type is given. It is of no use after the function has returned.",
	Members: []host.Member{
		{Name: "agent", Doc: "The name of the agent.", Text: func(a *host.Active) string { return systemCallOf(a).agent.name }},
		{
			Name: "run", Doc: `What is going on: "schema", "partitions", "import", "read" or "export".`,
			Text: func(a *host.Active) string { return systemCallOf(a).run },
		},
		{
			Name: "settings", Type: "Readonly<Record<string, any>>",
			Doc:   "What the configuration says under settings, with the defaults; a setting of the type secret is a Secret.",
			Value: contextSettings,
		},
		{
			Name: "objects", Type: "readonly string[]", Doc: "The object types that count, in an import, a read or an export.",
			Value: func(a *host.Active) goja.Value {
				var names []any
				for _, t := range systemCallOf(a).schema.Types {
					names = append(names, t.Name)
				}
				return a.Array(names)
			},
		},
		{
			Name: "partition", Type: "string | undefined", Doc: "The partition, if the system is divided.",
			Value: func(a *host.Active) goja.Value {
				if name := systemCallOf(a).partition; name != "" {
					return a.Runtime().ToValue(name)
				}
				return nil
			},
		},
		{
			Name: "full", Type: "boolean",
			Doc:   "In an import: everything is to be delivered, and what is not is taken for deleted; otherwise what changed since the watermark. In an export: every object comes, whole.",
			Value: func(a *host.Active) goja.Value { return a.Runtime().ToValue(systemCallOf(a).full) },
		},
		{
			Name: "watermark", Type: "any", Doc: "In an import that is not full: what the last complete import left.",
			Value: func(a *host.Active) goja.Value { return fromJSON(a, systemCallOf(a).watermark) },
		},
		{
			Name: "cursor", Type: "any", Doc: "In an import: the next of the page before, undefined for the first page.",
			Value: func(a *host.Active) goja.Value { return fromJSON(a, systemCallOf(a).cursor) },
		},
		{
			Name: "pageSize", Type: "number", Doc: "In an import: the wanted number of objects in a page.",
			Value: func(a *host.Active) goja.Value { return a.Runtime().ToValue(systemCallOf(a).pageSize) },
		},
		{
			Name: "session", Type: "any", Doc: "What open returned, undefined without it.",
			Value: func(a *host.Active) goja.Value { return fromJSON(a, systemCallOf(a).session) },
		},
		{Name: "log", Doc: "The same as the global log.", Object: host.Log},
	},
}

func contextSettings(a *host.Active) goja.Value {
	s := systemCallOf(a).agent
	shown := make(map[string]any, len(s.settings))
	for name, v := range s.settings {
		if text, ok := v.(string); ok && s.secrets[name] {
			v = modules.Secret(a, name, text)
		}
		shown[name] = v
	}
	v, err := a.ToScript(shown)
	if err != nil {
		return nil // plain values can always be shown
	}
	return v
}

// fromJSON returns what toJSON kept.
func fromJSON(a *host.Active, text []byte) goja.Value {
	if text == nil {
		return nil
	}
	v, err := a.ParseJSON(string(text))
	if err != nil {
		return nil // we have written it
	}
	return v
}

// toJSON keeps a value for another call; nothing is nil.
func toJSON(a *host.Active, what string, v goja.Value) ([]byte, error) {
	if nothing(v) {
		return nil, nil
	}
	plain, err := a.Plain(v)
	if err != nil {
		return nil, unexpected("%s that cannot be kept: %s", what, err)
	}
	return json.Marshal(plain)
}
