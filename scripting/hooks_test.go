package scripting

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
)

// around returns surroundings that remember in memory.
func around(state memoryState) Surroundings {
	return Surroundings{State: func(string, string) autosync.State { return state }}
}

func TestShouldExecute(t *testing.T) {
	g := script(t, `controller("AD", { shouldExecute(run, ctx) {
		ctx.state.set("asked", [run.agent, run.run, run.cause.kind, ctx.agent]);
		return {
			"delta-import": true, "full-import": undefined, "delta-sync": null, "export": false, "night": "only at night",
			"later": { reason: "backup", retryAfter: "15m" }, "no": { allow: false }, "yes": { allow: true, reason: "of course" },
			"seven": 7, "odd": { wait: "1m" }, "empty": {}, "both": { allow: true, retryAfter: "1m" },
		}[run.run];
	} })`)
	state := memoryState{}
	should := g.Controllers(around(state))["AD"].ShouldExecute
	tests := []struct {
		profile string
		want    autosync.Permission
		err     string
	}{
		{"delta-import", autosync.Permission{}, ""},
		{"full-import", autosync.Permission{}, ""},
		{"delta-sync", autosync.Permission{}, ""},
		{"yes", autosync.Permission{Reason: "of course"}, ""},
		{"export", autosync.Permission{Refused: true}, ""},
		{"no", autosync.Permission{Refused: true}, ""},
		{"night", autosync.Permission{Refused: true, Reason: "only at night"}, ""},
		{"later", autosync.Permission{Refused: true, Reason: "backup", RetryAfter: 15 * time.Minute}, ""},
		{"seven", autosync.Permission{}, "extension-unexpected-attribute-value"},
		{"odd", autosync.Permission{}, `there is no option "wait"`},
		{"empty", autosync.Permission{}, "it says nothing"},
		{"both", autosync.Permission{}, "allow: true"},
	}
	for _, test := range tests {
		got, err := should(t.Context(), autosync.Planned{Agent: "AD", Profile: test.profile, Cause: autosync.Cause{Kind: "trigger"}})
		if test.err != "" {
			wantError(t, err, test.err)
		} else if err != nil {
			t.Errorf("%s: %v", test.profile, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.profile, diff)
		}
	}
	if got := string(state["asked"]); got != `["AD","both","trigger","AD"]` {
		t.Errorf("it saw %s", got)
	}
}

func TestExecutionComplete(t *testing.T) {
	g := script(t, `controller("AD", { executionComplete(run, ctx) {
		const deletes = run.steps[0]["export-counters"]["export-delete"];
		ctx.state.set("seen", [run.run, run.result, deletes, ctx.details("export-delete", { limit: 2 })[0].dn]);
		if (deletes > 5) throw new UnexpectedChange(deletes + " deletions", { stopAll: true });
	} })`)
	state := memoryState{}
	s := around(state)
	s.Details = func(run uint64, counter string, step, limit int) ([]byte, error) {
		return json.Marshal([]any{map[string]any{"dn": counter, "limit": limit, "step": step, "run": run}})
	}
	complete := g.Controllers(s)["AD"].ExecutionComplete
	record := &run.Record{Run: 7, Agent: "AD", Result: "success", Steps: []*run.Report{{Type: "export", Exports: map[string]int{"export-delete": 3}}}}
	if err := complete(t.Context(), autosync.Planned{Agent: "AD"}, autosync.Outcome{Record: record}); err != nil {
		t.Fatal(err)
	}
	if got := string(state["seen"]); got != `[7,"success",3,"export-delete"]` {
		t.Errorf("it saw %s", got)
	}
	record.Steps[0].Exports["export-delete"] = 6
	err := complete(t.Context(), autosync.Planned{Agent: "AD"}, autosync.Outcome{Record: record})
	var stop *autosync.UnexpectedChange
	if !errors.As(err, &stop) || !stop.All || stop.Message != "6 deletions" {
		t.Errorf("got %v, %+v", err, stop)
	}
	wantError(t, err, "scripts/a.js:4:")
}

func TestEvents(t *testing.T) {
	l, _ := folder(t,
		"a.js", `on("run.completed", (event, ctx) => ctx.state.set("a", [event.event, event.record.result, event.agent]));
on("run.completed", (event, ctx) => { throw new Error("broken") });`,
		"b.js", `on("run.completed", (event, ctx) => ctx.state.set("b", event.at)); on("agent.stopped", () => {})`)
	g := load(t, l)
	state := memoryState{}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e := autosync.Event{Kind: autosync.RunCompleted, At: at, Agent: "HR", Record: &run.Record{Result: "success"}}
	wantError(t, g.Tell(t.Context(), around(state), e), "broken")
	want := memoryState{"a": []byte(`["run.completed","success","HR"]`), "b": []byte(`"2026-03-01T12:00:00Z"`)}
	if diff := cmp.Diff(want, state); diff != "" {
		t.Error(diff)
	}
	if !g.Hears(autosync.AgentStopped) || g.Hears(autosync.RunStuck) {
		t.Error("it hears the wrong events")
	}
}

