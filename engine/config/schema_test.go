package config_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
)

// knownKeys returns every key that the schema or a tag in the code names.
func knownKeys(t *testing.T) []string {
	t.Helper()
	found := map[string]bool{"nonsense": true}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(name string) bool {
		return name == "schema_test.go" || name == "openkeys_test.go" // they hold mistakes, and keys of no kind of kinds
	})
	tag := regexp.MustCompile(`yaml:"([a-zA-Z]+)`)
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range tag.FindAllSubmatch(data, -1) {
			found[string(match[1])] = true
		}
	}
	data, err := config.Schema(kinds())
	if err != nil {
		t.Fatal(err)
	}
	var root any
	if err := json.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if properties, ok := v["properties"].(map[string]any); ok {
				for key := range properties {
					found[key] = true
				}
			}
			for _, child := range v {
				walk(child)
			}
		case []any:
			for _, child := range v {
				walk(child)
			}
		}
	}
	walk(root)
	return slices.Sorted(maps.Keys(found))
}

// In each mapping of a configuration that has every key, each further key that
// exists anywhere is given: the loader and the schema must reject the same ones.
func TestSchemaKnowsTheSameKeys(t *testing.T) {
	schema := compileSchema(t)
	all := knownKeys(t)
	archive, err := txtar.ParseFile(filepath.Join("testdata", "valid", "every-key.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	root, ok := config.JSON(archive.Files[0].Data)
	if !ok {
		t.Fatal("not YAML")
	}
	used := map[string]bool{}
	mappings := 0
	var visit func(path string, v any)
	visit = func(path string, v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				visit(path+"[]", item)
			}
		case map[string]any:
			mappings++
			var added []string
			for _, key := range all {
				if _, there := v[key]; !there {
					v[key] = nil
					added = append(added, key)
				}
			}
			byLoader, bySchema := unknownToLoader(t, root), unknownToSchema(schema, root)
			if diff := cmp.Diff(bySchema, byLoader); diff != "" {
				t.Errorf("%s: unknown keys (-schema +loader):\n%s", path, diff)
			}
			for _, key := range added {
				delete(v, key)
			}
			for key, child := range v {
				used[key] = true
				visit(path+"."+key, child)
			}
		}
	}
	visit("", root)
	if mappings < 50 {
		t.Errorf("only %d mappings were tried", mappings)
	}
	for _, key := range all {
		if !used[key] && key != "nonsense" {
			t.Errorf("key %q is missing in every-key.txtar", key)
		}
	}
}

func unknownToLoader(t *testing.T, root any) []string {
	t.Helper()
	data, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	_, err = loadText(string(data))
	unknown := regexp.MustCompile(`^unknown key "([^"]*)"`)
	found := map[string]bool{}
	for _, e := range fault.All(err) {
		if match := unknown.FindStringSubmatch(e.Text); match != nil {
			found[match[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func unknownToSchema(schema *jsonschema.Schema, root any) []string {
	found := map[string]bool{}
	var walk func(*jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		if extra, ok := e.ErrorKind.(*kind.AdditionalProperties); ok {
			for _, key := range extra.Properties {
				found[key] = true
			}
		}
		for _, cause := range e.Causes {
			walk(cause)
		}
	}
	if err, ok := schema.Validate(root).(*jsonschema.ValidationError); ok {
		walk(err)
	}
	return slices.Sorted(maps.Keys(found))
}

func TestReferenceNamesEveryKey(t *testing.T) {
	text, err := config.Reference(kinds())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range knownKeys(t) {
		if key != "nonsense" && !strings.Contains(string(text), "| `"+key+"` |") {
			t.Errorf("key %q is missing", key)
		}
	}
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "| `") && strings.HasSuffix(line, "|  |") {
			t.Errorf("a key without a description: %s", line)
		}
	}
}

// A mistake in the settings of an agent is found whatever the configuration.
func TestBadKinds(t *testing.T) {
	type channel struct {
		ldapSettings
		C chan int `yaml:"c"`
	}
	type taken struct {
		ldapSettings
		Import string `yaml:"import"`
	}
	newLDAP := func() agent.Settings { return &ldapSettings{} }
	for name, test := range map[string]struct {
		kinds []agent.Kind
		want  string
	}{
		"type":           {[]agent.Kind{{Name: "x", New: func() agent.Settings { return &channel{} }}}, "cannot have the type chan int"},
		"taken":          {[]agent.Kind{{Name: "x", New: func() agent.Settings { return &taken{} }}}, `key "import", which is taken`},
		"twice":          {[]agent.Kind{{Name: "x", New: newLDAP}, {Name: "x", New: newLDAP}}, "registered twice"},
		"no New":         {[]agent.Kind{{Name: "x"}}, "has no New"},
		"object":         {[]agent.Kind{{Name: "x", New: newLDAP, NewObject: func() any { return csvObject{} }}}, "not a pointer"},
		"object's taken": {[]agent.Kind{{Name: "x", New: newLDAP, NewObject: func() any { return &takenObject{} }}}, `key "anchor", which is taken`},
	} {
		t.Run(name, func(t *testing.T) {
			_, schemaErr := config.Schema(test.kinds)
			_, referenceErr := config.Reference(test.kinds)
			_, loadErr := config.Load("metasync.yaml", config.Options{Kinds: test.kinds})
			for _, err := range []error{schemaErr, referenceErr, loadErr} {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %q", err, test.want)
				}
			}
		})
	}
}

type takenObject struct {
	Anchor string `yaml:"anchor"`
}
