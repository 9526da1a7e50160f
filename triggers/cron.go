package triggers

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/metasync/metasync/engine/fault"
)

// A schedule says when a trigger is due.
type schedule interface {
	// next returns the first occasion after a time, the zero time if there is none.
	next(after time.Time) time.Time

	// passed returns what to remember when all occasions after last, up to now,
	// have been dealt with: next of it is the first occasion after now.
	passed(last, now time.Time) time.Time
}

// every is due at equal distances.
type every time.Duration

func (e every) next(after time.Time) time.Time { return after.Add(time.Duration(e)) }

func (e every) passed(last, now time.Time) time.Time {
	return now.Add(-(now.Sub(last) % time.Duration(e)))
}

// wallClock is due when the clock on a wall shows certain times.
type wallClock struct {
	fields    *cron.SpecSchedule // compares as if the clock showed UTC
	zone      *time.Location
	everyHour bool
}

// parseCron reads five fields or a descriptor such as @daily. A nil zone is
// local time.
func parseCron(text string, zone *time.Location) (w wallClock, err error) {
	defer func() {
		if p := recover(); p != nil { // the parser panics on some bad input
			err = badCron(text, fmt.Sprint(p), "")
		}
	}()
	text = strings.TrimSpace(text)
	switch {
	case strings.HasPrefix(text, "TZ=") || strings.HasPrefix(text, "CRON_TZ="):
		return w, badCron(text, "a time zone does not belong into the cron time", "use timezone")
	case strings.HasPrefix(text, "@every"):
		return w, badCron(text, "an interval is not a cron time", "use every")
	}
	parsed, err := cron.ParseStandard(text)
	if err != nil {
		hint := "write minute, hour, day of the month, month and day of the week, 0 or SUN for Sunday"
		return w, badCron(text, err.Error(), hint)
	}
	fields, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return w, badCron(text, "it is not a time", "")
	}
	fields.Location = time.UTC
	if fields.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return w, badCron(text, "that day does not exist", "")
	}
	if zone == nil {
		zone = time.Local
	}
	const hours = 1<<24 - 1
	return wallClock{fields: fields, zone: zone, everyHour: fields.Hour&hours == hours}, nil
}

func badCron(text, why, hint string) error {
	err := fault.New("bad-cron-time", "%q: %s", text, why)
	err.Hint = hint
	return err
}

func (w wallClock) next(after time.Time) time.Time {
	after = after.In(w.zone)
	if w.everyHour {
		fields := *w.fields
		fields.Location = w.zone
		return fields.Next(after)
	}
	for shown := show(after); ; {
		shown = w.fields.Next(shown)
		if shown.IsZero() {
			return time.Time{}
		}
		if at := w.moment(shown); at.After(after) {
			return at
		}
	}
}

func (w wallClock) passed(_, now time.Time) time.Time { return now }

// show returns what the clock on the wall shows, as if it were UTC.
func show(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// moment returns when the clock first shows a time, or, if it skips it, when it
// does so.
func (w wallClock) moment(shown time.Time) time.Time {
	at := time.Date(shown.Year(), shown.Month(), shown.Day(), shown.Hour(), shown.Minute(), shown.Second(), 0, w.zone)
	start, end := at.ZoneBounds()
	switch got := show(at); {
	case got.After(shown): // taken as it was before the change
		return start
	case got.Before(shown): // taken as it is after the change
		return end
	}
	if !start.IsZero() {
		_, offset := start.Add(-time.Second).Zone()
		if first := time.Unix(shown.Unix()-int64(offset), 0).In(w.zone); first.Before(start) {
			return first
		}
	}
	return at
}
