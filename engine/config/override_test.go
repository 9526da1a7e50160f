package config_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
)

// TestOverrideOfNothing: a configuration that an override leaves alone is the same,
// with the same places.
func TestOverrideOfNothing(t *testing.T) {
	idle := config.Override{Apply: func(document []byte) ([]byte, error) { return document, nil }}
	archives(t, "valid", func(t *testing.T, _ string, archive *txtar.Archive) {
		opts := options(archive)
		want, err := config.Load(in("metasync.yaml"), opts)
		if err != nil {
			t.Fatal(errorLines(err))
		}
		opts.Overrides = []config.Override{idle, idle}
		got, err := config.Load(in("metasync.yaml"), opts)
		if err != nil {
			t.Fatal(errorLines(err))
		}
		same(t, want, got)
		settings, err := config.Settings(in("metasync.yaml"), opts)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range settings {
			if s.By != "file" || s.From == "" || strings.Contains(s.Value, "hunter2") || strings.Contains(s.Value, "s3cret") {
				t.Errorf("%+v", s)
			}
		}
	})
	archives(t, "invalid", func(t *testing.T, _ string, archive *txtar.Archive) {
		opts := options(archive)
		_, want := config.Load(in("metasync.yaml"), opts)
		opts.Overrides = []config.Override{idle}
		if _, err := config.Load(in("metasync.yaml"), opts); err == nil {
			t.Errorf("accepted, without the override: %s", errorLines(want))
		}
	})
}

func TestOverride(t *testing.T) {
	text := `metaverse: {person: {attributes: {name: string}}}
agents:
  HR: {type: csv, file: hr.csv, objects: {employee: {anchor: [id]}}}
`
	at := fault.Position{File: filepath.Join(folder, "scripts", "a.js"), Line: 3, Column: 1}
	for _, tt := range []struct {
		name     string
		from, to string
		fail     error
		want     string // the errors, "" if it is right
	}{
		{"a value", `"hr.csv"`, `"${env:FOLDER}/hr.csv"`, nil, ""},
		{"a new agent", `"agents":{`, `"agents":{"AD":{"type":"csv","file":"ad.csv","objects":{"user":{"anchor":["id"]}}},`, nil, ""},
		{"a value that is wrong", `"hr.csv"`, `7`, nil, "scripts/a.js:3:1: want a text, not a number (put it in quotes)"},
		{"a key that is unknown", `"file"`, `"fiel"`, nil, "scripts/a.js:3:1: unknown key"},
		{"a variable that is not set", `"hr.csv"`, `"${env:NOTHING}"`, nil, `scripts/a.js:3:1: environment variable "NOTHING" is not set`},
		{"where the scripts are", `{"metaverse"`, `{"scripts":"x","metaverse"`, nil, `scripts/a.js:3:1: a script cannot change "scripts"`},
		{"who is told", `{"metaverse"`, `{"notify":{"webhooks":[{"url":"http://eve.example.org"}]},"metaverse"`, nil, `scripts/a.js:3:1: a script cannot change "notify"`},
		{"no object", `{"metaverse"`, `[{"metaverse"`, nil, "cannot be read"},
		{"a failure", "", "", errors.New("no"), "scripts/a.js:3:1: unexpected-error: no"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opts := options(&txtar.Archive{Files: []txtar.File{{Name: "metasync.yaml", Data: []byte(text)}}})
			opts.Overrides = []config.Override{{Position: at, Apply: func(document []byte) ([]byte, error) {
				return []byte(strings.Replace(string(document), tt.from, tt.to, 1)), tt.fail
			}}}
			_, err := config.Load(in("metasync.yaml"), opts)
			got := ""
			if err != nil {
				got = errorLines(err)
			}
			if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
