package expr

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/metasync/metasync/engine/identity"
)

// The keys of the JSON objects that stand for what JSON has no form of.
const (
	jsonBinary    = "$bin"     // hexadecimal digits
	jsonDateTime  = "$dt"      // RFC 3339
	jsonReference = "$ref"     // a DN
	jsonLiteral   = "$literal" // the name of a flow literal
)

// FromJSON returns the value that a decoded JSON document stands for: strings,
// whole numbers, booleans, null and arrays as themselves; {"$bin": "00ff"} is
// binary, {"$dt": "2026-01-05T02:00:00Z"} a datetime, {"$ref": "CN=..."} a
// reference and {"$literal": "AuthoritativeNull"} a flow literal. Numbers may be
// json.Number, which is exact for all integers. Nulls in an array are dropped.
func FromJSON(document any) (Value, error) {
	switch x := document.(type) {
	case nil:
		return Null(), nil
	case []any:
		values := make([]identity.Value, 0, len(x))
		for i, item := range x {
			v, err := FromJSON(item)
			if err != nil {
				return Value{}, fmt.Errorf("item %d: %w", i+1, err)
			}
			single, ok := v.Single()
			switch {
			case ok:
				values = append(values, single)
			case !v.IsNull():
				return Value{}, fmt.Errorf("item %d: an array holds single values only", i+1)
			}
		}
		return OfList(values), nil
	case map[string]any:
		return fromJSONObject(x)
	case string:
		return Str(x), nil
	case bool:
		return Bool(x), nil
	case int:
		return Int(int64(x)), nil
	case int64:
		return Int(x), nil
	case float64:
		if x != math.Trunc(x) || math.Abs(x) > 1<<53 {
			return Value{}, fmt.Errorf("%v is not a whole number that can be read exactly", x)
		}
		return Int(int64(x)), nil
	case json.Number:
		n, err := x.Int64()
		if err != nil {
			return Value{}, fmt.Errorf("%s is not a whole number of 64 bits", x)
		}
		return Int(n), nil
	}
	return Value{}, fmt.Errorf("no value is written as %T", document)
}

func fromJSONObject(object map[string]any) (Value, error) {
	if len(object) != 1 {
		return Value{}, fmt.Errorf("an object has exactly one key: %s, %s, %s or %s",
			jsonBinary, jsonDateTime, jsonReference, jsonLiteral)
	}
	for key, content := range object {
		text, ok := content.(string)
		if !ok {
			return Value{}, fmt.Errorf("%s needs a string, not %T", key, content)
		}
		switch key {
		case jsonBinary:
			b, err := hex.DecodeString(text)
			if err != nil {
				return Value{}, fmt.Errorf("%s: %w", key, err)
			}
			return Of(identity.Binary(b)), nil
		case jsonDateTime:
			at, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				return Value{}, fmt.Errorf("%s: %w", key, err)
			}
			return Of(identity.DateTime(at)), nil
		case jsonReference:
			return Of(identity.Reference(text)), nil
		case jsonLiteral:
			if i := slices.Index(literalNames[:], text); i > 0 {
				return OfLiteral(Literal(i)), nil
			}
			return Value{}, fmt.Errorf("%s: %q is none of %s, %s", key, text, AuthoritativeNull, IgnoreThisFlow)
		default:
			return Value{}, fmt.Errorf("unknown key %q", key)
		}
	}
	return Value{}, nil
}

// JSON returns v in the form that [FromJSON] reads, ready for encoding/json.
// Integers come out as int64; a resolved reference comes out as the id of the
// object, which FromJSON would take for a DN.
func (v Value) JSON() any {
	if v.literal != NoLiteral {
		return map[string]any{jsonLiteral: v.literal.String()}
	}
	if !v.IsList() {
		return singleJSON(v.single)
	}
	values := v.Values()
	list := make([]any, len(values))
	for i, item := range values {
		list[i] = singleJSON(item)
	}
	return list
}

func singleJSON(v identity.Value) any {
	switch v.Type() {
	case identity.TypeBinary:
		return map[string]any{jsonBinary: hex.EncodeToString([]byte(v.Str()))}
	case identity.TypeDateTime:
		return map[string]any{jsonDateTime: v.JSON()}
	case identity.TypeReference:
		return map[string]any{jsonReference: v.Text()}
	}
	return v.JSON()
}
