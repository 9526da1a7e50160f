package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// fencedConsole matches the blocks of a page that show what to type.
var fencedConsole = regexp.MustCompile("(?s)```console\n(.*?)```")

// TestTour types what the pages tell the reader to type, in order, in a copy of
// the example that they are about.
func TestTour(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, page := range map[string]struct{ file, example string }{
		"readme":     {filepath.Join("..", "..", "README.md"), "quickstart"},
		"quickstart": {filepath.Join("..", "..", "examples", "quickstart", "README.md"), "quickstart"},
		"ldif":       {filepath.Join("..", "..", "examples", "ldif", "README.md"), "ldif"},
	} {
		script := tour(t, page.file, page.example)
		if err := os.WriteFile(filepath.Join(dir, name+".txtar"), []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := params(dir)
	p.UpdateScripts = false
	testscript.Run(t, p)
}

// tour turns the commands of a page into a script. A shell reads them, as the
// reader's does.
func tour(t *testing.T, page, example string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var script, files strings.Builder
	fmt.Fprintf(&script, "exec cp -r $EXAMPLES/%s demo\ncd demo\n", example)
	commands := 0
	for _, block := range fencedConsole.FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(block[1]) {
			command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ ")
			if !ok || strings.HasPrefix(command, "make") {
				continue
			}
			commands++
			fmt.Fprintf(&script, "exec sh -e $WORK/%d.sh\n", commands)
			command, inverted := strings.CutPrefix(command, "! ")
			if inverted {
				command = "if " + command + "; then exit 1; fi"
			}
			fmt.Fprintf(&files, "-- %d.sh --\n%s\n", commands, command)
		}
	}
	if commands < 5 {
		t.Fatalf("%s shows only %d commands", page, commands)
	}
	return script.String() + files.String()
}
