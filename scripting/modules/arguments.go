package modules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/scripting/host"
)

// maxText bounds, in bytes, the texts that functions make.
const maxText = 1 << 20

// arguments reads the arguments of a function. The first mistake sticks.
type arguments struct {
	function string
	a        *host.Active
	list     []goja.Value
	err      error
}

// read begins to read the arguments of a function that takes at most as many.
func read(a *host.Active, function string, list []goja.Value, most int) *arguments {
	r := &arguments{function: function, a: a, list: list}
	if len(list) > most {
		r.fail("takes at most %d arguments", most)
	}
	return r
}

func (r *arguments) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(r.function+" "+format, args...)
	}
}

// has reports whether an argument is given, and neither undefined nor null.
func (r *arguments) has(i int) bool {
	return i < len(r.list) && r.list[i] != nil && !goja.IsUndefined(r.list[i]) && !goja.IsNull(r.list[i])
}

// text returns a text; numbers and booleans are their texts.
func (r *arguments) text(i int, what string) string {
	if !r.has(i) {
		r.fail("needs %s", what)
		return ""
	}
	if _, isObject := r.list[i].(*goja.Object); isObject {
		r.fail("takes %s, which is a text, not %s", what, r.a.Describe(r.list[i]))
		return ""
	}
	return r.list[i].String()
}

func (r *arguments) optionalText(i int, what, otherwise string) string {
	if !r.has(i) {
		return otherwise
	}
	return r.text(i, what)
}

// number returns a whole number.
func (r *arguments) number(i int, what string) int64 {
	if r.has(i) {
		if n, ok := r.list[i].Export().(int64); ok {
			return n
		}
	}
	r.fail("needs %s, which is a whole number", what)
	return 0
}

func (r *arguments) date(i int, what string) time.Time {
	if r.has(i) {
		if obj, ok := r.list[i].(*goja.Object); ok && obj.ClassName() == "Date" {
			if at, ok := obj.Export().(time.Time); ok {
				return at.UTC()
			}
			r.fail("takes %s, which is a Date, not an invalid one", what)
			return time.Time{}
		}
	}
	if r.err == nil {
		e := fault.New("", "%s needs %s, which is a Date", r.function, what)
		e.Hint = "date.parse makes a Date of a text"
		r.err = e
	}
	return time.Time{}
}

// data returns the bytes of a text or of a Uint8Array.
func (r *arguments) data(i int, what string) []byte {
	if r.has(i) {
		if obj, ok := r.list[i].(*goja.Object); ok {
			if b, ok := host.Uint8Array(obj); ok {
				return b
			}
			r.fail("takes %s, which is a text or a Uint8Array, not %s", what, r.a.Describe(obj))
			return nil
		}
	}
	return []byte(r.text(i, what))
}

// choice returns one of several words, the first if none is given.
func (r *arguments) choice(i int, what string, words ...string) string {
	word := r.optionalText(i, what, words[0])
	if !slices.Contains(words, word) {
		r.fail("takes %s, which is one of %s, not %q", what, strings.Join(words, ", "), word)
	}
	return word
}

var errTooLong = errors.New("the text would be longer than 1 MiB")
