package engine_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store/storetest"
)

const resultsWorld = `
metaverse:
  person: {attributes: {number: string, code: string, boss: reference}}
agents:
  HR:
    type: memory
    names: own
    thresholds: {import: {deletes: 1}}
    objects: {employee: {anchor: [id], strings: [number, code], attributes: {boss: reference}}}
  Directory:
    type: memory
    names: own
    delta: true
    objects: {user: {anchor: [guid], strings: [number]}}
rules:
  - name: employees
    agent: HR
    object: employee
    metaverse: person
    join: [{number: number}]
    inbound: {project: true, flows: {number: number, boss: boss, code: '=IIF(IsPresent(code), DateTimeFormat(code, "yyyy"), "")'}}
  - name: users
    agent: Directory
    object: user
    metaverse: person
    outbound: {provision: true, flows: {dn: number, number: number}}
`

// TestResults provokes every step result of sync-engine §2.6 that the engine
// gives by itself. All others are names of agents' errors, see package csv.
func TestResults(t *testing.T) {
	tests := map[run.Result]func(w *world) *engine.Record{
		run.Success:            func(w *world) *engine.Record { return w.run("HR", "full-import") },
		run.CompletedNoObjects: func(w *world) *engine.Record { return w.run("Directory", "export") },
		run.CompletedWarnings: func(w *world) *engine.Record {
			w.systems["Directory"].ignored["number"] = true
			w.edit("Directory", "1", "user")
			records := w.cycle()
			for _, r := range records {
				if r.Result == run.CompletedWarnings {
					return r
				}
			}
			return records[len(records)-1]
		},
		run.CompletedTransients: func(w *world) *engine.Record {
			w.run("HR", "full-import")
			h := w.spoil("HR")
			h.Fills = onePage(agent.Entry{ObjectType: "employee", DN: "a", Anchor: "new"}) // the name of another one
			h.Opens = func(in agent.Import) agent.Import { return partial{in} }
			return w.run("HR", "full-import")
		},
		run.CompletedDiscoveryErrors: func(w *world) *engine.Record {
			w.systems["HR"].FailImport("1", fault.New("parse-error", "as the test wants it"))
			return w.run("HR", "full-import")
		},
		run.CompletedSyncErrors: func(w *world) *engine.Record {
			w.edit("HR", "c", "employee", "number=3", "code=yesterday")
			w.run("HR", "full-import")
			return w.run("HR", "full-sync")
		},
		run.CompletedExportErrors: func(w *world) *engine.Record {
			w.run("HR", "full-import")
			w.run("HR", "full-sync")
			w.systems["Directory"].FailExport("1", fault.New("constraint-violation", "as the test wants it"))
			return w.run("Directory", "export")
		},
		run.StoppedErrorLimit: func(w *world) *engine.Record {
			w.spoil("HR").Fills = func(_ int, page *agent.Page) error {
				for range 1000 {
					page.Add()
				}
				return nil
			}
			return w.run("HR", "full-import")
		},
		run.StoppedDeletionLimit: func(w *world) *engine.Record {
			w.edit("HR", "c", "employee")
			w.run("HR", "full-import")
			w.drop("HR", "a")
			w.drop("HR", "b")
			return w.run("HR", "full-import")
		},
		run.StoppedServiceShutdown: func(w *world) *engine.Record {
			ctx, cancel := context.WithCancel(w.t.Context())
			defer cancel()
			w.systems["HR"].OnCall(func(agenttest.Call) { cancel() })
			r, err := w.tryRun(ctx, "HR", "full-import")
			if err != nil {
				w.t.Fatal(err)
			}
			return r
		},
		run.StoppedServer: func(w *world) *engine.Record {
			for n := 1; ; n++ { // the store fails at the first commit of the run
				if err := w.tryOpen(storetest.FailAfter(w.state, n)); err == nil {
					break
				}
			}
			return w.run("HR", "full-import")
		},
		run.NoStartNoSteps: func(w *world) *engine.Record {
			w.config.Agents[0].Profiles = []run.Profile{{Name: "nothing"}}
			w.open()
			return w.run(w.config.Agents[0].Name, "nothing")
		},
		run.NoStartFullImport: func(w *world) *engine.Record { return w.run("HR", "delta-import") },
		"stopped-entry-point-not-implemented": func(w *world) *engine.Record {
			w.instead["HR"] = struct{ agent.Agent }{w.systems["HR"]}
			w.open()
			return w.run("HR", "full-import")
		},
		"stopped-ma": func(w *world) *engine.Record {
			w.spoil("HR").Opens = func(agent.Import) agent.Import { return nil }
			return w.run("HR", "full-import")
		},
		"stopped-extensible-extension-error": func(w *world) *engine.Record {
			w.systems["HR"].OnCall(func(agenttest.Call) { panic("as the test wants it") })
			return w.run("HR", "full-import")
		},
		"stopped-ma-extension-timeout": func(w *world) *engine.Record {
			w.spoil("HR").Fills = onePage(make([]agent.Entry, 6000)...)
			w.engine.Guard().Grace, w.engine.Guard().AbortTime = 100*time.Millisecond, time.Millisecond
			back := make(chan struct{})
			w.t.Cleanup(func() { close(back) })
			w.systems["HR"].OnCall(func(c agenttest.Call) {
				if c == agenttest.CallCloseImport { // of an import that the error limit stopped
					<-back
				}
			})
			return w.run("HR", "full-import")
		},
	}
	for want, provoke := range tests {
		t.Run(string(want), func(t *testing.T) {
			w := newWorld(t, resultsWorld)
			w.edit("HR", "a", "employee", "number=1")
			w.edit("HR", "b", "employee", "number=2")
			w.edit("Directory", "stray", "user")
			r := provoke(w)
			if r.Result != want {
				t.Errorf("%s, want %s:\n%.3000s", r.Result, want, showRecord(r))
			}
			w.check()
		})
	}
}

