package scripting

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/fault"
)

// rulesUnderTest registers one of each kind.
const rulesUnderTest = `
flowFunction("initials", (given, sn) => { if (given === "?") throw new Error("no name"); return given && sn ? given[0] + sn[0] : undefined; });
flowFunction("same", v => v);
flowFunction("later", async v => { await 0; return v + "!"; });
flowFunction("year", () => new Date().getUTCFullYear());
flowFunction("chance", () => String(Math.random()));
flow("HR.employee", "department", (e, ctx) => {
	if (e.dept === undefined) return undefined;
	if (e.dept === "none") return null;
	if (e.dept === "keep") throw new DeclineMapping("as it is");
	if (e.dept === "bad") return NaN;
	if (e.dept === "where") return [e.$agent, e.$object, e.$dn, e.$anchor].join("/");
	if (e.dept === "target") return ctx.target().$type + ctx.target().sn;
	if (e.dept === "write") e.dept = "x";
	return e.dept;
});
flow("person", "home", p => p.$connectors("AD").map(c => c.$dn + c.$agent + c.uid).concat(p.$contributor("sn") ?? []));
extension("AD", {
	filter: cs => cs.sn === "robot" ? true : cs.sn === undefined ? undefined : false,
	joinValues: (cs, name) => [cs.sn, name],
	resolveJoin: (cs, candidates, rule) => rule === "retype" ? {join: candidates[0], type: "guest"} : candidates.find(c => c.sn === cs.sn) ?? null,
	project: cs => cs.sn && "person",
	deprovision: cs => cs.sn === "odd" ? "vaporize" : "disconnect",
});
metaverse("person", {
	provision(p, ctx) {
		const [account] = p.$connectors("AD");
		if (!account) ctx.create("AD", "user", {dn: "CN=" + p.sn, mail: ["b", "a"], n: 7});
		else if (p.gone) ctx.disconnect(account);
		else ctx.rename(account, "CN=" + p.sn);
	},
	shouldDelete: (cs, p) => cs.$agent === "HR" && p.sn !== "keeper",
});
trigger("badges", {agent: "Badge", every: "1m", check(ctx) {
	const seen = ctx.state.get("seen") ?? 0;
	ctx.state.set("seen", seen + 1);
	return seen > 1 ? ["delta-import", {agent: "HR", run: "full-import"}] : undefined;
}});
trigger("nightly", {agent: "HR", cron: "@daily", run: "full-import"});
`

// loadTests loads a script of tests beside the rules.
func loadTests(t *testing.T, workers int, text string) *Generation {
	t.Helper()
	l, _ := folder(t, "rules.js", rulesUnderTest, "tests.js", text)
	l.options.Workers = workers
	return load(t, l)
}

