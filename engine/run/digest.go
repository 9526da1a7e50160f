package run

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// A digester computes fingerprints of entries. Two entries have the same one if
// they say the same about an object under the same schema.
type digester struct {
	types  map[string]*digestedType
	buffer []byte
}

// digestedType stands for an object type in digests.
type digestedType struct {
	names []string // of its attributes, ordered
	seed  []byte   // digest of the names
}

// Moving to another partition changes it.
func newDigester(schema identity.Schema, partition string) *digester {
	d := &digester{types: map[string]*digestedType{}}
	for i := range schema.Types {
		t := &digestedType{names: schema.Types[i].Names()}
		slices.Sort(t.names)
		for _, name := range append([]string{schema.Types[i].Name}, t.names...) {
			t.seed = append(append(t.seed, name...), 0)
		}
		if partition != "" {
			t.seed = append(append(t.seed, 0), partition...)
		}
		sum := sha256.Sum256(t.seed)
		t.seed = sum[:8]
		d.types[schema.Types[i].Name] = t
	}
	return d
}

// some appends the digests of the next few entries after those that are there.
func (d *digester) some(digests []space.Digest, entries []agent.Entry) []space.Digest {
	next := entries[len(digests):]
	next = next[:min(digestsAtOnce, len(next))]
	for i := range next {
		digests = append(digests, d.of(&next[i]))
	}
	return digests
}

// of returns the digest of a complete entry, the zero Digest for any other and
// for one that does not fit the schema.
func (d *digester) of(e *agent.Entry) space.Digest {
	t := d.types[e.ObjectType]
	if t == nil || e.Err != nil || e.Op != identity.Add && e.Op != identity.None {
		return space.Digest{}
	}
	b := append(d.buffer[:0], t.seed...)
	b = append(binary.AppendUvarint(b, uint64(len(e.DN))), e.DN...)
	next := 0
	for i := range e.Attributes {
		a := &e.Attributes[i]
		for next < len(t.names) && t.names[next] != a.Name {
			next++
		}
		if next == len(t.names) {
			return space.Digest{}
		}
		if text, short := shortText(a.Values); short && next < 0x80 {
			b = append(b, byte(next), 1, byte(identity.TypeString), byte(len(text))) // as below, at once
			b = append(b, text...)
			continue
		}
		b = binary.AppendUvarint(b, uint64(next))
		b = binary.AppendUvarint(b, uint64(len(a.Values)))
		for _, v := range a.Values {
			b = append(b, byte(v.Type()))
			if text := v.Str(); text != "" {
				b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
			} else {
				b = append(b, 0)
				b = binary.AppendVarint(b, v.Int())
			}
		}
	}
	d.buffer = b
	sum := sha256.Sum256(b)
	return space.Digest(sum[:16])
}

// shortText returns the text of a single string value if its length fits a byte
// of a varint, as nearly all do.
func shortText(values []identity.Value) (string, bool) {
	if len(values) != 1 || values[0].Type() != identity.TypeString {
		return "", false
	}
	text := values[0].Str()
	return text, 0 < len(text) && len(text) < 0x80
}
