//go:build tsc

package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/scripting/host"
)

// TestTypeCheck has the TypeScript compiler check the scripts that ship against the
// types that metasync writes for them, and scripts with mistakes: it finds an error
// in exactly the lines that end with "// wrong".
func TestTypeCheck(t *testing.T) {
	t.Parallel()
	tsc := typeScript(t)
	copied := func(folders ...string) func(*testing.T, string) {
		return func(t *testing.T, to string) {
			for _, folder := range folders {
				copyFolder(t, filepath.FromSlash(folder), to)
			}
			runCommand(t, "types", "-c", filepath.Join(to, "metasync.yaml"))
		}
	}
	for name, prepare := range map[string]func(t *testing.T, to string){
		"init":       func(t *testing.T, to string) { runCommand(t, "init", to) },
		"quickstart": copied("../../examples/quickstart"),
		"shipped":    copied("testdata/types/shipped", "../../scripts"),
		"rest-agent": copied("../../examples/rest-agent"),
		"mistakes":   copied("testdata/types/mistakes"),
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			prepare(t, folder)
			want := marked(t, folder)
			if mistakes := name == "mistakes"; mistakes != (len(want) > 0) {
				t.Fatalf("%d lines are marked as wrong", len(want))
			}
			// The declarations are checked, too, which editors leave out.
			command := exec.CommandContext(t.Context(), tsc[0], append(tsc[1:], "-p", folder+"/scripts/"+host.EditorFile, "--skipLibCheck", "false", "--pretty", "false")...)
			command.Dir = folder
			out, err := command.CombinedOutput()
			var got []string
			for _, m := range regexp.MustCompile(`(?m)^(\S+)\((\d+),\d+\): error`).FindAllSubmatch(out, -1) {
				got = append(got, string(m[1])+":"+string(m[2]))
			}
			slices.Sort(got)
			if diff := cmp.Diff(want, slices.Compact(got)); diff != "" || (err == nil) != (len(want) == 0) {
				t.Errorf("lines that are wrong, that tsc says are: %s\n%s%v", diff, out, err)
			}
		})
	}
}

// typeScript returns the command that is the TypeScript compiler. Who asks for the
// test, by the build tag tsc, has one.
func typeScript(t *testing.T) []string {
	t.Helper()
	if path, err := exec.LookPath("tsc"); err == nil {
		return []string{path}
	}
	t.Fatal("there is no TypeScript compiler: npm install --global typescript")
	return nil
}

// marked returns the lines of scripts that are marked as wrong.
func marked(t *testing.T, folder string) []string {
	t.Helper()
	var lines []string
	err := fs.WalkDir(os.DirFS(folder), "scripts", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(folder, path))
		n := 0
		for line := range strings.Lines(string(text)) {
			if n++; strings.HasSuffix(line, " // wrong\n") {
				lines = append(lines, fmt.Sprintf("%s:%d", path, n))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

// runCommand runs a command that must succeed.
func runCommand(t *testing.T, args ...string) {
	t.Helper()
	var errors strings.Builder
	if code := execute(t.Context(), args, io.Discard, &errors); code != exitDone {
		t.Fatalf("%q: exit code %d: %s", args, code, errors.String())
	}
}
