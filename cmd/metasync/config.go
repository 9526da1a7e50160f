package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/metasync/metasync/daemon"
)

type configCmd struct {
	Path    string `arg:"" optional:"" help:"Only what is at or below this path, such as agents.HR."`
	Changed bool   `help:"Only what scripts have changed."`
}

func (*configCmd) Help() string {
	return "Values of ${env:} and ${file:} are shown as they are written. Keys that are not given are not shown: they have their defaults."
}

func (c *configCmd) Run(a *app) error {
	all, err := daemon.Settings(a.ctx, a.daemon())
	if err != nil {
		return err
	}
	settings := all[:0]
	for _, s := range all {
		if c.Path != "" && s.Path != c.Path && !strings.HasPrefix(s.Path, c.Path+".") || c.Changed && s.By != "script" {
			continue
		}
		settings = append(settings, s)
	}
	if a.JSON {
		return a.printJSON(settings)
	}
	t := newTable(a.stdout)
	t.row("KEY", "VALUE", "FROM", "INSTEAD OF")
	for _, s := range settings {
		value := s.Value
		if value == "" {
			value = "(removed)"
		}
		t.row(s.Path, oneLine(value), s.From, oneLine(cmp.Or(s.Was, "-")))
	}
	if err := t.end(); err != nil {
		return fmt.Errorf("print the configuration: %w", err)
	}
	return nil
}
