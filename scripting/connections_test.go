package scripting

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/scripting/modules"
)

// declaring returns a loader whose scripts may ask a database in a file, badges, which
// they may change, and the same as archive, which they may only read.
func declaring(t *testing.T) *Loader {
	t.Helper()
	l, base := folder(t)
	if err := os.WriteFile(filepath.Join(base, "badges.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l.options.Env.Databases = []modules.DatabaseSpec{
		{Name: "badges", Driver: "sqlite", DSN: "badges.db", Write: true},
		{Name: "archive", Driver: "sqlite", DSN: "badges.db"},
	}
	return l
}

const prepared = `
	sql.exec("badges", "create table if not exists t (id integer primary key, name text, at datetime, photo blob, salary text)");
	sql.exec("badges", "delete from t");
	sql.exec("badges", "insert into t values (?, ?, ?, ?, ?)", [9007199254740993n, "Zoë", new Date("2026-11-22T08:30:00.500Z"), new Uint8Array([0, 255]), null]);
	sql.exec("badges", "insert into t values (?, ?, null, null, ?)", [1, "Ada' or 1=1 --", "12.50"]);`

func TestSQL(t *testing.T) {
	for _, test := range []struct{ body, want, wantErr, hint string }{
		{body: `return String(sql.query("badges", "select id from t order by id").map(r => typeof r.id + r.id).join())`, want: "number1,bigint9007199254740993"},
		{body: `const r = sql.one("archive", "select * from t where name = ?", ["Zoë"]); return [r.at.toISOString(), r.photo instanceof Uint8Array, r.photo.join("-"), r.salary, Object.keys(r)].join()`, want: "2026-11-22T08:30:00.500Z,true,0-255,,id,name,at,photo,salary"},
		{body: `return sql.one("badges", "select name from t where at = ?", [new Date("2026-11-22T08:30:00.500Z")]).name`, want: "Zoë"},
		{body: `return String(sql.query("badges", "select 1 as a from t where name = ?", ["x' or 1=1 --"]).length)`, want: "0"},
		{body: `return String(sql.one("badges", "select 1 as a where 1 = 2"))`, want: "undefined"},
		{body: `return String(sql.exec("badges", "update t set salary = ?", [1.5]).rows)`, want: "2"},
		{body: `return [sql.one("badges", "select null as n, 0.5 as f, ? as b, ? as i", [true, 7])].map(r => [r.n === null, r.f, r.b, r.i].join())[0]`, want: "true,0.5,1,7"},
		{body: `const r = sql.query("badges", "select 1 as a"); try { "use strict"; r[0].a = 2; r.push(1) } catch { } return JSON.stringify(r) + Object.isFrozen(r) + Object.isFrozen(r[0])`, want: `[{"a":1}]truetrue`},
		{body: `const r = sql.one("badges", "select 'x' as __proto__, 'y' as constructor"); return r.__proto__ + r.constructor + Object.keys(r)`, want: "xy__proto__,constructor"},
		{body: `sql.one("badges", "select * from t")`, wantErr: "sql.one found 2 rows, where there may be one"},
		{body: `sql.exec("archive", "delete from t")`, wantErr: `sql.exec: the database "archive" may only be read`, hint: "add write: true to scripting.sql.archive"},
		{body: `sql.query("badges", "delete from t")`, wantErr: "readonly database"},
		{body: `sql.query("badgse", "select 1")`, wantErr: `there is no database "badgse"`, hint: `did you mean "badges"?; scripts may ask what scripting.sql of the configuration declares`},
		{body: `sql.query("badges", "selec 1")`, wantErr: `sql.query: "badges": SQL logic error: near "selec": syntax error`},
		{body: `sql.query("badges", "select ? as a", [undefined])`, wantErr: "parameter 1 is undefined; NULL is null"},
		{body: `sql.query("badges", "select ? as a, ? as b", [1, {}])`, wantErr: "parameter 2 is {}, which is no value of a database"},
		{body: `sql.query("badges", "select ? as a", [NaN])`, wantErr: "parameter 1 is NaN"},
		{body: `sql.query("badges", "select ? as a", [new Date(NaN)])`, wantErr: "no value of a database"},
		{body: `sql.query("badges", "select ? as a", [[1]])`, wantErr: "no value of a database"},
		{body: `sql.query("badges", "select ? as a", "x")`, wantErr: "parameters, which is an array, not x"},
		{body: `sql.query("badges", "select ? as a", [secret("key")])`, wantErr: "no value of a database"},
		{body: "sql.query('badges', 'select ? as a', [`${secret('key')}`])", wantErr: "holds a secret in a text"},
		{body: "sql.query('badges', `select '${secret('key')}' as a`)", wantErr: "no statement with a secret"},
		{body: `sql.query("badges", "select 1 as a, 2 as a")`, wantErr: `two columns are called "a"`},
		{body: `sql.query("badges", "select 1 as a union select 2", [], {maxRows: 1})`, wantErr: "more than 1 rows; the option maxRows allows more"},
		{body: `return String(sql.query("badges", "select 1 as a union select 2", [], {maxRows: 2}).length)`, want: "2"},
		{body: `sql.query("badges", "with recursive n(i) as (select 1 union all select i + 1 from n limit 20000) select i from n")`, wantErr: "more than 10000 rows"},
		{body: `sql.query("badges", "select zeroblob(9000000) as a union all select zeroblob(9000000)")`, wantErr: "longer than 16 MiB"},
		{body: `sql.query("badges", "select 1 as a", [], {maxrows: 1})`, wantErr: `there is no option "maxrows"`, hint: "did you mean maxRows?"},
		{body: `sql.query("badges", "select 1 as a", [], {maxRows: 0})`, wantErr: "whole number from 1 to 100000"},
		{body: `sql.query("badges", "select 1 as a", [], {timeout: "soon"})`, wantErr: `not "soon"`},
		{body: `sql.query("badges", "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) as n from n", [], {timeout: "50ms"})`, wantErr: "no answer in time"},
		{body: `sql.query("badges", "attach 'other.db' as other")`, wantErr: "not authorized"},
		{body: `sql.query()`, wantErr: "needs the name of a database"},
		{body: `sql.query("badges", "select 1", [], {}, 1)`, wantErr: "at most 4 arguments"},
	} {
		l := declaring(t)
		l.options.Env.Secrets = map[string]string{"key": "s3same"}
		got, err := checking(t, l, prepared+test.body)
		if test.wantErr != "" {
			wantError(t, err, test.wantErr)
			if hint := fault.As(err, "").Hint; !strings.Contains(hint, test.hint) {
				t.Errorf("%s: hint %q, want %q", test.body, hint, test.hint)
			}
			continue
		}
		if err != nil || got != test.want {
			t.Errorf("%s: %q, want %q (%v)", test.body, got, test.want, err)
		}
	}
}

// The deadline of the call of the script ends what the database does.
func TestSQLEndsWithItsCall(t *testing.T) {
	l := declaring(t)
	write(t, filepath.Join(l.options.Folder, "a.js"), `trigger("T", {agent: "HR", every: "1s", timeout: "200ms", check() {
		sql.query("badges", "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) as n from n");
	}})`)
	began := time.Now()
	_, err := load(t, l).Triggers()[0].Check(t.Context(), autosync.Occasion{State: memory{}})
	if fault.Name(err) != "extension-dll-timeout" || time.Since(began) > time.Minute {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

// What is declared wrongly is found when the scripts are loaded, with its place and
// without what is secret.
func TestConnectionsThatAreWrong(t *testing.T) {
	l, base := folder(t)
	write(t, filepath.Join(base, "empty.pem"), "nothing")
	at := func(line int) fault.Position { return fault.Position{File: "metasync.yaml", Line: line, Column: 3} }
	l.options.Env.Databases = []modules.DatabaseSpec{{Name: "payroll", Driver: "postgres", DSN: "postgres://sync:hunter22@[db", Position: at(1)}}
	l.options.Env.Directories = []modules.DirectorySpec{
		{Name: "corp", URL: "ldaps://x", CA: filepath.Join(base, "none.pem"), Position: at(2)},
		{Name: "old", URL: "ldaps://x", CA: filepath.Join(base, "empty.pem"), Position: at(3)},
	}
	_, err := l.Load(t.Context())
	for _, want := range []string{
		`metasync.yaml:1:3: script-connection-invalid: database "payroll": the dsn cannot be read as one of postgres`,
		`metasync.yaml:2:3: script-connection-invalid: directory "corp": open `,
		`metasync.yaml:3:3: script-connection-invalid: directory "old": `,
	} {
		wantError(t, err, want)
	}
	if len(fault.All(err)) != 3 || strings.Contains(err.Error(), "hunter22") {
		t.Errorf("%v", err)
	}
}

// Whoever still has the generation when it is closed gets an error, not the old pool.
func TestConnectionsEndWithTheirGeneration(t *testing.T) {
	l := declaring(t)
	write(t, filepath.Join(l.options.Folder, "a.js"), `trigger("T", {agent: "HR", every: "1s", check() { return sql.one("badges", "select 'export' as run").run }})`)
	g := load(t, l)
	check := g.Triggers()[0].Check
	if got, err := check(t.Context(), autosync.Occasion{State: memory{}}); err != nil || got[0].Profile != "export" {
		t.Fatalf("%v (%v)", got, err)
	}
	g.Close()
	_, err := check(t.Context(), autosync.Occasion{State: memory{}})
	wantError(t, err, "no longer in use")
}

func TestLDAPRefuses(t *testing.T) {
	for _, test := range []struct{ body, wantErr, hint string }{
		{`ldap.search("crop", {base: ""})`, `there is no directory "crop"`, `did you mean "corp"?; scripts may ask what scripting.ldap of the configuration declares`},
		{`ldap.search("corp", {})`, "ldap.search needs the option base", ""},
		{`ldap.search("corp")`, "ldap.search needs the option base", ""},
		{`ldap.search("corp", {base: "", scope: "tree"})`, "one of sub, one, base", ""},
		{`ldap.search("corp", {base: "", fliter: "x"})`, `there is no option "fliter"`, "did you mean filter?"},
		{`ldap.search("corp", {base: "", attributes: "mail"})`, "attributes, which is an array", ""},
		{`ldap.search("corp", {base: "", attributes: [1, {}]})`, "attributes[1] must be a text", ""},
		{`ldap.search("corp", {base: "", sizeLimit: 1e6})`, "from 1 to 100000", ""},
		{"ldap.search('corp', {base: `${secret('key')}`})", "holds a secret", ""},
		{`ldap.read("corp")`, "ldap.read needs a name", ""},
		{`ldap.read("corp", "", {timeout: 5})`, "duration such as", ""},
		{`ldap.changes("corp", {base: "", cookie: "x"})`, "cookie, which is one that ldap.changes gave", ""},
		{`ldap.changes("corp", {base: "", attributes: []})`, `there is no option "attributes"`, ""},
		{`ldap.search("corp", {base: ""})`, `ldap.search: "corp": dial tcp 127.0.0.1:1: connect: connection refused`, ""},
	} {
		l, _ := folder(t)
		l.options.Env.Secrets = map[string]string{"key": "s3same"}
		l.options.Env.Directories = []modules.DirectorySpec{{Name: "corp", URL: "ldap://127.0.0.1:1"}}
		_, err := checking(t, l, test.body)
		wantError(t, err, test.wantErr)
		if hint := fault.As(err, "").Hint; !strings.Contains(hint, test.hint) {
			t.Errorf("%s: hint %q, want %q", test.body, hint, test.hint)
		}
	}
}

// A rule may write filters, for it depends on nothing else.
func TestEscapeFilter(t *testing.T) {
	g := script(t, `flowFunction("f", () => ldap.escapeFilter("a*(b)\\") + ldap.escapeFilter(new Uint8Array([0, 255, 65])))`)
	got, err := call(t, g, "f")
	if single, _ := got.Single(); err != nil || single.Str() != `a\2a\28b\29\5c\00\ffA` {
		t.Errorf("%q (%v)", single.Str(), err)
	}
}

// Tests of scripts reach no database and no directory, whatever is declared.
func TestTestsReachNoConnection(t *testing.T) {
	for _, use := range []string{`sql.query("badges", "select 1 as a")`, `sql.exec("badges", "delete from t")`, `ldap.read("corp", "")`, `ldap.changes("corp", {base: ""})`} {
		l := declaring(t)
		write(t, filepath.Join(l.options.Folder, "a.js"), `trigger("T", {agent: "HR", every: "1s", check() { `+use+` }}); test("reaches", t => t.trigger("T"));`)
		results := load(t, l).Test(t.Context(), TestOptions{})
		if err := TestError(results); err == nil || !strings.Contains(err.Error(), "script-not-allowed") {
			t.Errorf("%s: %v", use, err)
		}
	}
}
