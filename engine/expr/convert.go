package expr

import (
	"encoding/binary"
	"encoding/hex"
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
	b := []byte(sid.Str())
	if len(b) < 8 || b[0] != 1 || b[1] > 15 || len(b) != 8+4*int(b[1]) {
		return Value{}, fmt.Errorf("%d bytes are not a security identifier", len(b))
	}
	var authority uint64
	for _, c := range b[2:8] {
		authority = authority<<8 | uint64(c)
	}
	text := []byte("S-1-")
	if authority < 1<<32 {
		text = strconv.AppendUint(text, authority, 10)
	} else {
		text = fmt.Appendf(text, "0x%012X", authority)
	}
	for rest := b[8:]; len(rest) > 0; rest = rest[4:] {
		text = append(text, '-')
		text = strconv.AppendUint(text, uint64(binary.LittleEndian.Uint32(rest)), 10)
	}
	return Str(string(text)), nil
}

// stringToGUID reads 32 digits, with hyphens after 8, 12, 16 and 20 of them or
// without any, in braces or not. The first three groups are stored in
// little-endian order.
func stringToGUID(_ *Context, guid identity.Value) (Value, error) {
	digits := guid.Str()
	if inner, ok := strings.CutPrefix(digits, "{"); ok {
		if digits, ok = strings.CutSuffix(inner, "}"); !ok {
			digits = ""
		}
	}
	if len(digits) == 36 && digits[8] == '-' && digits[13] == '-' && digits[18] == '-' && digits[23] == '-' {
		digits = digits[:8] + digits[9:13] + digits[14:18] + digits[19:23] + digits[24:]
	}
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) != 16 {
		return Value{}, fmt.Errorf("%s is not a valid GUID", show(guid))
	}
	b[0], b[1], b[2], b[3] = b[3], b[2], b[1], b[0]
	b[4], b[5] = b[5], b[4]
	b[6], b[7] = b[7], b[6]
	return Of(identity.Binary(b)), nil
}
