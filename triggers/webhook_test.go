package triggers

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/store"
)

const token = "correct-horse-battery"

func hookSpec() autosync.TriggerSpec {
	return autosync.TriggerSpec{
		Name: "file", Agent: "HR", Run: asking("full-import"), Webhook: &autosync.Webhook{Name: "hr", Token: token, PerMinute: 1000},
	}
}

// call calls a webhook and returns the status and Retry-After.
func (h *harness) call(change func(r *http.Request), body string) (status int, retry string) {
	r := httptest.NewRequest(http.MethodPost, "/hooks/hr?n=1", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "text/plain")
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.Webhooks().ServeHTTP(w, r)
	synctest.Wait()
	return w.Code, w.Header().Get("Retry-After")
}

func TestWebhook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		h.replace(t, hookSpec())
		if status, retry := h.call(nil, ""); status != http.StatusServiceUnavailable || retry != "60" {
			t.Errorf("before it works: %d, %s", status, retry)
		}
		stop := h.run(t)
		for _, test := range []struct {
			name   string
			change func(r *http.Request)
			body   string
			want   int
		}{
			{"good", nil, "", 202},
			{"other header", func(r *http.Request) { r.Header.Del("Authorization"); r.Header.Set("X-Metasync-Token", token) }, "", 202},
			{"no token", func(r *http.Request) { r.Header.Del("Authorization") }, "", 401},
			{"wrong token", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token+"s") }, "", 401},
			{"other scheme", func(r *http.Request) { r.Header.Set("Authorization", "Basic "+token) }, "", 401},
			{"other name", func(r *http.Request) { r.URL.Path = "/hooks/hrx" }, "", 404},
			{"other path", func(r *http.Request) { r.URL.Path = "/" }, "", 404},
			{"GET", func(r *http.Request) { r.Method = http.MethodGet }, "", 405},
			{"largest body", nil, strings.Repeat("x", maxBody), 202},
			{"large body", nil, strings.Repeat("x", maxBody+1), 413},
			{"no text", nil, "\xff", 400},
		} {
			before := len(h.taken())
			status, _ := h.call(test.change, test.body)
			if status != test.want {
				t.Errorf("%s: %d, want %d", test.name, status, test.want)
			}
			if got := len(h.taken()); got != map[bool]int{true: 1}[test.want == 202] {
				t.Errorf("%s: %d requests after %d", test.name, got, before)
			}
		}
		stop()
	})
}

// More calls than the limit are refused, with the time after which one is taken
// again.
func TestWebhookRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		spec := hookSpec()
		spec.Webhook.PerMinute = 4
		h.replace(t, spec)
		stop := h.run(t)
		statuses := func(n int) (list []int) {
			for range n {
				status, retry := h.call(nil, "")
				if list = append(list, status); status == http.StatusTooManyRequests && retry != "15" {
					t.Errorf("Retry-After: %s", retry)
				}
			}
			return list
		}
		if diff := cmp.Diff([]int{202, 202, 202, 202, 429, 429}, statuses(6)); diff != "" {
			t.Error(diff)
		}
		pass(15 * time.Second)
		if diff := cmp.Diff([]int{202, 429}, statuses(2)); diff != "" {
			t.Error(diff)
		}
		pass(time.Hour)
		if diff := cmp.Diff([]int{202, 202, 202, 202, 429}, statuses(5)); diff != "" {
			t.Error(diff)
		}
		if status, _ := h.call(func(r *http.Request) { r.Header.Del("Authorization") }, ""); status != 401 {
			t.Errorf("a stranger: %d", status)
		}
		stop()
	})
}

// Each call is put to the check once, in order, also after a restart; what cannot
// be answered stays. Without a check those that wait are one.
func TestWebhookCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		var seen []string
		var broken error
		spec := hookSpec()
		spec.Run, spec.MinInterval = nil, time.Hour
		spec.Check = func(_ context.Context, on autosync.Occasion) ([]autosync.Request, error) {
			if broken != nil {
				return nil, broken
			}
			seen = append(seen, on.Call.Body+" "+on.Call.ContentType+" "+on.Call.Query)
			return []autosync.Request{{Profile: on.Call.Body}}, nil
		}
		h.replace(t, spec)
		stop := h.run(t)
		h.call(nil, "a")
		h.expect(t, "0s HR a (trigger file)")
		for _, body := range []string{"b", "c", "d"} {
			if status, _ := h.call(nil, body); status != http.StatusAccepted {
				t.Errorf("%s: %d", body, status)
			}
		}
		h.expect(t)
		stop()
		h = h.again()
		h.replace(t, spec)
		stop = h.run(t)
		pass(time.Hour)
		h.expect(t, "1h0m0s HR b (trigger file)", "1h0m0s HR c (trigger file)", "1h0m0s HR d (trigger file)")
		broken = errors.New("down")
		pass(time.Hour)
		h.call(nil, "e")
		h.call(nil, "f")
		pass(time.Minute)
		h.expect(t)
		stop()
		broken = nil
		h = h.again()
		h.replace(t, spec)
		stop = h.run(t)
		pass(5 * time.Minute)
		got := h.taken()
		if len(got) != 2 || !strings.Contains(got[0], " e ") || !strings.Contains(got[1], " f ") {
			t.Errorf("got %v", got)
		}
		for i := range maxCalls + 2 {
			status, _ := h.call(nil, "g")
			if full := i >= maxCalls; full != (status == http.StatusServiceUnavailable) {
				t.Fatalf("call %d: %d", i, status)
			}
		}
		stop()
		if seen[0] != "a text/plain n=1" || len(seen) != 6 {
			t.Errorf("seen %q", seen)
		}
		h = h.again()
		plain := hookSpec()
		plain.MinInterval = 2 * time.Hour
		h.replace(t, plain)
		stop = h.run(t)
		if status, _ := h.call(nil, "g"); status != http.StatusAccepted { // those that wait are one now
			t.Errorf("status %d", status)
		}
		pass(3 * time.Hour)
		if got := h.taken(); len(got) != 1 {
			t.Errorf("got %v", got)
		}
		stop()
		if kept := kept(t, h.store, newState(h.store, idOf(spec), ofCalls)); kept != 0 {
			t.Errorf("%d calls are kept", kept)
		}
	})
}

