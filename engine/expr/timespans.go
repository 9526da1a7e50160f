package expr

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// timespanFunctions compute with datetimes, time spans and file times. A time
// span is a text as .NET writes it: [-][days.]hours:minutes[:seconds[.fraction]].
var timespanFunctions = []Function{
	{
		Name: "After", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeBoolean,
		Doc:    "Whether the first datetime is later than the second. False if one of them is null.",
		Params: datesParams, build: fixed2(func(_ *Context, x, y identity.Value) (Value, error) {
			return Bool(x.Type() != 0 && y.Type() != 0 && x.Time().After(y.Time())), nil
		}),
	},
	{
		Name: "Before", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeBoolean,
		Doc:    "Whether the first datetime is earlier than the second. False if one of them is null.",
		Params: datesParams, build: fixed2(func(_ *Context, x, y identity.Value) (Value, error) {
			return Bool(x.Type() != 0 && y.Type() != 0 && x.Time().Before(y.Time())), nil
		}),
	},
	{
		Name: "DateTimeNow", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeDateTime,
		Doc:   "When the run began, in UTC. A flow that passes it on changes its attribute at every synchronization.",
		build: fixed0(func(ctx *Context) (Value, error) { return Of(identity.DateTime(ctx.Now)), nil }),
	},
	{
		Name: "DateTimeAdd", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeDateTime,
		Doc:    "The datetime that is a time span later: DateTimeAdd(hireDate, \"90.00:00:00\"), or earlier with a minus sign in front. A number alone is days.",
		Params: []Param{param("dateTime", DateTime), param("timespan", Text).whenNull(nullError)}, build: fixed2(dateTimeAdd),
	},
	{
		Name: "DateTimeSubtract", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeString,
		Doc:    "The time span from the second datetime to the first, such as 1.06:00:00 for 30 hours.",
		Params: []Param{param("end", DateTime), param("start", DateTime)}, build: fixed2(dateTimeSubtract),
	},
	{
		Name: "DateTimeFromString", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeDateTime,
		Doc:    "The text as a datetime; UTC if it names no zone. The culture, such as de-DE, says in which order day and month come; without one it is month/day/year. Names of months are English.",
		Params: []Param{param("text", Text), param("culture", Text).optional()}, build: withOptional(dateTimeFromString),
	},
	{
		Name: "DateTimeFromFileTimeUtc", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeDateTime,
		Doc:    "The datetime of a Windows file time, as in lastLogonTimestamp: ticks of 100 ns since 1601-01-01. The number by which Active Directory says never, 9223372036854775807, is an error: test for it before.",
		Params: []Param{param("fileTime", Number)}, build: fixed1(fromFileTime),
	},
	{
		Name: "DateTimeToFileTimeUtc", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeInteger,
		Doc:    "The datetime as a Windows file time, as in accountExpires: ticks of 100 ns since 1601-01-01.",
		Params: []Param{param("dateTime", DateTime)}, build: fixed1(toFileTime),
	},
	{
		Name: "DateTimeUtcToLocalTime", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeDateTime,
		Doc:    "What the clocks of a time zone show at a datetime, to be formatted or compared with other local times. The zone has its Windows name, W. Europe Standard Time, or its IANA name, Europe/Berlin; without one it is that of this machine.",
		Params: []Param{param("dateTime", DateTime), param("timeZone", Text).whenNull(nullError).optional()}, build: buildLocalTime,
	},
}

var datesParams = []Param{param("first", DateTime).whenNull(passNull), param("second", DateTime).whenNull(passNull)}

const (
	ticksPerMicrosecond = 10
	ticksPerSecond      = 10_000_000
	ticksPerDay         = 24 * 60 * 60 * ticksPerSecond

	neverFileTime = math.MaxInt64
)

var (
	firstDateTime = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	lastDateTime  = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC).UnixMicro()
	firstFileTime = time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
)

// dateTimeAt returns a datetime of the years 1 to 9999.
func dateTimeAt(micro int64) (Value, error) {
	if micro < firstDateTime || micro > lastDateTime {
		return Value{}, errors.New("the result is not in the years 1 to 9999")
	}
	return Of(identity.DateTime(time.UnixMicro(micro))), nil
}

