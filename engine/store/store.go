// Package store is the transactional, ordered key-value store under the engine.
//
// There are two of them with one behaviour, held to it by the suite in
// storetest: [OpenBolt] keeps a file and survives a crash at any moment,
// [NewMemory] is for tests and for programs that need no file. A [Buffer] gathers
// writes over a [Reader] so that they can be taken back, or written in key order.
//
// Keys live in buckets and are ordered bytewise within them. Nothing here knows
// what they mean; package space does. A program that embeds the engine opens a
// store, hands it over and closes it in the end; one store may serve the state
// of the engine and a scheduler, for each has buckets of its own; the history of the
// engine needs another. It may keep things
// of its own there, in buckets that begin with its own name.
//
// A transaction belongs to the goroutine that was given it, and transactions do
// not nest. Whoever holds a reader open for long makes the file grow.
//
// [Store.Backup] copies a store in use; the copy is opened like any other. A program
// that brings a store of another kind runs the suite in storetest over it.
package store

import (
	"errors"
	"io"
	"iter"
)

// A Bucket is a named, ordered key space.
type Bucket string

// A Reader reads one consistent state of the store.
//
// Keys and values that it returns belong to the store: they may be read until
// the transaction ends and must never be changed.
type Reader interface {
	// Get returns the value of key, nil if there is none. A stored empty value
	// is not nil.
	Get(bucket Bucket, key []byte) []byte

	// Scan yields, in order, the entries of bucket whose keys start with prefix
	// and are not below from. A nil prefix means all keys, a nil from the first.
	// The bucket must not be written while a scan over it runs.
	Scan(bucket Bucket, prefix, from []byte) iter.Seq2[[]byte, []byte]
}

// A Tx is a read-write transaction. It sees its own writes.
type Tx interface {
	Reader

	// Put stores a value. It keeps neither key nor value. An empty key is an error.
	Put(bucket Bucket, key, value []byte) error

	// Delete removes a key; a key that is not there is no error.
	Delete(bucket Bucket, key []byte) error
}

// A Store is safe for concurrent use. One writer works at a time; readers see
// the state as it was when they began and disturb nobody, but a long one makes
// the file grow.
type Store interface {
	// View calls fn with the current state. It returns what fn returns.
	View(fn func(Reader) error) error

	// Update calls fn with a transaction and commits it if fn returns nil;
	// otherwise, and if fn panics, nothing is changed. When it returns nil, the
	// changes are durable. View must not be called from within fn.
	Update(fn func(Tx) error) error

	// Backup writes a copy of the current state that [OpenBolt] can open.
	// Stores without a file return [ErrNoBackup].
	Backup(w io.Writer) error

	// Close waits for running transactions and releases the store. After it,
	// every call returns [ErrClosed].
	Close() error
}

// The errors of stores.
var (
	ErrClosed   = errors.New("store is closed")
	ErrLocked   = errors.New("store is in use by another process")
	ErrNoBackup = errors.New("store has no file to back up")
	ErrEmptyKey = errors.New("empty key")
)
