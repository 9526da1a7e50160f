package identity

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// JoinAnchor builds the anchor of an object from the values of its anchor
// attributes (sync-engine §1.2). One value is its own anchor; several are
// joined with "+", escaped so that no two lists of the same length give the
// same anchor.
func JoinAnchor(parts ...string) string {
	if len(parts) == 1 {
		return parts[0]
	}
	var b strings.Builder
	for i, part := range parts {
		if i > 0 {
			b.WriteByte('+')
		}
		for j := range len(part) {
			if part[j] == '+' || part[j] == '\\' {
				b.WriteByte('\\')
			}
			b.WriteByte(part[j])
		}
	}
	return b.String()
}

// A DN is a distinguished name in the LDAP style (RFC 4514), from the object's
// own component to the root. Systems with other naming use plain text instead.
type DN []RDN

// An RDN is one component of a DN; more than one pair makes it multi-valued.
type RDN []AVA

// An AVA is an attribute type and its value, unescaped.
type AVA struct{ Type, Value string }

// String returns the DN in RFC 4514 form.
func (d DN) String() string {
	var b strings.Builder
	for i, rdn := range d {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(rdn.String())
	}
	return b.String()
}

// Parent returns the DN of the container, the empty DN at the top.
func (d DN) Parent() DN {
	if len(d) == 0 {
		return nil
	}
	return d[1:]
}

// Fold returns the text under which indexes find the DN: equal for DNs that
// differ only in case, spacing, escaping or the order of the pairs of a
// multi-valued component.
func (d DN) Fold() string {
	if !slices.ContainsFunc(d, func(r RDN) bool { return len(r) > 1 }) {
		return Fold(d.String())
	}
	components := make([]string, len(d))
	for i, rdn := range d {
		pairs := make([]string, len(rdn))
		for j := range rdn {
			pairs[j] = Fold(rdn[j : j+1].String())
		}
		slices.Sort(pairs)
		components[i] = strings.Join(pairs, "+")
	}
	return strings.Join(components, ",")
}

// FoldFromRoot is [DN.Fold] with the components in the order of a path, from the
// root to the object's own, so that the text of everything below a DN begins with
// its text and a comma.
func (d DN) FoldFromRoot() string {
	path := slices.Clone(d)
	slices.Reverse(path)
	return path.Fold()
}

// String returns the component in RFC 4514 form.
func (r RDN) String() string {
	var b strings.Builder
	for i, ava := range r {
		if i > 0 {
			b.WriteByte('+')
		}
		b.WriteString(ava.Type)
		b.WriteByte('=')
		b.WriteString(EscapeDNValue(ava.Value))
	}
	return b.String()
}

// EscapeDNValue escapes text for use as the value of a DN component (RFC 4514
// §2.4). Bytes that are not UTF-8 become hex pairs, so that the result is text.
func EscapeDNValue(s string) string {
	if s == "" || s[0] != ' ' && s[0] != '#' && s[len(s)-1] != ' ' &&
		!strings.ContainsAny(s, ",+\"\\<>;=\x00") && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		c := s[i]
		switch {
		case c == 0, r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\%02X`, c)
			continue
		case strings.IndexByte(",+\"\\<>;=", c) >= 0,
			i == 0 && (c == ' ' || c == '#'),
			i == len(s)-1 && c == ' ':
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
