package scripting

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/autosync/calendar"
	"github.com/metasync/metasync/engine/fault"
)

func asking(agent, profile string) []autosync.Request {
	return []autosync.Request{{Agent: agent, Profile: profile}}
}

func TestTriggers(t *testing.T) {
	l, base := folder(t, "a.js", `trigger("HR file", { agent: "HR", watch: "data/*.csv", settle: "2s", run: "full-import" });
trigger("night", { agent: "HR", cron: "0 2 * * *", timezone: "Europe/Berlin", run: "full-import" });
  trigger("badges", { agent: "Badge", every: "1m30s", timeout: "5s", check() {} });`,
		"b.ts", "const watch: string = '/srv/in.csv'\ntrigger('abs', { watch, async check(ctx: TriggerContext) {} })")
	g := load(t, l)
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := func(file string, line, column int) fault.Position {
		return fault.Position{File: "scripts/" + file, Line: line, Column: column}
	}
	want := []autosync.TriggerSpec{
		{Name: "HR file", Agent: "HR", Watch: filepath.Join(base, "data/*.csv"), Settle: 2 * time.Second, Run: asking("HR", "full-import"), Position: at("a.js", 1, 1)},
		{Name: "night", Agent: "HR", Cron: "0 2 * * *", TimeZone: berlin, Run: asking("HR", "full-import"), Position: at("a.js", 2, 1)},
		{Name: "badges", Agent: "Badge", Every: 90 * time.Second, Position: at("a.js", 3, 3)},
		{Name: "abs", Watch: "/srv/in.csv", Position: at("b.ts", 2, 1)},
	}
	got := g.Triggers()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(autosync.TriggerSpec{}, "Check", "Version"),
		cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() })); diff != "" {
		t.Error(diff)
	}
	for i, hasCheck := range []bool{false, false, true, true} {
		if (got[i].Check != nil) != hasCheck {
			t.Errorf("%s: check %v", got[i].Name, !hasCheck)
		}
	}
}

func TestBadTriggers(t *testing.T) {
	tests := []struct{ args, want string }{
		{`"x"`, "takes a name and an object of options"},
		{`"", {}`, `"" is not a name`},
		{`7, {}`, "7 is not a name"},
		{`"x", "y"`, `"x" must be an object`},
		{`"x", []`, `"x" must be an object`},
		{`"x", { agent: "HR", evry: "1s", run: "r" }`, `"x": there is no option "evry"`},
		{`"x", { agent: "HR", run: "r" }`, `"x" needs every, schedule, cron, watch, webhook, after, sql or changes`},
		{`"x", { agent: "HR", every: "1s", cron: "@daily", run: "r" }`, `"x" has cron and every; it takes one of every, schedule, cron, watch, webhook, after, sql or changes`},
		{`"x", { agent: "HR", every: "1s" }`, `"x" needs run or check`},
		{`"x", { agent: "HR", every: "1s", run: "r", check() {} }`, `"x" has check and run`},
		{`"x", { every: "1s", run: "r" }`, `neither the trigger nor the request names one`},
		{`"x", { agent: "HR", every: "1 minute", run: "r" }`, `"x": every "1 minute" is not a duration`},
		{`"x", { agent: "HR", every: "-1s", run: "r" }`, `every "-1s" is not a duration`},
		{`"x", { agent: "HR", every: 5, run: "r" }`, `every must be a text`},
		{`"x", { agent: "HR", every: "1s", timezone: "UTC", run: "r" }`, `timezone has a meaning only with cron, schedule, during or exclusions`},
		{`"x", { agent: "HR", every: "1s", settle: "1s", run: "r" }`, `settle has a meaning only with watch`},
		{`"x", { agent: "HR", every: "1s", timeout: "1s", run: "r" }`, `timeout has a meaning only with check`},
		{`"x", { agent: "HR", every: "1s", timeout: "1h", check() {} }`, `timeout is longer than 30s`},
		{`"x", { agent: "HR", cron: "@daily", timezone: "Mars/Base", run: "r" }`, `there is no time zone "Mars/Base"`},
		{`"x", { agent: "HR", watch: "data/[.csv", run: "r" }`, `watch "data/[.csv" is not a pattern`},
		{`"x", { agent: "HR", every: "1s", check: "soon" }`, `check must be a function`},
		{`"x", { agent: "HR", every: "1s", run: [] }`, `run asks for nothing`},
		{`"x", { agent: "HR", every: "1s", run: {run: "r", exclusive: 1} }`, `exclusive must be true or false`},
		{`"x", { agent: "HR", every: "1s", run: "r", disabled: "no" }`, `disabled must be true or false`},
		{`"x", { agent: "HR", every: "1s", run: "r", missed: "often" }`, `missed "often" is none of run, skip`},
		{`"x", { agent: "HR", every: "1s", run: "r", outside: "drop" }`, `outside has a meaning only with during or exclusions`},
		{`"x", { agent: "HR", every: "1s", run: "r", during: {} }`, `during must be an array`},
		{`"x", { agent: "HR", every: "1s", run: "r", during: [{ cron: "@daily" }] }`, `"x": during needs cron and for`},
		{`"x", { agent: "HR", every: "1s", run: "r", during: [{ cron: "8", for: "1h" }] }`, `"x": during: "8": `},
		{`"x", { agent: "HR", schedule: {}, run: "r" }`, `"x": schedule needs start`},
		{`"x", { agent: "HR", schedule: { start: "soon" }, run: "r" }`, `"soon" is not a date with a time`},
		{`"x", { agent: "HR", webhook: "w", run: "r" }`, `webhook has a meaning only with token`},
		{`"x", { agent: "HR", webhook: "w", token: "open", run: "r" }`, `token is not a secret`},
		{`"x", { agent: "HR", every: "1s", perMinute: 7, run: "r" }`, `perMinute has a meaning only with webhook`},
		{`"x", { agent: "HR", webhook: "w", token: 1, perMinute: 0, run: "r" }`, `token is not a secret`},
		{`"x", { agent: "HR", after: { run: "a" }, run: "r" }`, `"x": after needs agent`},
		{`"x", { agent: "HR", after: { agent: "AD", result: "good" }, run: "r" }`, `result "good" is none of success, completed, failed, any`},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			l, _ := folder(t, "a.js", "\n  trigger("+test.args+")")
			_, err := l.Load(t.Context())
			wantError(t, err, "scripts/a.js:2:3: script-registration-invalid: trigger: ")
			wantError(t, err, test.want)
		})
	}
	l, _ := folder(t, "a.js", `trigger("x", { agent: "HR", evry: "1s" })`)
	_, err := l.Load(t.Context())
	var named *fault.Error
	if !errors.As(err, &named) || named.Hint != "did you mean every?" {
		t.Errorf("got %+v, want a suggestion", named)
	}
}

