package store_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/metasync/metasync/engine/store"
)

// The load that the benchmarks are about: batches of 1,000 objects, each a
// record under its id and three index entries under keys in no order.
const (
	batchObjects   = 1000
	entriesPerUnit = 4
)

type entry struct {
	bucket     store.Bucket
	key, value []byte
}

// unit appends the entries of one object.
func unit(entries []entry, object int) []entry {
	id := binary.BigEndian.AppendUint64(nil, 1<<48|uint64(object))
	scattered := binary.BigEndian.AppendUint64(nil, uint64(object)*0x9E3779B97F4A7C15)
	return append(entries,
		entry{"object", id, make([]byte, 300)},
		entry{"anchor", append([]byte("\x00\x01"), scattered...), append(id, "digest-16-bytes."...)},
		entry{"value", append([]byte("\x00\x01person\x00mail\x00"), append(scattered, id...)...), nil},
		entry{"work", append([]byte{1}, id...), nil},
	)
}

func batch(n int) []entry {
	var entries []entry
	for i := range batchObjects {
		entries = unit(entries, n*batchObjects+i)
	}
	return entries
}

func put(b *testing.B, tx store.Tx, entries []entry) {
	for _, e := range entries {
		if err := tx.Put(e.bucket, e.key, e.value); err != nil {
			b.Fatal(err)
		}
	}
}

