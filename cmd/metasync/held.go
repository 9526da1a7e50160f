package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine"
)

// shownHeld is how many objects of a change that is held people get to see.
const shownHeld = 20

// printHeld says, before anything else, that a change waits for approval, or was
// refused it.
func (a *app) printHeld(h *daemon.Held) {
	if h == nil {
		return
	}
	line := func(format string, args ...any) { fmt.Fprintf(a.stdout, "*** "+format+"\n", args...) }
	if r := h.Rejected; r != nil {
		by := fmt.Sprintf("by %s at %s", cmp.Or(r.User, "somebody"), stamp(r.At))
		if r.Reason != "" {
			by += ": " + oneLine(r.Reason)
		}
		line("REJECTED generation %s %s", h.Generation, by)
	} else {
		line("HELD at %s: generation %s waits for approval", stamp(h.At), h.Generation)
	}
	line("  generation %s stays in force", h.Running)
	for _, f := range h.Changed {
		line("  %s: %s", oneLine(f.File), f.Change)
	}
	when := ""
	if slices.ContainsFunc(h.Counts, func(c engine.GuardCount) bool { return c.Decisions > 0 }) {
		when = ", now or once they leave"
	}
	line("  %s would newly be deleted or disconnected"+when+", of %d of %s looked at; scripting.guard.deletes allows %d",
		number(h.Deletes, "object"), h.Looked, number(h.Objects, "object"), h.Limit)
	if h.TimeOver {
		line("  the time was over before the sample was looked at")
	}
	if h.Ended != "" {
		line("  a script ended the comparison: %s", oneLine(h.Ended))
	}
	if h.Failures > 0 {
		line("  %s would newly have an error", number(h.Failures, "object"))
	}
	for _, c := range h.Counts {
		var parts []string
		for _, n := range []struct {
			count int
			what  string
		}{{c.Deletes, "deleted"}, {c.Disconnects, "disconnected"}, {c.Decisions, "deleted if they are deprovisioned or lose a link"}} {
			if n.count > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n.count, n.what))
			}
		}
		line("  %s %s: %s", cmp.Or(c.Agent, "metaverse"), c.Object, strings.Join(parts, ", "))
	}
	for _, o := range h.First[:min(len(h.First), shownHeld)] {
		line("    %s %s %s: %s", cmp.Or(o.Agent, "metaverse"), o.Object, oneLine(o.DN), oneLine(o.Text))
	}
	if more := h.Deletes - len(h.First); more > 0 {
		line("    and %d more", more)
	}
	line("  hint: metasync approve --generation %s puts it in force", h.Generation)
	if h.Rejected == nil {
		line("        metasync reject --generation %s keeps it out until the files change", h.Generation)
	}
	fmt.Fprintln(a.stdout)
}

// heldResult is what once and exec print with --json when a change is held.
type heldResult struct {
	Held daemon.Held `json:"held"`
}

// held prints what is held if that is why a command did nothing, and returns what the
// command ends with.
func (a *app) held(err error) error {
	var held *daemon.HeldError
	if !errors.As(err, &held) {
		return err
	}
	if a.JSON {
		if err := a.printJSON(heldResult{held.Held}); err != nil {
			return err
		}
		return exitHeld
	}
	a.printHeld(&held.Held)
	return exitHeld
}
