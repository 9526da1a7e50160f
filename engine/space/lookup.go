package space

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/store"
)

// ByAnchor returns the object of an agent's connector space with the given
// anchor and the digest of the entry that it was staged from; false if there
// is none.
func (tx *Tx) ByAnchor(agent, anchor string) (identity.ID, Digest, bool, error) {
	if err := tx.flush(); err != nil {
		return 0, Digest{}, false, err
	}
	value := tx.kv.Get(bucketAnchor, tx.anchorKey(tx.space.Number(agent), anchor))
	if len(value) != 8+len(Digest{}) {
		return 0, Digest{}, false, nil
	}
	return identity.ID(binary.BigEndian.Uint64(value)), Digest(value[8:]), true, nil
}

func (tx *Tx) anchorKey(spc uint16, anchor string) []byte {
	tx.key = append(binary.BigEndian.AppendUint16(tx.key[:0], spc), anchor...)
	return tx.key
}

// ByDN returns the object of an agent's connector space with the given DN, 0
// if there is none.
func (tx *Tx) ByDN(agent, dn string) (identity.ID, error) {
	if err := tx.flush(); err != nil {
		return 0, err
	}
	spc := tx.space.Number(agent)
	tx.key = append(binary.BigEndian.AppendUint16(tx.key[:0], spc), tx.space.foldDN(spc, dn)...)
	if value := tx.kv.Get(bucketDN, tx.key); len(value) == 8 {
		return identity.ID(binary.BigEndian.Uint64(value)), nil
	}
	if !tx.space.anchorIsDN(spc) {
		return 0, nil
	}
	if value := tx.kv.Get(bucketAnchor, tx.anchorKey(spc, dn)); len(value) >= 8 {
		return identity.ID(binary.BigEndian.Uint64(value)), nil
	}
	return 0, nil
}

// Below yields the objects of an agent's connector space whose names lie below a
// DN, at any depth, in no useful order. There are none unless the agent's naming
// has containers. Changes may be made in the loop only if it then ends.
func (tx *Tx) Below(agent, dn string) iter.Seq2[*Connector, error] {
	return func(yield func(*Connector, error) bool) {
		spc := tx.space.Number(agent)
		container := tx.space.container(spc, dn)
		if container == "" {
			return
		}
		if err := tx.flush(); err != nil {
			yield(nil, err)
			return
		}
		var ids []identity.ID
		prefix := append(binary.BigEndian.AppendUint16(nil, spc), container...)
		for more, from := true, []byte(nil); more; {
			ids, more = ids[:0], false
			for key, value := range tx.kv.Scan(bucketDN, prefix, from) {
				if len(ids) == belowPage {
					from, more = slices.Clone(key), true
					break
				}
				if len(value) == 8 {
					ids = append(ids, identity.ID(binary.BigEndian.Uint64(value)))
				}
			}
			for _, id := range ids {
				c, err := tx.Connector(id)
				if c == nil && err == nil {
					continue
				}
				if !yield(c, err) || err != nil {
					return
				}
			}
		}
	}
}

// belowPage is how many objects [Tx.Below] looks up at a time: mostly one, or
// none, is wanted.
const belowPage = 16

// List returns up to limit objects of a work list of an agent, in the order of
// their ids, after the given one.
func (tx *Tx) List(list List, agent string, after identity.ID, limit int) ([]identity.ID, error) {
	if err := tx.flush(); err != nil {
		return nil, err
	}
	spc := tx.space.Number(agent)
	prefix := binary.BigEndian.AppendUint16([]byte{byte(list)}, spc)
	var ids []identity.ID
	for key := range tx.kv.Scan(bucketWork, prefix, listKey(list, after+1)) {
		if len(ids) == limit {
			break
		}
		ids = append(ids, identity.ID(binary.BigEndian.Uint64(key[1:])))
	}
	return ids, nil
}

// IsOn reports whether an object was on a work list before the current unit.
func (tx *Tx) IsOn(list List, id identity.ID) bool {
	return tx.kv.Get(bucketWork, listKey(list, id)) != nil
}

// IDs returns up to limit objects of an agent's connector space ("" for the
// metaverse), in the order of their ids, after the given one.
func (tx *Tx) IDs(agent string, after identity.ID, limit int) ([]identity.ID, error) {
	if err := tx.flush(); err != nil {
		return nil, err
	}
	spc := tx.space.Number(agent)
	from := max(after+1, identity.NewID(spc, 1))
	ids := make([]identity.ID, 0, limit)
	for key := range tx.kv.Scan(bucketObject, spaceKey(spc), idKey(from)) {
		if len(ids) == limit {
			break
		}
		ids = append(ids, identity.ID(binary.BigEndian.Uint64(key)))
	}
	return ids, nil
}

// Connectors yields the objects of an agent's connector space in the order of
// their ids. Changes may be made between two of them only if the loop then ends.
func (tx *Tx) Connectors(agent string) iter.Seq2[*Connector, error] {
	return tx.ConnectorsAfter(agent, 0)
}

