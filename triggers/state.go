package triggers

import (
	"bytes"
	"fmt"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/store"
)

// bucket holds what triggers must not forget: agent 0 name 0 owner key.
const bucket store.Bucket = "triggers"

// The owners of keys of one trigger.
const (
	ofManager = 'm'
	ofCheck   = 's'
)

// What the manager remembers of a trigger.
const (
	lastKey        = "last"        // when it was last due
	fingerprintKey = "fingerprint" // of the files that it last fired for
)

// A state keeps the durable values of one trigger for one owner. It is what a
// Check is given as [autosync.State].
type state struct {
	store  store.Store
	prefix []byte
}

func newState(st store.Store, id id, owner byte) state {
	return state{st, []byte(id.agent + "\x00" + id.name + "\x00" + string(owner))}
}

// Get implements [autosync.State].
func (s state) Get(key string) (value []byte, err error) {
	err = s.store.View(func(r store.Reader) error {
		value = bytes.Clone(r.Get(bucket, append(bytes.Clone(s.prefix), key...)))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the state of a trigger: %w", err)
	}
	return value, nil
}

// Set implements [autosync.State]: the value is durable when it returns nil.
func (s state) Set(key string, value []byte) error {
	full := append(bytes.Clone(s.prefix), key...)
	err := s.store.Update(func(tx store.Tx) error {
		if value == nil {
			return tx.Delete(bucket, full)
		}
		if tx.Get(bucket, full) == nil && s.keys(tx) >= autosync.MaxStateKeys {
			return autosync.ErrStateFull
		}
		return tx.Put(bucket, full, value)
	})
	if err != nil {
		return fmt.Errorf("storing the state of a trigger: %w", err)
	}
	return nil
}

// keys counts the keys, up to one more than there may be.
func (s state) keys(r store.Reader) int {
	n := 0
	for range r.Scan(bucket, s.prefix, nil) {
		if n++; n > autosync.MaxStateKeys {
			break
		}
	}
	return n
}
