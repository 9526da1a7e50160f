package scripting

import (
	"strings"
	"testing"
)

// What a script reaches in a test is what the test makes up, and nothing else.
func TestStubs(t *testing.T) {
	script := `
		trigger("ask", {agent: "HR", every: "1s", check(ctx) {
			const found = [
				http.post("https://a.example/x", {n: 1}, {headers: {key: secret("k")}}).json().answer,
				sql.query("db", "select 1", [2, "x"]).map(row => row.n), sql.one("db", "none"), sql.exec("db", "delete").rows,
				ldap.read("dir", "uid=1").attributes.uid, ldap.search("dir", {base: "dc=x"}).length, ldap.changes("dir", {base: "dc=x"}).cookie,
				files.read("in/a"), files.exists("in/b"), files.list("in").map(f => f.name), files.stat("in").folder,
				hash.hmac(secret("k"), "data") === hash.hmac("value", "data"),
			];
			files.write("out", JSON.stringify(found));
		}});
		activity("tell", ctx => { ctx.state.set("told", [ctx.object.$dn, ctx.object.phones, ctx.metaverse?.name, ctx.changes, ctx.id, ctx.try, ctx.workflow, ctx.on, ctx.run]); });
		for (const [name, ask] of Object.entries({http: () => http.get("https://a.example"), sql: () => sql.query("db", "x"),
			ldap: () => ldap.read("dir", "x"), files: () => files.read("x"), write: () => files.write("x", "y"), secret: () => secret("k")})) {
			trigger(name, {agent: "HR", every: "1s", check: ask});
		}
	`
	for _, tt := range []struct{ body, want string }{
		{`
			t.secret("k", "value");
			t.http(q => ({body: {answer: [q.method, q.url, q.json, q.headers.key === "[secret]"]}}));
			t.sql(q => q.statement === "delete" ? 3 : q.statement === "none" ? [] : [{n: [q.function, q.database, q.parameters]}]);
			t.ldap(q => ({read: {dn: q.about, attributes: {uid: [q.directory]}}, search: [1, 2], changes: {changed: true, cookie: q.about.base}})[q.function]);
			t.files({"in/a": "text", "in/c/d": ""});
			t.trigger("ask");
			t.equal(JSON.parse(t.files()["out"]), [["POST", "https://a.example/x", {n: 1}, true], [["query", "db", [2, "x"]]], null, 3,
				["dir"], 2, "dc=x", "text", false, ["a", "c"], true, true]);`, ""},
		{`t.equal(t.activity("tell", {object: {$dn: "CN=1", phones: ["1"]}, metaverse: {name: "Ada"}, changes: {phones: {operation: "add"}}, id: "7", try: 2,
			workflow: "w", on: "stage-add", run: {run: 3}}).told, ["CN=1", ["1"], "Ada", {phones: {operation: "add"}}, "7", 2, "w", "stage-add", {run: 3}]);
		  t.equal(t.activity("tell", {}, {state: {old: 1}}).told[4], "1");`, ""},
		{`t.activity("tel")`, `no script registers the activity "tel"`},
		{`t.trigger("http")`, "the test has no answers: t.http(fn)"},
		{`t.http(() => { throw new Error("down") }); t.trigger("http")`, "http.get: GET https://a.example: Error: down"},
		{`t.trigger("sql")`, "sql.query reaches nothing in a test"},
		{`t.sql(() => 3); t.trigger("sql")`, "sql.query: the test answers with no array of rows"},
		{`t.trigger("ldap")`, "ldap.read reaches nothing in a test"},
		{`t.ldap(() => { throw new Error("down") }); t.trigger("ldap")`, `ldap.read: "dir": Error: down`},
		{`t.trigger("files")`, "files.read reaches nothing in a test"},
		{`t.trigger("write")`, "files.write reaches nothing in a test"},
		{`t.files({y: ""}); t.trigger("files")`, `files.read: "x": file does not exist`},
		{`t.trigger("secret")`, `there is no secret "k"`},
		{`t.http(7)`, "http takes a function that answers"},
	} {
		l, _ := folder(t, "a.js", script+"test('T', t => {"+tt.body+"});")
		result := load(t, l).Test(t.Context(), TestOptions{})[0]
		text := ""
		if result.Err != nil {
			text = result.Err.Text + " " + result.Err.Hint
		}
		if tt.want == "" && text != "" || !strings.Contains(text, tt.want) {
			t.Errorf("%s: %s, want %q", tt.body, text, tt.want)
		}
	}
}
