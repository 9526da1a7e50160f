package dropfile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

var header = Header{
	Agent: "HR", Step: "full-import", Partition: "north", Complete: true, Schema: "x",
	Created: time.Date(2026, 1, 5, 2, 0, 0, 0, time.UTC),
}

func cmpOptions() []cmp.Option {
	return []cmp.Option{
		cmp.Comparer(func(a, b identity.Value) bool { return a == b }),
		cmp.Transformer("none", func(list []identity.Change) []identity.Change {
			if len(list) == 0 {
				return nil
			}
			return list
		}),
	}
}

// someValue draws a value of any type, with what is hard to write down.
func someValue(t *rapid.T) identity.Value {
	switch rapid.IntRange(0, 6).Draw(t, "type") {
	case 0:
		return identity.Integer(rapid.SampledFrom([]int64{math.MinInt64, -1, 0, 1<<53 + 1, math.MaxInt64}).Draw(t, "integer"))
	case 1:
		return identity.Boolean(rapid.Bool().Draw(t, "boolean"))
	case 2:
		return identity.Binary(rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "binary"))
	case 3:
		return identity.DateTime(time.UnixMicro(rapid.Int64().Draw(t, "micros")))
	case 4:
		return identity.Reference(someText(t))
	default:
		return identity.String(someText(t))
	}
}

func someText(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "a", "<&>", "\"\\\n\x00", "\xff\xfe", "ä\u2028", "{}"}).Draw(t, "text") +
		rapid.StringN(0, 3, -1).Draw(t, "more")
}

func someValues(t *rapid.T) []identity.Value {
	return identity.Normalize(rapid.SliceOfN(rapid.Custom(someValue), 1, 3).Draw(t, "values"))
}

func someAttributes(t *rapid.T) identity.Attributes {
	var out []identity.Attribute
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "ü", "c\xff"}), 0, 3, rapid.ID).Draw(t, "names") {
		out = append(out, identity.Attribute{Name: name, Values: someValues(t)})
	}
	return identity.SortAttributes(out)
}

func someChanges(t *rapid.T) []identity.Change {
	var out []identity.Change
	for _, a := range someAttributes(t) {
		c := identity.Change{Name: a.Name, Op: rapid.SampledFrom([]identity.Operation{identity.Add, identity.Replace, identity.Update, identity.Delete}).Draw(t, "op")}
		switch c.Op {
		case identity.Delete:
		case identity.Update:
			c.Values, c.Removed = a.Values, someValues(t)
		default:
			c.Values = a.Values
		}
		out = append(out, c)
	}
	return out
}

func someEntry(t *rapid.T) agent.Entry {
	e := agent.Entry{
		Op:         rapid.SampledFrom([]identity.Operation{identity.None, identity.Add, identity.Update, identity.Delete}).Draw(t, "op"),
		ObjectType: someText(t), DN: someText(t), Anchor: someText(t), NewDN: someText(t), Line: rapid.IntRange(0, 9).Draw(t, "line"),
	}
	if rapid.IntRange(0, 4).Draw(t, "failed") == 0 {
		e.Err = fault.New("parse-error", "why")
		e.Err.Object, e.Err.Attribute, e.Err.Position = "o", "a", fault.Position{File: "f", Line: 3, Column: 4}
		return e
	}
	e.Attributes, e.Changes = someAttributes(t), someChanges(t)
	return e
}

