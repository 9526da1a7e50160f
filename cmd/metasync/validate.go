package main

import (
	"errors"
	"fmt"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/daemon"
)

type validateCmd struct {
	Isolate bool `help:"Find functions of the scripts whose answers depend on earlier calls, on stored objects; exit code 1 if there is one."`
	Sample  int  `default:"100" placeholder:"N" help:"With --isolate: on how many objects of each connected system (default 100)."`
}

// validateResult is what validate prints with --json.
type validateResult struct {
	OK bool `json:"ok"`
	daemon.Summary
	Errors    []daemon.Problem  `json:"errors"`
	Isolation *daemon.Isolation `json:"isolation,omitempty"` // with --isolate
}

func (c *validateCmd) Run(a *app) error {
	summary, err := daemon.Check(a.ctx, a.daemon())
	if err == nil && summary.StateInUse {
		err = a.addOrphans(&summary)
	}
	var isolation *daemon.Isolation
	if err == nil && c.Isolate {
		isolation, err = a.isolate(c.Sample)
	}
	if a.JSON {
		if summary.File == "" {
			summary.File, summary.Scripts, summary.Warnings = a.Config, []string{}, []string{}
		}
		if printErr := a.printJSON(validateResult{
			OK: err == nil && (isolation == nil || len(isolation.Dependent) == 0), Summary: summary, Errors: daemon.Problems(err), Isolation: isolation,
		}); printErr != nil {
			return printErr
		}
	}
	if err != nil {
		return err
	}
	for _, warning := range summary.Warnings {
		fmt.Fprintf(a.stderr, "warning: %s\n", warning)
	}
	if isolation != nil && len(isolation.Dependent) > 0 {
		if !a.JSON {
			a.printIsolation(isolation)
		}
		return exitFailed
	}
	if a.JSON {
		return nil
	}
	if isolation != nil {
		a.printIsolation(isolation)
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
