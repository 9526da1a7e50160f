package identity

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// nameTable is a table of names whose codes are their positions, from 1.
type nameTable []string

func (n nameTable) Code(name string) uint64 { return uint64(slices.Index(n, name) + 1) }

func (n nameTable) Name(code uint64) (string, bool) {
	if code == 0 || code > uint64(len(n)) {
		return "", false
	}
	return n[code-1], true
}

var testNames = nameTable(append([]string{"person", "group"}, attributeNames...))

func encode(write func(*Encoder)) []byte {
	e := Encoder{Names: testNames}
	write(&e)
	return e.Buf
}

// A form is a record form: how a value of it is written and read.
type form struct {
	name  string
	write func(*Encoder)
	read  func(*Decoder) any
	want  any
	bytes string // in hexadecimal, spaces between the parts
}

func valueForm(name string, v Value, bytes string) form {
	return form{name, func(e *Encoder) { e.Value(v) }, func(d *Decoder) any { return d.Value() }, v, bytes}
}

func deltaForm(name string, delta *Delta, bytes string) form {
	return form{name, func(e *Encoder) { e.Delta(delta) }, func(d *Decoder) any { return d.Delta() }, delta, bytes}
}

// The bytes of every record form. Records with these bytes are on people's
// disks: a change here needs a new version of the records that hold them.
var forms = []form{
	{"number", func(e *Encoder) { e.Uint(300) }, func(d *Decoder) any { return d.Uint() }, uint64(300), "ac02"},
	{"largest number", func(e *Encoder) { e.Uint(math.MaxUint64) }, func(d *Decoder) any { return d.Uint() }, uint64(math.MaxUint64), "ffffffffffffffffff01"},
	{"signed number", func(e *Encoder) { e.Int(-2) }, func(d *Decoder) any { return d.Int() }, int64(-2), "03"},
	{"byte", func(e *Encoder) { e.Byte(0xfe) }, func(d *Decoder) any { return d.Byte() }, byte(0xfe), "fe"},
	{"text", func(e *Encoder) { e.Text("Añ") }, func(d *Decoder) any { return d.Text() }, "Añ", "03 41c3b1"},
	{"empty text", func(e *Encoder) { e.Text("") }, func(d *Decoder) any { return d.Text() }, "", "00"},
	{"name", func(e *Encoder) { e.Name("cn") }, func(d *Decoder) any { return d.Name() }, "cn", "05"},
	{"id", func(e *Encoder) { e.ID(NewID(2, 3)) }, func(d *Decoder) any { return d.ID() }, NewID(2, 3), "82800c"},
	{"last id", func(e *Encoder) { e.ID(math.MaxUint64) }, func(d *Decoder) any { return d.ID() }, ID(math.MaxUint64), "ffffffffffffffffff01"},

	valueForm("string", String("Ada"), "01 03 416461"),
	valueForm("integer", Integer(-1), "02 01"),
	valueForm("largest integer", Integer(math.MaxInt64), "02 feffffffffffffffff01"),
	valueForm("true", Boolean(true), "03 02"),
	valueForm("false", Boolean(false), "03 00"),
	valueForm("binary", Binary([]byte{0, 255}), "04 02 00ff"),
	valueForm("datetime", DateTime(time.UnixMicro(1)), "05 02"),
	valueForm("early datetime", DateTime(time.UnixMicro(-1)), "05 01"),
	valueForm("reference", Reference("cn=a"), "06 00 04 636e3d61"),
	valueForm("resolved reference", ReferenceTo(NewID(0, 5)), "06 808014"),

	{
		"values",
		func(e *Encoder) { e.Values([]Value{String("a"), String("b")}) },
		func(d *Decoder) any { return d.Values() },
		[]Value{String("a"), String("b")},
		"02 010161 010162",
	},
	{"no values", func(e *Encoder) { e.Values(nil) }, func(d *Decoder) any { return d.Values() }, []Value(nil), "00"},
	{
		"attributes",
		func(e *Encoder) {
			e.Attributes(Attributes{{Name: "cn", Values: []Value{String("Ada")}}, {Name: "phones", Values: []Value{String("1"), String("2")}}})
		},
		func(d *Decoder) any { return d.Attributes() },
		Attributes{{Name: "cn", Values: []Value{String("Ada")}}, {Name: "phones", Values: []Value{String("1"), String("2")}}},
		"02 05 01 0103416461 0c 02 010131 010132",
	},
	{"no attributes", func(e *Encoder) { e.Attributes(nil) }, func(d *Decoder) any { return d.Attributes() }, Attributes(nil), "00"},

	deltaForm("add", &Delta{Op: Add, ObjectType: "person", DN: "cn=a", Changes: []Change{{Name: "cn", Op: Add, Values: []Value{String("a")}}}},
		"01 01 04636e3d61 01 05 01 01 010161"),
	deltaForm("delete-add", &Delta{Op: DeleteAdd, ObjectType: "group", DN: "x"}, "06 02 0178 00"),
	deltaForm("replace", &Delta{Op: Replace, Changes: []Change{{Name: "cn", Op: Add, Values: []Value{String("a")}}}}, "02 00 01 05 01 01 010161"),
	deltaForm("update", &Delta{Op: Update, DN: "x", Changes: []Change{
		{Name: "cn", Op: Replace, Values: []Value{String("a")}},
		{Name: "mail", Op: Delete},
		{Name: "member", Op: Update, Values: []Value{String("a")}, Removed: []Value{String("b")}},
	}}, "03 0178 03 05 02 01 010161 09 04 00 0b 03 01 010161 01 010162"),
	deltaForm("delete", &Delta{Op: Delete}, "04 00 00"),
	deltaForm("obsolete", &Delta{Op: Obsolete}, "05 00 00"),
	deltaForm("no delta", nil, "00 00 00"),
}

