package modules

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/scripting/host"
)

// callOptions are the properties of an object of options, by name. The first mistake
// sticks to the arguments that they are among.
type callOptions struct {
	r      *arguments
	fields map[string]goja.Value
}

// options reads the object of options at a place; absent, it is an empty one. It may
// run the script, by getters.
func (r *arguments) options(i int, known ...string) callOptions {
	o := callOptions{r, map[string]goja.Value{}}
	if r.err != nil || !r.has(i) {
		return o
	}
	err := r.a.Guard(func() error {
		obj, err := plainObject("the options", r.list[i])
		if err != nil {
			return err
		}
		for _, key := range obj.Keys() {
			if !slices.Contains(known, key) {
				e := fault.New(host.NameInvalid, "%s: there is no option %q", r.function, key)
				if near := fault.Suggest(key, known); near != "" {
					e.Hint = "did you mean " + near + "?"
				}
				return e
			}
			if value := obj.Get(key); value != nil && !goja.IsUndefined(value) {
				o.fields[key] = value
			}
		}
		return nil
	})
	if err != nil && fault.Name(err) == "" {
		err = fmt.Errorf("%s: %w", r.function, err)
	}
	if r.err == nil {
		r.err = err
	}
	return o
}

func (o callOptions) has(name string) bool { return o.fields[name] != nil }

// text returns a text, which cannot hold a secret.
func (o callOptions) text(name, otherwise string) string {
	v := o.fields[name]
	if v == nil {
		return otherwise
	}
	text, err := plainText(name, v)
	if err != nil {
		o.r.fail("takes %w", err)
	}
	return text
}

// texts returns an array of texts.
func (o callOptions) texts(name string) []string {
	v := o.fields[name]
	if v == nil {
		return nil
	}
	items, err := elements(o.r.a, name, v)
	out := make([]string, len(items))
	for i := 0; i < len(items) && err == nil; i++ {
		out[i], err = plainText(name+"["+strconv.Itoa(i)+"]", items[i])
	}
	if err != nil {
		o.r.fail("takes %w", err)
	}
	return out
}

// number returns a whole number from 1 to most.
func (o callOptions) number(name string, otherwise, most int64) int64 {
	v := o.fields[name]
	if v == nil {
		return otherwise
	}
	n, ok := v.Export().(int64)
	if !ok || n < 1 || n > most {
		o.r.fail("takes %s, which is a whole number from 1 to %d", name, most)
	}
	return n
}

// timeout returns how long a call may take, which the deadline of the call of the
// script bounds anyway.
func (o callOptions) timeout() time.Duration {
	v := o.fields["timeout"]
	if v == nil {
		return host.MaxTimeout
	}
	d, err := time.ParseDuration(v.String())
	if err != nil || d <= 0 {
		o.r.fail(`takes timeout, which is a duration such as "5s", not %q`, v.String())
	}
	return min(d, host.MaxTimeout)
}

// maxElements bounds arrays of arguments.
const maxElements = 10_000

// elements returns what is in an array.
func elements(a *host.Active, what string, v goja.Value) (items []goja.Value, err error) {
	obj, ok := v.(*goja.Object)
	if !ok || obj.ClassName() != "Array" {
		return nil, fmt.Errorf("%s, which is an array, not %s", what, a.Describe(v))
	}
	err = a.Guard(func() error {
		n := obj.Get("length").ToInteger()
		if n > maxElements {
			return fmt.Errorf("%s, which may have %d elements, not %d", what, maxElements, n)
		}
		for i := range int(n) {
			items = append(items, obj.Get(strconv.Itoa(i)))
		}
		return nil
	})
	return items, err
}
