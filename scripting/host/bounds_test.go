package host

import (
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"
)

// What would fill the memory or the stack of the process by one call of a built-in
// is a RangeError, which a script can catch.
func TestBounds(t *testing.T) {
	tests := []struct{ name, expression, want string }{
		{"repeat", `"x".repeat(2 ** 40)`, "the string would have a size of 1099511627776"},
		{"repeat of a long text", `"x".repeat(1e6).repeat(1e6)`, "the string would have a size of 1000000000000"},
		{"padStart", `"x".padStart(2 ** 33)`, "the string would have a size of 8589934592"},
		{"padEnd", `"x".padEnd(2 ** 33, "ab")`, "the string would have a size of"},
		{"join", `Array(2 ** 32 - 1).join("xx")`, "the string would have a size of"},
		{"text of a sparse array", `String(Array(2 ** 32 - 1))`, "the string would have a size of"},
		{"join of what is no array", `Array.prototype.join.call({length: 2 ** 50}, "")`, "the string would have a size of"},
		{"fill", `Array(4e9).fill(0)`, "the array would have a size of 4000000000"},
		{"from", `Array.from({length: 1e9}, (_, i) => i)`, "the array would have a size of 1000000000"},
		{"toSorted", `Array(4e9).toSorted()`, "the array would have a size of"},
		{"toReversed", `Array(4e9).toReversed()`, "the array would have a size of"},
		{"toSpliced", `Array(4e9).toSpliced(0, 1)`, "the array would have a size of"},
		{"with", `Array(4e9).with(0, 1)`, "the array would have a size of"},
		{"buffer", `new ArrayBuffer(2 ** 40)`, "the ArrayBuffer would have a size of"},
		{"bytes", `new Uint8Array(2 ** 33)`, "the Uint8Array would have a size of"},
		{"numbers", `new Float64Array(1e8)`, "the Float64Array would have a size of 800000000"},
		{"nested JSON", `JSON.parse("[".repeat(1e7))`, "nested more than 10000 deep"},
		{"nested objects", `JSON.parse('{"a":'.repeat(20000))`, "nested more than 10000 deep"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := load(t, files("a.js", `hook("f", () => { try { `+test.expression+`; return "made" } catch (e) { return e instanceof RangeError && e.name + ": " + e.message } })`), Options{Workers: 1})
			if got, err := call(t.Context(), t, g, Call{}, "f"); err != nil || !strings.HasPrefix(got, "RangeError: ") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, %v; want a RangeError with %q", got, err, test.want)
			}
		})
	}
}

