package autosyncxml_test

import (
	"encoding/binary"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/config/autosyncxml"
	"github.com/metasync/metasync/engine/fault"
)

var update = flag.Bool("update", false, "write the expected files anew")

// The configuration and the notes that become of a whole file. With agents of some type
// it loads, and says what AutoSync did.
func TestDecode(t *testing.T) {
	data, err := os.ReadFile("testdata/config.xml")
	if err != nil {
		t.Fatal(err)
	}
	d, err := autosyncxml.Decode("config.xml", data)
	if err != nil {
		t.Fatal(err)
	}
	var notes strings.Builder
	for _, n := range d.Notes {
		notes.WriteString(n.Error() + "\n")
	}
	golden(t, "testdata/config.yaml", string(d.Text))
	golden(t, "testdata/notes.txt", notes.String())
	if strings.Contains(string(d.Text), "s3cret") || strings.Contains(notes.String(), "s3cret") {
		t.Error("a secret was taken over")
	}

	whole := regexp.MustCompile(`(?m)^    # put its type .*$`).ReplaceAllString(string(d.Text), "    type: any")
	kind := agent.Kind{Name: "any", New: func() agent.Settings { return new(anySettings) }}
	cfg, err := config.Load("metasync.yaml", config.Options{
		Kinds:    []agent.Kind{kind},
		ReadFile: func(string) ([]byte, error) { return []byte(whole), nil },
		Getenv:   func(string) (string, bool) { return "p", true },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Agents) != 3 || cfg.Notify.Mail == nil || cfg.Notify.Mail.Password != "p" {
		t.Fatalf("%d agents, mail %v", len(cfg.Agents), cfg.Notify.Mail)
	}
	hr := &cfg.Agents[0]
	if len(hr.Triggers) != 2 || hr.Import.Every != 15*time.Minute || hr.Export {
		t.Errorf("HR has %d triggers, %v, export %v", len(hr.Triggers), hr.Import, hr.Export)
	}
}

type anySettings struct{}

func (*anySettings) Open(agent.Env) (agent.Agent, error) { return nil, nil }

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: -want +got\n%s", filepath.Base(path), diff)
	}
}

// Files that PowerShell wrote are in UTF-16.
func TestUTF16(t *testing.T) {
	data, err := os.ReadFile("testdata/config.xml")
	if err != nil {
		t.Fatal(err)
	}
	want, err := autosyncxml.Decode("config.xml", data)
	if err != nil {
		t.Fatal(err)
	}
	for name, order := range map[string]binary.AppendByteOrder{"little": binary.LittleEndian, "big": binary.BigEndian} {
		wide := order.AppendUint16(nil, 0xfeff)
		for _, unit := range utf16.Encode([]rune(strings.Replace(string(data), "utf-8", "utf-16", 1))) {
			wide = order.AppendUint16(wide, unit)
		}
		got, err := autosyncxml.Decode("config.xml", wide)
		if err != nil {
			t.Errorf("%s endian: %v", name, err)
			continue
		}
		if diff := cmp.Diff(string(want.Text), string(got.Text)); diff != "" {
			t.Errorf("%s endian: -want +got\n%s", name, diff)
		}
	}
}

func TestNotAConfiguration(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "config.xml:1:1: autosync-config-parsing-error: there is no XML element in it",
		"<a><b></a>":          "config.xml:1:11: autosync-config-parsing-error: not XML",
		"<rules><r/></rules>": "config.xml:1:1: autosync-config-parsing-error: <rules> holds neither",
	} {
		d, err := autosyncxml.Decode("config.xml", []byte(text))
		if d != nil || fault.Name(err) != "autosync-config-parsing-error" || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// Whatever a name holds, it stays a text.
func TestNames(t *testing.T) {
	for _, name := range []string{"a b", "no", "1", `x: "y"`, "${env:HOME}", "é", "# c", "a\\b"} {
		text := "<c><management-agents><m><name>" + strings.NewReplacer(`"`, "&quot;").Replace(name) + "</name></m></management-agents></c>"
		d, err := autosyncxml.Decode("config.xml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		whole := strings.Replace(string(d.Text), "    # put its type and what belongs to it here", "    type: any", 1)
		cfg, err := config.Load("metasync.yaml", config.Options{
			Kinds:    []agent.Kind{{Name: "any", New: func() agent.Settings { return new(anySettings) }}},
			ReadFile: func(string) ([]byte, error) { return []byte(whole), nil },
		})
		if err != nil {
			t.Errorf("%q: %v\n%s", name, err, whole)
			continue
		}
		if cfg.Agents[0].Name != name {
			t.Errorf("%q became %q", name, cfg.Agents[0].Name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	data, err := os.ReadFile("testdata/config.xml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("<c><settings><mail-enabled>true</mail-enabled></settings></c>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if d, err := autosyncxml.Decode("config.xml", data); (d == nil) == (err == nil) {
			t.Errorf("document %v, error %v", d, err)
		}
	})
}
