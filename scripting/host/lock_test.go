package host

import (
	"strings"
	"testing"
)

// No call can change what the built-ins are to the next one.
func TestBuiltInsAreLocked(t *testing.T) {
	for _, change := range []string{
		`Array.prototype.map = () => "changed"`,
		`Array.prototype.extra = 1`,
		`delete Array.prototype.map`,
		`Object.defineProperty(Array.prototype, "map", {value: () => "changed"})`,
		`Object.setPrototypeOf(Array.prototype, {map: 1})`,
		`Object.prototype.toString = () => "changed"`,
		`Object.prototype.extra = 1`,
		`String.prototype.slice = null`,
		`Error.prototype.name = "Changed"`,
		`Uint8Array.prototype.extra = 1`,
		`Object.getPrototypeOf(Uint8Array.prototype).map = null`,
		`Promise.prototype.then = null`,
		`Function.prototype.call = null`,
		`RegExp.prototype.exec = () => null`,
		`Array.from = null`,
		`JSON.stringify = () => "changed"`,
		`Math.random = () => 4`,
		`delete globalThis.Object`,
		`globalThis.Date = null`,
		`Object.defineProperty(globalThis, "Map", {value: 1})`,
		`log.info = 1`,
		`delete globalThis.log`,
	} {
		t.Run(change, func(t *testing.T) {
			g := load(t, files("a.js", `hook("f", () => { `+change+` })
				hook("after", () => [typeof Object, typeof Date, typeof Map, typeof log.info, [1].map(x => x + 1), "ab".slice(1), String({}), [].extra,
					String(new Error("e")), JSON.stringify(1), Array.from("a"), /a/.test("a")].join())`), Options{Workers: 1})
			_, err := call(t.Context(), t, g, Call{}, "f")
			if err == nil || !strings.Contains(err.Error(), "TypeError") {
				t.Errorf("got %v, want a TypeError", err)
			}
			want := "function,function,function,function,2,b,[object Object],,Error: e,1,a,true"
			if got, err := call(t.Context(), t, g, Call{}, "after"); got != want {
				t.Errorf("the next call: %q, %v", got, err)
			}
		})
	}
}

// What honest scripts do goes on.
func TestLockedBuiltInsCanBeUsed(t *testing.T) {
	for _, body := range []string{
		`class E extends Error { constructor(m) { super(m); this.name = "E"; } } return String(new E("m")) === "E: m"`,
		`const e = new Error("a"); e.message = "b"; e.name = "N"; return String(e) === "N: b"`,
		`function P() {} P.prototype.toString = () => "p"; return String(new P()) === "p"`,
		`const o = {}; o.toString = () => "o"; o.constructor = 1; o.valueOf = () => 7; return String(o) + o.constructor + (o + 0) === "o17" && Object.keys(o).length === 3`,
		`const f = () => 1; f.toString = () => "f"; return String(f) === "f"`,
		`return new Old() instanceof Map && new Old().constructor === Old`,
		`class L extends Array { map(f) { return "mine" } } return new L().map() === "mine"`,
		`return {}.constructor === Object && [].constructor === Array && new TypeError().name === "TypeError" && new TypeError() instanceof Error`,
		`const d = Object.create(null); d.toString = 1; return d.toString === 1`,
		`return Object.prototype.toString.call([]) === "[object Array]" && String({}) === "[object Object]"`,
		`globalThis.mine = 1; return mine === 1`,
		`return "polyfill".first() === "p" && later() === 1`,
		`return JSON.stringify({toString: 1, name: "x"}) === '{"toString":1,"name":"x"}'`,
	} {
		t.Run(body, func(t *testing.T) {
			g := load(t, files("a.js", `String.prototype.first = function () { return this[0] }; globalThis.later = () => 1;
				function Old() {} Old.prototype = Object.create(Map.prototype); Old.prototype.constructor = Old; hook("f", () => { `+body+` })`), Options{Workers: 1})
			if got, err := call(t.Context(), t, g, Call{}, "f"); got != "true" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}
