package identity

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"unsafe"
)

// The record codec: a compact binary form of attributes and deltas.
//
// Numbers are unsigned varints, signed ones in zig-zag form, texts carry their
// length in front. Names of attributes and types are codes of a [Names] table,
// written in the order of the names, so that equal content is equal bytes as
// long as the table is the same. The version of a record is written by whoever
// composes it, in front of everything else.

// Names is a table of codes for the names that recur in every record. A code,
// once given, always stands for the same name.
type Names interface {
	Code(name string) uint64
	Name(code uint64) (string, bool)
}

// ErrCorrupt is wrapped by the error of a [Decoder] that was given bytes which
// no [Encoder] wrote.
var ErrCorrupt = errors.New("corrupt record")

// An Encoder appends the binary form of values to Buf. Its zero value with
// Names set is ready; reuse it after truncating Buf.
type Encoder struct {
	Buf   []byte
	Names Names
}

// Uint appends an unsigned number.
func (e *Encoder) Uint(n uint64) { e.Buf = binary.AppendUvarint(e.Buf, n) }

// Int appends a signed number.
func (e *Encoder) Int(n int64) { e.Buf = binary.AppendVarint(e.Buf, n) }

// Byte appends a byte.
func (e *Encoder) Byte(b byte) { e.Buf = append(e.Buf, b) }

// Text appends a text.
func (e *Encoder) Text(s string) {
	e.Uint(uint64(len(s)))
	e.Buf = append(e.Buf, s...)
}

// Name appends the code of a name.
func (e *Encoder) Name(name string) { e.Uint(e.Names.Code(name)) }

// ID appends an object id; ids of a small sequence number take few bytes.
func (e *Encoder) ID(id ID) { e.Uint(bits.RotateLeft64(uint64(id), 64-idSequenceBits)) }

// Value appends a value.
func (e *Encoder) Value(v Value) {
	e.Byte(byte(v.typ))
	switch v.typ {
	case TypeString, TypeBinary:
		e.Text(v.str)
	case TypeReference:
		e.ID(ID(v.num))
		if v.num == 0 {
			e.Text(v.str)
		}
	default:
		e.Int(v.num)
	}
}

// Values appends a list of values.
func (e *Encoder) Values(values []Value) {
	e.Uint(uint64(len(values)))
	for _, v := range values {
		e.Value(v)
	}
}

// Attributes appends the attributes of an object. Of those whose values are kept
// elsewhere it appends the number.
func (e *Encoder) Attributes(a Attributes) {
	e.Uint(uint64(len(a)))
	for i := range a {
		e.Name(a[i].Name)
		e.Values(a[i].Values)
		if a[i].Set != nil {
			e.Uint(uint64(a[i].Set.Len()))
		}
	}
}

// Delta appends a delta; nil is written like the zero Delta.
func (e *Encoder) Delta(d *Delta) {
	if d == nil {
		d = &Delta{}
	}
	e.Byte(byte(d.Op))
	if d.Op == Add || d.Op == DeleteAdd {
		e.Name(d.ObjectType)
	}
	e.Text(d.DN)
	e.Uint(uint64(len(d.Changes)))
	for i := range d.Changes {
		c := &d.Changes[i]
		e.Name(c.Name)
		e.Byte(byte(c.Op))
		e.Values(c.Values)
		if c.Op == Update {
			e.Values(c.Removed)
		}
	}
}

// A Decoder reads what an [Encoder] wrote. It copies its input once; all texts
// that it returns are parts of that copy. The first error sticks: check
// [Decoder.Err] at the end.
type Decoder struct {
	// Source returns the values of an attribute that are kept elsewhere, and of
	// which there are n; nil if there are none elsewhere.
	Source func(attribute string, n int) Source

	text   string // the input, as a string
	data   []byte // the same bytes
	pos    int
	names  Names
	err    error
	values []Value // room for values, cut from the front
}

// NewDecoder returns a decoder over a copy of data.
func NewDecoder(data []byte, names Names) Decoder {
	text := string(data)
	return Decoder{text: text, data: unsafe.Slice(unsafe.StringData(text), len(text)), names: names}
}

// Err returns the first error.
func (d *Decoder) Err() error { return d.err }

// Close returns the first error, or one that says that input is left over.
func (d *Decoder) Close() error {
	if d.err == nil && d.pos != len(d.data) {
		d.fail("%d bytes left over", len(d.data)-d.pos)
	}
	return d.err
}

func (d *Decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w at byte %d: "+format, append([]any{ErrCorrupt, d.pos}, args...)...)
		d.pos = len(d.data)
	}
}