// ConnectorsAfter is [Tx.Connectors] from behind an id on.
func (tx *Tx) ConnectorsAfter(agent string, after identity.ID) iter.Seq2[*Connector, error] {
	return func(yield func(*Connector, error) bool) {
		spc := tx.space.Number(agent)
		from := max(after+1, identity.NewID(spc, 1))
		for key, value := range tx.kv.Scan(bucketObject, spaceKey(spc), idKey(from)) {
			c := &Connector{ID: identity.ID(binary.BigEndian.Uint64(key))}
			err := tx.decodeConnector(value, c)
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// Objects yields the objects of the metaverse in the order of their ids, under
// the condition of [Tx.Connectors].
func (tx *Tx) Objects() iter.Seq2[*Object, error] { return tx.ObjectsAfter(0) }

// ObjectsAfter is [Tx.Objects] from behind an id on.
func (tx *Tx) ObjectsAfter(after identity.ID) iter.Seq2[*Object, error] {
	return func(yield func(*Object, error) bool) {
		for key, value := range tx.kv.Scan(bucketObject, spaceKey(0), idKey(max(after+1, identity.NewID(0, 1)))) {
			o := &Object{ID: identity.ID(binary.BigEndian.Uint64(key))}
			err := tx.decodeObject(value, o)
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// Referrers returns the objects that refer to the given one, in the order of
// their ids.
func (tx *Tx) Referrers(id identity.ID) ([]identity.ID, error) {
	if err := tx.flush(); err != nil {
		return nil, err
	}
	return compactIDs(append(tx.pairs(bucketBackref, id), tx.pairs(bucketEdgeBack, id)...)), nil
}

// HasReferrers reports whether any other stored object refers to the given one.
func (tx *Tx) HasReferrers(id identity.ID) bool {
	for _, bucket := range [...]store.Bucket{bucketBackref, bucketEdgeBack} {
		for key := range tx.kv.Scan(bucket, idKey(id), nil) {
			if identity.ID(binary.BigEndian.Uint64(key[8:])) != id {
				return true
			}
		}
	}
	return false
}

// Await remembers that owner could not use a reference because the object it
// points to is not linked yet: a connector-space object without a link, or a
// metaverse object without a connector where one is needed.
func (tx *Tx) Await(awaited, owner identity.ID) error {
	return tx.kv.Put(bucketWaiting, pairKey(awaited, owner), nil)
}

// Waiters returns who awaits the object, and forgets it.
func (tx *Tx) Waiters(awaited identity.ID) ([]identity.ID, error) {
	owners := tx.pairs(bucketWaiting, awaited)
	for _, owner := range owners {
		if err := tx.kv.Delete(bucketWaiting, pairKey(awaited, owner)); err != nil {
			return nil, err
		}
	}
	return owners, nil
}

func (tx *Tx) pairs(bucket store.Bucket, first identity.ID) []identity.ID {
	var seconds []identity.ID
	tx.key = binary.BigEndian.AppendUint64(tx.key[:0], uint64(first))
	for key := range tx.kv.Scan(bucket, tx.key, nil) {
		seconds = append(seconds, identity.ID(binary.BigEndian.Uint64(key[8:])))
	}
	return seconds
}

// RetryObject asks for another outbound synchronization of a metaverse object.
func (tx *Tx) RetryObject(id identity.ID) error { return tx.kv.Put(bucketRetry, idKey(id), nil) }

// ObjectRetries returns up to limit metaverse objects whose outbound
// synchronization was asked for, in the order of their ids, after the given one.
func (tx *Tx) ObjectRetries(after identity.ID, limit int) []identity.ID {
	var ids []identity.ID
	for key := range tx.kv.Scan(bucketRetry, nil, idKey(after+1)) {
		if len(ids) == limit {
			break
		}
		ids = append(ids, identity.ID(binary.BigEndian.Uint64(key)))
	}
	return ids
}

// DoneObject takes back [Tx.RetryObject].
func (tx *Tx) DoneObject(id identity.ID) error {
	tx.key = binary.BigEndian.AppendUint64(tx.key[:0], uint64(id))
	if tx.kv.Get(bucketRetry, tx.key) == nil {
		return nil // nearly always: do not write to say so
	}
	return tx.kv.Delete(bucketRetry, tx.key)
}

// Indexes says by which attributes objects can be found.
type Indexes struct {
	Metaverse  map[string][]string            `json:"metaverse,omitempty"`  // by object type
	Connectors map[string]map[string][]string `json:"connectors,omitempty"` // by agent and object type; only normal and explicit disconnectors are indexed

	// Layout is set by SetIndexes: it changes with what is indexed in general.
	Layout int `json:"layout,omitempty"`
}

// indexLayout is the current [Indexes.Layout].
const indexLayout = 1

// SetIndexes declares the indexes. If they are not those that the store has,
// they are built anew, in one transaction per few thousand objects; a crash in
// between is made good by the next call.
func (s *Space) SetIndexes(want Indexes) error {
	want.Layout = indexLayout
	s.mu.RLock()
	same := reflect.DeepEqual(s.index, want)
	s.mu.RUnlock()
	if same {
		return nil
	}
	data, err := json.Marshal(want)
	if err != nil {
		return err
	}
	if err := s.store.Update(func(tx store.Tx) error { return tx.Delete(bucketMeta, []byte("indexes")) }); err != nil {
		return err
	}
	if err := s.clearBucket(bucketValue); err != nil {
		return fmt.Errorf("rebuild indexes: %w", err)
	}
	s.mu.Lock()
	s.index = want
	spaces := append(slices.Sorted(maps.Keys(s.bySpc)), 0)
	s.mu.Unlock()
	for _, spc := range spaces {
		if err := s.reindex(spc); err != nil {
			return fmt.Errorf("rebuild indexes: %w", err)
		}
	}
	return s.store.Update(func(tx store.Tx) error { return tx.Put(bucketMeta, []byte("indexes"), data) })
}

const rebuildBatch = 5000

func (s *Space) clearBucket(bucket store.Bucket) error {
	for {
		n := 0
		err := s.store.Update(func(tx store.Tx) error {
			var keys [][]byte
			for key := range tx.Scan(bucket, nil, nil) {
				if keys = append(keys, slices.Clone(key)); len(keys) == rebuildBatch {
					break
				}
			}
			n = len(keys)
			for _, key := range keys {
				if err := tx.Delete(bucket, key); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || n < rebuildBatch {
			return err
		}
	}
}

func (s *Space) reindex(spc uint16) error {
	agent := s.AgentOf(identity.NewID(spc, 0))
	after := identity.ID(0)
	for {
		var ids []identity.ID
		err := s.Update(func(tx *Tx) error {
			var err error
			if ids, err = tx.IDs(agent, after, rebuildBatch); err != nil {
				return err
			}
			for _, id := range ids {
				if err := tx.indexOne(id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(ids) < rebuildBatch {
			return err
		}
		after = ids[len(ids)-1]
	}
}

func (tx *Tx) indexKeys(id identity.ID) ([]string, error) {
	if id.Space() == 0 {
		o, err := tx.Object(id)
		if err != nil {
			return nil, err
		}
		return o.origin.indexed, nil
	}
	c, err := tx.Connector(id)
	if err != nil {
		return nil, err
	}
	return c.origin.indexed, nil
}

// FindObjects returns the metaverse objects of a type whose attribute holds the
// value, strings without regard to case, in the order of their ids.
func (tx *Tx) FindObjects(objectType, attribute string, value identity.Value) ([]identity.ID, error) {
	return tx.find(0, objectType, attribute, value)
}

// FindDisconnectors returns the normal and explicit disconnectors of an agent and
// type whose imported attribute holds the value, likewise.
func (tx *Tx) FindDisconnectors(agent, objectType, attribute string, value identity.Value) ([]identity.ID, error) {
	counters := tx.Counters(agent)
	if counters[CountDisconnector]+counters[CountExplicitDisconnector] == 0 {
		return nil, nil
	}
	return tx.find(tx.space.Number(agent), objectType, attribute, value)
}

func (tx *Tx) find(spc uint16, objectType, attribute string, value identity.Value) ([]identity.ID, error) {
	if err := tx.flush(); err != nil {
		return nil, err
	}
	prefix := appendValueKey(tx.key[:0], spc, objectType, attribute, value)
	tx.key = prefix
	var ids []identity.ID
	for key := range tx.kv.Scan(bucketValue, prefix, nil) {
		if len(key) == len(prefix)+8 {
			ids = append(ids, identity.ID(binary.BigEndian.Uint64(key[len(prefix):])))
		}
	}
	return ids, nil
}

// maxIndexed is the length in bytes of the longest value that is a key as a whole:
// a store does not take keys of any length. Of a longer one it is the digest.
const maxIndexed = 1024

func appendValueKey(key []byte, spc uint16, objectType, attribute string, value identity.Value) []byte {
	key = binary.BigEndian.AppendUint16(key, spc)
	key = append(append(key, objectType...), 0)
	key = append(append(key, attribute...), 0)
	text := value.FoldedKey()
	key = binary.AppendUvarint(key, uint64(len(text)))
	if len(text) > maxIndexed {
		sum := sha256.Sum256([]byte(text))
		return append(key, sum[:]...)
	}
	return append(key, text...)
}

func (tx *Tx) indexedObject(o *Object) []string {
	return indexedKeys(o.ID, o.Type, tx.index.Metaverse[o.Type], o.Attributes)
}

func (tx *Tx) indexedConnector(c *Connector) []string {
	if len(tx.index.Connectors) == 0 {
		return nil
	}
	attributes := tx.index.Connectors[tx.space.AgentOf(c.ID)][c.ObjectType]
	if len(attributes) == 0 {
		return nil
	}
	return indexedKeys(c.ID, c.ObjectType, attributes, c.known())
}

func indexedKeys(id identity.ID, objectType string, names []string, attributes identity.Attributes) []string {
	var keys []string
	for _, name := range names {
		for _, v := range attributes.Get(name) {
			key := appendValueKey(make([]byte, 0, 64), id.Space(), objectType, name, v)
			keys = append(keys, string(binary.BigEndian.AppendUint64(key, uint64(id))))
		}
	}
	return keys
}
