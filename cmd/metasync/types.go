package main

import (
	"fmt"
	"path/filepath"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/scripting/host"
)

// typesFile holds the declarations in the scripts folder.
const typesFile = "metasync.d.ts"

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
	} else if result.Files, err = host.WriteTypes(types.Folder, typesFile, types.Text); err != nil {
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
