package expr

import (
	"strings"
	"time"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

var dateTimeFunctions = []Function{
	{
		Name: "DateTimeFormat", Dialects: fimOnly, Source: fimText, Result: identity.TypeString,
		Doc:    "The datetime in a format of .NET, such as yyyy-MM-dd; dates with slashes are read as month/day/year. A datetime without a zone is UTC.",
		Params: []Param{param("dateTime", DateTime), param("format", Text)}, build: buildDateTimeFormat,
	},
}

// buildDateTimeFormat reads a format that is written in the expression once.
func buildDateTimeFormat(c *compiler, s *site) (operand, error) {
	if a := &s.args[1]; a.constant && !a.null {
		compiled, err := parseLayout(a.value.single.Str())
		if err != nil {
			return operand{}, s.fail(err)
		}
		return fixed2(func(ctx *Context, at, _ identity.Value) (Value, error) { return formatDateTime(ctx, at, compiled) })(c, s)
	}
	return fixed2(func(ctx *Context, at, format identity.Value) (Value, error) {
		if err := ctx.handle(stepWork * len(format.Str())); err != nil {
			return Value{}, err
		}
		compiled, err := parseLayout(format.Str())
		if err != nil {
			return Value{}, err
		}
		return formatDateTime(ctx, at, compiled)
	})(c, s)
}

func formatDateTime(ctx *Context, at identity.Value, l layout) (Value, error) {
	if err := ctx.handle(stepWork / 4 * len(l)); err != nil {
		return Value{}, err
	}
	return Str(l.format(at.Time())), nil
}

// A dateTimeShape is the forms of datetimes that begin alike, so that a text is
// not held against all of them: an attempt that fails costs some 300 ns.
type dateTimeShape struct {
	values bool     // identity.ParseValue reads some
	dates  []string // layouts of the date
	zoned  []string // layouts of a datetime with a time zone
}

// The forms in which a datetime may be written. Where day and month are both
// numbers and the year is last, the month is first, as .NET and Visual Basic read
// it in the invariant culture; years have four digits. Names of time zones are
// those that mean the same everywhere: time.Parse would take any other for UTC.
var (
	yearFirstShape = dateTimeShape{
		values: true,
		dates:  []string{"2006-1-2", "2006/1/2"},
		zoned:  []string{"2006-01-02 15:04:05Z07:00"},
	}
	monthFirstShape = dateTimeShape{dates: []string{"1/2/2006", "1-2-2006"}}
	digitsShape     = dateTimeShape{
		values: true,
		dates:  []string{"2 January 2006", "2 Jan 2006", "2-January-2006", "2-Jan-2006"},
		zoned:  []string{"20060102150405.999999999Z", "20060102150405Z0700", "20060102150405.999999999Z0700"},
	}
	wordsShape = dateTimeShape{
		dates: []string{
			"January 2, 2006", "Jan 2, 2006", "January 2 2006", "Jan 2 2006",
			"Monday, 2 January 2006", "Monday, January 2, 2006", "Mon, 2 Jan 2006",
		},
		zoned: []string{"Mon, 2 Jan 2006 15:04:05 GMT", "Mon, 2 Jan 2006 15:04:05 UTC", "Mon, 2 Jan 2006 15:04:05 -0700"},
	}
	noShape dateTimeShape

	timeLayouts       = []string{"15:04:05.999999999", "15:04"}
	twelveHourLayouts = []string{"3:04:05.999999999 PM", "3:04 PM", "3:04:05PM", "3:04PM"}
)

func shapeOf(s string) *dateTimeShape {
	const most = 100 // bytes
	switch {
	case s == "" || len(s) > most:
		return &noShape
	case isLetter(s[0]):
		return &wordsShape
	}
	switch i := strings.IndexAny(s, "-/"); {
	case i == 4:
		return &yearFirstShape
	case i > 0 && i < 3 && i+1 < len(s) && isDigit(s[i+1]):
		return &monthFirstShape
	}
	return &digitsShape
}

func parseDateTime(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	shape := shapeOf(s)
	if shape.values {
		if v, err := identity.ParseValue(identity.TypeDateTime, s); err == nil {
			return v.Time(), true
		}
	}
	if at, ok := shape.parseLocal(s); ok {
		return at, true
	}
	return parseLayouts(s, shape.zoned)
}

// parseLocal reads a datetime without a time zone: a date, and perhaps a time
// after it.
func (d *dateTimeShape) parseLocal(s string) (time.Time, bool) {
	date, clock := s, ""
	if colon := strings.IndexByte(s, ':'); colon >= 0 {
		separator := strings.LastIndexAny(s[:colon], " T")
		if separator < 0 {
			return time.Time{}, false
		}
		date, clock = strings.TrimSpace(s[:separator]), s[separator+1:]
	}
	at, ok := parseLayouts(date, d.dates)
	if !ok || clock == "" {
		return at, ok
	}
	layouts := timeLayouts
	if last := clock[len(clock)-1]; last|0x20 == 'm' {
		clock, layouts = strings.ToUpper(clock), twelveHourLayouts
	}
	of, ok := parseLayouts(clock, layouts)
	return at.Add(time.Duration(of.Hour())*time.Hour + time.Duration(of.Minute())*time.Minute +
		time.Duration(of.Second())*time.Second + time.Duration(of.Nanosecond())), ok
}

func parseLayouts(s string, layouts []string) (time.Time, bool) {
	for _, form := range layouts {
		if at, err := time.ParseInLocation(form, s, time.UTC); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

func badDateTime(text, format string) error {
	return fault.New("datetime-string-format-incorrect", "%s is not a datetime of the format %s",
		show(identity.String(text)), show(identity.String(format)))
}

func badFormat(format, problem string) error {
	return fault.New("datetime-string-format-incorrect", "%s is not a datetime format: %s",
		show(identity.String(format)), problem)
}
