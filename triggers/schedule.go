package triggers

import (
	"hash/fnv"
	"strconv"
	"time"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/autosync/calendar"
)

// A schedule says when a trigger is due.
type schedule interface {
	// Next returns the first occasion after a time, the zero time if there is none.
	Next(after time.Time) time.Time
}

// every is due at equal distances.
type every time.Duration

// Next implements [schedule].
func (e every) Next(after time.Time) time.Time { return after.Add(time.Duration(e)) }

// newSchedule returns when a trigger is due, nil if that is not a matter of time.
func newSchedule(spec *autosync.TriggerSpec) (schedule, error) {
	switch {
	case spec.Every > 0:
		return every(spec.Every), nil
	case spec.Schedule != nil:
		return calendar.NewPeriod(spec.Schedule.Start, spec.Schedule.Every), nil
	case spec.Cron != "":
		return calendar.ParseCron(spec.Cron, spec.TimeZone)
	}
	return nil, nil
}

// passed returns what to remember when all occasions after last, up to now, have
// been dealt with: the next after it is the first after now.
func passed(s schedule, last, now time.Time) time.Time {
	if e, ok := s.(every); ok && now.After(last) {
		return now.Add(-(now.Sub(last) % time.Duration(e))) // it keeps its beat
	}
	return now
}

// maxSearch bounds how many occasions one look goes through.
const maxSearch = 10_000

// due returns the first occasion after last that is not after now, and at which it
// may act if what is outside is dropped; the zero time if there is none.
func due(s schedule, hours calendar.Hours, drop bool, last, now time.Time) time.Time {
	for range maxSearch {
		last = s.Next(last)
		if last.IsZero() || last.After(now) {
			return time.Time{}
		}
		if !drop || hours.Open(last) {
			return last
		}
	}
	return time.Time{}
}

// upcoming returns the next occasion after a time that is not dropped, the zero time
// if none is in sight.
func upcoming(s schedule, hours calendar.Hours, drop bool, after time.Time) time.Time {
	next := s.Next(after)
	for range maxSearch {
		if next.IsZero() || !drop || hours.Open(next) {
			return next
		}
		open := hours.NextOpen(next)
		if open.IsZero() {
			return open
		}
		if e, ok := s.(every); ok { // straight to the first beat from there
			next = next.Add((open.Sub(next) + time.Duration(e) - 1) / time.Duration(e) * time.Duration(e))
		} else {
			next = s.Next(open.Add(-time.Nanosecond))
		}
	}
	return time.Time{}
}

// delay returns by how much an occasion is put off: less than jitter, and always the
// same for one occasion of one trigger.
func delay(spec *autosync.TriggerSpec, since time.Time) time.Duration {
	if spec.Jitter <= 0 {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(spec.Agent + "\x00" + spec.Name + "\x00" + strconv.FormatInt(since.UnixNano(), 10))) // it never fails
	return time.Duration(h.Sum64() % uint64(spec.Jitter))
}
