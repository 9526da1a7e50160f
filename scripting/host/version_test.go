package host

import "testing"

// The version of a registration changes with the files that it depends on, and
// with no others.
func TestVersions(t *testing.T) {
	texts := map[string]string{
		"a.js":       `import {twice} from "./lib.js"; hook("a", () => twice("a"));`,
		"b.js":       `hook("b", () => "b");`,
		"lib.js":     `import {two} from "./sub/two.js"; export const twice = s => s.repeat(two);`,
		"sub/two.js": `export const two = 2;`,
		"unused.js":  `import {twice} from "./lib.js"; twice("x");`,
	}
	versions := func(name, added string) (a, b string) {
		t.Helper()
		var pairs []string
		for _, file := range []string{"a.js", "b.js", "lib.js", "sub/two.js", "unused.js"} {
			text := texts[file]
			if file == name {
				text += added
			}
			pairs = append(pairs, file, text)
		}
		g := load(t, files(pairs...), Options{Workers: 2})
		return hook(t, g, "a").Version, hook(t, g, "b").Version
	}
	a, b := versions("", "")
	if a == b || a == "" || b == "" {
		t.Fatalf("versions %q and %q", a, b)
	}
	for _, tt := range []struct {
		file, added        string
		changesA, changesB bool
	}{
		{"a.js", "// more", true, false},
		{"b.js", "// more", false, true},
		{"lib.js", "// more", true, false},
		{"sub/two.js", "// more", true, false},
		{"unused.js", "// more", false, false},
		{"unused.js", "globalThis.x = 1;", true, true}, // who knows what that does
		{"unused.js", "export const later = () => import('./lib.js');", true, true},
		{"unused.js", "export const which = async s => (await import(s)).twice;", true, true},
		{"unused.js", "export const agent = {import(ctx) { return ctx; }}; agent.import(1);", false, false}, // only called so
	} {
		gotA, gotB := versions(tt.file, tt.added)
		if (gotA != a) != tt.changesA || (gotB != b) != tt.changesB {
			t.Errorf("%s %s: changes a: %v, b: %v, want %v, %v", tt.file, tt.added, gotA != a, gotB != b, tt.changesA, tt.changesB)
		}
	}
}