// onePage fills a single page with these entries.
func onePage(entries ...agent.Entry) func(int, *agent.Page) error {
	return func(n int, page *agent.Page) error {
		if n == 1 {
			page.Entries = append(page.Entries, entries...)
			return nil
		}
		return io.EOF
	}
}

// A partial import does not claim to show everything.
type partial struct{ agent.Import }

func (partial) Complete() bool { return false }

// TestExportErrors provokes the export errors of sync-engine §2.8 that the engine
// raises by itself, or acts on in a way of its own. The change stays pending, and
// goes out when what was wrong is mended.
func TestExportErrors(t *testing.T) {
	tests := map[string]func(w *world) (mend func()){
		"cd-existing-object":  refused("cd-existing-object"),
		"cd-missing-object":   refused("cd-missing-object"),
		"non-existent-parent": refused("non-existent-parent"),
		"unexpected-error":    refused(""), // an error without a name
		"duplicate-anchor": func(w *world) func() {
			h := w.spoil("Directory")
			h.Answers = func(changes []agent.Change) ([]agent.Result, error) {
				answers := make([]agent.Result, len(changes))
				for i := range answers {
					answers[i].Anchor = "always the same"
				}
				return answers, nil
			}
			return func() { h.Answers = nil }
		},
	}
	for want, provoke := range tests {
		t.Run(want, func(t *testing.T) {
			w := newWorld(t, resultsWorld)
			w.edit("HR", "a", "employee", "number=1")
			w.edit("HR", "b", "employee", "number=2")
			w.run("HR", "full-import")
			w.run("HR", "full-sync")
			mend := provoke(w)
			r := w.run("Directory", "export")
			errs := r.Steps[0].ExportErrors
			if r.Result != run.CompletedExportErrors || len(errs) != 1 || errs[0].Type != want {
				t.Fatalf("want one %s:\n%s", want, showRecord(r))
			}
			w.check()
			mend()
			if r := w.run("Directory", "export"); r.Result != run.Success {
				t.Errorf("when it is mended:\n%s", showRecord(r))
			}
		})
	}
}

func refused(name string) func(w *world) func() {
	return func(w *world) func() {
		w.systems["Directory"].FailExport("2", fault.New(name, "as the test wants it"))
		return func() { w.systems["Directory"].FailExport("2", nil) }
	}
}

// TestAnchorOfAnother: a system gives an object that it created the anchor of
// one that is known. Both stay apart, and the next import tells how it is.
func TestAnchorOfAnother(t *testing.T) {
	w := newWorld(t, resultsWorld)
	w.edit("HR", "a", "employee", "number=1")
	w.edit("Directory", "stray", "user")
	w.run("Directory", "full-import")
	w.run("HR", "full-import")
	w.run("HR", "full-sync")
	stray, _ := w.systems["Directory"].object("stray")
	h := w.spoil("Directory")
	h.Answers = func([]agent.Change) ([]agent.Result, error) { return []agent.Result{{Anchor: stray.Anchor}}, nil }
	r := w.run("Directory", "export")
	if errs := r.Steps[0].ExportErrors; r.Result != run.CompletedExportErrors || len(errs) != 1 || errs[0].Type != "duplicate-anchor" {
		t.Errorf("want one duplicate-anchor:\n%s", showRecord(r))
	}
	w.check()
	h.Answers = nil
	w.cycle()
	w.cycle()
	w.check()
	if _, found := w.systems["Directory"].object("1"); !found {
		t.Errorf("the object was not created in the end\n%s", w)
	}
	if _, found := w.systems["Directory"].object("stray"); !found {
		t.Errorf("the other object is gone\n%s", w)
	}
}
