package main

import (
	"fmt"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine"
)

// forecast carries out preview --all.
func (c *previewCmd) forecast(a *app, service console.Service) error {
	q := daemon.ForecastQuery{Samples: c.Samples}
	if c.With != "" {
		q.With = absolute(c.With)
	}
	f, err := service.Forecast(a.ctx, q, a.line.Progress)
	a.line.Clear()
	if err != nil {
		return err
	}
	if a.JSON {
		err = a.printJSON(f)
	} else {
		err = a.printForecast(f, c.With)
	}
	switch {
	case err != nil:
		return err
	case c.With != "" && f.Different:
		return exitDifferent
	case len(f.Errors) > 0:
		return exitErrors
	}
	return nil
}

// printForecast prints what would become different for everything.
func (a *app) printForecast(f *engine.Forecast, with string) error {
	for _, w := range f.Warnings {
		fmt.Fprintf(a.stderr, "warning: %s\n", w)
	}
	for _, e := range f.Errors {
		fmt.Fprintf(a.stdout, "error: %s %s: %s\n", e.Agent, oneLine(e.DN), oneLine(errorText(&e.ErrorRecord)))
	}
	switch {
	case !f.Different && with != "":
		fmt.Fprintln(a.stdout, "no difference: the other configuration leads to the same objects")
		return nil
	case !f.Different:
		fmt.Fprintln(a.stdout, "nothing would change")
		return nil
	case with != "":
		fmt.Fprintf(a.stdout, "with %s these objects would be different:\n", with)
	default:
		fmt.Fprintln(a.stdout, "a full synchronization and its exports would change these objects:")
	}
	return a.printDifferences(f)
}

// printDifferences prints the counts of a forecast and its samples.
func (a *app) printDifferences(f *engine.Forecast) error {
	t := newTable(a.stdout)
	t.row("", "ADDS", "UPDATES", "RENAMES", "DELETES", "CONNECTED", "DISCONNECTED")
	for _, m := range f.Metaverse {
		t.row("metaverse "+m.Type, m.Adds, m.Updates, m.Renames, m.Deletes, "-", "-")
	}
	for _, s := range f.Agents {
		t.row(s.Agent, s.Adds, s.Updates, s.Renames, s.Deletes, s.Connected, s.Disconnected)
	}
	if err := t.end(); err != nil {
		return err
	}
	for _, m := range f.Metaverse {
		a.printChanges("metaverse "+m.Type, m.Changes)
	}
	for _, s := range f.Agents {
		a.printChanges(s.Agent, s.Changes)
	}
	return nil
}

func (a *app) printChanges(title string, c engine.Changes) {
	var lines []string
	if len(c.Attributes) > 0 {
		lines = append(lines, "attributes: "+counters(c.Attributes))
	}
	for _, s := range c.Samples {
		lines = append(lines, fmt.Sprintf("%s %s %s", s.Operation, s.Object, s.DN))
		lines = append(lines, sampleTexts(s)...)
	}
	a.section(title, lines)
}