func TestPassing(t *testing.T) {
	for _, body := range []string{
		`t.equal(t.call("initials", "Ada", "Lovelace"), "AL")`,
		`t.equal(t.call("initials", undefined, "Lovelace"), undefined)`,
		`t.equal(t.call("later", "x"), "x!")`,
		`t.equal(t.call("same", 2n ** 60n), 2n ** 60n)`,
		`t.equal(t.call("same", new Date(0)), new Date(0))`,
		`t.equal(t.call("same", new Uint8Array([1, 2])), new Uint8Array([1, 2]))`,
		`t.equal(t.call("same", ["b", "a"]), ["b", "a"])`,
		`t.equal({a: [1, {b: NaN}], c: undefined}, {a: [1, {b: NaN}]})`,
		`const m = new Map(); t.equal(m, m)`,
		`const f = () => 1; t.equal(f, f)`,
		`t.throws(() => t.call("initials", "?", "b"))`,
		`t.throws(() => t.call("initials", "?", "b"), "no name")`,
		`t.throws(() => t.call("initials", "?", "b"), /^Error: no name$/)`,
		`t.throws(() => t.call("initials", "?", "b"), /^extension-dll-exception: Error/)`,
		`t.throws(() => { throw new UnexpectedData("x") }, UnexpectedData)`,
		`t.throws(() => null.x, /Cannot read/)`,
		`t.equal(t.call("year"), 2026); t.at("1999-12-31T23:00:00Z"); t.equal(t.call("year"), 1999); t.equal(new Date().getUTCFullYear(), 1999)`,
		`t.at(new Date(0)); t.equal(t.call("year"), 1970)`,
		`t.equal(t.call("chance"), t.call("chance"))`,
		`t.equal(t.flow("HR.employee", "department", {dept: "12"}), "12")`,
		`t.equal(t.flow("HR.employee", "department", {}), undefined)`,
		`t.equal(t.flow("HR.employee", "department", {dept: "none"}), null)`,
		`t.equal(t.flow("HR.employee", "department", {dept: ["one"]}), "one")`,
		`t.equal(t.flow("HR.employee", "department", {dept: "where", $dn: "CN=1", $anchor: "7"}), "HR/employee/CN=1/7")`,
		`t.equal(t.flow("HR.employee", "department", {dept: "target"}, {$type: "person", sn: "B"}), "personB")`,
		`t.throws(() => t.flow("HR.employee", "department", {dept: "keep"}), DeclineMapping)`,
		`t.throws(() => t.flow("HR.employee", "department", {dept: "bad"}), "extension-unexpected-attribute-value: the script returned the number NaN")`,
		`t.throws(() => t.flow("HR.employee", "department", {dept: "write"}), "read-only")`,
		`t.equal(t.flow("person", "home", {$connectors: {AD: [{$dn: "CN=a", uid: 1}], HR: [{}]}, $contributor: {sn: "HR"}}), ["CN=aAD1", "HR"])`,
		`t.equal(t.expression("=Left(sn, 1)", {sn: "Berg"}), "B")`,
		`t.equal(t.expression("initials(givenName, SN)", {givenName: "Ada", sn: "Berg"}), "AB")`,
		`t.equal(t.expression("Left([sn], 1)", {sn: "Berg"}, {dialect: "entra"}), "B")`,
		`t.equal(t.expression("=RandomNum(1, 1000000)"), t.expression("=RandomNum(1, 1000000)"))`,
		`t.throws(() => t.expression("=Lef(sn, 1)", {sn: "Berg"}), "sync-rule-invalid-expression")`,
		`t.equal([t.filter("AD", {sn: "robot"}), t.filter("AD", {sn: "x"})], [true, false])`,
		`t.throws(() => t.filter("AD", {}), "returned undefined")`,
		`t.equal(t.join("AD", {sn: "x"}, "byName"), ["x", "byName"])`,
		`t.equal(t.resolveJoin("AD", {sn: "b"}, [{sn: "a"}, {sn: "b"}]), 1)`,
		`t.equal(t.resolveJoin("AD", {sn: "c"}, [{sn: "a"}, {sn: "b"}]), null)`,
		`t.equal(t.resolveJoin("AD", {sn: "c"}, [{sn: "a"}], "retype"), {join: 0, type: "guest"})`,
		`t.equal([t.project("AD", {sn: "x"}), t.project("AD", {})], ["person", null])`,
		`t.equal(t.deprovision("AD", {}), "disconnect")`,
		`t.throws(() => t.deprovision("AD", {sn: "odd"}), "extension-deprovisioning-invalid-result")`,
		`t.equal(t.provision("person", {sn: "B"}), [{create: {agent: "AD", object: "user", attributes: {dn: "CN=B", mail: ["a", "b"], n: 7}}}])`,
		`t.equal(t.provision("person", {sn: "B", $connectors: {AD: [{$dn: "CN=A"}]}}), [{rename: {agent: "AD", connector: "CN=A", dn: "CN=B"}}])`,
		`t.equal(t.provision("person", {gone: true, $connectors: {AD: [{$anchor: "7"}]}}), [{disconnect: {agent: "AD", connector: "7"}}])`,
		`t.equal(t.shouldDelete("person", {$agent: "HR"}, {sn: "x"}), true)`,
		`t.equal(t.shouldDelete("person", {$agent: "HR"}, {sn: "keeper"}), false)`,
		`t.equal(t.trigger("badges"), {requests: [], state: {seen: 1}})`,
		`t.equal(t.trigger("badges", {state: {seen: 5}}), {requests: [{agent: "Badge", run: "delta-import"}, {agent: "HR", run: "full-import"}], state: {seen: 6}})`,
		`t.equal(t.trigger("nightly"), {requests: [{agent: "HR", run: "full-import"}], state: {}})`,
	} {
		t.Run(body, func(t *testing.T) {
			g := loadTests(t, 1, `test("T", async t => { await 0; `+body+" })")
			results := g.Test(t.Context(), TestOptions{})
			if err := TestError(results); err != nil || len(results) != 1 {
				t.Errorf("%d tests: %v", len(results), err)
			}
		})
	}
}

