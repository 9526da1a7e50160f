package config_test

import (
	"slices"
	"testing"
)

// A name in a list in brackets is whole, with or without quotes.
func TestNamesInLists(t *testing.T) {
	for text, want := range map[string][]string{
		`[ou=People,dc=example,dc=org]`:              {"ou=People,dc=example,dc=org"},
		`[ ou=Some People,dc=example , "ou=b,dc=c"]`: {"ou=Some People,dc=example", "ou=b,dc=c"},
		`[ou=a,dc=b, ou=c,dc=d]`:                     {"ou=a,dc=b", "ou=c,dc=d"},
		`[o=a, o=b]`:                                 {"o=a", "o=b"},
		`["o=a","o=b"]`:                              {"o=a", "o=b"},
		`[o=a,"o=b",'o=c',o=d]`:                      {"o=a", "o=b", "o=c", "o=d"},
		`[id,branch,o=a]`:                            {"id", "branch", "o=a"},

		`[0.9.2342.19200300.100.1.25=example,2.5.4.10=org,=id]`: {"0.9.2342.19200300.100.1.25=example,2.5.4.10=org", "=id"},
		"\n      - ou=a,dc=b\n      - ou=c,dc=b":                {"ou=a,dc=b", "ou=c,dc=b"},
	} {
		c, err := loadText("agents:\n  HR:\n    type: csv\n    file: hr.csv\n    columns: " + text + "\n")
		if err != nil {
			t.Errorf("%s: %s", text, errorLines(err))
			continue
		}
		if got := c.Agents[0].Settings.(*csvSettings).Columns; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
