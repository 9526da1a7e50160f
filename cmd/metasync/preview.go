package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/sync"
)

type previewCmd struct {
	Agent string `arg:"" optional:"" help:"The agent."`
	Key   string `arg:"" optional:"" help:"The anchor, DN or id of the object in its connector space."`

	Delta  bool `help:"Look only at what the pending import changed, as a delta synchronization does."`
	Commit bool `help:"Do it: change the metaverse and stage the exports."`

	All     bool   `help:"Synchronize everything instead of one object."`
	With    string `placeholder:"FILE" help:"With --all: in what another configuration with its scripts would end differently."`
	Samples int    `placeholder:"N" help:"With --all: how many objects to show for each kind of change (default: 5)."`
}

func (*previewCmd) Help() string {
	return "Tells what a synchronization would do and why; nothing is changed and nothing exported unless --commit is given. " +
		"The exit code is 3 if objects have errors, 4 if a threshold holds what --commit would do, and 5 if --with shows differences."
}

// Validate refuses flags and arguments that do not go together.
func (c *previewCmd) Validate() error {
	switch {
	case c.All && (c.Agent != "" || c.Delta || c.Commit):
		return errors.New("--all is about all objects: it goes with no object, no --delta and no --commit")
	case c.All && c.Samples < 0:
		return errors.New("--samples needs a number that is not negative")
	case !c.All && (c.With != "" || c.Samples != 0):
		return errors.New("--with and --samples need --all")
	case !c.All && c.Key == "":
		return errors.New("an agent and the key of an object are needed, or --all")
	}
	return nil
}

func (c *previewCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		if c.All {
			return c.forecast(a, service)
		}
		q := engine.PreviewQuery{Agent: c.Agent, Key: c.Key, Delta: c.Delta}
		var p *engine.Preview
		var err error
		if c.Commit {
			p, err = service.CommitPreview(a.ctx, q, userName())
		} else {
			p, err = service.Preview(a.ctx, q)
		}
		if err != nil {
			return err
		}
		if a.JSON {
			err = a.printJSON(p)
		} else {
			err = a.printPreview(p)
		}
		if err != nil {
			return err
		}
		return exitFor(p.Result.Severity()).result()
	})
}

// printPreview prints what would become different, then what will not be and why,
// then every decision.
func (a *app) printPreview(p *engine.Preview) error {
	name := oneLine(cmp.Or(p.DN, p.Anchor, p.ID.String()))
	if p.Committed {
		fmt.Fprintf(a.stdout, "%s %s %s: run %d did a %s synchronization: %s\n", p.Agent, p.Object, name, p.Run, p.Mode, p.Result)
	} else {
		fmt.Fprintf(a.stdout, "%s %s %s: a %s synchronization would end with %s; nothing was changed\n", p.Agent, p.Object, name, p.Mode, p.Result)
	}
	if p.Stopped != "" {
		fmt.Fprintf(a.stdout, "  %s\n  hint: %s\n", oneLine(p.Stopped), oneLine(p.Hint))
	}
	t := newTable(a.stdout)
	state := p.State
	if p.NewState != p.State {
		state += " -> " + cmp.Or(p.NewState, "gone")
	}
	t.row("  state", state)
	if p.Operation != "" {
		t.row("  counted as", p.Operation)
	}
	if p.PendingImport != nil {
		t.row("  pending import", p.PendingImport.Operation)
	}
	if err := t.end(); err != nil {
		return err
	}
	a.section("errors", errorTexts(p.Errors))
	a.section("why not", previewWhyNot(p))
	a.section("what becomes different, once it is exported", changeTexts(p.Changes))
	if err := a.printInbound(p); err != nil {
		return err
	}
	return a.printOutbound(p)
}

// section prints lines under a title, nothing if there are none.
func (a *app) section(title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(a.stdout, "%s\n", title)
	for _, line := range lines {
		fmt.Fprintf(a.stdout, "  %s\n", oneLine(line))
	}
}

