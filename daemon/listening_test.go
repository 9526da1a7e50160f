package daemon

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/metasync/metasync/engine/fault"
)

// A bell is a system that tells of changes, or says that it cannot.
type bell struct {
	mu     sync.Mutex
	cannot error
	asked  []time.Duration // when, since the beginning
	begun  time.Time
	rings  chan struct{}
}

func (b *bell) Watch(ctx context.Context, changed func()) error {
	b.mu.Lock()
	b.asked = append(b.asked, time.Since(b.begun))
	cannot := b.cannot
	b.mu.Unlock()
	if cannot != nil {
		return cannot
	}
	changed()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-b.rings:
			changed()
		}
	}
}

// A source is listened to, and polled as long as its server says that it cannot tell.
func TestListening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bell{cannot: fault.New("no-start-change-log-not-enabled", "no overlay"), begun: time.Now(), rings: make(chan struct{})}
		l := &listening{
			every: func(string) time.Duration { return 10 * time.Minute }, now: time.Now, log: slog.New(slog.DiscardHandler), choices: map[string]Choice{},
		}
		if c := l.choice("AD"); c.By != "" || c.Why == "" {
			t.Errorf("nobody has asked, and it is %+v", c)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		var mu sync.Mutex
		var looks []time.Duration
		go func() {
			ended <- l.watch(ctx, "AD", b, false, func(_ []byte, happened bool) {
				if happened {
					mu.Lock()
					defer mu.Unlock()
					looks = append(looks, time.Since(b.begun))
				}
			})
		}()
		expect := func(what, by, why string, want []time.Duration) {
			t.Helper()
			synctest.Wait()
			if c := l.choice("AD"); c.By != by || !strings.Contains(c.Why, why) || (c.Every != "") != (by == ByPolling) {
				t.Errorf("%s: %+v", what, c)
			}
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(looks, want) {
				t.Errorf("%s: looked at %v, want %v", what, looks, want)
			}
			looks = nil
		}

		expect("it cannot", ByPolling, "no overlay", []time.Duration{0})
		time.Sleep(25 * time.Minute)
		expect("it still cannot", ByPolling, "no overlay", []time.Duration{10 * time.Minute, 20 * time.Minute})
		if want := []time.Duration{0, 10 * time.Minute, 20 * time.Minute}; !slices.Equal(b.asked, want) {
			t.Errorf("asked at %v, want %v", b.asked, want)
		}

		b.mu.Lock()
		b.cannot = nil
		b.mu.Unlock()
		time.Sleep(5 * time.Minute) // the next look, and what it finds
		expect("it can", ByNotification, "tells", []time.Duration{30 * time.Minute, 30 * time.Minute})
		time.Sleep(15 * time.Minute)
		expect("nothing happens", ByNotification, "tells", nil)
		b.rings <- struct{}{}
		expect("it rings", ByNotification, "tells", []time.Duration{45 * time.Minute})
		time.Sleep(61 * time.Minute)
		expect("it says nothing for an hour", ByNotification, "tells", []time.Duration{105 * time.Minute})

		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	})
}

// deaf never gets a connection, and never says that it cannot.
type deaf struct{}

func (deaf) Watch(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return ctx.Err()
}

// A server that cannot be reached is polled, too: nobody knows yet whether it tells.
func TestListeningToNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listening{
			every: func(string) time.Duration { return 10 * time.Minute }, now: time.Now, log: slog.New(slog.DiscardHandler), choices: map[string]Choice{},
		}
		ctx, cancel := context.WithTimeout(t.Context(), 35*time.Minute)
		defer cancel()
		looks := 0
		err := l.watch(ctx, "AD", deaf{}, false, func([]byte, bool) { looks++ })
		if !errors.Is(err, context.DeadlineExceeded) || looks != 3 || l.choice("AD").By != "" {
			t.Errorf("%d looks, %+v, %v", looks, l.choice("AD"), err)
		}
	})
}
