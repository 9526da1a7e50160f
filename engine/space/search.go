package space

import "encoding/binary"

// CountNames returns how many objects of an agent's connector space have a DN
// that begins with prefix, which is folded as DNs are and is no anchor.
func (tx *Tx) CountNames(agent, prefix string) int {
	key := append(binary.BigEndian.AppendUint16(nil, tx.space.Number(agent)), prefix...)
	n := 0
	for range tx.kv.Scan(bucketDN, key, nil) {
		n++
	}
	return n
}
