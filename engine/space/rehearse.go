package space

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/store"
)

// Rehearse calls fn with a transaction in which everything can be tried, and
// which is thrown away: no byte of the store changes. was is the state as it is.
//
// The agents are those of the configuration that is tried, in its order, and
// index is what it needs to find objects by. Neither has to be known to the store.
func (s *Space) Rehearse(agents []Named, index Indexes, fn func(was, tx *Tx) error) error {
	return s.RehearseEach([]Rehearsed{{agents, index}}, func(was *Tx, each []*Tx) error { return fn(was, each[0]) })
}

// A Rehearsed is a configuration that is tried; see [Space.Rehearse].
type Rehearsed struct {
	Agents []Named
	Index  Indexes
}

// RehearseEach is [Space.Rehearse] for several configurations over one and the same
// state: each has a transaction of its own, which sees nothing of the others. There
// is one at least.
func (s *Space) RehearseEach(configurations []Rehearsed, fn func(was *Tx, each []*Tx) error) error {
	forks := make([]*Space, len(configurations))
	for i, c := range configurations {
		forks[i] = s.fork(c.Agents, c.Index)
	}
	return s.store.View(func(r store.Reader) error {
		s.mu.RLock()
		had := s.index
		s.mu.RUnlock()
		each := make([]*Tx, len(forks))
		for i, fork := range forks {
			each[i] = fork.begin(r)
			if err := each[i].addIndexes(had); err != nil {
				return err
			}
		}
		return fn(forks[0].begin(r), each)
	})
}

// A Named is an agent and how its objects are named.
type Named struct {
	Agent  string
	Naming Naming
}

// fork returns a space over the same store with registrations of its own.
func (s *Space) fork(agents []Named, index Indexes) *Space {
	s.mu.RLock()
	defer s.mu.RUnlock()
	fork := &Space{store: s.store, agents: map[string]*registration{}, bySpc: map[uint16]*registration{}, index: index}
	fork.names.table.Store(s.names.table.Load())
	fork.edgesFrom.Store(s.edgesFrom.Load())
	for _, r := range s.agents {
		fork.register(r.name, r.number).naming = r.naming
	}
	for _, a := range agents {
		r := fork.agents[a.Agent]
		if r == nil {
			r = fork.register(a.Agent, fork.unused())
		}
		r.naming = a.Naming
	}
	return fork
}

// unused returns the smallest number that no agent has.
func (s *Space) unused() uint16 {
	number := uint16(1)
	for s.bySpc[number] != nil {
		number++
	}
	return number
}

// addIndexes builds the indexes that the store does not have.
func (tx *Tx) addIndexes(had Indexes) error {
	for objectType, names := range tx.index.Metaverse {
		if !covers(had.Metaverse[objectType], names) {
			if err := tx.indexAll(""); err != nil {
				return err
			}
			break
		}
	}
	for _, agent := range slices.Sorted(maps.Keys(tx.index.Connectors)) {
		for objectType, names := range tx.index.Connectors[agent] {
			if !covers(had.Connectors[agent][objectType], names) {
				if err := tx.indexAll(agent); err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}

func covers(has, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(name string) bool { return !slices.Contains(has, name) })
}

func (tx *Tx) indexAll(agent string) error {
	for after := identity.ID(0); ; {
		ids, err := tx.IDs(agent, after, rebuildBatch)
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			after = id
			if err := tx.indexOne(id); err != nil {
				return err
			}
		}
	}
}

// indexOne writes the keys under which an object is found.
func (tx *Tx) indexOne(id identity.ID) error {
	keys, err := tx.indexKeys(id)
	if err != nil {
		return err
	}
	clear(tx.connectors)
	clear(tx.objects)
	for _, key := range keys {
		if err := tx.kv.Put(bucketValue, []byte(key), nil); err != nil {
			return err
		}
	}
	return nil
}

// Before returns a transaction over the state that tx began with, to look at what
// was there. It is good as long as tx is.
func (tx *Tx) Before() *Tx { return tx.space.begin(tx.kv.Base()) }

// Nested returns a transaction over the state as tx has left it, which [Tx.Before]
// of the new one shows. Nothing more may be done with tx.
func (tx *Tx) Nested() (*Tx, error) {
	if err := tx.finish(); err != nil {
		return nil, err
	}
	return tx.space.begin(tx.kv), nil
}

// Written returns the objects of an agent's connector space ("" for the
// metaverse) that the transaction has created, changed or removed so far, in the
// order of their ids.
func (tx *Tx) Written(agent string) ([]identity.ID, error) {
	if err := tx.flush(); err != nil {
		return nil, err
	}
	var ids []identity.ID
	for key := range tx.kv.Written(bucketObject, spaceKey(tx.space.Number(agent))) {
		ids = append(ids, identity.ID(binary.BigEndian.Uint64(key)))
	}
	return ids, nil
}
