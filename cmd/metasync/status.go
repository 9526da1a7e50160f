package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/triggers"
)

type statusCmd struct {
	Agent string `arg:"" optional:"" help:"Show the numbers of this agent only."`
}

func (c *statusCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		status, err := service.Status(a.ctx)
		if err != nil {
			return err
		}
		if c.Agent != "" {
			return a.agentStatus(status, c.Agent)
		}
		if a.JSON {
			return a.printJSON(status)
		}
		return a.printStatus(status)
	})
}

// agentStatus prints the numbers of one agent.
func (a *app) agentStatus(s daemon.Status, name string) error {
	var names []string
	for _, agent := range s.Agents {
		if agent.Agent != name {
			names = append(names, agent.Agent)
			continue
		}
		if a.JSON {
			return a.printJSON(agent)
		}
		t := newTable(a.stdout)
		for _, statistic := range statistics {
			t.row(statistic, agent.Count[statistic])
		}
		if r := agent.Last; r != nil {
			t.row("last run", fmt.Sprintf("%d %s %s", r.Run, r.Profile, stamp(r.Started)), r.Result)
		}
		return t.end()
	}
	err := fault.New("unknown-agent", "there is no agent %q", name)
	if near := fault.Suggest(name, names); near != "" {
		err.Hint = fmt.Sprintf("did you mean %q?", near)
	}
	return err
}

// statistics are the numbers of an agent in the order of sync-engine §1.5, then
// ours.
var statistics = []string{
	"all", "total-connector", "connector", "explicit-connector",
	"total-disconnector", "disconnector", "explicit-disconnector", "filtered-disconnector", "placeholder", "transient",
	"import-add", "import-update", "import-delete", "import-none", "export-add", "export-update", "export-delete",
	"unconfirmed-export", "import-error", "export-error", "parked",
}

func (a *app) printStatus(s daemon.Status) error {
	w := a.stdout
	a.printRejected(s.Rejected)
	a.printHeld(s.Held)
	t := newTable(w)
	t.row("daemon", daemonText(s))
	t.row("configuration", nearest(s.File))
	t.row("state", nearest(s.State))
	t.row("scripts", fmt.Sprintf("%s, generation %s since %s", number(len(s.Scripts.Files), "file"), s.Scripts.Generation, stamp(s.Scripts.Since)))
	t.row("metaverse", number(s.Metaverse, "object"))
	if s.Scheduler.Export == "dry-run" {
		t.row("exports", "none: the daemon runs dry")
	}
	if s.Scheduler.Export == "off" {
		t.row("exports", "off: staging mode, nothing is exported but by exec")
	}
	if s.Scheduler.Hold != "" {
		t.row("waiting", s.Scheduler.Hold)
	}
	if s.Scheduler.Error != "" {
		t.row("error", s.Scheduler.Error)
	}
	if text := outboxText(s.Notify); text != "" {
		t.row("notifications", text)
	}
	if text := workflowsText(s.Workflows); text != "" {
		t.row("workflows", text)
	}
	for _, warning := range s.Warnings {
		t.row("warning", warning)
	}
	if err := t.end(); err != nil {
		return err
	}
	for _, part := range []func(io.Writer, daemon.Status) error{printAgents, printRaised, printScheduler, printTriggers, printIncidents, printWorkflows} {
		if err := part(w, s); err != nil {
			return err
		}
	}
	return nil
}

func daemonText(s daemon.Status) string {
	if !s.Running {
		return "not running"
	}
	return fmt.Sprintf("running as process %d since %s, version %s", s.PID, stamp(s.Started), s.Version)
}

// printRejected says, before anything else, that what is in the files is not
// what runs.
func (a *app) printRejected(r *daemon.Rejected) {
	if r == nil {
		return
	}
	w := a.stdout
	fmt.Fprintf(w, "*** REFUSED at %s: the files are wrong, and the last good ones stay in force.\n", stamp(r.At))
	for _, e := range r.Errors {
		at := fault.Position{File: a.place(e.File), Line: e.Line, Column: e.Column}
		if at.IsZero() {
			fmt.Fprintf(w, "***   %s\n", oneLine(e.Text))
		} else {
			fmt.Fprintf(w, "***   %s: %s\n", at, oneLine(e.Text))
		}
		if e.Hint != "" {
			fmt.Fprintf(w, "***     hint: %s\n", oneLine(e.Hint))
		}
	}
	fmt.Fprintln(w)
}

