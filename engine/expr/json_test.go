package expr

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/identity"
)

var singles = rapid.OneOf(
	rapid.Map(rapid.String(), identity.String),
	rapid.Map(rapid.Int64(), identity.Integer),
	rapid.Map(rapid.Bool(), identity.Boolean),
	rapid.Map(rapid.SliceOf(rapid.Byte()), identity.Binary),
	rapid.Map(rapid.String(), identity.Reference),
	rapid.Map(rapid.Int64Range(0, 4e15), func(n int64) identity.Value { return identity.DateTime(time.UnixMicro(n)) }),
)

var values = rapid.OneOf(
	rapid.Map(rapid.SliceOfN(singles, 0, 4), OfValues),
	rapid.Map(rapid.SampledFrom([]Literal{NoLiteral, AuthoritativeNull, IgnoreThisFlow}), OfLiteral),
)

// TestJSONRoundTrip: what JSON writes, FromJSON reads, through encoding/json too.
func TestJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := values.Draw(t, "value")
		data, err := json.Marshal(v.JSON())
		if err != nil {
			t.Fatal(err)
		}
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		var document any
		if err := decoder.Decode(&document); err != nil {
			t.Fatal(err)
		}
		back, err := FromJSON(document)
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if !same(v, back) {
			t.Fatalf("%s: got %v, want %v", data, back, v)
		}
	})
}

func same(a, b Value) bool {
	return a.Literal() == b.Literal() && a.IsNull() == b.IsNull() && slices.Equal(a.Values(), b.Values())
}

func TestFromJSON(t *testing.T) {
	for _, c := range []struct{ in, want any }{
		{12.0, int64(12)},
		{12, int64(12)},
		{int64(12), int64(12)},
		{json.Number("9223372036854775807"), int64(9223372036854775807)},
		{[]any{}, nil},
		{[]any{nil, "a"}, []any{"a"}},
		{[]any{"b", "a", "b"}, []any{"b", "a", "b"}},
	} {
		got, err := FromJSON(c.in)
		if diff := cmp.Diff(c.want, got.JSON()); err != nil || diff != "" {
			t.Errorf("%v: %v (-want +got):\n%s", c.in, err, diff)
		}
	}
	for _, bad := range []any{
		1.5, 1e300, json.Number("1.5"),
		struct{}{},
		[]any{[]any{"a", "b"}},
		[]any{1.5},
		[]any{map[string]any{"$literal": "IgnoreThisFlow"}},
		map[string]any{},
		map[string]any{"a": "b"},
		map[string]any{"$bin": "00", "$ref": "x"},
		map[string]any{"$bin": "0"},
		map[string]any{"$bin": 1.0},
		map[string]any{"$dt": "now"},
		map[string]any{"$literal": ""},
	} {
		if got, err := FromJSON(bad); err == nil {
			t.Errorf("%v: got %v, want an error", bad, got.JSON())
		}
	}
}
