package expr

import (
	"strings"
	"time"
	"unicode/utf8"
)

// What the expression language knows of dates and texts, for those who offer the
// same elsewhere.

// FormatTime writes a time, as its zone shows it, in a format of .NET such as
// yyyy-MM-dd. The standard formats r, u and U are always in UTC, which they say.
func FormatTime(at time.Time, format string) (string, error) {
	l, err := parseLayout(format)
	if err != nil {
		return "", err
	}
	switch format {
	case "r", "R", "u", "U":
		at = at.UTC()
	}
	return l.format(at), nil
}

// ParseTime reads a datetime in one of the forms that expressions understand;
// dates with slashes are month/day/year, and without a zone it is UTC.
func ParseTime(text string) (time.Time, bool) { return parseZonedDateTime(text) }

// ParseTimeAs reads a datetime in a format of .NET. Without an offset in it, it is
// the time of the zone. The whole text must fit, and the date must exist.
func ParseTimeAs(text, format string, zone *time.Location) (time.Time, error) {
	l, err := parseLayout(format)
	if err != nil {
		return time.Time{}, err
	}
	r := timeReader{rest: strings.TrimSpace(text), year: 1, month: 1, day: 1}
	for _, p := range l {
		if !r.piece(p) {
			return time.Time{}, badDateTime(text, format)
		}
	}
	at, ok := r.time(zone)
	if !ok || r.rest != "" {
		return time.Time{}, badDateTime(text, format)
	}
	return at.UTC(), nil
}

// Zone returns a time zone by its IANA or its Windows name.
func Zone(name string) (*time.Location, error) { return timeZone(name) }

// TitleCase writes the first letter of each word in upper case, as the function
// of this name does.
func TitleCase(s string) string { return titleCase(s) }

// A timeReader reads a datetime piece by piece.
type timeReader struct {
	rest                 string
	year, month, day     int
	hour, minute, second int
	nanosecond           int
	half                 byte // a or p, 0 if it is not said
	twelve, zoned        bool // the hour is one of twelve; there is an offset
	offset               time.Duration
}

func (r *timeReader) piece(p layoutPiece) (ok bool) {
	switch p.specifier {
	case 0:
		r.rest, ok = strings.CutPrefix(r.rest, p.text)
		return ok
	case 'd':
		if p.count > 2 {
			_, ok = r.name(p.count, 7, func(i int) string { return time.Weekday(i).String() })
			return ok
		}
		r.day, ok = r.number(p.count)
	case 'M':
		if p.count > 2 {
			r.month, ok = r.name(p.count, 12, func(i int) string { return time.Month(i + 1).String() })
			r.month++
			return ok
		}
		r.month, ok = r.number(p.count)
	case 'y':
		if r.year, ok = r.number(p.count); p.count <= 2 {
			if r.year += 2000; r.year > 2049 { // as .NET takes years of two digits
				r.year -= 100
			}
		}
	case 'H', 'h':
		r.hour, ok = r.number(p.count)
		r.twelve = p.specifier == 'h'
		return ok && (!r.twelve || r.hour >= 1 && r.hour <= 12)
	case 'm':
		r.minute, ok = r.number(p.count)
	case 's':
		r.second, ok = r.number(p.count)
	case 'f', 'F':
		return r.fraction(p)
	case 't':
		return r.halfDay(p.count)
	case 'K', 'z':
		return r.zone()
	}
	return ok
}

// number reads a number of exactly count digits; one digit stands for one or two.
func (r *timeReader) number(count int) (n int, ok bool) {
	digits := 0
	for digits < len(r.rest) && digits < max(count, 2) && isDigit(r.rest[digits]) {
		n = n*10 + int(r.rest[digits]-'0')
		digits++
	}
	r.rest = r.rest[digits:]
	return n, digits >= count && digits > 0
}

// name reads one of n names, of which three letters are enough where count is 3.
func (r *timeReader) name(count, n int, name func(int) string) (int, bool) {
	for i := range n {
		full := name(i)
		if count == 3 {
			full = full[:3]
		}
		if len(r.rest) >= len(full) && strings.EqualFold(r.rest[:len(full)], full) {
			r.rest = r.rest[len(full):]
			return i, true
		}
	}
	return 0, false
}

func (r *timeReader) fraction(p layoutPiece) bool {
	scale, digits := int(time.Second), 0
	for digits < len(r.rest) && digits < p.count && isDigit(r.rest[digits]) {
		scale /= 10
		r.nanosecond += int(r.rest[digits]-'0') * scale
		digits++
	}
	r.rest = r.rest[digits:]
	return digits == p.count || p.specifier == 'F'
}

func (r *timeReader) halfDay(count int) bool {
	width := min(count, 2)
	if len(r.rest) < width || !strings.EqualFold(r.rest[:width], "AM"[:width]) && !strings.EqualFold(r.rest[:width], "PM"[:width]) {
		return false
	}
	r.half = r.rest[0] | 0x20
	r.rest = r.rest[width:]
	return true
}

func (r *timeReader) zone() bool {
	end := strings.IndexFunc(r.rest, func(c rune) bool { return c > utf8.RuneSelf || !strings.ContainsRune("+-:Z0123456789", c) })
	if end < 0 {
		end = len(r.rest)
	}
	offset, ok := parseZone(r.rest[:end])
	r.rest, r.offset, r.zoned = r.rest[end:], offset, true
	return ok
}

// time returns what was read, if there is such a time.
func (r *timeReader) time(zone *time.Location) (time.Time, bool) {
	switch {
	case !r.twelve:
	case r.half == 'p':
		r.hour = r.hour%12 + 12
	case r.half == 'a':
		r.hour %= 12
	}
	if r.zoned {
		zone = time.UTC
	}
	at := time.Date(r.year, time.Month(r.month), r.day, r.hour, r.minute, r.second, r.nanosecond, zone)
	// time.Date takes the 31st of February for a day in March. Hours may differ:
	// some do not exist where summer time begins.
	exists := r.month >= 1 && r.month <= 12 && r.day >= 1 && r.day <= time.Date(r.year, time.Month(r.month)+1, 0, 0, 0, 0, 0, time.UTC).Day() &&
		r.hour < 24 && r.minute < 60 && r.second < 60
	return at.Add(-r.offset), exists
}
