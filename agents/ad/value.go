package ad

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/engine/identity"
)

// passwordAttribute can only be written.
const passwordAttribute = "unicodePwd"

// identifiers are the attributes that hold security identifiers.
var identifiers = set("objectSid", "sIDHistory", "securityIdentifier", "tokenGroups", "tokenGroupsGlobalAndUniversal", "tokenGroupsNoGCAcceptable")

// Codec implements [directory.Modeler].
func (t *dialect) Codec(a *identity.AttributeType, name, syntax string) *directory.Codec {
	switch {
	case strings.EqualFold(name, passwordAttribute):
		return &directory.Codec{Format: formatPassword}
	case syntax == directory.SyntaxLargeInteger && a.Type == identity.TypeDateTime:
		return &directory.Codec{Parse: parseFileTime, Format: formatFileTime}
	case syntax == directory.SyntaxGeneralizedTime && a.Type == identity.TypeDateTime:
		return &directory.Codec{Format: formatTime}
	case identifiers[strings.ToLower(name)] && a.Type == identity.TypeString:
		return &directory.Codec{Parse: parseSID, Format: formatSID}
	}
	return nil
}

// formatPassword returns a password as unicodePwd takes it: in quotes, in UTF-16 with the
// least byte first (MS-ADTS §3.1.1.3.1.5.1).
func formatPassword(v identity.Value) (string, error) {
	var out []byte
	for _, unit := range utf16.Encode([]rune(`"` + v.Str() + `"`)) {
		out = binary.LittleEndian.AppendUint16(out, unit)
	}
	return string(out), nil
}

// Times in large integers count tenths of a microsecond since 1601. Two of them mean
// never.
const (
	fileTimeTick = 100 * time.Nanosecond
	never        = math.MaxInt64
)

var fileTimeBegin = time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC).Unix()

// parseFileTime reads a large integer as a time; never is no value.
func parseFileTime(raw []byte) (identity.Value, error) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < 0 {
		return identity.Value{}, fmt.Errorf("%q is no time", raw)
	}
	if n == 0 || n == never {
		return identity.Value{}, nil
	}
	const second = int64(time.Second / fileTimeTick)
	return identity.DateTime(time.Unix(fileTimeBegin+n/second, n%second*int64(fileTimeTick)).UTC()), nil
}

// formatFileTime writes a time as a large integer.
func formatFileTime(v identity.Value) (string, error) {
	at := v.Time()
	seconds := at.Unix() - fileTimeBegin
	if seconds < 0 || seconds >= never/int64(time.Second/fileTimeTick) {
		return "", fmt.Errorf("%s is out of the range of large integers", v.Text())
	}
	return strconv.FormatInt(seconds*int64(time.Second/fileTimeTick)+int64(at.Nanosecond())/int64(fileTimeTick), 10), nil
}

// formatTime writes a time with the fraction that controllers insist on.
func formatTime(v identity.Value) (string, error) {
	return v.Time().UTC().Format("20060102150405.0Z"), nil
}

func parseSID(raw []byte) (identity.Value, error) {
	text, err := sidText(raw)
	return identity.String(text), err
}

func formatSID(v identity.Value) (string, error) {
	raw, err := sidRaw(v.Str())
	return string(raw), err
}
