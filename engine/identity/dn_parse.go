package identity

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ErrDN is wrapped by every error of [ParseDN] (sync-engine §2.7).
var ErrDN = errors.New("dn-not-ldap-conformant")

// ParseDN reads a distinguished name (RFC 4514; semicolons and spaces around the
// parts are accepted). The empty text is the empty DN. The error names the byte,
// from 0, at which the text stops being one.
func ParseDN(text string) (DN, error) {
	p := dnParser{text: text}
	dn, err := p.parse()
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w at byte %d", ErrDN, text, err, p.pos)
	}
	return dn, nil
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
	if p.pos < len(p.text) && p.text[p.pos] == '#' {
		value, err := p.hexString()
		return AVA{name, value}, err
	}
	value, err := p.value()
	return AVA{name, value}, err
}

// hexString reads a value in the form "#" and the hexadecimal digits of its BER
// encoding. Only encodings of strings are read: no other one could be written
// back as text.
func (p *dnParser) hexString() (string, error) {
	start := p.pos
	rest := p.text[p.pos+1:]
	if end := strings.IndexAny(rest, ",;+"); end >= 0 {
		rest = rest[:end]
	}
	ber, err := hex.DecodeString(strings.TrimRight(rest, " "))
	if err != nil {
		return "", errors.New("bad hexadecimal value")
	}
	p.pos += 1 + len(rest)
	if len(ber) >= 2 && isStringTag(ber[0]) {
		length, content := int(ber[1]), ber[2:]
		if octets := length - 0x80; octets > 0 && octets <= 3 && octets <= len(content) {
			length = 0
			for _, b := range content[:octets] {
				length = length<<8 | int(b)
			}
			content = content[octets:]
		}
		if length == len(content) {
			return string(content), nil
		}
	}
	p.pos = start
	return "", errors.New("hexadecimal value is not the encoding of a string")
}

// isStringTag reports whether a BER tag is that of an octet, UTF-8, numeric,
// printable or IA5 string. All of them hold their text as it is.
func isStringTag(tag byte) bool {
	switch tag {
	case 0x04, 0x0c, 0x12, 0x13, 0x16:
		return true
	}
	return false
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
