package csv

import (
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/spill"
)

// A packed delta is a delta in its binary form, kept in a [spill.Spill]. An export keeps
// one for each object until it is closed. The zero packed is no delta.
type packed = spill.Span

func (x *fileExport) pack(d *identity.Delta) packed {
	x.encoder.Buf = x.encoder.Buf[:0]
	x.encoder.Delta(d)
	return x.spill.Add(x.encoder.Buf)
}

// unpack returns the delta, nil if it changes nothing.
func (x *fileExport) unpack(p packed) *identity.Delta {
	if p.IsZero() {
		return nil
	}
	d := identity.NewDecoder(x.spill.Get(p), x.encoder.Names)
	return d.Delta()
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
