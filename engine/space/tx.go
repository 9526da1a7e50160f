package space

import (
	"encoding/binary"

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

	sources  func(attribute string, n int) identity.Source // of the values that records do not hold
	decoding identity.ID                                   // the object that sources is asked about

	// of the current unit
	connectors map[identity.ID]*Connector
	objects    map[identity.ID]*Object
	changedC   []*Connector
	changedO   []*Object
	tallies    []tallyChange
	ruled      []ruled
	orphans    []identity.ID // lost a referrer

	sequences  map[uint16]uint64
	counters   map[uint16]*sums
	ambiguous  map[string]bool     // see HasAmbiguous
	census     map[censusKey]int64 // what is different from the store
	namesSaved int
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
		tx.ruled = tx.ruled[:0]
	}
	tx.orphans = tx.orphans[:0]
	for _, t := range tx.tallies {
		tx.count(t.space, t.from, t.to)
	}
	tx.tallies = tx.tallies[:0]
	tx.countRuled()
	clear(tx.connectors)
	clear(tx.objects)
	return err
}

// Space returns the space that the transaction is one of.
func (tx *Tx) Space() *Space { return tx.space }

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
	if err := tx.decodeConnector(data, c); err != nil {
		return nil, err
	}
	c.origin = tx.originOf(c)
	tx.connectors[id] = c
	return c, nil
}

func (tx *Tx) decodeConnector(data []byte, c *Connector) error {
	tx.decoding = c.ID
	return decodeConnector(data, &tx.space.names, tx.sources, c)
}

func (tx *Tx) decodeObject(data []byte, o *Object) error {
	tx.decoding = o.ID
	return decodeObject(data, &tx.space.names, tx.sources, o)
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
	if err := tx.decodeObject(data, o); err != nil {
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
