package space

import (
	"encoding/binary"
	"slices"

	"github.com/metasync/metasync/engine/identity"
)

// origin is what the store knows of an object since it was last written.
type origin struct {
	exists     bool
	tally      tally
	lists      [len(lists)]bool
	anchor, dn string
	references []identity.ID // that the record holds
	edges      []string      // attributes whose references are edges
	indexed    []string      // keys in the value index

	objectType, rules string // see Census
	parked            bool   // see Parked
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

func (tx *Tx) writeConnector(c *Connector) (err error) {
	if c.Synchronized, err = tx.writeEdges(c.ID, c.Synchronized, c.origin.edges); err != nil {
		return err
	}
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
	if name := c.Name(); before.dn != name || tx.space.anchorIsDN(spc) { // to fold a name costs as much as the rest
		wasKey, isKey := tx.dnKey(spc, before.anchor, before.dn), tx.dnKey(spc, c.Anchor, name)
		if err := tx.moveName(wasKey, isKey, id); err != nil {
			return err
		}
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

func (tx *Tx) writeObject(o *Object) (err error) {
	if o.Attributes, err = tx.writeEdges(o.ID, o.Attributes, o.origin.edges); err != nil {
		return err
	}
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
	if before.rules != now.rules || before.objectType != now.objectType {
		tx.ruled = append(tx.ruled,
			ruled{censusKey{id.Space(), before.objectType, before.rules}, -1},
			ruled{censusKey{id.Space(), now.objectType, now.rules}, 1})
	}
	if before.parked && !now.parked {
		if err := tx.kv.Delete(bucketParked, idKey(id)); err != nil {
			return err
		}
	}
	*before = now
	return nil
}

// erase removes the record of an object and everything that leads to it.
func (tx *Tx) erase(id identity.ID, before *origin) error {
	if !before.exists {
		return nil
	}
	if _, err := tx.writeEdges(id, nil, before.edges); err != nil {
		return err
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
	o := origin{
		exists: true, tally: c.tally(), anchor: c.Anchor, dn: c.Name(), objectType: c.ObjectType, rules: c.Rules, parked: c.isParked(),
		references: c.references(nil), edges: edgeNames(c.Synchronized),
	}
	for i, list := range lists {
		o.lists[i] = c.on(list)
	}
	if c.State == Disconnector || c.State == ExplicitDisconnector {
		o.indexed = tx.indexedConnector(c)
	}
	return o
}

func (tx *Tx) originOfObject(o *Object) origin {
	return origin{
		exists: true, tally: tally(0).with(CountObject, true), objectType: o.Type, rules: o.Rules,
		references: compactIDs(appendReferences(nil, o.Attributes)),
		edges:      edgeNames(o.Attributes),
		indexed:    tx.indexedObject(o),
	}
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
		if counters.now == counters.stored {
			continue
		}
		var data []byte
		for _, n := range counters.now {
			data = binary.AppendVarint(data, n)
		}
		if err := tx.kv.Put(bucketCount, spaceKey(spc), data); err != nil {
			return err
		}
	}
	if err := tx.writeCensus(); err != nil {
		return err
	}
	var err error
	tx.namesSaved, err = tx.space.names.save(tx.kv)
	return err
}
