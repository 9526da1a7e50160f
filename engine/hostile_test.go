package engine_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/run"
)

// spoil has an agent of the world do what a test makes it do.
func (w *world) spoil(name string) *agenttest.Hostile {
	w.t.Helper()
	h := &agenttest.Hostile{Directory: w.systems[name].Directory}
	w.instead[name] = h
	w.open()
	return h
}

// TestPanickingAgent: a panic of an agent, in whatever call, ends its own step.
// Other agents go on, and when it has come to its senses everything ends as if
// nothing had been.
func TestPanickingAgent(t *testing.T) {
	want, changes := undisturbed(t, "")
	for _, call := range failCalls {
		for _, name := range []string{"HR", "Directory"} {
			w := newStory(t, "")
			panics := 0
			w.systems[name].OnCall(func(c agenttest.Call) {
				if c == call && panics == 0 {
					panics++
					panic("as the test wants it")
				}
			})
			stopped := 0
			for _, r := range w.cycle() {
				switch {
				case r.Result == "stopped-extensible-extension-error" && r.Agent == name:
					stopped++
				case r.Result.Severity() > 2:
					t.Errorf("%s of %s:\n%s", call, name, showRecord(r))
				}
			}
			if stopped != panics || panics == 0 && (name == "Directory" || strings.Contains(string(call), "import")) {
				t.Errorf("%s of %s: %d panics, %d steps stopped", call, name, panics, stopped)
			}
			w.systems[name].OnCall(nil)
			w.recover(t, true, want, changes)
		}
	}
}

// TestHangingAgent: a call that ignores the end of its context is left behind.
// Until it comes back its agent is refused, others are not.
func TestHangingAgent(t *testing.T) {
	for _, call := range []agenttest.Call{agenttest.CallOpenImport, agenttest.CallNext, agenttest.CallCloseImport, agenttest.CallPut} {
		w := newStory(t, "")
		w.engine.Guard().Grace = time.Millisecond
		w.run("HR", "full-import")
		w.run("HR", "full-sync")
		back := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		w.systems["Directory"].OnCall(func(c agenttest.Call) {
			if c == call {
				cancel()
				<-back
			}
		})
		profile := "full-import"
		if call == agenttest.CallPut {
			profile = "export"
		}
		r, err := w.tryRun(ctx, "Directory", profile)
		if err != nil || r.Result != run.StoppedServiceShutdown {
			t.Fatalf("%s: %v\n%s", call, err, showRecord(r))
		}
		if r := w.run("Directory", "full-import"); r.Result != "no-start-ma" {
			t.Errorf("%s: while it hangs:\n%s", call, showRecord(r))
		}
		if r := w.run("Portal", "full-import"); r.Result.Severity() > 0 {
			t.Errorf("%s: another agent:\n%s", call, showRecord(r))
		}
		w.systems["Directory"].OnCall(nil)
		close(back)
		for deadline := time.Now().Add(time.Minute); ; {
			if r = w.run("Directory", "full-import"); r.Result != "no-start-ma" || time.Now().After(deadline) {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if r.Result.Severity() > 1 {
			t.Errorf("%s: when it is back:\n%s", call, showRecord(r))
		}
		w.cycle()
		w.cycle()
		w.settled(t)
	}
}

// TestBrokenSteps: what ends a step of a hostile agent has a name, and nothing
// is concluded from what the agent said until then.
func TestBrokenSteps(t *testing.T) {
	const configuration = `
metaverse: {thing: {attributes: {name: string}}}
agents:
  S: {type: memory, names: own, delta: true, objects: {thing: {anchor: [id], strings: [name]}}}
rules: []
`
	entry := func(page *agent.Page, anchor string) {
		*page.Add() = agent.Entry{ObjectType: "thing", DN: anchor, Anchor: anchor}
	}
	tests := map[string]struct {
		fills func(n int, page *agent.Page) error
		want  run.Result
	}{
		"the same objects again and again": {func(_ int, page *agent.Page) error {
			for _, anchor := range []string{"1", "2", "3", "4"} {
				entry(page, anchor)
			}
			return nil
		}, run.StoppedErrorLimit},
		"entries of nothing without end": {func(_ int, page *agent.Page) error {
			page.Add()
			return nil
		}, run.StoppedErrorLimit},
		"empty pages without end": {func(int, *agent.Page) error { return nil }, "stopped-ma"},
		"a huge page": {func(_ int, page *agent.Page) error {
			page.Entries = make([]agent.Entry, 1_000_000)
			return nil
		}, "stopped-ma"},
		"a failure called success": {func(_ int, page *agent.Page) error { return fault.New("success", "all is well") }, "stopped-ma"},
		"a failure with half a page": {func(_ int, page *agent.Page) error {
			entry(page, "1")
			return errors.New("broken off")
		}, "stopped-ma"},
		"the end within a page": {func(_ int, page *agent.Page) error {
			for _, anchor := range []string{"1", "2", "3"} {
				entry(page, anchor)
			}
			return io.EOF
		}, run.Success},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, configuration)
			for _, dn := range []string{"1", "2", "3"} {
				w.edit("S", dn, "thing", "id="+dn)
			}
			w.run("S", "full-import")
			h := w.spoil("S")
			h.Fills = tt.fills
			r := w.run("S", "full-import")
			if r.Result != tt.want || r.Steps[0].Staging["stage-delete"] != 0 {
				t.Errorf("want %s:\n%.2000s", tt.want, showRecord(r))
			}
			w.check()
			h.Fills = nil
			if r := w.run("S", "full-import"); r.Steps[0].Staging["stage-delete"] > 1 {
				t.Errorf("afterwards:\n%s", showRecord(r))
			}
		})
	}
}

