package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"time"
)

// figure is what a phase measured.
type figure struct {
	Name    string        `json:"name"`
	Objects int           `json:"objects"`
	Time    time.Duration `json:"time"`
	CPU     time.Duration `json:"cpu"`               // of all threads, user and system
	PeakKiB int           `json:"peakKiB"`           // resident memory, pages of files included
	AnonKiB int           `json:"anonKiB,omitempty"` // resident memory that is not pages of files
	Bytes   int64         `json:"bytes,omitempty"`
	Puts    int           `json:"puts,omitempty"`
}

// timePerObject returns microseconds.
func (f figure) timePerObject() float64 { return f.Time.Seconds() * 1e6 / float64(max(f.Objects, 1)) }

// cpuPerObject returns microseconds.
func (f figure) cpuPerObject() float64 { return f.CPU.Seconds() * 1e6 / float64(max(f.Objects, 1)) }

// best keeps the fastest figure of each name.
type best map[string]figure

func (b best) add(figures []figure) {
	for _, f := range figures {
		known, found := b[f.Name]
		if !found {
			b[f.Name] = f
			continue
		}
		f.Time, f.CPU = min(f.Time, known.Time), min(f.CPU, known.CPU)
		f.PeakKiB, f.AnonKiB = max(f.PeakKiB, known.PeakKiB), max(f.AnonKiB, known.AnonKiB)
		b[f.Name] = f
	}
}

// measure prints the figure of fn.
func measure(name string, objects int, fn func() error) error {
	runtime.GC()
	if *cpu == name {
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
	watch := watchMemory()
	worked, start := cpuTime(), time.Now()
	err := fn()
	f := figure{Name: name, Objects: objects, Time: time.Since(start), CPU: cpuTime() - worked}
	f.PeakKiB, f.AnonKiB = watch.end()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return print(f)
}

func print(f figure) error { return json.NewEncoder(os.Stdout).Encode(f) }

// A memoryWatch looks for the peaks of the resident memory of this process.
type memoryWatch struct {
	stop, stopped chan struct{}
	anon          atomic.Int64
}

// watchInterval is how often the anonymous memory is looked at: the system
// remembers no peak of it.
const watchInterval = 10 * time.Millisecond

func watchMemory() *memoryWatch {
	// Linux forgets the peak so far; where it does not, the figure is that of the
	// process since it began.
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
	w := &memoryWatch{stop: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(w.stopped)
		ticker := time.NewTicker(watchInterval)
		defer ticker.Stop()
		for {
			w.anon.Store(max(w.anon.Load(), anonymous()))
			select {
			case <-w.stop:
				return
			case <-ticker.C:
			}
		}
	}()
	return w
}

// end returns the peaks in KiB, 0 where the system does not tell.
func (w *memoryWatch) end() (all, anonymous int) {
	close(w.stop)
	<-w.stopped
	return memory("VmHWM"), int(w.anon.Load())
}

// anonymous returns the resident memory in KiB that is not pages of files, 0 where the
// system does not tell. It costs a third of reading what [memory] does.
func anonymous() int64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident, shared int64
	_, _ = fmt.Sscan(string(data), &size, &resident, &shared)
	return (resident - shared) * int64(os.Getpagesize()) / 1024
}

// memory returns a line of the state of the process in KiB, 0 if there is none.
func memory(name string) int {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, found := strings.CutPrefix(line, name+":"); found {
			var n int
			_, _ = fmt.Sscanf(rest, "%d kB", &n)
			return n
		}
	}
	return 0
}
