package main

import (
	"errors"
	"fmt"

	"github.com/metasync/metasync/daemon"
)

type approveCmd struct {
	Generation string `required:"" placeholder:"ID" help:"The change of scripts or configuration that is held, as metasync status shows it."`
	Reason     string `placeholder:"TEXT" help:"Why, for those who look later."`
}

func (*approveCmd) Help() string {
	return "The change takes effect, between two runs if a daemon is running. " +
		"It is what the files say: if they have changed since, nothing is approved."
}

func (c *approveCmd) Run(a *app) error {
	return a.decide(daemon.GenerationVerdict{Generation: c.Generation, Approve: true, Reason: c.Reason})
}

// decide decides about a change that is held and prints what came of it.
func (a *app) decide(v daemon.GenerationVerdict) (err error) {
	service, closer, err := a.service()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
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
}
