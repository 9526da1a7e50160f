package main

import (
	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/run"
)

type joinCmd struct {
	Agent     string `arg:"" help:"The agent."`
	Key       string `arg:"" help:"The anchor, DN or id of the object in its connector space."`
	Metaverse string `arg:"" name:"metaverse-id" help:"The id of the metaverse object, as metasync get mv shows it."`
}

func (*joinCmd) Help() string {
	return "The object becomes an explicit connector: no connector filter cuts it off. " +
		"It is synchronized at once, inbound and outbound; nothing is exported."
}

func (c *joinCmd) Run(a *app) error {
	return a.byHand(engine.Manual{What: run.Join, Agent: c.Agent, Key: c.Key, Metaverse: c.Metaverse})
}

type disconnectCmd struct {
	Agent    string `arg:"" help:"The agent."`
	Key      string `arg:"" help:"The anchor, DN or id of the object in its connector space."`
	Explicit bool   `xor:"state" help:"Make it an explicit disconnector, which only join and project link again (the default)."`
	Normal   bool   `xor:"state" help:"Make it a normal disconnector, which the rules may join or project again. An explicit disconnector becomes one, too."`
}

func (*disconnectCmd) Help() string {
	return "What the object contributed is recalled and the object deletion rule is asked. " +
		"The deprovisioning rule of its agent is not: the object itself stays in its system."
}

func (c *disconnectCmd) Run(a *app) error {
	return a.byHand(engine.Manual{What: run.Disconnect, Agent: c.Agent, Key: c.Key, Normal: c.Normal})
}

type projectCmd struct {
	Agent string `arg:"" help:"The agent."`
	Key   string `arg:"" help:"The anchor, DN or id of the object in its connector space."`
	Type  string `arg:"" optional:"" help:"The type of the new metaverse object (default: what the rules say)."`
}

func (*projectCmd) Help() string {
	return "The object is synchronized at once, inbound and outbound; nothing is exported."
}

func (c *projectCmd) Run(a *app) error {
	return a.byHand(engine.Manual{What: run.Project, Agent: c.Agent, Key: c.Key, Type: c.Type})
}

// byHand does something with one object and prints what came of it.
func (a *app) byHand(m engine.Manual) error {
	return a.serve(func(service console.Service) error {
		record, err := service.ByHand(a.ctx, m, userName())
		if err != nil {
			return err
		}
		if err := a.showRun(record, nil); err != nil {
			return err
		}
		return exitFor(record.Result.Severity()).result()
	})
}