// Uint reads an unsigned number.
func (d *Decoder) Uint() uint64 {
	n, width := binary.Uvarint(d.data[d.pos:])
	if width <= 0 {
		d.fail("bad number")
		return 0
	}
	d.pos += width
	return n
}

// Int reads a signed number.
func (d *Decoder) Int() int64 {
	n, width := binary.Varint(d.data[d.pos:])
	if width <= 0 {
		d.fail("bad number")
		return 0
	}
	d.pos += width
	return n
}

// Byte reads a byte.
func (d *Decoder) Byte() byte {
	if d.pos >= len(d.data) {
		d.fail("unexpected end")
		return 0
	}
	b := d.data[d.pos]
	d.pos++
	return b
}

// ID reads an object id.
func (d *Decoder) ID() ID { return ID(bits.RotateLeft64(d.Uint(), idSequenceBits)) }

// Text reads a text.
func (d *Decoder) Text() string {
	n := d.Uint()
	if n > uint64(len(d.data)-d.pos) {
		d.fail("text of %d bytes", n)
		return ""
	}
	s := d.text[d.pos : d.pos+int(n)]
	d.pos += int(n)
	return s
}

// Name reads the code of a name and returns the name.
func (d *Decoder) Name() string {
	code := d.Uint()
	if d.err != nil {
		return ""
	}
	name, ok := d.names.Name(code)
	if !ok {
		d.fail("unknown name code %d", code)
	}
	return name
}

// Count reads the length of a list whose items take at least one byte each.
func (d *Decoder) Count() int {
	n := d.Uint()
	if n > uint64(len(d.data)-d.pos) {
		d.fail("list of %d items", n)
		return 0
	}
	return int(n)
}

// Operation reads an operation written as a byte.
func (d *Decoder) Operation() Operation {
	b := d.Byte()
	if int(b) >= len(operationNames) {
		d.fail("unknown operation %d", b)
		return None
	}
	return Operation(b)
}

// Value reads a value.
func (d *Decoder) Value() Value {
	v := Value{typ: Type(d.Byte())}
	switch v.typ {
	case TypeString, TypeBinary:
		v.str = d.Text()
	case TypeReference:
		v.num = int64(d.ID())
		if v.num == 0 {
			v.str = d.Text()
		}
	case TypeInteger, TypeDateTime:
		v.num = d.Int()
	case TypeBoolean:
		if v.num = d.Int(); v.num&^1 != 0 {
			d.fail("boolean %d", v.num)
		}
	default:
		d.fail("unknown type %d", v.typ)
	}
	return v
}

// Values reads a list of values.
func (d *Decoder) Values() []Value {
	n := d.Count()
	if n == 0 {
		return nil
	}
	if len(d.values) < n {
		d.values = make([]Value, max(n, 16))
	}
	values := d.values[:n:n]
	d.values = d.values[n:]
	for i := range values {
		values[i] = d.Value()
	}
	return values
}

// Attributes reads the attributes of an object.
func (d *Decoder) Attributes() Attributes {
	n := d.Count()
	if n == 0 {
		return nil
	}
	attributes := make(Attributes, 0, n)
	if len(d.values) < n {
		d.values = make([]Value, n+n/4+1)
	}
	for range n {
		attribute := Attribute{Name: d.Name(), Values: d.Values()}
		if d.err == nil && len(attribute.Values) == 0 {
			attribute.Set = d.set(attribute.Name)
		}
		if d.err != nil {
			return nil
		}
		attributes = append(attributes, attribute)
	}
	return attributes
}

func (d *Decoder) set(attribute string) *Set {
	n := d.Uint()
	if d.err == nil && (n == 0 || n > math.MaxInt32 || d.Source == nil) {
		d.fail("attribute %q without values", attribute)
	}
	if d.err != nil {
		return nil
	}
	return NewSet(d.Source(attribute, int(n)))
}

// Delta reads a delta; the zero delta comes out as nil.
func (d *Decoder) Delta() *Delta {
	var out Delta
	out.Op = d.Operation()
	if out.Op == Add || out.Op == DeleteAdd {
		out.ObjectType = d.Name()
	}
	out.DN = d.Text()
	n := d.Count()
	if n > 0 {
		out.Changes = make([]Change, 0, n)
	}
	for range n {
		c := Change{Name: d.Name(), Op: d.Operation()}
		if d.err == nil && !c.Op.changesValues() {
			d.fail("operation %s on an attribute", c.Op)
		}
		c.Values = d.Values()
		if c.Op == Update {
			c.Removed = d.Values()
		}
		if d.err != nil {
			return nil
		}
		out.Changes = append(out.Changes, c)
	}
	if out.IsZero() {
		return nil
	}
	return &out
}
