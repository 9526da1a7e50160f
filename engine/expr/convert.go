package expr

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/metasync/metasync/engine/identity"
)

// convertFunctions are conversions between the forms of identifiers.
var convertFunctions = []Function{
	{
		Name: "ConvertSidToString", Dialects: fimOnly, Source: fimText, Result: identity.TypeString,
		Doc:    "The text form, S-1-..., of a binary security identifier.",
		Params: []Param{param("sid", Bytes)}, build: fixed1(sidToString),
	},
	{
		Name: "ConvertStringToGuid", Dialects: fimOnly, Source: fimText, Result: identity.TypeBinary,
		Doc:    "The binary form of a GUID, as Active Directory stores it.",
		Params: []Param{param("guid", Text)}, build: fixed1(stringToGUID),
	},
}

// sidToString reads a revision, a count, a big-endian authority of 6 bytes, and
// count little-endian sub-authorities of 4.
func sidToString(_ *Context, sid identity.Value) (Value, error) {
	b := sid.Str()
	if len(b) < 8 || b[0] != 1 || b[1] > 15 || len(b) != 8+4*int(b[1]) {
		return Value{}, fmt.Errorf("%d bytes are not a security identifier", len(b))
	}
	var authority uint64
	for i := 2; i < 8; i++ {
		authority = authority<<8 | uint64(b[i])
	}
	var room [192]byte // fifteen sub-authorities of ten digits, and what is before them
	text := append(room[:0], "S-1-"...)
	if authority < 1<<32 {
		text = strconv.AppendUint(text, authority, 10)
	} else {
		text = fmt.Appendf(text, "0x%012X", authority)
	}
	for rest := b[8:]; len(rest) > 0; rest = rest[4:] {
		text = append(text, '-')
		text = strconv.AppendUint(text, uint64(rest[0])|uint64(rest[1])<<8|uint64(rest[2])<<16|uint64(rest[3])<<24, 10)
	}
	return Str(string(text)), nil
}

func stringToGUID(_ *Context, guid identity.Value) (Value, error) {
	b, ok := parseGUID(guid.Str())
	if !ok {
		return Value{}, fmt.Errorf("%s is not a valid GUID", show(guid))
	}
	return Of(identity.Binary(b[:])), nil
}

// parseGUID reads 32 digits, with hyphens after 8, 12, 16 and 20 of them or
// without any, in braces or not. The first three groups are stored in
// little-endian order.
func parseGUID(text string) (b [16]byte, ok bool) {
	if inner, ok := strings.CutPrefix(text, "{"); ok {
		if text, ok = strings.CutSuffix(inner, "}"); !ok {
			return b, false
		}
	}
	hyphens := len(text) == 36
	if !hyphens && len(text) != 32 {
		return b, false
	}
	digits := 0
	for i := range len(text) {
		c := text[i]
		switch {
		case hyphens && (i == 8 || i == 13 || i == 18 || i == 23):
			if c != '-' {
				return b, false
			}
			continue
		case isDigit(c):
			c -= '0'
		case isHexDigit(c):
			c = c | 0x20 - 'a' + 10
		default:
			return b, false
		}
		b[digits/2] = b[digits/2]<<4 | c
		digits++
	}
	b[0], b[1], b[2], b[3] = b[3], b[2], b[1], b[0]
	b[4], b[5] = b[5], b[4]
	b[6], b[7] = b[7], b[6]
	return b, true
}
