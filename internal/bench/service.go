package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/metasync/metasync/console"
)

// The daemon as a service: what it costs while nothing happens, and how long a change
// takes through it.

var (
	idle    = flag.Duration("idle", 0, "measure for so `long` what a daemon with 50 agents costs that has nothing to do")
	latency = flag.Int("latency", 0, "measure how long `n` changes of a file take until they are in the target's file")
)

const (
	idleAgents = 50
	settleTime = 100 * time.Millisecond // of the watched file

	// ticksPerSecond is the unit of processor times in /proc, which is the same on all
	// machines that Linux runs on today (USER_HZ).
	ticksPerSecond = 100
)

// serve runs a daemon on a configuration of its own and has it measured.
func serve(configuration string, files map[string]string, measure func(dir string, pid int) error) (err error) {
	dir, err := os.MkdirTemp("", "metasync-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	files["metasync.yaml"] = configuration
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	binary := filepath.Join(dir, "metasync")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./cmd/metasync").CombinedOutput(); err != nil {
		return fmt.Errorf("go build, which has to begin in the folder of the repository: %w\n%s", err, out)
	}
	var stderr bytes.Buffer
	daemon := exec.Command(binary, "run")
	daemon.Dir, daemon.Stderr = dir, &stderr
	if err := daemon.Start(); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, daemon.Process.Signal(os.Interrupt))
		if ended := daemon.Wait(); ended != nil {
			err = errors.Join(err, fmt.Errorf("the daemon: %w\n%s", ended, stderr.String()))
		}
	}()
	if err := quiet(filepath.Join(dir, ".metasync")); err != nil {
		return err
	}
	return measure(dir, daemon.Process.Pid)
}

// quiet waits until a daemon has nothing left to do.
func quiet(state string) error {
	const patience = 2 * time.Minute
	for end, calm := time.Now().Add(patience), 0; calm < 5; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			return errors.New("the daemon does not come to rest")
		}
		client, err := console.Dial(context.Background(), state)
		if errors.Is(err, console.ErrNotRunning) {
			continue
		} else if err != nil {
			return err
		}
		status, err := client.Status(context.Background())
		if err := errors.Join(err, client.Close()); err != nil {
			return err
		}
		calm++
		for _, a := range status.Agents {
			if !a.Imported || a.PendingImports+a.PendingExports+a.Unconfirmed > 0 {
				calm = 0
			}
		}
		if len(status.Scheduler.Running)+len(status.Scheduler.Queue) > 0 {
			calm = 0
		}
	}
	return nil
}

// measureIdle prints what a daemon costs that has nothing to do.
func measureIdle(length time.Duration) error {
	var yaml strings.Builder
	files := map[string]string{}
	yaml.WriteString("metaverse: {person: {attributes: {employeeID: {type: string, indexed: true}, name: string}}}\nagents:\n")
	for i := range idleAgents {
		fmt.Fprintf(&yaml, "  A%02d: {type: csv, file: a%02d.csv, objects: {employee: {anchor: [id]}}}\n", i, i)
		var rows strings.Builder
		rows.WriteString("id,name\n")
		for row := range 20 {
			fmt.Fprintf(&rows, "%d,name %d\n", row, row)
		}
		files[fmt.Sprintf("a%02d.csv", i)] = rows.String()
	}
	yaml.WriteString("rules:\n")
	for i := range idleAgents {
		fmt.Fprintf(&yaml, "  - {name: people %d, agent: A%02d, object: employee, metaverse: person, join: [{id: employeeID}], inbound: {project: true, flows: {employeeID: id, name: name}}}\n", i, i)
	}
	return serve(yaml.String(), files, func(_ string, pid int) error {
		before, err := processTime(pid)
		if err != nil {
			return err
		}
		time.Sleep(length)
		after, err := processTime(pid)
		if err != nil {
			return err
		}
		resident, err := memoryOf(pid, "VmRSS:")
		if err != nil {
			return err
		}
		anon, err := memoryOf(pid, "RssAnon:")
		if err != nil {
			return err
		}
		share := 100 * (after - before).Seconds() / length.Seconds()
		fmt.Printf("%d agents, idle for %v: %.2f %% of a core (aim: under 1 %%), %d MiB resident (aim: under 80), of which %d MiB its own\n",
			idleAgents, length, share, resident>>10, anon>>10)
		return nil
	})
}

// processTime returns how long the processors have worked for a process.
func processTime(pid int) (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(data), ") ") // after the name, which may hold anything
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat is not understood", pid)
	}
	user, userErr := strconv.Atoi(fields[11])
	system, systemErr := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticksPerSecond, errors.Join(userErr, systemErr)
}

// memoryOf returns a figure of the memory of a process in KiB.
func memoryOf(pid int, name string) (int, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			return strconv.Atoi(fields[1])
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", pid, name)
}

// measureLatency prints how long changes of a file take until they are in a target.
func measureLatency(changes int) error {
	const configuration = `
metaverse: {person: {attributes: {employeeID: {type: string, indexed: true}, name: string}}}
agents:
  HR:
    type: csv
    file: hr.csv
    objects: {employee: {anchor: [id]}}
    triggers: [{watch: hr.csv, settle: 100ms, run: delta-import}]
  Directory:
    type: csv
    file: directory.csv
    columns: [uid, name]
    objects: {account: {anchor: [uid]}}
rules:
  - {name: people, agent: HR, object: employee, metaverse: person, join: [{id: employeeID}], inbound: {project: true, flows: {employeeID: id, name: name}}}
  - {name: accounts, agent: Directory, object: account, metaverse: person, join: [{uid: employeeID}], outbound: {provision: true, flows: {uid: employeeID, name: name}}}
`
	source := func(n int) string {
		rows := "id,name\n"
		for i := range 1000 {
			rows += fmt.Sprintf("%d,name %d\n", i, i)
		}
		return rows + fmt.Sprintf("1000,change %d.\n", n)
	}
	return serve(configuration, map[string]string{"hr.csv": source(-1)}, func(dir string, _ int) error {
		took := make([]time.Duration, 0, changes)
		for n := range changes {
			temporary := filepath.Join(dir, "hr.csv.tmp")
			if err := os.WriteFile(temporary, []byte(source(n)), 0o600); err != nil {
				return err
			}
			begun := time.Now()
			if err := os.Rename(temporary, filepath.Join(dir, "hr.csv")); err != nil {
				return err
			}
			want := fmt.Appendf(nil, "change %d.", n)
			for {
				data, err := os.ReadFile(filepath.Join(dir, "directory.csv"))
				if err != nil {
					return err
				}
				if bytes.Contains(data, want) {
					break
				}
				if time.Since(begun) > time.Minute {
					return fmt.Errorf("change %d does not arrive", n)
				}
				time.Sleep(time.Millisecond)
			}
			took = append(took, time.Since(begun)-settleTime)
			if err := quiet(filepath.Join(dir, ".metasync")); err != nil {
				return err
			}
		}
		slices.Sort(took)
		at := func(percent int) time.Duration {
			return took[min(len(took)-1, len(took)*percent/100)].Round(time.Millisecond)
		}
		fmt.Printf("%d changes of a file of 1,000 rows, from the write to the target's file, beyond settle: median %v, p95 %v (aim: under 300ms), most %v\n",
			changes, at(50), at(95), at(100))
		return nil
	})
}