// TestNonsense: whatever an agent delivers, the store stays sound, each run has a
// result, and a faithful import afterwards shows the system as it is.
func TestNonsense(t *testing.T) {
	const configuration = `
metaverse:
  thing: {attributes: {name: string, peers: "reference[]"}}
agents:
  S:
    type: memory
    names: %s
    delta: true
    objects: {thing: {anchor: [id], strings: [name], attributes: {n: integer, peers: "reference[]"}}}
rules:
  - name: things
    agent: S
    object: thing
    metaverse: thing
    join: [{name: name}]
    inbound: {project: true, flows: {name: name, peers: peers}}
`
	texts := []string{"", "1", "2", "3", "CN=1", "CN=2", "CN=3", "\xff", "a\x00b", strings.Repeat("x", 399), strings.Repeat("y", 40000)}
	rapid.Check(t, func(rt *rapid.T) {
		style := rapid.SampledFrom([]string{"anchor", "own", "ldap"}).Draw(rt, "names")
		w := newWorld(t, strings.Replace(configuration, "%s", style, 1))
		prefix := ""
		if style == "ldap" {
			prefix = "CN="
		}
		for _, key := range []string{"1", "2", "3"} {
			w.edit("S", prefix+key, "thing", "id="+key, "name=n"+key)
		}
		h := w.spoil("S")
		text := rapid.SampledFrom(texts)
		value := rapid.Custom(func(rt *rapid.T) identity.Value {
			switch rapid.IntRange(0, 5).Draw(rt, "type") {
			case 0:
				return identity.Value{}
			case 1:
				return identity.Integer(rapid.Int64().Draw(rt, "n"))
			case 2:
				return identity.Reference(text.Draw(rt, "dn"))
			case 3:
				return identity.ReferenceTo(identity.ID(rapid.Uint64().Draw(rt, "id")))
			}
			return identity.String(text.Draw(rt, "text"))
		})
		values := rapid.SliceOfN(value, 0, 3)
		attribute := rapid.SampledFrom([]string{"id", "name", "n", "peers", "other", ""})
		operation := rapid.SampledFrom([]identity.Operation{identity.None, identity.Add, identity.Add, identity.Add, identity.Replace, identity.Update, identity.Update, identity.Delete, identity.Obsolete, identity.DeleteAdd, 77})
		entry := rapid.Custom(func(rt *rapid.T) agent.Entry {
			e := agent.Entry{
				Op: operation.Draw(rt, "op"), ObjectType: rapid.SampledFrom([]string{"thing", "thing", "thing", "other", ""}).Draw(rt, "object type"),
				Anchor: text.Draw(rt, "anchor"),
			}
			if e.DN = e.Anchor; rapid.Bool().Draw(rt, "other name") {
				e.DN = text.Draw(rt, "dn")
			}
			if e.Op == identity.Update && rapid.Bool().Draw(rt, "renamed") {
				e.NewDN = text.Draw(rt, "new dn")
			}
			for range rapid.IntRange(0, 3).Draw(rt, "attributes") {
				if e.Op == identity.Update || rapid.IntRange(0, 9).Draw(rt, "confused") == 0 {
					e.Changes = append(e.Changes, identity.Change{
						Name: attribute.Draw(rt, "name"), Op: operation.Draw(rt, "change"), Values: values.Draw(rt, "values"), Removed: values.Draw(rt, "removed"),
					})
					continue
				}
				e.Attributes = append(e.Attributes, identity.Attribute{Name: attribute.Draw(rt, "name"), Values: values.Draw(rt, "values")})
			}
			return e
		})
		for range rapid.IntRange(1, 6).Draw(rt, "runs") {
			pages := rapid.SliceOfN(rapid.SliceOfN(entry, 0, 4), 0, 3).Draw(rt, "pages")
			h.Fills = func(n int, page *agent.Page) error {
				if n > len(pages) {
					return io.EOF
				}
				page.Entries = append(page.Entries, pages[n-1]...)
				return nil
			}
			for _, profile := range []string{rapid.SampledFrom([]string{"full-import", "delta-import"}).Draw(rt, "profile"), "delta-sync"} {
				r := w.run("S", profile)
				if r.Result.Severity() > 3 && r.Result != run.NoStartFullImport {
					rt.Fatalf("the run as a whole failed:\n%s\n%s", showRecord(r), w)
				}
				if err := w.engine.Space().Check(); err != nil {
					rt.Fatalf("the store is not sound: %v\n%s", err, w)
				}
			}
		}
		h.Fills = nil
		w.run("S", "full-import")
		w.run("S", "full-sync")
		w.run("S", "full-import")
		if r := w.run("S", "full-import"); !quiet(r) {
			rt.Fatalf("a faithful import does not settle:\n%s\n%s", showRecord(r), w)
		}
		objects := w.systems["S"].Objects()
		if got := strings.Count(w.showSpace("S"), " connector "); got != len(objects) {
			rt.Fatalf("%d of %d objects are connectors\n%s", got, len(objects), w)
		}
	})
}
