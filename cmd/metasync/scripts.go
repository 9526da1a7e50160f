package main

import (
	"fmt"
	"strings"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/engine/fault"
)

type scriptsCmd struct{}

func (*scriptsCmd) Help() string {
	return "Shows the generation of scripts that is in force, what it registers and where, and which change was refused and why, " +
		"and which one is held for approval. " +
		"The version of a registration is that of the files that it depends on."
}

func (*scriptsCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		view, err := service.Scripts(a.ctx)
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(view)
		}
		a.printRejected(view.Rejected)
		a.printHeld(view.Held)
		running := view.Running
		t := newTable(a.stdout)
		t.row("running", fmt.Sprintf("generation %s since %s", running.Generation, stamp(running.Since)))
		if r := view.Rejected; r != nil && r.Generation != "" && r.Generation != running.Generation {
			t.row("refused", fmt.Sprintf("generation %s at %s", r.Generation, stamp(r.At)))
		}
		if h := view.Held; h != nil {
			what := "held"
			if h.Rejected != nil {
				what = "rejected"
			}
			t.row(what, fmt.Sprintf("generation %s at %s", h.Generation, stamp(h.At)))
		}
		t.row("folder", nearest(running.Folder))
		t.row("files", strings.Join(running.Files, ", "))
		t.row("tests", fmt.Sprintf("%d passed", running.Tests))
		if err := t.end(); err != nil || len(running.Registrations) == 0 {
			return err
		}
		fmt.Fprintln(a.stdout)
		t = newTable(a.stdout)
		t.row("KIND", "NAME", "FUNCTIONS", "PLACE", "VERSION")
		for _, r := range running.Registrations {
			at := fault.Position{File: a.place(r.File), Line: r.Line, Column: r.Column}
			t.row(r.Kind, r.Name, strings.Join(r.Functions, ", "), at, r.Version)
		}
		return t.end()
	})
}
