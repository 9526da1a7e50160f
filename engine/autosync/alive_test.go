package autosync

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/metasync/metasync/engine/store"
)

// hanging is an engine that does not answer while it hangs.
type hanging struct {
	*fakeEngine
	hangs atomic.Bool
}

func (h *hanging) Facts() ([]Facts, error) {
	for h.hangs.Load() {
		time.Sleep(time.Second)
	}
	return h.fakeEngine.Facts()
}

func TestAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{fakeEngine: newFake(Overlap, "HR")}
		s, err := New(Options{Engine: h, Store: store.NewMemory(), Settings: settingsFor(Overlap, "HR")})
		if err != nil {
			t.Fatal(err)
		}
		alive := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			return s.Alive(ctx)
		}
		if err := alive(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("before Run: %v", err)
		}
		stop := start(t, s)
		if err := alive(); err != nil {
			t.Errorf("at work: %v", err)
		}
		h.hangs.Store(true)
		s.Wake()
		synctest.Wait()
		if err := alive(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the engine hangs: %v", err)
		}
		h.hangs.Store(false)
		if err := alive(); err != nil {
			t.Errorf("it goes on: %v", err)
		}

		// A change of the configuration may take its time, but not for ever.
		release := make(chan struct{})
		passed := make(chan error, 1)
		go func() { passed <- s.Barrier(t.Context(), func() error { <-release; return nil }) }()
		pass(30 * time.Minute)
		if err := alive(); err != nil {
			t.Errorf("in a barrier: %v", err)
		}
		pass(30 * time.Minute)
		if err := alive(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a barrier without end: %v", err)
		}
		close(release)
		if err := <-passed; err != nil {
			t.Error(err)
		}
		if err := alive(); err != nil {
			t.Errorf("after it: %v", err)
		}
		stop()
	})
}
