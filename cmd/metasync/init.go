package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/scripting/host"
)

//go:embed template
var template embed.FS

type initCmd struct {
	Dir string `arg:"" help:"The folder; it is made if it does not exist."`
}

// initResult is what init prints with --json.
type initResult struct {
	Folder string   `json:"folder"`
	Files  []string `json:"files"`
}

func (c *initCmd) Run(a *app) error {
	files, err := templateFiles()
	if err != nil {
		return err
	}
	names := []string{"scripts/" + typesFile, "scripts/" + host.EditorFile}
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		path := filepath.Join(c.Dir, filepath.FromSlash(name))
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			e := fault.New("file-exists", "%s exists already; nothing was written", path)
			e.Hint = "choose another folder"
			return e
		}
	}
	for _, name := range names {
		if data, ok := files[name]; ok {
			if err := writeNew(filepath.Join(c.Dir, filepath.FromSlash(name)), data); err != nil {
				return err
			}
		}
	}
	types, err := daemon.Types(a.ctx, daemon.Options{File: absolute(filepath.Join(c.Dir, "metasync.yaml")), Kinds: kinds})
	if err != nil {
		return err
	}
	if _, err := host.WriteTypes(types.Folder, typesFile, types.Text); err != nil {
		return err
	}
	if a.JSON {
		return a.printJSON(initResult{c.Dir, names})
	}
	for _, name := range names {
		fmt.Fprintln(a.stdout, filepath.Join(c.Dir, filepath.FromSlash(name)))
	}
	next := "  metasync once\n"
	if filepath.Clean(c.Dir) != "." {
		next = "  cd " + c.Dir + "\n" + next
	}
	_, err = fmt.Fprintf(a.stdout, "\nNext:\n%s", next)
	return err
}

// templateFiles returns what a new folder holds, by path.
func templateFiles() (map[string][]byte, error) {
	root, err := fs.Sub(template, "template")
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	err = fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files[path], err = fs.ReadFile(root, path)
		return err
	})
	return files, err
}

// writeNew writes a file that does not exist, and the folders above it.
func writeNew(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
