package host

import (
	"fmt"
	"strings"

	"github.com/dop251/goja"
)

// What scripts may make, at most. The built-ins of goja cannot be interrupted, and
// some of them make as much as a number says: those are bounded in front, with the
// RangeError that every JavaScript engine throws at a bound of its own. Without,
// one mistaken number ends the process, for want of memory or of stack.
const (
	// maxCallStack is how deep functions may call each other: room for every
	// honest recursion, and little enough for memory.
	maxCallStack = 1024

	maxString  = 16 << 20 // characters of a text that is made by repetition
	maxFilled  = 4 << 20  // of an array that a built-in fills
	maxBuffer  = 64 << 20 // bytes of a buffer
	maxNesting = 10_000   // of JSON
)

// A bounded method of a prototype fails before it does its work if the size of what
// it would make is above the limit. Sizes that are no numbers it leaves to the
// method.
type boundedMethod struct {
	of, name string
	arity    int
	limit    int64
	what     string
	size     func(this goja.Value, args []goja.Value) int64
}

var boundedMethods = []boundedMethod{
	{"String", "repeat", 1, maxString, "string", func(this goja.Value, args []goja.Value) int64 {
		return product(textLength(this), number(args, 0))
	}},
	{"String", "padStart", 1, maxString, "string", func(_ goja.Value, args []goja.Value) int64 { return number(args, 0) }},
	{"String", "padEnd", 1, maxString, "string", func(_ goja.Value, args []goja.Value) int64 { return number(args, 0) }},
	{"Array", "join", 1, maxString, "string", func(this goja.Value, args []goja.Value) int64 {
		separator := int64(1)
		if len(args) > 0 && goja.IsString(args[0]) {
			separator = textLength(args[0])
		}
		return product(arrayLength(this), max(separator, 1))
	}},
	{"Array", "fill", 1, maxFilled, "array", arrayOf},
	{"Array", "toReversed", 0, maxFilled, "array", arrayOf},
	{"Array", "toSorted", 1, maxFilled, "array", arrayOf},
	{"Array", "toSpliced", 2, maxFilled, "array", arrayOf},
	{"Array", "with", 2, maxFilled, "array", arrayOf},
}

// boundedBuffers are the constructors that take a number of elements, with their
// bytes.
var boundedBuffers = []struct {
	name  string
	bytes int64
}{
	{"ArrayBuffer", 1},
	{"Int8Array", 1},
	{"Uint8Array", 1},
	{"Uint8ClampedArray", 1},
	{"Int16Array", 2},
	{"Uint16Array", 2},
	{"Int32Array", 4},
	{"Uint32Array", 4},
	{"Float32Array", 4},
	{"Float64Array", 8},
	{"BigInt64Array", 8},
	{"BigUint64Array", 8},
}

func arrayOf(this goja.Value, _ []goja.Value) int64 { return arrayLength(this) }

func textLength(v goja.Value) int64 {
	if s, ok := v.(goja.String); ok {
		return int64(s.Length())
	}
	return 1
}

// arrayLength is the length of whatever has one.
func arrayLength(v goja.Value) int64 {
	if obj, ok := v.(*goja.Object); ok {
		if length := obj.Get("length"); length != nil {
			return length.ToInteger()
		}
	}
	return 0
}

// number is a number among the arguments, 0 if it is none.
func number(args []goja.Value, i int) int64 {
	if i >= len(args) {
		return 0
	}
	switch n := args[i].Export().(type) {
	case int64:
		return n
	case float64:
		if n > 1<<62 {
			return 1 << 62
		}
		return int64(n)
	}
	return 0
}

// product multiplies sizes without overflow.
func product(a, b int64) int64 {
	if a > 0 && b > (1<<62)/a {
		return 1 << 62
	}
	return a * b
}

