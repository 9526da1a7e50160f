package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

// maxPrintedErrors is how many errors on objects people get to see.
const maxPrintedErrors = 10

// exitFor returns the exit code that the severity of results calls for.
func exitFor(severities ...int) exitCode {
	worst := 0
	for _, s := range severities {
		worst = max(worst, s)
	}
	switch {
	case worst <= run.CompletedWarnings.Severity():
		return exitDone
	case worst == run.CompletedSyncErrors.Severity():
		return exitErrors
	case worst == run.StoppedDeletionLimit.Severity():
		return exitHeld
	}
	return exitFailed
}

// result returns an exit code as the error of a command.
func (c exitCode) result() error {
	if c == exitDone {
		return nil
	}
	return c
}

// runAgent is the agent of a run, or the metaverse if the run is about that.
func runAgent(r *run.Record) string {
	if r.Agent == "" {
		return "metaverse"
	}
	return r.Agent
}

// causeText is a cause as people read it.
func causeText(c run.Cause) string {
	text := c.Kind
	if c.Name != "" {
		text += " " + c.Name
	}
	if c.User != "" {
		text += " by " + c.User
	}
	if c.Parent != 0 {
		text += fmt.Sprintf(" of run %d", c.Parent)
	}
	return text
}

// printRecord prints a run with its counters and errors.
func (a *app) printRecord(r *run.Record) error {
	w := a.stdout
	fmt.Fprintf(w, "run %d: %s %s: %s\n", r.Run, runAgent(r), r.Profile, r.Result)
	t := newTable(w)
	t.row("  cause", causeText(r.Cause))
	t.row("  started", stamp(r.Started))
	t.row("  took", took(r.Started, r.Ended))
	if err := t.end(); err != nil {
		return err
	}
	for i, step := range r.Steps {
		what := string(step.Type)
		if step.Agent != "" {
			what = step.Agent + " " + what
		}
		fmt.Fprintf(w, "step %d: %s: %s\n", i+1, what, step.Result)
		if step.Error != "" {
			fmt.Fprintf(w, "  %s\n", oneLine(step.Error))
		}
		if step.Hint != "" {
			fmt.Fprintf(w, "  hint: %s\n", oneLine(step.Hint))
		}
		for _, about := range step.Warnings {
			fmt.Fprintf(w, "  warning: %s: %s; %s\n", about.Type, oneLine(about.Detail), oneLine(about.Hint))
		}
		if step.File != "" {
			fmt.Fprintf(w, "  written: %d to %s\n", step.Written, a.place(step.File))
		}
		t := newTable(w)
		for _, group := range counterGroups(step, counters[string]) {
			t.row("  "+group.name, group.counts)
		}
		if err := t.end(); err != nil {
			return err
		}
	}
	a.printObjectErrors([]*run.Record{r})
	return a.printHolds([]*run.Record{r})
}

// A counterGroup is a group of counters of a step, in one text.
type counterGroup struct{ name, counts string }

// counterGroups returns the groups in which a step counted something.
func counterGroups(step *run.Report, list func(map[string]int) string) []counterGroup {
	groups := []counterGroup{
		{"discovered", list(step.Discovery)},
		{"staging", list(step.Staging)},
		{"inbound", list(plain(step.Inbound))},
	}
	for _, agent := range slices.Sorted(maps.Keys(step.Outbound)) {
		groups = append(groups, counterGroup{"to " + agent, list(plain(step.Outbound[agent]))})
	}
	groups = append(groups, counterGroup{"export", list(step.Exports)}, counterGroup{"removed", list(step.Removed)})
	return slices.DeleteFunc(groups, func(g counterGroup) bool { return g.counts == "" })
}

func plain[K ~string](counts map[K]int) map[string]int {
	out := make(map[string]int, len(counts))
	for name, n := range counts {
		out[string(name)] = n
	}
	return out
}

// printObjectErrors lists the first errors on objects in some runs.
func (a *app) printObjectErrors(records []*run.Record) {
	total := 0
	for _, r := range records {
		for _, step := range r.Steps {
			for _, e := range slices.Concat(step.DiscoveryErrors, step.SyncErrors, step.RetryErrors, step.ExportErrors) {
				if total++; total == 1 {
					fmt.Fprintln(a.stdout, "errors on objects:")
				}
				if total <= maxPrintedErrors {
					fmt.Fprintf(a.stdout, "  run %d, %s: %s\n", r.Run, cmp.Or(step.Agent, r.Agent), oneLine(a.objectError(e)))
				}
			}
		}
	}
	if more := total - maxPrintedErrors; more > 0 {
		fmt.Fprintf(a.stdout, "  and %d more; metasync history RUN --json lists them\n", more)
	}
}

// objectError is an error on an object as people read it.
func (a *app) objectError(e run.ErrorRecord) string {
	var parts []string
	if at := (fault.Position{File: a.place(e.File), Line: e.Line, Column: e.Column}); !at.IsZero() {
		parts = append(parts, at.String())
	}
	object := e.DN
	if object == "" {
		object = e.Anchor
	}
	if object == "" && e.Object != 0 {
		object = "metaverse " + e.Object.String()
	}
	if object != "" {
		parts = append(parts, object)
	}
	parts = append(parts, e.Type)
	if e.Rule != "" {
		parts = append(parts, fmt.Sprintf("rule %q", e.Rule))
	}
	if e.Attribute != "" {
		parts = append(parts, "attribute "+e.Attribute)
	}
	if e.Detail != "" {
		parts = append(parts, e.Detail)
	}
	text := strings.Join(parts, ": ")
	if e.Warning {
		return "warning: " + text
	}
	return text
}
