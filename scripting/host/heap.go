package host

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"github.com/metasync/metasync/engine/fault"
)

const (
	// DefaultMemory is how far the heap may grow while scripts run, unless the
	// options say otherwise.
	DefaultMemory = 512 << 20

	heapInterval = 50 * time.Millisecond
	longCall     = 2 * heapInterval
)

// NameMemory is the name of the error about a call that was ended because the
// scripts took too much memory.
const NameMemory = "script-memory-exceeded"

var errMemory = errors.New("the scripts take too much memory")

// A heapWatch ends calls that fill the memory of the process, for goja has no limit
// of its own. As long as calls are made it looks at the heap every 50 ms; otherwise
// it costs nothing. When the heap has grown by more than the limit beyond the least
// that it was since the scripts were first used, and a collection frees too little:
//
//  1. Every call that has gone on for 100 ms is interrupted. A shorter one has not
//     filled the memory, and ends by itself.
//  2. All workers are thrown away, those that are idle too: variables of the files
//     may be what grew. Others are made when they are needed.
//  3. The log says so, and names the call that ran longest and the function that was
//     called most.
//
// What is alive when the calls have ended is from then on the least, so that an engine
// that needs much memory for itself costs one alarm and not one for each look. What a
// single built-in allocates cannot be stopped before it returns; see bounds.go.
type heapWatch struct {
	generation *Generation
	limit      uint64
	state      atomic.Int32 // asleep, awake or used
	timer      *time.Timer

	mu     sync.Mutex // of one look, and of the end
	closed bool
	base   uint64           // the heap from which growth is counted, 0 before the first look
	fixed  bool             // there was an alarm: the base does not fall any more
	ending map[*worker]bool // whose calls the last alarm ended, until they have
	sample [2]metrics.Sample
}

const (
	asleep int32 = iota
	awake        // no call began since the last look
	used
)

func newHeapWatch(g *Generation) *heapWatch {
	h := &heapWatch{generation: g, limit: uint64(g.options.Memory)}
	h.sample[0].Name = "/memory/classes/heap/objects:bytes"
	h.sample[1].Name = "/gc/heap/live:bytes"
	h.timer = time.AfterFunc(time.Hour, h.look)
	h.timer.Stop()
	return h
}

// begin is called when a call begins.
func (h *heapWatch) begin() {
	if h.state.Load() != used {
		h.use()
	}
}

func (h *heapWatch) use() {
	if h.state.Swap(used) == asleep {
		h.timer.Reset(heapInterval)
	}
}

// close ends the watch. A look that goes on ends first.
func (h *heapWatch) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.timer.Stop()
}

// look looks at the heap and, unless no call was made since the last look, has
// itself called again.
func (h *heapWatch) look() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	now := h.generation.active()
	h.check(now)
	if h.state.CompareAndSwap(used, awake) || len(now) > 0 || h.ending != nil {
		h.timer.Reset(heapInterval)
		return
	}
	h.state.Store(asleep)
	if len(h.generation.active()) > 0 { // it began between the two
		h.use()
	}
}

// active returns the calls that are going on.
func (g *Generation) active() map[*worker]*Active {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list map[*worker]*Active
	for w := range g.workers {
		if a := w.going.Load(); a != nil && a != condemned {
			if list == nil {
				list = map[*worker]*Active{}
			}
			list[w] = a
		}
	}
	return list
}

// heap returns the bytes of all objects, dead ones included, and those that the last
// collection found alive.
func (h *heapWatch) heap() (objects, live uint64) {
	metrics.Read(h.sample[:])
	return h.sample[0].Value.Uint64(), h.sample[1].Value.Uint64()
}

