package store_test

import (
	"iter"
	"path/filepath"
	"testing"

	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/engine/store/storetest"
)

func TestBolt(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		return open(t, filepath.Join(t.TempDir(), "state.db"), store.BoltOptions{})
	})
}

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return store.NewMemory() })
}

// A buffer that is flushed at the end of the transaction makes no difference,
// over any base and over another buffer.
func TestBufferIsTransparent(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		storetest.Run(t, func(*testing.T) store.Store { return buffered{store.NewMemory()} })
	})
	t.Run("bolt", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store {
			return buffered{open(t, filepath.Join(t.TempDir(), "state.db"), store.BoltOptions{NoSync: true})}
		})
	})
	t.Run("twice", func(t *testing.T) {
		storetest.Run(t, func(*testing.T) store.Store { return buffered{buffered{store.NewMemory()}} })
	})
}

// buffered puts a buffer between a store and who uses it.
type buffered struct{ store.Store }

func (s buffered) View(fn func(store.Reader) error) error {
	return s.Store.View(func(r store.Reader) error { return fn(store.NewBuffer(r)) })
}

func (s buffered) Update(fn func(store.Tx) error) error {
	return s.Store.Update(func(tx store.Tx) error {
		buffer := store.NewBuffer(tx)
		if err := fn(buffer); err != nil {
			return err
		}
		_, err := buffer.Flush(tx)
		return err
	})
}

// open opens a file and closes it at the end of the test.
func open(t testing.TB, path string, opts store.BoltOptions) store.Store {
	t.Helper()
	s, err := store.OpenBolt(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// nothing is a store's content that stays empty.
type nothing struct{}

func (nothing) Get(store.Bucket, []byte) []byte        { return nil }
func (nothing) Put(store.Bucket, []byte, []byte) error { return nil }
func (nothing) Delete(store.Bucket, []byte) error      { return nil }
func (nothing) Scan(store.Bucket, []byte, []byte) iter.Seq2[[]byte, []byte] {
	return func(func(k, v []byte) bool) {}
}