func printAgents(w io.Writer, s daemon.Status) error {
	fmt.Fprintln(w)
	t := newTable(w)
	t.row("AGENT", "OBJECTS", "CONNECTED", "TO SYNC", "TO EXPORT", "UNCONFIRMED", "ERRORS", "LAST RUN", "RESULT")
	for _, agent := range s.Agents {
		last, result := "-", "-"
		if r := agent.Last; r != nil {
			last = fmt.Sprintf("%d %s %s", r.Run, r.Profile, stamp(r.Started))
			result = string(r.Result)
		}
		t.row(agent.Agent, agent.Count["all"], agent.Count["total-connector"], agent.PendingImports+agent.HeldImports, agent.PendingExports+agent.HeldExports, agent.Unconfirmed,
			agent.FailedImports+agent.FailedExports, last, result)
	}
	if err := t.end(); err != nil {
		return err
	}
	for _, agent := range s.Agents {
		for _, h := range agent.Held {
			fmt.Fprintf(w, "%s %s %s.\n", agent.Agent, h.Step, oneLine(h.Reason))
		}
		if n := agent.HeldImports + agent.HeldExports; n > 0 {
			fmt.Fprintf(w, "%s: %s left out, see metasync hold %s.\n", agent.Agent, number(n, "object"), agent.Agent)
		}
		if !agent.Imported {
			fmt.Fprintf(w, "%s was never imported completely.\n", agent.Agent)
		}
		if agent.NeedsFullSync && agent.Imported && len(agent.Outdated) == 0 {
			fmt.Fprintf(w, "%s was never synchronized completely.\n", agent.Agent)
		}
		if agent.NeedsFullImport {
			fmt.Fprintf(w, "%s needs a full import: its configuration has changed since the last one.\n", agent.Agent)
		}
		if n := agent.Count["parked"]; n > 0 {
			fmt.Fprintf(w, "%s has %s, left out of exports because changes go round: metasync get cs %s --failure changes-go-round\n",
				agent.Agent, number(n, "parked object"), agent.Agent)
		}
		if len(agent.Outdated) > 0 {
			fmt.Fprintf(w, "%s needs a resynchronization: %s.\n", agent.Agent, outdatedText(agent.Outdated))
		}
	}
	return nil
}

// printRaised says which thresholds were raised.
func printRaised(w io.Writer, s daemon.Status) error {
	for _, r := range s.Raised {
		fmt.Fprintf(w, "%s: a threshold was raised at %s by %s: %s.\n", r.Agent, stamp(r.At), cmp.Or(r.By, "-"), r)
	}
	return nil
}

// outdatedText says of which objects the rules have changed.
func outdatedText(outdated []run.Outdated) string {
	var parts []string
	for _, o := range outdated {
		text := fmt.Sprintf("the rules for %q have changed", o.Type)
		if o.Outbound {
			text = fmt.Sprintf("the outbound rules for %q have changed", o.Type)
		}
		if o.Objects > 0 {
			text += ", " + number(o.Objects, "object")
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

func printScheduler(w io.Writer, s daemon.Status) error {
	rows := 0
	t := newTable(w)
	row := func(what, agent, profile, about string) {
		if rows++; rows == 1 {
			fmt.Fprintln(w)
			t.row("SCHEDULER", "AGENT", "PROFILE", "")
		}
		t.row(what, agent, profile, about)
	}
	for _, c := range s.Scheduler.Controls {
		about := "since " + stamp(c.Since)
		if c.By != "" {
			about += " by " + c.By
		}
		if !c.Until.IsZero() {
			about += ", until " + stamp(c.Until)
		}
		if c.Reason != "" {
			about += ": " + oneLine(c.Reason)
		}
		row(string(c.Mode), cmp.Or(c.Agent, "(all)"), "", about)
	}
	for _, r := range s.Scheduler.Running {
		row("running", r.Agent, r.Profile, causeText(r.Cause)+", since "+stamp(r.Started)+stuckText(r.Stuck))
	}
	for _, q := range s.Scheduler.Queue {
		row("waiting", q.Agent, q.Profile, causeText(q.Cause)+notBefore(q.NotBefore)+": "+q.For)
	}
	for _, b := range s.Scheduler.Backoff {
		if b.Refused {
			continue // it waits, and says for what
		}
		row("failed", b.Agent, b.Profile, fmt.Sprintf("%s in a row%s: %s", number(b.Failures, "time"), notBefore(b.Next), b.Error))
	}
	return t.end()
}

func stuckText(stuck bool) string {
	if stuck {
		return ", much longer than usual"
	}
	return ""
}

func notBefore(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ", not before " + stamp(t)
}

func printTriggers(w io.Writer, s daemon.Status) error {
	if len(s.Triggers) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := newTable(w)
	t.row("TRIGGER", "AGENT", "STATE", "LAST CHECK", "LAST FIRED", "NEXT", "RESULT")
	for _, h := range s.Triggers {
		t.row(h.Name, h.Agent, string(h.State), stamp(h.LastCheck), stamp(h.LastFire), stamp(h.Next), triggerResult(h))
	}
	return t.end()
}

// triggerResult says what came of the last look of a trigger.
func triggerResult(t daemon.TriggerStatus) string {
	result := healthResult(t.Health)
	if c := t.Choice; c != nil && c.By == daemon.ByPolling {
		result += fmt.Sprintf("; polled every %s: %s", c.Every, oneLine(c.Why))
	}
	return result
}

func healthResult(h triggers.Health) string {
	switch {
	case h.Failures > 0:
		return fmt.Sprintf("failed %s: %s", number(h.Failures, "time"), oneLine(h.LastError))
	case h.LastError != "":
		return oneLine(h.LastError)
	case h.LastResult == "":
		return "-"
	}
	return h.LastResult
}
