package expr

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A layout is a compiled datetime format of .NET, in the invariant culture.
type layout []layoutPiece

// A layoutPiece is literal text, or a specifier such as M repeated count times.
type layoutPiece struct {
	specifier byte // 0 for text
	count     int
	text      string
}

// standardFormats are the formats of a single letter.
var standardFormats = map[string]string{
	"d": "MM/dd/yyyy",
	"D": "dddd, dd MMMM yyyy",
	"f": "dddd, dd MMMM yyyy HH:mm",
	"F": "dddd, dd MMMM yyyy HH:mm:ss",
	"g": "MM/dd/yyyy HH:mm",
	"G": "MM/dd/yyyy HH:mm:ss",
	"m": "MMMM dd",
	"M": "MMMM dd",
	"o": "yyyy-MM-dd'T'HH:mm:ss.fffffffK",
	"O": "yyyy-MM-dd'T'HH:mm:ss.fffffffK",
	"r": "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
	"R": "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
	"s": "yyyy-MM-dd'T'HH:mm:ss",
	"t": "HH:mm",
	"T": "HH:mm:ss",
	"u": "yyyy-MM-dd HH:mm:ss'Z'",
	"U": "dddd, dd MMMM yyyy HH:mm:ss",
	"y": "yyyy MMMM",
	"Y": "yyyy MMMM",
}

// namedFormats are the formats that Visual Basic knows by name.
var namedFormats = map[string]string{
	"general date": "G",
	"long date":    "D",
	"medium date":  "D",
	"short date":   "d",
	"long time":    "T",
	"medium time":  "T",
	"short time":   "t",
}

// parseLayout reads a format: a standard one, one with a name, or a custom one.
// The empty format is the general one.
func parseLayout(format string) (layout, error) {
	if format == "" {
		format = "G"
	}
	if letter, ok := namedFormats[strings.ToLower(format)]; ok {
		format = letter
	}
	if utf8.RuneCountInString(format) == 1 {
		custom, ok := standardFormats[format]
		if !ok {
			return nil, badFormat(format, "no standard format is named so")
		}
		format = custom
	}
	return parseCustomLayout(format)
}

const (
	layoutSpecifiers = "dfFghHKmMstyz"
	maxLayout        = 1000 // bytes
)

func parseCustomLayout(format string) (layout, error) {
	if len(format) > maxLayout {
		return nil, badFormat(format, "it is too long")
	}
	var l layout
	alone := false // the next specifier has a count of one
	for i := 0; i < len(format); {
		switch c := format[i]; {
		case c == '\'' || c == '"':
			text, width, ok := quotedLayout(format[i:])
			if !ok {
				return nil, badFormat(format, "a quote is not closed")
			}
			l = append(l, layoutPiece{text: text})
			i += width
		case c == '\\':
			_, size := utf8.DecodeRuneInString(format[i+1:])
			if size == 0 {
				return nil, badFormat(format, "nothing follows the backslash")
			}
			l = append(l, layoutPiece{text: format[i+1 : i+1+size]})
			i += 1 + size
		case c == '%':
			// %d is the day, where d alone would be a standard format.
			if i+1 == len(format) || format[i+1] == '%' {
				return nil, badFormat(format, "no specifier follows %")
			}
			i++
			alone = strings.IndexByte(layoutSpecifiers, format[i]) >= 0
		case strings.IndexByte(layoutSpecifiers, c) >= 0:
			count := len(format[i:]) - len(strings.TrimLeft(format[i:], string(c)))
			if alone {
				count = 1
			}
			if (c == 'f' || c == 'F') && count > 7 {
				return nil, badFormat(format, "a second has at most 7 decimal places")
			}
			l = append(l, layoutPiece{specifier: c, count: count})
			alone = false
			i += count
		default:
			_, size := utf8.DecodeRuneInString(format[i:])
			l = append(l, layoutPiece{text: format[i : i+size]})
			i += size
		}
	}
	return l, nil
}

// quotedLayout reads the quoted text at the start of s; width is its length
// with the quotes. A backslash takes the next character as it is.
func quotedLayout(s string) (text string, width int, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case s[0]:
			return b.String(), i + 1, true
		case '\\':
			if i++; i == len(s) {
				return "", 0, false
			}
		}
		b.WriteByte(s[i])
	}
	return "", 0, false
}

// format writes a time as its zone shows it.
func (l layout) format(at time.Time) string {
	var room [64]byte
	out := room[:0]
	for _, p := range l {
		out = p.append(out, at)
	}
	return string(out)
}

func (p layoutPiece) append(out []byte, at time.Time) []byte {
	switch p.specifier {
	case 0:
		return append(out, p.text...)
	case 'd':
		return appendDay(out, at, p.count)
	case 'f':
		return append(out, fraction(at)[:p.count]...)
	case 'F':
		return appendShortFraction(out, at, p.count)
	case 'g':
		return append(out, "A.D."...)
	case 'h':
		return appendNumber(out, (at.Hour()+11)%12+1, min(p.count, 2))
	case 'H':
		return appendNumber(out, at.Hour(), min(p.count, 2))
	case 'K':
		if at.Location() != time.UTC {
			return appendZone(out, at, 3)
		}
		return append(out, strings.Repeat("Z", p.count)...)
	case 'm':
		return appendNumber(out, at.Minute(), min(p.count, 2))
	case 'M':
		return appendMonth(out, at.Month(), p.count)
	case 's':
		return appendNumber(out, at.Second(), min(p.count, 2))
	case 't':
		return append(out, at.Format("PM")[:min(p.count, 2)]...)
	case 'y':
		if p.count <= 2 {
			return appendNumber(out, at.Year()%100, p.count)
		}
		return appendNumber(out, at.Year(), p.count)
	}
	return appendZone(out, at, p.count)
}

func appendDay(out []byte, at time.Time, count int) []byte {
	switch {
	case count <= 2:
		return appendNumber(out, at.Day(), count)
	case count == 3:
		return append(out, at.Weekday().String()[:3]...)
	}
	return append(out, at.Weekday().String()...)
}

func appendMonth(out []byte, month time.Month, count int) []byte {
	switch {
	case count <= 2:
		return appendNumber(out, int(month), count)
	case count == 3:
		return append(out, month.String()[:3]...)
	}
	return append(out, month.String()...)
}

// fraction returns the second's seven decimal places.
func fraction(at time.Time) string {
	return string(appendNumber(nil, at.Nanosecond()/100, 7))
}

// appendShortFraction leaves out trailing zeros, and the point before them if
// nothing is left.
func appendShortFraction(out []byte, at time.Time, count int) []byte {
	digits := strings.TrimRight(fraction(at)[:count], "0")
	if digits == "" && len(out) > 0 && out[len(out)-1] == '.' {
		return out[:len(out)-1]
	}
	return append(out, digits...)
}

// appendZone writes how far the zone is from UTC.
func appendZone(out []byte, at time.Time, count int) []byte {
	_, offset := at.Zone()
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	out = appendNumber(append(out, sign), offset/3600, min(count, 2))
	if count < 3 {
		return out
	}
	return appendNumber(append(out, ':'), offset/60%60, 2)
}

// appendNumber writes n with at least width digits.
func appendNumber(out []byte, n, width int) []byte {
	if n < 0 { // a year before the calendar begins
		out, n = append(out, '-'), -n
	}
	var room [20]byte
	text := strconv.AppendInt(room[:0], int64(n), 10)
	for i := len(text); i < width; i++ {
		out = append(out, '0')
	}
	return append(out, text...)
}
