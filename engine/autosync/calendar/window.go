package calendar

import (
	"time"

	"github.com/metasync/metasync/engine/fault"
)

// A Window opens at the times of a cron expression, each time for a while.
type Window struct {
	Cron string        `json:"cron"`
	For  time.Duration `json:"for"`
}

// maxWindow is the longest that a window may be open.
const maxWindow = 366 * day

// Hours are the times at which something may happen: in one of certain windows, if
// there are any, and in none of others. The zero Hours are always open.
type Hours struct{ during, exclusions []span }

type span struct {
	opens  Cron
	length time.Duration
}

// NewHours returns the hours of windows in a zone, of which nil is local time. The
// error names what is wrong with a window.
func NewHours(during, exclusions []Window, zone *time.Location) (h Hours, err error) {
	if h.during, err = spans(during, zone); err != nil {
		return Hours{}, err
	}
	if h.exclusions, err = spans(exclusions, zone); err != nil {
		return Hours{}, err
	}
	return h, nil
}

func spans(windows []Window, zone *time.Location) ([]span, error) {
	var list []span
	for _, w := range windows {
		opens, err := ParseCron(w.Cron, zone)
		if err != nil {
			return nil, err
		}
		if w.For <= 0 || w.For > maxWindow {
			return nil, fault.New("bad-window", "the window %q is open for %v; it takes a time of 366 days at most", w.Cron, w.For)
		}
		list = append(list, span{opens, w.For})
	}
	return list, nil
}

// closes returns when a window closes that is open at a time, the zero time if it
// is not open. If it opens again before it closes, a later call tells.
func (s span) closes(t time.Time) time.Time {
	opened := s.opens.Next(t.Add(-s.length)) // one that opened then is closing now
	if opened.IsZero() || opened.After(t) {
		return time.Time{}
	}
	return opened.Add(s.length)
}

// Open reports whether the hours are open at a time.
func (h Hours) Open(t time.Time) bool {
	return h.excludedUntil(t).IsZero() && h.inside(t)
}

// maxSteps bounds the search for an opening. It reaches years ahead for windows of
// days, and ends where exclusions leave nothing over.
const maxSteps = 2000

// NextOpen returns the first time, from t on, at which the hours are open; the zero
// time if they never are, as far as one can see.
func (h Hours) NextOpen(t time.Time) time.Time {
	for range maxSteps {
		if until := h.excludedUntil(t); !until.IsZero() {
			t = until
			continue
		}
		if h.inside(t) {
			return t
		}
		if t = h.opening(t); t.IsZero() {
			break
		}
	}
	return time.Time{}
}

// excludedUntil returns when the exclusion of a time ends, the zero time if it is
// not excluded.
func (h Hours) excludedUntil(t time.Time) (until time.Time) {
	for _, s := range h.exclusions {
		if end := s.closes(t); end.After(until) {
			until = end
		}
	}
	return until
}

func (h Hours) inside(t time.Time) bool {
	for _, s := range h.during {
		if !s.closes(t).IsZero() {
			return true
		}
	}
	return len(h.during) == 0
}

// opening returns when the next window opens.
func (h Hours) opening(t time.Time) (next time.Time) {
	for _, s := range h.during {
		if at := s.opens.Next(t); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}