func TestFailing(t *testing.T) {
	for _, test := range []struct{ body, want string }{
		{`t.equal(t.call("initials", "Ada", "Berg"), "AX")`, `tests.js:2:7: script-test-failed: test "T": got "AB", want "AX"`},
		{`t.equal([1, {a: "x"}], [1, {a: "y"}, 3])`, `test "T": [1].a: got "x", want "y", and 1 more`},
		{`t.equal({a: 1, "b c": 2}, {a: 1})`, `["b c"]: got 2, want undefined`},
		{`t.equal(1, "1")`, `got 1, want "1"`},
		{`t.equal(1, 1n)`, `got 1, want 1n`},
		{`t.equal(null, undefined)`, `got null, want undefined`},
		{`t.equal([], {})`, `got [], want {}`},
		{`t.equal(new Date(0), new Date(1))`, `got Date 1970-01-01T00:00:00Z, want Date 1970-01-01T00:00:00.001Z`},
		{`t.equal(new Uint8Array([1]), new Uint8Array([2]))`, `got Uint8Array 01, want Uint8Array 02`},
		{`t.equal(new Map(), new Map())`, `got [object Map], want [object Map]`},
		{`try { t.equal(1, 2) } catch {}`, `tests.js:2:13: script-test-failed: test "T": got 1, want 2`},
		{`t.throws(() => t.equal(1, 2))`, `got 1, want 2`},
		{`t.throws(() => 7)`, `the function did not throw; it returned 7`},
		{`t.throws(() => { throw new Error("x") }, /y/)`, `the function threw "extension-dll-exception: Error: x", want /y/`},
		{`t.throws(() => { throw new Error("x") }, UnexpectedData)`, `want UnexpectedData`},
		{`t.throws(async () => 7)`, `not a promise`},
		{`t.throws(1)`, `throws takes a function`},
		{`t.call("initials", "?", "b")`, `tests.js:2:7: script-test-failed: test "T": scripts/rules.js:2:68: extension-dll-exception: Error: no name`},
		{`null.x`, `tests.js:2:`},
		{`await t.call("later")`, `an expression could not call later(v) with 0 arguments`},
		{`t.call("initial", 1)`, `no script registers the flow function "initial"`},
		{`t.call("same", () => 1)`, `argument 1: the script returned a function`},
		{`t.flow("HR.person", "department", {})`, `no script registers the flow "HR.person department"`},
		{`t.flow("HR.employee", "department", {$nd: 1})`, `this object has no $nd`},
		{`t.flow("HR.employee", "department", {x: {}})`, `attribute "x": the script returned the object {}`},
		{`t.flow("HR.employee", "department", [])`, `must be a plain object`},
		{`t.flow("HR.employee", "department", {$id: "x"})`, `x is not an id`},
		{`t.filter("HR", {})`, `no script registers the extension "HR"`},
		{`t.shouldDelete("group", {}, {})`, `no script registers the metaverse extension "group"`},
		{`t.trigger("badge")`, `no script registers the trigger "badge"`},
		{`t.trigger("badges", {stat: {}})`, `there is no option "stat"`},
		{`t.at("soon")`, `soon is not a time`},
		{`t.expression("=Left(sn, 1)", {}, {dialect: "basic"})`, `there is no dialect "basic"`},
		{`throw new Error("thrown")`, `tests.js:2:11: script-test-failed: test "T": Error: thrown`},
		{`await Promise.reject(new Error("later"))`, `Error: later`},
		{`new Promise(() => {}); await new Promise(() => {})`, `the promise can never be settled`},
	} {
		t.Run(test.body, func(t *testing.T) {
			g := loadTests(t, 1, "test('T', async t => {\n    "+test.body+"\n})\ntest('after', t => t.equal(1, 1))")
			results := g.Test(t.Context(), TestOptions{})
			if len(results) != 2 || results[1].Err != nil {
				t.Fatalf("got %+v", results)
			}
			err := TestError(results)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v\nwant %s", err, test.want)
			}
			if fault.Name(err) != "script-test-failed" {
				t.Errorf("the name is %s", fault.Name(err))
			}
		})
	}
}

