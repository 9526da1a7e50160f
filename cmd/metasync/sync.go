package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/engine"
)

type syncCmd struct {
	Agent    string `arg:"" help:"The agent."`
	Key      string `arg:"" help:"The anchor, DN or id of the object; anchor or DN of one that no import has shown yet."`
	DryRun   bool   `help:"Read everything and write nothing: tell what would be done."`
	NoExport bool   `help:"Stage exports and leave them."`
}

func (*syncCmd) Help() string {
	return "Reads the object from its system and its connectors from theirs, synchronizes it, exports what that changes in its " +
		"connectors, and reads these again; nothing of other objects is exported. Thresholds and exports that are off hold. " +
		"If a daemon is running it does the work, when nothing else runs. " +
		"The exit code is 3 if there are errors on objects, and 4 if a threshold holds the object."
}

func (c *syncCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		out, err := service.SyncObject(a.ctx, engine.SingleQuery{Agent: c.Agent, Key: c.Key, DryRun: c.DryRun, NoExport: c.NoExport}, userName())
		if err != nil {
			return err
		}
		if a.JSON {
			err = a.printJSON(out)
		} else {
			err = a.printSingle(out)
		}
		if err != nil {
			return err
		}
		return exitFor(out.Result.Severity()).result()
	})
}

// printSingle prints the steps in their order, each with what it changed.
func (a *app) printSingle(out *engine.SingleSync) error {
	name := oneLine(cmp.Or(out.DN, out.Anchor, out.ID.String()))
	if out.DryRun {
		fmt.Fprintf(a.stdout, "%s %s %s: a dry run ended with %s; nothing was changed\n", out.Agent, out.Object, name, out.Result)
	} else {
		fmt.Fprintf(a.stdout, "%s %s %s: run %d ended with %s\n", out.Agent, out.Object, name, out.Run, out.Result)
	}
	if m := out.Metaverse; m != nil {
		fmt.Fprintf(a.stdout, "  linked to %s (%s)\n", m.ID, oneLine(m.Name))
	} else {
		fmt.Fprintln(a.stdout, "  linked to no metaverse object")
	}
	if len(out.Checks) > 0 {
		fmt.Fprintln(a.stdout, "checks")
		t := newTable(a.stdout)
		for _, c := range out.Checks {
			t.row("  "+c.Check, c.Name, passedText(c), checkText(c))
		}
		if err := t.end(); err != nil {
			return err
		}
	}
	for i, step := range out.Steps {
		if step.Skipped != "" {
			fmt.Fprintf(a.stdout, "%d. %s %s: not done: %s\n", i+1, step.Step, step.Agent, step.Skipped)
		} else {
			fmt.Fprintf(a.stdout, "%d. %s %s: %s\n", i+1, step.Step, step.Agent, step.Result)
		}
		for _, line := range singleTexts(step) {
			fmt.Fprintf(a.stdout, "   %s\n", oneLine(line))
		}
	}
	return nil
}

func passedText(c engine.ScopeCheck) string {
	switch {
	case c.Passed:
		return "passed"
	case c.Check == "connector-filter":
		return "filtered out"
	case c.Check == "object-type":
		return "not synchronized"
	}
	return "out of scope"
}

// checkText is the conditions that decided about a check: of a filter that caught
// nothing, and of a scope that holds, those that were asked.
func checkText(c engine.ScopeCheck) string {
	var alternatives []string
	for _, conditions := range c.Conditions {
		texts := make([]string, len(conditions))
		for i, condition := range conditions {
			texts[i] = conditionText(condition)
			if condition.Holds == (c.Check == "connector-filter") {
				texts[i] += map[bool]string{true: ": holds", false: ": does not hold"}[condition.Holds]
			}
		}
		alternatives = append(alternatives, strings.Join(texts, " and "))
	}
	return strings.Join(alternatives, ", or ")
}

// singleTexts tells what a step did.
func singleTexts(step engine.SingleStep) []string {
	var out []string
	if step.Error != "" {
		out = append(out, step.Error)
	}
	if step.Hint != "" {
		out = append(out, "hint: "+step.Hint)
	}
	out = append(out, step.Notes...)
	for i := range step.Errors {
		kind := "error: "
		if step.Errors[i].Warning {
			kind = "warning: "
		}
		out = append(out, kind+errorText(&step.Errors[i]))
	}
	if p := step.Synchronization; p != nil {
		if p.Operation != "" {
			out = append(out, fmt.Sprintf("%s %s: %s", p.Object, cmp.Or(p.DN, p.Anchor), p.Operation))
		}
		for _, d := range p.Deprovisioning {
			out = append(out, deprovisioningText(d))
		}
		out = append(out, previewWhyNot(p)...)
		return append(out, changeTexts(p.Changes)...)
	}
	for _, o := range step.Objects {
		out = append(out, singleTitle(step.Step, o))
		out = append(out, sampleTexts(engine.ForecastSample{NewDN: o.NewDN, Changes: o.Changes})...)
	}
	return out
}

// singleTitle says what is the matter with an object in a step.
func singleTitle(step string, o engine.SingleObject) string {
	title := strings.TrimSpace(o.Object + " " + o.DN)
	switch {
	case o.Operation == "none" && len(o.Changes) == 0 && o.NewDN == "":
		return title + ": no change"
	case o.Operation == "removed":
		return title + ": removed from the connector space"
	case step == engine.SingleExport:
		return title + ": " + o.Operation
	case o.Operation != "none":
		return title + ": pending import, " + o.Operation
	}
	return title
}
