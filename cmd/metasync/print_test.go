package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

func TestExitCode(t *testing.T) {
	records := func(results ...run.Result) []*run.Record {
		var list []*run.Record
		for _, r := range results {
			list = append(list, &run.Record{Result: r})
		}
		return list
	}
	for _, tt := range []struct {
		name   string
		result onceResult
		want   exitCode
	}{
		{"nothing", onceResult{}, exitDone},
		{"warnings", onceResult{Runs: records(run.Success, run.CompletedWarnings)}, exitDone},
		{"errors", onceResult{Runs: records(run.CompletedSyncErrors, run.Success), Errors: true}, exitErrors},
		{"errors that were overcome", onceResult{Runs: records(run.CompletedSyncErrors, run.Success)}, exitDone},
		{"held", onceResult{Runs: records(run.CompletedSyncErrors, run.StoppedDeletionLimit), Failed: true, Errors: true}, exitHeld},
		{"failed", onceResult{Runs: records(run.StoppedDeletionLimit, run.StoppedServer), Failed: true}, exitFailed},
		{"not started", onceResult{Runs: records(run.StoppedDeletionLimit), NotStarted: []autosync.Completed{{}}, Failed: true}, exitFailed},
		{"something is left", onceResult{Runs: records(run.Success), Left: []autosync.Waiting{{}}, Failed: true}, exitFailed},
	} {
		if got := tt.result.exit(); got != tt.want {
			t.Errorf("%s: exit code %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestPrintError(t *testing.T) {
	placed := &fault.Error{Name: "invalid", Text: "wrong", Hint: "one\ntwo", Position: fault.Position{File: absolute("metasync.yaml"), Line: 3, Column: 4}, Agent: "HR"}
	script := &fault.Error{Name: "invalid", Text: "wrong", Position: fault.Position{File: "scripts/a.js", Line: 3}}
	named := &fault.Error{Name: "unknown-agent", Text: "no HRX", Hint: "HR?"}
	for _, tt := range []struct {
		name string
		err  error
		want []string
	}{
		{"plain", errors.New("broken"), []string{"metasync: broken"}},
		{"named", fmt.Errorf("get: %w", named), []string{"metasync: get: unknown-agent: no HRX", "  hint: HR?"}},
		{"placed", placed, []string{`metasync.yaml:3:4: agent "HR": wrong`, "  hint: one", "        two"}},
		{"in a script", script, []string{"conf/scripts/a.js:3: wrong"}},
		{"several", errors.Join(named, errors.New("and more"), placed), []string{
			"no HRX", "  hint: HR?", "and more", `metasync.yaml:3:4: agent "HR": wrong`, "  hint: one", "        two",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			(&app{globals: globals{Config: "conf/metasync.yaml"}, stderr: &out}).printError(tt.err)
			if diff := cmp.Diff(tt.want, strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What people see of errors is bounded, and nothing that a connected system says
// can move the cursor.
func TestObjectErrors(t *testing.T) {
	step := &run.Report{}
	for range maxPrintedErrors + 2 {
		step.SyncErrors = append(step.SyncErrors, run.ErrorRecord{Type: "join-error", DN: "a\x1b[2Jb\n", Attribute: "sn", Rule: "people", Detail: "no"})
	}
	var out bytes.Buffer
	(&app{stdout: &out}).printObjectErrors([]*run.Record{{Run: 3, Agent: "HR", Steps: []*run.Report{step}}})
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != maxPrintedErrors+2 {
		t.Fatalf("%d lines:\n%s", len(lines), out.String())
	}
	if want := `  run 3, HR: a [2Jb : join-error: rule "people": attribute sn: no`; lines[1] != want {
		t.Errorf("got  %q\nwant %q", lines[1], want)
	}
	if want := "  and 2 more; metasync history RUN --json lists them"; lines[len(lines)-1] != want {
		t.Errorf("got  %q\nwant %q", lines[len(lines)-1], want)
	}
}

func TestStatusLine(t *testing.T) {
	var out bytes.Buffer
	l := &statusLine{w: &out, width: func() int { return 20 }}
	l.Progress("HR", run.FullImport, 7, 0)
	l.drawn = time.Time{}
	l.Progress("HR", run.FullSync, 500, 1000)
	l.Progress("HR", run.FullSync, 501, 1000) // too soon
	fmt.Fprint(l, "a message\n")
	l.Clear() // nothing to clear
	want := "\r\x1b[KHR full-import: 7" + "\r\x1b[KHR full-sync: 500 o" + "\r\x1b[Ka message\n"
	if out.String() != want {
		t.Errorf("got  %q\nwant %q", out.String(), want)
	}

	out.Reset()
	silent := newStatusLine(&out)
	silent.Progress("HR", run.FullImport, 1, 2)
	fmt.Fprint(silent, "a message\n")
	silent.Clear()
	if out.String() != "a message\n" {
		t.Errorf("in a pipe: %q", out.String())
	}
}
