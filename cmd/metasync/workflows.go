package main

import (
	"fmt"
	"io"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/workflow"
)

// workflowsCmd groups what there is to do with the queue of workflows.
type workflowsCmd struct {
	List  workflowsListCmd  `cmd:"" default:"withargs" help:"Show how many calls of activities wait, and those that failed."`
	Retry workflowsRetryCmd `cmd:"" help:"Have a call that failed for good tried again."`
	Drop  workflowsDropCmd  `cmd:"" help:"Forget a call that failed for good."`
}

type workflowsListCmd struct{}

func (*workflowsListCmd) Run(a *app) error {
	return a.serve(func(s console.Service) error {
		status, err := s.Status(a.ctx)
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(status.Workflows)
		}
		fmt.Fprintf(a.stdout, "%d waiting, %d failed\n", status.Workflows.Waiting, status.Workflows.Failed)
		return printWorkflows(a.stdout, status)
	})
}

// whichFailed says about which of the calls that failed something is decided.
type whichFailed struct {
	ID  uint64 `arg:"" optional:"" help:"The number of the call, as metasync workflows shows it."`
	All bool   `help:"All that failed for good."`
}

type workflowsRetryCmd struct{ whichFailed }

func (*workflowsRetryCmd) Help() string {
	return "It is called again as if for the first time: at once if a daemon is running, otherwise by the next once."
}

func (c *workflowsRetryCmd) Run(a *app) error { return c.decide(a, false) }

type workflowsDropCmd struct{ whichFailed }

func (c *workflowsDropCmd) Run(a *app) error { return c.decide(a, true) }

func (c *whichFailed) decide(a *app, drop bool) error {
	if (c.ID == 0) != c.All {
		a.printError(fault.New("", "say which: the number of a call, or --all"))
		return exitUsage
	}
	verdict := daemon.WorkflowVerdict{ID: c.ID, Drop: drop}
	return a.serve(func(s console.Service) error {
		n, err := s.DecideWorkflow(a.ctx, verdict, userName())
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(struct {
				Calls int  `json:"calls"`
				Drop  bool `json:"drop"`
			}{n, drop})
		}
		done := "waiting again"
		if drop {
			done = "forgotten"
		}
		_, err = fmt.Fprintf(a.stdout, "%s %s\n", number(n, "call"), done)
		return err
	})
}

// workflowsText says what waits, "" if nothing does.
func workflowsText(s workflow.Status) string {
	if s.Waiting == 0 && s.Failed == 0 {
		return ""
	}
	text := fmt.Sprintf("%d waiting", s.Waiting)
	if !s.Oldest.IsZero() {
		text += " since " + stamp(s.Oldest)
	}
	return text + fmt.Sprintf(", %d failed", s.Failed)
}

// printWorkflows prints the calls of activities that failed.
func printWorkflows(w io.Writer, s daemon.Status) error {
	if len(s.Workflows.Failures) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := newTable(w)
	t.row("CALL", "WORKFLOW", "RUN", "AGENT", "OBJECT", "TRIES", "NEXT", "ERROR")
	for _, f := range s.Workflows.Failures {
		next := "-"
		if !f.Next.IsZero() {
			next = stamp(f.Next)
		}
		t.row(f.ID, f.Workflow, f.Run, f.Agent, oneLine(f.DN), f.Tries, next, oneLine(f.Error))
	}
	return t.end()
}
