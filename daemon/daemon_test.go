package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/metasync/metasync/agents/csv"
	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/run"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2/v2.runClock"))
}

const configuration = `
metaverse:
  person:
    attributes: {employeeID: string, displayName: string}
agents:
  HR:
    type: csv
    file: hr.csv
    import: off
    objects: {employee: {anchor: [id]}}
rules:
  - name: people
    agent: HR
    object: employee
    metaverse: person
    join: [{id: employeeID}]
    inbound: {project: true, flows: {employeeID: id, displayName: "=shown(name)"}}
`

const script = `flowFunction("shown", (name) => name + "!");`

// folder makes a configuration folder and returns options to open it. What is
// logged ends up in log.
func folder(t *testing.T, files map[string]string) (o daemon.Options, dir string, log *buffer) {
	t.Helper()
	dir, log = t.TempDir(), &buffer{}
	for name, text := range map[string]string{"metasync.yaml": configuration, "scripts/names.js": script, "hr.csv": "id,name\n1,Ada\n"} {
		if _, given := files[name]; !given {
			write(t, filepath.Join(dir, name), text)
		}
	}
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return daemon.Options{
		File: filepath.Join(dir, "metasync.yaml"), Kinds: []agent.Kind{csv.Kind},
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}, dir, log
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	// As a whole, for the daemon may be watching.
	aside := filepath.Join(filepath.Dir(path), ".written")
	if err := os.WriteFile(aside, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(aside, path); err != nil {
		t.Fatal(err)
	}
}

type buffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func open(t *testing.T, o daemon.Options) *daemon.Daemon {
	t.Helper()
	d, err := daemon.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// displayName returns what person 1 is called.
func displayName(t *testing.T, d *daemon.Daemon) string {
	t.Helper()
	var views []engine.ObjectView
	err := d.Objects(t.Context(), engine.ObjectQuery{Type: "person"}, func(v engine.ObjectView) error {
		views = append(views, v)
		return nil
	})
	if err != nil || len(views) == 0 {
		t.Fatalf("%d people, %v", len(views), err)
	}
	return views[0].Attributes["displayName"].Values[0].(string)
}

func once(t *testing.T, d *daemon.Daemon) {
	t.Helper()
	if s, err := d.Once(t.Context(), autosync.Changes, nil); err != nil || s.Failed || s.Errors {
		t.Fatalf("once: %+v, %v", s, err)
	}
}

// A restart over a broken scripts folder goes on with the scripts that were in
// force, and says so.
func TestBrokenScriptsAtStart(t *testing.T) {
	o, dir, _ := folder(t, nil)
	d, err := daemon.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "scripts/names.js"), "flowFunction('shown', (name) => {\n  return name + ;\n});")
	d = open(t, o)
	status, err := d.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status.Rejected == nil || len(status.Rejected.Errors) != 1 {
		t.Fatalf("rejected: %+v", status.Rejected)
	}
	if p := status.Rejected.Errors[0]; p.File != "scripts/names.js" || p.Line != 2 {
		t.Errorf("the problem is at %s:%d", p.File, p.Line)
	}
	once(t, d)
	if got := displayName(t, d); got != "Ada!" {
		t.Errorf("displayName %q", got)
	}
}

// Without scripts that were good before, there is nothing to go on with.
func TestBrokenScriptsAtFirstStart(t *testing.T) {
	o, _, _ := folder(t, map[string]string{"scripts/names.js": "flowFunction("})
	if _, err := daemon.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "scripts/names.js:1:") {
		t.Errorf("open: %v", err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(o.File), ".metasync")); err == nil {
		t.Error("a state folder was made")
	}
}

