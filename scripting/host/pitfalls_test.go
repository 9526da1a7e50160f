package host

import (
	"errors"
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/fault"
)

// What goja would answer wrongly is refused where it stands, with what to use instead.
func TestPitfalls(t *testing.T) {
	api := testAPI()
	api.Instead = map[string]string{property: "use letters", "localeCompare": "use compare"}
	const never = `script-syntax-error: \p{...} in a regular expression would never match`
	for _, test := range []struct{ script, want, hint string }{
		{`const re = /^[\p{L}]+$/u`, "scripts/a.js:2:12: " + never, "use letters"},
		{`const re = new RegExp("a\\p{L}", "u")`, "scripts/a.js:2:23: " + never, "use letters"},
		{`const re = RegExp('\\P{Lu}')`, "scripts/a.js:2:19: " + never, "use letters"},
		{"const re = new RegExp(`\\\\p{${'L'}}`)", "scripts/a.js:2:23: " + never, "use letters"},
		{"const re = new RegExp(String.raw`\\p{L}`)", "scripts/a.js:2:30: " + never, "use letters"},
		{`"a".match("\\p{L}")`, "scripts/a.js:2:11: " + never, "use letters"},
		{`"a"?.search("\\p{L}")`, "scripts/a.js:2:13: " + never, "use letters"},
		{`const list = ["a"].sort((a, b) => a.localeCompare(b, "sv"))`, "scripts/a.js:2:37: script-syntax-error: localeCompare would ignore the language", "use compare"},
		{`"a".localeCompare("b", undefined, { numeric: true })`, "scripts/a.js:2:5: script-syntax-error: localeCompare", "use compare"},
		{`new Date(0).toLocaleDateString("de-DE")`, "scripts/a.js:2:13: script-syntax-error: toLocaleDateString", ""},
		{`"i".toLocaleUpperCase("tr")`, "scripts/a.js:2:5: script-syntax-error: toLocaleUpperCase", ""},
		{`const re = /\\p{L}/, text = "\\p{L}"; "a".localeCompare("b"); "a".localeCompare("b", undefined); new Date(0).toLocaleDateString()`, "", ""},
		{`const [re] = [/\\\\p/]; "a\\p".match("p"); text => text.match(re)`, "", ""},
	} {
		g, err := Load(t.Context(), files("a.js", "\n"+test.script), api, Options{Prefix: "scripts", Workers: 1})
		if err == nil {
			g.Close()
		}
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", test.script, err)
			}
			continue
		}
		if e := fault.As(err, ""); e == nil || !strings.HasPrefix(e.Error(), test.want) || e.Hint != test.hint {
			t.Errorf("%s\ngot  %v, hint %q\nwant %s, hint %q", test.script, err, e.Hint, test.want, test.hint)
		}
	}
}

// Patterns that are put together are refused when they are used, and RegExp is what it
// was in everything else.
func TestRegExpIsGuarded(t *testing.T) {
	g := load(t, files("a.js", `
		hook("make", (pattern, flags) => new RegExp(pattern, flags).test("a"));
		hook("call", pattern => RegExp(pattern).test("a"));
		hook("same", () => {
			class Own extends RegExp { twice() { return this.source + this.source } }
			const made = new RegExp("(?<x>.)", "g");
			return [/a/ instanceof RegExp, made instanceof RegExp, new Own("b").twice(), RegExp.name, RegExp.prototype === Object.getPrototypeOf(/a/),
				"abc".replace(made, "$<x>-"), "a1b".split(new RegExp("\\d")), RegExp(/z/i).flags].join();
		});
		hook("bad", () => new RegExp("("));`), Options{Workers: 1})
	for _, name := range []string{"make", "call"} {
		_, err := call(t.Context(), t, g, Call{}, name, `^\p{L}$`, "u")
		if e := fault.As(err, ""); e == nil || !strings.Contains(e.Error(), "would never match") || e.Position.File != "scripts/a.js" {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := call(t.Context(), t, g, Call{}, name, `^\\p|a$`, "u"); got != "true" {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	if got, err := call(t.Context(), t, g, Call{}, "same"); got != "true,true,bb,RegExp,true,a-b-c-,a,b,i" {
		t.Errorf("got %s, %v", got, err)
	}
	var list fault.List
	if _, err := call(t.Context(), t, g, Call{}, "bad"); err == nil || errors.As(err, &list) || !strings.Contains(err.Error(), "SyntaxError") {
		t.Errorf("got %v", err)
	}
}
