package triggers

import (
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/store"
)

// ofHook owns the keys of what is no trigger: a controller, or a listener.
const ofHook = 'h'

// StateOf returns the durable values of a registration of a script that is no
// trigger, by its kind and name.
func StateOf(st store.Store, kind, name string) autosync.State {
	return newState(st, id{agent: kind, name: name}, ofHook)
}
