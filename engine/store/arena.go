package store

import "slices"

// The sizes of an arena's chunks: they double from the first to the last.
const (
	firstChunk = 4 << 10
	lastChunk  = 256 << 10
)

// An arena cuts copies of byte slices from large chunks, so that a copy is no
// allocation of its own. The zero value is ready.
type arena struct {
	chunk []byte
}

// room returns n bytes for the caller to fill.
func (a *arena) room(n int) []byte {
	if n > lastChunk/4 {
		return make([]byte, n)
	}
	if cap(a.chunk)-len(a.chunk) < n {
		a.chunk = make([]byte, 0, max(n, firstChunk, min(2*cap(a.chunk), lastChunk)))
	}
	start := len(a.chunk)
	a.chunk = a.chunk[:start+n]
	return slices.Clip(a.chunk[start:])
}

// copy returns a copy of b that is never nil.
func (a *arena) copy(b []byte) []byte {
	if len(b) == 0 {
		return []byte{}
	}
	c := a.room(len(b))
	copy(c, b)
	return c
}

// copyPair returns copies of a key and a value that lie side by side. The value
// is never nil.
func (a *arena) copyPair(key, value []byte) (k, v []byte) {
	both := a.room(len(key) + len(value))
	n := copy(both, key)
	copy(both[n:], value)
	return both[:n:n], both[n:]
}

// reset makes the last chunk free again: what was copied is lost.
func (a *arena) reset() { a.chunk = a.chunk[:0] }