// Whatever stands in front of the built-ins, they are what they were.
func TestBoundedBuiltInsAreTheSame(t *testing.T) {
	tests := []struct{ expression, want string }{
		{`"ab".repeat(3)`, "ababab"},
		{`"ab".repeat("2")`, "abab"},
		{`String.prototype.repeat.call(12, 2)`, "1212"},
		{`"7".padStart(3, "0") + "7".padEnd(3, "0")`, "007700"},
		{`[1, [2, 3], null, undefined].join()`, "1,2,3,,"},
		{`[1, 2].join("") + [1, 2]`, "121,2"},
		{`Array.prototype.join.call({length: 2, 0: "a", 1: "b"}, "-")`, "a-b"},
		{`Array(3).fill(0)`, "[0,0,0]"},
		{`[3, 1, 2].toSorted()`, "[1,2,3]"},
		{`[3, 1, 2].toSorted((a, b) => b - a)`, "[3,2,1]"},
		{`[1, 2].toReversed()`, "[2,1]"},
		{`[1, 2].toSpliced(0, 1, 7)`, "[7,2]"},
		{`[1, 2].with(0, 7)`, "[7,2]"},
		{`Array.from("abc")`, `["a","b","c"]`},
		{`Array.from({length: 2}, (_, i) => i)`, "[0,1]"},
		{`Array.from(new Set([1, 1, 2]))`, "[1,2]"},
		{`class L extends Array {} L.from([1]) instanceof L`, "true"},
		{`JSON.parse('{"a":["[[["]}', (k, v) => v).a[0]`, "[[["},
		{`JSON.parse("[" + "[1],".repeat(20000) + "2]").length`, "20001"},
		{`new Uint8Array([1, 2]).constructor === Uint8Array`, "true"},
		{`new Uint8Array(2) instanceof Uint8Array && new Uint8Array(2).length`, "2"},
		{`new Uint8Array([1, 2, 3]).map(x => x * 2).join()`, "2,4,6"},
		{`new Uint8Array([1, 2, 3]).subarray(1) instanceof Uint8Array`, "true"},
		{`Uint8Array.from([1, 2]) instanceof Uint8Array`, "true"},
		{`Uint8Array.of(7)[0]`, "7"},
		{`new Uint16Array(new Uint8Array([1, 2]).buffer)[0]`, "513"},
		{`Uint16Array.BYTES_PER_ELEMENT + Uint16Array.name + Uint16Array.length`, "2Uint16Array3"},
		{`new ArrayBuffer(8).slice(2).byteLength`, "6"},
		{`new ArrayBuffer(8) instanceof ArrayBuffer && ArrayBuffer.isView(new Int8Array(1))`, "true"},
		{`Object.prototype.toString.call(new Float64Array(1))`, "[object Float64Array]"},
		{`class B extends Uint8Array { twice() { return this.length * 2 } } new B(2).twice() + String(new B(1) instanceof Uint8Array)`, "4true"},
		{`String.prototype.repeat.name + String.prototype.repeat.length + Array.from.length`, "repeat11"},
		{`Object.keys(String.prototype).length + Object.keys(Array).length`, "0"},
		{`try { "x".repeat(-1) } catch (e) { e.name }`, "RangeError"},
		{`try { [1].toSorted(1) } catch (e) { e.name }`, "TypeError"},
		{`try { [2, 1].toSorted(() => { throw new SyntaxError("mine") }) } catch (e) { e.name }`, "SyntaxError"},
	}
	for _, test := range tests {
		t.Run(test.expression, func(t *testing.T) {
			g := load(t, files("a.js", `hook("f", () => eval(`+quote(test.expression)+`))`), Options{Workers: 1})
			if got, err := call(t.Context(), t, g, Call{}, "f"); err != nil || got != test.want {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func quote(text string) string { return "`" + strings.ReplaceAll(text, "`", "\\`") + "`" }

// The deadline ends scripts that run within a bounded built-in.
func TestDeadlineWithinABoundedBuiltIn(t *testing.T) {
	g := load(t, files("a.js", `
		hook("sort", () => { try { return [2, 1].toSorted(() => { for (;;); }) } catch { return 1 } finally { return 2 } });
		hook("from", () => { try { return Array.from(function* () { for (;;) yield 1 }()) } catch { return 1 } });
		hook("after", () => "well")`), Options{Workers: 1})
	for _, name := range []string{"sort", "from"} {
		_, err := call(t.Context(), t, g, Call{Timeout: 10 * time.Millisecond}, name)
		if err == nil || !strings.Contains(err.Error(), "no answer within 10ms") {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := call(t.Context(), t, g, Call{}, "after"); got != "well" {
			t.Fatalf("the next call: %q, %v", got, err)
		}
	}
}

func BenchmarkBounds(b *testing.B) {
	b.Run("runtime", func(b *testing.B) {
		g := load(b, nil, Options{Workers: 1})
		for b.Loop() {
			w := newWorker(g)
			w.load(b.Context())
			w.timer.Stop()
		}
	})
	for _, bounded := range []bool{false, true} {
		name := "plain"
		if bounded {
			name = "bounded"
		}
		w := &worker{rt: goja.New()}
		w.rangeErrorType = w.rt.Get("RangeError").(*goja.Object)
		if bounded {
			w.bound()
		}
		for _, source := range []string{`() => "x".repeat(3)`, `() => [1, 2].join()`, `() => new Uint8Array(3)`, `() => JSON.parse("[1,2]")`, `() => [1, 2].map(x => x)`} {
			v, err := w.rt.RunString(source)
			if err != nil {
				b.Fatal(err)
			}
			f, _ := goja.AssertFunction(v)
			b.Run(source[6:]+" "+name, func(b *testing.B) {
				for b.Loop() {
					if _, err := f(goja.Undefined()); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
