package space

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/store"
)

// A Known is what is remembered of the configuration of an agent, or of the
// metaverse, for the time when the configuration no longer has it.
type Known struct {
	// Types are the object types of the configuration, and those that it no longer
	// has and of which there are objects; ordered.
	Types []string `json:"types,omitempty"`

	// Of agents only: what becomes of values that a disconnected object contributed
	// (sync-engine §4.5), and how objects are named.
	NoRecall      bool `json:"noRecall,omitempty"`
	OrphansLowest bool `json:"orphansLowest,omitempty"`
	AnchorIsDN    bool `json:"anchorIsDN,omitempty"`
	LDAPNames     bool `json:"ldapNames,omitempty"`
	IgnoreCase    bool `json:"ignoreCase,omitempty"`
}

// Equal reports whether both say the same.
func (k Known) Equal(other Known) bool {
	return slices.Equal(k.Types, other.Types) && k.NoRecall == other.NoRecall && k.OrphansLowest == other.OrphansLowest &&
		k.AnchorIsDN == other.AnchorIsDN && k.LDAPNames == other.LDAPNames && k.IgnoreCase == other.IgnoreCase
}

// Known returns what is remembered of an agent's configuration, of the
// metaverse's if agent is ""; false if nothing is.
func (tx *Tx) Known(agent string) (k Known, found bool, err error) {
	data := tx.kv.Get(bucketMeta, knownKey(agent))
	if data == nil {
		return k, false, nil
	}
	if err := json.Unmarshal(data, &k); err != nil {
		return k, false, fmt.Errorf("configuration of agent %q: %w: %w", agent, identity.ErrCorrupt, err)
	}
	return k, true, nil
}

// SetKnown remembers what [Tx.Known] returns.
func (tx *Tx) SetKnown(agent string, k Known) error {
	data, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return tx.kv.Put(bucketMeta, knownKey(agent), data)
}

// Remembers reports whether anything is left of an agent beside its number: an
// object, or what is remembered of it as a whole.
func (tx *Tx) Remembers(agent string) (bool, error) {
	if tx.space.Number(agent) == 0 {
		return false, nil
	}
	if tx.kv.Get(bucketMeta, knownKey(agent)) != nil || tx.kv.Get(bucketMeta, stateKey(agent)) != nil {
		return true, nil
	}
	ids, err := tx.IDs(agent, 0, 1)
	return len(ids) > 0, err
}

// Forget drops what is left of an agent whose connector space is empty: who
// waited for whom, counters, and what is remembered of it as a whole, this last.
// more says that there is too much for one transaction: call it again in another
// one. The number of the agent stays, and that of its newest object, so that no id
// ever means two objects.
func (tx *Tx) Forget(agent string) (more bool, err error) {
	if ids, err := tx.IDs(agent, 0, 1); err != nil || len(ids) > 0 {
		if err == nil {
			err = fmt.Errorf("forget agent %q: it has objects", agent)
		}
		return false, err
	}
	prefix := spaceKey(tx.space.Number(agent))
	var keys [][]byte
	for key := range tx.kv.Scan(bucketWaiting, prefix, nil) {
		if keys = append(keys, slices.Clone(key)); len(keys) == rebuildBatch {
			more = true
			break
		}
	}
	if err := tx.deleteAll(bucketWaiting, keys); err != nil || more {
		return more, err
	}
	keys = keys[:0]
	for key := range tx.kv.Scan(bucketCount, prefix, nil) {
		keys = append(keys, slices.Clone(key))
	}
	if err := tx.deleteAll(bucketCount, keys); err != nil {
		return false, err
	}
	delete(tx.counters, tx.space.Number(agent)) // or they would be written again
	return false, tx.deleteAll(bucketMeta, [][]byte{seekKey(agent), ambiguousKey(agent), stateKey(agent), knownKey(agent)})
}

func (tx *Tx) deleteAll(bucket store.Bucket, keys [][]byte) error {
	for _, key := range keys {
		if err := tx.kv.Delete(bucket, key); err != nil {
			return err
		}
	}
	return nil
}
