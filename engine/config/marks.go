package config

import (
	"strings"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
)

// A quoting is how the text of a scalar is written.
type quoting uint8

const (
	unquoted quoting = iota // plain, or a block after | or >
	singleQuoted
	doubleQuoted
)

// marks returns where the characters of a text stand in the file, as far as
// columns do not simply count on from its start: YAML folds lines, takes
// indentation away and knows escapes. Of a text in one piece it returns nil.
//
// It goes through the text and the file side by side. White space may differ
// between them, all else is the same but for escapes; where it is not, nothing
// more is known.
func (c *converter) marks(n *node, q quoting) expr.Marks {
	raw := rawText{lines: c.lines, line: n.start.Line - 1}
	raw.skip(n.start.Column - 1)
	var marks expr.Marks
	next := n.start // where the next character stands if columns count on
	for i, r := range n.written {
		at := n.start
		if strings.ContainsRune(" \t\r\n", r) {
			next.Column++
			continue
		}
		var ok bool
		if at.Line, at.Column, ok = raw.take(r, q); !ok {
			return marks
		}
		if at != next {
			marks = append(marks, expr.Mark{Offset: i, Position: at})
		}
		next = fault.Position{File: at.File, Line: at.Line, Column: at.Column + 1}
	}
	return marks
}

// A rawText is a place in the lines of a file.
type rawText struct {
	lines  []string
	line   int // from 0
	rest   string
	column int // of rest, in characters from 0
}

// skip goes to a column of the line, counted in characters from 0.
func (t *rawText) skip(columns int) {
	t.rest, t.column = "", 0
	if t.line < 0 || t.line >= len(t.lines) {
		return
	}
	t.rest = t.lines[t.line]
	for range columns {
		t.advance(1)
	}
}

// advance goes on by so many characters.
func (t *rawText) advance(characters int) {
	for range characters {
		_, size := utf8.DecodeRuneInString(t.rest)
		t.rest = t.rest[size:]
		t.column++
	}
}

// take goes past the next character that is not white space, and returns where it
// stands, counted from 1; false if it is not r.
func (t *rawText) take(r rune, q quoting) (line, column int, ok bool) {
	for {
		trimmed := strings.TrimLeft(t.rest, " \t\r")
		t.column += len(t.rest) - len(trimmed)
		if t.rest = trimmed; t.rest == "" {
			if t.line++; t.line >= len(t.lines) {
				return 0, 0, false
			}
			t.skip(0)
			continue
		}
		line, column = t.line+1, t.column+1
		found, _ := utf8.DecodeRuneInString(t.rest)
		switch {
		case q == doubleQuoted && found == '\\':
			width, space := escapeWidth(t.rest)
			t.advance(width)
			if space {
				continue
			}
			return line, column, true
		case q == singleQuoted && strings.HasPrefix(t.rest, "''"):
			t.advance(2)
		default:
			t.advance(1)
		}
		return line, column, found == r
	}
}

// escapeWidth returns how many characters an escape has, and whether it stands
// for white space or nothing.
func escapeWidth(s string) (width int, space bool) {
	if len(s) < 2 {
		return 1, true // the end of a line
	}
	switch s[1] {
	case 'x':
		return 4, false
	case 'u':
		return 6, false
	case 'U':
		return 10, false
	case 'n', 't', 'r', ' ', '\t', '\r':
		return 2, true
	}
	return 2, false
}