func errorTexts(list []run.ErrorRecord) []string {
	var out []string
	for _, e := range list {
		text := errorText(&e)
		if e.Warning {
			text = "warning: " + text
		}
		out = append(out, text)
	}
	return out
}

// errorText is an error on an object as people read it.
func errorText(e *run.ErrorRecord) string {
	text := e.Type
	if e.Rule != "" {
		text += fmt.Sprintf(": rule %q", e.Rule)
	}
	if e.Attribute != "" {
		text += fmt.Sprintf(": attribute %q", e.Attribute)
	}
	if e.File != "" {
		text += fmt.Sprintf(": %s:%d:%d", e.File, e.Line, e.Column)
	}
	return text + ": " + e.Detail
}

// previewWhyNot tells what the rules could have done and did not.
func previewWhyNot(p *engine.Preview) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if p.Filter != nil && p.Filter.Filtered {
		if p.Filter.Scripted {
			add("a script filters the object out")
		} else {
			add("the connector filter catches the object: %s", conditionTexts(p.Filter.Conditions, true))
		}
	}
	for _, r := range p.InboundRules {
		switch {
		case r.WaitsFor != "":
			add("rule %q waits for rule %q, which does not apply", r.Rule, r.WaitsFor)
		case !r.InScope:
			add("rule %q is out of scope: %s", r.Rule, conditionTexts(r.Conditions, false))
		}
		if r.Disconnects {
			add("rule %q made the link and no longer applies, nor does another: the link is cut", r.Rule)
		}
	}
	for _, j := range p.Joins {
		if j.Resolution == sync.ResolvedAmbiguous {
			add("rule %q does not join: %s match %s", j.Rule, number(len(j.Matches), "object"), criterionText(j))
		}
	}
	if p.Projection != nil && p.Projection.Type == "" {
		add("nothing projects the object: no rule that applies says project, and no script")
	}
	for _, f := range p.ImportFlows {
		switch f.Status {
		case sync.FlowNotPrecedent:
			text := fmt.Sprintf("%s from %q: %s", f.Attribute, f.Rule, f.Status)
			if c := f.Contributor; c != nil {
				text += fmt.Sprintf(": %s of %s, rule %q, is stronger than %s", valuesOr(f.After), c.Agent, c.Rule, valuesOr(f.Value))
			}
			add("%s", text)
		case sync.FlowDeclined, sync.FlowNoValue, sync.FlowAwaits, sync.FlowOutOfScope, sync.FlowFailed:
			if f.Status != sync.FlowOutOfScope || ruleApplies(p, f.Rule) {
				add("%s from %q: %s (%s)", f.Attribute, f.Rule, f.Status, f.Source)
			}
		}
	}
	for _, r := range p.Provisioning {
		if text := outboundWhyNot(r); text != "" {
			add("%s", text)
		}
	}
	for _, c := range p.ExportFlows {
		for _, f := range c.Flows {
			if text := exportWhyNot(f); text != "" {
				add("%s %s: %s", c.Agent, c.DN, text)
			}
		}
	}
	return out
}

func ruleApplies(p *engine.Preview, rule string) bool {
	return slices.ContainsFunc(p.InboundRules, func(r engine.InboundRuleView) bool { return r.Rule == rule && r.InScope && r.WaitsFor == "" })
}

// outboundWhyNot tells why a rule does not give an object a connector, "" if it
// does.
func outboundWhyNot(r engine.ProvisioningView) string {
	switch r.Outcome {
	case sync.OutboundOutOfScope:
		return fmt.Sprintf("rule %q to %s is out of scope: %s", r.Rule, r.Agent, conditionTexts(r.Conditions, false))
	case sync.OutboundWaits:
		return fmt.Sprintf("rule %q to %s waits for rule %q", r.Rule, r.Agent, r.WaitsFor)
	case sync.OutboundNone:
		return fmt.Sprintf("rule %q to %s finds no connector and may create none", r.Rule, r.Agent)
	case sync.OutboundFailed:
		return fmt.Sprintf("rule %q to %s fails: %s", r.Rule, r.Agent, errorText(r.Error))
	}
	return ""
}

