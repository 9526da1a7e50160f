package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/examples/rest-agent/badges"
)

// A restFolder is the example of an agent in JavaScript, with its badge system.
type restFolder struct {
	t      *testing.T
	dir    string
	system *badges.System
}

func newRestFolder(t *testing.T) *restFolder {
	t.Helper()
	f := &restFolder{t: t, dir: t.TempDir(), system: badges.New("open-sesame")}
	server := httptest.NewServer(f.system)
	t.Cleanup(server.Close)
	if err := os.CopyFS(f.dir, os.DirFS(filepath.FromSlash("../../examples/rest-agent"))); err != nil {
		t.Fatal(err)
	}
	const address = "127.0.0.1:8470"
	if n := f.edit("metasync.yaml", address, strings.TrimPrefix(server.URL, "http://")); n != 2 {
		t.Fatalf("%s stands %d times in the configuration", address, n)
	}
	return f
}

// edit replaces a text in a file and returns how often it was there.
func (f *restFolder) edit(name, from, to string) int {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, bytes.ReplaceAll(text, []byte(from), []byte(to)), 0o600)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return bytes.Count(text, []byte(from))
}

func (f *restFolder) read(name string) string {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		f.t.Fatal(err)
	}
	return string(text)
}

// command runs a command, which must end with an exit code, and reads its answer.
func (f *restFolder) command(code exitCode, answer any, args ...string) {
	f.t.Helper()
	var stdout, stderr bytes.Buffer
	args = append(args, "--json", "-c", filepath.Join(f.dir, "metasync.yaml"))
	if got := execute(f.t.Context(), args, &stdout, &stderr); got != code {
		f.t.Fatalf("%q: exit code %d, want %d\n%s%s", args, got, code, stdout.String(), stderr.String())
	}
	if strings.Contains(stdout.String()+stderr.String(), "open-sesame") {
		f.t.Errorf("%q shows the token:\n%s%s", args, stdout.String(), stderr.String())
	}
	if err := json.Unmarshal(stdout.Bytes(), answer); err != nil {
		f.t.Fatalf("%q: %v\n%s%s", args, err, stdout.String(), stderr.String())
	}
}

func (f *restFolder) once(code exitCode) onceResult {
	f.t.Helper()
	var result onceResult
	f.command(code, &result, "once")
	return result
}

// exec runs a profile of the agent of the example and returns its only step.
func (f *restFolder) exec(code exitCode, profile string) *run.Report {
	f.t.Helper()
	var record run.Record
	f.command(code, &record, "exec", "Badges", profile)
	return record.Steps[0]
}

func (f *restFolder) logins() string {
	var list []string
	for _, b := range f.system.Badges() {
		list = append(list, b.Login)
	}
	return strings.Join(list, " ")
}

// The example does what its README says, over HTTP.
func TestRestAgent(t *testing.T) {
	t.Parallel()
	f := newRestFolder(t)
	var valid validateResult
	if f.command(exitDone, &valid, "validate"); !valid.OK || len(valid.Warnings) > 0 {
		t.Errorf("validate: %+v", valid)
	}
	if f.once(exitDone); f.logins() != "alovelace ghopper zgrosse lobrien mjackson" || f.system.Badges()[1].Sponsor != "alovelace" {
		t.Errorf("after the first synchronization: %+v", f.system.Badges())
	}
	if result := f.once(exitDone); result.Changes != 0 || len(result.Left) > 0 {
		t.Errorf("the second synchronization made %d changes", result.Changes)
	}

	// Somebody changes a badge in the badge system: the feed tells, and only of it.
	f.system.Change("ghopper", func(b *badges.Badge) { b.ValidUntil = "2027-01-31T00:00:00Z" })
	before := f.system.Requests()
	step := f.exec(exitDone, "delta-import")
	if step.Staging["stage-update"] != 1 || step.Staging["stage-no-change"] != 0 || f.system.Requests() != before+1 {
		t.Errorf("the delta import counts %v, in %d requests", step.Staging, f.system.Requests()-before)
	}
	if f.once(exitDone); !strings.Contains(f.read("out/directory.csv"), "ghopper,Grace Hopper,B00002,2027-01-31 00:00:00.000\n") {
		t.Errorf("the directory holds\n%s", f.read("out/directory.csv"))
	}

	// One badge is refused, for a reason; the others get through.
	f.edit("data/hr.csv", "1003,Zoë,Größe,1002,active\n", "1003,"+strings.Repeat("Zoë", 20)+",Größe,1002,active\n1006,Joan,Clarke,1001,active\n")
	refused := f.once(exitErrors)
	var reasons []run.ErrorRecord
	for _, record := range refused.Runs {
		for _, step := range record.Steps {
			reasons = append(reasons, step.ExportErrors...)
		}
	}
	if len(reasons) == 0 || reasons[0].Type != "invalid-attribute-value" || reasons[0].Attribute != "name" ||
		reasons[0].Anchor != "B00003" || !strings.Contains(reasons[0].Detail, "cannot be printed") || !strings.HasSuffix(f.logins(), " jclarke") {
		t.Errorf("refused: %+v; there are %s", reasons, f.logins())
	}
	f.edit("data/hr.csv", strings.Repeat("Zoë", 20), "Zoë")
	for range 2 { // the change that was refused may be sent again before the row is read, and what it left after that
		execute(t.Context(), []string{"once", "-c", filepath.Join(f.dir, "metasync.yaml")}, io.Discard, io.Discard)
	}
	var mended onceResult
	if f.command(exitDone, &mended, "once"); mended.Changes != 0 || f.system.Badges()[2].Name != "Zoë Größe" {
		t.Errorf("%d changes after the row was mended: %+v", mended.Changes, f.system.Badges())
	}
}

// A system that fails in the middle of an import loses nobody.
func TestRestAgentInterrupted(t *testing.T) {
	t.Parallel()
	f := newRestFolder(t)
	f.once(exitDone)
	f.edit("metasync.yaml", "    import: 5m ", "    profiles: {full-import: [{type: full-import, page: 2}]}\n    import: 5m ")
	pages := 0
	f.system.Fail(func(r *http.Request) bool {
		if r.URL.Path == "/badges" {
			pages++
		}
		return pages > 2
	})
	step := f.exec(exitFailed, "full-import")
	if step.Result != "stopped-server-down" || step.Staging["stage-no-change"] != 4 || step.Staging["stage-delete"] != 0 ||
		!strings.Contains(step.Error, "status 503") {
		t.Errorf("%s with %v: %s", step.Result, step.Staging, step.Error)
	}
	var people []any
	if f.command(exitDone, &people, "get", "mv", "person"); len(people) != 5 {
		t.Errorf("there are %d people", len(people))
	}
	f.system.Fail(nil)
	if step := f.exec(exitDone, "full-import"); step.Staging["stage-no-change"] != 5 || step.Staging["stage-delete"] != 0 {
		t.Errorf("%s with %v", step.Result, step.Staging)
	}

	// Nobody exists without the personnel list.
	f.edit("data/hr.csv", "1005,Mary,Jackson,1001,left\n", "")
	if f.once(exitDone); f.logins() != "alovelace ghopper zgrosse lobrien" {
		t.Errorf("there are %s", f.logins())
	}
	if lines := strings.Count(f.read("out/directory.csv"), "\n"); lines != 5 {
		t.Errorf("the directory has %d lines", lines)
	}
}
