package identity

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Fold returns text as case-insensitive comparisons and indexes see it.
func Fold(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}

// JoinAnchor builds the anchor of an object from the values of its anchor
// attributes (sync-engine §1.2). One value is its own anchor; several are
// joined with "+", escaped so that no two lists give the same anchor.
func JoinAnchor(parts ...string) string {
	if len(parts) == 1 {
		return parts[0]
	}
	var b strings.Builder
	for i, part := range parts {
		if i > 0 {
			b.WriteByte('+')
		}
		for _, r := range part {
			if r == '+' || r == '\\' {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
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

// ErrDN is wrapped by every error of [ParseDN] (sync-engine §2.7).
var ErrDN = errors.New("dn-not-ldap-conformant")

// ParseDN reads a distinguished name. The empty text is the empty DN.
func ParseDN(text string) (DN, error) {
	p := dnParser{text: text}
	dn, err := p.parse()
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w at byte %d", ErrDN, text, err, p.pos)
	}
	return dn, nil
}

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
// differ only in case, spacing or escaping.
func (d DN) Fold() string { return Fold(d.String()) }

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

// EscapeDNValue escapes text for use as the value of a DN component (RFC 4514 §2.4).
func EscapeDNValue(s string) string {
	plain := s != "" && s[0] != ' ' && s[0] != '#' && s[len(s)-1] != ' ' && !strings.ContainsAny(s, ",+\"\\<>;=\x00")
	if plain || s == "" {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c == 0:
			b.WriteString(`\00`)
			continue
		case strings.IndexByte(",+\"\\<>;=", c) >= 0,
			i == 0 && (c == ' ' || c == '#'),
			i == len(s)-1 && c == ' ':
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}

type dnParser struct {
	text string
	pos  int
}

func (p *dnParser) parse() (DN, error) {
	p.spaces()
	if p.pos == len(p.text) {
		return nil, nil
	}
	var dn DN
	rdn := RDN{}
	for {
		ava, err := p.ava()
		if err != nil {
			return nil, err
		}
		rdn = append(rdn, ava)
		if p.pos < len(p.text) && p.text[p.pos] == '+' {
			p.pos++
			continue
		}
		dn = append(dn, rdn)
		rdn = RDN{}
		if p.pos == len(p.text) {
			return dn, nil
		}
		p.pos++ // a comma or semicolon
	}
}

func (p *dnParser) ava() (AVA, error) {
	p.spaces()
	start := p.pos
	for p.pos < len(p.text) && isAttributeTypeByte(p.text[p.pos]) {
		p.pos++
	}
	name := p.text[start:p.pos]
	p.spaces()
	if name == "" {
		return AVA{}, errors.New("missing attribute type")
	}
	if p.pos == len(p.text) || p.text[p.pos] != '=' {
		return AVA{}, errors.New("missing '='")
	}
	p.pos++
	p.spaces()
	value, err := p.value()
	return AVA{name, value}, err
}

func (p *dnParser) value() (string, error) {
	var b strings.Builder
	keep := 0 // length up to the last byte that is not an unescaped space
	for ; p.pos < len(p.text); p.pos++ {
		switch c := p.text[p.pos]; c {
		case ',', ';', '+':
			return b.String()[:keep], nil
		case '"', '<', '>', 0:
			return "", fmt.Errorf("%q must be escaped", c)
		case '\\':
			decoded, width, err := p.escape()
			if err != nil {
				return "", err
			}
			p.pos += width
			b.WriteByte(decoded)
			keep = b.Len()
		default:
			b.WriteByte(c)
			if c != ' ' {
				keep = b.Len()
			}
		}
	}
	return b.String()[:keep], nil
}

// escape decodes the escape sequence at pos; width is its length minus one.
func (p *dnParser) escape() (decoded byte, width int, err error) {
	rest := p.text[p.pos+1:]
	if len(rest) >= 2 {
		if hi, lo := unhex(rest[0]), unhex(rest[1]); hi >= 0 && lo >= 0 {
			return byte(hi<<4 | lo), 2, nil
		}
	}
	if len(rest) > 0 && strings.IndexByte(" #,+\"\\<>;=", rest[0]) >= 0 {
		return rest[0], 1, nil
	}
	return 0, 0, errors.New("bad escape")
}

func (p *dnParser) spaces() {
	for p.pos < len(p.text) && p.text[p.pos] == ' ' {
		p.pos++
	}
}

func isAttributeTypeByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.'
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
