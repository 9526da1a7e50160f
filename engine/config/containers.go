package config

import (
	"slices"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/metasync/metasync/engine/identity"
)

// containers are the containers of an agent that are imported.
type containers struct {
	Include []word `yaml:"include" doc:"Containers that are imported, with everything below them; without any it is the whole system."`
	Exclude []word `yaml:"exclude" doc:"Containers that are not."`
}

func (c *containers) check(l *loader, _ *node) {
	l.unique(c.Include)
	l.unique(c.Exclude)
	names := slices.DeleteFunc(slices.Concat(c.Include, c.Exclude), func(w word) bool {
		if w.text == "" {
			return true // a problem that is known
		}
		_, err := identity.NewContainers([]string{w.text}, nil)
		if err != nil {
			l.fail(w.at, "%q is not the name of a container", w.written).Hint = "write an LDAP name such as OU=Staff,DC=corp,DC=example"
		}
		return err != nil
	})
	for _, w := range names {
		if !slices.Contains(c.Exclude, w) {
			continue
		}
		for _, other := range names {
			if _, err := identity.NewContainers([]string{other.text}, []string{w.text}); err != nil && slices.Contains(c.Include, other) {
				l.fail(w.at, "%q is both included and excluded", w.written)
			}
		}
	}
}

func (c *containers) refine(s *jsonschema.Schema) {
	s.Properties["include"].UniqueItems, s.Properties["exclude"].UniqueItems = true, true
}

// all returns what the lists say; nothing of them if they are not in order.
func (c *containers) all() identity.Containers {
	all, _ := identity.NewContainers(words(c.Include), words(c.Exclude)) // check has told
	return all
}
