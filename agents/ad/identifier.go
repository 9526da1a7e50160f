package ad

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// guidText returns a GUID as administrators write it: the first three groups are numbers
// with their least byte first (MS-DTYP §2.3.4). What is no GUID is returned in hexadecimal.
func guidText(raw string) string {
	if len(raw) != 16 {
		return hex.EncodeToString([]byte(raw))
	}
	b := []byte(raw)
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x",
		binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:]), b[8:10], b[10:])
}

// guidRaw returns the GUID that is written so. A text that is none is returned as it is,
// and is the identifier of nothing.
func guidRaw(text string) string {
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(b) != 16 {
		return text
	}
	slices.Reverse(b[:4])
	slices.Reverse(b[4:6])
	slices.Reverse(b[6:8])
	return string(b)
}

// guidName returns the name of the object with a GUID (MS-ADTS §3.1.1.3.1.2.4).
func guidName(text string) string { return "<GUID=" + text + ">" }

// sidText returns a security identifier as administrators write it, S-1-5-21-... (MS-DTYP
// §2.4.2).
func sidText(raw []byte) (string, error) {
	if len(raw) < 8 || raw[0] != 1 || len(raw) != 8+4*int(raw[1]) {
		return "", fmt.Errorf("%x is no security identifier", raw)
	}
	authority := uint64(0)
	for _, b := range raw[2:8] {
		authority = authority<<8 | uint64(b)
	}
	out := "S-1-" + strconv.FormatUint(authority, 10)
	for rest := raw[8:]; len(rest) > 0; rest = rest[4:] {
		out += "-" + strconv.FormatUint(uint64(binary.LittleEndian.Uint32(rest)), 10)
	}
	return out, nil
}

// sidRaw returns the security identifier that is written so.
func sidRaw(text string) ([]byte, error) {
	parts := strings.Split(text, "-")
	if len(parts) < 3 || len(parts) > 3+15 || parts[0] != "S" || parts[1] != "1" {
		return nil, fmt.Errorf("%q is no security identifier", text)
	}
	authority, err := strconv.ParseUint(parts[2], 10, 48)
	if err != nil {
		return nil, fmt.Errorf("%q is no security identifier", text)
	}
	out := binary.BigEndian.AppendUint64(nil, authority)
	out[0], out[1] = 1, byte(len(parts)-3)
	for _, part := range parts[3:] {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%q is no security identifier", text)
		}
		out = binary.LittleEndian.AppendUint32(out, uint32(n))
	}
	return out, nil
}
