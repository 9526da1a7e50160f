package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/config"
)

// openSettings have keys that only the running program knows.
type openSettings struct {
	Known any `yaml:"known" doc:"Described by what it points to."`
	Free  any `yaml:"free" doc:"Anything."`
}

func (*openSettings) Open(agent.Env) (agent.Agent, error) { return nil, errNotHere }

type inner struct {
	URL   *string      `yaml:"url,required" doc:"Where."`
	Token agent.Secret `yaml:"token" doc:"The token."`
}

func loadOpen(o config.Options, yaml string) (*config.Config, error) {
	o.Getenv = func(string) (string, bool) { return "hidden", true }
	o.ReadFile = func(string) ([]byte, error) { return []byte("agents:\n  X:\n" + yaml), nil }
	return config.Load("m.yaml", o)
}

func openKind(version string) []agent.Kind {
	return []agent.Kind{{Name: "open", Version: version, New: func() agent.Settings { return &openSettings{Known: &inner{}} }}}
}

// A kind may have keys that are described while the program runs, and such as hold
// anything.
func TestOpenKeys(t *testing.T) {
	c, err := loadOpen(config.Options{Kinds: openKind("")},
		"    type: open\n    known: {url: u, token: '${env:T}'}\n    free: {a: [1, 2.5, true, null, 'x', 0x10], b: '${env:T}'}\n")
	if err != nil {
		t.Fatal(err)
	}
	s := c.Agents[0].Settings.(*openSettings)
	url := "u"
	if diff := cmp.Diff(&inner{URL: &url, Token: "hidden"}, s.Known); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"a": []any{int64(1), 2.5, true, nil, "x", "0x10"}, "b": "hidden"}, s.Free); diff != "" {
		t.Error(diff)
	}
	for yaml, want := range map[string]string{
		"    type: open\n    known: {uri: u}\n":            `m.yaml:4:13: invalid-configuration: unknown key "uri"; did you mean "url"?`,
		"    type: open\n    known: 7\n":                   "m.yaml:4:12: invalid-configuration: want a mapping, not a number",
		"    type: open\n    known: {url: u, token: t}\n":  "m.yaml:4:28: invalid-configuration: a secret must not stand in the configuration",
		"    type: open\n    known: {url: u, token: ''}\n": "m.yaml:4:28: invalid-configuration: must not be empty",
	} {
		if _, err := loadOpen(config.Options{Kinds: openKind("")}, yaml); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", yaml, err, want)
		}
	}
	schema, err := config.Schema(openKind(""))
	if err != nil || !strings.Contains(string(schema), `"description": "Where."`) {
		t.Errorf("the schema does not describe the keys: %v", err)
	}
}

// What a kind is made of counts for what an import delivers.
func TestKindVersion(t *testing.T) {
	const yaml = "    type: open\n"
	fingerprint := func(version string) string {
		c, err := loadOpen(config.Options{Kinds: openKind(version)}, yaml)
		if err != nil {
			t.Fatal(err)
		}
		return c.Agents[0].Fingerprint
	}
	if a, b := fingerprint("1"), fingerprint("2"); a == b || fingerprint("") == a || fingerprint("1") != a {
		t.Errorf("fingerprints %s, %s", a, b)
	}
}

// Whoever does not know all kinds yet can read everything else.
func TestOtherKinds(t *testing.T) {
	const yaml = "    type: elsewhere\n    settings: {a: 1}\n    import: 10m\n"
	c, err := loadOpen(config.Options{Kinds: openKind(""), OtherKinds: true}, yaml)
	if err != nil || c.Agents[0].Settings != nil || c.Agents[0].Import.Every == 0 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := loadOpen(config.Options{Kinds: openKind("")}, yaml); err == nil || !strings.Contains(err.Error(), `unknown agent type "elsewhere"`) {
		t.Errorf("got %v", err)
	}
	_, err = loadOpen(config.Options{OtherKinds: true}, "    type: elsewhere\n    imports: 10m\n    import: soon\n")
	if err == nil || !strings.Contains(err.Error(), `"soon" is not auto`) || strings.Contains(err.Error(), "imports") {
		t.Errorf("got %v", err)
	}
}
