package main

import (
	"fmt"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/fault"
)

type approveCmd struct {
	Agent      string `arg:"" optional:"" help:"The agent of which a threshold holds a step."`
	Step       string `enum:"import,sync,export," default:"" placeholder:"STEP" help:"Only its import, sync or export."`
	Once       bool   `xor:"how" help:"Allow the next such step as much as was reported (default)."`
	Raise      bool   `xor:"how" help:"Allow every step as much as was reported, until reject --limits."`
	Generation string `placeholder:"ID" help:"In place of an agent: the change of scripts or configuration that is held, as metasync status shows it."`
	Reason     string `placeholder:"TEXT" help:"Why, for those who look later."`
}

func (*approveCmd) Help() string {
	return "More than was reported of a step is held anew; a window begins anew, for somebody has looked at it. " +
		"A change takes effect, between two runs if a daemon is running. " +
		"It is what the files say: if they have changed since, nothing is approved."
}

func (c *approveCmd) Run(a *app) error {
	if err := a.either(c.Agent, c.Generation, c.Step != "" || c.Once || c.Raise); err != nil {
		return err
	}
	if c.Agent != "" {
		return a.approveStep(c.Agent, c.Step, c.Raise, c.Reason)
	}
	return a.decide(daemon.GenerationVerdict{Generation: c.Generation, Approve: true, Reason: c.Reason})
}

// either finds out whether a decision is about the steps of an agent or about a
// generation; ofStep says that it has flags for steps.
func (a *app) either(agent, generation string, ofStep bool) error {
	wrong := ""
	switch {
	case agent == "" && generation == "":
		wrong = "name an agent, or a generation with --generation"
	case agent != "" && generation != "":
		wrong = "either an agent or --generation, not both"
	case generation != "" && ofStep:
		wrong = "--generation is about no step of an agent"
	}
	if wrong == "" {
		return nil
	}
	a.printError(fault.New("", "%s", wrong))
	return exitUsage
}

// decide decides about a change that is held and prints what came of it.
func (a *app) decide(v daemon.GenerationVerdict) error {
	return a.serve(func(service console.Service) error {
		held, err := service.DecideGeneration(a.ctx, v, userName())
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(held)
		}
		if v.Approve {
			fmt.Fprintf(a.stdout, "generation %s is in force\n", held.Generation)
			return nil
		}
		fmt.Fprintf(a.stdout, "generation %s is rejected; %s stays in force until the files change\n", held.Generation, held.Running)
		return nil
	})
}
