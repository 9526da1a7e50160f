package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/scripting"
)

// The files for editors in the scripts folder.
const (
	typesFile  = "metasync.d.ts"
	editorFile = "jsconfig.json"
)

type typesCmd struct {
	Stdout bool `help:"Print the declarations and write nothing."`
}

func (*typesCmd) Help() string {
	return "Asks the connected systems for their attributes. metasync.d.ts is replaced; a jsconfig.json " +
		"that is there is left as it is. Scripts need not be right."
}

// typesResult is what types prints with --json.
type typesResult struct {
	Folder   string   `json:"folder"`
	Files    []string `json:"files"`           // that were written, in the folder
	Types    string   `json:"types,omitempty"` // instead, with --stdout
	Warnings []string `json:"warnings"`
}

func (c *typesCmd) Run(a *app) error {
	types, err := daemon.Types(a.ctx, a.daemon())
	if err != nil {
		return err
	}
	result := typesResult{Folder: types.Folder, Files: []string{}, Warnings: types.Warnings}
	if c.Stdout {
		result.Types = types.Text
	} else if result.Files, err = writeTypes(types); err != nil {
		return err
	}
	if a.JSON {
		return a.printJSON(result)
	}
	for _, warning := range types.Warnings {
		fmt.Fprintf(a.stderr, "warning: %s\n", warning)
	}
	if c.Stdout {
		_, err = fmt.Fprint(a.stdout, types.Text)
		return err
	}
	for _, name := range result.Files {
		fmt.Fprintln(a.stdout, filepath.Join(types.Folder, name))
	}
	return nil
}

// writeTypes writes the files for editors into the scripts folder and returns their
// names. The settings of an editor are the administrator's as soon as they are there.
func writeTypes(types *daemon.ScriptTypes) ([]string, error) {
	if err := os.MkdirAll(types.Folder, 0o755); err != nil {
		return nil, err
	}
	written := []string{typesFile}
	if err := os.WriteFile(filepath.Join(types.Folder, typesFile), []byte(types.Text), 0o644); err != nil {
		return nil, err
	}
	settings := filepath.Join(types.Folder, editorFile)
	if _, err := os.Lstat(settings); !errors.Is(err, fs.ErrNotExist) {
		return written, err
	}
	return append(written, editorFile), writeNew(settings, []byte(scripting.EditorSettings))
}
