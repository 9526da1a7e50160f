package expr

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/metasync/metasync/engine/identity"
)

// entraDateTimeFunctions compute with datetimes (sync-engine §6.5 "Date/time").
// All of them are in UTC.
var entraDateTimeFunctions = []Function{
	{
		Name: "Now", Dialects: entraOnly, Source: entraText, Result: identity.TypeDateTime,
		Doc: "The time of the run: it is the same for all objects of one.",
		build: fixed0(func(ctx *Context) (Value, error) {
			if ctx.Now.IsZero() {
				return Of(identity.DateTime(time.Now())), nil
			}
			return Of(identity.DateTime(ctx.Now)), nil
		}),
	},
	{
		Name: "DateAdd", Dialects: entraOnly, Source: entraText, Result: identity.TypeDateTime,
		Doc: "The datetime with a number of intervals added: yyyy (years), q (quarters), m (months), y, d or w (days), ww (weeks), h (hours), n (minutes), s (seconds). " +
			"A month that is too short for the day gives its last day.",
		Params: []Param{param("interval", Text), param("number", Number), param("dateTime", DateTime)}, build: buildDateAdd,
	},
	{
		Name: "DateFromNum", Dialects: entraOnly, Source: entraText, Result: identity.TypeDateTime,
		Doc:    "The datetime of a number as Active Directory writes it: in steps of 100 ns since the beginning of 1601. An error if it is after the year 9999, as the number that means never is.",
		Params: []Param{param("number", Number)}, build: fixed1(dateFromNum),
	},
	{
		Name: "NumFromDate", Dialects: entraOnly, Source: entraText, Result: identity.TypeInteger,
		Doc:    "The datetime as the number that Active Directory writes: in steps of 100 ns since the beginning of 1601.",
		Params: []Param{param("dateTime", DateTime)}, build: fixed1(numFromDate),
	},
	{
		Name: "FormatDateTime", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc:    "The datetime in a format of .NET, such as yyyy-MM-dd. CDate makes a datetime of a text.",
		Params: []Param{param("dateTime", DateTime), param("format", Text)}, build: buildDateTimeFormat,
	},
}

// parseZonedDateTime reads what parseDateTime does, and a datetime with a time
// zone after it: 2013-01-10 4:00 PM -8.
func parseZonedDateTime(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	if i := strings.LastIndexByte(s, ' '); i >= 0 {
		if offset, ok := parseZone(s[i+1:]); ok {
			local := strings.TrimSpace(s[:i])
			if at, ok := shapeOf(local).parseLocal(local); ok {
				return at.Add(-offset), true
			}
		}
	}
	return parseDateTime(s)
}

// parseZone reads an offset of UTC in hours and minutes, or one of the names that
// mean none.
func parseZone(s string) (time.Duration, bool) {
	switch strings.ToUpper(s) {
	case "Z", "UTC", "GMT":
		return 0, true
	}
	sign := time.Duration(1)
	switch {
	case strings.HasPrefix(s, "-"):
		sign = -1
	case !strings.HasPrefix(s, "+"):
		return 0, false
	}
	digits := s[1:]
	hours, minutes := digits, "00"
	switch {
	case len(digits) == 5 && digits[2] == ':':
		hours, minutes = digits[:2], digits[3:]
	case len(digits) == 4:
		hours, minutes = digits[:2], digits[2:]
	}
	h, ok1 := twoDigits(hours)
	m, ok2 := twoDigits(minutes)
	if !ok1 || !ok2 || m >= 60 || h*60+m > 14*60 { // no zone is further from UTC
		return 0, false
	}
	return sign * time.Duration(h*60+m) * time.Minute, true
}

// twoDigits reads a number of one or two digits.
func twoDigits(s string) (n int, ok bool) {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, len(s) == 1 || len(s) == 2
}

// An interval is what DateAdd adds: months, or seconds.
type interval struct{ months, seconds int64 }

