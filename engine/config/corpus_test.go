package config_test

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
)

var update = flag.Bool("update", false, "write the errors that are found into testdata/invalid")

// folder is where the files of a test seem to be.
var folder = filepath.FromSlash("/etc/metasync")

var environment = map[string]string{
	"PASSWORD": "s3cret", "TOKEN": "let-monitoring-in", "DIALECT": "entra", "FOLDER": "data", "TIME": "15m", "DEPROVISION": "delete",
	"LIMIT": "50", "TYPE": "string[]", "WHEN": "any-of",
}

// certificate is one that nobody has signed but itself.
const certificate = `-----BEGIN CERTIFICATE-----
MIIBDDCBs6ADAgECAgEBMAoGCCqGSM49BAMCMA8xDTALBgNVBAMTBHRlc3QwIBcN
NzAwMTAxMDAwMDAwWhgPMjI0MjAzMTYxMjU2MzJaMA8xDTALBgNVBAMTBHRlc3Qw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATPUxFwM3plOi+ij8adT4EyXTMIm4jP
EYEfSbd9o+OJJlfSgOuMYWHbdBOZOOBqoTdEp9aWjs5iNLIdbxABIP83MAoGCCqG
SM49BAMCA0gAMEUCIFoR72WKTXHyhlhteglBBuBABNViwwOVI+kSoESHNqclAiEA
rRZPhZ4f4jaYaah5HV4gfj7MAhBMhj3tcSuYfHs5N/I=
-----END CERTIFICATE-----
`

// options reads files from an archive.
func options(archive *txtar.Archive) config.Options {
	files := map[string][]byte{filepath.Join(folder, "secret.txt"): []byte("hunter2\n"), filepath.Join(folder, "ca.pem"): []byte(certificate)}
	for _, f := range archive.Files {
		files[filepath.Join(folder, filepath.FromSlash(f.Name))] = f.Data
	}
	return config.Options{
		Kinds: kinds(),
		Getenv: func(name string) (string, bool) {
			value, ok := environment[name]
			return value, ok
		},
		ReadFile: func(path string) ([]byte, error) {
			if data, ok := files[path]; ok {
				return data, nil
			}
			return nil, fs.ErrNotExist
		},
		Glob: func(pattern string) ([]string, error) {
			var found []string
			for name := range files {
				ok, err := filepath.Match(pattern, name)
				if err != nil {
					return nil, err
				}
				if ok {
					found = append(found, name)
				}
			}
			_, err := filepath.Match(pattern, "")
			return found, err
		},
	}
}

func loadText(text string) (*config.Config, error) {
	archive := &txtar.Archive{Files: []txtar.File{{Name: "metasync.yaml", Data: []byte(text)}}}
	return config.Load(filepath.Join(folder, "metasync.yaml"), options(archive))
}

// errorLines returns the errors as a user sees them, one per line.
func errorLines(err error) string {
	var out strings.Builder
	for _, e := range fault.All(err) {
		line := strings.ReplaceAll(e.Error(), folder+string(filepath.Separator), "")
		out.WriteString(strings.ReplaceAll(line, ": invalid-configuration", ""))
		if e.Hint != "" {
			out.WriteString(" (" + e.Hint + ")")
		}
		out.WriteString("\n")
	}
	return out.String()
}

func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	data, err := config.Schema(kinds())
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("metasync.schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("metasync.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func archives(t *testing.T, dir string, run func(t *testing.T, path string, archive *txtar.Archive)) {
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			run(t, path, archive)
		})
	}
}

func TestValidCorpus(t *testing.T) {
	schema := compileSchema(t)
	archives(t, "valid", func(t *testing.T, _ string, archive *txtar.Archive) {
		if _, err := config.Load(filepath.Join(folder, "metasync.yaml"), options(archive)); err != nil {
			t.Errorf("the loader refuses it:\n%s", errorLines(err))
		}
		for _, f := range archive.Files {
			value, ok := config.JSON(f.Data)
			if !ok {
				t.Fatalf("%s is not YAML", f.Name)
			}
			if err := schema.Validate(value); err != nil {
				t.Errorf("the schema refuses %s: %#v", f.Name, err)
			}
		}
	})
}

func TestInvalidCorpus(t *testing.T) {
	schema := compileSchema(t)
	archives(t, "invalid", func(t *testing.T, path string, archive *txtar.Archive) {
		var want string
		main := archive.Files[0]
		files := archive.Files
		if last := len(files) - 1; files[last].Name == "errors" {
			want, files = string(files[last].Data), files[:last]
		}
		c, err := config.Load(filepath.Join(folder, "metasync.yaml"), options(&txtar.Archive{Files: files}))
		if err == nil {
			t.Fatal("the loader accepts it")
		}
		if c != nil {
			t.Error("Load returns a configuration together with an error")
		}
		got := errorLines(err)
		if *update {
			archive.Files = append(files[:len(files):len(files)], txtar.File{Name: "errors", Data: []byte(got)})
			if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("errors (-want +got):\n%s", diff)
		}
		for _, secret := range []string{"s3cret", "hunter2"} {
			if strings.Contains(got+err.Error(), secret) {
				t.Errorf("the errors show a secret:\n%s", got)
			}
		}
		if bytes.Contains(archive.Comment, []byte("not YAML")) {
			return
		}
		value, ok := config.JSON(main.Data)
		if !ok {
			t.Fatal("not YAML")
		}
		accepts := bytes.Contains(archive.Comment, []byte("schema accepts"))
		if err := schema.Validate(value); accepts != (err == nil) {
			t.Errorf("schema accepts: want %v, got %v", accepts, err)
		}
	})
}