func TestGoldenBytes(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			golden, err := hex.DecodeString(strings.ReplaceAll(f.bytes, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			if got := encode(f.write); !bytes.Equal(got, golden) {
				t.Errorf("written as %x, want %x", got, golden)
			}
			d := NewDecoder(golden, testNames)
			got := f.read(&d)
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(f.want, got, equalValues); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A record that ends early, at whichever byte, is corrupt; so is one with
// something behind it.
func TestTruncated(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			whole := encode(f.write)
			for n := range whole {
				d := NewDecoder(whole[:n], testNames)
				f.read(&d)
				if err := d.Close(); !errors.Is(err, ErrCorrupt) || !errors.Is(d.Err(), ErrCorrupt) {
					t.Errorf("the first %d bytes of %x: %v", n, whole, err)
				}
			}
			d := NewDecoder(append(whole, 0), testNames)
			f.read(&d)
			if err := d.Err(); err != nil {
				t.Errorf("Err looks behind the record: %v", err)
			}
			if err := d.Close(); !errors.Is(err, ErrCorrupt) {
				t.Errorf("a byte left over: %v", err)
			}
		})
	}
}

func TestCorrupt(t *testing.T) {
	value := func(d *Decoder) { d.Value() }
	attributes := func(d *Decoder) { d.Attributes() }
	delta := func(d *Decoder) { d.Delta() }
	tests := []struct {
		name, bytes string
		read        func(*Decoder)
		want        string
	}{
		{"type 0", "00 00", value, "corrupt record at byte 1: unknown type 0"},
		{"type 7", "07 00", value, "corrupt record at byte 1: unknown type 7"},
		{"boolean", "03 04", value, "corrupt record at byte 2: boolean 2"},
		{"number of eleven bytes", "02 8080808080808080808001", value, "corrupt record at byte 1: bad number"},
		{"long text", "01 ffffffffffffffffff01 41", value, "corrupt record at byte 11: text of 18446744073709551615 bytes"},
		{"many attributes", "ffffffffffffffffff01", attributes, "corrupt record at byte 10: list of 18446744073709551615 items"},
		{"many values", "01 05 8080808080808080 80 01", attributes, "corrupt record at byte 12: list of 9223372036854775808 items"},
		{"attribute without values", "01 05 00 00", attributes, `corrupt record at byte 4: attribute "cn" without values`},
		{"attribute with values elsewhere", "01 05 00 03", attributes, `corrupt record at byte 4: attribute "cn" without values`},
		{"name 0", "01 00 01 010161", attributes, "corrupt record at byte 2: unknown name code 0"},
		{"name 99", "01 63 01 010161", attributes, "corrupt record at byte 2: unknown name code 99"},
		{"operation", "07 00 00", delta, "corrupt record at byte 1: unknown operation 7"},
		{"type of an object", "01 63 00 00", delta, "corrupt record at byte 2: unknown name code 99"},
		{"operation on an attribute", "03 00 01 05 05 00", delta, "corrupt record at byte 5: operation obsolete on an attribute"},
		{"unknown operation on an attribute", "03 00 01 05 09 00", delta, "corrupt record at byte 5: unknown operation 9"},
		{"many changes", "03 00 ffffffff0f", delta, "corrupt record at byte 7: list of 4294967295 items"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			data, err := hex.DecodeString(strings.ReplaceAll(test.bytes, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			d := NewDecoder(data, testNames)
			test.read(&d)
			first := d.Err()
			if !errors.Is(first, ErrCorrupt) || first.Error() != test.want {
				t.Errorf("got  %v\nwant %s", first, test.want)
			}
			test.read(&d)
			if d.Err() != first || d.Close() != first {
				t.Errorf("the first error does not stick: %v", d.Err())
			}
		})
	}
}

// What is read does not depend on the input any more.
func TestDecoderCopies(t *testing.T) {
	data := encode(func(e *Encoder) { e.Value(String("Ada")) })
	d := NewDecoder(data, testNames)
	clear(data)
	if v := d.Value(); v != String("Ada") || d.Close() != nil {
		t.Errorf("got %v, %v", v, d.Err())
	}
}

// The value lists that a decoder cuts from one array cannot grow into each other.
func TestDecodedListsAreApart(t *testing.T) {
	data := encode(func(e *Encoder) {
		e.Attributes(Attributes{{Name: "cn", Values: []Value{String("a")}}, {Name: "sn", Values: []Value{String("b")}}})
	})
	d := NewDecoder(data, testNames)
	a := d.Attributes()
	_ = append(a[0].Values, String("x"))
	if got := a.First("sn"); got != String("b") {
		t.Errorf("appending to one list changed the next to %v", got)
	}
}

// drawDelta draws a delta of any form, with values of any type.
func drawDelta(t *rapid.T, label string) *Delta {
	d := &Delta{Op: Operation(rapid.IntRange(int(None), int(DeleteAdd)).Draw(t, label+" op"))}
	if d.Op == Add || d.Op == DeleteAdd {
		d.ObjectType = rapid.SampledFrom([]string{"person", "group"}).Draw(t, label+" type")
	}
	if rapid.Bool().Draw(t, label+" renames") {
		d.DN = rapid.String().Draw(t, label+" dn")
	}
	if rapid.Bool().Draw(t, label+" compares") {
		d.Changes = Diff(drawAnyAttributes(t, label+" from"), drawAnyAttributes(t, label+" to"))
	} else {
		d.Changes = Diff(drawAttributes(t, label+" from"), drawAttributes(t, label+" to"))
	}
	return d
}

func TestCodecLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := ID(rapid.Uint64().Draw(t, "id"))
		a, delta := drawAnyAttributes(t, "attributes"), drawDelta(t, "delta")
		// Several in one record, so that each must stop where the next begins.
		write := func(a Attributes, delta *Delta) []byte {
			return encode(func(e *Encoder) {
				e.ID(id)
				e.Attributes(a)
				e.Delta(delta)
				e.Attributes(a)
			})
		}
		data := write(a, delta)
		d := NewDecoder(data, testNames)
		gotID, got, gotDelta, again := d.ID(), d.Attributes(), d.Delta(), d.Attributes()
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if gotID != id || !got.Equal(a) || !again.Equal(a) {
			t.Fatalf("%v and %v came back as %v, %v and %v", id, a, gotID, got, again)
		}
		if delta.IsZero() {
			if gotDelta != nil {
				t.Fatalf("the zero delta came back as %v", gotDelta)
			}
		} else if diff := cmp.Diff(delta, gotDelta, equalValues); diff != "" {
			t.Fatal(diff)
		}

		if !bytes.Equal(write(got, gotDelta), data) {
			t.Fatal("what was read is written differently")
		}
		// The same content, gathered in another order, is the same bytes.
		gathered := rapid.Permutation(a).Draw(t, "gathered")
		for i := range gathered {
			gathered[i].Values = rapid.Permutation(gathered[i].Values).Draw(t, "values")
		}
		if !bytes.Equal(write(SortAttributes(gathered), delta), data) {
			t.Fatal("equal content gives different bytes")
		}
		other := drawAnyAttributes(t, "other")
		if bytes.Equal(write(other, delta), data) != other.Equal(a) {
			t.Fatal("different content gives equal bytes")
		}
		n := rapid.IntRange(0, len(data)-1).Draw(t, "cut")
		d = NewDecoder(data[:n], testNames)
		d.ID()
		d.Attributes()
		d.Delta()
		d.Attributes()
		if !errors.Is(d.Close(), ErrCorrupt) {
			t.Fatalf("cut at byte %d of %d: %v", n, len(data), d.Err())
		}
	})
}

