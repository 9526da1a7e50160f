package triggers

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/store"
)

// However often the process ends and starts: every time that comes while it works
// is served then, and once; what comes while it does not is made up for once at the
// start, or not at all.
func TestRestartLaw(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		skip := rapid.Bool().Draw(rt, "skip")
		spans := rapid.SliceOfN(rapid.Int64Range(0, 50), 1, 12).Draw(rt, "spans")
		var got, want []string
		synctest.Test(t, func(t *testing.T) {
			h := newHarness(store.NewMemory())
			spec := autosync.TriggerSpec{Name: "n", Agent: "A", Run: asking("r"), Cron: "*/10 * * * *", TimeZone: time.UTC, SkipMissed: skip}
			at, missed := time.Duration(0), false
			for i, span := range spans {
				length := time.Duration(span)*time.Minute + 7*time.Second // never at the time itself
				works := i%2 == 0
				var stop func()
				if works {
					h = h.again()
					h.replace(t, spec)
					stop = h.run(t)
					if missed && !skip {
						want = append(want, at.String()+" A r (trigger n)")
					}
					missed = false
				}
				for due := at.Truncate(10*time.Minute) + 10*time.Minute; due <= at+length; due += 10 * time.Minute {
					if works {
						want = append(want, due.String()+" A r (trigger n)")
					} else {
						missed = true
					}
				}
				pass(length)
				at += length
				if works {
					stop()
					got = append(got, h.taken()...)
				}
			}
		})
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Error(diff)
		}
	})
}

// A season with a change of the clock: each night once.
func TestASeason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(store.NewMemory())
		berlin, err := time.LoadLocation("Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		h.replace(t, autosync.TriggerSpec{Name: "n", Agent: "A", Run: asking("r"), Cron: "30 2 * * *", TimeZone: berlin})
		stop := h.run(t)
		pass(100 * 24 * time.Hour) // from January to April
		stop()
		if got := len(h.taken()); got != 100 {
			t.Errorf("%d times in 100 nights", got)
		}
	})
}
