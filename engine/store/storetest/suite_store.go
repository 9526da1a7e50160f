package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/metasync/metasync/engine/store"
)

// What a store must do.

func testRollbackOnError(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) { put(t, tx, bucket, "a", "1") })
	refused := errors.New("refused")
	err := s.Update(func(tx store.Tx) error {
		put(t, tx, bucket, "a", "2", "b", "2")
		put(t, tx, "new", "a", "2")
		return refused
	})
	if err != refused {
		t.Errorf("update returns %v, want what the function returned", err)
	}
	view(t, s, func(r store.Reader) {
		want(t, r, bucket, "a=1")
		want(t, r, "new", "")
	})
	if err := s.View(func(store.Reader) error { return refused }); err != refused {
		t.Errorf("view returns %v, want what the function returned", err)
	}
}

func testRollbackOnPanic(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) { put(t, tx, bucket, "a", "1") })
	func() {
		defer func() {
			if got := recover(); got != "bang" {
				t.Errorf("recovered %v, want what the function panicked with", got)
			}
		}()
		_ = s.Update(func(tx store.Tx) error {
			put(t, tx, bucket, "a", "2")
			remove(t, tx, bucket, "a")
			panic("bang")
		})
	}()
	func() {
		defer func() { _ = recover() }()
		_ = s.View(func(store.Reader) error { panic("bang") })
	}()
	update(t, s, func(tx store.Tx) { // the store goes on
		want(t, tx, bucket, "a=1")
		put(t, tx, bucket, "b", "3")
	})
	view(t, s, func(r store.Reader) { want(t, r, bucket, "a=1 b=3") })
}

func testIsolation(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) { put(t, tx, bucket, "a", "1", "b", "1") })
	reading, written, read := make(chan bool), make(chan bool), make(chan bool)
	go func() {
		defer close(read)
		defer close(reading)
		_ = s.View(func(r store.Reader) error {
			want(t, r, bucket, "a=1 b=1")
			reading <- true
			<-written
			want(t, r, bucket, "a=1 b=1")
			want(t, r, "new", "")
			return nil
		})
	}()
	<-reading
	for _, value := range []string{"2", "3"} {
		update(t, s, func(tx store.Tx) {
			put(t, tx, bucket, "a", value, "c", value)
			put(t, tx, "new", "a", value)
			remove(t, tx, bucket, "b")
		})
	}
	close(written)
	<-read
	view(t, s, func(r store.Reader) { want(t, r, bucket, "a=3 c=3") })
}

func testConcurrency(t *testing.T, s store.Store) {
	const writers, readers, rounds, keys = 2, 3, 40, 20
	update(t, s, func(tx store.Tx) {
		for i := range keys {
			put(t, tx, bucket, fmt.Sprint(i), "0")
		}
	})
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for range rounds {
				err := s.Update(func(tx store.Tx) error {
					for i := range keys { // one more, in all of them
						key := []byte(fmt.Sprint(i))
						var n int
						fmt.Sscan(string(tx.Get(bucket, key)), &n)
						if err := tx.Put(bucket, key, []byte(fmt.Sprint(n+1))); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range readers {
		group.Go(func() {
			for range rounds {
				_ = s.View(func(r store.Reader) error {
					first, n := "", 0
					for _, value := range r.Scan(bucket, nil, nil) {
						if n++; n == 1 {
							first = string(value)
						} else if string(value) != first {
							t.Errorf("a reader sees %s and %s at once", first, value)
						}
					}
					if n != keys {
						t.Errorf("a reader sees %d keys, want %d", n, keys)
					}
					return nil
				})
			}
		})
	}
	group.Wait()
	view(t, s, func(r store.Reader) {
		if got, want := string(r.Get(bucket, []byte("0"))), fmt.Sprint(writers*rounds); got != want {
			t.Errorf("%s increments arrived, want %s", got, want)
		}
	})
}

func testBackup(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) { put(t, tx, bucket, "a", "1", "b", "") })
	var file bytes.Buffer
	switch err := s.Backup(&file); {
	case errors.Is(err, store.ErrNoBackup):
		if file.Len() != 0 {
			t.Errorf("%v, but it wrote %d bytes", err, file.Len())
		}
		return
	case err != nil:
		t.Fatal(err)
	}
	update(t, s, func(tx store.Tx) { put(t, tx, bucket, "a", "later") })

	path := filepath.Join(t.TempDir(), "backup")
	must(t, os.WriteFile(path, file.Bytes(), 0o600))
	backup, err := store.OpenBolt(path, store.BoltOptions{})
	if err != nil {
		t.Fatal(err)
	}
	view(t, backup, func(r store.Reader) { want(t, r, bucket, "a=1 b=") })
	update(t, backup, func(tx store.Tx) { put(t, tx, bucket, "c", "2") })
	view(t, backup, func(r store.Reader) { want(t, r, bucket, "a=1 b= c=2") })
	must(t, backup.Close())

	if err := s.Backup(fullDisk{}); err == nil || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("backup to a full disk returns %v", err)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("disk is full") }

func testClose(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) { put(t, tx, bucket, "a", "1") })
	must(t, s.Close())
	for name, call := range map[string]func() error{
		"view":   func() error { return s.View(func(store.Reader) error { t.Error("view runs"); return nil }) },
		"update": func() error { return s.Update(func(store.Tx) error { t.Error("update runs"); return nil }) },
		"backup": func() error { return s.Backup(new(bytes.Buffer)) },
		"close":  s.Close,
	} {
		if err := call(); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s after close: %v, want %v", name, err, store.ErrClosed)
		}
	}
}

func testCloseWaits(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) { put(t, tx, bucket, "a", "1") })
	closed := make(chan error, 1)
	view(t, s, func(r store.Reader) {
		go func() { closed <- s.Close() }()
		for s.View(func(store.Reader) error { return nil }) == nil {
			runtime.Gosched() // until it is closing
		}
		want(t, r, bucket, "a=1")
		select {
		case <-closed:
			t.Error("close did not wait for the reader")
		default:
		}
	})
	must(t, <-closed)
}
