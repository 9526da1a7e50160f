package store

import (
	"bytes"
	"io"
	"iter"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/tidwall/btree"
)

// NewMemory returns an empty store that lives in memory. It behaves like
// [OpenBolt], except that nothing outlives it and that [Store.Backup] returns
// [ErrNoBackup]. A reader costs nothing; a writer copies the tree nodes that it
// changes.
func NewMemory() Store {
	s := &memory{}
	s.current.Store(&memoryState{})
	return s
}

// memory publishes one immutable state after the other.
type memory struct {
	gate    gate
	writer  sync.Mutex
	current atomic.Pointer[memoryState]
}

// memoryState holds the buckets. Once published, it is never changed.
type memoryState map[Bucket]*memoryBucket

type memoryBucket = btree.Map[string, []byte]

func (s *memory) View(fn func(Reader) error) error {
	if err := s.gate.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	return fn(memoryReader{*s.current.Load()})
}

func (s *memory) Update(fn func(Tx) error) error {
	if err := s.gate.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	s.writer.Lock()
	defer s.writer.Unlock()

	tx := &memoryTx{memoryReader: memoryReader{maps.Clone(*s.current.Load())}, own: map[Bucket]*memoryBucket{}}
	if err := fn(tx); err != nil {
		return err
	}
	s.current.Store(&tx.buckets)
	return nil
}

func (s *memory) Backup(io.Writer) error {
	if err := s.gate.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	return ErrNoBackup
}

func (s *memory) Close() error {
	if err := s.gate.close(); err != nil {
		return err
	}
	s.current.Store(&memoryState{})
	return nil
}

type memoryReader struct {
	buckets memoryState
}

func (r memoryReader) Get(bucket Bucket, key []byte) []byte {
	b := r.buckets[bucket]
	if b == nil {
		return nil
	}
	value, _ := b.Get(text(key))
	return value
}

func (r memoryReader) Scan(bucket Bucket, prefix, from []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		b := r.buckets[bucket]
		if b == nil {
			return
		}
		var room [64]byte
		prefix := append(room[:0], prefix...) // the caller may fill its slice anew
		b.Ascend(text(scanStart(prefix, from)), func(key string, value []byte) bool {
			k := raw(key)
			return bytes.HasPrefix(k, prefix) && yield(k, value)
		})
	}
}

// memoryTx changes copies of the buckets, which become the next state.
type memoryTx struct {
	memoryReader
	own map[Bucket]*memoryBucket // the buckets that were copied
}

func (tx *memoryTx) Put(bucket Bucket, key, value []byte) error {
	if err := checkKey(bucket, key); err != nil {
		return err
	}
	tx.writable(bucket).Set(string(key), append([]byte{}, value...))
	return nil
}

func (tx *memoryTx) Delete(bucket Bucket, key []byte) error {
	if err := checkBucket(bucket); err != nil {
		return err
	}
	if tx.buckets[bucket] != nil {
		tx.writable(bucket).Delete(text(key))
	}
	return nil
}

func (tx *memoryTx) writable(bucket Bucket) *memoryBucket {
	b := tx.own[bucket]
	if b != nil {
		return b
	}
	if published := tx.buckets[bucket]; published != nil {
		b = published.Copy()
	} else {
		b = new(memoryBucket)
	}
	if tx.buckets == nil {
		tx.buckets = memoryState{}
	}
	tx.own[bucket], tx.buckets[bucket] = b, b
	return b
}
