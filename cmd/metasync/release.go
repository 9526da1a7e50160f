package main

import (
	"fmt"
	"strings"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/engine/space"
)

type releaseCmd struct {
	Agent string `arg:"" help:"The agent."`
	Key   string `arg:"" help:"The anchor, DN or id of the object in its connector space."`
}

func (*releaseCmd) Help() string {
	return "An object is parked when what is exported to it goes round between systems. " +
		"Released, it is sent by the next export; if its changes still go round it is parked anew."
}

func (c *releaseCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		parked, err := service.Release(a.ctx, c.Agent, c.Key, userName())
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(parked)
		}
		fmt.Fprintf(a.stdout, "%s %s: released, the next export sends it\n", parked.Agent, oneLine(parked.Name()))
		t := newTable(a.stdout)
		for i := range parked.Attributes {
			t.row("    "+parked.Attributes[i].Name, parkedText(&parked.Attributes[i]))
		}
		return t.end()
	})
}

// parkedText tells between what an attribute goes round.
func parkedText(p *space.ParkedAttribute) string {
	text := fmt.Sprintf("%s in place of %s", listText(p.Wanted), listText(p.Found))
	if p.Rule != "" {
		text += fmt.Sprintf(", by rule %q", p.Rule)
	}
	if len(p.Contributors) > 0 {
		text += " from " + strings.Join(p.Contributors, " and ")
	}
	return text
}

func listText(values []string) string {
	if len(values) == 0 {
		return "nothing"
	}
	return oneLine(strings.Join(values, ", "))
}
