package ldif

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"hash/crc64"
	"io"
	"strings"

	"github.com/metasync/metasync/engine/fault"
)

const (
	bufferSize = 256 << 10

	// maxRecord bounds the memory that a file without empty lines can take.
	maxRecord = 256 << 20
)

// malformed is the name of every error about text that is no LDIF.
const malformed = "stopped-parsing-errors"

// A scanner cuts a file into records. It keeps the bytes of each, so that an export
// can write them again as they were. What it reads goes through a digest.
type scanner struct {
	file    string
	in      *bufio.Reader
	digest  uint64
	size    int64 // bytes read
	line    int   // of the next line
	version bool  // there was a version line
	records int
	text    []byte // unfolded lines of the record that is read
	marks   []mark
}

// A mark is where an unfolded line of a record is: in the text and in the raw bytes.
type mark struct {
	start, end       int
	rawStart, rawEnd int
	line             int
}

// A record is an entry or a change: its lines without those of comments. The content
// of the lines stays valid, raw only until the next record.
type record struct {
	line   int    // of its first line, from 1
	offset int64  // of raw in the file
	raw    []byte // everything since the record before, the empty line behind it included
	own    int    // where in raw its own lines begin, with the comments right above
	lines  []attrLine
}

// An attrLine is a line of a record: "attribute: value", or the "-" behind a
// modification.
type attrLine struct {
	desc             string // attribute and options, or "-"
	value            string // decoded; of a URL the URL
	form             byte   // ':' for base64, '<' for a URL, 0 for text
	line             int
	rawStart, rawEnd int // in raw, with the line end; 0, 0 for one that is not there
}

var crcTable = crc64.MakeTable(crc64.ECMA)

func newScanner(file string, in io.Reader) *scanner { return newScannerSize(file, in, bufferSize) }

func newScannerSize(file string, in io.Reader, size int) *scanner {
	return &scanner{file: file, in: bufio.NewReaderSize(in, size), line: 1}
}

// next reads a record into r and returns false at the end of the file, with what is
// behind the last record in raw. Its errors are named; after one, the scanner is of no
// use any more.
func (s *scanner) next(r *record) (bool, error) {
	r.offset, r.raw, r.own, r.lines, r.line = s.size, r.raw[:0], 0, nil, 0
	s.text, s.marks = s.text[:0], s.marks[:0]
	foldable, comment := false, false // the line before may go on, and is a comment
	for {
		start := len(r.raw)
		content, err := s.readLine(r)
		switch {
		case err != nil:
			return false, err
		case content == nil && len(s.marks) == 0:
			return false, nil
		case content == nil:
			err := s.fail(s.line, 0, "the file ends within a record")
			err.Hint = "an empty line ends every record, also the last one; without it the file may have been cut off"
			return false, err
		}
		number := s.line - 1
		switch {
		case len(content) == 0 && len(s.marks) > 0:
			return true, s.cut(r)
		case len(content) == 0:
			r.own, foldable = len(r.raw), false
		case content[0] == ' ' && !foldable:
			return false, s.fail(number, 1, "a line begins with a space, and there is none before that it could continue")
		case content[0] == ' ' && comment:
		case content[0] == ' ':
			last := &s.marks[len(s.marks)-1]
			s.text = append(s.text, content[1:]...)
			last.end, last.rawEnd = len(s.text), len(r.raw)
		case content[0] == '#':
			foldable, comment = true, true
		case len(s.marks) == 0 && s.records == 0 && !s.version && bytes.HasPrefix(bytes.ToLower(content[:min(8, len(content))]), []byte("version:")):
			if v := strings.TrimSpace(string(content[8:])); v != "1" {
				return false, s.fail(number, 9, "version %.20q of LDIF is not known, only 1", v)
			}
			s.version, r.own, foldable = true, len(r.raw), false
		default:
			from := len(s.text)
			s.text = append(s.text, content...)
			s.marks = append(s.marks, mark{from, len(s.text), start, len(r.raw), number})
			foldable, comment = true, false
		}
		if len(r.raw) > maxRecord {
			return false, s.fail(number, 0, "a record of more than %d MiB", maxRecord>>20)
		}
	}
}

