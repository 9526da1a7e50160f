package autosync

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/run"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// settingsFor has every default profile for each agent and no import schedule.
func settingsFor(mode Mode, agents ...string) Settings {
	s := Settings{Mode: mode, FullSyncOnRuleChange: true}
	for _, name := range agents {
		profiles := run.DefaultProfiles()
		s.Agents = append(s.Agents, AgentSettings{
			Name: name, Profiles: profiles, Operations: DefaultOperations(profiles), Import: Schedule{Off: true},
		})
	}
	return s
}

// quiet returns the facts of agents that have nothing left to do.
func quiet(agents ...string) map[string]Facts {
	facts := map[string]Facts{}
	for _, name := range agents {
		facts[name] = Facts{Agent: name, Imported: true}
	}
	return facts
}

func asked(agent, profile, kind string, ago time.Duration) pending {
	return pending{
		Request: Request{Agent: agent, Profile: profile, Cause: Cause{Kind: kind}},
		since:   noon.Add(-ago), urgent: kind == CauseManual,
	}
}

func (p plan) String() string {
	var starts, waits []string
	for _, w := range p.start {
		starts = append(starts, w.agent+" "+w.profile+" ("+strings.TrimSpace(w.cause.Kind+" "+w.cause.Name)+")")
	}
	for _, w := range p.waiting {
		waits = append(waits, w.Agent+" "+w.Profile+" for "+w.For)
	}
	text := "start: " + strings.Join(starts, ", ") + "\nwait: " + strings.Join(waits, ", ")
	if !p.next.IsZero() {
		text += "\nnext: " + p.next.Sub(noon).String()
	}
	return text
}

// held are steps that a threshold keeps back.
func held(steps ...hold.Step) (list []HeldStep) {
	for _, step := range steps {
		list = append(list, HeldStep{step, "held: " + string(step)})
	}
	return list
}