// check ends the calls if the heap has grown too much. now are those that go on.
func (h *heapWatch) check(now map[*worker]*Active) {
	if h.ending != nil {
		h.settle()
		return
	}
	if h.grown() <= h.limit {
		return
	}
	runtime.GC()
	grown := h.grown()
	if grown <= h.limit {
		return
	}
	var longest *Active
	h.ending = map[*worker]bool{}
	for w, a := range now {
		if time.Since(a.began) < longCall || !w.condemn(a) {
			continue
		}
		h.ending[w] = true
		if longest == nil || a.began.Before(longest.began) {
			longest = a
		}
	}
	h.report(grown, longest)
	h.generation.renew()
}

// grown returns by how much the heap has grown.
func (h *heapWatch) grown() uint64 {
	objects, live := h.heap()
	if live > 0 && !h.fixed && (h.base == 0 || live < h.base) {
		h.base = live
	}
	if h.base == 0 || objects <= h.base {
		return 0
	}
	return objects - h.base
}

// settle gives the memory of the calls that an alarm ended back to the system, once
// they have ended.
func (h *heapWatch) settle() {
	for w := range h.ending {
		if w.going.Load() == condemned {
			return
		}
	}
	h.ending = nil
	debug.FreeOSMemory()
	objects, _ := h.heap()
	h.base, h.fixed = max(h.base, objects), true
}

func (h *heapWatch) report(grown uint64, longest *Active) {
	attrs := []any{"grown", mebibytes(grown), "limit", mebibytes(h.limit)}
	if r, calls := h.generation.mostCalled(); r != nil {
		attrs = append(attrs, slog.Group("most", "called", registrationText(r), "script", r.Position.String(), "calls", calls))
	}
	if longest == nil {
		h.generation.options.Log.Warn("the memory of the process grew while scripts ran; what their variables hold was thrown away", attrs...)
		return
	}
	what, at := "loading", ""
	if r := longest.call.Of; r != nil {
		what, at = registrationText(r), r.Position.String()
	}
	attrs = append(attrs, slog.Group("longest", "call", what, "script", at, "for", time.Since(longest.began).Round(time.Millisecond).String()))
	h.generation.options.Log.Error("the scripts take too much memory; calls were interrupted, and what variables hold was thrown away", attrs...)
}

func registrationText(r *Registration) string { return fmt.Sprintf("%s %q", r.Kind, r.Name) }

func mebibytes(n uint64) string { return fmt.Sprintf("%d MiB", n>>20) }

// mostCalled returns what was called most in the workers that there are.
func (g *Generation) mostCalled() (most *Registration, calls uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, r := range g.registrations {
		var n uint64
		for w := range g.workers {
			if i < len(w.calls) {
				n += w.calls[i].Load()
			}
		}
		if n > calls {
			most, calls = r, n
		}
	}
	return most, calls
}

// renew throws all workers away: idle ones at once, the others when their calls end.
func (g *Generation) renew() {
	g.epoch.Add(1)
	for range cap(g.pool) {
		select {
		case w := <-g.pool:
			if w != nil {
				g.forget(w)
			}
			g.pool <- nil
		default:
			return
		}
	}
}

// condemned stands for a call in a worker that the watch has ended.
var condemned = new(Active)

// condemn interrupts a call, unless it has just ended.
func (w *worker) condemn(a *Active) bool {
	if !w.going.CompareAndSwap(a, condemned) {
		return false
	}
	w.rt.Interrupt(errMemory)
	w.doomed <- struct{}{}
	return true
}

// memoryError is the error of a call that was ended.
func (g *Generation) memoryError(position fault.Position) *fault.Error {
	e := fault.New(NameMemory, "the call was ended, for the scripts took more memory than the %s that they may", mebibytes(uint64(g.options.Memory)))
	e.Position = position
	e.Hint = "a list or a text may grow without end; the log says which function ran longest"
	return e
}

// spent reports whether a worker must not be used again after a call that ended
// with an error: a function of the host panicked in it, so that its state is
// unknown, or it was thrown away.
func (w *worker) spent(err error) bool {
	name := fault.Name(err)
	return name == nameCrash || name == NameMemory || w.epoch != w.generation.epoch.Load()
}
