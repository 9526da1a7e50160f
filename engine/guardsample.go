package engine

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// A stratum is the objects of one type of an agent, of which some are drawn.
type stratum struct {
	agent  int // its place in the order
	object string
	count  int
	drawn  []drawn // those with the smallest draws, ordered in the end
}

// A drawn is an object with what decides whether it is in a sample: a number that
// looks random and is always the same.
type drawn struct {
	draw uint64
	id   identity.ID
}

// chooseSample returns a sample of the objects of agents, in groups that belong
// together: an object that is linked comes with everything that is linked to the same
// metaverse object, for what becomes of one depends on the others. Each type of each
// agent has the same share, as far as it has so many objects. Groups come so that
// those of all types are among the first. objects is how many there are in all.
//
// It reads all objects once and keeps no more than the sample for each type.
func chooseSample(ctx context.Context, tx *space.Tx, agents []string, size int) (groups [][]identity.ID, objects int, err error) {
	strata := map[[2]string]*stratum{}
	for i, name := range agents {
		if tx.Space().Number(name) == 0 {
			continue // nothing is known of it yet
		}
		for c, err := range tx.Connectors(name) {
			if err != nil {
				return nil, 0, err
			}
			if c.State == space.Placeholder {
				continue
			}
			if objects++; objects%1000 == 0 && ctx.Err() != nil {
				return nil, 0, ctx.Err()
			}
			key := [2]string{name, c.ObjectType}
			if strata[key] == nil {
				strata[key] = &stratum{agent: i, object: c.ObjectType}
			}
			strata[key].add(c.ID, size)
		}
	}
	list := slices.SortedFunc(maps.Values(strata), func(a, b *stratum) int {
		return cmp.Or(cmp.Compare(a.agent, b.agent), cmp.Compare(a.object, b.object))
	})
	share(list, size)
	taken, looked := map[identity.ID]bool{}, 0
	for turn := 0; looked < size; turn++ {
		more := false
		for _, s := range list {
			if turn >= len(s.drawn) || looked >= size {
				continue
			}
			more = true
			group, err := together(tx, s.drawn[turn].id, taken)
			if err != nil {
				return nil, 0, err
			}
			if len(group) > 0 {
				groups, looked = append(groups, group), looked+len(group)
			}
		}
		if !more {
			break
		}
	}
	return groups, objects, nil
}

// together returns an object with those that are linked to the same metaverse object
// and were not taken before, ordered.
func together(tx *space.Tx, id identity.ID, taken map[identity.ID]bool) (group []identity.ID, err error) {
	err = tx.Unit(func() error {
		c, err := tx.Connector(id)
		if err != nil || c == nil {
			return err
		}
		members := []identity.ID{id}
		if mv, err := tx.Object(c.Link); err != nil {
			return err
		} else if mv != nil {
			members = mv.Connectors
		}
		for _, member := range members {
			if !taken[member] {
				taken[member] = true
				group = append(group, member)
			}
		}
		return nil
	})
	return group, err
}

// add counts an object and keeps it if it is one of the first few drawn.
func (s *stratum) add(id identity.ID, size int) {
	s.count++
	s.drawn = append(s.drawn, drawn{drawOf(id), id})
	if len(s.drawn) >= 2*size {
		s.keep(size)
	}
}

func (s *stratum) keep(size int) {
	slices.SortFunc(s.drawn, func(a, b drawn) int { return cmp.Or(cmp.Compare(a.draw, b.draw), cmp.Compare(a.id, b.id)) })
	s.drawn = s.drawn[:min(len(s.drawn), size)]
}

// share leaves each stratum its share of a sample: what the small ones do not need,
// the others have.
func share(list []*stratum, size int) {
	smallest := slices.Clone(list)
	slices.SortStableFunc(smallest, func(a, b *stratum) int { return cmp.Compare(a.count, b.count) })
	for i, s := range smallest {
		left := len(smallest) - i
		s.keep((size + left - 1) / left)
		size = max(0, size-len(s.drawn))
	}
}

// drawOf mixes the bits of an id, by the finalizer of splitmix64.
func drawOf(id identity.ID) uint64 {
	x := uint64(id) + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
