package expr

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// entraConvertFunctions make values of one type out of another
// (sync-engine §6.5 "Conversion"). Each leaves a value of its own type as it is,
// so that a rule does not depend on the type that an attribute was given here.
var entraConvertFunctions = []Function{
	{
		Name: "CBool", Dialects: entraOnly, Source: entraText, Result: identity.TypeBoolean,
		Doc:    "True for true, the text of it, and any number but 0; false for false, the text of it, 0 and null.",
		Params: []Param{param("value", Single).whenNull(passNull)},
		build:  converting(conversion(asBoolean, "true or false"), identity.TypeBoolean, identity.TypeInteger, identity.TypeString),
	},
	{
		Name: "CNum", Dialects: entraOnly, Source: entraText, Result: identity.TypeInteger,
		Doc:    "The number that a text holds: decimal, or hexadecimal after &H.",
		Params: []Param{param("value", Single)},
		build:  converting(conversion(asNumber, "a whole number"), identity.TypeInteger, identity.TypeString),
	},
	{
		Name: "CStr", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc:    "A number, a boolean (True or False) or the name that a reference holds, as text.",
		Params: []Param{param("value", Single)},
		build:  converting(conversion(asText, "a value that has a text"), identity.TypeString, identity.TypeInteger, identity.TypeBoolean, identity.TypeReference),
	},
	{
		Name: "CRef", Dialects: entraOnly, Source: entraText, Result: identity.TypeReference,
		Doc:    "A reference to the object with the given name; null for the empty text.",
		Params: []Param{param("value", Single)},
		build:  converting(conversion(asReference, "the name of an object"), identity.TypeReference, identity.TypeString),
	},
	{
		Name: "CDate", Dialects: entraOnly, Source: entraText, Result: identity.TypeDateTime,
		Doc: "The datetime that a text holds, in UTC. A time zone may follow as Z, UTC, GMT, -8, -0800 or -08:00; without one the text is in UTC. " +
			"Dates with slashes are month/day/year.",
		Params: []Param{param("value", Single)},
		build:  converting(fixed1(toDateTime), identity.TypeDateTime, identity.TypeString),
	},
	{
		Name: "CGuid", Dialects: entraOnly, Source: entraText, Result: identity.TypeBinary,
		Doc:    "The binary form of a GUID, as Active Directory stores it. The text has hyphens, and may have braces.",
		Params: []Param{param("guid", Text)},
		build: fixed1(func(_ *Context, x identity.Value) (Value, error) {
			guid, ok := parseHyphenatedGUID(x.Str())
			if !ok {
				return Value{}, fmt.Errorf("%s is not a GUID", show(x))
			}
			return Of(identity.Binary(guid[:])), nil
		}),
	},
	{
		Name: "StringFromGuid", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc:    "The text form of a binary GUID, in lower case, with hyphens and without braces.",
		Params: []Param{param("guid", Bytes)}, build: fixed1(guidToString),
	},
	{
		Name: "StringFromSid", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc:    "The text form, S-1-..., of a binary security identifier.",
		Params: []Param{param("sid", Bytes)}, build: fixed1(sidToString),
	},
	{
		Name: "ConvertFromBase64", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc:    "The text that base64 holds in an encoding: Unicode, which is UTF-16 and the default, UTF8 or ASCII.",
		Params: []Param{param("source", Text), oneOf("encoding", "Unicode", "UTF8", "ASCII").optional()},
		build:  buildFromBase64,
	},
	{
		Name: "ConvertToBase64", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc:    "The bytes of a binary value, or of a text in UTF-16, as base64.",
		Params: []Param{param("value", Single)},
		build:  taking(fixed1(toBase64), identity.TypeString, identity.TypeBinary),
	},
	{
		Name: "ConvertFromUTF8Hex", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc:    "The text of which the hexadecimal digits are the UTF-8 bytes.",
		Params: []Param{param("source", Text)}, build: fixed1(fromUTF8Hex),
	},
	{
		Name: "ConvertToUTF8Hex", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc:    "The UTF-8 bytes of the text as hexadecimal digits. Microsoft Entra ID writes names so.",
		Params: []Param{param("text", Text)}, build: fixed1(toUTF8Hex),
	},
}

// conversion builds calls that convert a value, or fail because it is not what
// they want.
func conversion(as func(identity.Value) (identity.Value, bool), wanted string) builder {
	return fixed1(func(_ *Context, x identity.Value) (Value, error) {
		v, ok := as(x)
		if !ok {
			return Value{}, fmt.Errorf("%s is not %s", show(x), wanted)
		}
		return Of(v), nil
	})
}

func asBoolean(v identity.Value) (identity.Value, bool) {
	switch v.Type() {
	case 0:
		return identity.Boolean(false), true
	case identity.TypeBoolean:
		return v, true
	case identity.TypeInteger:
		return identity.Boolean(v.Int() != 0), true
	case identity.TypeString:
		if b, ok := parseBool(strings.TrimSpace(v.Str())); ok {
			return identity.Boolean(b), true
		}
		n, err := parseNumber(v.Str())
		return identity.Boolean(n != 0), err == nil
	}
	return v, false
}

func asNumber(v identity.Value) (identity.Value, bool) { return Number.convert(v) }

func asText(v identity.Value) (identity.Value, bool) {
	if v.Type() == identity.TypeDateTime {
		return v, false
	}
	return strictTextOf(v)
}

func asReference(v identity.Value) (identity.Value, bool) {
	if v.Type() == identity.TypeString && v.Str() == "" {
		return identity.Value{}, true
	}
	return Ref.convert(v)
}

// dateTimeWork is what reading a datetime costs, in bytes handled: a text that is
// none is held against many forms.
const dateTimeWork = 64 * stepWork

