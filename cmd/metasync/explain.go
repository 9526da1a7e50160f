package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

type explainCmd struct {
	Agent     string `arg:"" help:"The agent, or the word metaverse."`
	Key       string `arg:"" help:"The anchor, DN or id of the object; for the metaverse, its id."`
	Attribute string `arg:"" optional:"" help:"Only what concerns this attribute."`
}

func (*explainCmd) Help() string {
	return "Tells who linked an object, who gave each attribute its value and why others could not, what waits, what is " +
		"pending and since when, and what the rules would do now. Nothing is changed."
}

func (c *explainCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		q := engine.ExplainQuery{Agent: c.Agent, Key: c.Key, Attribute: c.Attribute}
		if c.Agent == "metaverse" {
			q = engine.ExplainQuery{Metaverse: c.Key, Attribute: c.Attribute}
		}
		x, err := service.Explain(a.ctx, q)
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(x)
		}
		return a.printExplanation(x)
	})
}

func (a *app) printExplanation(x *engine.Explanation) error {
	if x.Object != nil {
		if err := a.explainConnector(x.Object); err != nil {
			return err
		}
	}
	if m := x.Metaverse; m != nil {
		fmt.Fprintf(a.stdout, "metaverse %s %s (%s)\n", m.Type, m.ID, oneLine(m.Name))
		var waits []string
		if m.Error != nil {
			waits = append(waits, "the outbound phase would fail: "+errorText(m.Error))
		}
		for _, r := range m.Outbound {
			waits = append(waits, cmp.Or(outboundWhyNot(r), outboundText(r)))
		}
		for _, d := range m.Cut {
			waits = append(waits, deprovisioningText(d))
		}
		for _, text := range waits {
			fmt.Fprintf(a.stdout, "  %s\n", oneLine(text))
		}
		for _, attribute := range m.Attributes {
			if err := a.explainAttribute(attribute); err != nil {
				return err
			}
		}
	}
	for i := range x.Connectors {
		if err := a.explainConnector(&x.Connectors[i]); err != nil {
			return err
		}
	}
	return nil
}

// explainAttribute prints a metaverse attribute with everybody who could give it a
// value.
func (a *app) explainAttribute(m engine.ObjectAttribute) error {
	text := fmt.Sprintf("  %s: %s", m.Name, valuesOr(m.Values))
	for i, c := range m.Contributors {
		what := ", from"
		if i > 0 {
			what = " and"
		}
		text += fmt.Sprintf("%s %s %s, rule %q, since %s", what, c.Agent, c.DN, c.Rule, stamp(c.Time))
	}
	if m.Precedence != "ranked" {
		text += fmt.Sprintf(" (precedence %s)", m.Precedence)
	}
	fmt.Fprintln(a.stdout, oneLine(text))
	t := newTable(a.stdout)
	for _, c := range m.Candidates {
		note := ""
		switch {
		case c.Error != nil:
			note = errorText(c.Error)
		case len(c.Conditions) > 0:
			note = conditionTexts(c.Conditions, false)
		case c.Null:
			note = "says that there shall be no value"
		case len(c.Value) > 0:
			note = valuesOr(c.Value)
		}
		if c.Pending {
			note = strings.TrimSpace(note + " (an import is pending)")
		}
		t.row(fmt.Sprintf("    %d", c.Rank), c.Agent, cmp.Or(c.DN, "-"), c.Rule, c.Source, c.Standing, note)
	}
	return t.end()
}

func (a *app) explainConnector(c *engine.ConnectorExplanation) error {
	fmt.Fprintf(a.stdout, "%s %s %s: %s\n", c.Agent, c.Object, oneLine(cmp.Or(c.DN, c.Anchor, c.ID.String())), c.State)
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if l := c.Link; l != nil {
		by := l.By
		if l.Rule != "" {
			by += fmt.Sprintf(", rule %q", l.Rule)
		}
		add("linked to %s (%s) by %s, since %s", l.Metaverse.ID, l.Metaverse.Name, by, stamp(l.Time))
	}
	if d := c.Disconnection; d != nil {
		by := d.Type
		if d.Rule != "" {
			by += fmt.Sprintf(", rule %q", d.Rule)
		}
		add("lost its last link by %s, on %s", by, stamp(d.Time))
	}
	for _, e := range []struct {
		when string
		err  *space.ObjectError
	}{{"synchronization", c.ImportError}, {"export", c.ExportError}} {
		if e.err != nil {
			when := "at " + stamp(e.err.Last)
			if e.err.Retries > 0 {
				when = fmt.Sprintf("first at %s, last at %s, tried again %s", stamp(e.err.First), stamp(e.err.Last), number(e.err.Retries, "time"))
			}
			what := e.err.Name
			if e.err.Attribute != "" {
				what += fmt.Sprintf(": attribute %q", e.err.Attribute)
			}
			add("the last %s failed: %s: %s (%s)", e.when, what, e.err.Detail, when)
		}
	}
	for _, w := range c.Awaits {
		state := w.State
		if w.Agent != "" {
			state = "which has no connector of " + w.Agent
		} else {
			state = "which is a " + state
		}
		add("%s waits for %s, %s", w.Attribute, w.Name, state)
	}
	if c.Import != "" {
		add("an import is pending: %s", c.Import)
	}
	if c.Export != "" {
		add("an export is pending: %s", c.Export)
	}
	if c.Unconfirmed != "" {
		add("an export is not confirmed: %s, batch %d", c.Unconfirmed, c.Batch)
	}
	if c.NewDN != "" {
		add("it is being renamed to %s", c.NewDN)
	}
	if c.Attempts > 0 {
		add("%s not seen back", number(c.Attempts, "export"))
	}
	for _, rule := range c.Detected {
		add("detected rule: %s", rule)
	}
	for _, r := range c.Runs {
		add("touched by run %d at %s, %s %s: %s", r.Run, stamp(r.Started), r.Agent, r.Step, strings.Join(r.Counters, ", "))
	}
	for _, line := range lines {
		fmt.Fprintf(a.stdout, "  %s\n", oneLine(line))
	}
	t := newTable(a.stdout)
	for _, attribute := range c.Attributes {
		t.row("    "+attribute.Name, valuesOr(attribute.Synchronized), imagesText(attribute))
	}
	return t.end()
}

// imagesText tells in what the images of an attribute differ, and which flows give
// it nothing.
func imagesText(c engine.ConnectorAttribute) string {
	var out []string
	gone := func(image string) bool { return slices.Contains(c.Removed, image) }
	if len(c.Imported) > 0 || gone("pendingImport") {
		out = append(out, "imported, not synchronized: "+valuesOr(c.Imported))
	}
	if c.Unconfirmed {
		out = append(out, "exported, not confirmed: "+valuesOr(c.Exported))
	}
	if p := c.Pending; p != nil {
		text := fmt.Sprintf("pending %s: %s", p.Operation, valuesOr(c.Unapplied))
		if p.Since != nil {
			text += fmt.Sprintf(", since %s (run %d)", stamp(*p.Since), p.Run)
		} else {
			text += ", since when is not known"
		}
		out = append(out, text)
	}
	for _, f := range c.Flows {
		text := exportWhyNot(f)
		if f.Status == sync.FlowStaged || f.Status == sync.FlowWithdrawn {
			text = fmt.Sprintf("%s from %q: the next synchronization changes it: %s", f.Attribute, f.Rule, valuesOr(f.After))
		}
		if text != "" {
			out = append(out, text)
		}
	}
	return strings.Join(out, "; ")
}
