package storetest

import (
	"iter"
	"sync/atomic"

	"github.com/metasync/metasync/engine/store"
)

// Counts is the work that a store has done.
type Counts struct {
	Gets    int
	Scanned int // entries that scans have yielded
	Puts    int // of transactions that were rolled back, too
	Deletes int
	Updates int // that were committed
}

// A Counter is a store that counts what is asked of the store within.
type Counter struct {
	store.Store
	gets, scanned, puts, deletes, updates atomic.Int64
}

// Counting returns s with counters.
func Counting(s store.Store) *Counter { return &Counter{Store: s} }

// Take returns what was counted since the last Take.
func (c *Counter) Take() Counts {
	return Counts{
		Gets:    int(c.gets.Swap(0)),
		Scanned: int(c.scanned.Swap(0)),
		Puts:    int(c.puts.Swap(0)),
		Deletes: int(c.deletes.Swap(0)),
		Updates: int(c.updates.Swap(0)),
	}
}

// View implements [store.Store].
func (c *Counter) View(fn func(store.Reader) error) error {
	return c.Store.View(func(r store.Reader) error { return fn(countingReader{r, c}) })
}

// Update implements [store.Store].
func (c *Counter) Update(fn func(store.Tx) error) error {
	err := c.Store.Update(func(tx store.Tx) error { return fn(countingTx{countingReader{tx, c}, tx}) })
	if err == nil {
		c.updates.Add(1)
	}
	return err
}

type countingReader struct {
	reader  store.Reader
	counter *Counter
}

func (r countingReader) Get(bucket store.Bucket, key []byte) []byte {
	r.counter.gets.Add(1)
	return r.reader.Get(bucket, key)
}

func (r countingReader) Scan(bucket store.Bucket, prefix, from []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for key, value := range r.reader.Scan(bucket, prefix, from) {
			r.counter.scanned.Add(1)
			if !yield(key, value) {
				return
			}
		}
	}
}

type countingTx struct {
	countingReader
	tx store.Tx
}

func (t countingTx) Put(bucket store.Bucket, key, value []byte) error {
	t.counter.puts.Add(1)
	return t.tx.Put(bucket, key, value)
}

func (t countingTx) Delete(bucket store.Bucket, key []byte) error {
	t.counter.deletes.Add(1)
	return t.tx.Delete(bucket, key)
}
