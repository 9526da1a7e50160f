package ad

import (
	"context"
	"slices"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/discover"
)

var (
	_ discover.Discoverer = (*Settings)(nil)
	_ directory.Explainer = (*dialect)(nil)
)

// Discover implements [discover.Discoverer].
func (s *Settings) Discover(ctx context.Context, env agent.Env) (*discover.Discovery, error) {
	options, t := s.options()
	d, err := directory.Prepare(env, options)
	if err != nil {
		return nil, err
	}
	t.Directory = d
	return d.Discover(ctx)
}

// Explain implements [directory.Explainer].
func (t *dialect) Explain(s *directory.Server) (method, why string, listens bool) {
	listens = t.changes != byNone && slices.Contains(s.Controls, oidNotification)
	if t.changes != byAuto {
		return t.changes, "the configuration says so", listens
	}
	return byAuto, "DirSync, or uSNChanged where bindDN has no right for it", listens
}
