package daemon_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

// filtering has a script that filters nobody, or everybody.
const (
	lets  = script + `extension("HR", { filter: cs => false });`
	stops = script + `extension("HR", { filter: cs => true });`

	guarded = configuration + "scripting: {guard: {deletes: 0}}\n"
)

// heldFolder is a folder in which everybody would be disconnected, after a run with
// scripts that disconnect nobody.
func heldFolder(t *testing.T) (o daemon.Options, dir string, log *buffer) {
	t.Helper()
	o, dir, log = folder(t, map[string]string{"scripts/names.js": lets, "metasync.yaml": guarded})
	d := reopen(t, o)
	once(t, d)
	shut(t, d)
	write(t, filepath.Join(dir, "scripts", "names.js"), stops)
	return o, dir, log
}

func shut(t *testing.T, d *daemon.Daemon) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func reopen(t *testing.T, o daemon.Options) *daemon.Daemon {
	t.Helper()
	d, err := daemon.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func held(t *testing.T, d *daemon.Daemon) *daemon.Held {
	t.Helper()
	status, err := d.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status.Held
}

// An approval that was written down counts, although the process ended before the
// change took effect.
func TestApprovalSurvives(t *testing.T) {
	o, _, _ := heldFolder(t)
	d := reopen(t, o)
	h := held(t, d)
	if h == nil || h.Deletes != 2 || h.Scripts == h.Running || h.Generation != h.Scripts {
		t.Fatalf("held: %+v", h)
	}
	if err := d.WriteVerdict(daemon.GenerationVerdict{Generation: h.Generation, Approve: true}, "ada"); err != nil {
		t.Fatal(err)
	}
	shut(t, d)
	for range 2 {
		d = reopen(t, o)
		status, err := d.Status(t.Context())
		if err != nil || status.Held != nil || status.Scripts.Generation != h.Generation {
			t.Fatalf("held %+v, in force %s, %v; want %s in force", status.Held, status.Scripts.Generation, err, h.Generation)
		}
		notes, err := d.Log(t.Context(), daemon.LogQuery{})
		if err != nil || len(notes) != 2 || notes[0].Kind != "approve" || notes[0].User != "ada" || notes[1].Kind != "generation.held" {
			t.Fatalf("log %+v, %v", notes, err)
		}
		shut(t, d)
	}
}

// An approval is one of what was held, and not of what the files have become.
func TestApprovalOfChangedFiles(t *testing.T) {
	o, dir, _ := heldFolder(t)
	d := reopen(t, o)
	defer shut(t, d)
	h := held(t, d)
	write(t, filepath.Join(dir, "scripts", "names.js"), stops+"\n// more")
	_, err := d.DecideGeneration(t.Context(), daemon.GenerationVerdict{Generation: h.Generation, Approve: true}, "ada")
	if fault.Name(err) != "generation-changed" {
		t.Errorf("approved: %v", err)
	}
	now := held(t, d)
	if now == nil || now.Generation == h.Generation || !strings.Contains(fault.As(err, "").Hint, now.Generation) {
		t.Errorf("held now: %+v", now)
	}
	var stopped *daemon.HeldError
	if _, err := d.Once(t.Context(), autosync.Changes, nil); !errors.As(err, &stopped) || stopped.Held.Generation != now.Generation {
		t.Errorf("once: %v", err)
	}
}

// The configuration is kept with all its files, and one that is held does not take
// effect at a restart, whatever the files say; a secret is not kept.
func TestHeldConfiguration(t *testing.T) {
	rule := configuration[strings.Index(configuration, "agents:"):]
	main := strings.Replace(configuration, rule, "include: [rules/*.yaml]\nscripting: {secrets: {token: \"${env:GUARD_TEST_TOKEN}\"}, guard: {deletes: 0}}\n", 1)
	t.Setenv("GUARD_TEST_TOKEN", "a-secret-nobody-keeps")
	o, dir, _ := folder(t, map[string]string{"metasync.yaml": main, "rules/people.yaml": rule})
	d := reopen(t, o)
	once(t, d)
	before := displayName(t, d)
	shut(t, d)
	write(t, filepath.Join(dir, "hr.csv"), "id,name\n1,Ada\n2,Bob\n")
	write(t, filepath.Join(dir, "rules", "people.yaml"), strings.Replace(rule, "    file:",
		"    filter: {employee: [[{attribute: name, operator: not-equal, value: Nobody}]]}\n    file:", 1))
	write(t, filepath.Join(dir, "rules", "more.yaml"), "rules: []\n")
	for range 2 {
		d = reopen(t, o)
		h := held(t, d)
		if h == nil || h.Scripts != h.Running || h.Generation == h.Scripts {
			t.Fatalf("held: %+v", h)
		}
		want := []daemon.ChangedFile{{File: "rules/more.yaml", Change: "added"}, {File: "rules/people.yaml", Change: "changed"}}
		if !slices.Equal(h.Changed, want) {
			t.Errorf("changed %v, want %v", h.Changed, want)
		}
		if h.Rejected == nil {
			if _, err := d.DecideGeneration(t.Context(), daemon.GenerationVerdict{Generation: h.Generation}, "ada"); err != nil {
				t.Fatal(err)
			}
		}
		once(t, d) // by the rules in force, also for whoever is new
		if now := displayName(t, d); now != before {
			t.Errorf("the name is %q, was %q", now, before)
		}
		shut(t, d)
	}
	data, err := os.ReadFile(filepath.Join(dir, ".metasync", "state.db"))
	if err != nil || strings.Contains(string(data), "nobody-keeps") {
		t.Errorf("the store holds a secret (%v)", err)
	}
}

// What was in force cannot be loaded any more: the change is compared with the present,
// and there is nothing to go on with.
func TestNothingToGoOnWith(t *testing.T) {
	const with = configuration + "scripting: {secrets: {token: \"${env:GUARD_TEST_TOKEN}\"}, guard: {deletes: 0}}\n"
	t.Setenv("GUARD_TEST_TOKEN", "x")
	o, dir, _ := folder(t, map[string]string{"metasync.yaml": with, "scripts/names.js": lets})
	d := reopen(t, o)
	once(t, d)
	shut(t, d)
	if err := os.Unsetenv("GUARD_TEST_TOKEN"); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "metasync.yaml"), guarded)
	d = reopen(t, o) // nobody is deleted by it
	shut(t, d)
	t.Setenv("GUARD_TEST_TOKEN", "x")
	write(t, filepath.Join(dir, "metasync.yaml"), with)
	shut(t, reopen(t, o))
	if err := os.Unsetenv("GUARD_TEST_TOKEN"); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "metasync.yaml"), guarded)
	write(t, filepath.Join(dir, "scripts", "names.js"), stops)
	if _, err := daemon.Open(t.Context(), o); fault.Name(err) != daemon.NameHeld {
		t.Fatalf("opened: %v", err)
	}
	write(t, filepath.Join(dir, "metasync.yaml"), configuration+"scripting: {guard: {off: true}}\n")
	shut(t, reopen(t, o))
}

