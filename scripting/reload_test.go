package scripting

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/scripting/host"
)

// Reloading leaves neither goroutines nor memory behind. METASYNC_RELOADS=1000 does it
// more often.
func TestReloadsLeaveNothingBehind(t *testing.T) {
	reloads := 200
	if more, err := strconv.Atoi(os.Getenv("METASYNC_RELOADS")); err == nil {
		reloads = more
	}
	l, base := folder(t)
	reload := func(i int) {
		for k := range 5 {
			write(t, filepath.Join(base, "scripts", fmt.Sprintf("s%d.js", k)), fmt.Sprintf(
				"const table = new Array(1000).fill(%d);\nflowFunction('f%d', n => n + table[0]);\ntest('f%d', t => t.equal(t.call('f%d', 1), %d));", i, k, k, k, i+1))
		}
		g, err := l.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range g.Test(t.Context(), TestOptions{}) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		if got, err := call(t, g, "f0", expr.Int(1)); err != nil || got.Values()[0].Int() != int64(i+1) {
			t.Fatalf("got %v, %v", got.Values(), err)
		}
		g.Close()
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for i := range 10 {
		reload(i)
	}
	goroutines, before := runtime.NumGoroutine(), heap()
	for i := range reloads {
		reload(i)
	}
	after := heap()
	// One generation of these scripts has some 300 KiB.
	if after > before+2<<20 {
		t.Errorf("the heap has grown from %d KiB to %d KiB in %d reloads", before>>10, after>>10, reloads)
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if runtime.NumGoroutine() <= goroutines {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines after %d reloads, %d before", runtime.NumGoroutine(), reloads, goroutines)
}

// Generations are swapped and closed while functions are called without regard to
// that: a call has the answer of its generation, or says that it is closed.
func TestCloseUnderLoad(t *testing.T) {
	l, base := folder(t, "a.js", `const own = 0; flowFunction("f", n => { let s = 0; for (let i = 0; i < 50; i++) s += own; return n + s / 50 })`)
	var current atomic.Pointer[Generation]
	current.Store(load(t, l))
	stop := make(chan struct{})
	var callers sync.WaitGroup
	var answered atomic.Int64
	for range 4 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				g := current.Load()
				got, err := g.Functions()["f"].Call(&expr.Context{Context: context.Background()}, []expr.Value{expr.Int(7)})
				if errors.Is(err, host.ErrClosed) {
					continue
				}
				if v, _ := got.Single(); err != nil || v.Int() != 7+int64(g.Number()-1) {
					t.Errorf("generation %d: got %v, %v", g.Number(), v, err)
				}
				answered.Add(1)
			}
		})
	}
	for i := range 30 {
		write(t, filepath.Join(base, "scripts", "a.js"), fmt.Sprintf(
			`const own = %d; flowFunction("f", n => { let s = 0; for (let i = 0; i < 50; i++) s += own; return n + s / 50 })`, i+1))
		next, err := l.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		current.Swap(next).Close()
	}
	for deadline := time.Now().Add(time.Minute); answered.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("no call was answered")
			break
		}
	}
	close(stop)
	callers.Wait()
	current.Load().Close()
}

// Loading 100 scripts of 15 lines takes well under a second: see docs/performance.md.
func BenchmarkLoad(b *testing.B) {
	l, base := folder(b, "lib/titles.js", "export const shared = n => n;")
	for k := range 100 {
		var text strings.Builder
		fmt.Fprintf(&text, "import { shared as other } from './lib/titles.js';\nconst titles = {")
		for line := range 8 {
			fmt.Fprintf(&text, "\n\tt%d: [%q, %d],", line, "Title", line)
		}
		fmt.Fprintf(&text, "\n};\nfunction shared(n) {\n\treturn titles[n] ?? other(n);\n}\nflowFunction('f%d', (a, b) => `${a} ${b}`.trim());\n", k)
		write(b, filepath.Join(base, "scripts", fmt.Sprintf("s%d.js", k)), text.String())
	}
	for b.Loop() {
		g, err := l.Load(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		g.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/reload")
	b.ReportMetric(0, "ns/op")
}