// bound puts the bounds in front of the built-ins of a new runtime.
func (w *worker) bound() {
	for i := range boundedMethods {
		w.boundMethod(&boundedMethods[i])
	}
	for _, b := range boundedBuffers {
		w.boundBuffer(b.name, b.bytes)
	}
	array := w.rt.Get("Array").(*goja.Object)
	from := callable(array.Get("from"))
	w.replace(array, "from", 1, func(call goja.FunctionCall) goja.Value {
		if n := arrayLength(call.Argument(0)); n > maxFilled {
			panic(w.tooLarge("array", n))
		}
		return w.pass(from, call)
	})
	parser := w.rt.Get("JSON").(*goja.Object)
	parse := callable(parser.Get("parse"))
	w.replace(parser, "parse", 2, func(call goja.FunctionCall) goja.Value {
		if len(call.Arguments) > 0 && nestedTooDeeply(call.Arguments[0].String()) {
			panic(w.rangeError(errNested.Error()))
		}
		return w.pass(parse, call)
	})
}

func (w *worker) boundMethod(m *boundedMethod) {
	prototype := w.rt.Get(m.of).(*goja.Object).Get("prototype").(*goja.Object)
	method := callable(prototype.Get(m.name))
	w.replace(prototype, m.name, m.arity, func(call goja.FunctionCall) goja.Value {
		if n := m.size(call.This, call.Arguments); n > m.limit {
			panic(w.tooLarge(m.what, n))
		}
		return w.pass(method, call)
	})
}

// boundBuffer puts a constructor in front of one of the language. A Proxy would be
// shorter, but goja's instanceof refuses one. The only difference that remains is
// that a call without new makes one, too.
func (w *worker) boundBuffer(name string, bytes int64) {
	original := w.rt.Get(name).(*goja.Object)
	construct, _ := goja.AssertConstructor(original)
	prototype := original.Get("prototype").(*goja.Object)
	bounded := w.rt.ToValue(func(call goja.ConstructorCall) *goja.Object {
		if n := product(number(call.Arguments, 0), bytes); n > maxBuffer {
			panic(w.tooLarge(name, n))
		}
		obj, err := construct(call.NewTarget, call.Arguments...)
		if err != nil {
			panic(err)
		}
		return obj
	}).(*goja.Object)
	w.describe(bounded, name, int(original.Get("length").ToInteger()))
	must(bounded.DefineDataProperty("prototype", prototype, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE))
	must(bounded.SetPrototype(original)) // what it has besides
	must(prototype.DefineDataProperty("constructor", bounded, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	must(w.rt.GlobalObject().DefineDataProperty(name, bounded, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
}

// replace puts a function in the place of a method.
func (w *worker) replace(obj *goja.Object, name string, arity int, f func(goja.FunctionCall) goja.Value) {
	fn := w.rt.ToValue(f).(*goja.Object)
	w.describe(fn, name, arity)
	must(obj.DefineDataProperty(name, fn, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
}

// describe gives a function the name and length of the one that it stands for.
func (w *worker) describe(fn *goja.Object, name string, arity int) {
	must(fn.DefineDataProperty("name", w.rt.ToValue(name), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	must(fn.DefineDataProperty("length", w.rt.ToValue(arity), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE))
}

// pass makes a call of a built-in and throws what it throws.
func (w *worker) pass(f goja.Callable, call goja.FunctionCall) goja.Value {
	result, err := f(call.This, call.Arguments...)
	if err != nil {
		panic(err)
	}
	return result
}

func callable(v goja.Value) goja.Callable {
	f, _ := goja.AssertFunction(v)
	return f
}

// must is for what succeeds in every new runtime.
func must(err error) {
	if err != nil {
		panic(fmt.Errorf("bound the built-ins: %w", err))
	}
}

func (w *worker) tooLarge(what string, n int64) *goja.Object {
	return w.rangeError(fmt.Sprintf("the %s would have a size of %d, which is more than scripts may make", what, n))
}

func (w *worker) rangeError(text string) *goja.Object {
	obj, err := w.rt.New(w.rangeErrorType, w.rt.ToValue(text))
	must(err)
	return obj
}

var errNested = fmt.Errorf("the JSON is nested more than %d deep", maxNesting)

// nestedTooDeeply reports whether reading a JSON text would need too much stack:
// what opens in it, outside of strings, and does not close. Texts with few brackets,
// which are nearly all, cost two searches for a byte.
func nestedTooDeeply(text string) bool {
	if strings.Count(text, "[")+strings.Count(text, "{") <= maxNesting {
		return false
	}
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > maxNesting {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}