const secondsOfDay = 24 * 60 * 60

func parseInterval(name string) (interval, error) {
	switch {
	case len(name) > 4:
	case strings.EqualFold(name, "yyyy"):
		return interval{months: 12}, nil
	case strings.EqualFold(name, "q"):
		return interval{months: 3}, nil
	case strings.EqualFold(name, "m"):
		return interval{months: 1}, nil
	case strings.EqualFold(name, "y"), strings.EqualFold(name, "d"), strings.EqualFold(name, "w"):
		return interval{seconds: secondsOfDay}, nil
	case strings.EqualFold(name, "ww"):
		return interval{seconds: 7 * secondsOfDay}, nil
	case strings.EqualFold(name, "h"):
		return interval{seconds: 60 * 60}, nil
	case strings.EqualFold(name, "n"):
		return interval{seconds: 60}, nil
	case strings.EqualFold(name, "s"):
		return interval{seconds: 1}, nil
	}
	return interval{}, fmt.Errorf("%s is none of the intervals yyyy, q, m, y, d, w, ww, h, n, s", show(identity.String(name)))
}

// buildDateAdd reads an interval that is written in the expression once.
func buildDateAdd(c *compiler, s *site) (operand, error) {
	if a := &s.args[0]; a.constant && !a.null {
		step, err := parseInterval(a.value.single.Str())
		if err != nil {
			return operand{}, s.fail(err)
		}
		return fixed3(func(_ *Context, _, n, at identity.Value) (Value, error) { return step.add(n.Int(), at.Time()) })(c, s)
	}
	return fixed3(func(_ *Context, name, n, at identity.Value) (Value, error) {
		step, err := parseInterval(name.Str())
		if err != nil {
			return Value{}, err
		}
		return step.add(n.Int(), at.Time())
	})(c, s)
}

var errCalendar = errors.New("the result is not between the years 100 and 9999")

// add returns the time n intervals later, as DateAdd of Visual Basic does.
func (i interval) add(n int64, at time.Time) (Value, error) {
	const most = 10_000 * 366 * secondsOfDay // seconds, or anything longer: more than the calendar has
	if n > most || n < -most || at.Year() < 0 || at.Year() > 9999 {
		return Value{}, errCalendar
	}
	if i.months != 0 {
		months := int64(at.Year())*12 + int64(at.Month()) - 1 + n*i.months
		if months < 0 {
			return Value{}, errCalendar
		}
		year, month := int(min(months/12, 10_000)), time.Month(months%12+1)
		last := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
		at = time.Date(year, month, min(at.Day(), last), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), time.UTC)
	} else {
		at = time.Unix(at.Unix()+n*i.seconds, int64(at.Nanosecond())).UTC()
	}
	if at.Year() < 100 || at.Year() > 9999 {
		return Value{}, errCalendar
	}
	return Of(identity.DateTime(at)), nil
}

const (
	fileTimeEpoch = -11_644_473_600           // 1601-01-01 in seconds since 1970
	fileTimeEnd   = 2_650_467_744_000_000_000 // the first number after the year 9999
	fileTimeTicks = 10_000_000                // a second
)

func dateFromNum(_ *Context, number identity.Value) (Value, error) {
	n := number.Int()
	if n < 0 || n >= fileTimeEnd {
		return Value{}, fmt.Errorf("%d is not a datetime between the years 1601 and 9999", n)
	}
	return Of(identity.DateTime(time.Unix(fileTimeEpoch+n/fileTimeTicks, n%fileTimeTicks*100))), nil
}

func numFromDate(_ *Context, dateTime identity.Value) (Value, error) {
	at := dateTime.Time()
	seconds := at.Unix() - fileTimeEpoch
	if seconds < 0 || at.Year() > 9999 {
		return Value{}, fmt.Errorf("%s is not between the years 1601 and 9999", show(dateTime))
	}
	return Int(seconds*fileTimeTicks + int64(at.Nanosecond())/100), nil
}
