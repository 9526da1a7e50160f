package layers

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/metasync/metasync/agents/ad"
	"github.com/metasync/metasync/agents/csv"
	"github.com/metasync/metasync/agents/ldap"
	"github.com/metasync/metasync/agents/ldif"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/config"
)

func TestDependenciesAreJustified(t *testing.T) {
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
		Tool []struct{ Path string }
	}
	if err := json.Unmarshal([]byte(run(t, "go", "mod", "edit", "-json")), &mod); err != nil {
		t.Fatal(err)
	}

	text, err := os.ReadFile(filepath.Join(root, "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, match := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*) \\|$").FindAllSubmatch(text, -1) {
		listed[string(match[1])] = true
		if len(bytes.TrimSpace(match[2])) < 10 {
			t.Errorf("docs/dependencies.md: %s has no justification", match[1])
		}
	}

	wanted := map[string]bool{}
	for _, r := range mod.Require {
		isTool := slices.ContainsFunc(mod.Tool, func(tool struct{ Path string }) bool {
			return tool.Path == r.Path || strings.HasPrefix(tool.Path, r.Path+"/")
		})
		if r.Indirect && !isTool {
			continue
		}
		wanted[r.Path] = true
		if !listed[r.Path] {
			t.Errorf("go.mod requires %s, which docs/dependencies.md does not justify", r.Path)
		}
	}
	for path := range listed {
		if !wanted[path] {
			t.Errorf("docs/dependencies.md justifies %s, which go.mod does not require directly", path)
		}
	}
}

// Every key that a configuration may have is explained.
func TestConfigurationIsDocumented(t *testing.T) {
	schema, err := config.Schema([]agent.Kind{ad.Kind, csv.Kind, ldap.Kind, ldif.Kind})
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := json.Unmarshal(schema, &document); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	keys := propertyNames(document)
	if len(keys) < 50 {
		t.Errorf("only %d keys found in the schema", len(keys))
	}
	for key := range keys {
		if !regexp.MustCompile("`" + key + "`|\\b" + key + ":").Match(text) {
			t.Errorf("docs/configuration.md does not mention the key %q", key)
		}
	}
}

// propertyNames returns the names of all properties in a JSON Schema.
func propertyNames(schema any) map[string]bool {
	names := map[string]bool{}
	var walk func(any)
	walk = func(value any) {
		switch value := value.(type) {
		case []any:
			for _, item := range value {
				walk(item)
			}
		case map[string]any:
			properties, _ := value["properties"].(map[string]any)
			for name := range properties {
				names[name] = true
			}
			for _, child := range value {
				walk(child)
			}
		}
	}
	walk(schema)
	return names
}

var (
	fence   = regexp.MustCompile("(?ms)^[ \t]*```.*?^[ \t]*```[ \t]*$")
	code    = regexp.MustCompile("`[^`\n]*`")
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
)

func TestLinksLeadSomewhere(t *testing.T) {
	links := 0
	for _, file := range files(t) {
		if filepath.Ext(file) != ".md" {
			continue
		}
		for _, match := range link.FindAllStringSubmatch(prose(t, file), -1) {
			if strings.Contains(match[1], "://") || strings.HasPrefix(match[1], "mailto:") {
				continue
			}
			links++
			path, anchor, _ := strings.Cut(match[1], "#")
			target := file
			if path != "" {
				target = filepath.Join(filepath.Dir(file), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: the link %s leads nowhere", relative(file), match[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(t, target), anchor) {
				t.Errorf("%s: %s has no heading #%s", relative(file), relative(target), anchor)
			}
		}
	}
	if links == 0 {
		t.Error("no internal link was found at all")
	}
}

func TestAnchors(t *testing.T) {
	for text, want := range map[string]string{
		"Rules":                   "rules",
		"The way of one change":   "the-way-of-one-change",
		"`agents:` and `objects`": "agents-and-objects",
		"What does goja not do?":  "what-does-goja-not-do",
	} {
		if got := anchorOf(text); got != want {
			t.Errorf("anchorOf(%q) = %q, want %q", text, got, want)
		}
	}
}

// prose returns a page without its code.
func prose(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return code.ReplaceAllString(fence.ReplaceAllString(string(text), ""), "")
}

// anchors returns the names under which the headings of a page can be linked.
func anchors(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, match := range heading.FindAllStringSubmatch(fence.ReplaceAllString(string(text), ""), -1) {
		names = append(names, anchorOf(match[1]))
	}
	return names
}

// anchorOf turns a heading into the name that forges give it: small letters,
// blanks as hyphens, no punctuation.
func anchorOf(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(heading))
}

// Nothing half there is committed: what is out of scope is absent.
func TestNothingIsLeftToDo(t *testing.T) {
	marks := regexp.MustCompile(`\b(` + strings.Join([]string{"TO" + "DO", "FIX" + "ME", "XX" + "X", "W" + "IP"}, "|") + `)\b`)
	for _, file := range files(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(text, 0) >= 0 {
			continue // not a text
		}
		for i, line := range strings.Split(string(text), "\n") {
			if mark := marks.FindString(line); mark != "" {
				t.Errorf("%s:%d: %s: finish it, or leave it out", relative(file), i+1, mark)
			}
		}
	}
}

// files returns every file of the repository that somebody wrote: not what git
// keeps, what is built, or what fuzzing found.
func files(t *testing.T) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.IsDir() {
			list = append(list, path)
			return nil
		}
		switch rel := relative(path); {
		case rel == ".git", rel == "bin", rel == "demo", entry.Name() == ".metasync", strings.HasSuffix(filepath.ToSlash(rel), "testdata/fuzz"):
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// relative returns the path within the module.
func relative(path string) string {
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return path
	}
	return rel
}