// FuzzDecoder reads any bytes as a record of attributes and a delta. It must
// neither panic nor take much memory, and what it accepts has one written form.
func FuzzDecoder(f *testing.F) {
	for _, form := range forms {
		f.Add(encode(form.write))
		f.Add(append(encode(form.write), 0, 0, 0))
	}
	f.Add(encode(func(e *Encoder) { e.Attributes(wideObject()); e.Delta(nil) }))
	f.Add(bytes.Repeat([]byte{0x7f, 0x01}, 200))
	f.Fuzz(func(t *testing.T, data []byte) {
		read := func(data []byte) (Attributes, *Delta, error) {
			d := NewDecoder(data, testNames)
			a, delta := d.Attributes(), d.Delta()
			return a, delta, d.Close()
		}
		a, delta, err := read(data)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("unexpected error %v", err)
			}
			return
		}
		written := encode(func(e *Encoder) { e.Attributes(a); e.Delta(delta) })
		b, again, err := read(written)
		if err != nil || !a.Equal(b) {
			t.Fatalf("%x was read as %v, which comes back as %v, %v", data, a, b, err)
		}
		if diff := cmp.Diff(delta, again, equalValues); diff != "" {
			t.Fatal(diff)
		}
		if len(written) > len(data) {
			t.Fatalf("%x became longer: %x", data, written)
		}
	})
}

