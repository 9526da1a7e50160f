// Package spill keeps what an export has gathered until it is written.
package spill

import "os"

// A Span is where bytes are in a [Spill]. The zero Span is none.
type Span struct {
	at int64
	n  int
}

// IsZero reports whether the span holds no bytes.
func (p Span) IsZero() bool { return p.n == 0 }

const (
	size   = 1 << 20   // what a spill keeps in memory
	window = 256 << 10 // what it reads at a time
)

// A Spill keeps bytes: in memory as long as they are few, then in a temporary
// file, so that an export of a million objects takes no more than one of some
// thousands. The first error sticks; what Get returns after one means nothing.
type Spill struct {
	buffer  []byte // what comes behind the file
	file    *os.File
	written int64 // to the file
	room    []byte
	at      int64 // of the window in the file
	err     error
}

// Add keeps a copy of the bytes and returns where they are.
func (s *Spill) Add(b []byte) Span {
	if len(s.buffer) > 0 && len(s.buffer)+len(b) > size {
		s.flush()
	}
	p := Span{s.written + int64(len(s.buffer)), len(b)}
	s.buffer = append(s.buffer, b...)
	return p
}

func (s *Spill) flush() {
	if s.err != nil {
		return
	}
	if s.file == nil {
		if s.file, s.err = os.CreateTemp("", "metasync-export-"); s.err != nil {
			return
		}
	}
	n, err := s.file.WriteAt(s.buffer, s.written)
	s.err = err
	s.written += int64(n)
	s.buffer = s.buffer[:0]
}

// Get returns the bytes, good until the next call.
func (s *Spill) Get(p Span) []byte {
	switch {
	case s.err != nil:
		return make([]byte, p.n)
	case p.at >= s.written:
		return s.buffer[p.at-s.written:][:p.n]
	case p.at < s.at || p.at+int64(p.n) > s.at+int64(len(s.room)):
		n := min(max(window, int64(p.n)), s.written-p.at)
		if int64(cap(s.room)) < n {
			s.room = make([]byte, n)
		}
		s.room, s.at = s.room[:n], p.at
		if _, s.err = s.file.ReadAt(s.room, p.at); s.err != nil {
			return make([]byte, p.n)
		}
	}
	return s.room[p.at-s.at:][:p.n]
}

// Close removes the file.
func (s *Spill) Close() {
	if s.file != nil {
		s.file.Close()
		os.Remove(s.file.Name())
		s.file = nil
	}
}

// Err returns the first error.
func (s *Spill) Err() error { return s.err }
