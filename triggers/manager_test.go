package triggers

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/internal/filewatch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A harness is a manager whose requests are written down.
type harness struct {
	*Manager
	store store.Store
	begin time.Time

	mu      sync.Mutex
	fired   []string // "1m30s agent profile (name)"
	refused error
}

func newHarness(st store.Store) *harness {
	h := &harness{store: st, begin: time.Now()}
	h.Manager = New(Options{Store: st, Fire: func(r autosync.Request) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.refused != nil {
			return h.refused
		}
		h.fired = append(h.fired, time.Since(h.begin).String()+" "+r.Agent+" "+r.Profile+" ("+r.Cause.Kind+" "+r.Cause.Name+")")
		return nil
	}})
	return h
}

func (h *harness) refuse(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused = err
}

// taken returns what was fired since the last call.
func (h *harness) taken() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	fired := h.fired
	h.fired = nil
	return fired
}

func (h *harness) expect(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, h.taken()); diff != "" {
		t.Error(diff)
	}
}

// expectAny is expect for what may happen in any order.
func (h *harness) expectAny(t *testing.T, want ...string) {
	t.Helper()
	got := h.taken()
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func (h *harness) replace(t *testing.T, specs ...autosync.TriggerSpec) {
	t.Helper()
	if err := h.Replace(specs); err != nil {
		t.Fatal(err)
	}
}

// run has the manager work until the returned function is called.
func (h *harness) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	synctest.Wait()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// pass lets time pass and everything that happens then happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func asking(profiles ...string) (requests []autosync.Request) {
	for _, profile := range profiles {
		requests = append(requests, autosync.Request{Profile: profile})
	}
	return requests
}

func everySpec(d time.Duration) autosync.TriggerSpec {
	return autosync.TriggerSpec{Name: "poll", Agent: "HR", Run: asking("delta-import"), Every: d}
}

// An interval begins with the trigger and goes on over restarts, neither twice
// nor too late.
func TestInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		h.replace(t, everySpec(10*time.Minute))
		stop := h.run(t)
		pass(25 * time.Minute)
		h.expect(t, "10m0s HR delta-import (trigger poll)", "20m0s HR delta-import (trigger poll)")
		if got := h.Health()[0]; !got.Next.Equal(h.begin.Add(30*time.Minute)) || !got.LastFire.Equal(h.begin.Add(20*time.Minute)) {
			t.Errorf("health: %+v", got)
		}
		stop()
		h.expect(t)

		again := newHarness(h.store)
		again.begin = h.begin
		again.replace(t, everySpec(10*time.Minute))
		stop = again.run(t)
		pass(6 * time.Minute)
		again.expect(t, "30m0s HR delta-import (trigger poll)")
		stop()
		pass(44 * time.Minute) // 75 minutes: 40 to 70 are missed
		stop = again.run(t)
		pass(6 * time.Minute)
		again.expect(t, "1h15m0s HR delta-import (trigger poll)", "1h20m0s HR delta-import (trigger poll)")
		stop()
	})
}

func TestCronTrigger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at midnight UTC
		h := newHarness(store.NewMemory())
		h.replace(t, autosync.TriggerSpec{Name: "nightly", Agent: "HR", Run: asking("full-import"), Cron: "0 2 * * *", TimeZone: time.UTC})
		stop := h.run(t)
		pass(27 * time.Hour)
		h.expect(t, "2h0m0s HR full-import (trigger nightly)", "26h0m0s HR full-import (trigger nightly)")
		stop()
		pass(3 * 24 * time.Hour) // it misses three
		stop = h.run(t)
		pass(time.Minute)
		h.expect(t, "99h0m0s HR full-import (trigger nightly)")
		pass(24 * time.Hour)
		h.expect(t, "122h0m0s HR full-import (trigger nightly)")
		stop()
	})
}

func TestCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		var calls []string
		answer := func() ([]autosync.Request, error) { return nil, nil }
		spec := autosync.TriggerSpec{Name: "ask", Agent: "HR", Every: time.Minute}
		spec.Check = func(_ context.Context, on autosync.Occasion) ([]autosync.Request, error) {
			s := on.State
			h.mu.Lock()
			calls = append(calls, time.Since(h.begin).String())
			answer := answer
			h.mu.Unlock()
			seen, err := s.Get("seen")
			if err != nil {
				t.Error(err)
			}
			if err := s.Set("seen", append(seen, 'x')); err != nil {
				t.Error(err)
			}
			return answer()
		}
		reply := func(fn func() ([]autosync.Request, error)) {
			h.mu.Lock()
			defer h.mu.Unlock()
			answer = fn
		}
		h.replace(t, spec)
		stop := h.run(t)
		pass(time.Minute)
		h.expect(t)
		reply(func() ([]autosync.Request, error) {
			return []autosync.Request{{Profile: "delta-import"}, {Agent: "AD", Profile: "full-import"}}, nil
		})
		pass(time.Minute)
		h.expect(t, "2m0s HR delta-import (trigger ask)", "2m0s AD full-import (trigger ask)")

		// It fails: asked again after growing pauses, until it answers.
		h.mu.Lock()
		calls = nil
		h.mu.Unlock()
		reply(func() ([]autosync.Request, error) { return nil, errors.New("no route") })
		pass(90 * time.Second)
		if got := h.Health()[0]; got.Failures != 3 || got.LastError != "no route" || !got.Next.Equal(h.begin.Add(3*time.Minute+35*time.Second)) {
			t.Errorf("health: %+v", got)
		}
		reply(func() ([]autosync.Request, error) { panic("boom") })
		pass(60 * time.Second)
		if got := h.Health()[0]; got.Failures != 5 || !strings.HasPrefix(got.LastError, "panic: boom") {
			t.Errorf("health: %+v", got)
		}
		reply(func() ([]autosync.Request, error) { return []autosync.Request{{Profile: "delta-import"}}, nil })
		pass(2 * time.Minute)
		if diff := cmp.Diff([]string{"3m0s", "3m5s", "3m15s", "3m35s", "4m15s", "5m35s", "6m0s"}, calls); diff != "" {
			t.Error(diff)
		}
		h.expect(t, "5m35s HR delta-import (trigger ask)", "6m0s HR delta-import (trigger ask)")
		if got := h.Health()[0]; got.Failures != 0 || got.LastError != "" {
			t.Errorf("health: %+v", got)
		}
		if seen, err := newState(h.store, idOf(spec), ofCheck).get("seen"); err != nil || string(seen) != "xxxx" {
			t.Errorf("state %q, %v", seen, err)
		}

		// What is refused is asked for again.
		h.refuse(errors.New("unknown profile"))
		pass(time.Minute)
		if got := h.Health()[0]; got.Failures == 0 || got.LastError == "" {
			t.Errorf("health: %+v", got)
		}
		h.refuse(nil)
		pass(30 * time.Second)
		if len(h.taken()) == 0 {
			t.Error("the occasion is lost")
		}
		stop()
	})
}

// Replace keeps what did not change going, swaps its check, and stops the rest.
func TestReplace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		old := everySpec(10 * time.Minute)
		var mu sync.Mutex
		inside, oldCalls := 0, 0
		old.Check = func(ctx context.Context, _ autosync.Occasion) ([]autosync.Request, error) {
			mu.Lock()
			inside++
			oldCalls++
			mu.Unlock()
			<-ctx.Done()
			mu.Lock()
			inside--
			mu.Unlock()
			return nil, ctx.Err()
		}
		gone := autosync.TriggerSpec{Name: "gone", Agent: "HR", Every: 10 * time.Minute}
		gone.Check = func(ctx context.Context, s autosync.Occasion) ([]autosync.Request, error) {
			_, _ = old.Check(ctx, s)
			return []autosync.Request{{Profile: "full-import"}}, nil // it has noted that it answered
		}
		h.replace(t, old, gone)
		stop := h.run(t)
		pass(12 * time.Minute) // both are in their checks
		next := old
		next.Check = func(context.Context, autosync.Occasion) ([]autosync.Request, error) {
			return []autosync.Request{{}}, nil
		}
		added := autosync.TriggerSpec{Name: "added", Agent: "AD", Run: asking("export"), Every: time.Minute}
		h.replace(t, added, next)
		mu.Lock()
		if inside != 0 || oldCalls != 2 {
			t.Errorf("%d old checks are being called, %d were", inside, oldCalls)
		}
		mu.Unlock()
		synctest.Wait()
		got := h.taken()
		slices.Sort(got)
		if diff := cmp.Diff([]string{"12m0s HR delta-import (trigger poll)", "12m0s HR full-import (trigger gone)"}, got); diff != "" {
			t.Error(diff)
		}
		pass(time.Minute)
		h.expect(t, "13m0s AD export (trigger added)")
		pass(7*time.Minute - time.Second)
		h.taken()
		pass(time.Second) // the interval was not begun anew
		got = h.taken()
		slices.Sort(got)
		if diff := cmp.Diff([]string{"20m0s AD export (trigger added)", "20m0s HR delta-import (trigger poll)"}, got); diff != "" {
			t.Error(diff)
		}

		if err := h.Replace([]autosync.TriggerSpec{added, added, {Name: "bad", Every: time.Millisecond}}); err == nil ||
			!strings.Contains(err.Error(), "there are two triggers") || !strings.Contains(err.Error(), "shorter") {
			t.Errorf("got %v", err)
		}
		if health := h.Health(); len(health) != 2 || health[0].Name != "added" || health[1].Name != "poll" {
			t.Errorf("health: %+v", health)
		}
		if err := h.Run(t.Context()); err == nil {
			t.Error("it runs twice")
		}
		stop()
		h.replace(t)
		if len(h.Health()) != 0 {
			t.Error("not empty")
		}
	})
}

