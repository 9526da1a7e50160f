package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/run"
)

type onceCmd struct {
	Full bool `help:"Import and synchronize everything, and not only what has changed."`
}

func (*onceCmd) Help() string {
	return "If a daemon is running it does the work, otherwise this command does. " +
		"Done a second time it changes nothing. With --full every agent is imported fully, and then " +
		"every object is synchronized."
}

// onceResult is what once prints with --json.
type onceResult struct {
	Runs       []*run.Record        `json:"runs"`       // those of this call, in the order in which they began
	NotStarted []autosync.Completed `json:"notStarted"` // what could not even begin
	Left       []autosync.Waiting   `json:"left"`       // what should have happened and could not
	Changes    int                  `json:"changes"`    // objects found changed, and changes exported
	Failed     bool                 `json:"failed"`
	Errors     bool                 `json:"errors"` // on some objects, at the end
}

func (c *onceCmd) Run(a *app) error {
	sweep := autosync.Changes
	if c.Full {
		sweep = autosync.Everything
	}
	return a.serve(func(service console.Service) error {
		summary, err := service.Once(a.ctx, sweep, a.line.Progress)
		a.line.Clear()
		if err != nil {
			return a.held(err)
		}
		result := onceResult{
			Runs: []*run.Record{}, NotStarted: []autosync.Completed{}, Left: append([]autosync.Waiting{}, summary.Left...),
			Failed: summary.Failed, Errors: summary.Errors,
		}
		for _, completed := range summary.Runs {
			if completed.Run == 0 {
				result.NotStarted = append(result.NotStarted, completed)
				continue
			}
			record, err := service.Record(a.ctx, completed.Run)
			if err != nil {
				return err
			}
			if record != nil {
				result.Runs = append(result.Runs, record)
				result.Changes += changes(record)
			}
		}
		slices.SortFunc(result.Runs, func(a, b *run.Record) int { return cmp.Compare(a.Run, b.Run) })
		if a.JSON {
			err = a.printJSON(result)
		} else {
			err = a.printOnce(result)
		}
		if err != nil {
			return err
		}
		return result.exit().result()
	})
}

func (r onceResult) exit() exitCode {
	var severities []int
	for _, record := range r.Runs {
		if record.Result == run.NoStartFullImport && !r.Failed {
			continue // one has been done
		}
		if s := severity(record); s != run.CompletedSyncErrors.Severity() || r.Errors { // else a later run overcame them
			severities = append(severities, s)
		}
	}
	if len(r.Left) > 0 && !slices.ContainsFunc(r.Left, func(w autosync.Waiting) bool { return !w.Held }) {
		severities = append(severities, run.StoppedThreshold.Severity())
	}
	code := exitFor(severities...)
	if len(r.NotStarted) > 0 || r.Failed && code != exitHeld {
		return exitFailed
	}
	return code
}

// changeCounters are the counters of changes that were found or made.
var changeCounters = []string{
	"stage-add", "stage-update", "stage-rename", "stage-delete", "stage-delete-add",
	"export-add", "export-update", "export-rename", "export-delete", "export-delete-add",
}

// changes counts the changes that a run found or made.
func changes(r *run.Record) int {
	n := 0
	for _, step := range r.Steps {
		for _, name := range changeCounters {
			n += step.Staging[name] + step.Exports[name]
		}
	}
	return n
}

// quiet are the counters of objects with which nothing happened.
var quiet = map[string]bool{
	"stage-no-change": true, "connector-no-flow": true, "disconnector-remains": true,
}

// did lists what a run did, "" if it found nothing to do.
func did(r *run.Record) string {
	var parts []string
	for _, step := range r.Steps {
		for _, group := range counterGroups(step, loud) {
			if strings.HasPrefix(group.name, "to ") {
				group.counts = strings.TrimPrefix(group.name, "to ") + ": " + group.counts
			}
			parts = append(parts, group.counts)
		}
		if step.Error != "" {
			parts = append(parts, step.Error)
		}
	}
	return strings.Join(parts, "; ")
}

func loud(counts map[string]int) string {
	some := map[string]int{}
	for name, n := range counts {
		if !quiet[name] {
			some[name] = n
		}
	}
	return counters(some)
}

func (a *app) printOnce(r onceResult) error {
	t := newTable(a.stdout)
	rows := 0
	row := func(cells ...any) {
		if rows++; rows == 1 {
			t.row("RUN", "AGENT", "PROFILE", "RESULT", "DID")
		}
		t.row(cells...)
	}
	for _, record := range r.Runs {
		if text := did(record); text != "" || record.Result.Severity() > 0 {
			row(record.Run, record.Agent, record.Profile, record.Result, text)
		}
	}
	for _, n := range r.NotStarted {
		row("-", n.Agent, n.Profile, "not started", n.Error)
	}
	if err := t.end(); err != nil {
		return err
	}
	if r.Errors {
		a.printObjectErrors(r.Runs)
	}
	if err := a.printHolds(r.Runs); err != nil {
		return err
	}
	for _, w := range r.Left {
		fmt.Fprintf(a.stdout, "left to do: %s %s: %s\n", w.Agent, w.Profile, oneLine(w.For))
	}
	if rows == 0 && len(r.Left) == 0 {
		fmt.Fprintln(a.stdout, "nothing to do")
	}
	return nil
}
