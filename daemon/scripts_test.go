package daemon_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/fault"
)

const tested = script + `
flow("HR.employee", "secret", () => { log.warn("it is hunter2"); return ["hunter2", "b"]; });
metaverse("person", { provision(p, ctx) { ctx.create("HR", "employee", { name: "hunter2" }); } });
test("shown", t => t.equal(t.call("shown", "x"), "x!"));
`

// Scripts whose tests fail are refused, and the last good ones go on.
func TestFailingTestsAreRefused(t *testing.T) {
	o, dir, _ := folder(t, map[string]string{"scripts/names.js": tested})
	d, err := daemon.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	view, err := d.Scripts(t.Context())
	if err != nil || view.Running.Tests != 1 || view.Rejected != nil || len(view.Running.Registrations) != 4 {
		t.Errorf("%+v, %v", view, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "scripts/names.js"), strings.Replace(tested, `"x!"`, `"y!"`, 1))
	if d, err = daemon.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	view, err = d.Scripts(t.Context())
	if err != nil || view.Rejected == nil || view.Rejected.Generation == "" || view.Rejected.Generation == view.Running.Generation {
		t.Errorf("%+v, %v", view, err)
	} else if got := view.Rejected.Errors[0]; got.Name != "script-test-failed" || got.Line != 4 {
		t.Errorf("refused because of %+v", got)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// Scripts that were good are not good any more if their tests fail now: there is
// nothing to go on with.
func TestLastGoodScriptsAreTested(t *testing.T) {
	dialect := func(name string) string {
		return "dialect: " + name + "\n" + strings.Replace(configuration, "    agent: HR\n", "    agent: HR\n    dialect: fim\n", 1)
	}
	o, dir, _ := folder(t, map[string]string{
		"metasync.yaml":    dialect("fim"),
		"scripts/names.js": script + `test("dialect", t => t.equal(t.expression("left('x', 1)".replaceAll("'", '"')), "x"))`,
	})
	d, err := daemon.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "metasync.yaml"), dialect("entra"))
	if d, err = daemon.Open(t.Context(), o); fault.Name(err) != "script-test-failed" {
		t.Errorf("got %v", err)
		if err == nil {
			d.Close()
		}
	}
}

// What a function returns and logs is shown without the secrets of the
// configuration.
func TestTryHidesSecrets(t *testing.T) {
	t.Setenv("PASSWORD", "hunter2")
	o, _, _ := folder(t, map[string]string{
		"scripts/names.js": tested,
		"hunter2.csv":      "id,name\n1,Ada\n",
		"metasync.yaml":    strings.ReplaceAll(configuration, "file: hr.csv", `file: "${env:PASSWORD}.csv"`),
	})
	d, err := daemon.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := d.Exec(t.Context(), "HR", "full-import", "ada", nil); err != nil {
		t.Fatal(err)
	}
	tried, err := d.Try(t.Context(), daemon.TryQuery{Kind: "flow", Name: []string{"HR.employee", "secret"}, Object: "HR/1"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(tried)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "hunter2") || len(tried.Log) != 1 || len(tried.Returned.([]any)) != 2 {
		t.Errorf("got %s", text)
	}
}

func TestTestQueries(t *testing.T) {
	o, dir, _ := folder(t, map[string]string{"scripts/names.js": tested, "scripts/none.js": ""})
	for name, count := range map[string]int{"names.js": 1, "none.js": 0} {
		results, err := daemon.Test(t.Context(), o, daemon.TestQuery{Files: []string{filepath.Join(dir, "scripts", name)}})
		if err != nil || len(results) != count {
			t.Errorf("%s: %d tests, %v", name, len(results), err)
		}
	}
	if _, err := daemon.Test(t.Context(), o, daemon.TestQuery{Files: []string{filepath.Join(dir, "hr.csv")}}); fault.Name(err) != "unknown-script" {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".metasync")); !os.IsNotExist(err) {
		t.Errorf("a state was made: %v", err)
	}
}
