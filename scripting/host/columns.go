package host

import (
	"fmt"
	"strings"
)

// goja looks columns up in source maps as if they counted from 1, in the
// generated and in the original text. Source maps count from 0. So without help
// every column would be one too small, and of a neighbouring token where tokens
// are one character wide.

// countFromOne rewrites the mappings of a source map so that their columns count
// from 1. All columns but the first of a line, and all original columns but the
// very first, are differences, and stay as they are.
func countFromOne(mappings string) (string, error) {
	lines := strings.Split(mappings, ";")
	original := false // whether the first original column has been seen
	for i, line := range lines {
		if line == "" {
			continue
		}
		segments := strings.Split(line, ",")
		for j, segment := range segments {
			if j > 0 && original {
				break
			}
			fields, err := decodeVLQ(segment)
			if err != nil {
				return "", err
			}
			if j == 0 {
				fields[0]++
			}
			if !original && len(fields) >= 4 {
				fields[3]++
				original = true
			}
			segments[j] = encodeVLQ(fields)
		}
		lines[i] = strings.Join(segments, ",")
	}
	return strings.Join(lines, ";"), nil
}

const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

func decodeVLQ(text string) ([]int, error) {
	var fields []int
	value, shift := 0, 0
	for i := range len(text) {
		digit := strings.IndexByte(base64Digits, text[i])
		if digit < 0 || shift > 30 {
			return nil, fmt.Errorf("bad segment %q in a source map", text)
		}
		value |= digit & 31 << shift
		shift += 5
		if digit&32 != 0 {
			continue
		}
		field := value >> 1
		if value&1 != 0 {
			field = -field
		}
		fields = append(fields, field)
		value, shift = 0, 0
	}
	if shift != 0 || len(fields) == 0 {
		return nil, fmt.Errorf("bad segment %q in a source map", text)
	}
	return fields, nil
}

func encodeVLQ(fields []int) string {
	var b strings.Builder
	for _, field := range fields {
		value := field << 1
		if field < 0 {
			value = -field<<1 | 1
		}
		for value > 31 {
			b.WriteByte(base64Digits[value&31|32])
			value >>= 5
		}
		b.WriteByte(base64Digits[value])
	}
	return b.String()
}
