package engine_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/store/storetest"
)

// forget carries out a command of a scenario that removes what the configuration
// no longer has.
func (s *script) forget(args []string) (string, error) {
	var r engine.Removal
	what, args := args[0], args[1:]
	if what == "metaverse" {
		r.Metaverse = args[0]
	} else {
		r.Agent = args[0]
	}
	args = args[1:]
	switch what {
	case "partition":
		r.Partition, args = args[0], args[1:]
	case "object":
		r.Object, args = args[0], args[1:]
	}
	refused := func(err error) string {
		return fmt.Sprintf("refused: %v\n  hint: %s\n", err, fault.As(err, "").Hint)
	}
	s.now = s.now.Add(time.Minute)
	if len(args) > 0 && args[0] == "dry" {
		before := dump(s.state)
		p, err := s.engine.PreviewRemoval(s.t.Context(), r, engine.ForecastOptions{})
		if err != nil {
			return refused(err), nil
		}
		if diff := gocmp.Diff(before, dump(s.state)); diff != "" {
			return "", fmt.Errorf("a preview changes the store:\n%s", diff)
		}
		return showRemoval(p), nil
	}
	if len(args) > 0 {
		n, err := strconv.Atoi(args[0])
		if err != nil {
			return "", err
		}
		if r.Deletes = n; n == 0 {
			r.Deletes = -1
		}
	}
	record, err := s.engine.Remove(s.t.Context(), r, engine.Cause{Kind: "manual", User: "ada"}, nil)
	if err != nil {
		return refused(err), nil
	}
	return fmt.Sprintf("%s, %s\n", record.Profile, record.Cause.Name) + showRecord(record), nil
}

func showRemoval(p *engine.RemovalPreview) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d objects, %d linked, %d metaverse deletes of %d, held %t\n", p.Removal.String(), p.Objects, p.Linked, p.MetaverseDeletes, p.Limit, p.Held)
	show := func(name string, c engine.Changes, connected, disconnected int) {
		fmt.Fprintf(&b, "  %s: adds %d, updates %d, deletes %d, connected %d, disconnected %d\n", name, c.Adds, c.Updates, c.Deletes, connected, disconnected)
		for _, sample := range c.Samples {
			fmt.Fprintf(&b, "    %s %s %s\n", sample.Operation, sample.Object, sample.DN)
		}
	}
	for _, m := range p.Metaverse {
		show("metaverse "+m.Type, m.Changes, 0, 0)
	}
	for _, a := range p.Agents {
		show(a.Agent, a.Changes, a.Connected, a.Disconnected)
	}
	for _, e := range p.Errors {
		fmt.Fprintf(&b, "  error %s %s\n", e.Type, cmp.Or(e.DN, e.Object.String()))
	}
	return b.String()
}

// orphans shows what the configuration no longer has.
func (s *script) orphans() (string, error) {
	orphans, err := s.engine.Orphans()
	var b strings.Builder
	for _, o := range orphans {
		w := o.Warning()
		fmt.Fprintf(&b, "%v\n  %s\n", w, w.Hint)
	}
	return b.String(), err
}

// narrow returns a system as it is configured: with the object types that the
// configuration has, and without the others.
func narrow(s *system, objects []agent.Object) agent.Agent {
	has := func(name string) bool {
		return slices.ContainsFunc(objects, func(o agent.Object) bool { return o.Name == name })
	}
	if !slices.ContainsFunc(s.schema.Types, func(t identity.ObjectType) bool { return !has(t.Name) }) {
		return s
	}
	return &configured{s, has}
}

type configured struct {
	*system
	has func(objectType string) bool
}

// Schema implements agent.Agent.
func (n *configured) Schema(ctx context.Context) (identity.Schema, error) {
	schema, err := n.system.Schema(ctx)
	schema.Types = slices.DeleteFunc(slices.Clone(schema.Types), func(t identity.ObjectType) bool { return !n.has(t.Name) })
	return schema, err
}

// OpenImport implements agent.Importer.
func (n *configured) OpenImport(ctx context.Context, req agent.ImportRequest) (agent.Import, error) {
	in, err := n.system.OpenImport(ctx, req)
	if err != nil {
		return nil, err
	}
	return &configuredImport{in, n}, nil
}

type configuredImport struct {
	agent.Import
	of *configured
}

// Next implements agent.Import.
func (i *configuredImport) Next(ctx context.Context, page *agent.Page) error {
	err := i.Import.Next(ctx, page)
	page.Entries = slices.DeleteFunc(page.Entries, func(e agent.Entry) bool { return e.ObjectType != "" && !i.of.has(e.ObjectType) })
	return err
}

// without returns a configuration of the office without one of its agents.
func without(t testing.TB, configuration, agentName string) string {
	t.Helper()
	head, rules, found := strings.Cut(configuration, "rules:\n")
	start := strings.Index(head, "  "+agentName+":\n")
	if !found || start < 0 {
		t.Fatalf("no agent %q", agentName)
	}
	end := start + 1
	for end < len(head) && (!strings.HasPrefix(head[end:], "\n  ") || head[end+3] == ' ') && end < len(head)-1 {
		end++
	}
	head = head[:start] + head[end+1:]
	head = strings.NewReplacer(
		"[HR, Portal]", map[string]string{"HR": "[Portal]", "Portal": "[HR]"}[agentName]+map[bool]string{true: "[HR, Portal]"}[agentName == "Directory"],
		"{when: any-of, agents: [HR]}", map[bool]string{true: "{when: last-connector, ignore: [Portal, Directory]}", false: "{when: any-of, agents: [HR]}"}[agentName == "HR"],
	).Replace(head)
	var kept strings.Builder
	for _, rule := range strings.Split(rules, "  - name:")[1:] {
		if !strings.Contains(rule, "agent: "+agentName+"\n") {
			kept.WriteString("  - name:" + rule)
		}
	}
	return head + "rules:\n" + kept.String()
}

