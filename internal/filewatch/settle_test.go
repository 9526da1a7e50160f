package filewatch

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// An event of a scenario, at a time after its start: the contents become what
// is given, and a notification arrives unless it is lost.
type event struct {
	at       time.Duration
	contents Fingerprint
	lost     bool
}

func TestSettle(t *testing.T) {
	const ms = time.Millisecond
	many := func(n int, every time.Duration, contents string) []event {
		var events []event
		for i := range n {
			events = append(events, event{at: time.Duration(i) * every, contents: Fingerprint(contents)})
		}
		return events
	}
	tests := []struct {
		name    string
		options Options
		events  []event
		want    []string // contents and time of each report
	}{
		{name: "nothing happens"},
		{name: "one change", events: []event{{at: 0, contents: "b"}}, want: []string{"b 250ms"}},
		{name: "touched", events: []event{{at: 0, contents: "a"}}},
		{name: "there and back", events: []event{{at: 0, contents: "b"}, {at: 100 * ms, contents: "a"}}},
		{name: "a burst is one change", events: many(5, 100*ms, "b"), want: []string{"b 650ms"}},
		{name: "two changes", events: []event{{at: 0, contents: "b"}, {at: time.Second, contents: "c"}}, want: []string{"b 250ms", "c 1.25s"}},
		{name: "no longer than the maximum", events: many(100, 100*ms, "b"), want: []string{"b 2s"}},
		{name: "no maximum", options: Options{Max: -1}, events: many(100, 100*ms, "b"), want: []string{"b 10.15s"}},
		{name: "lost notification", events: []event{{at: time.Second, contents: "b", lost: true}}, want: []string{"b 1m0.25s"}},
		{
			name: "a file that grows without notifications", options: Options{Rescan: time.Second, Max: -1},
			events: []event{
				{at: 900 * ms, contents: "b", lost: true},
				{at: 1100 * ms, contents: "c", lost: true},
				{at: 1300 * ms, contents: "d", lost: true},
				{at: 1700 * ms, contents: "e", lost: true},
			},
			want: []string{"e 2s"},
		},
		{name: "known state", options: Options{Since: "a"}},
		{name: "other state", options: Options{Since: "old"}, want: []string{"a 250ms"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				start := time.Now()
				var contents atomic.Value
				contents.Store(Fingerprint("a"))
				hints := make(chan struct{}, 1)
				for _, e := range test.events {
					time.AfterFunc(e.at+time.Nanosecond, func() {
						contents.Store(e.contents)
						if !e.lost {
							hints <- struct{}{}
						}
					})
				}
				var got []string
				settle(ctx, test.options.withDefaults(), hints, func() Fingerprint { return contents.Load().(Fingerprint) },
					func(_ context.Context, now Fingerprint) {
						got = append(got, string(now)+" "+time.Since(start).Round(ms).String())
					})
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}
