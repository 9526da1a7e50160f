package identity

import "strings"

// SplitAnchor is the inverse of [JoinAnchor]: the n parts that an anchor was
// built from, and false if it was not built from n parts.
func SplitAnchor(anchor string, n int) ([]string, bool) {
	if n == 1 {
		return []string{anchor}, true
	}
	parts := make([]string, 0, n)
	var b strings.Builder
	for i := 0; i < len(anchor); i++ {
		switch c := anchor[i]; {
		case c == '+':
			parts = append(parts, b.String())
			b.Reset()
			continue
		case c == '\\' && i+1 < len(anchor) && (anchor[i+1] == '+' || anchor[i+1] == '\\'):
			i++
		case c == '\\':
			return nil, false
		}
		b.WriteByte(anchor[i])
	}
	parts = append(parts, b.String())
	return parts, len(parts) == n
}
