package calendar

import (
	"time"

	"github.com/metasync/metasync/engine/fault"
)

// day is how long a day is that no change of the clock makes longer or shorter.
const day = 24 * time.Hour

// A Period is due at a start, and from then on again and again. A period of whole
// days keeps the time that the clock shows; any other counts hours as they pass.
type Period struct {
	start time.Time
	every time.Duration // 0 is once
}

// NewPeriod returns a period from a start; every must not be negative, and 0 is
// due once. The zone of start decides what its clock shows.
func NewPeriod(start time.Time, every time.Duration) Period { return Period{start, every} }

// Next returns the first occasion after a time, the zero time if there is none.
func (p Period) Next(after time.Time) time.Time {
	switch {
	case p.start.After(after):
		return p.start
	case p.every <= 0:
		return time.Time{}
	case p.every%day != 0:
		return p.start.Add((after.Sub(p.start)/p.every + 1) * p.every)
	}
	// The clock may have been changed by some hours since the start: begin a step
	// early.
	for n := max(0, after.Sub(p.start)/p.every-1); ; n++ {
		shown := show(p.start).Add(n * p.every)
		if at := moment(shown, p.start.Location()); at.After(after) {
			return at
		}
	}
}

// startLayouts are the forms of a start without a distance from UTC.
var startLayouts = []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}

// ParseStart reads a date and a time such as 2026-01-31T02:00, in a zone, of which
// nil is local time; or one with its distance from UTC, as RFC 3339 has it. A time
// that the clock skips becomes the next one that it shows.
func ParseStart(text string, zone *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.In(orLocal(zone)), nil
	}
	for _, layout := range startLayouts {
		if shown, err := time.Parse(layout, text); err == nil {
			return moment(shown, orLocal(zone)), nil
		}
	}
	err := fault.New("bad-start-time", "%q is not a date with a time", text)
	err.Hint = "write 2026-01-31T02:00"
	return time.Time{}, err
}
