package triggers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/store"
)

// bucket holds what triggers must not forget: agent 0 name 0 owner key.
const bucket store.Bucket = "triggers"

// The owners of keys of one trigger.
const (
	ofManager = 'm'
	ofCheck   = 's'
	ofCalls   = 'w'
)

// markKey is under what the manager keeps a mark.
const markKey = "mark"

// A mark is what the manager remembers of a trigger.
type mark struct {
	When       string    `json:"when"`                 // what it waits for; a mark of something else does not count
	Last       time.Time `json:"last,omitzero"`        // up to then all times have been dealt with
	Source     []byte    `json:"source,omitempty"`     // the same for what its source reports
	Acted      time.Time `json:"acted,omitzero"`       // when it last asked or requested successfully
	Checked    time.Time `json:"checked,omitzero"`     // when it last looked, with whatever success
	Fired      time.Time `json:"fired,omitzero"`       // when it last made a request
	Result     string    `json:"result,omitempty"`     // of the last look
	Failures   int       `json:"failures,omitempty"`   // in a row
	Error      string    `json:"error,omitempty"`      // of the last one
	Retry      time.Time `json:"retry,omitzero"`       // not before then, after a failure
	Pending    *pending  `json:"pending,omitempty"`    // what is due and had to wait
	Terminated string    `json:"terminated,omitempty"` // the definition that has ended by an error
	Disabled   bool      `json:"disabled,omitempty"`   // it did not work, because it was told not to
}

// pending is an occasion that has to wait. Calls of webhooks are kept apart.
type pending struct {
	Since  time.Time           `json:"since"`
	Source []byte              `json:"source,omitempty"`
	Run    *autosync.Completed `json:"run,omitempty"`
}

// A state keeps the durable values of one trigger for one owner.
type state struct {
	store  store.Store
	prefix []byte
}

func newState(st store.Store, id id, owner byte) state {
	return state{st, []byte(id.agent + "\x00" + id.name + "\x00" + string(owner))}
}

func (s state) key(key string) []byte { return append(bytes.Clone(s.prefix), key...) }

// get reads a value, nil if there is none.
func (s state) get(key string) (value []byte, err error) {
	err = s.store.View(func(r store.Reader) error {
		value = bytes.Clone(r.Get(bucket, s.key(key)))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the state of a trigger: %w", err)
	}
	return value, nil
}

// loadMark reads the mark of a trigger, the zero mark if there is none that can be
// read.
func loadMark(s state) (m mark, err error) {
	value, err := s.get(markKey)
	if err == nil && value != nil && json.Unmarshal(value, &m) != nil {
		m = mark{}
	}
	return m, err
}

// A staged state is what a check works on, as [autosync.State]: what it sets is kept
// when what it asked for has been requested. So a check that notes what it has seen
// never loses it, whenever the process ends: it is asked again with what it knew
// before, and the scheduler makes one of two equal requests.
type staged struct {
	state
	changes map[string][]byte // nil removes
	added   int               // keys that the store does not have
}

// Get implements [autosync.State].
func (s *staged) Get(key string) ([]byte, error) {
	if value, ok := s.changes[key]; ok {
		return bytes.Clone(value), nil
	}
	return s.get(key)
}

// Set implements [autosync.State].
func (s *staged) Set(key string, value []byte) error {
	before, err := s.Get(key)
	if err != nil {
		return err
	}
	switch {
	case before == nil && value != nil:
		kept, err := s.count()
		if err != nil {
			return err
		}
		if kept+s.added >= autosync.MaxStateKeys {
			return fmt.Errorf("storing the state of a trigger: %w", autosync.ErrStateFull)
		}
		s.added++
	case before != nil && value == nil:
		s.added--
	}
	if s.changes == nil {
		s.changes = map[string][]byte{}
	}
	s.changes[key] = bytes.Clone(value)
	return nil
}

// count counts the keys in the store, up to one more than there may be.
func (s *staged) count() (n int, err error) {
	err = s.store.View(func(r store.Reader) error {
		for range r.Scan(bucket, s.prefix, nil) {
			if n++; n > autosync.MaxStateKeys {
				break
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("reading the state of a trigger: %w", err)
	}
	return n, nil
}

// write puts what was set into a transaction.
func (s *staged) write(tx store.Tx) error {
	keys := make([]string, 0, len(s.changes))
	for key := range s.changes {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		var err error
		if value := s.changes[key]; value == nil {
			err = tx.Delete(bucket, s.key(key))
		} else {
			err = tx.Put(bucket, s.key(key), value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
