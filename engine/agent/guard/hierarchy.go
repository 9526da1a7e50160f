package guard

import (
	"context"
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
)

// Hierarchy implements agent.Hierarchical; its error is agent.ErrNoHierarchy for an
// agent that does not. What it returns are names right below the parent, each once.
func (a *keptAgent) Hierarchy(ctx context.Context, parent string) ([]agent.Container, error) {
	h, able := a.inner.(agent.Hierarchical)
	if !able {
		return nil, agent.ErrNoHierarchy
	}
	if err := a.start(); err != nil {
		return nil, err
	}
	var containers []agent.Container
	err := a.call(ctx, "Hierarchy", func() (err error) {
		containers, err = h.Hierarchy(ctx, parent)
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	above := ""
	if dn, err := identity.ParseDN(parent); err == nil {
		above = dn.Fold()
	}
	names := map[string]bool{}
	for _, c := range containers {
		dn, err := identity.ParseDN(c.DN)
		switch {
		case badName(c.DN) || err != nil || len(dn) == 0:
			return nil, a.violation("a container is called %.100q", c.DN)
		case names[dn.Fold()]:
			return nil, a.violation("two containers are called %q", c.DN)
		case parent != "" && dn.Parent().Fold() != above:
			return nil, a.violation("%q is not right below %q", c.DN, parent)
		}
		names[dn.Fold()] = true
	}
	return slices.Clone(containers), nil
}
