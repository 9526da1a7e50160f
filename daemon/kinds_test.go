package daemon_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

const (
	scripted = `
agents:
  HR:
    type: list
    settings: {names: [Ada, Joan]}
metaverse: {person: {attributes: {id: {type: string, indexed: true}, displayName: string}}}
rules:
  - {name: people, agent: HR, object: person, metaverse: person, join: [{id: id}], inbound: {project: true, flows: {id: id, displayName: name}}}
`
	listType = `agentType("list", {
	settings: {names: {type: "string[]", required: true}},
	capabilities: {anchorIsDN: true},
	schema: {person: {anchor: "id", attributes: {id: "string", name: "string"}}},
	import: ctx => ({objects: ctx.settings.names.map((name, i) => ({attributes: {id: String(i), name}}))}),
});`
)

func scriptedFolder(t *testing.T) (daemon.Options, string) {
	t.Helper()
	o, dir, _ := folder(t, map[string]string{"metasync.yaml": scripted, "scripts/names.js": listType})
	return o, dir
}

// byHand runs a full import, as soon as no other run is in its way.
func byHand(t *testing.T, d *daemon.Daemon) {
	t.Helper()
	if _, err := whenFree(t, d, "full-import"); err != nil {
		t.Fatal(err)
	}
}

// whenFree carries out a run of HR by hand, as soon as no other run is in its way.
func whenFree(t *testing.T, d *daemon.Daemon, profile string) (record *run.Record, err error) {
	t.Helper()
	eventually(t, "a run by hand", func() bool {
		record, err = d.Exec(t.Context(), "HR", profile, "ada", nil)
		return !errors.Is(err, run.ErrBusy)
	})
	return record, err
}

// The agents of scripts are reloaded with them: new scripts bring new agents, and
// broken ones leave the last good ones at work, also over a restart.
func TestScriptedAgents(t *testing.T) {
	o, dir := scriptedFolder(t)
	if s, err := daemon.Check(t.Context(), o); err != nil || s.Agents != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	d, err := daemon.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	once(t, d)
	if name := displayName(t, d); name != "Ada" {
		t.Errorf("the first person is called %s", name)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	byHand(t, d)
	write(t, filepath.Join(dir, "scripts/names.js"), strings.Replace(listType, "id: String(i), name}", "id: String(i), name: name + \"!\"}", 1))
	eventually(t, "the new agent", func() bool {
		byHand(t, d)
		once(t, d)
		return displayName(t, d) == "Ada!"
	})
	write(t, filepath.Join(dir, "scripts/names.js"), "agentType(")
	eventually(t, "the refusal", func() bool {
		view, err := d.Scripts(t.Context())
		return err == nil && view.Rejected != nil
	})
	if r, err := whenFree(t, d, "full-import"); err != nil || r.Steps[0].Staging["stage-no-change"] != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}

	// The errors are those of the scripts, and not that nobody knows the type.
	_, err = daemon.Check(t.Context(), o)
	if fault.Name(err) != "script-syntax-error" || strings.Contains(err.Error(), "agent type") {
		t.Errorf("a broken script: %v", err)
	}
	d = open(t, o)
	if r, err := d.Exec(t.Context(), "HR", "full-import", "ada", nil); err != nil || r.Steps[0].Staging["stage-no-change"] != 2 {
		t.Errorf("after the restart: %+v, %v", r, err)
	}
}