func dateTimeAdd(_ *Context, at, span identity.Value) (Value, error) {
	ticks, ok := parseTimespan(span.Str())
	if !ok {
		return Value{}, fmt.Errorf("%s is not a time span; write days.hours:minutes:seconds, such as 90.00:00:00", show(span))
	}
	sum := at.Time().UnixMicro() + ticks/ticksPerMicrosecond // no overflow: ticks are divided by 10, and years have 4 digits
	return dateTimeAt(sum)
}

func dateTimeSubtract(_ *Context, end, start identity.Value) (Value, error) {
	micro := end.Time().UnixMicro() - start.Time().UnixMicro()
	if micro > math.MaxInt64/ticksPerMicrosecond || micro < math.MinInt64/ticksPerMicrosecond {
		return Value{}, errOverflow
	}
	return Str(formatTimespan(micro * ticksPerMicrosecond)), nil
}

// formatTimespan writes ticks of 100 ns: [-][d.]hh:mm:ss[.fffffff].
func formatTimespan(ticks int64) string {
	var b strings.Builder
	if ticks < 0 {
		b.WriteByte('-')
	}
	left := magnitude(ticks)
	days, left := left/ticksPerDay, left%ticksPerDay
	seconds, fraction := left/ticksPerSecond, left%ticksPerSecond
	if days > 0 {
		fmt.Fprintf(&b, "%d.", days)
	}
	fmt.Fprintf(&b, "%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
	if fraction > 0 {
		fmt.Fprintf(&b, ".%07d", fraction)
	}
	return b.String()
}

// parseTimespan reads what formatTimespan writes; also d, d.hh:mm, hh:mm and
// d:hh:mm:ss, and white space around it.
func parseTimespan(s string) (ticks int64, ok bool) {
	s = strings.TrimSpace(s)
	s, negative := strings.CutPrefix(s, "-")
	parts := strings.Split(s, ":")
	var days, hours, minutes, seconds, fraction string
	switch len(parts) {
	case 1:
		days = parts[0]
	case 2, 3:
		var dotted bool
		if days, hours, dotted = strings.Cut(parts[0], "."); !dotted {
			days, hours = "0", days
		}
		minutes = parts[1]
		if len(parts) == 3 {
			seconds = parts[2]
		}
	case 4:
		days, hours, minutes, seconds = parts[0], parts[1], parts[2], parts[3]
	default:
		return 0, false
	}
	seconds, fraction, dotted := strings.Cut(seconds, ".")
	if dotted && (fraction == "" || len(fraction) > 7) {
		return 0, false
	}
	fraction += strings.Repeat("0", 7-len(fraction))
	numbers := [5]int64{}
	for i, field := range [...]struct {
		text string
		most int64
	}{{days, 10_675_199}, {hours, 23}, {minutes, 59}, {seconds, 59}, {fraction, ticksPerSecond - 1}} {
		if field.text == "" && i > 0 {
			continue // left out
		}
		n, err := strconv.ParseUint(field.text, 10, 63)
		if err != nil || int64(n) > field.most {
			return 0, false
		}
		numbers[i] = int64(n)
	}
	if len(parts) > 1 && (hours == "" || minutes == "" || len(parts) > 2 && seconds == "") {
		return 0, false
	}
	// At most 10675199 days and 24 hours: less than 2 to the 63rd but for the
	// last hours, which .NET refuses, too.
	total := uint64(numbers[0])*ticksPerDay + uint64((numbers[1]*60+numbers[2])*60+numbers[3])*ticksPerSecond + uint64(numbers[4])
	if total > math.MaxInt64 {
		return 0, false
	}
	if negative {
		return -int64(total), true
	}
	return int64(total), true
}

func fromFileTime(_ *Context, fileTime identity.Value) (Value, error) {
	ticks := fileTime.Int()
	switch {
	case ticks < 0:
		return Value{}, fmt.Errorf("%d is not a file time", ticks)
	case ticks == neverFileTime:
		return Value{}, fmt.Errorf("the file time %d stands for never", ticks)
	}
	return dateTimeAt(firstFileTime + ticks/ticksPerMicrosecond)
}

func toFileTime(_ *Context, at identity.Value) (Value, error) {
	micro := at.Time().UnixMicro()
	if micro < firstFileTime || micro > lastDateTime {
		return Value{}, errors.New("file times are of the years 1601 to 9999")
	}
	return Int((micro - firstFileTime) * ticksPerMicrosecond), nil
}

// The orders of day, month and year in dates of numbers.
const (
	monthFirst = "01/02/2006"
	dayFirst   = "02/01/2006"
	yearFirst  = "2006/01/02"
)

// dateOrders are the orders of cultures: of a region, or else of the language.
var dateOrders = map[string]string{
	"": monthFirst, "en": monthFirst, "en-us": monthFirst, "es-us": monthFirst, "en-ph": monthFirst, "fil": monthFirst,
	"en-gb": dayFirst, "en-ie": dayFirst, "en-au": dayFirst, "en-nz": dayFirst, "en-in": dayFirst, "en-sg": dayFirst, "en-za": yearFirst,
	"en-ca": yearFirst, "fr-ca": yearFirst,
	"ar": dayFirst, "bg": dayFirst, "ca": dayFirst, "cs": dayFirst, "cy": dayFirst, "da": dayFirst, "de": dayFirst, "el": dayFirst,
	"es": dayFirst, "et": dayFirst, "fi": dayFirst, "fr": dayFirst, "ga": dayFirst, "gl": dayFirst, "he": dayFirst, "hi": dayFirst,
	"hr": dayFirst, "id": dayFirst, "is": dayFirst, "it": dayFirst, "lb": dayFirst, "lv": dayFirst, "mk": dayFirst, "ms": dayFirst,
	"mt": dayFirst, "nb": dayFirst, "nl": dayFirst, "nn": dayFirst, "no": dayFirst, "pl": dayFirst, "pt": dayFirst, "ro": dayFirst,
	"ru": dayFirst, "sk": dayFirst, "sl": dayFirst, "sq": dayFirst, "sr": dayFirst, "tr": dayFirst, "uk": dayFirst, "vi": dayFirst,
	"eu": yearFirst, "hu": yearFirst, "ja": yearFirst, "ko": yearFirst, "lt": yearFirst, "sv": yearFirst, "zh": yearFirst,
}

func dateTimeFromString(_ *Context, text, culture, _ identity.Value) (Value, error) {
	name := identity.Fold(strings.TrimSpace(culture.Str()))
	order, known := dateOrders[name]
	if language, _, regional := strings.Cut(name, "-"); !known && regional {
		order, known = dateOrders[language]
	}
	if !known {
		return Value{}, fmt.Errorf("unknown culture %s", show(culture))
	}
	s := strings.TrimSpace(text.Str())
	if reordered, ok := numericDate(s, order); ok {
		s = reordered
	}
	at, ok := parseDateTime(s)
	if !ok {
		return Value{}, fault.New("datetime-string-format-incorrect", "%s is not a datetime", show(text))
	}
	return Of(identity.DateTime(at)), nil
}

// numericDate writes a text that begins with a date of three numbers, in the
// order of a culture, with month/day/year. A text that begins with a year is
// left as it is.
func numericDate(s, order string) (string, bool) {
	date, rest, timed := strings.Cut(s, " ")
	parts := strings.FieldsFunc(strings.TrimSuffix(date, "."), func(r rune) bool { return r == '/' || r == '.' || r == '-' })
	if len(parts) != 3 || len(parts[0]) > 2 {
		return "", false
	}
	for _, part := range parts {
		if strings.Trim(part, "0123456789") != "" {
			return "", false
		}
	}
	month, day, year := parts[0], parts[1], parts[2]
	switch order {
	case dayFirst:
		month, day = day, month
	case yearFirst:
		return "", false // the year has two digits
	}
	out := month + "/" + day + "/" + year
	if timed {
		out += " " + strings.TrimSpace(rest)
	}
	return out, true
}
