package discover

import (
	"cmp"
	"maps"
	"slices"

	"github.com/metasync/metasync/engine/identity"
)

// maxPlaces bounds how many containers are told apart.
const maxPlaces = 1000

// Places counts objects by where they are: in a base itself, or anywhere in a container
// right below it. The zero value is ready.
type Places struct {
	counts map[place]int
	names  map[string]string // of the containers, by their folded names: as they came first
}

type place struct{ container, objectType string }

// Add counts an object of a name in a directory. Objects right below the base count in
// the base; so does what is in more containers than are worth a list.
func (p *Places) Add(objectType string, dn, base identity.DN) {
	at := base
	if below := len(dn) - len(base); below > 1 {
		at = dn[below-1:]
	}
	if _, known := p.names[at.Fold()]; !known && len(p.names) >= maxPlaces {
		at = base
	}
	p.count(objectType, at.Fold(), at.String())
}

// AddTo counts an object of a part of a system that has a name.
func (p *Places) AddTo(objectType, name string) { p.count(objectType, name, name) }

func (p *Places) count(objectType, key, name string) {
	if p.counts == nil {
		p.counts, p.names = map[place]int{}, map[string]string{}
	}
	if _, known := p.names[key]; !known {
		p.names[key] = name
	}
	p.counts[place{key, objectType}]++
}

// List returns what was counted, sorted.
func (p *Places) List() []Container {
	var list []Container
	for _, at := range slices.Collect(maps.Keys(p.counts)) {
		list = append(list, Container{p.names[at.container], at.objectType, p.counts[at]})
	}
	slices.SortFunc(list, func(a, b Container) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
	})
	return list
}