// eventually waits until what is true.
func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !check(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// Changes of scripts and configuration take effect between runs if they are
// right, and not at all otherwise.
func TestReload(t *testing.T) {
	o, dir, _ := folder(t, nil)
	d := open(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	status := func() daemon.Status {
		s, err := d.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	person := func(want string) func() bool {
		return func() bool {
			var views []engine.ObjectView
			err := d.Objects(t.Context(), engine.ObjectQuery{Type: "person"}, func(v engine.ObjectView) error {
				views = append(views, v)
				return nil
			})
			return err == nil && len(views) == 1 && views[0].Attributes["displayName"].Values[0] == want
		}
	}
	eventually(t, "a run by hand", func() bool { // the daemon's own import may be going on
		_, err := d.Exec(t.Context(), "HR", "full-import", "tester", nil)
		if err != nil && !errors.Is(err, run.ErrBusy) {
			t.Fatal(err)
		}
		return err == nil
	})
	eventually(t, "the first synchronization", person("Ada!"))

	write(t, filepath.Join(dir, "scripts/names.js"), strings.ReplaceAll(script, "!", "?"))
	eventually(t, "the changed script", person("Ada?"))

	write(t, filepath.Join(dir, "scripts/names.js"), "broken(")
	eventually(t, "the refusal of a script", func() bool { return status().Rejected != nil })
	write(t, filepath.Join(dir, "scripts/names.js"), strings.ReplaceAll(script, "!", "."))
	eventually(t, "the mended script", person("Ada."))
	if r := status().Rejected; r != nil {
		t.Errorf("still refused: %+v", r)
	}

	write(t, o.File, strings.ReplaceAll(configuration, "shown(name)", "shwn(name)"))
	eventually(t, "the refusal of a configuration", func() bool { return status().Rejected != nil })
	if p := status().Rejected.Errors[0]; p.Line == 0 || !strings.Contains(p.Text, "shwn") {
		t.Errorf("the problem: %+v", p)
	}
	write(t, o.File, strings.ReplaceAll(configuration, "shown(name)", `shown(name) + \"\"`))
	eventually(t, "the mended configuration", func() bool { return status().Rejected == nil })
	if !person("Ada.")() {
		t.Error("the person has changed")
	}
}

// What is asked for when the daemon is about to run waits for that.
func TestExecWaitsForTheRunThatIsExpected(t *testing.T) {
	o, _, _ := folder(t, nil)
	d := open(t, o)
	d.Expect()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if record, err := d.Exec(ended, "HR", "full-import", "tester", nil); record != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits for it: %+v, %v", record, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done, asked := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := d.Exec(t.Context(), "HR", "full-import", "tester", nil)
		asked <- err
	}()
	go func() { done <- d.Run(ctx) }()
	if err := <-asked; err != nil {
		t.Error(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A secret that an error would tell is in no log, record or status.
func TestSecretsAreKept(t *testing.T) {
	t.Setenv("FOLDER", "hunter2")
	o, dir, log := folder(t, map[string]string{
		"metasync.yaml":  strings.ReplaceAll(configuration, "file: hr.csv", `file: "${env:FOLDER}/hr.csv"`),
		"hunter2/hr.csv": "id,name\n1,Ada\n",
	})
	d := open(t, o)
	once(t, d)
	if err := os.RemoveAll(filepath.Join(dir, "hunter2")); err != nil {
		t.Fatal(err)
	}
	record, err := d.Exec(t.Context(), "HR", "full-import", "tester", nil)
	if err != nil {
		t.Fatal(err)
	}
	if record.Result != "no-start-file-not-found" || record.Steps[0].Error == "" {
		t.Errorf("result %s, error %q", record.Result, record.Steps[0].Error)
	}
	status, err := d.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for what, shown := range map[string]any{"record": record, "status": status} {
		text, err := json.Marshal(shown)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("hunter2")) {
			t.Errorf("the %s tells the secret: %s", what, text)
		}
	}
	if text := log.String(); strings.Contains(text, "hunter2") || !strings.Contains(text, "no-start-file-not-found") {
		t.Errorf("log: %s", text)
	}
}
