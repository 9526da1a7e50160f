package main

import (
	"fmt"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/fault"
)

type removeCmd struct {
	Agent     string `arg:"" optional:"" help:"The agent that the configuration no longer has; with --partition or --object, the agent that no longer has that."`
	Partition string `xor:"what" placeholder:"P" help:"Remove the agent's objects of this partition."`
	Object    string `xor:"what" placeholder:"TYPE" help:"Remove the agent's objects of this type."`
	Metaverse string `xor:"what" placeholder:"TYPE" help:"Delete all metaverse objects of this type."`
	DryRun    bool   `help:"Only show what would happen."`
	Yes       bool   `help:"Do it. Without, this command shows what would happen, and fails."`
	Deletes   int    `default:"500" placeholder:"N" help:"How many metaverse objects may be deleted; with more of them nothing is done."`
	Samples   int    `default:"5" placeholder:"N" help:"With --dry-run: objects to show for each kind of change."`
}

func (*removeCmd) Help() string {
	return "What the configuration no longer has stays as it is, linked and unsynchronized, until this command removes it: " +
		"each object is disconnected as if its system no longer had it. What it contributed is recalled, unless its agent said otherwise, " +
		"the object deletion rule is asked, and the other agents deprovision and flow as always; nothing is exported. " +
		"Where it was interrupted, the same command goes on. " +
		"If a daemon is running it does the work, otherwise this command does."
}

func (c *removeCmd) Run(a *app) error {
	if err := c.check(); err != nil {
		a.printError(err)
		return exitUsage
	}
	return a.serve(func(service console.Service) error {
		if c.DryRun || !c.Yes {
			return c.preview(a, service)
		}
		record, err := service.Remove(a.ctx, c.removal(), userName(), a.line.Progress)
		a.line.Clear()
		if err != nil {
			return err
		}
		if err := a.showRun(record, nil); err != nil {
			return err
		}
		return exitFor(record.Result.Severity()).result()
	})
}

func (c *removeCmd) check() error {
	switch {
	case c.Agent == "" && c.Metaverse == "":
		return fault.New("", "remove needs an agent, or --metaverse")
	case c.Agent != "" && c.Metaverse != "":
		return fault.New("", "either an agent or --metaverse says what to remove")
	case c.DryRun && c.Yes:
		return fault.New("", "--dry-run and --yes contradict each other")
	}
	return nil
}

func (c *removeCmd) removal() engine.Removal {
	r := engine.Removal{Agent: c.Agent, Partition: c.Partition, Object: c.Object, Metaverse: c.Metaverse, Deletes: c.Deletes}
	if r.Deletes <= 0 {
		r.Deletes = -1 // none
	}
	return r
}

// preview shows what would happen. Without --dry-run it ends with an error: it was
// not done.
func (c *removeCmd) preview(a *app, service console.Service) error {
	p, err := service.PreviewRemoval(a.ctx, daemon.RemovalQuery{Removal: c.removal(), Samples: c.Samples}, a.line.Progress)
	a.line.Clear()
	if err != nil {
		return err
	}
	if a.JSON {
		err = a.printJSON(p)
	} else {
		err = a.printRemoval(p)
	}
	switch {
	case err != nil:
		return err
	case p.Held:
		return exitHeld
	case !c.DryRun:
		err := fault.New("", "nothing has been done")
		err.Hint = "--yes does it"
		return err
	}
	return nil
}

// printRemoval prints what a removal would do.
func (a *app) printRemoval(p *engine.RemovalPreview) error {
	fmt.Fprintf(a.stdout, "removing %s would", p.Removal.String())
	if p.Removal.Metaverse == "" {
		fmt.Fprintf(a.stdout, " forget %s of the connector space, %d of them linked, and", number(p.Objects, "object"), p.Linked)
	}
	fmt.Fprintf(a.stdout, " delete %s\n", number(p.MetaverseDeletes, "metaverse object"))
	for _, e := range p.Errors {
		fmt.Fprintf(a.stdout, "error: %s %s: %s\n", e.Agent, oneLine(e.DN), oneLine(errorText(&e.ErrorRecord)))
	}
	if p.Different {
		fmt.Fprintln(a.stdout, "it and the exports after it would change these objects:")
		if err := a.printDifferences(&p.Forecast); err != nil {
			return err
		}
	}
	if p.Held {
		fmt.Fprintf(a.stdout, "it would be held: %s may be deleted; --deletes %d allows it\n", number(p.Limit, "metaverse object"), p.MetaverseDeletes)
	}
	return nil
}
