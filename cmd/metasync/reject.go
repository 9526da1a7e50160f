package main

import "github.com/metasync/metasync/daemon"

type rejectCmd struct {
	Agent      string `arg:"" optional:"" help:"The agent of which a threshold holds a step."`
	Step       string `enum:"import,sync,export," default:"" placeholder:"STEP" help:"Only its import, sync or export."`
	Limits     bool   `help:"Take back what approve --raise has raised, and reject nothing."`
	Generation string `placeholder:"ID" help:"In place of an agent: the change of scripts or configuration that is held, as metasync status shows it."`
	Reason     string `placeholder:"TEXT" help:"Why, for those who look later."`
}

func (*rejectCmd) Help() string {
	return "The objects of a step are left out as long as the same would happen to them, and everything else goes on; approve still allows it. " +
		"Of a change, what is in force stays in force, also after a restart, and nobody is asked about it again until the files change."
}

func (c *rejectCmd) Run(a *app) error {
	if err := a.either(c.Agent, c.Generation, c.Step != "" || c.Limits); err != nil {
		return err
	}
	switch {
	case c.Limits:
		return a.rejectLimits(c.Agent, c.Reason)
	case c.Agent != "":
		return a.rejectStep(c.Agent, c.Step, c.Reason)
	}
	return a.decide(daemon.GenerationVerdict{Generation: c.Generation, Reason: c.Reason})
}
