package triggers

import (
	"fmt"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/store"
)

// ofHook owns the keys of what is no trigger: a controller, or a listener.
const ofHook = 'h'

// StateOf returns the durable values of a registration of a script that is no
// trigger, by its kind and name.
func StateOf(st store.Store, kind, name string) autosync.State {
	return lasting{newState(st, id{agent: kind, name: name}, ofHook)}
}

// A lasting state is durable with each value that is set.
type lasting struct{ state }

// Get implements [autosync.State].
func (l lasting) Get(key string) ([]byte, error) { return l.get(key) }

// Set implements [autosync.State].
func (l lasting) Set(key string, value []byte) error {
	one := &staged{state: l.state}
	if err := one.Set(key, value); err != nil {
		return err
	}
	if err := l.store.Update(one.write); err != nil {
		return fmt.Errorf("storing the state of a script: %w", err)
	}
	return nil
}
