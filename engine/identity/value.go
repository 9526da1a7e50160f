package identity

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Type is the data type of an attribute (sync-engine §1.8).
type Type uint8

// The attribute types. The zero Type is no type at all.
const (
	TypeString Type = iota + 1
	TypeInteger
	TypeBoolean
	TypeBinary
	TypeDateTime
	TypeReference
)

var typeNames = [...]string{"", "string", "integer", "boolean", "binary", "datetime", "reference"}

// String returns the name of the type as configurations write it.
func (t Type) String() string {
	if int(t) < len(typeNames) && t != 0 {
		return typeNames[t]
	}
	return "type(" + strconv.Itoa(int(t)) + ")"
}

// ParseType returns the type with the given configuration name.
func ParseType(name string) (Type, bool) {
	for i, n := range typeNames {
		if i > 0 && n == name {
			return Type(i), true
		}
	}
	return 0, false
}

// DateTimeFormat is the textual form of a datetime, always in UTC
// (sync-engine §1.8). A datetime that has microseconds is written with all six
// digits of them, so that no two have the same text.
const DateTimeFormat = "2006-01-02 15:04:05.000"

// A Value is one typed datum. Two values are equal exactly if == says so.
// The zero Value has no type and stands for "no value".
type Value struct {
	typ Type
	num int64  // integer, boolean (0, 1), datetime (µs since 1970), reference (ID)
	str string // string, binary, reference as the connected system writes it
}

// String returns a string value.
func String(s string) Value { return Value{typ: TypeString, str: s} }

// Integer returns an integer value.
func Integer(n int64) Value { return Value{typ: TypeInteger, num: n} }

// Boolean returns a boolean value.
func Boolean(b bool) Value {
	v := Value{typ: TypeBoolean}
	if b {
		v.num = 1
	}
	return v
}

// Binary returns a binary value holding a copy of b.
func Binary(b []byte) Value { return Value{typ: TypeBinary, str: string(b)} }

// DateTime returns a datetime value, in UTC and with microsecond precision.
func DateTime(t time.Time) Value { return Value{typ: TypeDateTime, num: t.UnixMicro()} }

// Reference returns a reference as a connected system writes it: the DN of the
// object that it points to. The engine resolves it to an [ID] when it stages it.
func Reference(dn string) Value { return Value{typ: TypeReference, str: dn} }

// ReferenceTo returns a resolved reference.
func ReferenceTo(id ID) Value { return Value{typ: TypeReference, num: int64(id)} }

// Type returns the type of the value, 0 for the zero Value.
func (v Value) Type() Type { return v.typ }

// Str returns the text of a string, the bytes of a binary value, or the DN of
// an unresolved reference; for any other type it returns "".
func (v Value) Str() string { return v.str }

// Int returns an integer value; for any other type the result is meaningless.
func (v Value) Int() int64 { return v.num }

// Bool returns a boolean value; for any other type the result is meaningless.
func (v Value) Bool() bool { return v.num != 0 }

// Time returns a datetime value in UTC; for any other type the result is
// meaningless.
func (v Value) Time() time.Time { return time.UnixMicro(v.num).UTC() }

// Ref returns the object that a resolved reference points to, 0 if the
// reference is not resolved.
func (v Value) Ref() ID {
	if v.typ != TypeReference {
		return 0
	}
	return ID(v.num)
}

// Text returns the value as the configuration, the functions of the expression
// language and delimited files write it: true and false, decimal integers,
// base64, [DateTimeFormat].
func (v Value) Text() string {
	switch v.typ {
	case TypeString:
		return v.str
	case TypeInteger:
		return strconv.FormatInt(v.num, 10)
	case TypeBoolean:
		return strconv.FormatBool(v.num != 0)
	case TypeBinary:
		return base64.StdEncoding.EncodeToString([]byte(v.str))
	case TypeDateTime:
		if v.num%1000 != 0 {
			return v.Time().Format(DateTimeFormat + "000")
		}
		return v.Time().Format(DateTimeFormat)
	case TypeReference:
		if v.num != 0 {
			return ID(v.num).String()
		}
		return v.str
	}
	return ""
}

