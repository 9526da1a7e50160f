package host

import (
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"
)

// Bounds of what is compared and shown.
const (
	maxCompareDepth = 50
	maxDifferences  = 20
	maxShownText    = 500
	maxElements     = 1_000_000
)

// A Difference is a place at which what a test got is not what it wants.
type Difference struct {
	Path string `json:"path"` // such as [0].attributes.dn; "" is all of it
	Got  string `json:"got"`
	Want string `json:"want"`
}

// String returns the difference in one line.
func (d Difference) String() string {
	text := fmt.Sprintf("got %s, want %s", d.Got, d.Want)
	if d.Path != "" {
		text = strings.TrimPrefix(d.Path, ".") + ": " + text
	}
	return text
}

// compare finds the differences between two values of a script, at most
// maxDifferences: deep for arrays, plain objects, Dates and Uint8Arrays. A property
// that is undefined is absent. Anything else is equal only to itself.
func compare(got, want goja.Value) []Difference {
	c := &comparison{}
	c.values("", got, want, 0)
	return c.found
}

type comparison struct{ found []Difference }

func (c *comparison) differ(path string, got, want goja.Value) {
	if len(c.found) < maxDifferences {
		c.found = append(c.found, Difference{path, display(got), display(want)})
	}
}

func (c *comparison) values(path string, got, want goja.Value, depth int) {
	if len(c.found) == maxDifferences || identical(got, want) {
		return
	}
	a, isObject := got.(*goja.Object)
	b, isToo := want.(*goja.Object)
	if !isObject || !isToo || depth > maxCompareDepth || kindOf(a) != kindOf(b) {
		c.differ(path, got, want)
		return
	}
	switch kindOf(a) {
	case kindArray:
		c.arrays(path, a, b, depth)
	case kindObject:
		for _, key := range keysOf(a, b) {
			c.values(path+member(key), a.Get(key), b.Get(key), depth+1)
		}
	case kindDate, kindBytes:
		if display(a) != display(b) {
			c.differ(path, got, want)
		}
	default:
		c.differ(path, got, want)
	}
}

func (c *comparison) arrays(path string, a, b *goja.Object, depth int) {
	n, m := length(a), length(b)
	for i := range max(n, m) {
		if len(c.found) == maxDifferences {
			return
		}
		at := path + "[" + strconv.Itoa(i) + "]"
		switch {
		case i >= n:
			c.found = append(c.found, Difference{at, "nothing", display(b.Get(strconv.Itoa(i)))})
		case i >= m:
			c.found = append(c.found, Difference{at, display(a.Get(strconv.Itoa(i))), "nothing"})
		default:
			c.values(at, a.Get(strconv.Itoa(i)), b.Get(strconv.Itoa(i)), depth+1)
		}
	}
}

// identical is like Object.is, but for the two zeros: a value that is stored knows
// only one.
func identical(a, b goja.Value) bool {
	if absent(a) || absent(b) {
		return absent(a) && absent(b)
	}
	return a.SameAs(b) || a.StrictEquals(b)
}

func absent(v goja.Value) bool { return v == nil || goja.IsUndefined(v) }

// The kinds of objects that are compared by what is in them.
const (
	kindOther = iota
	kindArray
	kindObject
	kindDate
	kindBytes
)

func kindOf(obj *goja.Object) int {
	if _, callable := goja.AssertFunction(obj); callable {
		return kindOther
	}
	if _, isBytes := Uint8Array(obj); isBytes {
		return kindBytes
	}
	switch obj.ClassName() {
	case "Array":
		return kindArray
	case "Date":
		return kindDate
	case "Object":
		if IsPlain(obj) {
			return kindObject
		}
	}
	return kindOther
}

var plainType = reflect.TypeFor[map[string]any]()

// IsPlain reports whether an object is a plain one, as {a: 1} is: no array or
// function, and no Map, Set, Promise or the like, which have its class.
func IsPlain(obj *goja.Object) bool {
	_, callable := goja.AssertFunction(obj)
	return !callable && obj.ClassName() == "Object" && obj.ExportType() == plainType
}

// keysOf returns the keys of two objects, sorted.
func keysOf(a, b *goja.Object) []string {
	keys := slices.Concat(a.Keys(), b.Keys())
	slices.Sort(keys)
	return slices.Compact(keys)
}

var isIdentifier = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)

func member(key string) string {
	if isIdentifier.MatchString(key) {
		return "." + key
	}
	return "[" + strconv.Quote(key) + "]"
}

func length(array *goja.Object) int {
	return int(min(max(array.Get("length").ToInteger(), 0), maxElements))
}

// display returns a value as a script would write it, for people.
func display(v goja.Value) string {
	var b strings.Builder
	writeValue(&b, v, 0)
	text := b.String()
	if len(text) > maxShownText {
		text = strings.ToValidUTF8(text[:maxShownText], "") + "…"
	}
	return text
}

func writeValue(b *strings.Builder, v goja.Value, depth int) {
	obj, ok := v.(*goja.Object)
	switch {
	case absent(v):
		b.WriteString("undefined")
		return
	case !ok:
		b.WriteString(primitive(v))
		return
	case depth > 8 || b.Len() > maxShownText:
		b.WriteString("…")
		return
	}
	switch kindOf(obj) {
	case kindArray:
		b.WriteByte('[')
		for i := range length(obj) {
			if i > 0 {
				b.WriteString(", ")
			}
			if b.Len() > maxShownText {
				break
			}
			writeValue(b, obj.Get(strconv.Itoa(i)), depth+1)
		}
		b.WriteByte(']')
	case kindDate:
		if at, ok := obj.Export().(time.Time); ok {
			b.WriteString("Date " + at.UTC().Format(time.RFC3339Nano))
			return
		}
		b.WriteString("Date without a time")
	case kindBytes:
		content, _ := Uint8Array(obj)
		b.WriteString("Uint8Array " + hex.EncodeToString(content))
	case kindObject:
		writeObject(b, obj, depth)
	default:
		b.WriteString(obj.String())
	}
}

func writeObject(b *strings.Builder, obj *goja.Object, depth int) {
	b.WriteByte('{')
	first := true
	keys := obj.Keys()
	slices.Sort(keys)
	for _, key := range keys {
		value := obj.Get(key)
		if absent(value) {
			continue
		}
		if !first {
			b.WriteString(", ")
		}
		first = false
		if !isIdentifier.MatchString(key) {
			key = strconv.Quote(key)
		}
		b.WriteString(key + ": ")
		writeValue(b, value, depth+1)
	}
	b.WriteByte('}')
}

func primitive(v goja.Value) string {
	if goja.IsString(v) {
		return strconv.Quote(v.String())
	}
	switch x := v.Export().(type) {
	case float64:
		if x == 0 && math.Signbit(x) {
			return "0"
		}
	case bool, int64, nil:
	default:
		if _, isSymbol := v.(*goja.Symbol); !isSymbol {
			return v.String() + "n" // a BigInt
		}
	}
	return v.String()
}