// A gate keeps who logs a text waiting until it is opened.
type gate struct {
	slog.Handler
	text string
	open chan struct{}
}

// Handle implements [slog.Handler].
func (g *gate) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == g.text {
		<-g.open
	}
	return g.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (g *gate) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &gate{g.Handler.WithAttrs(attrs), g.text, g.open}
}

// Runs go on while a change is compared, by what is in force.
func TestRunsGoOnBesideTheComparison(t *testing.T) {
	o, dir, log := folder(t, map[string]string{
		"scripts/names.js": lets, "metasync.yaml": configuration + "scripting: {timeout: 10m, guard: {deletes: 0}}\n",
	})
	const looking = script + `extension("HR", { filter: cs => { log.info("looking"); return true; } });`
	compared := make(chan struct{})
	o.Log = slog.New(&gate{o.Log.Handler(), "looking", compared})
	d := open(t, o)
	once(t, d)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	logged := func(text string) func() bool { return func() bool { return strings.Contains(log.String(), text) } }
	write(t, filepath.Join(dir, "scripts", "names.js"), looking)
	eventually(t, "the comparison", logged("comparing the decisions"))
	record, err := whenFree(t, d, "full-sync")
	if err != nil || record.Result != run.Success || record.Steps[0].Inbound["connector-no-flow"] != 1 {
		t.Errorf("the run beside it: %+v, %v", record, err)
	}
	if h := held(t, d); h != nil {
		t.Errorf("held before the comparison ended: %+v", h)
	}
	close(compared)
	eventually(t, "the end of the comparison", func() bool { return logged("held for approval")() && held(t, d) != nil })
	if h := held(t, d); h.Deletes != 2 {
		t.Errorf("held: %+v", h)
	}
}
