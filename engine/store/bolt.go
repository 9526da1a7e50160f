package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"time"

	"go.etcd.io/bbolt"
)

// BoltOptions says how [OpenBolt] opens a file. The zero value is right for a
// program that expects to be alone.
type BoltOptions struct {
	// Timeout is how long to wait for another process to let go of the file.
	// With 0, a file in use is [ErrLocked] at once.
	Timeout time.Duration

	// NoSync leaves the writing to the operating system: about twice as fast, and
	// the end of the process loses nothing, but a power failure or a crash of the
	// machine can lose everything. For tests and benchmarks.
	NoSync bool

	// Log is told when the file is compacted, or could not be. Nil means nobody.
	Log *slog.Logger
}

// OpenBolt opens the store in the file at path, which only the user may read,
// and makes it if there is none; its folder must exist. Only one process at a
// time has it open: others get [ErrLocked]. A file that is not a store, is
// damaged, or was written by a newer version is an error and stays as it is.
//
// A file of which more than half is free is compacted first, unless it is small.
// That needs room for the rest beside it; without, the file stays as it is.
//
// A transaction belongs to the goroutine that was given it, and transactions do
// not nest. A View within an Update, or an Update within a View, can wait for
// itself for ever: the writer may have to wait for all readers when the file
// outgrows its mapping of 4 GiB.
func OpenBolt(path string, opts BoltOptions) (Store, error) {
	db, err := openBoltFile(path, opts)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return &bolt{db: db, keepMapped: keepMapped}, nil
}

type bolt struct {
	gate       gate
	db         *bbolt.DB
	keepMapped int64
}

// keepMapped is how many bytes of the file may stay in the resident memory of
// the process from one transaction to the next.
const keepMapped = 256 << 20

func (s *bolt) View(fn func(Reader) error) error {
	if err := s.gate.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	return s.db.View(func(tx *bbolt.Tx) error {
		err := fn(&boltReader{tx: tx})
		if size := tx.Size(); size > s.keepMapped {
			releasePages(s.db.Info().Data, size, s.keepMapped)
		}
		return err
	})
}

func (s *bolt) Update(fn func(Tx) error) error {
	if err := s.gate.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	var refused error
	err := s.db.Update(func(tx *bbolt.Tx) error {
		t := &boltTx{boltReader: boltReader{tx: tx}}
		if refused = fn(t); refused == nil && !t.wrote {
			return errNothingWritten
		}
		return refused
	})
	switch {
	case refused != nil:
		return refused
	case err != nil && !errors.Is(err, errNothingWritten):
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// errNothingWritten has bbolt drop a transaction that wrote nothing. A commit would
// change the file all the same, by its number, and wait for the disk.
var errNothingWritten = errors.New("nothing written")

func (s *bolt) Backup(w io.Writer) error {
	if err := s.gate.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	err := s.db.View(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(w)
		return err
	})
	if err != nil {
		return fmt.Errorf("back up store: %w", err)
	}
	return nil
}

func (s *bolt) Close() error {
	if err := s.gate.close(); err != nil {
		return err
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// boltReader keeps the handles of the buckets that the transaction has used, and
// a cursor per bucket for Get: 135 ns and no allocation instead of 230 ns and two
// (BenchmarkBoltGet).
type boltReader struct {
	tx      *bbolt.Tx
	buckets []boltBucket
}

type boltBucket struct {
	name   Bucket
	handle *bbolt.Bucket // nil if the file does not have it
	cursor *bbolt.Cursor // for Get
	at     bool          // the cursor is at the key that was found last
	luck   int           // see next
}

// bucket returns the place of a bucket in the list. It is good until the next
// call.
func (r *boltReader) bucket(name Bucket) *boltBucket {
	for i := range r.buckets {
		if r.buckets[i].name == name {
			return &r.buckets[i]
		}
	}
	b := boltBucket{name: name}
	if name != metaBucket {
		b.set(r.tx.Bucket([]byte(name)))
	}
	r.buckets = append(r.buckets, b)
	return &r.buckets[len(r.buckets)-1]
}

func (b *boltBucket) set(handle *bbolt.Bucket) {
	if b.handle = handle; handle != nil {
		b.cursor, b.at, b.luck = handle.Cursor(), false, maxLuck
	}
}

func (r *boltReader) Get(bucket Bucket, key []byte) []byte {
	b := r.bucket(bucket)
	if b.handle == nil {
		return nil
	}
	if value, found := b.next(key); found {
		return value
	}
	found, value := b.cursor.Seek(key)
	b.at = bytes.Equal(found, key)
	if b.at {
		return value
	}
	return nil
}

// next looks whether key is the one behind the last that was found. Imports
// often ask in the order of the keys, and a step costs a fraction of a search
// (BenchmarkBoltGetInOrder: 117 ns against 697 ns, making the key included); for
// those who do not, most attempts are left out.
func (b *boltBucket) next(key []byte) (value []byte, found bool) {
	if !b.at {
		return nil, false
	}
	if b.luck <= 0 {
		b.luck++
		return nil, false
	}
	after, value := b.cursor.Next()
	if b.at = bytes.Equal(after, key); b.at {
		b.luck = maxLuck
		return value, true
	}
	if b.luck--; b.luck == 0 {
		b.luck = -pause
	}
	return nil, false
}

const (
	maxLuck = 4  // attempts that may fail in a row
	pause   = 64 // searches after them without an attempt
)

func (r *boltReader) Scan(bucket Bucket, prefix, from []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		b := r.bucket(bucket)
		if b.handle == nil {
			return
		}
		var room [64]byte
		prefix := append(room[:0], prefix...) // the caller may fill its slice anew
		cursor := b.handle.Cursor()
		key, value := cursor.Seek(scanStart(prefix, from))
		for key != nil && bytes.HasPrefix(key, prefix) && yield(key, value) {
			key, value = cursor.Next()
		}
	}
}

type boltTx struct {
	boltReader
	arena arena // bbolt keeps the values that it is given until it commits
	wrote bool  // something was put or deleted
}

func (tx *boltTx) Put(bucket Bucket, key, value []byte) error {
	if err := checkKey(bucket, key); err != nil {
		return err
	}
	b := tx.bucket(bucket)
	if b.handle == nil {
		handle, err := tx.tx.CreateBucket([]byte(bucket))
		if err != nil {
			return fmt.Errorf("create bucket %q: %w", bucket, err)
		}
		b.set(handle)
	}
	b.at, tx.wrote = false, true // a write moves what the cursor points to
	return b.handle.Put(key, tx.arena.copy(value))
}

func (tx *boltTx) Delete(bucket Bucket, key []byte) error {
	if err := checkBucket(bucket); err != nil {
		return err
	}
	if b := tx.bucket(bucket); b.handle != nil {
		b.at, tx.wrote = false, true
		return b.handle.Delete(key)
	}
	return nil
}
