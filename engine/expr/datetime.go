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
		return fixed2(func(_ *Context, at, _ identity.Value) (Value, error) { return Str(compiled.format(at.Time())), nil })(c, s)
	}
	return fixed2(func(_ *Context, at, format identity.Value) (Value, error) {
		compiled, err := parseLayout(format.Str())
		if err != nil {
			return Value{}, err
		}
		return Str(compiled.format(at.Time())), nil
	})(c, s)
}

// dateTimeLayouts are the forms in which a datetime may be written, besides
// those that identity.ParseValue reads. Dates with slashes are month/day/year.
var dateTimeLayouts = []string{
	"1/2/2006", "1/2/2006 15:04:05.999999999", "1/2/2006 15:04", "1/2/2006 3:04:05 PM", "1/2/2006 3:04 PM",
	"2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05Z07:00", "2006/1/2", "2006/1/2 15:04:05",
	"20060102150405.999999999Z", "20060102150405Z0700", "20060102150405.999999999Z0700",
	"2 January 2006", "2 Jan 2006", "January 2, 2006", "Jan 2, 2006", "Monday, 02 January 2006", "Monday, January 2, 2006",
	time.RFC1123, time.RFC1123Z,
}

func parseDateTime(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	if v, err := identity.ParseValue(identity.TypeDateTime, s); err == nil {
		return v.Time(), true
	}
	for _, form := range dateTimeLayouts {
		if at, err := time.ParseInLocation(form, s, time.UTC); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

func badFormat(format, problem string) error {
	return fault.New("datetime-string-format-incorrect", "%s is not a datetime format: %s",
		show(identity.String(format)), problem)
}
