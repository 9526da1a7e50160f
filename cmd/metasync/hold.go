package main

import (
	"cmp"
	"fmt"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/run"
)

type holdCmd struct {
	Agent string `arg:"" optional:"" help:"Only of this agent."`
	All   bool   `help:"Also show the limits that somebody has raised."`
}

func (*holdCmd) Help() string {
	return "A step that would do more than its thresholds allow is held before it does anything. Other steps and other agents go on. " +
		"With --all, the JSON document has the members holds and raised."
}

func (c *holdCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		list, err := service.Holds(a.ctx, daemon.HoldQuery{Agent: c.Agent})
		if err != nil {
			return err
		}
		switch {
		case a.JSON && c.All:
			return a.printJSON(list)
		case a.JSON:
			return a.printJSON(list.Holds)
		case len(list.Holds) == 0:
			fmt.Fprintln(a.stdout, "nothing is held")
		}
		for i := range list.Holds {
			if err := a.printHold(&list.Holds[i]); err != nil {
				return err
			}
		}
		if !c.All {
			return nil
		}
		t := newTable(a.stdout)
		for _, r := range list.Raised {
			t.row("raised", r.Agent, r.String(), "since "+stamp(r.At)+" by "+cmp.Or(r.By, "-"), r.Reason)
		}
		return t.end()
	})
}

// printHold prints what is held and the objects that it is about.
func (a *app) printHold(h *hold.Hold) error {
	what := fmt.Sprintf("%s %s", h.Agent, h.Step)
	if h.Partition != "" {
		what += " of " + h.Partition
	}
	if h.File != "" {
		what += " from " + a.place(h.File)
	}
	state := "held"
	switch {
	case h.Rejected != nil:
		state = "rejected"
	case h.Partial:
		state = "held in part"
	}
	fmt.Fprintf(a.stdout, "%s: %s since %s: %s", what, state, stamp(h.Since), hold.Text(h.Reasons))
	if h.Step != h.Of {
		fmt.Fprintf(a.stdout, " in an %s", h.Of)
	}
	fmt.Fprintf(a.stdout, " (run %d, %s)\n", h.Run, h.Profile)
	if h.Rejected != nil {
		fmt.Fprintf(a.stdout, "  rejected at %s by %s", stamp(h.Rejected.At), cmp.Or(h.Rejected.By, "-"))
		if h.Rejected.Reason != "" {
			fmt.Fprintf(a.stdout, ": %s", oneLine(h.Rejected.Reason))
		}
		fmt.Fprintln(a.stdout)
	}
	t := newTable(a.stdout)
	for _, o := range h.Objects {
		t.row("  "+o.Object, cmp.Or(o.DN, o.Anchor, o.ID.String()), o.What)
	}
	if err := t.end(); err != nil {
		return err
	}
	if len(h.Objects) == hold.Listed {
		fmt.Fprintln(a.stdout, "  and so on; these are the first")
	}
	if h.Rejected == nil {
		fmt.Fprintf(a.stdout, "  hint: metasync approve %s --step %s, or metasync reject %s --step %s\n", h.Agent, h.Step, h.Agent, h.Step)
	}
	return nil
}

// printHolds prints what was held in some runs.
func (a *app) printHolds(records []*run.Record) error {
	for _, r := range records {
		for _, step := range r.Steps {
			if step.Held == nil {
				continue
			}
			if err := a.printHold(step.Held); err != nil {
				return err
			}
		}
	}
	return nil
}

// severity is that of a run: one that has something held is no less.
func severity(r *run.Record) int {
	s := r.Result.Severity()
	for _, step := range r.Steps {
		if step.Held != nil {
			s = max(s, run.StoppedThreshold.Severity())
		}
	}
	return s
}
