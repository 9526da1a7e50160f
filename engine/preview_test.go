package engine_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// look previews or explains an object in a scenario, and makes sure that this
// changes nothing.
func (s *script) look(what string, args []string) (string, error) {
	before := dump(s.state)
	s.now = s.now.Add(time.Minute)
	var out string
	var err error
	switch {
	case what == "commit":
		p, commitErr := s.engine.CommitPreview(s.t.Context(), previewQuery(args), engine.Cause{Kind: "manual", User: "ada"})
		if commitErr != nil {
			return refusal(commitErr), nil
		}
		return showPreview(p), nil
	case what == "preview":
		var p *engine.Preview
		if p, err = s.engine.Preview(s.t.Context(), previewQuery(args)); err == nil {
			out = showPreview(p)
		}
	default:
		q := engine.ExplainQuery{Agent: args[0], Key: args[1]}
		if args[0] == "mv" {
			q = engine.ExplainQuery{Metaverse: args[1]}
		}
		if len(args) > 2 {
			q.Attribute = args[2]
		}
		var x *engine.Explanation
		if x, err = s.engine.Explain(s.t.Context(), q); err == nil {
			out = showExplanation(x)
		}
	}
	if diff := cmp.Diff(before, dump(s.state)); diff != "" {
		return "", fmt.Errorf("%s changed the store (-before +after):\n%s", what, diff)
	}
	if err != nil {
		return refusal(err), nil
	}
	return out, nil
}

func previewQuery(args []string) engine.PreviewQuery {
	return engine.PreviewQuery{Agent: args[0], Key: args[1], Delta: len(args) > 2 && args[2] == "delta"}
}

func refusal(err error) string {
	text := fmt.Sprintf("refused: %v\n", err)
	if named := fault.As(err, ""); named.Hint != "" {
		text += "  hint: " + named.Hint + "\n"
	}
	return text
}

type lines struct{ strings.Builder }

func (l *lines) add(format string, args ...any) { fmt.Fprintf(l, format+"\n", args...) }

func showPreview(p *engine.Preview) string {
	var b lines
	b.add("  %s %s, %s -> %s, %s", p.Mode, p.Result, p.State, p.NewState, p.Operation)
	for _, e := range p.Errors {
		b.add("  error %s warning=%v rule=%q attribute=%q step=%s: %s", e.Type, e.Warning, e.Rule, e.Attribute, e.Step, e.Detail)
	}
	if p.ImportView != rules.ImportedView {
		b.add("  flows read the %s view", p.ImportView)
	}
	if p.Filter != nil {
		b.add("  filter %v%s", p.Filter.Filtered, showConditions(p.Filter.Conditions))
	}
	for _, r := range p.InboundRules {
		b.add("  scope of %s: %v%s", r.Rule, r.InScope, showConditions(r.Conditions))
		if r.WaitsFor != "" {
			b.add("  %s waits for %s", r.Rule, r.WaitsFor)
		}
		if r.Disconnects {
			b.add("  %s cuts the link", r.Rule)
		}
	}
	for _, j := range p.Joins {
		var pairs, matches []string
		for _, pair := range j.Criterion {
			pairs = append(pairs, fmt.Sprintf("%s=%s%v", pair.Connector, pair.Metaverse, pair.Values))
		}
		for _, m := range j.Matches {
			matches = append(matches, m.Name)
		}
		b.add("  join %s %s finds %q: %s", j.Rule, strings.Join(pairs, " "), matches, j.Resolution)
	}
	if p.Projection != nil {
		b.add("  project %q by %q", p.Projection.Type, p.Projection.Rule)
	}
	for _, o := range p.ObjectTypes {
		b.add("  type %s -> %s by %s", o.From, o.To, o.Rule)
	}
	for _, f := range p.ImportFlows {
		text := showFlow(f.FlowView) + showContributor(f.ContributorBefore) + " ->" + showContributor(f.Contributor)
		for _, a := range f.Asked {
			text += fmt.Sprintf("; asked %s %s: %v", a.Agent, a.Rule, a.Value)
		}
		b.add("  import %s", text)
	}
	for _, r := range p.Recalls {
		b.add("  recall %s of %s: %v -> %v%s", r.Attribute, r.From, r.Before, r.After, showContributor(r.Contributor))
	}
	for _, d := range p.Deletions {
		b.add("  deletion rule %s of %s: %v", d.Rule, d.Agent, d.Delete)
	}
	showProvisioning(&b, p.Provisioning)
	for _, d := range p.Deprovisioning {
		b.add("  deprovision %s %s: %s, %s %s", d.Agent, d.DN, d.Action, d.Because, d.Rule)
	}
	for _, c := range p.ExportFlows {
		for _, f := range c.Flows {
			b.add("  export %s %s: %s", c.Agent, c.DN, showFlow(f))
		}
	}
	for _, d := range p.Detected {
		b.add("  detected %s %s: %v -> %v", d.Agent, d.DN, d.Before, d.After)
	}
	for _, c := range p.Changes {
		data, _ := json.Marshal(c.Changes)
		b.add("  change %s %s %s %s%s %s", c.Operation, c.Agent, c.Object, c.DN, c.NewDN, data)
	}
	return b.String()
}

