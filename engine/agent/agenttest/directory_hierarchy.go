package agenttest

import (
	"context"
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
)

var _ agent.Hierarchical = (*Directory)(nil)

// Hierarchy implements agent.Hierarchical: containers are the names that objects are
// below, whether there is an object of that name or not.
func (d *Directory) Hierarchy(ctx context.Context, parent string) ([]agent.Container, error) {
	above, err := identity.ParseDN(parent)
	if err != nil && parent != "" {
		return nil, err
	}
	var list []agent.Container
	err = d.call(ctx, CallHierarchy, func() error {
		found := map[string]*agent.Container{}
		for _, o := range d.state.ordered() {
			dn, err := identity.ParseDN(o.DN)
			below := len(dn) - len(above)
			if err != nil || below < 2 || dn[below:].Fold() != above.Fold() {
				continue
			}
			name := dn[below-1:].Fold()
			if found[name] == nil {
				found[name] = &agent.Container{DN: dn[below-1:].String(), IsLeaf: true}
			}
			found[name].IsLeaf = found[name].IsLeaf && below == 2
		}
		for _, c := range found {
			list = append(list, *c)
		}
		return nil
	})
	return list, err
}

// searches reports whether imports are limited to containers.
func (d *Directory) searches() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state.checks.Containers
}

// outside returns a function that tells entries which an import of some containers
// need not show.
func outside(containers identity.Containers) func(agent.Entry) bool {
	return func(e agent.Entry) bool {
		return !containers.Holds(e.DN) && (e.NewDN == "" || !containers.Holds(e.NewDN))
	}
}

// search leaves the import of a directory that searches only in the containers of
// the request what it finds there.
func (m *directoryImport) search(containers identity.Containers) {
	m.entries = slices.DeleteFunc(m.entries, outside(containers))
}