// A function that does not return ends the test and not the program, also if the
// test catches everything; the tests after it run.
func TestEndlessTest(t *testing.T) {
	g := loadTests(t, 1, `flowFunction("endless", () => { for (;;); });
test("own", t => { for (;;) t.throws(() => { for (;;); }) });
test("called", t => { for (;;) try { t.call("endless") } catch {} });
test("after", t => t.equal(1, 1));`)
	results := g.Test(t.Context(), TestOptions{})
	for i, want := range []string{"no answer within 2s", "no answer within 2s", ""} {
		if err := results[i].Err; (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", results[i].Name, err)
		}
	}
}

// What has no time left fails, and does not run.
func TestAllTestsHaveOneDeadline(t *testing.T) {
	g := loadTests(t, 1, `test("a", t => t.equal(1, 1));`)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	wantError(t, TestError(g.Test(ctx, TestOptions{})), "the tests took more than 10s altogether")
}

func TestChosenTests(t *testing.T) {
	g := loadTests(t, 2, "test('a', t => {});\ntest('b', t => {});")
	if diff := cmp.Diff([]Test{
		{Name: "a", Position: fault.Position{File: "scripts/tests.js", Line: 1, Column: 1}},
		{Name: "b", Position: fault.Position{File: "scripts/tests.js", Line: 2, Column: 1}},
	}, g.Tests()); diff != "" {
		t.Error(diff)
	}
	results := g.Test(t.Context(), TestOptions{Match: func(t Test) bool { return t.Name == "b" }})
	if len(results) != 1 || results[0].Name != "b" {
		t.Errorf("got %+v", results)
	}
}

func TestDeclareTest(t *testing.T) {
	for args, want := range map[string]string{
		`"x"`:                            "takes a name and a function",
		`7, () => 1`:                     "7 is not a name",
		`" ", () => 1`:                   "is not a name",
		`"x", 1`:                         `the second argument of "x" is not a function`,
		`"x", t => 1); test("x", t => 2`: `"x" is already registered`,
	} {
		l, _ := folder(t, "a.js", "test("+args+")")
		_, err := l.Load(t.Context())
		wantError(t, err, "script-registration-invalid: test: ")
		wantError(t, err, want)
	}
}

// Tests neither see nor change what calls of a run see of a script's variables
// through the test's own functions.
func TestTestsHaveTheirOwnVariables(t *testing.T) {
	l, _ := folder(t, "a.js", `let n = 0; flowFunction("n", () => ++n); test("count", t => { n = 100; t.equal(t.call("n"), 1) })`)
	l.options.Workers = 1
	g := load(t, l)
	if err := TestError(g.Test(t.Context(), TestOptions{})); err != nil {
		t.Error(err)
	}
}

func TestTestsLogTheirName(t *testing.T) {
	var out bytes.Buffer
	l, _ := folder(t, "a.js", `test("T", t => log.info("here"))`)
	l.options.Log = slog.New(slog.NewTextHandler(&out, nil))
	load(t, l).Test(t.Context(), TestOptions{})
	if !strings.Contains(out.String(), "msg=here script=scripts/a.js:1:20 test=T") {
		t.Errorf("got %s", out.String())
	}
}