// readLine appends a line to the raw bytes of a record and returns its content without
// the line end, nil at the end of the file.
func (s *scanner) readLine(r *record) ([]byte, error) {
	start := len(r.raw)
	for {
		part, err := s.in.ReadSlice('\n')
		r.raw = append(r.raw, part...)
		if errors.Is(err, bufio.ErrBufferFull) && len(r.raw) <= maxRecord {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, fault.Wrap("stopped-import-read", err)
		}
		break
	}
	all := r.raw[start:]
	s.digest = crc64.Update(s.digest, crcTable, all)
	first := s.size == 0
	s.size += int64(len(all))
	if len(all) == 0 {
		return nil, nil
	}
	line := s.line
	s.line++
	if i := bytes.IndexByte(all, 0); i >= 0 {
		err := s.fail(line, i+1, "a null byte")
		err.Name, err.Hint = "stopped-file-embedded-nulls", "the file is damaged, or not text"
		return nil, err
	}
	if all[len(all)-1] != '\n' {
		err := s.fail(line, len(all)+1, "the file ends within a line")
		err.Hint = "a line end ends every line, also the last one; without it the file may have been cut off"
		return nil, err
	}
	content := all[:len(all)-1]
	if n := len(content); n > 0 && content[n-1] == '\r' {
		content = content[:n-1]
	}
	if first {
		content = bytes.TrimPrefix(content, []byte("\xEF\xBB\xBF"))
	}
	return content, nil
}

// cut makes lines of the text of a record.
func (s *scanner) cut(r *record) error {
	text := string(s.text)
	r.lines = make([]attrLine, 0, len(s.marks))
	r.line = s.marks[0].line
	for i := range s.marks {
		m := &s.marks[i]
		l := attrLine{line: m.line, rawStart: m.rawStart, rawEnd: m.rawEnd}
		if err := s.parse(&l, text[m.start:m.end]); err != nil {
			return err
		}
		isName := strings.EqualFold(l.desc, "dn")
		switch {
		case i == 0 && !isName:
			return s.fail(m.line, 1, "a record begins with %.40q, not with dn", l.desc)
		case i == 0 && l.form == '<':
			return s.fail(m.line, 1, "the name of a record cannot be a URL")
		case i > 0 && isName:
			err := s.fail(m.line, 1, "a second dn in the record of line %d", r.line)
			err.Hint = "an empty line stands between two records"
			return err
		}
		r.lines = append(r.lines, l)
	}
	s.records++
	return nil
}

// parse reads an unfolded line.
func (s *scanner) parse(l *attrLine, text string) error {
	if text == "-" {
		l.desc = text
		return nil
	}
	colon := strings.IndexByte(text, ':')
	if colon < 0 {
		return s.fail(l.line, 1, "there is no colon behind the name of an attribute")
	}
	l.desc = text[:colon]
	if at := badDescription(l.desc); at >= 0 {
		return s.fail(l.line, at+1, "%.40q is no attribute", l.desc)
	}
	rest := text[colon+1:]
	if rest != "" && (rest[0] == ':' || rest[0] == '<') {
		l.form, rest = rest[0], rest[1:]
	}
	l.value = strings.TrimLeft(rest, " ")
	switch l.form {
	case ':':
		decoded, err := base64.StdEncoding.DecodeString(strings.TrimRight(l.value, " "))
		if err != nil {
			failed := s.fail(l.line, colon+3, "the value is not base64")
			failed.Attribute = l.desc
			return failed
		}
		l.value = string(decoded)
	case '<':
		l.value = strings.TrimRight(l.value, " ")
	}
	return nil
}

// badDescription returns where a text stops being an attribute with options, -1 if it
// is one.
func badDescription(desc string) int {
	for i := range len(desc) {
		c := desc[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		case c == ';' && i > 0:
		default:
			return i
		}
	}
	if desc == "" {
		return 0
	}
	return -1
}

func (s *scanner) fail(line, column int, format string, args ...any) *fault.Error {
	err := fault.New(malformed, format, args...)
	err.Position = fault.Position{File: s.file, Line: line, Column: column}
	return err
}
