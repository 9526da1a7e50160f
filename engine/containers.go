package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// A ContainerQuery says which containers to list.
type ContainerQuery struct {
	Agent string `json:"agent"`
	Under string `json:"under,omitempty"` // the DN of a container: it, and those in it
}

// A ContainerView shows a container of a system. Its JSON form is the public one.
type ContainerView struct {
	DN       string `json:"dn"`
	Included bool   `json:"included"` // whether the agent imports what is right in it
	Objects  int    `json:"objects"`  // that were imported, right in it
}

// Containers lists the containers of a system with LDAP names (sync-engine §10.1):
// those that the agent lists, if it can; those in which objects are that were
// imported, or others refer to; and those that the configuration names. A container
// comes before what is in it.
func (e *Engine) Containers(ctx context.Context, q ContainerQuery) ([]ContainerView, error) {
	env := e.current.Load()
	if env == nil {
		return nil, ErrNotConfigured
	}
	a := env.Agents[q.Agent]
	if a == nil {
		return nil, e.unknownAgent(q.Agent)
	}
	if !a.Agent.Capabilities().LDAPNames {
		return nil, fault.New("invalid-search", "the names of agent %q tell no containers", q.Agent)
	}
	t := tree{containers: env.Rules.Agent(q.Agent).Containers, found: map[string]*ContainerView{}}
	if q.Under != "" {
		var err error
		if t.under, err = identity.ParseDN(q.Under); err != nil {
			return nil, fault.Wrap("invalid-search", fmt.Errorf("--under %q: %w", q.Under, err))
		}
	}
	for _, name := range slices.Concat(t.containers.Include(), t.containers.Exclude()) {
		if dn, err := identity.ParseDN(name); err == nil {
			t.add(dn)
		}
	}
	if h, able := a.Agent.(agent.Hierarchical); able {
		if err := t.ask(ctx, h, t.under.String()); err != nil && !errors.Is(err, agent.ErrNoHierarchy) {
			return nil, fmt.Errorf("list the containers of %q: %w", q.Agent, err)
		}
	}
	if err := e.space.View(func(tx *space.Tx) error { return t.read(tx, q.Agent) }); err != nil {
		return nil, fmt.Errorf("read connector space of %q: %w", q.Agent, err)
	}
	views := make([]ContainerView, 0, len(t.found))
	for _, key := range slices.Sorted(maps.Keys(t.found)) {
		views = append(views, *t.found[key])
	}
	return views, nil
}

// A tree is what is known of the containers below one of them.
type tree struct {
	containers identity.Containers
	under      identity.DN
	found      map[string]*ContainerView // by their names from the root, so that containers sort before what is in them
}

// add notes a container and those above it, as far as they are asked for. It returns
// the view of the container, nil if it is not.
func (t *tree) add(dn identity.DN) *ContainerView {
	if len(dn) == 0 || len(dn) < len(t.under) || dn[len(dn)-len(t.under):].Fold() != t.under.Fold() {
		return nil
	}
	key := dn.FoldFromRoot()
	if view := t.found[key]; view != nil {
		return view
	}
	t.add(dn.Parent())
	name := dn.String()
	view := &ContainerView{DN: name, Included: t.containers.Holds(name)}
	t.found[key] = view
	return view
}

// ask asks the system for what is below a container.
func (t *tree) ask(ctx context.Context, h agent.Hierarchical, parent string) error {
	list, err := h.Hierarchy(ctx, parent)
	if err != nil {
		return err
	}
	for _, c := range list {
		dn, err := identity.ParseDN(c.DN)
		if err != nil {
			return err
		}
		t.add(dn)
		if c.IsLeaf {
			continue
		}
		if err := t.ask(ctx, h, c.DN); err != nil {
			return err
		}
	}
	return nil
}

// read adds what the connector space knows.
func (t *tree) read(tx *space.Tx, agentName string) error {
	for c, err := range tx.Connectors(agentName) {
		if err != nil {
			return err
		}
		dn, err := identity.ParseDN(c.DN)
		if err != nil {
			continue // it waits for its name
		}
		view := t.add(dn.Parent())
		if view != nil && c.State != space.Placeholder {
			view.Objects++
		}
	}
	return nil
}
