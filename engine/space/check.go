package space

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/store"
)

// maxFindings bounds what [Space.Check] lists.
const maxFindings = 50

// Check compares everything that is derived from the records (indexes, work
// lists, back references, counters) with what the records say, and the links
// between objects with each other. It changes nothing. The error joins what does
// not fit, up to a limit; nil means that the store is sound. It reads the whole
// store and holds the keys of its indexes in memory.
func (s *Space) Check() error {
	return s.View(func(tx *Tx) error {
		c := &checker{tx: tx}
		spaces := []uint16{0}
		s.mu.RLock()
		spaces = append(spaces, slices.Sorted(maps.Keys(s.bySpc))...)
		s.mu.RUnlock()
		for _, spc := range spaces {
			if err := c.space(spc); err != nil {
				return err
			}
		}
		c.backrefs()
		c.parked()
		c.allEdges()
		return errors.Join(c.findings...)
	})
}

// registration returns the agent with a number, nil if there is none.
func (s *Space) registration(spc uint16) *registration {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.bySpc[spc]
}

type checker struct {
	tx       *Tx
	findings []error
	refs     map[string]bool // keys of the back references that must be there
	edges    int             // how many references must be edges
}

func (c *checker) found(format string, args ...any) {
	if len(c.findings) < maxFindings {
		c.findings = append(c.findings, fmt.Errorf("%w: "+format, append([]any{identity.ErrCorrupt}, args...)...))
	}
}

// derived is what the records of one space lead to.
type derived struct {
	anchors, names, values, work map[string]identity.ID
	counters                     [Counters]int64
	census                       map[Census]int // Objects is 0
}

func (c *checker) space(spc uint16) error {
	want := derived{
		anchors: map[string]identity.ID{}, names: map[string]identity.ID{},
		values: map[string]identity.ID{}, work: map[string]identity.ID{}, census: map[Census]int{},
	}
	var last uint64
	for key := range c.tx.kv.Scan(bucketObject, spaceKey(spc), nil) {
		id := identity.ID(binary.BigEndian.Uint64(key))
		last = id.Sequence()
		err := c.tx.Unit(func() error {
			if spc == 0 {
				return c.object(id, &want)
			}
			return c.connector(id, &want)
		})
		if err != nil {
			return err
		}
	}
	prefix := spaceKey(spc)
	c.compare("anchor index", bucketAnchor, prefix, want.anchors, true)
	if r := c.tx.space.registration(spc); r == nil || r.named { // nobody says how names of others are folded
		c.compare("DN index", bucketDN, prefix, want.names, true)
	}
	c.compare("value index", bucketValue, prefix, want.values, false)
	for _, list := range lists {
		prefix := append([]byte{byte(list)}, prefix...)
		c.compare(fmt.Sprintf("work list %q", byte(list)), bucketWork, prefix, want.work, false)
	}
	if got := *c.tx.countersOf(spc); got != want.counters {
		c.found("counters of space %d are %v, the records say %v", spc, got, want.counters)
	}
	agent := c.tx.space.AgentOf(identity.NewID(spc, 0))
	for _, counted := range c.tx.Census(agent) {
		key := Census{Type: counted.Type, Rules: counted.Rules}
		if want.census[key] != counted.Objects {
			c.found("%d objects %q of space %d are counted for the rules %s, the records say %d", counted.Objects, counted.Type, spc, counted.Rules, want.census[key])
		}
		delete(want.census, key)
	}
	for key, n := range want.census {
		c.found("%d objects %q of space %d are not counted for the rules %s", n, key.Type, spc, key.Rules)
	}
	if data := c.tx.kv.Get(bucketMeta, sequenceKey(spc)); last > 0 && (len(data) != 8 || binary.BigEndian.Uint64(data) < last) {
		c.found("sequence of space %d is behind its newest object %d", spc, last)
	}
	return nil
}

func (c *checker) derive(id identity.ID, o *origin, want *derived) {
	for _, key := range o.indexed {
		want.values[key] = id
	}
	for i, list := range lists {
		if o.lists[i] {
			want.work[string(listKey(list, id))] = id
		}
	}
	if o.rules != "" {
		want.census[Census{Type: o.objectType, Rules: o.rules}]++
	}
	for counter := range Counters {
		want.counters[counter] += int64(o.tally >> counter & 1)
	}
	for _, target := range o.references {
		if c.refs == nil {
			c.refs = map[string]bool{}
		}
		c.refs[string(pairKey(target, id))] = true
		c.target(id, target)
	}
}

func (c *checker) target(id, target identity.ID) {
	if target.Space() != id.Space() {
		c.found("%s refers to %s in another space", id, target)
	}
	if c.tx.kv.Get(bucketObject, idKey(target)) == nil {
		c.found("%s refers to %s, which does not exist", id, target)
	}
}