// One operation is one put, in a buffer that is flushed after every batch, with
// a mark per object.
func BenchmarkBufferPut(b *testing.B) {
	entries, buffer := batch(0), store.NewBuffer(nothing{})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%entriesPerUnit == 0 {
			buffer.Mark()
		}
		e := &entries[i%len(entries)]
		if err := buffer.Put(e.bucket, e.key, e.value); err != nil {
			b.Fatal(err)
		}
		if i%len(entries) == len(entries)-1 {
			if _, err := buffer.Flush(nothing{}); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// Get with nothing in the bucket's overlay, a key that is in the overlay, and
// one that is not.
func BenchmarkBufferGet(b *testing.B) {
	entries, other := batch(0), batch(1)
	for _, c := range []struct {
		name    string
		overlay []entry
	}{{"empty", nil}, {"hit", entries}, {"miss", other}} {
		b.Run(c.name, func(b *testing.B) {
			buffer := store.NewBuffer(nothing{})
			put(b, buffer, c.overlay)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				e := &entries[i%len(entries)]
				if buffer.Get(e.bucket, e.key) == nil && c.name == "hit" {
					b.Fatal("not found")
				}
			}
		})
	}
}

// A scan over the ten entries of a prefix in a base of 10,000, with an overlay
// that has nothing, nothing in range, and half of the entries in range.
func BenchmarkBufferScan(b *testing.B) {
	key := func(i int) []byte { return fmt.Appendf(nil, "%08d", i) }
	keys := make([][]byte, 10_000)
	for i := range keys {
		keys[i] = key(i)
	}
	base := store.NewMemory()
	err := base.Update(func(tx store.Tx) error {
		for _, k := range keys {
			if err := tx.Put("value", k, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		from int
		n    int
	}{{"empty", 0, 0}, {"out of range", 20_000, 4000}, {"merged", 0, 5_000}} {
		b.Run(c.name, func(b *testing.B) {
			_ = base.View(func(r store.Reader) error {
				buffer := store.NewBuffer(r)
				for i := range c.n {
					if err := buffer.Put("value", key(c.from+2*i), nil); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					n := 0
					for range buffer.Scan("value", keys[i%1000*10][:7], nil) {
						n++
					}
					if n != 10 {
						b.Fatalf("%d entries", n)
					}
				}
				return nil
			})
		})
	}
}

// Three ways of writing the load, with and without fsync; one operation is one
// object of four puts. The file grows, so give them the same work: -benchtime
// 100000x. Then each of them takes about 30 µs without fsync and 42 µs with it:
// the buffer costs less than the noise.
func BenchmarkBoltWrite(b *testing.B) {
	b.Run("floor", func(b *testing.B) {
		benchmarkSync(b, func(b *testing.B, noSync bool) {
			db, err := bbolt.Open(filepath.Join(b.TempDir(), "raw.db"), 0o600, &bbolt.Options{
				NoSync: noSync, FreelistType: bbolt.FreelistMapType, InitialMmapSize: 1 << 30,
			})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			benchmarkBatches(b, sortEntries, func(entries []entry) error {
				return db.Update(func(tx *bbolt.Tx) error {
					for _, e := range entries {
						bucket, err := tx.CreateBucketIfNotExists([]byte(e.bucket))
						if err != nil {
							return err
						}
						if err := bucket.Put(e.key, e.value); err != nil {
							return err
						}
					}
					return nil
				})
			})
		})
	})
	b.Run("buffer", func(b *testing.B) {
		benchmarkStore(b, func(tx store.Tx, entries []entry) error {
			buffer := store.NewBuffer(tx)
			put(b, buffer, entries)
			_, err := buffer.Flush(tx)
			return err
		})
	})
	b.Run("unsorted", func(b *testing.B) {
		benchmarkStore(b, func(tx store.Tx, entries []entry) error {
			put(b, tx, entries)
			return nil
		})
	})
}

func benchmarkSync(b *testing.B, run func(b *testing.B, noSync bool)) {
	b.Run("sync", func(b *testing.B) { run(b, false) })
	b.Run("nosync", func(b *testing.B) { run(b, true) })
}

func benchmarkStore(b *testing.B, write func(store.Tx, []entry) error) {
	benchmarkSync(b, func(b *testing.B, noSync bool) {
		s := open(b, filepath.Join(b.TempDir(), "b.db"), store.BoltOptions{NoSync: noSync})
		benchmarkBatches(b, func([]entry) {}, func(entries []entry) error {
			return s.Update(func(tx store.Tx) error { return write(tx, entries) })
		})
	})
}

func benchmarkBatches(b *testing.B, prepare func([]entry), write func([]entry) error) {
	next := 0
	for i := 0; b.Loop(); i++ {
		if i%batchObjects == 0 {
			b.StopTimer()
			entries := batch(next)
			prepare(entries)
			next++
			b.StartTimer()
			if err := write(entries); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func sortEntries(entries []entry) {
	slices.SortFunc(entries, func(x, y entry) int {
		return cmp.Or(cmp.Compare(x.bucket, y.bucket), bytes.Compare(x.key, y.key))
	})
}

func BenchmarkBoltGet(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "b.db"), store.BoltOptions{NoSync: true})
	entries := batch(0)
	if err := s.Update(func(tx store.Tx) error { put(b, tx, entries); return nil }); err != nil {
		b.Fatal(err)
	}
	_ = s.View(func(r store.Reader) error {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			e := &entries[i%len(entries)]
			if r.Get(e.bucket, e.key) == nil {
				b.Fatal("not found")
			}
		}
		return nil
	})
}

// An import often asks for the keys in their order: then a step of the cursor
// takes the place of a search.
func BenchmarkBoltGetInOrder(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "b.db"), store.BoltOptions{NoSync: true})
	const keys = 100_000
	key := func(i int) []byte { return fmt.Appendf(nil, "%08d", i) }
	if err := s.Update(func(tx store.Tx) error {
		for i := range keys {
			if err := tx.Put("anchor", key(i), make([]byte, 24)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	for _, order := range []struct {
		name string
		step int
	}{{"next", 1}, {"elsewhere", 7919}} {
		b.Run(order.name, func(b *testing.B) {
			_ = s.View(func(r store.Reader) error {
				b.ReportAllocs()
				k := make([]byte, 0, 8)
				for i := 0; b.Loop(); i += order.step {
					k = fmt.Appendf(k[:0], "%08d", i%keys)
					if r.Get("anchor", k) == nil {
						b.Fatal("not found")
					}
				}
				return nil
			})
		})
	}
}