// An agent type that is built in, or that is gone, is an error with its place.
func TestAgentTypesAreChecked(t *testing.T) {
	o, dir := scriptedFolder(t)
	for text, want := range map[string]string{
		"": `metasync.yaml:4:11: invalid-configuration: unknown agent type "list"; want one of csv`,
		strings.Replace(listType, `"list"`, `"lists"`, 1):              `unknown agent type "list"; did you mean "lists"?`,
		listType + strings.Replace(listType, `"list"`, `"csv"`, 1):     `agentType: the type "csv" is built in`,
		listType + "configure(c => { c.agents.HR.settings.name = 1 })": `unknown key "name"; did you mean "names"?`,
	} {
		write(t, filepath.Join(dir, "scripts/names.js"), text)
		if _, err := daemon.Check(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	// What a script changes of the configuration may be the type itself.
	write(t, filepath.Join(dir, "metasync.yaml"), strings.Replace(scripted, "type: list", "type: csv", 1))
	write(t, filepath.Join(dir, "scripts/names.js"), listType+`configure(c => { c.agents.HR.type = "list" })`)
	if _, err := daemon.Check(t.Context(), o); err != nil {
		t.Error(err)
	}
}

// Editors get the types of scripts, and those of objects also while scripts are broken.
func TestSchemaOfScriptedAgents(t *testing.T) {
	o, dir := scriptedFolder(t)
	schema, missing, err := daemon.Schema(t.Context(), o)
	if err != nil || missing != nil || !strings.Contains(string(schema), `"agent-list"`) {
		t.Errorf("%v, %v", missing, err)
	}
	types, err := daemon.Types(t.Context(), o)
	if err != nil || len(types.Warnings) > 0 || !strings.Contains(types.Text, `"HR.person"`) {
		t.Errorf("%+v, %v", types, err)
	}
	write(t, filepath.Join(dir, "scripts/half.js"), "agentType(")
	schema, missing, err = daemon.Schema(t.Context(), o)
	if err != nil || fault.Name(missing) != "script-syntax-error" || strings.Contains(string(schema), `"agent-list"`) {
		t.Errorf("%v, %v", missing, err)
	}
	types, err = daemon.Types(t.Context(), o)
	if err != nil || len(types.Warnings) != 2 || !strings.Contains(types.Warnings[1], "its type is not known as long as the scripts cannot be loaded") {
		t.Errorf("%+v, %v", types, err)
	}
	o.File = filepath.Join(dir, "none.yaml")
	if _, missing, err = daemon.Schema(t.Context(), o); err != nil || missing != nil {
		t.Errorf("without a configuration: %v, %v", missing, err)
	}
}

// A turnstile is a gate that is open until it is shut, and tells who waits before it.
type turnstile struct {
	slog.Handler
	text      string
	shut      *atomic.Bool
	met, open chan struct{}
}

// Handle implements [slog.Handler].
func (s turnstile) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == s.text && s.shut.Load() {
		s.met <- struct{}{}
		<-s.open
	}
	return s.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (s turnstile) WithAttrs(attrs []slog.Attr) slog.Handler {
	s.Handler = s.Handler.WithAttrs(attrs)
	return s
}

// A run keeps the scripts that it began with: a reload waits for it.
func TestRunPinsItsAgent(t *testing.T) {
	paged := strings.Replace(listType, "import: ctx => ({", `import: ctx => ctx.cursor === undefined
		? (log.info("the first page"), { objects: [], next: 1 })
		: ({`, 1)
	o, dir, log := folder(t, map[string]string{"metasync.yaml": scripted + "scripting: {timeout: 10m}\n", "scripts/names.js": paged})
	s := turnstile{o.Log.Handler(), "the first page", new(atomic.Bool), make(chan struct{}, 10), make(chan struct{})}
	o.Log = slog.New(s)
	d, stop := work(t, o)
	defer stop()
	eventually(t, "the daemon runs", func() bool {
		status, err := d.Status(t.Context())
		return err == nil && status.Running
	})
	once(t, d)
	s.shut.Store(true)
	done := make(chan error, 1)
	go func() {
		r, err := d.Exec(t.Context(), "HR", "full-import", "ada", nil)
		if err == nil && (r.Result != "success" || r.Steps[0].Staging["stage-no-change"] != 2) {
			err = errors.New(string(r.Result) + " " + r.Steps[0].Error)
		}
		done <- err
	}()
	<-s.met
	write(t, filepath.Join(dir, "scripts/names.js"), `log.info("the other scripts");`+strings.Replace(paged, "id: String(i), name}", "id: String(i), other: 1}", 1))
	eventually(t, "the other scripts", func() bool { return strings.Contains(log.String(), "the other scripts") })
	s.shut.Store(false)
	close(s.open)
	if err := <-done; err != nil {
		t.Error(err)
	}
	eventually(t, "the reload", func() bool { return strings.Contains(log.String(), "configuration and scripts loaded") })
}
