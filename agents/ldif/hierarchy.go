package ldif

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
)

// containerClasses are the classes of entries that are containers also while they are
// empty.
var containerClasses = []string{"organizationalUnit", "organization", "domain", "dcObject", "country", "locality", "container"}

// Hierarchy implements agent.Hierarchical: it reads the file. A container is what has
// the class of one, or an entry below it that has none.
func (a *ldifAgent) Hierarchy(ctx context.Context, parent string) ([]agent.Container, error) {
	imp, err := a.OpenImport(ctx, agent.ImportRequest{})
	if err != nil {
		return nil, err
	}
	m, ok := imp.(*fileImport)
	if !ok {
		return nil, nil // the file is yet to be created
	}
	containers := map[string]identity.DN{} // by their folded names
	for n := 1; ; n++ {
		if n%checkInterval == 0 && ctx.Err() != nil {
			err = ctx.Err()
			break
		}
		var e *entry
		if e, err = m.next(); err != nil {
			break
		}
		if e.dn == nil || e.gone {
			continue
		}
		if isContainer(e.lines) {
			containers[e.dn.Fold()] = e.dn
		} else if above := e.dn.Parent(); len(above) > 0 {
			containers[above.Fold()] = above
		}
	}
	_, closeErr := m.Close(ctx, agent.Aborted)
	if !errors.Is(err, io.EOF) {
		return nil, errors.Join(err, closeErr)
	}
	return below(containers, foldName(parent)), closeErr
}

func isContainer(lines []attrLine) bool {
	return slices.ContainsFunc(lines, func(l attrLine) bool {
		return strings.EqualFold(l.desc, objectClass) &&
			slices.ContainsFunc(containerClasses, func(class string) bool { return strings.EqualFold(class, l.value) })
	})
}

// below returns the containers whose nearest one above is the parent, "" for those that
// have none above.
func below(containers map[string]identity.DN, parent string) []agent.Container {
	parents := map[string]bool{}
	var children []identity.DN
	for _, dn := range containers {
		nearest := ""
		for above := dn.Parent(); len(above) > 0 && nearest == ""; above = above.Parent() {
			if key := above.Fold(); containers[key] != nil {
				nearest = key
			}
		}
		parents[nearest] = true
		if nearest == parent {
			children = append(children, dn)
		}
	}
	var out []agent.Container
	for _, dn := range children {
		out = append(out, agent.Container{DN: dn.String(), IsLeaf: !parents[dn.Fold()]})
	}
	slices.SortFunc(out, func(x, y agent.Container) int { return strings.Compare(x.DN, y.DN) })
	return out
}
