package main

import (
	"os/user"

	"github.com/metasync/metasync/console"
)

type execCmd struct {
	Agent   string `arg:"" help:"The agent."`
	Profile string `arg:"" help:"The run profile, such as full-import."`
}

func (*execCmd) Help() string {
	return "If a daemon is running it does the work, when nothing is in its way; otherwise this command does. " +
		"A run that the daemon has started goes on if this command is interrupted."
}

func (c *execCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		record, err := service.Exec(a.ctx, c.Agent, c.Profile, userName(), a.line.Progress)
		a.line.Clear()
		if err != nil {
			return a.held(err)
		}
		if err := a.showRun(record, nil); err != nil {
			return err
		}
		return exitFor(severity(record)).result()
	})
}

// userName returns the name of the user of this process, as far as it is known.
func userName() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}
