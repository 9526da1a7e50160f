package main

import (
	"errors"
	"fmt"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/daemon"
)

type validateCmd struct{}

// validateResult is what validate prints with --json.
type validateResult struct {
	OK bool `json:"ok"`
	daemon.Summary
	Errors []daemon.Problem `json:"errors"`
}

func (*validateCmd) Run(a *app) error {
	summary, err := daemon.Check(a.ctx, a.daemon())
	if err == nil && summary.StateInUse {
		err = a.addOrphans(&summary)
	}
	if a.JSON {
		if summary.File == "" {
			summary.File, summary.Scripts, summary.Warnings = a.Config, []string{}, []string{}
		}
		if printErr := a.printJSON(validateResult{err == nil, summary, daemon.Problems(err)}); printErr != nil {
			return printErr
		}
	}
	if err != nil {
		return err
	}
	for _, warning := range summary.Warnings {
		fmt.Fprintf(a.stderr, "warning: %s\n", warning)
	}
	if a.JSON {
		return nil
	}
	_, err = fmt.Fprintf(a.stdout, "ok: %s, %s, %s\n",
		number(summary.Agents, "agent"), number(summary.Rules, "rule"), number(len(summary.Scripts), "script"))
	return err
}

// addOrphans asks the daemon that is at work for what the configuration does not
// have and the state holds. Another command that has the state for a moment is no
// reason to wait.
func (a *app) addOrphans(s *daemon.Summary) error {
	client, err := console.Dial(a.ctx, daemon.StateFolder(a.daemon()))
	if err != nil {
		if errors.Is(err, console.ErrNotRunning) {
			return nil
		}
		return err
	}
	orphans, err := client.Orphans(a.ctx, absolute(a.Config))
	if err == nil {
		s.AddOrphans(orphans)
	}
	return errors.Join(err, client.Close())
}

// number is a number of things as people read it.
func number(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