// A call whose check fails keeps no other one back, not those that wait nor those that
// come. It is tried again, also after a restart, and in the end given up.
func TestWebhookCallThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		var mu sync.Mutex
		var events []string
		seen := func() []string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(events)
		}
		spec := hookSpec()
		spec.Run = nil
		spec.Check = func(_ context.Context, on autosync.Occasion) ([]autosync.Request, error) {
			if on.Call.Body == "bad" {
				return nil, errors.New("no such number")
			}
			return []autosync.Request{{Profile: on.Call.Body}}, nil
		}
		begin := func() (stop func()) {
			h.options.Event = func(e Event) {
				mu.Lock()
				defer mu.Unlock()
				events = append(events, e.Kind)
			}
			h.replace(t, spec)
			return h.run(t)
		}
		stop := begin()
		h.call(nil, "bad")
		h.call(nil, "a")
		h.expect(t, "0s HR a (trigger file)")
		pass(time.Hour)
		h.call(nil, "b")
		h.expect(t, "1h0m0s HR b (trigger file)")
		if got := h.Health()[0]; got.State != BackingOff || got.Failures < 10 || !strings.Contains(got.LastError, "no such number") || !got.Next.After(time.Now()) {
			t.Errorf("health: %+v", got)
		}
		calls := newState(h.store, idOf(spec), ofCalls)
		if n := kept(t, h.store, calls); n != 1 {
			t.Errorf("%d calls are kept", n)
		}
		stop()
		h = h.again()
		stop = begin()
		h.call(nil, "c")
		h.expect(t, "1h0m0s HR c (trigger file)")
		if got := h.Health()[0]; got.Failures < 11 {
			t.Errorf("health: %+v", got)
		}
		if events := seen(); slices.Contains(events, EventRecovered) {
			t.Errorf("it did not work again: %v", events)
		}
		pass(24 * time.Hour)
		if n := kept(t, h.store, calls); n != 0 {
			t.Errorf("%d calls are kept after a day", n)
		}
		h.call(nil, "d")
		if events := seen(); events[len(events)-1] != EventRecovered || h.Health()[0].Failures != 0 {
			t.Errorf("events end with %s, health: %+v", events[len(events)-1], h.Health()[0])
		}
		h.expect(t, "25h0m0s HR d (trigger file)")
		stop()
	})
}

func kept(t *testing.T, st store.Store, s state) (n int) {
	t.Helper()
	err := st.View(func(r store.Reader) error {
		for range r.Scan(bucket, s.prefix, nil) {
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A trigger that has ended or is disabled takes no calls, and the name of a webhook
// belongs to one trigger.
func TestWebhookAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		spec := hookSpec()
		spec.Disabled = true
		h.replace(t, spec)
		stop := h.run(t)
		if status, _ := h.call(nil, ""); status != http.StatusServiceUnavailable {
			t.Errorf("disabled: %d", status)
		}
		spec.Disabled, spec.TerminateOnError, spec.Run = false, true, nil
		spec.Check = func(context.Context, autosync.Occasion) ([]autosync.Request, error) { return nil, errors.New("bad") }
		h.replace(t, spec)
		if status, _ := h.call(nil, ""); status != http.StatusAccepted {
			t.Errorf("enabled: %d", status)
		}
		if status, _ := h.call(nil, ""); status != http.StatusServiceUnavailable {
			t.Errorf("terminated: %d", status)
		}
		stop()
		other := hookSpec()
		other.Name = "other"
		if err := h.Replace([]autosync.TriggerSpec{spec, other}); err == nil || !strings.Contains(err.Error(), `belongs to the trigger "file"`) {
			t.Errorf("got %v", err)
		}
	})
}
