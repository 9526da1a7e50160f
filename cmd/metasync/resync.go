package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

type resyncCmd struct {
	Agents []string `arg:"" optional:"" name:"agent" help:"The agents (default: all of which objects are outdated)."`
	Where  string   `placeholder:"EXPR" help:"Synchronize those objects of the agent, or of --type, for which the expression is true, whether they are outdated or not."`
	Type   string   `placeholder:"TYPE" help:"With --where: choose metaverse objects of this type, with all that is connected with them."`
}

func (*resyncCmd) Help() string {
	return "Objects are outdated if the rules that decide about them are not those by which they were last synchronized. " +
		"If a daemon is running it does the work, otherwise this command does."
}

func (c *resyncCmd) Run(a *app) error {
	if err := c.check(); err != nil {
		a.printError(err)
		return exitUsage
	}
	return a.serve(func(service console.Service) error {
		records, err := c.resync(a, service)
		a.line.Clear()
		if err != nil && len(records) == 0 {
			return err
		}
		printErr := a.printResync(records)
		if err = errors.Join(err, printErr); err != nil {
			return err
		}
		var severities []int
		for _, record := range records {
			severities = append(severities, severity(record))
		}
		return exitFor(severities...).result()
	})
}

// check finds out whether the arguments go together.
func (c *resyncCmd) check() error {
	switch {
	case c.Where == "" && c.Type != "":
		return fault.New("", "--type needs --where")
	case c.Where != "" && c.Type == "" && len(c.Agents) != 1:
		return fault.New("", "--where needs one agent, or --type")
	case c.Type != "" && len(c.Agents) > 0:
		return fault.New("", "either an agent or --type says what --where chooses")
	}
	return nil
}

// resync does what the arguments ask for and returns the records of the runs, also
// of those before an error.
func (c *resyncCmd) resync(a *app, service console.Service) (records []*run.Record, err error) {
	if c.Where != "" {
		q := engine.Resync{Type: c.Type, Where: c.Where}
		if c.Type == "" {
			q.Agent = c.Agents[0]
		}
		return service.Resync(a.ctx, q, userName(), a.line.Progress)
	}
	names := c.Agents
	if len(names) == 0 {
		if names, err = outdatedAgents(a, service); err != nil {
			return nil, err
		}
	}
	for i, name := range names {
		if len(c.Agents) == 0 && i > 0 {
			// What one agent did outbound may be all that another one had to do.
			left, err := outdatedAgents(a, service)
			if err != nil {
				return records, err
			}
			if !slices.Contains(left, name) {
				continue
			}
		}
		record, err := service.Exec(a.ctx, name, string(run.Resync), userName(), a.line.Progress)
		if err != nil {
			return records, err
		}
		records = append(records, record)
	}
	return records, nil
}

// outdatedAgents returns the agents of which objects are outdated.
func outdatedAgents(a *app, service console.Service) ([]string, error) {
	status, err := service.Status(a.ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, agent := range status.Agents {
		if agent.NeedsFullSync {
			names = append(names, agent.Agent)
		}
	}
	return names, nil
}

func (a *app) printResync(records []*run.Record) error {
	if a.JSON {
		return a.printJSON(append([]*run.Record{}, records...))
	}
	for _, record := range records {
		if err := a.showRun(record, nil); err != nil {
			return err
		}
	}
	if len(records) == 0 {
		fmt.Fprintln(a.stdout, "nothing to do")
	}
	return nil
}