// memory keeps the state of a trigger for a test.
type memory map[string]string

var errState = errors.New("the store is full")

func (m memory) Get(key string) ([]byte, error) {
	if text, ok := m[key]; ok {
		return []byte(text), nil
	}
	return nil, nil
}

func (m memory) Set(key string, value []byte) error {
	if key == "full" {
		return errState
	}
	if value == nil {
		delete(m, key)
		return nil
	}
	m[key] = string(value)
	return nil
}

func TestCheck(t *testing.T) {
	request := func(agent, profile string) autosync.Request {
		return autosync.Request{Agent: agent, Profile: profile}
	}
	tests := []struct {
		name, body string
		before     memory
		want       []autosync.Request
		after      memory
		wantErr    string
	}{
		{name: "nothing", body: ``},
		{name: "null", body: `return null`},
		{name: "a profile", body: `return "delta-import"`, want: []autosync.Request{request("HR", "delta-import")}},
		{name: "later", body: `return Promise.resolve("delta-import")`, want: []autosync.Request{request("HR", "delta-import")}},
		{name: "another agent", body: `return {agent: "AD", run: "export"}`, want: []autosync.Request{request("AD", "export")}},
		{name: "own agent", body: `return {run: "export"}`, want: []autosync.Request{request("HR", "export")}},
		{name: "several", body: `return ["a", {agent: "AD", run: "b"}]`, want: []autosync.Request{request("HR", "a"), request("AD", "b")}},
		{name: "none of several", body: `return []`, want: []autosync.Request{}},
		{name: "context", body: `return ctx.trigger + "/" + ctx.agent`, want: []autosync.Request{request("HR", "T/HR")}},
		{
			name: "state", body: `const n = ctx.state.get("seen") ?? {n: 1}; ctx.state.set("seen", {n: n.n + 1}); return String(n.n)`,
			before: memory{"seen": `{"n":7}`}, after: memory{"seen": `{"n":8}`}, want: []autosync.Request{request("HR", "7")},
		},
		{name: "forgotten", body: `ctx.state.delete("seen"); return typeof ctx.state.get("seen")`, before: memory{"seen": `1`}, after: memory{}, want: []autosync.Request{request("HR", "undefined")}},
		{name: "largest value", body: `ctx.state.set("x", "a".repeat(65534))`, after: memory{"x": `"` + strings.Repeat("a", 65534) + `"`}},
		{name: "long value", body: `ctx.state.set("x", "a".repeat(65535))`, wantErr: "keep \"x\": the value has 65537 bytes as JSON, and may have 65536"},
		{name: "long key", body: `ctx.state.set("a".repeat(257), 1)`, wantErr: "the key has more than 256 bytes"},
		{name: "no state", body: `return typeof ctx.state.get("x")`, want: []autosync.Request{request("HR", "undefined")}},

		{
			name: "all of a request", body: `return {run: "a", partition: "north", exclusive: true, immediate: true}`,
			want: []autosync.Request{{Agent: "HR", Profile: "a", Partition: "north", Exclusive: true, Immediate: true}},
		},
		{name: "no call", body: `return typeof ctx.request + typeof ctx.run`, want: []autosync.Request{request("HR", "undefinedundefined")}},

		{name: "boolean", body: `return true`, wantErr: "the script returned true: a request must be an object"},
		{name: "number in array", body: `return ["a", 7]`, wantErr: "the script returned 7"},
		{name: "unknown key", body: `return {rum: "a"}`, wantErr: `there is no option "rum"`},
		{name: "no profile", body: `return {agent: "HR"}`, wantErr: "a request that names no run profile"},
		{name: "empty profile", body: `return ""`, wantErr: "a request that names no run profile"},
		{name: "throw", body: `throw new Error("down")`, wantErr: "scripts/a.js:2:9: extension-dll-exception: Error: down"},
		{name: "getter", body: `return {get run() { throw new Error("down") }}`, wantErr: "extension-dll-exception: Error: down"},
		{name: "endless answer", body: `return new Proxy({run: 1}, {get() { for (;;); }})`, wantErr: "extension-dll-timeout"},
		{name: "bad key", body: `ctx.state.get()`, wantErr: "the key must be a text"},
		{name: "bad value", body: `ctx.state.set("x", () => 1)`, wantErr: "a function cannot be kept as JSON"},
		{name: "no value", body: `ctx.state.set("x")`, wantErr: "set takes a key and a value"},
		{name: "store", body: `ctx.state.set("full", 1)`, wantErr: "the store is full"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := script(t, `trigger("T", {agent: "HR", every: "1s", timeout: "500ms", check(ctx) {`+"\n  "+test.body+"\n}})")
			state := memory{}
			if test.before != nil {
				state = test.before
			}
			got, err := g.Triggers()[0].Check(t.Context(), autosync.Occasion{State: state})
			if test.wantErr != "" {
				wantError(t, err, test.wantErr)
				return
			}
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
			if test.after != nil && cmp.Diff(test.after, state) != "" {
				t.Error(cmp.Diff(test.after, state))
			}
		})
	}
	g := script(t, `trigger("T", {agent: "HR", every: "1s", check: ctx => ctx.state.set("full", 1)})`)
	if _, err := g.Triggers()[0].Check(t.Context(), autosync.Occasion{State: memory{}}); !errors.Is(err, errState) {
		t.Errorf("got %v, want it to wrap %v", err, errState)
	}
	g = script(t, `trigger("T", {every: "1s", check: () => "full-import"})`)
	_, err := g.Triggers()[0].Check(t.Context(), autosync.Occasion{State: memory{}})
	wantError(t, err, `"full-import" for no agent`)
}

