package space

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/store"
)

// sameRecord compares records without what the transaction keeps beside them.
var sameRecord = cmp.Options{
	cmp.AllowUnexported(Object{}, mixed{}, emptied{}),
	cmpopts.IgnoreFields(Connector{}, "origin", "dirty", "digest"),
	cmpopts.IgnoreFields(Object{}, "origin", "dirty"),
	cmp.Comparer(func(a, b identity.Value) bool { return a == b }),
	cmpopts.EquateEmpty(),
}

func newNames(t testing.TB) *names {
	t.Helper()
	n := &names{}
	if err := store.NewMemory().View(n.load); err != nil {
		t.Fatal(err)
	}
	return n
}

var noon = time.Date(2026, 1, 5, 12, 0, 0, 1000, time.UTC)

func text(s ...string) []identity.Value {
	values := make([]identity.Value, len(s))
	for i, v := range s {
		values[i] = identity.String(v)
	}
	return identity.Normalize(values)
}

// fullConnector uses every field of a record.
func fullConnector() *Connector {
	return &Connector{
		ID: identity.NewID(2, 7), ObjectType: "user", DN: "CN=Ada", Anchor: "42",
		State: Joined, Link: identity.NewID(0, 3), LinkRule: "accounts", LinkBy: ByJoin, LinkedAt: noon,
		Synchronized: identity.Attributes{{Name: "cn", Values: text("Ada")}, {Name: "peer", Values: []identity.Value{identity.ReferenceTo(identity.NewID(2, 8))}}},
		Import:       &identity.Delta{Op: identity.Update, DN: "CN=Ada", Changes: []identity.Change{{Name: "cn", Op: identity.Delete}}},
		Exported:     &identity.Delta{Op: identity.Update, Changes: []identity.Change{{Name: "mail", Op: identity.Add, Values: text("a@b")}}},
		Unapplied:    &identity.Delta{Op: identity.Update, Changes: []identity.Change{{Name: "tel", Op: identity.Update, Values: text("1"), Removed: text("2")}}},
		Batch:        9, Provisioned: true, NotReimported: true, Attempts: 2, Applied: []string{"accounts", "mail"}, RetryReferences: true,
		ImportError: &ObjectError{Name: "cs-attribute-type-mismatch", Step: "import-flow", Rule: "people", Attribute: "since", Detail: "no", First: noon, Last: noon, Retries: 3},
		ExportError: &ObjectError{Name: "constraint-violation", First: noon, Last: noon},
	}
}

func fullObject() *Object {
	o := &Object{ID: identity.NewID(0, 3), Type: "person", Connectors: []identity.ID{identity.NewID(1, 1), identity.NewID(2, 7)}}
	o.Set("name", text("Ada"), Contribution{Connector: identity.NewID(1, 1), Rule: "people", Time: noon})
	o.Set("boss", []identity.Value{identity.ReferenceTo(identity.NewID(0, 4))}, Contribution{Connector: identity.NewID(2, 7), Rule: "accounts", Time: noon})
	return o
}

// TestRecordBytes pins the form of records: stores of one version must be
// readable by the next. A change here needs a new version and a reader of the
// old one.
func TestRecordBytes(t *testing.T) {
	names := newNames(t)
	var e identity.Encoder
	e.Names = names
	encodeConnector(&e, fullConnector())
	checkHex(t, "connector", e.Buf, connectorHex)
	minimal := identity.Encoder{Names: names}
	encodeConnector(&minimal, &Connector{ID: identity.NewID(1, 1), ObjectType: "user", DN: "1", Anchor: "1"})
	checkHex(t, "minimal connector", minimal.Buf, minimalHex)
	object := identity.Encoder{Names: names}
	encodeObject(&object, fullObject())
	checkHex(t, "object", object.Buf, objectHex)
	merged := identity.Encoder{Names: names}
	encodeObject(&merged, mixedObject())
	checkHex(t, "mixed object", merged.Buf, mixedHex)
}

func checkHex(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	want = strings.Join(strings.Fields(want), "")
	if hex.EncodeToString(got) != want {
		t.Errorf("%s record:\n%x\nwant\n%s", what, got, want)
	}
}

