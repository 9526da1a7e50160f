package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
)

// Whatever the bytes: no panic; a configuration or errors, never both; each
// error has its place; and what the loader accepts, the schema accepts.
func FuzzLoad(f *testing.F) {
	paths, err := filepath.Glob(filepath.Join("testdata", "*", "*.txtar"))
	if err != nil || len(paths) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range txtar.Parse(data).Files {
			f.Add(file.Data)
		}
	}
	schema := compileSchema(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := loadText(string(data))
		if (c == nil) != (err != nil) {
			t.Fatalf("got %v and %v", c, err)
		}
		for _, e := range fault.All(err) {
			if e.Name == "" || e.Position.File == "" || e.Position.Line < 1 || e.Position.Column < 1 {
				t.Errorf("an error without name or place: %#v", e)
			}
		}
		if err != nil {
			return
		}
		value, ok := config.JSON(data)
		if !ok {
			t.Fatal("the loader accepts what is not YAML")
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("the loader accepts what the schema refuses: %v", err)
		}
	})
}
