package engine_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	diff "github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine"
)

// single synchronizes one object from end to end and shows what was done. Without a
// record, and in a dry run, nothing may have changed: neither the store nor a system.
func (s *script) single(args []string) (string, error) {
	q := engine.SingleQuery{Agent: args[0], Key: args[1], DryRun: slices.Contains(args, "dry"), NoExport: slices.Contains(args, "no-export")}
	before, systems := dump(s.state), s.systemsText()
	s.now = s.now.Add(time.Minute)
	out, err := s.engine.SyncObject(s.t.Context(), q, engine.Cause{Kind: "manual", User: "ada"})
	if err != nil || q.DryRun {
		if text := diff.Diff(before, dump(s.state)); text != "" {
			return "", fmt.Errorf("the store changed (-before +after):\n%s", text)
		}
		if text := diff.Diff(systems, s.systemsText()); text != "" {
			return "", fmt.Errorf("a system changed (-before +after):\n%s", text)
		}
	}
	if err != nil {
		return refusal(err), nil
	}
	return showSingle(out), nil
}

func (s *script) systemsText() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.systems)) {
		b.WriteString(s.systems[name].String())
	}
	return b.String()
}

func showSingle(out *engine.SingleSync) string {
	var b lines
	how := fmt.Sprintf("run %d", out.Run)
	if out.DryRun {
		how = "dry run"
	}
	b.add("%s of %s %s: %s, linked %v", how, out.Agent, out.DN, out.Result, out.Metaverse != nil)
	for _, c := range out.Checks {
		b.add("  check %s %s: %v%s", c.Check, c.Name, c.Passed, showConditions(c.Conditions))
	}
	for _, step := range out.Steps {
		b.add("  %s %s: %s", step.Step, step.Agent, cmp.Or(string(step.Result), "skipped, "+step.Skipped))
		if step.Error != "" {
			b.add("    stopped: %s", step.Error)
		}
		for _, note := range step.Notes {
			b.add("    note: %s", note)
		}
		for _, e := range step.Errors {
			b.add("    error %s warning=%v: %s %s", e.Type, e.Warning, e.DN, e.Detail)
		}
		for _, o := range step.Objects {
			b.add("    %s %s%s %s", o.Object, o.DN, arrowTo(o.NewDN), o.Operation)
			for _, name := range slices.Sorted(maps.Keys(o.Changes)) {
				b.add("      %s: %v -> %v", name, o.Changes[name].Before, o.Changes[name].After)
			}
		}
		if p := step.Synchronization; p != nil {
			b.add("    %s %s", p.Mode, p.Operation)
			for _, c := range p.Changes {
				b.add("    becomes %s %s %s%s %s", c.Operation, cmp.Or(c.Agent, "metaverse"), c.DN, arrowTo(c.NewDN), asJSON(c.Changes))
			}
		}
	}
	return b.String()
}

func asJSON(v any) string {
	data, _ := json.Marshal(v)
	return string(data)
}

func arrowTo(dn string) string {
	if dn == "" {
		return ""
	}
	return " => " + dn
}