func TestContextOfAnOldCheckIsUseless(t *testing.T) {
	l, _ := folder(t, "a.js", `
		let old;
		trigger("T", {agent: "HR", every: "1s", check(ctx) { old ??= ctx; old.state.set("x", 1) }})`)
	l.options.Workers = 1
	g := load(t, l)
	if _, err := g.Triggers()[0].Check(t.Context(), autosync.Occasion{State: memory{}}); err != nil {
		t.Fatal(err)
	}
	state := memory{}
	_, err := g.Triggers()[0].Check(t.Context(), autosync.Occasion{State: state})
	wantError(t, err, "the call is over")
	if len(state) > 0 {
		t.Errorf("it wrote %v", state)
	}
}

func TestCheckLogsItsTrigger(t *testing.T) {
	var out bytes.Buffer
	l, _ := folder(t, "a.js", `trigger("T", {agent: "HR", every: "1s", check(ctx) { ctx.log.info("asked", {n: 1}); console.log("too") }})`)
	l.options.Log = slog.New(slog.NewTextHandler(&out, nil))
	if _, err := load(t, l).Triggers()[0].Check(context.Background(), autosync.Occasion{State: memory{}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"msg=asked script=scripts/a.js:1:62 trigger=T n=1\n", "msg=too script=scripts/a.js:1:93 trigger=T\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got %s, want %s", out.String(), want)
		}
	}
}