// TestRuledRecords: an object that knows its rules reads back, with one contributor
// for each attribute and with several.
func TestRuledRecords(t *testing.T) {
	names := newNames(t)
	for _, o := range []*Object{fullObject(), mixedObject()} {
		plain := identity.Encoder{Names: names}
		encodeObject(&plain, o)
		o.Rules = "0123456789abcdef"
		e := identity.Encoder{Names: names}
		encodeObject(&e, o)
		got := &Object{ID: o.ID}
		if err := decodeObject(e.Buf, names, nil, got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(o, got, sameRecord); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if want := plain.Buf[0] + ruledVersions; e.Buf[0] != want || len(e.Buf) > len(plain.Buf)+2 {
			t.Errorf("version %d in %d bytes, want %d in little more than %d", e.Buf[0], len(e.Buf), want, len(plain.Buf))
		}
	}
}

func TestRecordRoundTrip(t *testing.T) {
	names := newNames(t)
	rapid.Check(t, func(t *rapid.T) {
		c := drawConnector(t)
		var e identity.Encoder
		e.Names = names
		encodeConnector(&e, c)
		got := &Connector{ID: c.ID}
		if err := decodeConnector(e.Buf, names, nil, got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, got, sameRecord); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
	for _, o := range []*Object{fullObject(), mixedObject()} {
		e := identity.Encoder{Names: names}
		encodeObject(&e, o)
		got := &Object{ID: o.ID}
		if err := decodeObject(e.Buf, names, nil, got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(o, got, sameRecord); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// drawConnector draws a record with a random part of what a full one has.
func drawConnector(t *rapid.T) *Connector {
	full, c := fullConnector(), &Connector{ID: identity.NewID(2, 7)}
	has := func(label string) bool { return rapid.Bool().Draw(t, label) }
	c.State = State(rapid.IntRange(0, int(states)-1).Draw(t, "state"))
	c.DN = rapid.SampledFrom([]string{"", "CN=Ada", "42"}).Draw(t, "dn")
	c.Anchor = rapid.SampledFrom([]string{"", "42"}).Draw(t, "anchor")
	if has("type") {
		c.ObjectType = full.ObjectType
	}
	if has("link") {
		c.Link, c.LinkRule, c.LinkBy, c.LinkedAt = full.Link, full.LinkRule, full.LinkBy, full.LinkedAt
	}
	if has("cut") {
		c.Cut = &Disconnection{By: ByDeprovisioning, Rule: "accounts", At: noon}
	}
	if has("synchronized") {
		c.Synchronized = full.Synchronized
	}
	if has("import") {
		c.Import = full.Import
	}
	if has("exported") {
		c.Exported, c.Batch = full.Exported, full.Batch
	}
	if has("unapplied") {
		c.Unapplied = full.Unapplied
	}
	if has("import error") {
		c.ImportError = full.ImportError
	}
	if has("export error") {
		c.ExportError = full.ExportError
	}
	if has("applied") {
		c.Applied = full.Applied
	}
	if has("partition") {
		c.Partition, c.Rules = "north", "0123456789abcdef"
	}
	if has("detected") {
		c.Detected = []string{"accounts", "badges"}
	}
	c.Attempts = rapid.IntRange(0, 300).Draw(t, "attempts")
	c.Provisioned, c.NotReimported, c.RetryReferences = has("provisioned"), has("not reimported"), has("retry")
	c.Deleted, c.NameLost = has("deleted"), has("name lost")
	return c
}

func TestNewerRecord(t *testing.T) {
	names := newNames(t)
	for _, tt := range []struct {
		what   string
		decode func([]byte) error
	}{
		{"connector", func(b []byte) error { return decodeConnector(b, names, nil, &Connector{}) }},
		{"object", func(b []byte) error { return decodeObject(b, names, nil, &Object{}) }},
	} {
		err := tt.decode([]byte{99, 1, 2, 3})
		if err == nil || !strings.Contains(err.Error(), "newer than this program") {
			t.Errorf("%s of version 99: %v", tt.what, err)
		}
		if err := tt.decode(nil); !errors.Is(err, identity.ErrCorrupt) {
			t.Errorf("empty %s: %v", tt.what, err)
		}
	}
}

// FuzzRecord: whatever the bytes are, decoding ends with an error or a record,
// and a record that was decoded is encoded and decoded to the same.
func FuzzRecord(f *testing.F) {
	names := newNames(f)
	for _, c := range []*Connector{fullConnector(), {ID: 1, DN: "x"}} {
		e := identity.Encoder{Names: names}
		encodeConnector(&e, c)
		f.Add(e.Buf)
	}
	for _, o := range []*Object{fullObject(), mixedObject()} {
		e := identity.Encoder{Names: names}
		encodeObject(&e, o)
		f.Add(e.Buf)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &Connector{ID: 1}
		if decodeConnector(data, names, nil, c) == nil {
			e := identity.Encoder{Names: names}
			encodeConnector(&e, c)
			again := &Connector{ID: 1}
			if err := decodeConnector(e.Buf, names, nil, again); err != nil {
				t.Fatal(err)
			}
			second := identity.Encoder{Names: names}
			if encodeConnector(&second, again); !bytes.Equal(e.Buf, second.Buf) {
				t.Fatalf("%x became %x", e.Buf, second.Buf)
			}
		}
		o := &Object{ID: 1}
		if decodeObject(data, names, nil, o) == nil {
			e := identity.Encoder{Names: names}
			encodeObject(&e, o)
			if err := decodeObject(e.Buf, names, nil, &Object{ID: 1}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

const (
	connectorHex = `
		01fd3f030106434e3d41646102343280800c020382c0cbc6d9e8a306020301010341646104010682
		80200306434e3d41646101030400090300010501010103614062030001060301010131010101321a
		63732d6174747269627574652d747970652d6d69736d617463680b696d706f72742d666c6f770670
		656f706c650573696e6365026e6f82c0cbc6d9e8a30682c0cbc6d9e8a3060314636f6e7374726169
		6e742d76696f6c6174696f6e0000000082c0cbc6d9e8a30682c0cbc6d9e8a3060002020205`
	minimalHex = `01020001013100`
	mixedHex   = `
		0207030801068080100502010361407801036240780901010341646182801c0282c0cbc6d9e8a306
		82801c0282c0cbc6d9e8a3068180040a82c0cbc6d9e8a3060281800482801c01058180040a82c0cb
		c6d9e8a30682801c0282c0cbc6d9e8a306010b82801c0282c0cbc6d9e8a306`
	objectHex = `
		0107020801068080100901010341646182801c0282c0cbc6d9e8a3068180040a82c0cbc6d9e8a306
		0281800482801c`
)
