package calendar

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/metasync/metasync/engine/fault"
)

// A Cron is due when the clock on a wall shows certain times.
type Cron struct {
	fields    *cron.SpecSchedule // compares as if the clock showed UTC
	zone      *time.Location
	everyHour bool
}

// ParseCron reads five fields or a descriptor such as @daily. A nil zone is local
// time. The error is a bad-cron-time with a hint.
func ParseCron(text string, zone *time.Location) (c Cron, err error) {
	defer func() {
		if p := recover(); p != nil { // the parser panics on some bad input
			err = badCron(text, fmt.Sprint(p), "")
		}
	}()
	text = strings.TrimSpace(text)
	switch {
	case strings.HasPrefix(text, "TZ=") || strings.HasPrefix(text, "CRON_TZ="):
		return c, badCron(text, "a time zone does not belong into the cron time", "use timezone")
	case strings.HasPrefix(text, "@every"):
		return c, badCron(text, "an interval is not a cron time", "use every")
	}
	parsed, err := cron.ParseStandard(text)
	if err != nil {
		hint := "write minute, hour, day of the month, month and day of the week, 0 or SUN for Sunday"
		return c, badCron(text, err.Error(), hint)
	}
	fields, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return c, badCron(text, "it is not a time", "")
	}
	fields.Location = time.UTC
	if fields.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return c, badCron(text, "that day does not exist", "")
	}
	const hours = 1<<24 - 1
	return Cron{fields: fields, zone: orLocal(zone), everyHour: fields.Hour&hours == hours}, nil
}

func badCron(text, why, hint string) error {
	err := fault.New("bad-cron-time", "%q: %s", text, why)
	err.Hint = hint
	return err
}

// Next returns the first occasion after a time; the zero time if there is none in
// the next five years.
func (c Cron) Next(after time.Time) time.Time {
	after = after.In(c.zone)
	if c.everyHour {
		return c.nextPassing(after)
	}
	for shown := show(after); ; {
		shown = c.fields.Next(shown)
		if shown.IsZero() {
			return time.Time{}
		}
		if at := moment(shown, c.zone); at.After(after) {
			return at
		}
	}
}

// nextPassing takes time as it passes: from one change of the clock to the next
// what it shows is a fixed distance from UTC. The parser's own way through a time
// zone is not used, because it goes astray where midnight is skipped.
func (c Cron) nextPassing(after time.Time) time.Time {
	for from := after; ; {
		_, end := from.ZoneBounds()
		shown := c.fields.Next(show(from))
		if shown.IsZero() {
			return time.Time{}
		}
		at := from.Add(shown.Sub(show(from)))
		if end.IsZero() || at.Before(end) {
			return at
		}
		if c.fields.Next(show(end).Add(-time.Nanosecond)).Equal(show(end)) {
			return end
		}
		from = end
	}
}

// show returns what the clock on the wall shows, as if it were UTC.
func show(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// moment returns when a clock first shows a time, or, if it skips it, when it does
// so.
func moment(shown time.Time, zone *time.Location) time.Time {
	at := time.Date(shown.Year(), shown.Month(), shown.Day(), shown.Hour(), shown.Minute(), shown.Second(), 0, zone)
	start, end := at.ZoneBounds()
	switch got := show(at); {
	case got.After(shown): // taken as it was before the change
		return start
	case got.Before(shown): // taken as it is after the change
		return end
	}
	if !start.IsZero() {
		_, offset := start.Add(-time.Second).Zone()
		if first := time.Unix(shown.Unix()-int64(offset), 0).In(zone); first.Before(start) {
			return first
		}
	}
	return at
}

func orLocal(zone *time.Location) *time.Location {
	if zone == nil {
		return time.Local
	}
	return zone
}
