package scripting

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/scripting/host"
)

// options reads a plain object of a script, property by property. The first
// mistake sticks.
type options struct {
	what   string
	fields map[string]goja.Value
	err    *fault.Error
}

// readOptions reads the properties of an object; any that is not known is an
// error with a suggestion. Properties that are undefined are absent.
func readOptions(what string, v goja.Value, known ...string) *options {
	o := &options{what: what, fields: map[string]goja.Value{}}
	obj, ok := v.(*goja.Object)
	if ok {
		_, callable := goja.AssertFunction(obj)
		ok = !callable && obj.ClassName() == "Object"
	}
	if !ok {
		o.err = invalid("%s must be an object", what)
		return o
	}
	for _, key := range obj.Keys() {
		if !slices.Contains(known, key) {
			e := invalid("%s: there is no option %q", what, key)
			if near := fault.Suggest(key, known); near != "" {
				e.Hint = "did you mean " + near + "?"
			} else {
				e.Hint = "the options are " + strings.Join(known, ", ")
			}
			o.fail(e)
			continue
		}
		if value := obj.Get(key); value != nil && !goja.IsUndefined(value) {
			o.fields[key] = value
		}
	}
	return o
}

func (o *options) fail(err *fault.Error) {
	if o.err == nil && err != nil {
		o.err = err
	}
}

func (o *options) has(name string) bool { return o.fields[name] != nil }

// text returns a non-empty text, "" if the option is absent.
func (o *options) text(name string) string {
	v := o.fields[name]
	if v == nil {
		return ""
	}
	if !goja.IsString(v) || strings.TrimSpace(v.String()) == "" {
		o.fail(invalid("%s: %s must be a text", o.what, name))
		return ""
	}
	return v.String()
}

// duration returns a positive duration, 0 if the option is absent.
func (o *options) duration(name string) time.Duration {
	text := o.text(name)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		err = errors.New("must be positive")
	}
	if err != nil {
		e := invalid("%s: %s %q is not a duration", o.what, name, text)
		e.Hint = `write it like "30s", "15m" or "1h30m"`
		o.fail(e)
		return 0
	}
	return d
}

// function returns a function, nil if the option is absent.
func (o *options) function(name string) goja.Value {
	v := o.fields[name]
	if v == nil {
		return nil
	}
	if _, ok := goja.AssertFunction(v); !ok {
		o.fail(invalid("%s: %s must be a function", o.what, name))
		return nil
	}
	return v
}

// exactlyOne fails unless one of the options is given.
func (o *options) exactlyOne(names ...string) {
	var given []string
	for _, name := range slices.Sorted(maps.Keys(o.fields)) {
		if slices.Contains(names, name) {
			given = append(given, name)
		}
	}
	list := strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
	switch {
	case len(given) == 0:
		o.fail(invalid("%s needs %s", o.what, list))
	case len(given) > 1:
		o.fail(invalid("%s has %s; it takes one of %s", o.what, strings.Join(given, " and "), list))
	}
}

// needs fails if an option is given without another one.
func (o *options) needs(name string, other string) {
	if o.has(name) && !o.has(other) {
		o.fail(invalid("%s: %s has a meaning only with %s", o.what, name, other))
	}
}

// invalid is an error about what a script gave.
func invalid(format string, args ...any) *fault.Error {
	return fault.New(host.NameInvalid, format, args...)
}

// adopt takes over the mistake of an option that is an object.
func (o *options) adopt(inner *options) {
	if inner.err != nil {
		o.fail(inner.err)
	}
}

// boolean returns true or false, false if the option is absent.
func (o *options) boolean(name string) bool {
	v := o.fields[name]
	if v == nil {
		return false
	}
	b, ok := v.Export().(bool)
	if !ok {
		o.fail(invalid("%s: %s must be true or false", o.what, name))
	}
	return b
}

// integer returns a whole number of at least least, 0 if the option is absent.
func (o *options) integer(name string, least int64) int {
	v := o.fields[name]
	if v == nil {
		return 0
	}
	n, ok := v.Export().(int64)
	if !ok || n < least || n > 1<<31-1 {
		o.fail(invalid("%s: %s must be a whole number, %d at least", o.what, name, least))
		return 0
	}
	return int(n)
}

// choice returns one of some texts, the first one if the option is absent.
func (o *options) choice(name string, oneOf ...string) string {
	text := o.text(name)
	switch {
	case text == "":
		return oneOf[0]
	case !slices.Contains(oneOf, text):
		e := invalid("%s: %s %q is none of %s", o.what, name, text, strings.Join(oneOf, ", "))
		if near := fault.Suggest(text, oneOf); near != "" {
			e.Hint = "did you mean " + near + "?"
		}
		o.fail(e)
	}
	return text
}

// list returns the items of an array, nil if the option is absent.
func (o *options) list(name string) []goja.Value {
	v := o.fields[name]
	if v == nil {
		return nil
	}
	obj, ok := v.(*goja.Object)
	if !ok || obj.ClassName() != "Array" {
		o.fail(invalid("%s: %s must be an array", o.what, name))
		return nil
	}
	items := make([]goja.Value, min(obj.Get("length").ToInteger(), maxListed))
	for i := range items {
		items[i] = obj.Get(strconv.Itoa(i))
	}
	return items
}

// maxListed bounds the items of an option that is an array.
const maxListed = 1000

// needsOneOf fails if an option is given without any of others.
func (o *options) needsOneOf(name string, others ...string) {
	if !o.has(name) {
		return
	}
	if !slices.ContainsFunc(others, o.has) {
		last := len(others) - 1
		o.fail(invalid("%s: %s has a meaning only with %s or %s", o.what, name, strings.Join(others[:last], ", "), others[last]))
	}
}
