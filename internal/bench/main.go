// Command bench measures the main job on many people and sets each figure
// beside a floor that is measured in the same run on the same machine: reading
// the CSV file with encoding/csv alone, and putting the same bytes into bbolt in
// the same transactions without an engine around it.
//
//	go run ./internal/bench [-people 100000] [-runs 3]
//
// Each phase runs in a process of its own, so that its peak memory is its own.
// Figures are those of the fastest run; compare ratios, not seconds.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"
)

var (
	people = flag.Int("people", 100000, "how many people")
	runs   = flag.Int("runs", 3, "how often everything is measured")
	phase  = flag.String("phase", "", "run one phase (used by the program itself)")
	cpu    = flag.String("cpu", "", "write a CPU profile of the step `name` to cpu.prof and measure nothing else")
	folder = flag.String("folder", "", "where the data is (used by the program itself)")
)

func main() {
	flag.Parse()
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// figure is what a phase measured.
type figure struct {
	Name    string        `json:"name"`
	Objects int           `json:"objects"`
	Time    time.Duration `json:"time"`
	PeakKiB int           `json:"peakKiB"` // resident memory of the process so far
	Bytes   int64         `json:"bytes,omitempty"`
	Puts    int           `json:"puts,omitempty"`
}

func start() error {
	if *phase != "" {
		return runPhase(*phase, *folder)
	}
	dir, err := os.MkdirTemp("", "metasync-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := generate(dir, *people); err != nil {
		return err
	}
	if *cpu != "" {
		return engineRun(dir, filepath.Join(dir, "state"), nil)
	}
	fmt.Printf("%d people, 12 attributes, 8 flows; %s, %d processors\n\n", *people, runtime.Version(), runtime.NumCPU())
	best := map[string]figure{}
	for range *runs {
		for _, name := range []string{"engine", "record", "floor"} {
			figures, err := child(name, dir)
			if err != nil {
				return fmt.Errorf("phase %s: %w", name, err)
			}
			if name == "record" {
				continue // it only writes down what the floor repeats
			}
			for _, f := range figures {
				if b, ok := best[f.Name]; !ok || f.Time < b.Time {
					best[f.Name] = f
				}
			}
		}
	}
	report(best)
	return nil
}

func report(best map[string]figure) {
	fmt.Printf("%-34s %10s %12s %9s %22s %9s\n", "", "seconds", "objects/s", "of floor", "floor", "peak MiB")
	for _, row := range []struct{ name, floor, label string }{
		{"first full import", "puts of first full import", "bbolt puts"},
		{"unchanged full import", "csv parse", "csv parse"},
		{"first full sync, provisioning", "puts of first full sync, provisioning", "bbolt puts"},
		{"export", "puts of export", "bbolt puts"},
		{"confirming import", "puts of confirming import", "bbolt puts"},
		{"full sync without changes", "", ""},
	} {
		f, floor := best[row.name], best[row.floor]
		perSecond := float64(f.Objects) / f.Time.Seconds()
		ratio := ""
		if floor.Time > 0 {
			ratio = fmt.Sprintf("%.2f", floor.Time.Seconds()/f.Time.Seconds())
			row.label = fmt.Sprintf("%s %.2f s", row.label, floor.Time.Seconds())
		}
		fmt.Printf("%-34s %10.2f %12.0f %9s %22s %9d\n", row.name, f.Time.Seconds(), perSecond, ratio, row.label, f.PeakKiB/1024)
	}
	if f := best["puts of first full sync, provisioning"]; f.Objects > 0 {
		fmt.Printf("\na full sync writes %.1f keys and %d bytes per object\n", float64(f.Puts)/float64(f.Objects), f.Bytes/int64(f.Objects))
	}
}

// child runs a phase in a process of its own and returns its figures.
func child(name, dir string) ([]figure, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-phase", name, "-folder", dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var figures []figure
	scanner := bufio.NewScanner(strings.NewReader(string(out)))
	for scanner.Scan() {
		var f figure
		if err := json.Unmarshal(scanner.Bytes(), &f); err != nil {
			return nil, fmt.Errorf("%w in %q", err, scanner.Text())
		}
		figures = append(figures, f)
	}
	return figures, scanner.Err()
}

func runPhase(name, dir string) error {
	switch name {
	case "engine":
		return engineRun(dir, filepath.Join(dir, "state-engine"), nil)
	case "record":
		return recordRun(dir)
	case "floor":
		return floorRun(dir)
	}
	return fmt.Errorf("unknown phase %q", name)
}

// measure prints the figure of fn.
func measure(name string, objects int, fn func() error) error {
	runtime.GC()
	if name == *cpu {
		f, err := os.Create("cpu.prof")
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	start := time.Now()
	if err := fn(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return print(figure{Name: name, Objects: objects, Time: time.Since(start)})
}

func print(f figure) error {
	f.PeakKiB = peak()
	return json.NewEncoder(os.Stdout).Encode(f)
}

// peak returns the peak resident memory of the process in KiB, 0 where the
// system does not tell.
func peak() int {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		var n int
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &n); err == nil {
			return n
		}
	}
	return 0
}