// TestNothingIsLost: what is written is read back as it was, whatever the values.
func TestNothingIsLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	rapid.Check(t, func(t *rapid.T) {
		entries := rapid.SliceOfN(rapid.Custom(someEntry), 0, 5).Draw(t, "entries")
		w, err := Create(path, header)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Entries(entries), w.Close(true)); err != nil {
			t.Fatal(err)
		}
		got, err := readImport(path, rapid.IntRange(1, 3).Draw(t, "page"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(entries, got, append(cmpOptions(), cmp.Transformer("nil", func(a []agent.Entry) []agent.Entry {
			if len(a) == 0 {
				return nil
			}
			return a
		}))...); diff != "" {
			t.Fatalf("(-written +read):\n%s", diff)
		}

		changes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) agent.Change {
			return agent.Change{
				Op:         rapid.SampledFrom([]identity.Operation{identity.Add, identity.Update, identity.Delete, identity.Replace}).Draw(t, "op"),
				ObjectType: "user", DN: someText(t), Anchor: someText(t), NewDN: someText(t),
				Changes: someChanges(t), Image: someAttributes(t), Repeated: rapid.Bool().Draw(t, "repeated"),
			}
		}), 0, 3).Draw(t, "changes")
		schema := identity.Schema{Types: []identity.ObjectType{{Name: "user", Attributes: []identity.AttributeType{
			{Name: "a"}, {Name: "b"}, {Name: "ü"}, {Name: "c\xff"},
		}}}}
		exported := header
		exported.Step = "export"
		if w, err = Create(path, exported); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Changes(changes, schema), w.Close(true)); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path, exported)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for i := range changes {
			got, secret, err := r.Change()
			if err != nil || secret != "" {
				t.Fatalf("change %d: %q, %v", i, secret, err)
			}
			if diff := cmp.Diff(changes[i], got, cmpOptions()...); diff != "" {
				t.Fatalf("(-written +read):\n%s", diff)
			}
		}
		if _, _, err := r.Change(); !errors.Is(err, io.EOF) {
			t.Fatalf("after the last change: %v", err)
		}
	})
}

func readImport(path string, pageSize int) ([]agent.Entry, error) {
	in, err := OpenImport(path, header, pageSize)
	if err != nil {
		return nil, err
	}
	var all []agent.Entry
	var page agent.Page
	for {
		err := in.Next(context.Background(), &page)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		all = append(all, page.Entries...)
	}
	_, err = in.Close(context.Background(), agent.Completed)
	return all, err
}

