package main

import (
	"fmt"
	"io"
	"net/mail"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/notify"
)

// notifyCmd groups what there is to do with messages.
type notifyCmd struct {
	List notifyListCmd `cmd:"" default:"withargs" help:"Show the open incidents, and the messages that wait."`
	Test notifyTestCmd `cmd:"" help:"Send a test message through every channel, and say what became of each."`

	Close notifyCloseCmd `cmd:"" help:"End an open incident by hand."`
}

type notifyListCmd struct{}

func (*notifyListCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		status, err := service.Status(a.ctx)
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(status.Notify)
		}
		if len(status.Notify.Channels) == 0 {
			fmt.Fprintln(a.stdout, "nobody is told anything: the configuration has no notify")
			return nil
		}
		t := newTable(a.stdout)
		t.row("CHANNEL", "WAITING", "SENT", "FAILED", "DROPPED", "LAST SENT", "LAST ERROR")
		for _, c := range status.Notify.Channels {
			t.row(c.Channel, c.Queued, c.Sent, c.Failed, c.Dropped, stamp(c.LastSent), c.LastError)
		}
		if err := t.end(); err != nil {
			return err
		}
		return printIncidents(a.stdout, status)
	})
}

type notifyCloseCmd struct {
	Incident string `arg:"" help:"Its id, or its key: KIND/AGENT/NAME, as far as it has them."`
	Reason   string `placeholder:"TEXT" help:"Why; it goes into the log and the message."`
}

func (*notifyCloseCmd) Help() string {
	return "Whoever was told of the incident is told that it was closed, and by whom. If what it is about goes on, it opens anew. " +
		"Nothing else changes: what is held stays held."
}

func (c *notifyCloseCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		closed, err := service.CloseIncident(a.ctx, daemon.IncidentClosing{Incident: c.Incident, User: userName(), Reason: c.Reason})
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(closed)
		}
		fmt.Fprintf(a.stdout, "%s: closed, it was %s since %s\n", oneLine(closed.Key()), oneLine(closed.State), stamp(closed.Opened))
		return nil
	})
}

type notifyTestCmd struct {
	To string `placeholder:"ADDRESS" help:"Send mail to this address only."`
}

func (*notifyTestCmd) Help() string {
	return "Mail goes to everybody who may get any. If a daemon is running it sends the messages, otherwise this command does. " +
		"They do not wait in the outbox: a channel that fails is not tried again. The exit code is 1 if one fails."
}

func (c *notifyTestCmd) Run(a *app) error {
	if c.To != "" {
		if _, err := mail.ParseAddress(c.To); err != nil {
			a.printError(fault.New("", "--to: %q is no mail address", c.To))
			return exitUsage
		}
	}
	return a.serve(func(service console.Service) error {
		trials, err := service.NotifyTest(a.ctx, c.To)
		if err != nil {
			return err
		}
		if err := a.printTrials(trials); err != nil {
			return err
		}
		for _, trial := range trials {
			if !trial.OK {
				return exitFailed
			}
		}
		return nil
	})
}

func (a *app) printTrials(trials []notify.Trial) error {
	if a.JSON {
		return a.printJSON(trials)
	}
	t := newTable(a.stdout)
	for _, trial := range trials {
		result := "sent"
		if !trial.OK {
			result = "FAILED: " + trial.Error
		}
		t.row(trial.Channel, trial.To, trial.Took, result)
	}
	return t.end()
}

// outboxText says what waits to be sent, "" if all is well.
func outboxText(s notify.Status) string {
	if s.Queued == 0 && s.LastError == "" {
		return ""
	}
	text := number(s.Queued, "message") + " waiting"
	if !s.Oldest.IsZero() {
		text += " since " + stamp(s.Oldest)
	}
	if s.LastError != "" {
		text += ": " + s.LastError
	}
	return text
}

// printIncidents prints what somebody was told of and is not over.
func printIncidents(w io.Writer, s daemon.Status) error {
	if len(s.Notify.Incidents) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := newTable(w)
	t.row("INCIDENT", "AGENT", "NAME", "STATE", "SINCE", "OCCURRED", "ID")
	for _, i := range s.Notify.Incidents {
		t.row(i.Kind, i.Agent, i.Name, i.State, stamp(i.Opened), number(i.Count, "time"), i.ID)
	}
	return t.end()
}
