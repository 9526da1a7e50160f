package space

import (
	"encoding/binary"

	"github.com/metasync/metasync/engine/identity"
)

type tallyChange struct {
	space    uint16
	from, to tally
}

func (tx *Tx) count(spc uint16, from, to tally) {
	counters := tx.countersOf(spc)
	for c := range Counters {
		counters[c] += int64(to>>c&1) - int64(from>>c&1)
	}
}

// sums are the counters of a space: as a transaction has found them, and as it leaves
// them.
type sums struct{ stored, now [Counters]int64 }

// countersOf returns the counters of a space, to be changed.
func (tx *Tx) countersOf(spc uint16) *[Counters]int64 {
	counters := tx.counters[spc]
	if counters == nil {
		counters = new(sums)
		data := tx.kv.Get(bucketCount, spaceKey(spc))
		for i := 0; i < int(Counters) && len(data) > 0; i++ {
			n, width := binary.Varint(data)
			if width <= 0 {
				break
			}
			counters.stored[i], data = n, data[width:]
		}
		counters.now = counters.stored
		tx.counters[spc] = counters
	}
	return &counters.now
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
