package identity

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Containers says which part of a hierarchy of names counts (sync-engine §1.4,
// §10.1): lists of containers that are in and that are out. A container stands for
// itself and everything below it. The longest entry that a name is in decides; a
// name that is in none is in if no container is listed as in. The zero Containers
// is the whole hierarchy.
type Containers struct {
	include, exclude []string
	entries          []containerEntry // the longest first
}

type containerEntry struct {
	key string // folded from the root
	in  bool
}

// NewContainers returns the containers that two lists of LDAP names say. Its error
// names the entry that is no name of a container, or that is in both lists.
func NewContainers(include, exclude []string) (Containers, error) {
	c := Containers{include: slices.Clone(include), exclude: slices.Clone(exclude)}
	for i, text := range slices.Concat(include, exclude) {
		dn, err := ParseDN(text)
		if err != nil {
			return Containers{}, err
		}
		if len(dn) == 0 {
			return Containers{}, fmt.Errorf("%q is no name of a container", text)
		}
		entry := containerEntry{dn.FoldFromRoot(), i < len(include)}
		at := slices.IndexFunc(c.entries, func(known containerEntry) bool { return known.key == entry.key })
		switch {
		case at < 0:
			c.entries = append(c.entries, entry)
		case c.entries[at].in != entry.in:
			return Containers{}, fmt.Errorf("%q is both included and excluded", text)
		}
	}
	slices.SortFunc(c.entries, func(a, b containerEntry) int {
		return cmp.Or(cmp.Compare(len(b.key), len(a.key)), cmp.Compare(a.key, b.key))
	})
	return c, nil
}

// IsAll reports whether every name is in.
func (c Containers) IsAll() bool { return len(c.entries) == 0 }

// Include returns the containers that are in, as they were written; none is all.
// The caller must not change it.
func (c Containers) Include() []string { return c.include }

// Exclude returns the containers that are out, as they were written. The caller
// must not change it.
func (c Containers) Exclude() []string { return c.exclude }

// Holds reports whether a name is in. What is no LDAP name is in: others have to
// say what is wrong with it.
func (c Containers) Holds(dn string) bool {
	if len(c.entries) == 0 {
		return true
	}
	parsed, err := ParseDN(dn)
	if err != nil {
		return true
	}
	return c.holds(parsed.FoldFromRoot())
}

func (c Containers) holds(key string) bool {
	for _, e := range c.entries {
		if strings.HasPrefix(key, e.key) && (len(key) == len(e.key) || key[len(e.key)] == ',') {
			return e.in
		}
	}
	return len(c.include) == 0
}

// Reaches reports whether a name is in, or one below it may be: whether there is
// anything to look for below it.
func (c Containers) Reaches(dn string) bool {
	if len(c.entries) == 0 {
		return true
	}
	parsed, err := ParseDN(dn)
	if err != nil {
		return true
	}
	key := parsed.FoldFromRoot()
	return c.holds(key) || slices.ContainsFunc(c.entries, func(e containerEntry) bool {
		return e.in && (len(parsed) == 0 || strings.HasPrefix(e.key, key+","))
	})
}

// Equal reports whether both hold the same.
func (c Containers) Equal(other Containers) bool { return slices.Equal(c.entries, other.entries) }

// Fingerprint returns a short text that differs for Containers that differ in what
// they hold, "" for all.
func (c Containers) Fingerprint() string {
	if len(c.entries) == 0 {
		return ""
	}
	h := sha256.New()
	for _, e := range c.entries {
		fmt.Fprintf(h, "%t %q\n", e.in, e.key)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
