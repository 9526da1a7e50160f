package daemon_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/metasync/metasync/daemon"
)

// start has a daemon run until the test ends.
func start(t *testing.T, d *daemon.Daemon) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// replaced returns a function that says whether other scripts are in force than those.
func replaced(t *testing.T, d *daemon.Daemon, before string) func() bool {
	return func() bool { return generation(t, d) != before }
}

func generation(t *testing.T, d *daemon.Daemon) string {
	t.Helper()
	view, err := d.Scripts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return view.Running.Generation
}

// A script that was changed after it was loaded, and before anybody watched, takes effect.
func TestChangeBeforeTheWatch(t *testing.T) {
	o, dir, _ := folder(t, nil)
	d := open(t, o)
	before := generation(t, d)
	write(t, filepath.Join(dir, "scripts/names.js"), strings.ReplaceAll(script, "!", "?"))
	start(t, d)
	eventually(t, "the changed script", replaced(t, d, before))
}

// When nothing has changed, nothing is loaded again.
func TestNoReloadAtTheStart(t *testing.T) {
	o, dir, log := folder(t, map[string]string{"table.csv": "key,value\n1,one\n", "more/a.yaml": "autosync: {stagger: 0s}\n"})
	write(t, filepath.Join(dir, "metasync.yaml"), configuration+"include: [more/*.yaml]\nlookups: {table: {file: table.csv, key: key}}\n")
	d := open(t, o)
	before := generation(t, d)
	start(t, d)
	write(t, filepath.Join(dir, "scripts/names.js"), strings.ReplaceAll(script, "!", "?"))
	eventually(t, "the changed script", replaced(t, d, before))
	if n := strings.Count(log.String(), "configuration and scripts loaded"); n != 1 {
		t.Errorf("loaded %d times:\n%s", n, log.String())
	}
}

// onLog calls a function when a text is logged.
type onLog struct {
	slog.Handler
	text string
	do   func()
}

func (h *onLog) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, h.text) {
		h.do()
	}
	return h.Handler.Handle(ctx, r)
}

func (h *onLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &onLog{h.Handler.WithAttrs(attrs), h.text, h.do}
}

// A file that a change names for the first time may be changed before it is watched.
func TestChangeOfAFileThatIsNew(t *testing.T) {
	o, dir, _ := folder(t, nil)
	more := filepath.Join(dir, "more.yaml")
	change := sync.OnceFunc(func() {
		if err := os.WriteFile(more, []byte("autosync: {mode: exclusive}\n"), 0o600); err != nil {
			t.Error(err)
		}
	})
	o.Log = slog.New(&onLog{o.Log.Handler(), "configuration and scripts loaded", change})
	d := open(t, o)
	start(t, d)
	write(t, more, "autosync: {mode: supported}\n")
	write(t, filepath.Join(dir, "metasync.yaml"), configuration+"include: [more.yaml]\n")
	eventually(t, "the changed mode", func() bool { return mode(t, d) == "exclusive" })
}

func mode(t *testing.T, d *daemon.Daemon) string {
	t.Helper()
	status, err := d.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(status.Scheduler.Mode)
}

// A change that is refused for a file that it names for the first time is tried again
// when that file has been put right, or is there at last.
func TestRefusedForAFileThatIsNew(t *testing.T) {
	o, dir, log := folder(t, nil)
	d := open(t, o)
	start(t, d)
	write(t, filepath.Join(dir, "metasync.yaml"), configuration+"include: [more.yaml]\n")
	refused := func(text string) func() bool {
		return func() bool { return strings.Contains(log.String(), text) }
	}
	eventually(t, "the refusal of a missing file", refused("cannot read the configuration"))
	write(t, filepath.Join(dir, "more.yaml"), "autosync: {mode: exlusive}\n")
	eventually(t, "the refusal of a broken file", refused("exlusive"))
	write(t, filepath.Join(dir, "more.yaml"), "autosync: {mode: exclusive}\n")
	eventually(t, "the changed mode", func() bool { return mode(t, d) == "exclusive" })
}

// How many runs are kept counts at once.
func TestChangedHistory(t *testing.T) {
	o, dir, _ := folder(t, nil)
	d, _ := work(t, o)
	for range 5 {
		exec(t, d, "success")
	}
	write(t, filepath.Join(dir, "metasync.yaml"), configuration+"history: {count: 2}\n")
	eventually(t, "the removal", func() bool {
		list, err := d.History(t.Context(), 100)
		return err == nil && len(list) == 2
	})
}
