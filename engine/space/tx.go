package space

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/store"
)

// A Tx is a batch of units over the objects. It is used by one goroutine.
type Tx struct {
	space   *Space
	kv      *store.Buffer
	index   Indexes
	encoder identity.Encoder
	key     []byte

	// of the current unit
	connectors map[identity.ID]*Connector
	objects    map[identity.ID]*Object
	changedC   []*Connector
	changedO   []*Object
	tallies    []tallyChange
	orphans    []identity.ID // lost a referrer

	sequences  map[uint16]uint64
	counters   map[uint16]*[Counters]int64
	namesSaved int
}

type tallyChange struct {
	space    uint16
	from, to tally
}

// origin is what the store knows of an object since it was last written.
type origin struct {
	exists     bool
	tally      tally
	lists      [len(lists)]bool
	anchor, dn string
	references []identity.ID
	indexed    []string // keys in the value index
}

// Unit calls fn and keeps what it changed if it returns nil; otherwise its
// changes leave no trace and the error is returned. Objects that fn got are good
// only until it returns. Units do not nest.
func (tx *Tx) Unit(fn func() error) error {
	mark := tx.kv.Mark()
	err := fn()
	if err == nil {
		err = tx.flush()
	}
	if err == nil {
		err = tx.purgeOrphans()
	}
	if err != nil {
		tx.kv.Rollback(mark)
		tx.changedC, tx.changedO, tx.tallies = tx.changedC[:0], tx.changedO[:0], tx.tallies[:0]
	}
	tx.orphans = tx.orphans[:0]
	for _, t := range tx.tallies {
		tx.count(t.space, t.from, t.to)
	}
	tx.tallies = tx.tallies[:0]
	clear(tx.connectors)
	clear(tx.objects)
	return err
}

// Len returns how many store operations the batch holds: when to end it.
func (tx *Tx) Len() int { return tx.kv.Len() }

// Connector returns a connector-space object, nil if there is none.
func (tx *Tx) Connector(id identity.ID) (*Connector, error) {
	if c, ok := tx.connectors[id]; ok {
		return c, nil
	}
	tx.key = binary.BigEndian.AppendUint64(tx.key[:0], uint64(id))
	data := tx.kv.Get(bucketObject, tx.key)
	if data == nil || id.Space() == 0 {
		return nil, nil
	}
	c := &Connector{ID: id}
	if err := decodeConnector(data, &tx.space.names, c); err != nil {
		return nil, err
	}
	c.origin = tx.originOf(c)
	tx.connectors[id] = c
	return c, nil
}

// NewConnector returns a new object of an agent's connector space. It exists
// once it is put.
func (tx *Tx) NewConnector(agent string) *Connector {
	c := &Connector{ID: tx.newID(tx.space.Number(agent))}
	tx.connectors[c.ID] = c
	return c
}

// PutConnector writes the object at the end of the unit.
func (tx *Tx) PutConnector(c *Connector) {
	if !c.dirty {
		c.dirty = true
		tx.changedC = append(tx.changedC, c)
	}
}

// RemoveConnector removes the object. If others still refer to it, it remains
// as a placeholder (sync-engine §1.4).
func (tx *Tx) RemoveConnector(c *Connector) error {
	if err := tx.flush(); err != nil {
		return err
	}
	*c = Connector{ID: c.ID, DN: c.DN, State: Placeholder, origin: c.origin}
	if tx.HasReferrers(c.ID) {
		tx.PutConnector(c)
		return nil
	}
	if err := tx.erase(c.ID, &c.origin); err != nil {
		return err
	}
	tx.connectors[c.ID] = nil
	return nil
}

// Object returns a metaverse object, nil if there is none.
func (tx *Tx) Object(id identity.ID) (*Object, error) {
	if o, ok := tx.objects[id]; ok {
		return o, nil
	}
	tx.key = binary.BigEndian.AppendUint64(tx.key[:0], uint64(id))
	data := tx.kv.Get(bucketObject, tx.key)
	if data == nil || id.Space() != 0 {
		return nil, nil
	}
	o := &Object{ID: id}
	if err := decodeObject(data, &tx.space.names, o); err != nil {
		return nil, err
	}
	o.origin = tx.originOfObject(o)
	tx.objects[id] = o
	return o, nil
}

