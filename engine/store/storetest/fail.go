package storetest

import (
	"errors"
	"sync"

	"github.com/metasync/metasync/engine/store"
)

// ErrKilled is what the Update of a store returns that [FailAfter] has ended.
var ErrKilled = errors.New("store was killed by the test")

// FailAfter returns a view of s in which the n-th commit, counted from 1, fails
// with [ErrKilled] and changes nothing, like a process that is killed before it.
// Later updates fail without running. Updates that fail by themselves do not
// count. Reading goes on; to go on writing, use s.
func FailAfter(s store.Store, n int) store.Store { return &failing{Store: s, left: n} }

type failing struct {
	store.Store
	mu   sync.Mutex
	left int // commits, the failing one included
}

func (s *failing) Update(fn func(store.Tx) error) error {
	if s.dead() {
		return ErrKilled
	}
	return s.Store.Update(func(tx store.Tx) error {
		if s.dead() { // another update was the last while we waited
			return ErrKilled
		}
		if err := fn(tx); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.left--; s.left <= 0 {
			return ErrKilled
		}
		return nil
	})
}

func (s *failing) dead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left <= 0
}