// attributes checks the references of an object that are edges.
func (c *checker) attributes(id identity.ID, attributes identity.Attributes) {
	for i := range attributes {
		a := &attributes[i]
		if a.Set == nil {
			continue
		}
		values := a.All()
		if len(values) != a.Len() {
			c.found("%q of %s has %d edges, its record says %d", a.Name, id, len(values), a.Len())
		}
		code := uint32(c.tx.space.names.Code(a.Name))
		for _, v := range values {
			c.target(id, v.Ref())
			if c.tx.kv.Get(bucketEdgeBack, backKey(v.Ref(), id, code)) == nil {
				c.found("the edge from %s to %s has no other end", id, v.Ref())
			}
		}
		c.edges += len(values)
	}
}

// allEdges checks that there are no edges but those of the objects.
func (c *checker) allEdges() {
	for _, bucket := range [...]store.Bucket{bucketEdge, bucketEdgeBack} {
		n := 0
		for range c.tx.kv.Scan(bucket, nil, nil) {
			n++
		}
		if n != c.edges {
			c.found("%q holds %d keys for %d references", bucket, n, c.edges)
		}
	}
}

func (c *checker) connector(id identity.ID, want *derived) error {
	o, err := c.tx.Connector(id)
	if err != nil {
		return err
	}
	claim := func(index map[string]identity.ID, key []byte, what, name string) {
		if key == nil {
			return
		}
		if other, taken := index[string(key)]; taken {
			c.found("%s and %s have the same %s %q", other, id, what, name)
		}
		index[string(key)] = id
	}
	if o.Anchor != "" {
		claim(want.anchors, anchorKey(id.Space(), o.Anchor), "anchor", o.Anchor)
	}
	claim(want.names, c.tx.dnKey(id.Space(), o.Anchor, o.Name()), "DN", o.DN)
	c.derive(id, &o.origin, want)
	c.attributes(id, o.Synchronized)
	switch {
	case o.State.IsConnector() != (o.Link != 0):
		c.found("%s is a %s with link %s", id, o.State, o.Link)
	case o.Link != 0:
		mv, err := c.tx.Object(o.Link)
		if err != nil {
			return err
		}
		if mv == nil || !slices.Contains(mv.Connectors, id) {
			c.found("%s is linked to %s, which does not know it", id, o.Link)
		}
	}
	if o.State == Placeholder && (o.Anchor != "" || len(o.Synchronized) > 0 || !o.Import.IsZero() || !o.Unapplied.IsZero() || o.Exported != nil) {
		c.found("placeholder %s has content", id)
	}
	if o.State != Placeholder && (o.Deleted || o.NameLost) {
		c.found("%s is a %s, and the placeholder of a deleted object", id, o.State)
	}
	if o.State == Placeholder && !c.tx.HasReferrers(id) {
		c.found("nobody refers to placeholder %s", id)
	}
	return nil
}

func (c *checker) object(id identity.ID, want *derived) error {
	o, err := c.tx.Object(id)
	if err != nil {
		return err
	}
	c.derive(id, &o.origin, want)
	c.attributes(id, o.Attributes)
	if len(o.Connectors) == 0 {
		c.found("metaverse object %s has no connector", id)
	}
	for _, end := range o.Connectors {
		linked, err := c.tx.Connector(end)
		if err != nil {
			return err
		}
		if linked == nil || linked.Link != id {
			c.found("metaverse object %s has connector %s, which is not linked to it", id, end)
		}
	}
	return nil
}

// compare compares the keys of a bucket below a prefix with those wanted. Only
// wanted keys with the prefix count.
func (c *checker) compare(what string, bucket store.Bucket, prefix []byte, want map[string]identity.ID, hasID bool) {
	seen := map[string]bool{}
	for key, value := range c.tx.kv.Scan(bucket, prefix, nil) {
		id, wanted := want[string(key)]
		switch {
		case !wanted:
			c.found("%s has %q, which no record asks for", what, key)
		case hasID && (len(value) < 8 || identity.ID(binary.BigEndian.Uint64(value)) != id):
			c.found("%s leads from %q not to %s", what, key, id)
		}
		seen[string(key)] = true
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if !seen[key] && strings.HasPrefix(key, string(prefix)) {
			c.found("%s lacks %q of %s", what, key, want[key])
		}
	}
}

func (c *checker) backrefs() {
	seen := 0
	for key := range c.tx.kv.Scan(bucketBackref, nil, nil) {
		if !c.refs[string(key)] {
			c.found("back reference %x has no reference", key)
			continue
		}
		seen++
	}
	if seen != len(c.refs) {
		c.found("%d back references for %d references", seen, len(c.refs))
	}
}
