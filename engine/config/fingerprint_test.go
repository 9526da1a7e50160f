package config_test

import (
	"strings"
	"testing"
)

// TestFingerprint: only what is written about the system of an agent and its
// objects decides what an import delivers.
func TestFingerprint(t *testing.T) {
	const base = `
metaverse: {person: {attributes: {name: string}}}
agents:
  HR:
    type: csv
    file: hr.csv
    objects: {employee: {anchor: [id], attributes: {manager: reference}}}
`
	of := func(change ...string) string {
		t.Helper()
		c, err := loadText(strings.NewReplacer(change...).Replace(base))
		if err != nil {
			t.Fatal(err)
		}
		return c.Agents[0].Fingerprint
	}
	same := map[string][]string{
		"thresholds":   {"    type: csv\n", "    type: csv\n    thresholds: {import: {deletes: 5}}\n"},
		"recall":       {"    type: csv\n", "    type: csv\n    recall: false\n"},
		"schedule":     {"    type: csv\n", "    type: csv\n    import: 15m\n"},
		"order":        {"    type: csv\n    file: hr.csv\n", "    file: hr.csv\n    type: csv\n"},
		"form":         {"{anchor: [id], attributes: {manager: reference}}", "{attributes: {manager: reference}, anchor: [id]}"},
		"other places": {"\nagents:\n", "\n\n# comment\nagents:\n"},
	}
	other := map[string][]string{
		"file":      {"hr.csv", "people.csv"},
		"anchor":    {"[id]", "[id, name]"},
		"type":      {"employee:", "person:"},
		"attribute": {"manager: reference", `manager: "reference[]"`},
	}
	want := of()
	for name, change := range same {
		if got := of(change...); got != want {
			t.Errorf("%s: %s, want that of before, %s", name, got, want)
		}
	}
	seen := map[string]string{want: "the first"}
	for name, change := range other {
		got := of(change...)
		if seen[got] != "" {
			t.Errorf("%s: the fingerprint is that of %s", name, seen[got])
		}
		seen[got] = name
	}
}
