// Command bench measures the main job on many people and sets each figure
// beside a floor that is measured in the same run on the same machine: reading
// the CSV file with encoding/csv alone, and putting the same bytes into bbolt in
// the same transactions without an engine around it. Then it measures one member
// more in groups of several sizes.
//
//	go run ./internal/bench [-people 100000] [-changes 1000] [-runs 3]
//
// With -scale it does the job for a tenth, for all and for ten times as many
// people, and shows how the cost of one grows; -factor sets another than ten.
//
// With -ldap it measures something else: a job between two directories, each of which is
// an OpenLDAP that it starts, beside a script in Python that does the same.
//
// Each phase runs in a process of its own, so that its memory is its own. Figures
// are those of the fastest run; compare ratios, not seconds.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"

	"github.com/metasync/metasync/internal/heap"
)

var (
	people  = flag.Int("people", 100000, "how many people")
	changes = flag.Int("changes", 1000, "how many of them change")
	runs    = flag.Int("runs", 3, "how often everything is measured")
	scale   = flag.Bool("scale", false, "show how the cost grows with the number of people")
	factor  = flag.Int("factor", 10, "with -scale: from one number of people to the next")
	members = flag.String("members", "500,5000,50000", "sizes of groups to measure, none if empty")
	phase   = flag.String("phase", "", "run one phase (used by the program itself)")
	cpu     = flag.String("cpu", "", "write a CPU profile of the step `name` to cpu.prof and measure nothing after it")
	folder  = flag.String("folder", "", "where the data is (used by the program itself)")
	ldap    = flag.Bool("ldap", false, "measure two directories of so many people, beside a script, and nothing else")
	created = flag.Int("created", 10000, "with -ldap: how many are created in an empty directory")
)

func main() {
	flag.Parse()
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func start() error {
	heap.Limit() // as the program does
	switch {
	case *phase != "":
		return runPhase(*phase, *folder)
	case *idle > 0:
		return measureIdle(*idle)
	case *latency > 0:
		return measureLatency(*latency)
	case *people < *changes || *people < 1 || *factor < 2:
		return fmt.Errorf("%d people, of whom %d change, times %d: there is nothing to measure", *people, *changes, *factor)
	case *ldap && *cpu != "":
		return profileDirectory()
	case slices.ContainsFunc(flows, func(f flow) bool { return f.name == *cpu }):
		return inFolder(*people, scriptsRun)
	case *cpu != "":
		return inFolder(*people, func(dir string) error { return engineRun(dir, filepath.Join(dir, "state"), nil) })
	}
	if *ldap {
		return reportDirectory()
	}
	fmt.Printf("12 attributes, 8 flows, %d changes; %s, %d processors, best of %d\n", *changes, runtime.Version(), runtime.NumCPU(), *runs)
	if *scale {
		return reportScale()
	}
	figures := best{}
	if err := inFolder(*people, func(dir string) error {
		for range *runs {
			for _, name := range []string{"engine", "record", "csv", "puts"} {
				measured, err := child[figure](name, dir, *people)
				if err != nil {
					return err
				}
				if name != "record" { // it only writes down what is put again
					figures.add(measured)
				}
			}
		}
		return nil
	}); err != nil {
		return err
	}
	reportJob(figures)
	return errors.Join(reportScripts(), reportGroups())
}

// inFolder calls fn with a folder that holds the data of so many people.
func inFolder(people int, fn func(dir string) error) error {
	return inTemp(func(dir string) error {
		if err := generate(dir, people, *changes); err != nil {
			return err
		}
		return fn(dir)
	})
}

// inTemp calls fn with a folder that is removed after it.
func inTemp(fn func(dir string) error) error {
	dir, err := os.MkdirTemp("", "metasync-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return fn(dir)
}

// child runs a phase in a process of its own and returns its figures.
func child[T any](name, dir string, people int) ([]T, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-phase", name, "-folder", dir, "-people", strconv.Itoa(people), "-changes", strconv.Itoa(*changes),
		"-runs", strconv.Itoa(*runs), "-created", strconv.Itoa(*created))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("phase %s: %w", name, err)
	}
	var figures []T
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var f T
		if err := decoder.Decode(&f); err != nil {
			return nil, fmt.Errorf("phase %s: %w", name, err)
		}
		figures = append(figures, f)
	}
	return figures, nil
}

func runPhase(name, dir string) error {
	switch name {
	case "engine":
		return engineRun(dir, filepath.Join(dir, "state-engine"), nil)
	case "record":
		return recordRun(dir)
	case "csv":
		return csvRun(dir)
	case "puts":
		return putsRun(dir)
	case "group":
		return groupRun(dir, *people)
	case "scripts":
		return scriptsRun(dir)
	case "directory":
		return directoryRun(dir)
	}
	return fmt.Errorf("unknown phase %q", name)
}