func showProvisioning(b *lines, list []engine.ProvisioningView) {
	for _, r := range list {
		text := fmt.Sprintf("%s to %s: %s", r.Rule, r.Agent, r.Outcome)
		if r.WaitsFor != "" {
			text += " for " + r.WaitsFor
		}
		if r.Error != nil {
			text += " " + r.Error.Type
		}
		b.add("  outbound %s %s%s", text, r.DN, showConditions(r.Conditions))
	}
}

func showFlow(f engine.FlowView) string {
	text := fmt.Sprintf("%s <- %s (%s) says %v: %s: %v -> %v", f.Attribute, f.Source, f.Rule, f.Value, f.Status, f.Before, f.After)
	if f.Error != nil {
		text += " " + f.Error.Type
	}
	return text
}

func showContributor(c *engine.ContributorView) string {
	if c == nil {
		return " nobody"
	}
	return fmt.Sprintf(" %s (%s)", c.Agent, c.Rule)
}

func showConditions(alternatives [][]engine.ConditionView) string {
	var b strings.Builder
	for i, conditions := range alternatives {
		if i > 0 {
			b.WriteString(" or")
		}
		for _, c := range conditions {
			fmt.Fprintf(&b, " [%s %s %q is %v: %v]", c.Attribute, c.Operator, c.Value, c.Actual, c.Holds)
		}
	}
	return b.String()
}

func showExplanation(x *engine.Explanation) string {
	var b lines
	if x.Object != nil {
		showExplainedConnector(&b, x.Object)
	}
	if m := x.Metaverse; m != nil {
		b.add("  metaverse %s %s", m.Type, m.Name)
		if m.Error != nil {
			b.add("  outbound fails: %s", m.Error.Type)
		}
		showProvisioning(&b, m.Outbound)
		for _, a := range m.Attributes {
			var from []string
			for _, c := range a.Contributors {
				from = append(from, fmt.Sprintf("%s %s (%s)", c.Agent, c.DN, c.Rule))
			}
			b.add("  %s = %v from %v, %s", a.Name, a.Values, from, a.Precedence)
			for _, c := range a.Candidates {
				text := ""
				if c.Error != nil {
					text = " " + c.Error.Type
				}
				b.add("    %d %s %s (%s) %s: %s %v pending=%v%s%s", c.Rank, c.Agent, c.DN, c.Rule, c.Source, c.Standing, c.Value, c.Pending, text, showConditions(c.Conditions))
			}
		}
	}
	for i := range x.Connectors {
		showExplainedConnector(&b, &x.Connectors[i])
	}
	return b.String()
}

func showExplainedConnector(b *lines, c *engine.ConnectorExplanation) {
	b.add("  %s %s %s %s", c.Agent, c.Object, c.DN, c.State)
	if c.Link != nil {
		b.add("    linked to %s by %s %s", c.Link.Metaverse.Name, c.Link.By, c.Link.Rule)
	}
	if c.Disconnection != nil {
		b.add("    cut by %s %s", c.Disconnection.Type, c.Disconnection.Rule)
	}
	for _, e := range []*space.ObjectError{c.ImportError, c.ExportError} {
		if e != nil {
			b.add("    error %s, retries %d", e.Name, e.Retries)
		}
	}
	for _, w := range c.Awaits {
		b.add("    awaits %s %s %s %s", w.Attribute, w.Name, w.State, w.Agent)
	}
	b.add("    import %q export %q unconfirmed %q", c.Import, c.Export, c.Unconfirmed)
	for _, a := range c.Attributes {
		text := fmt.Sprintf("%s = %v", a.Name, a.Synchronized)
		if a.Imported != nil {
			text += fmt.Sprintf(" imported %v", a.Imported)
		}
		if a.Unconfirmed {
			text += fmt.Sprintf(" exported %v", a.Exported)
		}
		if a.Pending != nil {
			text += fmt.Sprintf(" pending %s %v since run %d", a.Pending.Operation, a.Unapplied, a.Pending.Run)
		}
		b.add("    %s", text)
		for _, f := range a.Flows {
			b.add("      %s (%s): %s", f.Source, f.Rule, f.Status)
		}
	}
}