// exportWhyNot tells why a flow gives its target nothing, "" if it does.
func exportWhyNot(f engine.FlowView) string {
	switch f.Status {
	case sync.FlowNotPrecedent, sync.FlowWeaker, sync.FlowDeclined, sync.FlowAwaits, sync.FlowOutOfScope, sync.FlowFailed:
		return fmt.Sprintf("%s from %q: %s", f.Attribute, f.Rule, f.Status)
	case sync.FlowNoValue:
		if len(f.Before) > 0 {
			return fmt.Sprintf("%s from %q: %s, so %s stays (allowNull would remove it)", f.Attribute, f.Rule, f.Status, valuesOr(f.Before))
		}
		return fmt.Sprintf("%s from %q: %s", f.Attribute, f.Rule, f.Status)
	}
	return ""
}

// conditionTexts lists the conditions of a scope that do, or do not, hold: by
// alternative.
func conditionTexts(alternatives [][]engine.ConditionView, hold bool) string {
	var out []string
	for _, conditions := range alternatives {
		var texts []string
		fits := true
		for _, c := range conditions {
			if c.Holds == hold {
				texts = append(texts, conditionText(c))
			}
			fits = fits && c.Holds == hold
		}
		if len(texts) > 0 && (fits || !hold) {
			out = append(out, strings.Join(texts, " and "))
		}
	}
	return strings.Join(out, ", or ")
}

func conditionText(c engine.ConditionView) string {
	text := c.Attribute + " " + c.Operator
	if c.Value != "" {
		text += fmt.Sprintf(" %q", c.Value)
	}
	if strings.HasSuffix(c.Operator, "member-of") {
		return text
	}
	if len(c.Actual) == 0 {
		return text + " (it has no value)"
	}
	return text + fmt.Sprintf(" (it is %s)", valuesOr(c.Actual))
}

func criterionText(j engine.JoinView) string {
	texts := make([]string, len(j.Criterion))
	for i, pair := range j.Criterion {
		texts[i] = fmt.Sprintf("%s = %s", pair.Metaverse, valuesOr(pair.Values))
	}
	return strings.Join(texts, " and ")
}

// maxValues is how many values of one attribute people get to see.
const maxValues = 10

// valuesOr is the values of an attribute as people read them within a sentence.
func valuesOr(values []any) string {
	switch {
	case len(values) == 0:
		return "no value"
	case len(values) > maxValues:
		return fmt.Sprintf("%s and %d more", valuesText(values[:maxValues]), len(values)-maxValues)
	}
	return valuesText(values)
}

// flowValue is what a flow gives its target, in a table.
func flowValue(values []any) string {
	if len(values) == 0 {
		return "-"
	}
	return valuesOr(values)
}

func changeTexts(changes []engine.PreviewChange) []string {
	var out []string
	for _, c := range changes {
		out = append(out, fmt.Sprintf("%s %s %s: %s", cmp.Or(c.Agent, "metaverse"), c.Object, c.DN, c.Operation))
		out = append(out, sampleTexts(c.ForecastSample)...)
	}
	return out
}

func sampleTexts(s engine.ForecastSample) []string {
	var out []string
	if s.NewDN != "" {
		out = append(out, "  new DN: "+s.NewDN)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Changes)) {
		c := s.Changes[name]
		if len(c.Before) == 0 {
			out = append(out, fmt.Sprintf("  %s: %s", name, valuesOr(c.After)))
		} else {
			out = append(out, fmt.Sprintf("  %s: %s -> %s", name, valuesOr(c.Before), valuesOr(c.After)))
		}
	}
	return out
}

