package csv

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// appendCell appends text as a cell, quoted if it must be. Text with a space at
// either end is quoted because other readers may trim it.
func appendCell(buf []byte, text string, delimiter byte) []byte {
	if !needsQuotes(text, delimiter) {
		return append(buf, text...)
	}
	buf = append(buf, '"')
	for {
		i := strings.IndexByte(text, '"')
		if i < 0 {
			break
		}
		buf = append(buf, text[:i+1]...)
		buf = append(buf, '"')
		text = text[i+1:]
	}
	buf = append(buf, text...)
	return append(buf, '"')
}

func needsQuotes(text string, delimiter byte) bool {
	if text == "" {
		return false
	}
	return text[0] == ' ' || text[len(text)-1] == ' ' ||
		strings.IndexByte(text, delimiter) >= 0 || strings.ContainsAny(text, "\"\r\n")
}

// textProblem says why text cannot be the content of a cell: the error's name
// and the reason, "" if it can.
func textProblem(text string) (name, reason string) {
	switch {
	case text == "":
		return "invalid-attribute-value", "a cell cannot hold the empty text, only no value"
	case strings.IndexByte(text, 0) >= 0:
		return "invalid-attribute-value", "a file of text cannot hold a null byte"
	case !utf8.ValidString(text):
		return "code-page-conversion", "the value is not UTF-8 text"
	}
	return "", ""
}

// check says why a change cannot be carried out on the column.
func (c *column) check(change *identity.Change) *fault.Error {
	if !c.multi && len(change.Values) > 1 {
		return c.fault("constraint-violation", "%d values for a column that holds one", len(change.Values))
	}
	for _, v := range change.Values {
		text := v.Text()
		name, reason := textProblem(text)
		switch {
		case v.Type() != c.typ:
			return c.fault("type-mismatch", "a value of type %s in a column of type %s", v.Type(), c.typ)
		case v.Ref() != 0:
			return c.fault("dn-attributes-failure", "the reference has no name")
		case name != "":
			return c.fault(name, "%s", reason)
		case c.multi && strings.Contains(text, c.separator):
			return c.fault("invalid-attribute-value", "the value contains the separator %q", c.separator)
		}
	}
	return nil
}

func (c *column) fault(name, format string, args ...any) *fault.Error {
	err := fault.New(name, format, args...)
	err.Attribute = c.name
	return err
}

// edit returns the content of a cell after a change, and whether that is another
// than before. Text in the cell that is no value of the column's type stays
// unless the change replaces everything.
func (c *column) edit(text string, change *identity.Change) (string, bool) {
	values, strange := c.read(text)
	after := change.Apply(values)
	if !c.multi && len(after) > 1 { // an Update that adds one and does not know the other
		after = change.Values[len(change.Values)-1:]
	}
	if change.Op != identity.Update {
		if slices.Equal(values, after) && len(strange) == 0 {
			return text, false
		}
		return c.join(after, nil), true
	}
	if slices.Equal(values, after) {
		return text, false
	}
	if !c.multi && len(after) > 0 {
		strange = nil
	}
	return c.join(after, strange), true
}

// read returns the values of a cell, and apart from them the parts of its text
// that are no values.
func (c *column) read(text string) (values []identity.Value, strange []string) {
	parts := []string{text}
	if c.multi {
		parts = strings.Split(text, c.separator)
	}
	for _, part := range parts {
		if part == "" {
			continue
		}
		if v, err := identity.ParseValue(c.typ, part); err == nil {
			values = append(values, v)
		} else {
			strange = append(strange, part)
		}
	}
	return identity.Normalize(values), strange
}

// join returns the content of a cell with these values, in their order.
func (c *column) join(values []identity.Value, strange []string) string {
	texts := make([]string, 0, len(values)+len(strange))
	for _, v := range values {
		texts = append(texts, v.Text())
	}
	return strings.Join(append(texts, strange...), c.separator)
}