// TestSecrets: the values of attributes that can only be exported, and of those
// that nobody knows, are nowhere in the file.
func TestSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	schema := identity.Schema{Types: []identity.ObjectType{{Name: "user", Attributes: []identity.AttributeType{
		{Name: "password", ExportOnly: true}, {Name: "name"},
	}}}}
	secret := []identity.Value{identity.String("geheim")}
	h := header
	h.Step = "export"
	w, err := Create(path, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []agent.Change{
		{Op: identity.Add, ObjectType: "user", Changes: []identity.Change{{Name: "password", Op: identity.Add, Values: secret}}},
		{Op: identity.Update, ObjectType: "user", Changes: []identity.Change{{Name: "password", Op: identity.Update, Removed: secret}}},
		{Op: identity.Update, ObjectType: "user", Image: identity.Attributes{{Name: "password", Values: secret}}},
		{Op: identity.Update, ObjectType: "user", Changes: []identity.Change{{Name: "unheard", Op: identity.Add, Values: secret}}},
		{Op: identity.Update, ObjectType: "robot", Changes: []identity.Change{{Name: "name", Op: identity.Add, Values: secret}}},
	} {
		if err := w.Changes([]agent.Change{c}, schema); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(true); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil || bytes.Contains(data, []byte("geheim")) {
		t.Errorf("%v\n%s", err, data)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, mode %v", err, info.Mode())
	}
	r, err := Open(path, h)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i, want := range []string{"password", "password", "", "unheard", "name"} {
		c, got, err := r.Change()
		if err != nil || got != want {
			t.Errorf("change %d: %q, %v; want %q", i, got, err, want)
		}
		if len(c.Image) > 0 {
			t.Errorf("change %d: the image is %v", i, c.Image)
		}
	}
}

func TestDamage(t *testing.T) {
	const first = `{"dropFile":1,"agent":"HR","step":"full-import","partition":"north","schema":"x","created":"2026-01-05T02:00:00Z"}` + "\n"
	const entry = `{"op":"add","anchor":"1"}` + "\n"
	path := filepath.Join(t.TempDir(), "file")
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", ":0: no-start-file-contains-incorrect-step-type: the file is not a drop file"},
		{"something else", "id,name\n1,Ada\n", ":1: no-start-file-contains-incorrect-step-type: the file is not a drop file"},
		{"other JSON", "{}\n", ":1: no-start-file-contains-incorrect-step-type: the file is not a drop file"},
		{"a later format", strings.Replace(first, ":1,", ":2,", 1), ":1: no-start-file-contains-incorrect-step-type: the file has format 2, this program knows 1"},
		{"no end", first, ":2: stopped-parsing-errors: the file ends without its last line: it is torn"},
		{"half a line", first + entry[:9], ":2: stopped-parsing-errors: the line has no end: the file is torn"},
		{"half a trailer", first + `{"entries":0}`, ":2: stopped-parsing-errors: the line has no end: the file is torn"},
		{"a lost line", first + `{"entries":1}` + "\n", ":2: stopped-parsing-errors: there should be 1 lines before this one, and there are 0"},
		{"more than the end", first + entry + `{"entries":1}` + "\n" + entry, ":4: stopped-parsing-errors: something follows the last line"},
		{"no JSON", first + "nonsense\n", ":2: stopped-parsing-errors: invalid character"},
		{"an unknown key", first + `{"op":"add","colour":1}` + "\n", `:2: stopped-parsing-errors: json: unknown field "colour"`},
		{"two documents", first + `{"op":"add"} {}` + "\n", ":2: stopped-parsing-errors: something follows the JSON document"},
		{"no operation", first + `{"anchor":"1"}` + "\n", `:2: stopped-parsing-errors: "" is no operation`},
		{"a wrong operation", first + `{"op":"replace"}` + "\n", `:2: stopped-parsing-errors: "replace" is no operation of an entry`},
		{"two values in one", first + `{"op":"add","attributes":[{"name":"a","values":[{"integer":"1","boolean":true}]}]}` + "\n", ":2: stopped-parsing-errors: "},
		{"no value", first + `{"op":"add","attributes":[{"name":"a","values":[{}]}]}` + "\n", ":2: stopped-parsing-errors: {} is not one value"},
		{"a number", first + `{"op":"add","attributes":[{"name":"a","values":[7]}]}` + "\n", ":2: stopped-parsing-errors: json: cannot unmarshal number"},
		{"no values", first + `{"op":"add","attributes":[{"name":"a"}]}` + "\n", `:2: stopped-parsing-errors: "a" is no attribute with values`},
		{"twice", first + `{"op":"update","changes":[{"name":"a","op":"delete"},{"name":"a","op":"delete"}]}` + "\n", `:2: stopped-parsing-errors: attribute "a" changes twice`},
		{"an error without a name", first + `{"op":"add","error":{"name":""}}` + "\n", ":2: stopped-parsing-errors: an error has no name"},
		{"a secret", first + `{"op":"update","changes":[{"name":"a","op":"replace","values":[{"secret":true}]}]}` + "\n", `:2: stopped-parsing-errors: an import cannot do without the value of "a"`},
		{"bytes", first + "{\"op\":\"add\",\"anchor\":\"\xff\"}\n", ":2: stopped-parsing-errors: it is not UTF-8"},
	} {
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readImport(path, 10)
		want := strings.Replace(path+tt.want, ":0:", ":", 1)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", tt.name, err, want)
		}
	}
}