// String makes a Value readable in messages and test output.
func (v Value) String() string { return v.Text() }

// JSON returns the value as encoding/json should see it: a string, int64,
// bool, base64 text or RFC 3339 text. References come out as text.
func (v Value) JSON() any {
	switch v.typ {
	case TypeInteger:
		return v.num
	case TypeBoolean:
		return v.num != 0
	case TypeDateTime:
		return v.Time().Format(time.RFC3339Nano)
	case 0:
		return nil
	}
	return v.Text()
}

// A ParseError says that text is not a value of the wanted type. Name is the
// reference's name of the error (sync-engine §2.7).
type ParseError struct {
	Name string
	Type Type
	Text string
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("%s: %q is not a value of type %s", e.Name, e.Text, e.Type)
}

var dateTimeLayouts = []string{
	DateTimeFormat, "2006-01-02 15:04:05", time.DateOnly, time.RFC3339Nano, "2006-01-02T15:04:05", "20060102150405Z0700",
}

// ParseValue reads text as a value of type t: the inverse of [Value.Text] for
// datetimes of the years 0 to 9999, unresolved references and all other types.
// The error is a [*ParseError].
//
// Booleans may also be written 1 and 0, datetimes in RFC 3339, as a date, or in
// LDAP's generalized time; a datetime without zone is UTC.
func ParseValue(t Type, text string) (Value, error) {
	switch t {
	case TypeString:
		return String(text), nil
	case TypeInteger:
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil {
			return Value{}, &ParseError{"invalid-numeric-value", t, text}
		}
		return Integer(n), nil
	case TypeBoolean:
		switch strings.ToLower(strings.TrimSpace(text)) {
		case "true", "1":
			return Boolean(true), nil
		case "false", "0":
			return Boolean(false), nil
		}
		return Value{}, &ParseError{"invalid-boolean-value", t, text}
	case TypeBinary:
		b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil {
			return Value{}, &ParseError{"invalid-base64-value", t, text}
		}
		return Binary(b), nil
	case TypeDateTime:
		trimmed := strings.TrimSpace(text)
		for _, layout := range dateTimeLayouts {
			if len(trimmed) == len(time.DateOnly) && layout != time.DateOnly {
				continue // a failed attempt costs more than one that succeeds
			}
			if at, err := time.ParseInLocation(layout, trimmed, time.UTC); err == nil {
				return DateTime(at), nil
			}
		}
		return Value{}, &ParseError{"datetime-string-format-incorrect", t, text}
	case TypeReference:
		return Reference(text), nil
	}
	return Value{}, &ParseError{"unsupported-value-type", t, text}
}

// Compare orders values: by type, then by content (strings bytewise, false
// before true). It is the order in which normalized value sets are kept.
func Compare(a, b Value) int {
	if c := cmp.Compare(a.typ, b.typ); c != 0 {
		return c
	}
	if c := cmp.Compare(a.num, b.num); c != 0 {
		return c
	}
	return cmp.Compare(a.str, b.str)
}

// Normalize sorts values and drops duplicates and zero Values, in place:
// attributes are sets, and "no value" is not a member.
func Normalize(values []Value) []Value {
	if !slices.IsSortedFunc(values, Compare) {
		slices.SortFunc(values, Compare)
	}
	for len(values) > 0 && values[0].typ == 0 {
		values = values[1:]
	}
	return slices.Compact(values)
}

// Contains reports whether the normalized set holds v.
func Contains(values []Value, v Value) bool {
	if len(values) < 8 {
		return slices.Contains(values, v)
	}
	_, found := slices.BinarySearchFunc(values, v, Compare)
	return found
}