// removed carries out a removal that nothing limits.
func (w *world) removed(agentName string) (*engine.Record, error) {
	w.now = w.now.Add(time.Minute)
	return w.engine.Remove(w.t.Context(), engine.Removal{Agent: agentName, Deletes: 1 << 30}, engine.Cause{Kind: "manual"}, nil)
}

// nothingOf fails the test unless nothing is left of an agent and everything else
// is sound.
func (w *world) nothingOf(t fataler, agentName string) {
	w.sound(t)
	w.view(func(tx *space.Tx) error {
		if left, err := tx.Remembers(agentName); err != nil || left {
			t.Fatalf("something is left of %s: %v\n%s%s", agentName, err, w.showSpace(agentName), w)
		}
		for o, err := range tx.Objects() {
			if err != nil {
				return err
			}
			for _, a := range o.Attributes {
				for _, c := range o.Contributed(a.Name) {
					if w.engine.Space().AgentOf(c.By.Connector) == agentName {
						t.Fatalf("%s #%d still has its %s from %s\n%s", o.Type, o.ID.Sequence(), a.Name, agentName, w)
					}
				}
			}
		}
		return nil
	})
}

// TestRemoval: whatever happened before, and wherever a removal is interrupted,
// in the end nothing is left of the agent, every link has both ends, and no
// metaverse object is without a connector. If the agent comes back, everything is
// again as the systems say.
func TestRemoval(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		delta := rapid.Bool().Draw(rt, "delta imports")
		original := fmt.Sprintf(office, delta, delta)
		w := newOffice(t, delta)
		w.keepEdges(rapid.SampledFrom([]int{100, 1, 2}).Draw(rt, "edges from"))
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			w.step(rt)
		}
		victim := pick(rt, "removed", w.agents())
		w.load(without(t, original, victim))
		w.open()
		for range rapid.IntRange(0, 5).Draw(rt, "steps without it") {
			w.step(rt)
			w.sound(rt)
		}
		w.calm()
		w.engine.SetBatch(rapid.IntRange(0, 3).Draw(rt, "batch"))
		if rapid.Bool().Draw(rt, "interrupted") {
			if err := w.tryOpen(storetest.FailAfter(w.state, rapid.IntRange(1, 8).Draw(rt, "commits"))); err == nil {
				w.engine.SetBatch(1)
				_, _ = w.removed(victim)
			}
			w.open()
			w.sound(rt)
		}
		switch record, err := w.removed(victim); {
		case err != nil && fault.Name(err) != "unknown-agent": // nothing was known of it, or nothing is any more
			rt.Fatalf("%v", err)
		case err == nil && record.Result.Severity() > 1:
			rt.Fatalf("%s\n%s", showRecord(record), w)
		}
		w.nothingOf(rt, victim)
		w.load(original)
		w.open()
		w.cycle()
		w.cycle()
		if victim != "Directory" { // it has accounts that nobody remembers to be ours
			w.settled(rt)
		}
		for _, r := range w.cycle() {
			if !quiet(r) {
				rt.Fatalf("a further cycle does something:\n%s\n%s", showRecord(r), w)
			}
		}
	})
}

// TestRemovalCrashPoints kills the engine at every commit of a removal in turn.
func TestRemovalCrashPoints(t *testing.T) {
	for _, victim := range []string{"HR", "Portal", "Directory"} {
		t.Run(victim, func(t *testing.T) {
			t.Parallel()
			prepare := func() *world {
				w := newStory(t, "")
				w.run("HR", "full-import") // something of everything is pending
				w.run("Portal", "full-import")
				w.run("Portal", "delta-sync")
				w.load(without(t, fmt.Sprintf(office, false, false), victim))
				return w
			}
			w := prepare()
			w.open()
			if record, err := w.removed(victim); err != nil || record.Result.Severity() > 1 {
				t.Fatalf("%v\n%s", err, showRecord(record))
			}
			w.nothingOf(t, victim)
			want := w.String()
			for n := 1; ; n++ {
				w := prepare()
				err := w.tryOpen(storetest.FailAfter(w.state, n))
				if err == nil {
					w.engine.SetBatch(1)
					var record *engine.Record
					if record, err = w.removed(victim); err == nil && record.Result == run.StoppedServer {
						err = storetest.ErrKilled
					}
				}
				w.open()
				w.check()
				if err == nil {
					if n < 10 {
						t.Fatalf("a removal has only %d commits: the test tests nothing", n)
					}
					break
				}
				if !errors.Is(err, storetest.ErrKilled) {
					t.Fatal(err)
				}
				if record, err := w.removed(victim); err != nil || record.Result.Severity() > 1 {
					t.Fatalf("%v\n%s", err, showRecord(record))
				}
				w.nothingOf(t, victim)
				if diff := gocmp.Diff(want, w.String()); diff != "" {
					t.Fatalf("commit %d (-undisturbed +disturbed):\n%s", n, diff)
				}
			}
		})
	}
}
