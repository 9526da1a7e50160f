package main

import (
	"fmt"
	"strings"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/run"
)

type planCmd struct{}

func (*planCmd) Help() string {
	return "An agent into which more attributes flow than out of it is a target, and every other one a source. A source that is a file is watched, one whose system may " +
		"tell of changes is listened to, or polled if it cannot, and any other one is imported at an interval that the run history calls for, unless `import` and `triggers` of the agent say otherwise."
}

func (c *planCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		plans, err := service.Plan(a.ctx)
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(plans)
		}
		for i, p := range plans {
			if i > 0 {
				fmt.Fprintln(a.stdout)
			}
			if err := a.printPlan(p); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *app) printPlan(p daemon.AgentPlan) error {
	fmt.Fprintf(a.stdout, "%s is a %s: %s in, %d out\n", p.Agent, p.Role, number(p.Inbound, "flow"), p.Outbound)
	t := newTable(a.stdout)
	every := "not by itself"
	if p.Import.Every != "" {
		every = "every " + p.Import.Every
	}
	t.row("  import", every+", "+p.Import.Why)
	for _, trigger := range p.Triggers {
		text := trigger.Text
		if trigger.Automatic {
			text += ", automatically"
		}
		if c := trigger.Choice; c != nil && c.By != daemon.ByFiles {
			text += ": " + oneLine(c.Why)
		}
		t.row("  trigger "+trigger.Name, text)
	}
	var never []string
	for _, step := range run.StepTypes {
		if len(step.Parts()) > 1 {
			continue
		}
		if profile := p.Operations[string(step)]; profile == "" {
			never = append(never, string(step))
		} else if profile != string(step) {
			t.row("  "+string(step), "by "+profile)
		}
	}
	if len(never) > 0 {
		t.row("  never by itself", strings.Join(never, ", "))
	}
	return t.end()
}
