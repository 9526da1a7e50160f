package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dop251/goja"
)

// Bounds of what leaves a script as plain data or as text.
const (
	maxPlainDepth = 32
	maxPlainNodes = 100_000
	maxPlainBytes = 4 << 20 // of all texts in it
	maxText       = 4096
)

// Plain returns a value as encoding/json writes it: nil, bool, float64, string,
// []any or map[string]any. Dates become RFC 3339 texts, properties that are
// undefined are left out. Anything else, such as a function or NaN, is an error,
// and so is a value that is nested without end.
func (a *Active) Plain(v goja.Value) (out any, err error) {
	thrown := a.Guard(func() error {
		out, err = new(plainer).value(v, 0)
		return nil
	})
	if thrown != nil {
		return nil, thrown
	}
	return out, err
}

// A plainer counts what it converts.
type plainer struct {
	lenient bool // show what is not plain as text
	nodes   int
	bytes   int
}

var errTooLarge = errors.New("the value is too large or nested too deeply")

// text returns a text, unless there were too many of them.
func (p *plainer) text(v goja.Value) (string, error) {
	if s, ok := v.(goja.String); ok {
		if p.bytes += s.Length(); p.bytes > maxPlainBytes {
			return "", errTooLarge
		}
	}
	return v.String(), nil
}

func (p *plainer) value(v goja.Value, depth int) (any, error) {
	if p.nodes++; p.nodes > maxPlainNodes || depth > maxPlainDepth {
		return nil, errTooLarge
	}
	obj, isObject := v.(*goja.Object)
	if !isObject {
		return p.primitive(v)
	}
	if _, callable := goja.AssertFunction(obj); callable {
		return p.odd("a function")
	}
	if h, ok := handleOf(obj); ok {
		return p.odd(h.shown)
	}
	switch exported := exportType(obj).(type) {
	case *goja.Promise:
		return p.odd("a promise")
	case time.Time:
		return exported.UTC().Format(time.RFC3339Nano), nil
	}
	switch obj.ClassName() {
	case "Date":
		return p.odd("an invalid date")
	case "Error":
		return p.odd(obj.String())
	case "Array":
		n := int(obj.Get("length").ToInteger())
		if n > maxPlainNodes {
			return nil, errTooLarge
		}
		list := make([]any, n)
		for i := range list {
			item, err := p.value(obj.Get(strconv.Itoa(i)), depth+1)
			if err != nil {
				return nil, err
			}
			list[i] = item
		}
		return list, nil
	}
	fields := map[string]any{}
	for _, key := range obj.Keys() {
		if p.bytes += len(key); p.bytes > maxPlainBytes {
			return nil, errTooLarge
		}
		property := obj.Get(key)
		if property == nil || goja.IsUndefined(property) {
			continue
		}
		item, err := p.value(property, depth+1)
		if err != nil {
			return nil, err
		}
		fields[key] = item
	}
	return fields, nil
}

func (p *plainer) primitive(v goja.Value) (any, error) {
	switch {
	case v == nil, goja.IsUndefined(v), goja.IsNull(v):
		return nil, nil
	case goja.IsString(v):
		return p.text(v)
	}
	switch x := v.Export().(type) {
	case bool:
		return x, nil
	case int64:
		return float64(x), nil
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return p.odd(v.String())
		}
		return x, nil
	}
	return p.odd(v.String())
}

func (p *plainer) odd(text string) (any, error) {
	if p.lenient {
		return text, nil
	}
	return nil, fmt.Errorf("%s cannot be kept as JSON", text)
}

// exportType returns the Go value of the objects that stand for one, without
// running any script: a promise, a time or bytes; nil for all others.
func exportType(obj *goja.Object) any {
	switch obj.ExportType() {
	case typePromise, typeTime, typeBytes:
		return obj.Export()
	}
	return nil
}

// describe returns a value as a text for people. It may run the script.
func describe(v goja.Value) string {
	if v == nil {
		return "undefined"
	}
	if _, isObject := v.(*goja.Object); !isObject {
		return boundedText(v)
	}
	plain, err := (&plainer{lenient: true}).value(v, 0)
	if err != nil {
		return err.Error()
	}
	if text, ok := plain.(string); ok {
		return bounded(text)
	}
	text, err := json.Marshal(plain)
	if err != nil {
		return err.Error()
	}
	return bounded(string(text))
}

// boundedText is a text of which no more is read than is shown.
func boundedText(v goja.Value) string {
	if s, ok := v.(goja.String); ok && s.Length() > maxText {
		return bounded(s.Substring(0, maxText).String() + "\u2026")
	}
	return bounded(v.String())
}

// bounded cuts a text off that is too long to show.
func bounded(text string) string {
	if len(text) > maxText {
		cut := maxText
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "…"
	}
	return strings.ToValidUTF8(text, "\ufffd")
}

// Uint8Array returns a copy of the bytes of a Uint8Array; false if the object is
// none.
func Uint8Array(obj *goja.Object) ([]byte, bool) {
	b, ok := exportType(obj).([]byte)
	return append([]byte(nil), b...), ok
}
