package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/metasync/metasync/daemon"
)

type discoverCmd struct {
	Agent string `arg:"" help:"The agent. It needs no object types yet."`
	Draft bool   `help:"Print only the draft of a configuration, as YAML."`
	All   bool   `help:"Show also the attributes that no object has."`
}

func (*discoverCmd) Help() string {
	return "Asks the system, counts its objects and looks at their attributes; reads only. The agent needs no more in the " +
		"configuration than its type and where its system is. --draft prints an entry of the agent with object types, and rules to start from."
}

func (c *discoverCmd) Run(a *app) error {
	found, err := daemon.Discover(a.ctx, a.daemon(), c.Agent)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.printJSON(found)
	}
	for _, w := range found.Warnings {
		fmt.Fprintf(a.stderr, "warning: %s\n", oneLine(w))
	}
	if c.Draft {
		_, err := fmt.Fprint(a.stdout, found.Draft)
		return err
	}
	return a.printDiscovery(found, c.All)
}

func (a *app) printDiscovery(d *daemon.Discovery, all bool) error {
	t := newTable(a.stdout)
	t.row("agent", d.Agent+", type "+d.Type)
	if d.System != "" {
		t.row("system", d.System)
	}
	for _, f := range d.Facts {
		value := f.Value
		if f.Name == "file" || f.Name == "changes" || f.Name == "exportChanges" {
			value = a.place(value)
		}
		t.row(f.Name, value)
	}
	t.row()
	t.row("CAPABILITY", "VALUE", "REMARKS")
	for _, c := range d.Capabilities {
		t.row(c.Name, c.Value, cmp.Or(c.Why, "-"))
	}
	if err := t.end(); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout)
	t = newTable(a.stdout)
	t.row("OBJECT TYPE", "OBJECTS", "CONFIGURED", "ANCHOR", "UNIQUE")
	for i := range d.Types {
		o := &d.Types[i]
		configured := "no"
		if o.Configured {
			configured = "yes"
		}
		t.row(o.Name, countOf(o), configured, words(o.Anchor), words(o.Candidates))
	}
	if len(d.Containers) > 0 {
		t.row()
		t.row("IN", "OBJECTS", "OBJECT TYPE")
		for _, at := range d.Containers {
			t.row(at.Name, at.Objects, at.Type)
		}
	}
	if err := t.end(); err != nil {
		return err
	}
	for i := range d.Types {
		if err := a.printAttributes(&d.Types[i], all); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(a.stdout, "\nmetasync discover %s --draft prints a configuration to start from\n", d.Agent)
	return err
}

func countOf(o *daemon.DiscoveredType) string {
	switch {
	case o.Objects == nil:
		return "-"
	case o.AtLeast:
		return "at least " + strconv.Itoa(*o.Objects)
	}
	return strconv.Itoa(*o.Objects)
}

// words lists a few names; of many, the first.
func words(names []string) string {
	const most = 4
	if len(names) > most {
		names = append(slices.Clone(names[:most]), "...")
	}
	return cmp.Or(strings.Join(names, " "), "-")
}

func (a *app) printAttributes(o *daemon.DiscoveredType, all bool) error {
	if len(o.Attributes) == 0 {
		return nil
	}
	fmt.Fprintln(a.stdout)
	t := newTable(a.stdout)
	t.row("ATTRIBUTE OF "+o.Name, "TYPE", "OBJECTS", "VALUES", "REMARKS")
	unused := 0
	for _, x := range o.Attributes {
		if x.Objects == 0 && o.Read > 0 && !x.Required && !x.ExportOnly && !slices.Contains(o.Anchor, x.Name) && !all {
			unused++
			continue
		}
		var remarks []string
		for _, r := range []struct {
			is   bool
			text string
		}{{slices.Contains(o.Anchor, x.Name), "anchor"}, {x.Required, "required"}, {x.ImportOnly, "read only"}, {x.ExportOnly, "write only"}} {
			if r.is {
				remarks = append(remarks, r.text)
			}
		}
		objects, values := "-", "-"
		if o.Read > 0 && !x.ExportOnly {
			objects, values = fmt.Sprintf("%d of %d", x.Objects, o.Read), strconv.Itoa(x.Values)
		}
		t.row(x.Name, x.Type, objects, values, cmp.Or(strings.Join(remarks, ", "), "-"))
	}
	if err := t.end(); err != nil {
		return err
	}
	if unused > 0 {
		fmt.Fprintf(a.stdout, "and %s that no object has, see --all\n", number(unused, "attribute"))
	}
	return nil
}
