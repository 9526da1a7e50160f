package modules

import (
	"errors"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/scripting/host"
)

var nowFunction = host.Member{
	Name: "now", Signature: "(): Date",
	Doc:  "The time. In rules it is that of the run, the same for all objects.",
	Call: func(a *host.Active, _ []goja.Value) (goja.Value, error) { return a.Date(a.Now()) },
}

var dateTypes = host.Type{
	Name: "Units of time",
	Doc:  "What `date.add` counts in.",
	Text: `type TimeUnit = "years" | "months" | "weeks" | "days" | "hours" | "minutes" | "seconds";`,
}

var dateObject = &host.Object{
	Name:    "DateFunctions",
	Globals: []string{"date"},
	Doc: "Dates in formats of .NET, such as dd.MM.yyyy HH:mm, as expressions have them, and in time zones, such as\n" +
		"Europe/Berlin; without a zone they are in UTC.",
	Members: []host.Member{
		{
			Name: "parse", Signature: "(text: string, format?: string, zone?: string): Date",
			Doc: "Reads a date. Without a format it takes the forms that expressions take, where dates with slashes are\n" +
				"month/day/year. A text that is none is an error.",
			Call: dateParse,
		},
		{
			Name: "format", Signature: "(date: Date, format: string, zone?: string): string",
			Doc: "Writes a date as the clocks of a zone show it: `date.format(now(), \"yyyy-MM-dd\", \"Europe/Berlin\")`.",
			Call: textCall("date.format", 3, func(r *arguments) (string, error) {
				at, format, zone := r.date(0, "a date"), r.text(1, "a format"), r.zone(2)
				if r.err != nil {
					return "", nil
				}
				return expr.FormatTime(at.In(zone), format)
			}),
		},
		{
			Name: "add", Signature: "(date: Date, n: number, unit: TimeUnit, zone?: string): Date",
			Doc: "Adds n units; n may be negative. A month that is too short for the day gives its last day. Years, months,\n" +
				"weeks and days keep what the clocks of the zone show.",
			Call: dateAdd,
		},
		{
			Name: "days", Signature: "(from: Date, to: Date, zone?: string): number",
			Doc:  "The number of days between two dates, by the calendar of a zone: from today to tomorrow it is 1, at any hour.",
			Call: dateDays,
		},
	},
}

func (r *arguments) zone(i int) *time.Location {
	name := r.optionalText(i, "a time zone", "UTC")
	zone, err := expr.Zone(name)
	if err != nil {
		r.fail("knows no time zone %q", name)
		return time.UTC
	}
	return zone
}

func dateParse(a *host.Active, args []goja.Value) (goja.Value, error) {
	r := read(a, "date.parse", args, 3)
	text, format, zone := r.text(0, "a text"), r.optionalText(1, "a format", ""), r.zone(2)
	if r.err == nil && r.has(2) && format == "" {
		r.fail("takes a time zone only with a format")
	}
	if r.err != nil {
		return nil, r.err
	}
	if format == "" {
		at, ok := expr.ParseTime(text)
		if !ok {
			e := fault.New("datetime-string-format-incorrect", "%q is not a date", text)
			e.Hint = `give the format, such as "dd.MM.yyyy", as the second argument`
			return nil, e
		}
		return a.Date(at)
	}
	at, err := expr.ParseTimeAs(text, format, zone)
	if err != nil {
		return nil, err
	}
	return a.Date(at)
}

var errCalendar = errors.New("the result is not between the years 1 and 9999")

func dateAdd(a *host.Active, args []goja.Value) (goja.Value, error) {
	r := read(a, "date.add", args, 4)
	at, n, zone := r.date(0, "a date"), r.number(1, "a number"), r.zone(3)
	unit := strings.TrimSuffix(r.text(2, "a unit"), "s")
	if r.err != nil {
		return nil, r.err
	}
	const most = 10_000 * 366 * 24 * 60 * 60 // seconds, or anything longer: more than the calendar has
	if n > most || n < -most {
		return nil, errCalendar
	}
	local := at.In(zone)
	switch unit {
	case "year":
		local = addMonths(local, n*12)
	case "month":
		local = addMonths(local, n)
	case "week":
		local = addDays(local, n*7)
	case "day":
		local = addDays(local, n)
	case "hour":
		local = addSeconds(local, n*60*60)
	case "minute":
		local = addSeconds(local, n*60)
	case "second":
		local = addSeconds(local, n)
	default:
		r.fail("takes years, months, weeks, days, hours, minutes or seconds, not %q", args[2].String())
		return nil, r.err
	}
	if year := local.UTC().Year(); year < 1 || year > 9999 {
		return nil, errCalendar
	}
	return a.Date(local)
}

// far is a time after the calendar, for additions that lead there.
var far = time.Date(10_000, 1, 2, 0, 0, 0, 0, time.UTC)

func addMonths(at time.Time, n int64) time.Time {
	months := int64(at.Year())*12 + int64(at.Month()) - 1 + n
	if months < 0 || months/12 > 10_000 {
		return far
	}
	year, month := int(months/12), time.Month(months%12+1)
	last := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return time.Date(year, month, min(at.Day(), last), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), at.Location())
}

func addDays(at time.Time, n int64) time.Time {
	if n > 366*10_000 || n < -366*10_000 {
		return far
	}
	return at.AddDate(0, 0, int(n))
}

func addSeconds(at time.Time, n int64) time.Time {
	return time.Unix(at.Unix()+n, int64(at.Nanosecond())).In(at.Location())
}

func dateDays(a *host.Active, args []goja.Value) (goja.Value, error) {
	r := read(a, "date.days", args, 3)
	from, to, zone := r.date(0, "a date"), r.date(1, "another date"), r.zone(2)
	if r.err != nil {
		return nil, r.err
	}
	return a.Runtime().ToValue(dayNumber(to.In(zone)) - dayNumber(from.In(zone))), nil
}

// dayNumber counts the days of the calendar.
func dayNumber(at time.Time) int64 {
	year, month, day := at.Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60)
}