func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		h.replace(t, everySpec(time.Minute), autosync.TriggerSpec{Name: "file", Agent: "HR", Run: asking("full-import"), Watch: "/nowhere"})
		if err := h.store.Close(); err != nil {
			t.Fatal(err)
		}
		stop := h.run(t)
		pass(time.Hour)
		for _, got := range h.Health() {
			if n := got.Failures; n < 5 || n > 20 || !strings.Contains(got.LastError, store.ErrClosed.Error()) {
				t.Errorf("health: %+v", got)
			}
		}
		stop()
	})
}

// A clock that was far ahead once does not silence a trigger.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		spec := everySpec(time.Minute)
		w := newWorker(h.Manager, spec)
		w.mark = mark{When: whenOf(&spec), Last: h.begin.Add(1000 * time.Hour), Acted: h.begin.Add(1000 * time.Hour)}
		if err := w.commit(nil, nil); err != nil {
			t.Fatal(err)
		}
		h.replace(t, spec)
		stop := h.run(t)
		pass(time.Minute)
		h.expect(t, "1m0s HR delta-import (trigger poll)")
		stop()
	})
}

// A fakeWatch is told by the test which fingerprints to report.
type fakeWatch struct {
	options chan filewatch.Options
	report  chan filewatch.Fingerprint
}

func (f fakeWatch) watch(ctx context.Context, o filewatch.Options, changed func(context.Context, filewatch.Fingerprint)) {
	f.options <- o
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-f.report:
			changed(ctx, now)
		}
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		f := fakeWatch{make(chan filewatch.Options, 1), make(chan filewatch.Fingerprint)}
		h.watch = f.watch
		nothing := filewatch.Scan(t.Context(), filewatch.Options{})
		spec := autosync.TriggerSpec{Name: "file", Agent: "HR", Run: asking("full-import"), Watch: "/data/*.csv"}
		h.replace(t, spec)
		stop := h.run(t)
		if o := <-f.options; o.Since != nothing || o.Quiet != time.Second || o.Max >= 0 || !slices.Equal(o.Roots, []string{"/data/*.csv"}) {
			t.Errorf("%+v", o)
		}
		see := func(fingerprint filewatch.Fingerprint) {
			f.report <- fingerprint
			synctest.Wait()
		}
		see("one")
		h.expect(t, "0s HR full-import (trigger file)")
		see(nothing) // the file is away for a while
		see("one")
		h.expect(t)
		see("two")
		h.expect(t, "0s HR full-import (trigger file)")

		// What cannot be requested is tried again, with what has changed since.
		h.refuse(errors.New("full"))
		see("three")
		h.refuse(nil)
		pass(5 * time.Second)
		h.expect(t, "5s HR full-import (trigger file)")
		h.refuse(errors.New("full"))
		see("four")
		if got := h.Health()[0]; got.Failures != 1 || got.LastError != "full" || got.State != BackingOff || !got.Next.Equal(got.Backoff) {
			t.Errorf("health: %+v", got)
		}
		see("five")
		h.expect(t)
		h.refuse(nil)
		pass(5 * time.Second)
		h.expect(t, "10s HR full-import (trigger file)")
		if got := h.Health()[0]; got.Failures != 0 || !got.Next.IsZero() {
			t.Errorf("health: %+v", got)
		}

		// A change that could not be requested before the end is found at the start.
		h.refuse(errors.New("full"))
		see("six")
		stop()
		h.refuse(nil)
		spec.Settle = 3 * time.Second
		h.replace(t, spec)
		stop = h.run(t)
		if o := <-f.options; o.Since != "five" || o.Quiet != 3*time.Second {
			t.Errorf("%+v", o)
		}
		stop()
	})
}

