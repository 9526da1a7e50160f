package daemon_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
)

// people is hr.csv with some people.
func people(round int) string {
	var b strings.Builder
	b.WriteString("id,name\n")
	for i := range 1500 {
		fmt.Fprintf(&b, "%d,P%d of round %d\n", i, i, round)
	}
	return b.String()
}

// A backup that is made while everything changes is sound, and once it is restored
// the next cycle brings it up to date.
func TestBackupUnderLoad(t *testing.T) {
	o, dir, _ := folder(t, map[string]string{"hr.csv": people(0)})
	d := open(t, o)
	once(t, d)
	ctx, cancel := context.WithCancel(t.Context())
	working := make(chan error, 1)
	go func() {
		for round := 1; ctx.Err() == nil; round++ {
			if err := os.WriteFile(filepath.Join(dir, "hr.csv"), []byte(people(round)), 0o600); err != nil {
				working <- err
				return
			}
			if _, err := d.Once(ctx, autosync.Changes, nil); err != nil && ctx.Err() == nil {
				working <- err
				return
			}
		}
		working <- nil
	}()
	var backups []*bytes.Buffer
	for range 5 {
		b := &bytes.Buffer{}
		if err := d.Backup(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		backups = append(backups, b)
	}
	cancel()
	if err := <-working; err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(d.StateFolder(), ".backup-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	for i, b := range backups {
		state := fmt.Sprintf("restored%d", i)
		if err := daemon.Restore(filepath.Join(dir, state), b, false); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "metasync.yaml"), "state: "+state+"\n"+configuration)
		again := open(t, o)
		if findings, err := again.Verify(t.Context()); err != nil || len(findings) > 0 {
			t.Fatalf("backup %d: %q, %v", i, findings, err)
		}
		once(t, again)
		summary, err := again.Once(t.Context(), autosync.Changes, nil)
		if err != nil || len(summary.Left) > 0 {
			t.Fatalf("backup %d: %+v, %v", i, summary, err)
		}
		for _, c := range summary.Runs {
			if r, err := again.Record(t.Context(), c.Run); err != nil || r.Result != run.CompletedNoObjects {
				t.Errorf("backup %d: %+v, %v", i, r, err)
			}
		}
	}
}

// What is no whole backup is refused, and the state stays as it was.
func TestRestoreRefuses(t *testing.T) {
	o, dir, _ := folder(t, nil)
	d := open(t, o)
	once(t, d)
	var whole bytes.Buffer
	if err := d.Backup(t.Context(), &whole); err != nil {
		t.Fatal(err)
	}
	backup := whole.Bytes()
	if err := daemon.Restore(d.StateFolder(), bytes.NewReader(backup), true); !errors.Is(err, store.ErrLocked) {
		t.Errorf("over a state in use: %v", err)
	}
	target := filepath.Join(dir, "target")
	if err := daemon.Restore(target, bytes.NewReader(backup), false); err != nil {
		t.Fatal(err)
	}
	if err := daemon.Restore(target, bytes.NewReader(backup), false); fault.Name(err) != "state-exists" {
		t.Errorf("over a state: %v", err)
	}
	before, err := os.ReadFile(filepath.Join(target, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(backup)
	flipped[len(flipped)/2] ^= 1
	for name, broken := range map[string][]byte{
		"nothing": nil, "text": []byte(strings.Repeat("id,name\n", 200)), "half": backup[:len(backup)/2], "a damaged byte": flipped,
		"no manifest": backup[:bytes.LastIndex(backup, []byte("manifest.json"))],
	} {
		if err := daemon.Restore(target, bytes.NewReader(broken), true); fault.Name(err) != "invalid-backup" {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.ReadFile(filepath.Join(target, "state.db")); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the state has changed: %v", name, err)
		}
		empty := filepath.Join(t.TempDir(), "state")
		if err := daemon.Restore(empty, bytes.NewReader(broken), false); err == nil {
			t.Errorf("%s: restored", name)
		}
		if entries, err := os.ReadDir(empty); err != nil || len(entries) > 0 {
			t.Errorf("%s: the folder holds %v, %v", name, entries, err)
		}
	}
}

// A backup that was killed leaves nothing behind for long.
func TestLeftoversOfBackups(t *testing.T) {
	o, dir, _ := folder(t, nil)
	left := filepath.Join(dir, ".metasync", ".backup-1")
	write(t, filepath.Join(left, "state.db"), "half")
	open(t, o)
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", left, err)
	}
}

// What is done by hand while the daemon is at work waits for its runs, and its
// follow-ups are done at once.
func TestByHandWhileRunning(t *testing.T) {
	o, _, _ := folder(t, nil)
	d := open(t, o)
	once(t, d)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	eventually(t, "the daemon runs", func() bool {
		s, err := d.Status(t.Context())
		return err == nil && s.Running
	})
	for _, m := range []engine.Manual{
		{What: run.Disconnect, Agent: "HR", Key: "1"},
		{What: run.Project, Agent: "HR", Key: "1"},
	} {
		record, err := d.ByHand(t.Context(), m, "ada")
		if err != nil || record.Profile != string(m.What) || record.Cause.User != "ada" || record.Result != run.Success {
			t.Errorf("%s: %+v, %v", m.What, record, err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := d.ByHand(t.Context(), engine.Manual{What: run.Disconnect, Agent: "HR", Key: "7"}, "ada"); fault.Name(err) != "unknown-object" {
		t.Errorf("after the end: %v", err)
	}
}
