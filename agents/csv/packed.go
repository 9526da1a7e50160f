package csv

import (
	"os"

	"github.com/metasync/metasync/engine/identity"
)

// A packed delta is a delta in its binary form, kept in a [spill]. An export keeps
// one for each object until it is closed. The zero packed is no delta.
type packed struct {
	at int64
	n  int
}

func (x *fileExport) pack(d *identity.Delta) packed {
	x.encoder.Buf = x.encoder.Buf[:0]
	x.encoder.Delta(d)
	return x.spill.add(x.encoder.Buf)
}

// unpack returns the delta, nil if it changes nothing.
func (x *fileExport) unpack(p packed) *identity.Delta {
	if p.n == 0 {
		return nil
	}
	d := identity.NewDecoder(x.spill.get(p), x.encoder.Names)
	return d.Delta()
}

const (
	spillSize   = 1 << 20   // what a spill keeps in memory
	spillWindow = 256 << 10 // what it reads at a time
)

// A spill keeps bytes: in memory as long as they are few, then in a temporary
// file, so that an export of a million objects takes no more than one of some
// thousands. The first error sticks; what get returns after one means nothing.
type spill struct {
	buffer  []byte // what comes behind the file
	file    *os.File
	written int64 // to the file
	window  []byte
	at      int64 // of the window in the file
	err     error
}

func (s *spill) add(b []byte) packed {
	if len(s.buffer) > 0 && len(s.buffer)+len(b) > spillSize {
		s.flush()
	}
	p := packed{s.written + int64(len(s.buffer)), len(b)}
	s.buffer = append(s.buffer, b...)
	return p
}

func (s *spill) flush() {
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

// get returns the bytes, good until the next call.
func (s *spill) get(p packed) []byte {
	switch {
	case s.err != nil:
		return make([]byte, p.n)
	case p.at >= s.written:
		return s.buffer[p.at-s.written:][:p.n]
	case p.at < s.at || p.at+int64(p.n) > s.at+int64(len(s.window)):
		n := min(max(spillWindow, int64(p.n)), s.written-p.at)
		if int64(cap(s.window)) < n {
			s.window = make([]byte, n)
		}
		s.window, s.at = s.window[:n], p.at
		if _, s.err = s.file.ReadAt(s.window, p.at); s.err != nil {
			return make([]byte, p.n)
		}
	}
	return s.window[p.at-s.at:][:p.n]
}

// close removes the file.
func (s *spill) close() {
	if s.file != nil {
		s.file.Close()
		os.Remove(s.file.Name())
		s.file = nil
	}
}

// names gives the names in packed deltas their codes.
type names struct {
	codes map[string]uint64
	list  []string
}

// Code implements identity.Names.
func (n *names) Code(name string) uint64 {
	code, known := n.codes[name]
	if !known {
		code = uint64(len(n.list))
		n.codes[name] = code
		n.list = append(n.list, name)
	}
	return code
}

// Name implements identity.Names.
func (n *names) Name(code uint64) (string, bool) {
	if code >= uint64(len(n.list)) {
		return "", false
	}
	return n.list[code], true
}
