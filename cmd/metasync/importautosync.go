package main

import (
	"errors"
	"os"

	"github.com/metasync/metasync/engine/config/autosyncxml"
)

type importAutosyncCmd struct {
	File string `arg:"" help:"The config.xml of AutoSync."`
	Out  string `placeholder:"FILE" help:"Write to this file, which must not exist, instead of standard output."`
}

func (*importAutosyncCmd) Help() string {
	return "Prints profiles, triggers, thresholds and schedules of the agents and the sections autosync, notify and history, " +
		"to be merged into a configuration; and on standard error what has no counterpart. It needs no configuration, and takes no password over."
}

// autosyncResult is what import-autosync prints with --json.
type autosyncResult struct {
	Text  string   `json:"text"`
	Notes []string `json:"notes"`
}

func (c *importAutosyncCmd) Run(a *app) error {
	data, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	document, err := autosyncxml.Decode(absolute(c.File), data)
	if err != nil {
		return err
	}
	if c.Out != "" {
		f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		_, err = f.Write(document.Text)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	if a.JSON {
		return a.printJSON(autosyncResult{Text: string(document.Text), Notes: a.noteTexts(document.Notes)})
	}
	a.printNotes(document.Notes)
	if c.Out != "" {
		return nil
	}
	_, err = a.stdout.Write(document.Text)
	return err
}
