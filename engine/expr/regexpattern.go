package expr

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// The classes of .NET, which know the letters and digits of all scripts, as
// they are written inside brackets.
var patternClasses = map[byte]string{
	'w': `\p{L}\p{Mn}\p{Nd}\p{Pc}`,
	'd': `\p{Nd}`,
	's': `\t-\r\x{85}\p{Z}`,
}

var errPatternEnd = errors.New(`nothing follows the last \`)

// translatePattern writes a regular expression of .NET as Go's. It refuses what
// only an engine that goes back and forth can do, and what Go would read in
// another sense. asciiWords says that there is a \b or \B.
func translatePattern(source string) (translated string, asciiWords bool, err error) {
	var b strings.Builder
	for i := 0; i < len(source); {
		var width int
		var out string
		switch source[i] {
		case '\\':
			if strings.HasPrefix(source[i:], `\b`) || strings.HasPrefix(source[i:], `\B`) {
				asciiWords = true
			}
			out, width, err = translateEscape(source[i:], false)
		case '[':
			out, width, err = translateClass(source[i:])
		case '(':
			out, width, err = translateGroup(source[i:])
		default:
			_, width = utf8.DecodeRuneInString(source[i:])
			out = source[i : i+width]
		}
		if err != nil {
			return "", false, err
		}
		b.WriteString(out)
		i += width
	}
	return b.String(), asciiWords, nil
}

// translateGroup reads the opening of a group.
func translateGroup(s string) (out string, width int, err error) {
	if !strings.HasPrefix(s, "(?") {
		return "(", 1, nil
	}
	for _, refused := range []struct{ opening, name string }{
		{"(?=", "a look ahead"},
		{"(?!", "a look ahead"},
		{"(?<=", "a look behind"},
		{"(?<!", "a look behind"},
		{"(?>", "an atomic group"},
		{"(?(", "a condition"},
		{"(?#", "a comment"},
	} {
		if strings.HasPrefix(s, refused.opening) {
			return "", 0, fmt.Errorf("it has %s, %s...), which only .NET knows", refused.name, refused.opening)
		}
	}
	switch {
	case strings.HasPrefix(s, "(?<"), strings.HasPrefix(s, "(?'"):
		closing := ">"
		if s[2] == '\'' {
			closing = "'"
		}
		name, _, closed := strings.Cut(s[3:], closing)
		if !closed || strings.Trim(name, "_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
			return "", 0, fmt.Errorf("%q is not the name of a group; balancing groups are known only to .NET", name)
		}
		if name == "" || name[0] >= '0' && name[0] <= '9' {
			return "", 0, errors.New("the name of a group must begin with a letter")
		}
		return "(?P<" + name + ">", len(name) + 4, nil
	}
	options, _, _ := strings.Cut(s[2:], ")")
	options, _, _ = strings.Cut(options, ":")
	if strings.ContainsAny(options, "nx") && strings.Trim(options, "imsnx-") == "" {
		return "", 0, fmt.Errorf("it has the option (?%s), and n and x are known only to .NET", options)
	}
	if strings.ContainsRune(options, 'U') {
		return "", 0, errors.New("it has the option (?U), which .NET does not know")
	}
	return "(?", 2, nil
}

// translateClass reads a class in brackets.
func translateClass(s string) (out string, width int, err error) {
	var b strings.Builder
	i := 1
	b.WriteByte('[')
	if strings.HasPrefix(s[i:], "^") {
		b.WriteByte('^')
		i++
	}
	if strings.HasPrefix(s[i:], "]") { // in the first place it is a character
		b.WriteString(`\]`)
		i++
	}
	for i < len(s) {
		switch {
		case s[i] == ']':
			b.WriteByte(']')
			return b.String(), i + 1, nil
		case strings.HasPrefix(s[i:], "-["):
			return "", 0, errors.New("it takes a class from another, as [a-z-[x]], which only .NET knows")
		case s[i] == '[':
			b.WriteString(`\[`)
			i++
		case s[i] == '\\':
			text, n, err := translateEscape(s[i:], true)
			if err != nil {
				return "", 0, err
			}
			b.WriteString(text)
			i += n
		default:
			_, n := utf8.DecodeRuneInString(s[i:])
			b.WriteString(s[i : i+n])
			i += n
		}
	}
	return "", 0, errors.New("a [ is not closed")
}

// translateEscape reads what begins with a backslash.
func translateEscape(s string, inClass bool) (out string, width int, err error) {
	if len(s) < 2 {
		return "", 0, errPatternEnd
	}
	c := s[1]
	switch {
	case c == 'w' || c == 'd' || c == 's':
		if inClass {
			return patternClasses[c], 2, nil
		}
		return "[" + patternClasses[c] + "]", 2, nil
	case c == 'W' || c == 'D' || c == 'S':
		class := patternClasses[c+'a'-'A']
		switch {
		case !inClass:
			return "[^" + class + "]", 2, nil
		case c == 'D':
			return `\P{Nd}`, 2, nil
		}
		return "", 0, fmt.Errorf(`it has \%c in brackets; write [^...] with \%c`, c, c+'a'-'A')
	case c == 'b' && inClass:
		return `\x08`, 2, nil
	case c == 'e':
		return `\x1b`, 2, nil
	case c == 'u' || c == 'x':
		digits := 4
		if c == 'x' {
			digits = 2
		}
		if len(s) < 2+digits || strings.Trim(s[2:2+digits], "0123456789abcdefABCDEF") != "" {
			return "", 0, fmt.Errorf(`\%c takes %d hexadecimal digits`, c, digits)
		}
		return `\x{` + s[2:2+digits] + `}`, 2 + digits, nil
	case c == '0':
		n := 2
		for n < len(s) && n < 4 && s[n] >= '0' && s[n] <= '7' {
			n++
		}
		return s[:n], n, nil
	case c == 'p' || c == 'P':
		return s[:2], 2, nil // the name of the class follows
	case c >= '1' && c <= '9', c == 'k':
		return "", 0, fmt.Errorf(`it refers back to a group, \%c, which only .NET knows`, c)
	case c == 'Z', c == 'G', c == 'c':
		return "", 0, fmt.Errorf(`it has \%c, which only .NET knows`, c)
	case strings.IndexByte("tnrfvaAz", c) >= 0, (c == 'b' || c == 'B') && !inClass:
		return s[:2], 2, nil
	case c >= utf8.RuneSelf:
		_, n := utf8.DecodeRuneInString(s[1:])
		return s[1 : 1+n], 1 + n, nil
	case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_':
		return "", 0, fmt.Errorf(`\%c means nothing`, c)
	case c <= ' ' || c == 0x7f:
		return s[1:2], 2, nil
	}
	return s[:2], 2, nil // punctuation stands for itself
}
