package daemon

import (
	"context"
	"fmt"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/discover"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// A Discovery is what the system of an agent is.
type Discovery struct {
	Agent        string                 `json:"agent"`
	Type         string                 `json:"type"`
	System       string                 `json:"system,omitempty"`
	Facts        []DiscoveredFact       `json:"facts"`
	Capabilities []DiscoveredCapability `json:"capabilities"`
	Types        []DiscoveredType       `json:"types"`
	Containers   []DiscoveredContainer  `json:"containers"`
	Warnings     []string               `json:"warnings"`
	Draft        string                 `json:"draft"` // YAML, see [config.Draft]
}

// A DiscoveredFact is something that a system says of itself.
type DiscoveredFact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A DiscoveredCapability is something that a system can do, or not.
type DiscoveredCapability struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Why   string `json:"why,omitempty"`
}

// A DiscoveredType is an object type.
type DiscoveredType struct {
	Name       string                `json:"name"`
	Configured bool                  `json:"configured"`
	Objects    *int                  `json:"objects"` // nil if they were not counted
	AtLeast    bool                  `json:"atLeast,omitempty"`
	Read       int                   `json:"read"` // of how many objects the values were looked at
	Anchor     []string              `json:"anchor"`
	Candidates []string              `json:"candidates"`
	Attributes []DiscoveredAttribute `json:"attributes"`
}

// A DiscoveredAttribute is an attribute of an object type.
type DiscoveredAttribute struct {
	Name       string `json:"name"`
	Type       string `json:"type"` // with [] if it may have several values
	ImportOnly bool   `json:"importOnly,omitempty"`
	ExportOnly bool   `json:"exportOnly,omitempty"`
	Required   bool   `json:"required,omitempty"`
	Objects    int    `json:"objects"` // that have it, of those that were read
	Values     int    `json:"values"`  // the most that one of them has
}

// A DiscoveredContainer says how many objects of a type are in a part of the system.
type DiscoveredContainer struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Objects int    `json:"objects"`
}

// Discover looks at the system of an agent and changes nothing, there or here. The agent
// may have no object types yet. Scripts that cannot be loaded matter only to agents that
// they implement.
func Discover(ctx context.Context, o Options, name string) (_ *Discovery, err error) {
	o = o.withDefaults()
	g, err := glanceAt(ctx, o)
	if err != nil {
		return nil, err
	}
	defer g.close()
	cfg := g.config
	defer func() { err = redactedError(err, cfg.Secrets) }()
	a, err := agentNamed(cfg, name)
	if err != nil {
		return nil, err
	}
	if a.Settings == nil {
		return nil, fmt.Errorf("the type of agent %q is not known: %w", name, g.broken)
	}
	found, err := discover.System(ctx, a.Settings, agent.Env{Name: a.Name, Objects: a.Objects, Log: redacted(o.Log, cfg.Secrets).With("agent", a.Name)})
	if err != nil {
		return nil, err
	}
	text, err := config.Draft(o.File, g.options, name, found)
	if err != nil {
		return nil, err
	}
	out := discoveryOf(found, func(text string) string { return config.Redact(cfg.Secrets, text) })
	out.Agent, out.Type, out.Draft = a.Name, a.Kind.Name, string(text)
	return out, nil
}

func agentNamed(cfg *config.Config, name string) (*config.Agent, error) {
	var names []string
	for i := range cfg.Agents {
		if cfg.Agents[i].Name == name {
			return &cfg.Agents[i], nil
		}
		names = append(names, cfg.Agents[i].Name)
	}
	err := fault.New("unknown-agent", "there is no agent %q", name)
	if near := fault.Suggest(name, names); near != "" {
		err.Hint = fmt.Sprintf("did you mean %q?", near)
	}
	return nil, err
}

func discoveryOf(found *discover.Discovery, clean func(string) string) *Discovery {
	out := &Discovery{
		System: clean(found.System), Facts: []DiscoveredFact{}, Capabilities: []DiscoveredCapability{},
		Types: []DiscoveredType{}, Containers: []DiscoveredContainer{}, Warnings: []string{},
	}
	for _, f := range found.Facts {
		out.Facts = append(out.Facts, DiscoveredFact{f.Name, clean(f.Value)})
	}
	for _, c := range found.Capabilities {
		out.Capabilities = append(out.Capabilities, DiscoveredCapability{c.Name, clean(c.Value), clean(c.Why)})
	}
	for i := range found.Types {
		out.Types = append(out.Types, typeOf(&found.Types[i]))
	}
	for _, c := range found.Containers {
		out.Containers = append(out.Containers, DiscoveredContainer{clean(c.Name), c.Type, c.Objects})
	}
	for _, w := range found.Warnings {
		out.Warnings = append(out.Warnings, clean(w))
	}
	return out
}

func typeOf(t *discover.Type) DiscoveredType {
	out := DiscoveredType{
		Name: t.Name, Configured: t.Configured, AtLeast: t.AtLeast, Read: t.Read,
		Anchor: append([]string{}, t.Anchor...), Candidates: append([]string{}, t.Candidates...), Attributes: []DiscoveredAttribute{},
	}
	if t.Objects != discover.Uncounted {
		out.Objects = &t.Objects
	}
	for _, a := range t.Attributes {
		use := t.Use[a.Name]
		out.Attributes = append(out.Attributes, DiscoveredAttribute{
			Name: a.Name, Type: attributeType(a), ImportOnly: a.ImportOnly, ExportOnly: a.ExportOnly, Required: a.Required,
			Objects: use.Objects, Values: use.Values,
		})
	}
	return out
}

func attributeType(a identity.AttributeType) string {
	if a.Multi {
		return a.Type.String() + "[]"
	}
	return a.Type.String()
}
