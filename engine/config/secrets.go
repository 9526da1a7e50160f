package config

import (
	"strings"

	"github.com/metasync/metasync/engine/fault"
)

// expand replaces ${env:NAME} and ${file:PATH} in a text; $${ stands for ${.
// What it cannot replace is a problem at the text's place.
func (l *loader) expand(text string, at fault.Position) string {
	if !strings.Contains(text, "${") {
		return text
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		if escaped, ok := strings.CutSuffix(before, "$"); found && ok {
			out.WriteString(escaped + "${")
			text = rest
			continue
		}
		out.WriteString(before)
		if !found {
			return out.String()
		}
		reference, rest, closed := strings.Cut(rest, "}")
		if !closed {
			l.fail(at, "${ without }").Hint = "write $${ for the characters themselves"
			return out.String()
		}
		out.WriteString(l.secret(reference, at))
		text = rest
	}
}

// secret returns what the inside of a ${} stands for.
func (l *loader) secret(reference string, at fault.Position) string {
	var value string
	source, name, _ := strings.Cut(reference, ":")
	switch source {
	case "env":
		found := false
		if value, found = l.Getenv(name); !found {
			l.fail(at, "environment variable %q is not set", name)
			return ""
		}
	case "file":
		path := l.path(name)
		data, err := l.ReadFile(path)
		if err != nil {
			l.fail(at, "cannot read the file of ${file:%s}", name).Err = err
			return ""
		}
		addOnce(&l.files, path)
		value = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	default:
		l.fail(at, "unknown reference ${%s}; want ${env:NAME} or ${file:PATH}", reference).Hint = "write $${ for the characters themselves"
		return ""
	}
	if value != "" {
		addOnce(&l.secrets, value)
	}
	return value
}