func TestPlan(t *testing.T) {
	tests := []struct {
		name   string
		change func(s *situation)
		want   string
	}{
		{"nothing to do", func(s *situation) {}, "start: \nwait: "},
		{"never imported", func(s *situation) {
			s.facts["HR"] = Facts{PendingImports: 3}
			s.facts["AD"] = Facts{Imported: true, PendingImports: 2, PendingExports: 1}
		}, "start: AD export (follow-up pending exports), HR full-import (initial)\n" +
			"wait: HR delta-sync for the first import of HR, AD delta-sync for the first import of HR"},
		{"a first import that failed holds every synchronization", func(s *situation) {
			s.facts["HR"] = Facts{}
			s.facts["AD"] = Facts{Imported: true, PendingImports: 2}
			s.delays[key{"HR", "full-import"}] = delay{failures: 1, next: noon.Add(time.Second), reason: "no file"}
		}, "start: \nwait: HR full-import for its back-off: no file, AD delta-sync for the first import of HR, which failed: no file\nnext: 1s"},
		{"a held synchronization keeps back neither imports nor exports, nor other agents", func(s *situation) {
			s.facts["HR"] = Facts{Imported: true, PendingImports: 2, PendingExports: 1, Held: held(hold.Sync)}
			s.facts["AD"] = Facts{Imported: true, PendingImports: 2}
		}, "start: HR export (follow-up pending exports), AD delta-sync (follow-up pending imports)\n" +
			"wait: HR delta-sync for held: sync"},
		{"a held export keeps back no synchronization", func(s *situation) {
			s.facts["AD"] = Facts{Imported: true, PendingImports: 2, PendingExports: 1, Held: held(hold.Export)}
		}, "start: AD delta-sync (follow-up pending imports)\nwait: AD export for held: export"},
		{"a held import waits for somebody, or for a trigger", func(s *situation) {
			s.facts["HR"] = Facts{Imported: true, Unconfirmed: 1, PendingImports: 2, Held: held(hold.Import)}
			s.facts["AD"] = Facts{Imported: true, Held: held(hold.Import)}
			s.requests = []pending{asked("AD", "full-import", CauseTrigger, 0)}
		}, "start: HR delta-sync (follow-up pending imports), AD full-import (trigger)\nwait: HR delta-import for held: import"},
		{"what somebody asks for by hand looks anew", func(s *situation) {
			s.facts["AD"] = Facts{Imported: true, PendingExports: 1, Held: held(hold.Import, hold.Sync, hold.Export)}
			s.requests = []pending{asked("AD", "export", CauseManual, 0)}
		}, "start: AD export (manual)\nwait: "},
		{"a pause counts more than a hold", func(s *situation) {
			s.facts["AD"] = Facts{Imported: true, PendingExports: 1, Held: held(hold.Export)}
			s.controls = map[string]Control{"AD": {Agent: "AD", Mode: Paused}}
		}, "start: \nwait: AD export for the end of the pause of AD"},
		{"a hold counts more than a back-off", func(s *situation) {
			s.facts["AD"] = Facts{Imported: true, PendingExports: 1, Held: held(hold.Export)}
			s.delays[key{"AD", "export"}] = delay{failures: 1, next: noon.Add(time.Second), reason: "it stopped"}
		}, "start: \nwait: AD export for held: export"},
		{"an agent without automatic imports is not awaited", func(s *situation) {
			s.facts["HR"] = Facts{}
			s.agent("HR").Operations = nil
			s.facts["AD"] = Facts{Imported: true, PendingImports: 2}
		}, "start: AD delta-sync (follow-up pending imports)\nwait: "},
		{"confirming import first", func(s *situation) {
			s.facts["AD"] = Facts{Imported: true, Unconfirmed: 1, PendingImports: 1, PendingExports: 1}
		}, "start: AD delta-import (follow-up confirming import)\n" +
			"wait: AD delta-sync for its turn after delta-import, AD export for its turn after delta-import"},
		{"an import when an export met what no import has shown", func(s *situation) {
			s.facts["AD"] = Facts{Imported: true, Stale: true, FailedExports: 1}
		}, "start: AD delta-import (follow-up unexpected objects)\nwait: "},
		{"a full import after renames that references may not follow", func(s *situation) {
			s.agent("AD").Import.Off = false
			s.facts["AD"] = Facts{Imported: true, Unconfirmed: 1, Outnamed: true}
		}, "start: AD full-import (follow-up renamed objects)\nwait: AD delta-import for its turn after full-import"},
		{"a failing confirmation keeps nothing else back", func(s *situation) {
			s.facts["AD"] = Facts{Imported: true, Unconfirmed: 1, PendingImports: 1}
			s.delays[key{"AD", "delta-import"}] = delay{next: noon.Add(time.Minute), reason: "down"}
		}, "start: AD delta-sync (follow-up pending imports)\nwait: AD delta-import for its back-off: down\nnext: 1m0s"},
		{"a changed configuration", func(s *situation) {
			s.agent("AD").Import.Off = false
			s.facts["AD"] = Facts{Imported: true, PendingImports: 1, NeedsFullImport: true}
		}, "start: AD full-import (follow-up changed configuration)\nwait: AD delta-sync for its turn after full-import, AD delta-import for its turn after full-import"},
		{"a changed configuration, imported on request only", func(s *situation) {
			s.agent("AD").Import.Off = true
			s.facts["AD"] = Facts{Imported: true, PendingImports: 1, NeedsFullImport: true}
		}, "start: AD delta-sync (follow-up pending imports)\nwait: "},
		{"changed rules", func(s *situation) {
			s.facts["AD"] = Facts{Imported: true, PendingImports: 1, NeedsFullSync: true}
		}, "start: AD full-sync (follow-up changed rules)\nwait: "},
		{"changed rules, by which objects are outdated", func(s *situation) {
			s.facts["AD"] = Facts{Imported: true, PendingImports: 1, NeedsFullSync: true, Outdated: []run.Outdated{{Type: "user", Objects: 2}}}
		}, "start: AD resync (follow-up changed rules)\nwait: "},
		{"outdated objects without a profile for them", func(s *situation) {
			operations := maps.Clone(s.agent("AD").Operations)
			delete(operations, run.Resync)
			s.agent("AD").Operations = operations
			s.facts["AD"] = Facts{Imported: true, NeedsFullSync: true, Outdated: []run.Outdated{{Type: "user", Objects: 2}}}
		}, "start: AD full-sync (follow-up changed rules)\nwait: "},
		{"changed rules, not by itself", func(s *situation) {
			s.settings.FullSyncOnRuleChange = false
			s.facts["AD"] = Facts{Imported: true, PendingImports: 1, NeedsFullSync: true, Outdated: []run.Outdated{{Type: "user", Objects: 2}}}
		}, "start: AD delta-sync (follow-up pending imports)\nwait: "},
		{"a request gives way to pending work", func(s *situation) {
			s.facts["AD"] = Facts{Imported: true, PendingExports: 1}
			s.requests = []pending{asked("AD", "full-import", CauseTrigger, time.Second)}
		}, "start: AD export (follow-up pending exports)\nwait: AD full-import for its turn after export"},
		{"but not for ever", func(s *situation) {
			s.facts["AD"] = Facts{Imported: true, PendingExports: 1}
			s.requests = []pending{asked("AD", "full-import", CauseTrigger, time.Minute)}
		}, "start: AD full-import (trigger)\nwait: AD export for its turn after full-import"},
		{"and not at all by hand", func(s *situation) {
			s.facts["AD"] = Facts{Imported: true, PendingExports: 1}
			s.requests = []pending{asked("AD", "full-import", CauseManual, 0)}
		}, "start: AD full-import (manual)\nwait: AD export for its turn after full-import"},
		{"one synchronization at a time, the oldest", func(s *situation) {
			s.requests = []pending{asked("AD", "delta-sync", CauseManual, 9*time.Second), asked("HR", "full-sync", CauseTrigger, time.Second)}
		}, "start: AD delta-sync (manual)\nwait: HR full-sync for its turn after AD delta-sync"},
		{"overlap: imports beside a synchronization", func(s *situation) {
			s.running = []work{{key: key{"HR", "delta-sync"}, sync: true}}
			s.requests = []pending{asked("AD", "delta-import", CauseTrigger, 0), asked("HR", "full-import", CauseTrigger, 0)}
		}, "start: AD delta-import (trigger)\nwait: HR full-import for the run of delta-sync"},
		{"supported: a synchronization is alone", func(s *situation) {
			s.settings.Mode = Supported
			s.running = []work{{key: key{"HR", "delta-sync"}, sync: true}}
			s.requests = []pending{asked("AD", "delta-import", CauseTrigger, 0)}
		}, "start: \nwait: AD delta-import for the run HR delta-sync"},
		{"supported: a synchronization that waits is not overtaken", func(s *situation) {
			s.settings.Mode = Supported
			s.running = []work{{key: key{"HR", "delta-import"}, sync: false}}
			s.requests = []pending{asked("AD", "delta-sync", CauseTrigger, 2), asked("Web", "delta-import", CauseTrigger, 1)}
		}, "start: \nwait: AD delta-sync for the run HR delta-import, Web delta-import for its turn after AD delta-sync"},
		{"exclusive: one run", func(s *situation) {
			s.settings.Mode = Exclusive
			s.requests = []pending{asked("AD", "delta-import", CauseTrigger, 2), asked("Web", "delta-import", CauseTrigger, 1)}
		}, "start: AD delta-import (trigger)\nwait: Web delta-import for its turn after AD delta-import"},
		{"never together", func(s *situation) {
			s.settings.NeverTogether = [][]string{{"AD", "Web"}}
			s.requests = []pending{asked("AD", "delta-import", CauseTrigger, 2), asked("Web", "delta-import", CauseTrigger, 1), asked("HR", "delta-import", CauseTrigger, 0)}
		}, "start: AD delta-import (trigger), HR delta-import (trigger)\nwait: Web delta-import for its turn after AD delta-import"},
		{"stagger", func(s *situation) {
			s.settings.Stagger, s.started = 3*time.Second, noon.Add(-time.Second)
			s.requests = []pending{asked("AD", "delta-import", CauseTrigger, 2)}
		}, "start: \nwait: AD delta-import for the time between two starts\nnext: 2s"},
		{"import schedule, not yet", func(s *situation) {
			s.agent("HR").Import = Schedule{Every: time.Hour}
			s.imported["HR"] = noon.Add(-50 * time.Minute)
		}, "start: \nwait: \nnext: 10m0s"},
		{"import schedule, automatic and due", func(s *situation) {
			s.agent("HR").Import = Schedule{}
			s.imported["HR"] = noon.Add(-50 * time.Minute)
		}, "start: HR delta-import (schedule)\nwait: "},
		{"import schedule of a triggered agent", func(s *situation) {
			s.agent("HR").Import, s.agent("HR").Triggered = Schedule{}, true
		}, "start: \nwait: "},
		{"import schedule, time unknown", func(s *situation) {
			s.agent("HR").Import = Schedule{Every: time.Hour}
		}, "start: HR delta-import (schedule)\nwait: "},
		{"import schedule, clock set back", func(s *situation) {
			s.agent("HR").Import = Schedule{Every: time.Hour}
			s.imported["HR"] = noon.Add(time.Hour)
		}, "start: HR delta-import (schedule)\nwait: "},
		{"objects that failed are due", func(s *situation) {
			s.facts["AD"] = Facts{Imported: true, FailedImports: 1, FailedExports: 1}
			s.retries[retryKey{"AD", syncing}] = retry{next: noon}
			s.retries[retryKey{"AD", exporting}] = retry{next: noon.Add(time.Hour)}
		}, "start: AD delta-sync (retry synchronization errors)\nwait: AD export for export errors\nnext: 1h0m0s"},
		{"a full import is needed", func(s *situation) {
			s.fullOnly["AD"] = 7
			s.delays[key{"AD", "delta-import"}] = delay{next: noon.Add(time.Minute), reason: string(run.NoStartFullImport)}
			s.requests = []pending{asked("AD", "delta-import", CauseTrigger, 0)}
		}, "start: AD full-import (retry full import required)\nwait: AD delta-import for its back-off: no-start-full-import-required\nnext: 1m0s"},
		{"a chain that goes round", func(s *situation) {
			s.facts["AD"] = Facts{Imported: true, PendingExports: 1}
			s.origins["AD"] = origins{exports: origin{run: 40, depth: maxChain + 1, at: noon}}
		}, "start: \nwait: AD export for changes go round in circles\nnext: 10s"},
		{"imports only", func(s *situation) {
			s.once, s.importsOnly = true, true
			s.facts["AD"] = Facts{Imported: true, PendingExports: 1}
			s.facts["HR"] = Facts{}
			s.requests = []pending{asked("AD", "delta-import", CauseManual, 0)}
		}, "start: HR full-import (initial), AD delta-import (manual)\nwait: "},
		{"a request for an agent that is gone", func(s *situation) {
			s.requests = []pending{asked("Old", "delta-import", CauseManual, 0)}
		}, "start: \nwait: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := situation{
				now: noon, settings: settingsFor(Overlap, "HR", "AD", "Web"), facts: quiet("HR", "AD", "Web"),
				delays: map[key]delay{}, retries: map[retryKey]retry{}, origins: map[string]origins{},
				imported: map[string]time.Time{}, fullOnly: map[string]uint64{}, started: noon.Add(-time.Hour),
				wanted: map[need]time.Time{{key{"AD", "export"}, "pending exports"}: noon.Add(-time.Second)},
			}
			test.change(&s)
			if diff := cmp.Diff(test.want, s.plan().String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func (s *situation) agent(name string) *AgentSettings {
	i := slices.IndexFunc(s.settings.Agents, func(a AgentSettings) bool { return a.Name == name })
	return &s.settings.Agents[i]
}

// Whatever the situation, no two runs of a plan and of what runs already
// conflict, nothing starts that is held or delayed, and a plan is only idle if
// everything waits for a run or a time.
func TestPlanLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var names []string
		for i := range rapid.IntRange(1, 6).Draw(t, "agents") {
			names = append(names, fmt.Sprint("A", i))
		}
		s := situation{
			now:      noon,
			settings: settingsFor(rapid.SampledFrom([]Mode{Supported, Overlap, Exclusive}).Draw(t, "mode"), names...),
			facts:    map[string]Facts{}, delays: map[key]delay{},
		}
		if rapid.Bool().Draw(t, "never together") {
			s.settings.NeverTogether = [][]string{names[:1+len(names)/2]}
		}
		count := rapid.SampledFrom([]int{0, 0, 1, 5})
		for i, name := range names {
			s.facts[name] = Facts{
				Imported:       rapid.IntRange(0, 9).Draw(t, "imported") > 0,
				PendingImports: count.Draw(t, "imports"), PendingExports: count.Draw(t, "exports"),
				Unconfirmed: count.Draw(t, "unconfirmed"), NeedsFullSync: rapid.Bool().Draw(t, "rules"),
			}
			profile := rapid.SampledFrom(run.StepTypes)
			if rapid.Bool().Draw(t, "delayed") {
				s.delays[key{name, string(profile.Draw(t, "delayed profile"))}] = delay{next: noon.Add(time.Second)}
			}
			if rapid.Bool().Draw(t, "asked") {
				kind := rapid.SampledFrom([]string{CauseManual, CauseTrigger}).Draw(t, "kind")
				age := time.Duration(rapid.IntRange(0, 100).Draw(t, "age")) * time.Second
				s.requests = append(s.requests, asked(name, string(profile.Draw(t, "asked profile")), kind, age))
			}
			if i == 0 && rapid.Bool().Draw(t, "running") {
				k := key{name, string(profile.Draw(t, "running profile"))}
				s.running = []work{{key: k, sync: hasKind(s.settings.steps(k), syncing)}}
			}
		}
		p := s.plan()
		all := slices.Clone(s.running)
		why, _ := s.hold()
		for _, w := range p.start {
			needs := work{key: w.key, sync: hasKind(s.settings.steps(w.key), syncing)}
			for _, other := range all {
				if s.settings.conflict(needs, other) {
					t.Fatalf("%v and %v overlap", needs, other)
				}
			}
			all = append(all, needs)
			if s.delays[w.key].next.After(noon) {
				t.Fatalf("%v starts in its back-off", w.key)
			}
			if why != "" && needs.sync {
				t.Fatalf("%v starts before %s", w.key, why)
			}
		}
		if len(all) == 0 && p.next.IsZero() {
			for _, w := range p.waiting {
				if w.For != why {
					t.Fatalf("nothing runs, and %v waits for %s", key{w.Agent, w.Profile}, w.For)
				}
			}
		}
	})
}