// With real files: a new file, an atomic rename, a change made while nobody
// looked.
func TestWatchFiles(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "hr.csv")
	fired := make(chan autosync.Request, 10)
	st := store.NewMemory()
	spec := autosync.TriggerSpec{Name: "file", Agent: "HR", Run: asking("full-import"), Watch: path, Settle: 10 * time.Millisecond}
	start := func() (stop func()) {
		m := New(Options{Store: st, Fire: func(r autosync.Request) error { fired <- r; return nil }})
		if err := m.Replace([]autosync.TriggerSpec{spec}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- m.Run(ctx) }()
		return func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	remembered := func() string {
		m, err := loadMark(newState(st, idOf(spec), ofManager))
		if err != nil {
			t.Fatal(err)
		}
		return string(m.Source)
	}
	await := func(before string) {
		t.Helper()
		if r := <-fired; r.Agent != "HR" || r.Profile != "full-import" {
			t.Errorf("fired %+v", r)
		}
		for remembered() == before { // the trigger remembers right after it fired
			time.Sleep(time.Millisecond)
		}
	}
	write := func(text string) {
		t.Helper()
		temporary := filepath.Join(folder, ".new")
		if err := os.WriteFile(temporary, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(temporary, path); err != nil {
			t.Fatal(err)
		}
	}
	stop := start()
	write("1")
	await("")
	first := remembered()
	write("2")
	await(first)
	second := remembered()
	stop()
	write("3")
	stop = start()
	await(second)
	stop()
	stop = start()
	stop()
	if len(fired) != 0 {
		t.Errorf("it fires for what it knows: %+v", <-fired)
	}
}

func TestValidate(t *testing.T) {
	good := everySpec(time.Minute)
	tests := []struct {
		name   string
		change func(s *autosync.TriggerSpec)
		want   string
	}{
		{"good", func(s *autosync.TriggerSpec) {}, ""},
		{"no name", func(s *autosync.TriggerSpec) { s.Name = "" }, "no name"},
		{"NUL", func(s *autosync.TriggerSpec) { s.Name = "a\x00b" }, "NUL"},
		{"two kinds", func(s *autosync.TriggerSpec) { s.Cron = "@daily" }, "exactly one"},
		{"none", func(s *autosync.TriggerSpec) { s.Every = 0 }, "exactly one"},
		{"fast", func(s *autosync.TriggerSpec) { s.Every = time.Millisecond }, "shorter"},
		{"negative", func(s *autosync.TriggerSpec) { s.Every = -time.Second }, "shorter"},
		{"no profile", func(s *autosync.TriggerSpec) { s.Run = nil }, "run profile"},
		{"cron", func(s *autosync.TriggerSpec) { s.Every, s.Cron = 0, "TZ=UTC" }, "hr.js:3"},
		{"pattern", func(s *autosync.TriggerSpec) { s.Every, s.Watch = 0, "/data/[" }, "not a pattern"},
		{"relative", func(s *autosync.TriggerSpec) { s.Every, s.Watch = 0, "data" }, "absolute"},
		{"settle", func(s *autosync.TriggerSpec) { s.Every, s.Watch, s.Settle = 0, "/data", -1 }, "negative"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec := good
			spec.Position = fault.Position{File: "hr.js", Line: 3}
			test.change(&spec)
			err := Validate([]autosync.TriggerSpec{spec})
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