// Everything that a trigger of the configuration can say, one of a script can say.
func TestTriggerOptions(t *testing.T) {
	l, _ := folder(t, "a.js", `
trigger("all", { agent: "HR", schedule: { start: "2026-01-31T02:00", every: "24h" }, timezone: "Europe/Berlin",
	run: ["a", { agent: "AD", run: "b", partition: "north", exclusive: true, immediate: true }],
	partition: "south", exclusive: true, immediate: true, minInterval: "5m", jitter: "30s", missed: "skip",
	during: [{ cron: "0 8 * * 1-5", for: "9h" }], exclusions: [{ cron: "0 12 * * *", for: "1h" }], outside: "drop",
	onError: "terminate", disabled: true });
trigger("hook", { webhook: "changed", token: secret("hook"), perMinute: 7, agent: "HR", run: "a" });
trigger("after", { after: "AD", agent: "HR", run: "a" });
trigger("after failure", { after: { agent: "AD", run: "export", result: "failed" }, run: { agent: "AD", run: "a" } });`)
	l.options.Env.Secrets = map[string]string{"hook": "0123456789abcdef"}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	want := []autosync.TriggerSpec{
		{
			Name: "all", Agent: "HR", Schedule: &autosync.Period{Start: time.Date(2026, 1, 31, 2, 0, 0, 0, berlin), Every: 24 * time.Hour},
			TimeZone: berlin,
			Run: []autosync.Request{
				{Agent: "HR", Profile: "a"},
				{Agent: "AD", Profile: "b", Partition: "north", Exclusive: true, Immediate: true},
			},
			Partition: "south", Exclusive: true, Immediate: true, MinInterval: 5 * time.Minute, Jitter: 30 * time.Second, SkipMissed: true,
			During: []calendar.Window{{Cron: "0 8 * * 1-5", For: 9 * time.Hour}}, Exclusions: []calendar.Window{{Cron: "0 12 * * *", For: time.Hour}},
			DropOutside: true, TerminateOnError: true, Disabled: true,
		},
		{Name: "hook", Agent: "HR", Webhook: &autosync.Webhook{Name: "changed", Token: "0123456789abcdef", PerMinute: 7}, Run: asking("HR", "a")},
		{Name: "after", Agent: "HR", After: &autosync.After{Agent: "AD", Result: "success"}, Run: asking("HR", "a")},
		{Name: "after failure", After: &autosync.After{Agent: "AD", Run: "export", Result: "failed"}, Run: asking("AD", "a")},
	}
	if diff := cmp.Diff(want, load(t, l).Triggers(), cmpopts.IgnoreFields(autosync.TriggerSpec{}, "Version", "Position"),
		cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() })); diff != "" {
		t.Error(diff)
	}
}

// A check sees what was sent to its webhook, and which run has ended.
func TestCheckSeesTheOccasion(t *testing.T) {
	l, _ := folder(t, "a.js", `
trigger("hook", { webhook: "changed", token: secret("hook"), agent: "HR", check(ctx) {
	if (ctx.request.contentType !== "application/json") throw new Error("not JSON: " + ctx.request.query);
	return ctx.request.json().profiles;
} });
trigger("after", { after: "AD", agent: "HR", check: ctx => [ctx.run.number, ctx.run.agent, ctx.run.profile, ctx.run.result] });
test("calls", t => {
	const request = { body: { profiles: ["a", "b"] }, contentType: "application/json" };
	t.equal(t.trigger("hook", { request }).requests, [{ agent: "HR", run: "a" }, { agent: "HR", run: "b" }]);
	t.throws(() => t.trigger("hook", { request: { body: "x", query: "n=1" } }));
	const run = { number: 7, agent: "AD", profile: "export", result: "success" };
	t.equal(t.trigger("after", { run }).requests.map(r => r.run), ["7", "AD", "export", "success"]);
});`)
	l.options.Env.Secrets = map[string]string{"hook": "0123456789abcdef"}
	g := load(t, l)
	for _, result := range g.Test(t.Context(), TestOptions{}) {
		if result.Err != nil {
			t.Error(result.Err)
		}
	}
	got, err := g.Triggers()[1].Check(t.Context(), autosync.Occasion{State: memory{}, Run: &autosync.Completed{Run: 9, Agent: "AD", Profile: "x", Result: "success"}})
	if err != nil || len(got) != 4 || got[0].Profile != "9" || got[3].Profile != "success" {
		t.Errorf("%+v, %v", got, err)
	}
}
