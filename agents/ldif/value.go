package ldif

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/agent/guard"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// value returns the value of a line.
func (a *ldifAgent) value(x *attribute, l *attrLine) (identity.Value, *fault.Error) {
	text := l.value
	if l.form == '<' {
		var err error
		if text, err = a.readURL(l.value); err != nil {
			return identity.Value{}, lineFault("invalid-attribute-value", l, "%s", err)
		}
	}
	if x.Type == identity.TypeBinary {
		return identity.Binary([]byte(text)), nil
	}
	if a.latin && l.form == 0 {
		text = fromLatin(text)
	}
	if !utf8.ValidString(text) {
		err := lineFault("code-page-conversion", l, "the value is not UTF-8 text")
		err.Hint = "set charset to the encoding of the file, or describe the attribute as binary"
		return identity.Value{}, err
	}
	switch x.Type {
	case identity.TypeString:
		return identity.String(text), nil
	case identity.TypeReference:
		if a.anchored {
			return identity.Reference(text), nil
		}
		return identity.Reference(canonical(text)), nil
	}
	v, err := identity.ParseValue(x.Type, text)
	if err != nil {
		var parse *identity.ParseError
		if errors.As(err, &parse) {
			return v, lineFault(parse.Name, l, "%.80q is not a value of type %s", parse.Text, parse.Type)
		}
		return v, lineFault("invalid-attribute-value", l, "%s", err)
	}
	return v, nil
}

// canonical returns a name in the form of RFC 4514, or as it is if it is none.
func canonical(dn string) string {
	parsed, err := identity.ParseDN(dn)
	if err != nil {
		return dn
	}
	return parsed.String()
}

func fromLatin(text string) string {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			runes := make([]rune, len(text))
			for j := range len(text) {
				runes[j] = rune(text[j])
			}
			return string(runes)
		}
	}
	return text
}

// readURL returns the content of a file that a value names. Nothing outside of the
// folder that the configuration names is read, wherever links lead.
func (a *ldifAgent) readURL(text string) (string, error) {
	if a.urls == "" {
		return "", errors.New("the value is in another file, and no folder is named that it may be in: set urls")
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "file" || u.Host != "" && u.Host != "localhost" || u.Path == "" {
		return "", fmt.Errorf("%.80q is no URL of a file", text)
	}
	name, err := filepath.Rel(a.urls, filepath.FromSlash(u.Path))
	if err != nil || !filepath.IsLocal(name) {
		return "", fmt.Errorf("%.200q is not in the folder of urls", text)
	}
	root, err := os.OpenRoot(a.urls)
	if err != nil {
		return "", err
	}
	defer root.Close()
	if info, err := root.Stat(name); err != nil {
		return "", err
	} else if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%.200q is not a regular file", text)
	}
	f, err := root.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, guard.MaxValue+1))
	if err == nil && len(content) > guard.MaxValue {
		err = fmt.Errorf("%.200q has more than %d MiB", text, guard.MaxValue>>20)
	}
	return string(content), err
}

// textOf returns a value as a directory writes it (RFC 4517).
func textOf(v identity.Value) string {
	switch v.Type() {
	case identity.TypeBinary:
		return v.Str()
	case identity.TypeBoolean:
		return strings.ToUpper(v.Text())
	case identity.TypeDateTime:
		if t := v.Time(); t.Nanosecond() != 0 {
			return t.Format("20060102150405.000000Z")
		}
		return v.Time().Format("20060102150405Z")
	}
	return v.Text()
}

// foldAt is the longest line that is written.
const foldAt = 76

// appendLine appends a line, folded if it is long, and in base64 if it must be
// (RFC 2849: SAFE-STRING).
func appendLine(buf []byte, desc, value, lineEnd string) []byte {
	start := len(buf)
	buf = append(append(buf, desc...), ':')
	switch {
	case !isSafe(value):
		buf = base64.StdEncoding.AppendEncode(append(buf, ": "...), []byte(value))
	case value != "":
		buf = append(append(buf, ' '), value...)
	}
	if len(buf)-start > foldAt {
		line := string(buf[start:])
		buf = append(buf[:start], line[:foldAt]...)
		for line = line[foldAt:]; line != ""; line = line[min(foldAt-1, len(line)):] {
			buf = append(append(buf, lineEnd...), ' ')
			buf = append(buf, line[:min(foldAt-1, len(line))]...)
		}
	}
	return append(buf, lineEnd...)
}

func isSafe(value string) bool {
	if value == "" {
		return true
	}
	if c := value[0]; c == ' ' || c == ':' || c == '<' || value[len(value)-1] == ' ' {
		return false
	}
	for i := range len(value) {
		if c := value[i]; c >= utf8.RuneSelf || c == 0 || c == '\n' || c == '\r' {
			return false
		}
	}
	return true
}
