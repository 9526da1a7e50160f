package identity

import (
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// equalValues lets cmp look at values, and takes an absent list for an empty one.
var equalValues = cmp.Options{
	cmp.Comparer(func(a, b Value) bool { return a == b }),
	cmpopts.EquateEmpty(),
}

func drawValue(t *rapid.T, label string) Value {
	switch rapid.SampledFrom([]Type{
		TypeString, TypeString, TypeString, TypeInteger, TypeBoolean, TypeBinary, TypeDateTime, TypeReference,
	}).Draw(t, label+" type") {
	case TypeString:
		return String(rapid.OneOf(rapid.StringMatching(`[a-dA-D]{0,2}`), rapid.String()).Draw(t, label))
	case TypeInteger:
		return Integer(rapid.Int64().Draw(t, label))
	case TypeBoolean:
		return Boolean(rapid.Bool().Draw(t, label))
	case TypeBinary:
		return Binary(rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, label))
	case TypeDateTime:
		return DateTime(time.UnixMicro(rapid.Int64Range(minMicro, maxMicro).Draw(t, label)))
	}
	if rapid.Bool().Draw(t, label+" resolved") {
		return ReferenceTo(ID(rapid.Uint64Min(1).Draw(t, label)))
	}
	return Reference("cn=" + rapid.StringMatching(`[a-d]{1,2}`).Draw(t, label))
}

// The first and the last microsecond that have a textual form.
var (
	minMicro = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	maxMicro = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro() - 1
)

// drawSet draws a normalized set from a small world, so that sets overlap.
func drawSet(t *rapid.T, label string) []Value {
	var values []Value
	for _, s := range rapid.SliceOfN(rapid.StringMatching(`[a-f]`), 1, rapid.SampledFrom([]int{1, 4, 20}).Draw(t, label+" size")).Draw(t, label) {
		values = append(values, String(s))
	}
	return Normalize(values)
}

var attributeNames = strings.Fields("accountName c cn department description givenName mail manager member phones sn title")

func drawAttributes(t *rapid.T, label string) Attributes {
	var a Attributes
	for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(attributeNames), rapid.ID).Draw(t, label+" names") {
		a = a.Set(name, drawSet(t, label+" "+name)...)
	}
	return a
}

// drawAnyAttributes draws attributes with values of every type.
func drawAnyAttributes(t *rapid.T, label string) Attributes {
	var a Attributes
	for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(attributeNames), rapid.ID).Draw(t, label+" names") {
		values := make([]Value, rapid.IntRange(1, 4).Draw(t, label+" count"))
		for i := range values {
			values[i] = drawValue(t, label+" "+name)
		}
		a = a.Set(name, values...)
	}
	return a
}

func checkAttributes(t rapid.TB, a Attributes) {
	t.Helper()
	if !slices.IsSortedFunc(a, compareNames) {
		t.Fatalf("not sorted: %v", a)
	}
	for i, attribute := range a {
		if i > 0 && a[i-1].Name == attribute.Name {
			t.Fatalf("%q is there twice", attribute.Name)
		}
		if len(attribute.Values) == 0 {
			t.Fatalf("%q has no values", attribute.Name)
		}
		checkNormalized(t, attribute.Values)
	}
}

func checkNormalized(t rapid.TB, values []Value) {
	t.Helper()
	for i, v := range values {
		if v.Type() == 0 {
			t.Fatalf("a set holds the zero Value: %v", values)
		}
		if i > 0 && Compare(values[i-1], v) >= 0 {
			t.Fatalf("not in ascending order: %v", values)
		}
	}
}

// deepAttributes and deepDelta copy everything, so that a test can see whether
// an input was changed.
func deepAttributes(a Attributes) Attributes {
	out := a.Clone()
	for i := range out {
		out[i].Values = slices.Clone(out[i].Values)
	}
	return out
}

func deepDelta(d *Delta) *Delta {
	out := d.clone()
	if out != nil {
		for i := range out.Changes {
			out.Changes[i].Values = slices.Clone(out.Changes[i].Values)
			out.Changes[i].Removed = slices.Clone(out.Changes[i].Removed)
		}
	}
	return out
}