// Who hears of what a threshold holds gets to see the reasons and the objects.
func TestOnHeld(t *testing.T) {
	g := script(t, `on("step.held", (e, ctx) => { ctx.state.set("held", [e.step, e.hold.reasons[0].count, e.hold.objects[0].what, e.reason]) })`)
	state := memoryState{}
	h := &hold.Hold{
		Agent: "AD", Step: hold.Export, Of: hold.Export, Reasons: []hold.Reason{{Kind: hold.Deletes, Count: 3, Limit: "1"}},
		Objects: []hold.Object{{DN: "CN=a", What: "would be deleted"}},
	}
	e := autosync.Event{Kind: autosync.StepHeld, Agent: "AD", Step: hold.Export, Hold: h, Reason: "3 deletions, more than 1"}
	if err := g.Tell(t.Context(), around(state), e); err != nil {
		t.Fatal(err)
	}
	want := `["export",3,"would be deleted","3 deletions, more than 1"]`
	if got := string(state["held"]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestBadHooks(t *testing.T) {
	for text, want := range map[string]string{
		`controller("AD")`:                                        "takes the name of an agent and an object of functions",
		`controller("AD", {})`:                                    `"AD" has no functions`,
		`controller("AD", { shouldExecute: 7 })`:                  "shouldExecute must be a function",
		`controller("AD", { shouldexecute() {} })`:                `there is no option "shouldexecute"`,
		`on("run.complete", () => {})`:                            `there is no event "run.complete"`,
		`on("run.completed")`:                                     "takes a name and a function",
		`on("run.completed", 7)`:                                  "is not a function",
		`controller("AD", { shouldExecute() {}, timeout: "1h" })`: "timeout is longer than 30s",
	} {
		l, _ := folder(t, "a.js", text)
		_, err := l.Load(t.Context())
		wantError(t, err, want)
	}
}

// In the check of a trigger UnexpectedChange stops its agent; in a rule function it
// ends the run.
func TestUnexpectedChangeElsewhere(t *testing.T) {
	g := script(t, `trigger("t", { agent: "AD", every: "1m", check() { throw new UnexpectedChange("odd") } });
flow("HR.person", "f", () => { throw new UnexpectedChange("odd") });`)
	_, err := g.Triggers()[0].Check(t.Context(), autosync.Occasion{State: memoryState{}})
	var stop *autosync.UnexpectedChange
	if !errors.As(err, &stop) || stop.All || stop.Message != "odd" {
		t.Errorf("trigger: %v, %+v", err, stop)
	}
	_, err = g.Rules().Flows[rules.FlowName{Agent: "HR", Object: "person", Name: "f"}](rules.WithNow(context.Background(), time.Unix(1, 0)), &plainConnector{})
	if !errors.Is(err, rules.ErrTerminateRun) {
		t.Errorf("flow: %v", err)
	}
}

func TestHooksInTests(t *testing.T) {
	g := script(t, `controller("AD", {
	shouldExecute: (run, ctx) => run.run !== "export" || { reason: "closed " + ctx.state.get("day"), retryAfter: "1m30s" },
	executionComplete(run, ctx) { ctx.state.set("last", run.result); if (run.result === "odd") throw new UnexpectedChange("odd"); },
});
on("agent.paused", (event, ctx) => ctx.state.set("paused", event.agent));
test("controller", t => {
	t.equal(t.shouldExecute("AD", { run: "delta-import" }), { allow: true, reason: "", retryAfter: 0, state: {} });
	t.equal(t.shouldExecute("AD", { run: "export" }, { state: { day: "Sunday" } }),
		{ allow: false, reason: "closed Sunday", retryAfter: 90, state: { day: "Sunday" } });
	t.equal(t.executionComplete("AD", { result: "success" }), { last: "success" });
	t.throws(() => t.executionComplete("AD", { result: "odd" }), UnexpectedChange);
	t.throws(() => t.shouldExecute("AE"), /no script registers the controller "AE"/);
	t.equal(t.event("agent.paused", { agent: "AD" }), { paused: "AD" });
	t.throws(() => t.event("run.stuck"), "no script registers");
});`)
	for _, result := range g.Test(t.Context(), TestOptions{}) {
		if result.Err != nil {
			t.Error(result.Err)
		}
	}
}