func (a *app) printInbound(p *engine.Preview) error {
	var lines []string
	for _, j := range p.Joins {
		text := fmt.Sprintf("join by %q: %s: %s", j.Rule, criterionText(j), j.Resolution)
		for _, m := range j.Matches {
			text += fmt.Sprintf(" [%s %s]", m.Name, m.ID)
		}
		lines = append(lines, text)
	}
	if d := p.Projection; d != nil && d.Type != "" {
		by := fmt.Sprintf("rule %q", d.Rule)
		if d.Scripted {
			by = "a script"
		}
		lines = append(lines, fmt.Sprintf("projected to a new %s by %s", d.Type, by))
	}
	for _, o := range p.ObjectTypes {
		lines = append(lines, fmt.Sprintf("%s becomes a %s, it was a %s: rule %q", o.Object.Name, o.To, o.From, o.Rule))
	}
	for _, r := range p.Recalls {
		text := fmt.Sprintf("%s of %s is recalled: %s -> %s", r.Attribute, r.From, valuesOr(r.Before), valuesOr(r.After))
		if r.Contributor != nil {
			text += fmt.Sprintf(" of %s, rule %q", r.Contributor.Agent, r.Contributor.Rule)
		}
		lines = append(lines, text)
	}
	for _, d := range p.Deletions {
		verdict := "the metaverse object stays"
		if d.Delete {
			verdict = "the metaverse object is deleted"
		}
		lines = append(lines, fmt.Sprintf("object deletion rule %s: %s", d.Rule, verdict))
	}
	a.section("inbound", lines)
	if len(p.ImportFlows) == 0 {
		return nil
	}
	if len(lines) == 0 {
		fmt.Fprintln(a.stdout, "inbound")
	}
	t := newTable(a.stdout)
	for _, f := range p.ImportFlows {
		shown := f.Value
		if f.Status == sync.FlowNotEvaluated || f.Status == sync.FlowUnchanged && len(shown) == 0 {
			shown = f.After
		}
		t.row("  "+f.Attribute, f.Status, f.Rule, f.Source, flowValue(shown))
	}
	return t.end()
}

func (a *app) printOutbound(p *engine.Preview) error {
	var lines []string
	for _, r := range p.Provisioning {
		if outboundWhyNot(r) == "" {
			lines = append(lines, outboundText(r))
		}
	}
	for _, d := range p.Deprovisioning {
		lines = append(lines, deprovisioningText(d))
	}
	for _, d := range p.Detected {
		if !slices.Equal(d.Before, d.After) {
			lines = append(lines, fmt.Sprintf("%s %s: detected rules %q -> %q", d.Agent, d.DN, d.Before, d.After))
		}
	}
	a.section("outbound", lines)
	for _, c := range p.ExportFlows {
		fmt.Fprintf(a.stdout, "to %s %s %s\n", c.Agent, c.Object, oneLine(c.DN))
		t := newTable(a.stdout)
		for _, f := range c.Flows {
			t.row("  "+f.Attribute, f.Status, f.Rule, f.Source, flowValue(f.After))
		}
		if err := t.end(); err != nil {
			return err
		}
	}
	return nil
}

func outboundText(r engine.ProvisioningView) string {
	by := fmt.Sprintf("rule %q to %s", r.Rule, r.Agent)
	if r.Rule == "" {
		by = "a script, to " + r.Agent
	}
	return fmt.Sprintf("%s: %s %s", by, r.Outcome, r.DN)
}

func deprovisioningText(d engine.DeprovisioningView) string {
	because := string(d.Because)
	switch {
	case d.Because == sync.BecauseDeleted:
		because = "its metaverse object is deleted"
	case d.Because == sync.BecauseScript:
		because = "a script says so"
	case d.Rule != "":
		because = fmt.Sprintf("it %s of rule %q", because, d.Rule)
	}
	return fmt.Sprintf("%s %s is deprovisioned: %s, because %s", d.Agent, d.DN, d.Action, because)
}