// NewObject returns a new metaverse object. It exists once it is put.
func (tx *Tx) NewObject(objectType string) *Object {
	o := &Object{ID: tx.newID(0), Type: objectType}
	tx.objects[o.ID] = o
	return o
}

// PutObject writes the object at the end of the unit.
func (tx *Tx) PutObject(o *Object) {
	if !o.dirty {
		o.dirty = true
		tx.changedO = append(tx.changedO, o)
	}
}

// RemoveObject removes a metaverse object. The caller has cut its links and
// the references to it.
func (tx *Tx) RemoveObject(o *Object) error {
	if err := tx.flush(); err != nil {
		return err
	}
	if err := tx.erase(o.ID, &o.origin); err != nil {
		return err
	}
	tx.objects[o.ID] = nil
	return tx.kv.Delete(bucketRetry, idKey(o.ID))
}

// purgeOrphans removes placeholders that nobody refers to any more.
func (tx *Tx) purgeOrphans() error {
	for _, id := range tx.orphans {
		if id.Space() == 0 || tx.HasReferrers(id) {
			continue
		}
		c, err := tx.Connector(id)
		if err != nil {
			return err
		}
		if c != nil && c.State == Placeholder {
			if err := tx.erase(id, &c.origin); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush writes the objects that the unit has changed so far into the buffer,
// so that lookups see them.
func (tx *Tx) flush() error {
	for _, c := range tx.changedC {
		if !c.dirty {
			continue
		}
		c.dirty = false
		if err := tx.writeConnector(c); err != nil {
			return err
		}
	}
	for _, o := range tx.changedO {
		if !o.dirty {
			continue
		}
		o.dirty = false
		if err := tx.writeObject(o); err != nil {
			return err
		}
	}
	tx.changedC, tx.changedO = tx.changedC[:0], tx.changedO[:0]
	return nil
}

func (tx *Tx) writeConnector(c *Connector) error {
	tx.encoder.Buf = tx.encoder.Buf[:0]
	encodeConnector(&tx.encoder, c)
	id := idKey(c.ID)
	if err := tx.kv.Put(bucketObject, id, tx.encoder.Buf); err != nil {
		return err
	}
	before, now := &c.origin, tx.originOf(c)
	spc := c.ID.Space()
	if err := tx.writeAnchor(c, before); err != nil {
		return err
	}
	wasKey, isKey := tx.dnKey(spc, before.anchor, before.dn), tx.dnKey(spc, c.Anchor, c.DN)
	if err := tx.moveName(wasKey, isKey, id); err != nil {
		return err
	}
	for i, list := range lists {
		switch key := listKey(list, c.ID); {
		case now.lists[i] && !before.lists[i]:
			if err := tx.kv.Put(bucketWork, key, nil); err != nil {
				return err
			}
		case before.lists[i] && !now.lists[i]:
			if err := tx.kv.Delete(bucketWork, key); err != nil {
				return err
			}
		}
	}
	return tx.writeOrigin(c.ID, before, now)
}

func (tx *Tx) writeAnchor(c *Connector, before *origin) error {
	spc := c.ID.Space()
	if before.anchor != "" && before.anchor != c.Anchor {
		if err := tx.kv.Delete(bucketAnchor, anchorKey(spc, before.anchor)); err != nil {
			return err
		}
	}
	if c.Anchor == "" || c.Anchor == before.anchor && c.digest == nil {
		return nil
	}
	value := make([]byte, 0, 24)
	value = binary.BigEndian.AppendUint64(value, uint64(c.ID))
	if c.digest != nil {
		value = append(value, c.digest[:]...)
		c.digest = nil
	} else {
		value = append(value, make([]byte, len(Digest{}))...)
	}
	return tx.kv.Put(bucketAnchor, anchorKey(spc, c.Anchor), value)
}

func (tx *Tx) writeObject(o *Object) error {
	tx.encoder.Buf = tx.encoder.Buf[:0]
	encodeObject(&tx.encoder, o)
	if err := tx.kv.Put(bucketObject, idKey(o.ID), tx.encoder.Buf); err != nil {
		return err
	}
	return tx.writeOrigin(o.ID, &o.origin, tx.originOfObject(o))
}

// writeOrigin brings value index, back references and counters from one state
// of an object to the next.
func (tx *Tx) writeOrigin(id identity.ID, before *origin, now origin) error {
	if !slices.Equal(before.indexed, now.indexed) {
		for _, key := range before.indexed {
			if !slices.Contains(now.indexed, key) {
				if err := tx.kv.Delete(bucketValue, []byte(key)); err != nil {
					return err
				}
			}
		}
		for _, key := range now.indexed {
			if !slices.Contains(before.indexed, key) {
				if err := tx.kv.Put(bucketValue, []byte(key), nil); err != nil {
					return err
				}
			}
		}
	}
	if !slices.Equal(before.references, now.references) {
		for _, target := range before.references {
			if _, kept := slices.BinarySearch(now.references, target); !kept {
				if err := tx.kv.Delete(bucketBackref, pairKey(target, id)); err != nil {
					return err
				}
				tx.orphans = append(tx.orphans, target)
			}
		}
		for _, target := range now.references {
			if _, had := slices.BinarySearch(before.references, target); !had {
				if err := tx.kv.Put(bucketBackref, pairKey(target, id), nil); err != nil {
					return err
				}
			}
		}
	}
	if before.tally != now.tally {
		tx.tallies = append(tx.tallies, tallyChange{id.Space(), before.tally, now.tally})
	}
	*before = now
	return nil
}

// erase removes the record of an object and everything that leads to it.
func (tx *Tx) erase(id identity.ID, before *origin) error {
	if !before.exists {
		return nil
	}
	spc := id.Space()
	if before.anchor != "" {
		if err := tx.kv.Delete(bucketAnchor, anchorKey(spc, before.anchor)); err != nil {
			return err
		}
	}
	if err := tx.moveName(tx.dnKey(spc, before.anchor, before.dn), nil, idKey(id)); err != nil {
		return err
	}
	for i, list := range lists {
		if before.lists[i] {
			if err := tx.kv.Delete(bucketWork, listKey(list, id)); err != nil {
				return err
			}
		}
	}
	if err := tx.kv.Delete(bucketObject, idKey(id)); err != nil {
		return err
	}
	return tx.writeOrigin(id, before, origin{})
}

// moveName moves an object from one key of the DN index to another. A name that
// another object has taken in the same unit is left to that.
func (tx *Tx) moveName(was, is, id []byte) error {
	if string(was) == string(is) {
		return nil
	}
	if was != nil && string(tx.kv.Get(bucketDN, was)) == string(id) {
		if err := tx.kv.Delete(bucketDN, was); err != nil {
			return err
		}
	}
	if is != nil {
		return tx.kv.Put(bucketDN, is, id)
	}
	return nil
}

func (tx *Tx) originOf(c *Connector) origin {
	o := origin{exists: true, tally: c.tally(), anchor: c.Anchor, dn: c.DN, references: c.references(nil)}
	for i, list := range lists {
		o.lists[i] = c.on(list)
	}
	if c.State == Disconnector {
		o.indexed = tx.indexedConnector(c)
	}
	return o
}

func (tx *Tx) originOfObject(o *Object) origin {
	return origin{
		exists: true, tally: tally(0).with(CountObject, true),
		references: compactIDs(appendReferences(nil, o.Attributes)),
		indexed:    tx.indexedObject(o),
	}
}

func (tx *Tx) count(spc uint16, from, to tally) {
	counters := tx.countersOf(spc)
	for c := range Counters {
		counters[c] += int64(to>>c&1) - int64(from>>c&1)
	}
}

func (tx *Tx) countersOf(spc uint16) *[Counters]int64 {
	counters := tx.counters[spc]
	if counters == nil {
		counters = new([Counters]int64)
		data := tx.kv.Get(bucketCount, spaceKey(spc))
		for i := 0; i < int(Counters) && len(data) > 0; i++ {
			n, width := binary.Varint(data)
			if width <= 0 {
				break
			}
			counters[i], data = n, data[width:]
		}
		tx.counters[spc] = counters
	}
	return counters
}

// Counters returns the counters of an agent's connector space, those of the
// metaverse if agent is "".
func (tx *Tx) Counters(agent string) [Counters]int64 {
	return *tx.countersOf(tx.space.Number(agent))
}

func (tx *Tx) newID(spc uint16) identity.ID {
	last, ok := tx.sequences[spc]
	if !ok {
		if data := tx.kv.Get(bucketMeta, sequenceKey(spc)); len(data) == 8 {
			last = binary.BigEndian.Uint64(data)
		}
	}
	last++
	tx.sequences[spc] = last
	return identity.NewID(spc, last)
}

// LastSequence returns the sequence number of the newest object of an agent's
// connector space.
func (tx *Tx) LastSequence(agent string) uint64 {
	spc := tx.space.Number(agent)
	if last, ok := tx.sequences[spc]; ok {
		return last
	}
	if data := tx.kv.Get(bucketMeta, sequenceKey(spc)); len(data) == 8 {
		return binary.BigEndian.Uint64(data)
	}
	return 0
}

// finish brings everything that the transaction has gathered into its buffer.
func (tx *Tx) finish() error {
	if len(tx.changedC)+len(tx.changedO) > 0 {
		if err := tx.Unit(func() error { return nil }); err != nil {
			return err
		}
	}
	if tx.kv.Len() == 0 {
		return nil
	}
	for spc, last := range tx.sequences {
		if err := tx.kv.Put(bucketMeta, sequenceKey(spc), binary.BigEndian.AppendUint64(nil, last)); err != nil {
			return err
		}
	}
	for spc, counters := range tx.counters {
		var data []byte
		for _, n := range counters {
			data = binary.AppendVarint(data, n)
		}
		if err := tx.kv.Put(bucketCount, spaceKey(spc), data); err != nil {
			return err
		}
	}
	var err error
	tx.namesSaved, err = tx.space.names.save(tx.kv)
	return err
}

// An AgentState is what the engine remembers of an agent as a whole.
type AgentState struct {
	Watermark      []byte    `json:"watermark,omitempty"`      // of the last complete import
	Imported       bool      `json:"imported,omitempty"`       // a full import has been completed
	Batch          uint64    `json:"batch,omitempty"`          // of the newest export step
	ConfirmedBatch uint64    `json:"confirmedBatch,omitempty"` // of the last export step that ended well
	Rules          string    `json:"rules,omitempty"`          // fingerprint of the rules of the last full synchronization
	LastImport     time.Time `json:"lastImport,omitzero"`      // of the last import that came to its end
	LastExport     time.Time `json:"lastExport,omitzero"`

	// Schema is that of the last complete import, for times when the system
	// cannot be asked.
	Schema *identity.Schema `json:"schema,omitempty"`
}

// AgentState returns what is remembered of an agent.
func (tx *Tx) AgentState(agent string) (AgentState, error) {
	var state AgentState
	data := tx.kv.Get(bucketMeta, []byte("state/"+agent))
	if data == nil {
		return state, nil
	}
	if err := json.Unmarshal(data, &state); err != nil {
		return state, fmt.Errorf("state of agent %q: %w: %w", agent, identity.ErrCorrupt, err)
	}
	return state, nil
}

// SetAgentState remembers the state of an agent.
func (tx *Tx) SetAgentState(agent string, state AgentState) error {
	data, err := json.Marshal(state)
	if err != nil {
		return err
	}
	return tx.kv.Put(bucketMeta, []byte("state/"+agent), data)
}

func idKey(id identity.ID) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

func spaceKey(spc uint16) []byte { return binary.BigEndian.AppendUint16(nil, spc) }

func sequenceKey(spc uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte("sequence/"), spc)
}

func anchorKey(spc uint16, anchor string) []byte {
	return append(spaceKey(spc), anchor...)
}

func pairKey(first, second identity.ID) []byte {
	return binary.BigEndian.AppendUint64(idKey(first), uint64(second))
}

func listKey(list List, id identity.ID) []byte {
	return binary.BigEndian.AppendUint64([]byte{byte(list)}, uint64(id))
}

// dnKey returns the key of the DN index, nil if the object is not in it.
func (tx *Tx) dnKey(spc uint16, anchor, dn string) []byte {
	if dn == "" || dn == anchor && tx.space.anchorIsDN(spc) {
		return nil
	}
	return append(spaceKey(spc), tx.space.foldDN(spc, dn)...)
}

// SameDN reports whether two DNs are the same name in an agent's system.
func (s *Space) SameDN(agent, a, b string) bool {
	spc := s.Number(agent)
	return a == b || s.foldDN(spc, a) == s.foldDN(spc, b)
}

func (s *Space) foldDN(spc uint16, dn string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r := s.bySpc[spc]; r != nil && r.naming.Fold != nil {
		return r.naming.Fold(dn)
	}
	return dn
}

func (s *Space) anchorIsDN(spc uint16) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.bySpc[spc]
	return r != nil && r.naming.AnchorIsDN
}
