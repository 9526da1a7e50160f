package csv

import "hash/crc32"

// A digest tells whether two files of the same size have the same content. It
// is two cyclic redundancy checks whose polynomials have no common factor, and so
// one of 64 bits: whatever happens to a file by accident goes unnoticed once in
// 2^64 times. It runs at the speed of memory, where SHA-256 would take a third of
// the time that an import takes.
type digest struct{ ieee, castagnoli uint32 }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (d *digest) add(p []byte) {
	d.ieee = crc32.Update(d.ieee, crc32.IEEETable, p)
	d.castagnoli = crc32.Update(d.castagnoli, castagnoli, p)
}