// Counts in a corrupt record do not decide how much memory is taken: its length
// does.
func TestHostileCounts(t *testing.T) {
	const size = 64 << 10
	fill := func(count int, item ...byte) []byte {
		data := encode(func(e *Encoder) { e.Uint(uint64(count)) })
		for len(data) < size {
			data = append(data, item...)
		}
		return data[:size]
	}
	tests := []struct {
		name string
		data []byte
		read func(*Decoder)
	}{
		{"a count of all bytes", fill(size-3, 0), func(d *Decoder) { d.Attributes() }},
		{"one value each", fill(size/4, 5, 1, 2, 0), func(d *Decoder) { d.Attributes() }},
		{"lists that outgrow the room", fill(size/4, append([]byte{5, 17}, bytes.Repeat([]byte{2, 0}, 17)...)...), func(d *Decoder) { d.Attributes() }},
		{"counts of all bytes inside", fill(size/8, 5, 0xff, 0xef, 3, 2, 0, 2, 0), func(d *Decoder) { d.Attributes() }},
		{"changes", append([]byte{3, 0}, fill(size/8, 5, 3, 1, 2, 0, 1, 2, 0)...), func(d *Decoder) { d.Delta() }},
		{"a count of all bytes of changes", append([]byte{3, 0}, fill(size-3, 0)...), func(d *Decoder) { d.Delta() }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			d := NewDecoder(test.data, testNames)
			test.read(&d)
			runtime.ReadMemStats(&after)
			if taken := after.TotalAlloc - before.TotalAlloc; taken > 120*size {
				t.Errorf("%d bytes taken to read %d", taken, size)
			}
		})
	}
}

// wideObject is an object with 15 attributes, one of them with three values.
func wideObject() Attributes {
	var a Attributes
	for i, name := range wideNames {
		a = a.Set(name, String(fmt.Sprintf("value %d of the object", i)))
	}
	return a.Set(wideNames[7], String("+49 1"), String("+49 2"), String("+49 3")).
		Set(wideNames[3], Boolean(true)).
		Set(wideNames[4], ReferenceTo(NewID(0, 4711)))
}

var (
	wideNames       = strings.Fields("a b c d e f g h i j k l m n o")
	wideTable Names = nameTable(wideNames)
)

func decodeWide(t testing.TB, data []byte) Attributes {
	d := NewDecoder(data, wideTable)
	a := d.Attributes()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return a
}

// Objects are decoded by the million: three allocations each, for the text, the
// attributes and the values.
func TestDecodeAllocations(t *testing.T) {
	e := Encoder{Names: wideTable}
	e.Attributes(wideObject())
	if got := decodeWide(t, e.Buf); !got.Equal(wideObject()) {
		t.Fatalf("got %v", got)
	}
	if n := testing.AllocsPerRun(100, func() { decodeWide(t, e.Buf) }); n > 3 {
		t.Errorf("%v allocations", n)
	}
	object := wideObject()
	if n := testing.AllocsPerRun(100, func() {
		e.Buf = e.Buf[:0]
		e.Attributes(object)
	}); n != 0 {
		t.Errorf("%v allocations to write into a buffer with room", n)
	}
}

func BenchmarkDecodeAttributes(b *testing.B) {
	e := Encoder{Names: wideTable}
	e.Attributes(wideObject())
	b.ReportAllocs()
	b.SetBytes(int64(len(e.Buf)))
	for b.Loop() {
		decodeWide(b, e.Buf)
	}
}

func BenchmarkEncodeAttributes(b *testing.B) {
	e := Encoder{Names: wideTable}
	object := wideObject()
	b.ReportAllocs()
	for b.Loop() {
		e.Buf = e.Buf[:0]
		e.Attributes(object)
	}
}
