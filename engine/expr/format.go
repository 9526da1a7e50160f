package expr

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/identity"
)

// A composite is a compiled format with placeholders, as .NET knows it:
// {index[,width][:format]}; {{ and }} are braces.
type composite []compositePiece

// A compositePiece is literal text, or a placeholder.
type compositePiece struct {
	text   string
	index  int // of the value; -1 for text
	width  int // at least so many characters; negative: text to the left
	format string
	layout layout // of a datetime, if format is not ""
}

// maxWidth bounds the width of a placeholder, as a text of this many characters
// is more than any attribute needs.
const maxWidth = 1000

// parseComposite reads a format for so many values.
func parseComposite(format string, values int) (composite, error) {
	var pieces composite
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			pieces = append(pieces, compositePiece{text: text.String(), index: -1})
			text.Reset()
		}
	}
	for rest := format; rest != ""; {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			text.WriteString(rest)
			break
		}
		text.WriteString(rest[:i])
		brace := rest[i]
		rest = rest[i+1:]
		if strings.HasPrefix(rest, string(brace)) {
			text.WriteByte(brace)
			rest = rest[1:]
			continue
		}
		inside, after, closed := strings.Cut(rest, "}")
		if brace == '}' || !closed {
			return nil, badComposite(format, "a brace stands alone; write {{ or }} for the character itself")
		}
		p, err := parsePlaceholder(format, inside, values)
		if err != nil {
			return nil, err
		}
		flush()
		pieces, rest = append(pieces, p), after
	}
	flush()
	return pieces, nil
}

func parsePlaceholder(format, inside string, values int) (compositePiece, error) {
	p := compositePiece{}
	inside, p.format, _ = strings.Cut(inside, ":")
	number, width, wide := strings.Cut(inside, ",")
	index, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil || index < 0 || index >= values {
		return p, badComposite(format, fmt.Sprintf("there is no value {%s}; the first is {0}, the last {%d}", number, values-1))
	}
	p.index = index
	if wide {
		if p.width, err = strconv.Atoi(strings.TrimSpace(width)); err != nil || p.width > maxWidth || p.width < -maxWidth {
			return p, badComposite(format, fmt.Sprintf("%q is not a width", width))
		}
	}
	if p.format != "" {
		p.layout, _ = parseLayout(p.format) // an error only if a datetime comes
	}
	return p, nil
}

func badComposite(format, problem string) error {
	return fmt.Errorf("%s is not a format: %s", show(identity.String(format)), problem)
}

// format writes the values; the zero Value is the empty text.
func (c composite) format(values []identity.Value) (string, error) {
	var b strings.Builder
	for _, p := range c {
		text := p.text
		if p.index >= 0 {
			var err error
			if text, err = p.textOf(values[p.index]); err != nil {
				return "", err
			}
			fill := max(p.width, -p.width) - utf8.RuneCountInString(text)
			switch {
			case fill > 0 && p.width > 0:
				text = strings.Repeat(" ", fill) + text
			case fill > 0:
				text += strings.Repeat(" ", fill)
			}
		}
		if b.Len()+len(text) > maxText {
			return "", errTooLong
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

func (p *compositePiece) textOf(v identity.Value) (string, error) {
	switch {
	case v.Type() == 0:
		return "", nil
	case p.format != "" && v.Type() == identity.TypeDateTime:
		if p.layout == nil {
			_, err := parseLayout(p.format)
			return "", err
		}
		return p.layout.format(v.Time()), nil
	case p.format != "" && v.Type() == identity.TypeInteger:
		return formatInteger(v.Int(), p.format)
	}
	text, ok := textOf(v)
	if !ok {
		return "", fmt.Errorf("%s has no text", show(v))
	}
	return text.Str(), nil
}

// formatInteger knows D and X with a number of digits, and a row of zeros.
func formatInteger(n int64, format string) (string, error) {
	digits, err := 0, error(nil)
	if len(format) > 1 {
		digits, err = strconv.Atoi(format[1:])
	}
	kind := format[0]
	if strings.Trim(format, "0") == "" {
		kind, digits, err = 'D', len(format), nil
	}
	if err != nil || digits < 0 || digits > maxWidth {
		kind = 0
	}
	switch kind {
	case 'D', 'd':
		text := fmt.Sprintf("%0*d", digits, magnitude(n))
		if n < 0 {
			text = "-" + text
		}
		return text, nil
	case 'X':
		return fmt.Sprintf("%0*X", digits, uint64(n)), nil
	case 'x':
		return fmt.Sprintf("%0*x", digits, uint64(n)), nil
	}
	return "", fmt.Errorf("%s is not a format of a whole number; D4, X8 and 0000 are", show(identity.String(format)))
}

// buildFormatList reads a format that is written in the expression once. The
// result is a list if one of the values is.
func buildFormatList(_ *compiler, s *site) (operand, error) {
	format, lists := &s.args[0], s.args[1:]
	var compiled composite
	if format.constant && !format.null {
		var err error
		if compiled, err = parseComposite(format.value.single.Str(), len(lists)); err != nil {
			return operand{}, s.fail(err)
		}
	}
	result := operand{plural: one}
	for i := range lists {
		result.plural = max(result.plural, lists[i].plural)
	}
	result.code = func(ctx *Context) (Value, error) {
		text, done, err := format.eval(ctx)
		if done {
			return text, err
		}
		values := make([]Value, len(lists))
		for i := range lists {
			if values[i], done, err = lists[i].eval(ctx); done {
				return values[i], err
			}
		}
		pieces := compiled
		if pieces == nil {
			if pieces, err = parseComposite(text.single.Str(), len(lists)); err != nil {
				return Value{}, s.fail(err)
			}
		}
		v, err := formatLists(ctx, pieces, values)
		if err != nil {
			return Value{}, s.fail(err)
		}
		return v, nil
	}
	return result, nil
}

// formatLists writes the format once for each value of the longest list; once
// if there are only single values, and not at all if all are null.
func formatLists(ctx *Context, format composite, values []Value) (Value, error) {
	rows, isList, present := 0, false, false
	for _, v := range values {
		present = present || !v.IsNull()
		if v.IsList() {
			isList = true
			rows = max(rows, len(v.Values()))
		}
	}
	if !present {
		return Value{}, nil
	}
	if !isList {
		rows = 1
	}
	row, lines := make([]identity.Value, len(values)), make([]identity.Value, 0, rows)
	for n := range rows {
		for i, v := range values {
			row[i] = v.single
			if v.IsList() {
				row[i] = valueAt(v, int64(n)).single
			}
		}
		line, err := format.format(row)
		if err != nil {
			return Value{}, err
		}
		if err := ctx.spend(len(line)); err != nil {
			return Value{}, err
		}
		lines = append(lines, identity.String(line))
	}
	if !isList {
		return Of(lines[0]), nil
	}
	return OfList(lines), nil
}
