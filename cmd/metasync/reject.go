package main

import "github.com/metasync/metasync/daemon"

type rejectCmd struct {
	Generation string `required:"" placeholder:"ID" help:"The change of scripts or configuration that is held, as metasync status shows it."`
	Reason     string `placeholder:"TEXT" help:"Why, for those who look later."`
}

func (*rejectCmd) Help() string {
	return "What is in force stays in force, also after a restart, and nobody is asked about the change again until the files change."
}

func (c *rejectCmd) Run(a *app) error {
	return a.decide(daemon.GenerationVerdict{Generation: c.Generation, Reason: c.Reason})
}