// TestPreviewLaws: a preview changes no byte of the store, nor does an explanation,
// and what a preview tells is what committing it then does.
func TestPreviewLaws(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newOffice(t, rapid.Bool().Draw(rt, "delta imports"))
		if rapid.Bool().Draw(rt, "scripted") {
			w = newScriptedOffice(t, true)
		}
		w.keepEdges(rapid.SampledFrom([]int{100, 1}).Draw(rt, "edges from"))
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			w.step(rt)
		}
		w.calm()
		for range rapid.IntRange(1, 3).Draw(rt, "looks") {
			agent := pick(rt, "agent", w.agents())
			if rapid.Bool().Draw(rt, "import") {
				w.run(agent, "full-import")
			}
			views, err := w.engine.Connectors(engine.ConnectorQuery{Agent: agent})
			if err != nil {
				rt.Fatal(err)
			}
			var keys []string
			for _, v := range views {
				if v.State != "placeholder" {
					keys = append(keys, v.ID.String())
				}
			}
			if len(keys) == 0 {
				continue
			}
			q := engine.PreviewQuery{Agent: agent, Key: pick(rt, "object", keys), Delta: rapid.Bool().Draw(rt, "delta")}
			before := dump(w.state)
			told, err := w.engine.Preview(t.Context(), q)
			if err != nil {
				rt.Fatalf("%v\n%s", err, w)
			}
			if _, err := w.engine.Explain(t.Context(), engine.ExplainQuery{Agent: agent, Key: q.Key}); err != nil {
				rt.Fatalf("%v\n%s", err, w)
			}
			if diff := cmp.Diff(before, dump(w.state)); diff != "" {
				rt.Fatalf("looking changed the store (-before +after):\n%s", diff)
			}
			done, err := w.engine.CommitPreview(t.Context(), q, engine.Cause{Kind: "manual"})
			if err != nil {
				rt.Fatalf("%v\n%s", err, w)
			}
			if !done.Committed || done.Run == 0 {
				rt.Fatalf("not recorded: %+v", done)
			}
			if diff := cmp.Diff(showPreview(told), showPreview(done)); diff != "" {
				rt.Fatalf("the preview told something else than was done (-told +done):\n%s\n%s", diff, w)
			}
			if err := w.engine.Space().Check(); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

// TestPreviewSecrets: nobody sees passwords, nor the secrets of the configuration.
func TestPreviewSecrets(t *testing.T) {
	w := newWorld(t, shop)
	d := w.definition(shop)
	d.Redact = func(text string) string { return strings.ReplaceAll(text, "hush", "***") }
	if _, err := w.engine.Configure(t.Context(), d, rules.Functions{}); err != nil {
		t.Fatal(err)
	}
	w.edit("HR", "1", "employee", "name=hush")
	w.edit("AD", "CN=stray", "user", "number=none")
	for _, agent := range []string{"HR", "AD"} {
		w.run(agent, "full-import")
	}
	var shown []any
	p, err := w.engine.Preview(t.Context(), engine.PreviewQuery{Agent: "HR", Key: "1"})
	if err != nil {
		t.Fatal(err)
	}
	shown = append(shown, p)
	w.run("HR", "full-sync")
	x, err := w.engine.Explain(t.Context(), engine.ExplainQuery{Agent: "HR", Key: "1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range append(shown, x) {
		data, err := json.MarshalIndent(v, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), `"password"`) || !strings.Contains(string(data), "(not shown)") {
			t.Errorf("that there is a password is not said:\n%s", data)
		}
		for _, secret := range []string{"secret", "hush"} {
			if strings.Contains(string(data), secret) {
				t.Errorf("it shows %q:\n%s", secret, data)
			}
		}
	}
}
