package space

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/identity"
)

// A Census says how many objects of a type have last been synchronized by which
// rules. Objects that no rules have decided about are not in it.
type Census struct {
	Type    string // of the objects
	Rules   string // see Connector.Rules and Object.Rules
	Objects int
}

// A censusKey names one count.
type censusKey struct {
	space             uint16
	objectType, rules string
}

// A ruled is a change of one count.
type ruled struct {
	censusKey
	by int64
}

// countRuled adds up what the unit changed.
func (tx *Tx) countRuled() {
	for _, r := range tx.ruled {
		if r.rules == "" {
			continue
		}
		if tx.census == nil {
			tx.census = map[censusKey]int64{}
		}
		tx.census[r.censusKey] += r.by
	}
	tx.ruled = tx.ruled[:0]
}

// key returns where the store has a count: behind the counters of its space.
func (k censusKey) key(names identity.Names) []byte {
	key := binary.AppendUvarint(spaceKey(k.space), names.Code(k.objectType))
	return binary.AppendUvarint(key, names.Code(k.rules))
}

// writeCensus writes the counts that have changed.
func (tx *Tx) writeCensus() error {
	for k, by := range tx.census {
		if by == 0 {
			continue
		}
		key := k.key(&tx.space.names)
		n, _ := binary.Varint(tx.kv.Get(bucketCount, key))
		if n += by; n == 0 {
			if err := tx.kv.Delete(bucketCount, key); err != nil {
				return err
			}
		} else if err := tx.kv.Put(bucketCount, key, binary.AppendVarint(nil, n)); err != nil {
			return err
		}
	}
	clear(tx.census)
	return nil
}

// Census returns by which rules the objects of an agent's connector space, of the
// metaverse if agent is "", have last been synchronized, ordered.
func (tx *Tx) Census(agent string) []Census {
	spc := tx.space.Number(agent)
	counts := map[censusKey]int64{}
	for key, value := range tx.kv.Scan(bucketCount, spaceKey(spc), nil) {
		objectType, width := binary.Uvarint(key[2:])
		if width <= 0 {
			continue // the counters
		}
		fingerprint, _ := binary.Uvarint(key[2+width:])
		k := censusKey{space: spc}
		k.objectType, _ = tx.space.names.Name(objectType)
		k.rules, _ = tx.space.names.Name(fingerprint)
		counts[k], _ = binary.Varint(value)
	}
	for k, by := range tx.census {
		if k.space == spc {
			counts[k] += by
		}
	}
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b censusKey) int {
		return cmp.Or(strings.Compare(a.objectType, b.objectType), strings.Compare(a.rules, b.rules))
	})
	var list []Census
	for _, k := range keys {
		if counts[k] != 0 {
			list = append(list, Census{k.objectType, k.rules, int(counts[k])})
		}
	}
	return list
}