// A file is whole only if its import was read to the end and is worth something.
func TestRecordedImport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, tt := range []struct {
		name    string
		pages   int
		outcome agent.Outcome
		whole   bool
	}{
		{"read to the end", 3, agent.Completed, true},
		{"read in part", 1, agent.Completed, false},
		{"given up", 3, agent.Aborted, false},
	} {
		w, err := Create(path, header)
		if err != nil {
			t.Fatal(err)
		}
		in := RecordImport(&fakeImport{left: 2}, w)
		var page agent.Page
		for range tt.pages {
			if err := in.Next(t.Context(), &page); err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
		}
		if _, err := in.Close(t.Context(), tt.outcome); err != nil {
			t.Fatal(err)
		}
		_, err = readImport(path, 10)
		if (err == nil) != tt.whole {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

type fakeImport struct{ left int }

func (f *fakeImport) Next(_ context.Context, page *agent.Page) error {
	page.Reset()
	if f.left == 0 {
		return io.EOF
	}
	f.left--
	page.Add().Anchor = "1"
	return nil
}

func (*fakeImport) Complete() bool                                       { return true }
func (*fakeImport) Unchanged() bool                                      { return false }
func (*fakeImport) Close(context.Context, agent.Outcome) ([]byte, error) { return nil, nil }

func TestSchemaHash(t *testing.T) {
	s := func(names ...string) identity.Schema {
		var out identity.Schema
		for _, n := range names {
			out.Types = append(out.Types, identity.ObjectType{Name: n, Attributes: []identity.AttributeType{{Name: n + "2"}, {Name: n + "1"}}})
		}
		return out
	}
	a, b := s("a", "b"), s("b", "a")
	if SchemaHash(a) != SchemaHash(b) {
		t.Error("the order of types counts")
	}
	b.Types[0].Attributes[0].Multi = true
	if SchemaHash(a) == SchemaHash(b) {
		t.Error("what an attribute holds does not count")
	}
	if a.Types[0].Attributes[0].Name != "a2" {
		t.Error("the schema was changed")
	}
}

// FuzzReader: no file, whatever is in it, brings the reader down; and what it
// accepts can be written and is then read as the same.
func FuzzReader(f *testing.F) {
	const first = `{"dropFile":1,"agent":"HR","step":"full-import","partition":"north","schema":"x","created":"2026-01-05T02:00:00Z"}` + "\n"
	f.Add([]byte(first + `{"op":"add","type":"t","dn":"d","anchor":"1","attributes":[{"name":"a","values":["x",{"integer":"1"},{"boolean":true},{"binary":"AA=="},{"datetime":"2026-01-05"},{"micros":"1"},{"reference":"r"},{"bytes":"/w=="},{"secret":true}]}]}` + "\n" + `{"entries":1}` + "\n"))
	f.Add([]byte(first + `{"op":"update","newDN":{"bytes":"/w=="},"changes":[{"name":"a","op":"update","values":["x"],"removed":["y"]}],"line":3}` + "\n" + `{"entries":1}` + "\n"))
	f.Add([]byte(first + `{"op":"add","error":{"name":"parse-error","text":"x","at":{"file":"f","line":1}}}` + "\n" + `{"entries":1}` + "\n"))
	f.Add([]byte(first + `{"entries":0}` + "\n"))
	path := filepath.Join(f.TempDir(), "file")
	f.Fuzz(func(t *testing.T, data []byte) {
		r := newReader("f", bytes.NewReader(data), io.NopCloser(nil))
		if r.header() != nil {
			return
		}
		var entries []agent.Entry
		for {
			l, err := r.next("full-import")
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				if fault.Name(err) == "" {
					t.Fatalf("an error without a name: %v", err)
				}
				return
			}
			e, err := l.entry()
			if err != nil {
				t.Fatalf("a line that was accepted is none: %v", err)
			}
			entries = append(entries, e)
		}
		w, err := Create(path, header)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Entries(entries), w.Close(true)); err != nil {
			t.Fatal(err)
		}
		again, err := readImport(path, 100)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(entries, again, cmpOptions()...); diff != "" {
			t.Fatalf("(-read +again):\n%s", diff)
		}
	})
}
