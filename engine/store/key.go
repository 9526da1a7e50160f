package store

import (
	"bytes"
	"errors"
	"unsafe"
)

// MaxKeySize is the length in bytes of the longest key that a store takes.
const MaxKeySize = 32768

// metaBucket is where a file says what it is.
const metaBucket = "meta"

// The errors of a write that no store takes. A [Buffer] returns them at once, so
// that one bad object does not spoil the flush of all others.
var (
	ErrKeyTooLarge = errors.New("key too large")                          // longer than [MaxKeySize]
	ErrBadBucket   = errors.New(`bucket without a name, or named "meta"`) // the latter is the store's own
)

func checkBucket(bucket Bucket) error {
	if bucket == "" || bucket == metaBucket {
		return ErrBadBucket
	}
	return nil
}

func checkKey(bucket Bucket, key []byte) error {
	switch {
	case bucket == "" || bucket == metaBucket:
		return ErrBadBucket
	case len(key) == 0:
		return ErrEmptyKey
	case len(key) > MaxKeySize:
		return ErrKeyTooLarge
	}
	return nil
}

// scanStart returns the smallest key that a scan may yield.
func scanStart(prefix, from []byte) []byte {
	if bytes.Compare(from, prefix) > 0 {
		return from
	}
	return prefix
}

// text returns b as a string without copying it; b must not change while the
// string is in use.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// raw is the inverse of text. The bytes must not be changed.
func raw(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