func TestDefaultOperations(t *testing.T) {
	one := func(name string, step run.StepType) run.Profile {
		return run.Profile{Name: name, Steps: []run.Step{{Type: step}}}
	}
	both := run.Profile{Name: "both", Steps: []run.Step{{Type: run.DeltaImport}, {Type: run.DeltaSync}}}
	got := DefaultOperations([]run.Profile{one("FI", run.FullImport), one("DS", run.DeltaSync), both, one("FI2", run.FullImport)})
	want := map[run.StepType]string{run.FullImport: "FI2", run.DeltaImport: "FI2", run.DeltaSync: "DS"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The scheduler takes no profile that does only part of the work, or something
// else; and of two that do all of it, the one that is named after it.
func TestDefaultOperationsAreWhole(t *testing.T) {
	profiles := run.DefaultProfiles()
	add := func(name string, steps ...run.Step) {
		profiles = append(profiles, run.Profile{Name: name, Steps: steps})
	}
	add("north", run.Step{Type: run.FullImport, Partition: "north"})
	add("sample", run.Step{Type: run.FullImport, Objects: 10})
	add("dry run", run.Step{Type: run.Export, Drop: "file"})
	add("again", run.Step{Type: run.Export, Resume: "file"})
	add("combined", run.Step{Type: run.FullImportFullSync})
	add("careful", run.Step{Type: run.DeltaSync, TimeLimit: time.Minute})
	want := map[run.StepType]string{}
	for _, p := range run.DefaultProfiles() {
		want[p.Steps[0].Type] = p.Name
	}
	if diff := cmp.Diff(want, DefaultOperations(profiles)); diff != "" {
		t.Error(diff)
	}
	for i := range profiles {
		switch p := &profiles[i]; p.Name {
		case "export": // somebody has made it a dry run: nothing is exported without being asked for
			p.Steps = []run.Step{{Type: run.Export, Drop: "file"}}
		case "delta-sync":
			p.Steps = []run.Step{{Type: run.DeltaSync}, {Type: run.DeltaSync}}
		case "full-import":
			p.Steps = []run.Step{{Type: run.FullImport, Audit: "file", Errors: run.Limit{Count: 1, IsSet: true}}}
		}
	}
	delete(want, run.Export)
	want[run.DeltaSync] = "careful"
	if diff := cmp.Diff(want, DefaultOperations(profiles)); diff != "" {
		t.Error(diff)
	}
	s := Settings{Agents: []AgentSettings{{Name: "HR", Profiles: profiles, Operations: DefaultOperations(profiles)}}}
	if err := s.validate(); err != nil {
		t.Error(err)
	}
}

// A run stands for a request only if it does all that was asked for.
func TestCovers(t *testing.T) {
	profiles := append(run.DefaultProfiles(),
		run.Profile{Name: "combined", Steps: []run.Step{{Type: run.FullImportDeltaSync}}},
		run.Profile{Name: "north", Steps: []run.Step{{Type: run.FullImport, Partition: "north"}}},
		run.Profile{Name: "dropped", Steps: []run.Step{{Type: run.FullImport, Drop: "file"}}},
		run.Profile{Name: "resumed", Steps: []run.Step{{Type: run.FullImport, Resume: "file"}}},
		run.Profile{Name: "dropped and synchronized", Steps: []run.Step{{Type: run.FullImport, Drop: "file"}, {Type: run.DeltaSync}}})
	s := Settings{Agents: []AgentSettings{{Name: "HR", Profiles: profiles}}}
	for _, tt := range []struct {
		runs, asked string
		want        bool
	}{
		{"full-import", "delta-import", true},
		{"delta-import", "full-import", false},
		{"combined", "delta-import", true},
		{"combined", "full-import", true},
		{"combined", "delta-sync", true},
		{"combined", "full-sync", false},
		{"full-import", "combined", false},
		{"north", "delta-import", false},
		{"full-import", "north", false},
		{"dropped", "delta-import", false},
		{"full-import", "dropped", false},
		{"resumed", "delta-import", false},
		{"full-import", "resumed", false},
		{"delta-sync", "dropped and synchronized", false},
	} {
		if got := covers(s.wholeSteps(key{"HR", tt.runs}), s.wholeSteps(key{"HR", tt.asked})); got != tt.want {
			t.Errorf("%s for %s: %t", tt.runs, tt.asked, got)
		}
	}
	for profile, want := range map[string]bool{"combined": true, "full-import": false, "dropped and synchronized": true, "dropped": false} {
		if got := hasKind(s.steps(key{"HR", profile}), syncing); got != want {
			t.Errorf("%s synchronizes: %t", profile, got)
		}
	}
}

func TestSettingsValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(s *Settings)
		want   string
	}{
		{"good", func(s *Settings) {}, ""},
		{"mode", func(s *Settings) { s.Mode = "fast" }, `unknown run mode "fast"`},
		{"unknown profile", func(s *Settings) { s.Agents[0].Operations[run.Export] = "exprt" }, `there is no run profile "exprt"`},
		{"an import that synchronizes", func(s *Settings) { s.Agents[0].Operations[run.FullImport] = "full-sync" }, "has a step full-sync"},
		{"empty", func(s *Settings) {
			s.Agents[0].Profiles = append(s.Agents[0].Profiles, run.Profile{Name: "none"})
			s.Agents[0].Operations[run.Export] = "none"
		}, "has no steps"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := settingsFor(Overlap, "HR")
			test.change(&s)
			err := s.validate()
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestPause(t *testing.T) {
	var got []time.Duration
	for n := range 9 {
		got = append(got, failurePause.after(n+1)/time.Second)
	}
	if want := []time.Duration{5, 10, 20, 40, 80, 160, 300, 300, 300}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What is held although its back-off has passed is not a reason to plan again at once:
// the scheduler would do nothing else until somebody lets it go on.
func TestHeldAfterBackOff(t *testing.T) {
	facts := quiet("HR", "AD")
	facts["HR"] = Facts{Agent: "HR", Imported: true, PendingImports: 1}
	facts["AD"] = Facts{Agent: "AD"}
	s := situation{
		now: noon, settings: settingsFor(Overlap, "HR", "AD"), facts: facts,
		delays:  map[key]delay{{"HR", "delta-sync"}: {failures: 1, next: noon.Add(-time.Minute), reason: "stopped-server"}},
		running: []work{{key: key{"AD", "full-import"}}},
	}
	if p := s.plan(); !p.next.IsZero() {
		t.Errorf("plan again at %v:\n%s", p.next, p)
	}
}