func asDateTime(v identity.Value) (identity.Value, bool) {
	switch v.Type() {
	case identity.TypeDateTime:
		return v, true
	case identity.TypeString:
		at, ok := parseZonedDateTime(v.Str())
		return identity.DateTime(at), ok
	}
	return v, false
}

func toDateTime(ctx *Context, x identity.Value) (Value, error) {
	if err := ctx.handle(dateTimeWork); err != nil {
		return Value{}, err
	}
	v, ok := asDateTime(x)
	if !ok {
		return Value{}, fault.New("datetime-string-format-incorrect", "%s is not a datetime", show(x))
	}
	return Of(v), nil
}

// parseHyphenatedGUID reads the forms of a GUID that the dialect knows: with
// hyphens, in braces or not.
func parseHyphenatedGUID(text string) ([16]byte, bool) {
	if !strings.Contains(text, "-") {
		return [16]byte{}, false
	}
	return parseGUID(text)
}

func guidToString(_ *Context, guid identity.Value) (Value, error) {
	raw := guid.Str()
	if len(raw) != 16 {
		return Value{}, fmt.Errorf("%d bytes are not a GUID", len(raw))
	}
	return Str(formatGUID([16]byte([]byte(raw)))), nil
}

// formatGUID writes the bytes of a GUID as Active Directory stores them: the
// first three groups are in little-endian order.
func formatGUID(b [16]byte) string {
	var text [36]byte
	at := 0
	for i, from := range [16]int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15} {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			text[at] = '-'
			at++
		}
		hex.Encode(text[at:], b[from:from+1])
		at += 2
	}
	return string(text[:])
}

var errBase64 = errors.New("the text is not base64")

func buildFromBase64(c *compiler, s *site) (operand, error) {
	decode := decodeUTF16
	if len(s.args) > 1 {
		switch s.args[1].value.single.Str() {
		case "UTF8":
			decode = decodeUTF8
		case "ASCII":
			decode = decodeASCII
		}
	}
	return fixed1(func(_ *Context, x identity.Value) (Value, error) {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(x.Str()))
		if err != nil {
			return Value{}, errBase64
		}
		text, err := decode(raw)
		if err == nil && len(text) > max(maxText, len(x.Str())) {
			err = errTooLong
		}
		if err != nil {
			return Value{}, err
		}
		return Str(text), nil
	})(c, s)
}

func decodeUTF8(raw []byte) (string, error) {
	if !utf8.Valid(raw) {
		return "", errors.New("the bytes are not UTF-8")
	}
	return string(raw), nil
}

func decodeASCII(raw []byte) (string, error) {
	for _, b := range raw {
		if b >= utf8.RuneSelf {
			return "", errors.New("the bytes are not ASCII")
		}
	}
	return string(raw), nil
}

// decodeUTF16 reads little-endian UTF-16.
func decodeUTF16(raw []byte) (string, error) {
	bad := errors.New("the bytes are not UTF-16")
	if len(raw)%2 != 0 {
		return "", bad
	}
	var b strings.Builder
	b.Grow(len(raw))
	for i := 0; i < len(raw); i += 2 {
		r := rune(raw[i]) | rune(raw[i+1])<<8
		if utf16.IsSurrogate(r) {
			if i+3 >= len(raw) {
				return "", bad
			}
			r = utf16.DecodeRune(r, rune(raw[i+2])|rune(raw[i+3])<<8)
			if r == utf8.RuneError {
				return "", bad
			}
			i += 2
		}
		b.WriteRune(r)
	}
	return b.String(), nil
}

func toBase64(ctx *Context, text identity.Value) (Value, error) {
	switch text.Type() {
	case identity.TypeBinary:
		return binaryToBase64(ctx, text.Str())
	case identity.TypeString:
	default:
		return Value{}, fmt.Errorf("%s is neither text nor binary", show(text))
	}
	if err := ctx.handle(caseWork * len(text.Str())); err != nil {
		return Value{}, err
	}
	units := 0
	for _, r := range text.Str() {
		units += max(utf16.RuneLen(r), 1)
	}
	if base64.StdEncoding.EncodedLen(2*units) > maxText {
		return Value{}, errTooLong
	}
	raw := make([]byte, 0, 2*units)
	for _, r := range text.Str() {
		if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
			raw = append(raw, byte(high), byte(high>>8))
			r = low
		}
		raw = append(raw, byte(r), byte(r>>8))
	}
	return Str(base64.StdEncoding.EncodeToString(raw)), nil
}

func binaryToBase64(ctx *Context, raw string) (Value, error) {
	if base64.StdEncoding.EncodedLen(len(raw)) > maxText {
		return Value{}, errTooLong
	}
	if err := ctx.handle(caseWork * len(raw)); err != nil {
		return Value{}, err
	}
	return Str(base64.StdEncoding.EncodeToString([]byte(raw))), nil
}

func fromUTF8Hex(_ *Context, source identity.Value) (Value, error) {
	raw, err := hex.DecodeString(strings.TrimSpace(source.Str()))
	if err != nil {
		return Value{}, errors.New("the text is not hexadecimal")
	}
	text, err := decodeUTF8(raw)
	if err != nil {
		return Value{}, err
	}
	return Str(text), nil
}

func toUTF8Hex(_ *Context, text identity.Value) (Value, error) {
	const digits = "0123456789ABCDEF"
	s := text.Str()
	if 2*len(s) > maxText {
		return Value{}, errTooLong
	}
	var b strings.Builder
	b.Grow(2 * len(s))
	for i := range len(s) {
		b.WriteByte(digits[s[i]>>4])
		b.WriteByte(digits[s[i]&15])
	}
	return Str(b.String()), nil
}
