package ldap

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
	if method, why = t.settings.Changes, "the configuration says so"; method == "auto" {
		method, why = automatic(s)
		why = "chosen by auto: " + why
	}
	return method, why, method == "syncrepl"
}

// automatic chooses how changes are told by a server of which the configuration does not
// say it, and says why.
func automatic(s *directory.Server) (method, why string) {
	log := directory.Value(s.Root, "changelog")
	switch {
	case is389(s) && log != "":
		return "changelog", "the server keeps a change log in " + log
	case slices.Contains(s.Controls, oidSync) && !is389(s):
		return "syncrepl", "the server offers content synchronization (RFC 4533)"
	case is389(s):
		return "timestamp", "the server names no change log: deletions are seen by full imports only"
	}
	return "timestamp", "the server offers no content synchronization (RFC 4533): deletions are seen by full imports only"
}
