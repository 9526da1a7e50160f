package csv

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/fault"
)

const (
	bufferSize = 256 << 10
	blockSize  = 8 << 10

	// maxRow bounds the memory that a quote which is never closed can take.
	maxRow = 16 << 20
)

// A scanner cuts a file into rows. Unlike encoding/csv it keeps the bytes of
// every row, so that an export can write them again as they were, and does not
// change line ends within quotes. What it reads goes through a digest.
type scanner struct {
	file      string
	source    io.Reader
	delimiter byte
	digest    digest
	size      int64 // bytes read
	bom       bool  // the file starts with a byte order mark

	buf      []byte
	pos, end int // the part of buf that is not used yet
	started  bool
	eof      bool
	line     int   // of the next row
	null     int64 // where in the file the first null byte is, -1 if none was read yet

	texts strings.Builder // room for the texts of the next rows
}

// A row is a row of a file. The content stays valid, raw only until the next row.
type row struct {
	line  int    // where it begins, from 1
	raw   []byte // with its line end
	text  string // without
	cells []cell // none in a blank row
}

// A cell is where in the text of a row a cell is, quotes included.
type cell struct {
	start, end int
	quoted     bool
	doubled    bool // holds doubled quotes
}

func newScanner(file string, source io.Reader, delimiter byte) *scanner {
	return &scanner{
		file: file, source: source, delimiter: delimiter,
		buf: make([]byte, bufferSize), line: 1, null: -1,
	}
}

// next reads a row into r and returns false at the end of the file. Its errors
// are named; after one, the scanner is of no use any more.
func (s *scanner) next(r *row) (bool, error) {
	if !s.started {
		if err := s.start(); err != nil {
			return false, err
		}
	}
	length, quotes := 0, 0 // of the row so far
	for {
		chunk := s.buf[s.pos+length : s.end]
		if i := bytes.IndexByte(chunk, '\n'); i >= 0 {
			quotes += bytes.Count(chunk[:i], []byte{'"'})
			length += i + 1
			if quotes%2 == 0 {
				break
			}
			continue // the line end is within quotes
		}
		quotes += bytes.Count(chunk, []byte{'"'})
		length += len(chunk)
		if s.eof || length > maxRow {
			break
		}
		if err := s.fill(); err != nil {
			return false, err
		}
	}
	if length == 0 {
		return false, nil
	}
	return true, s.cut(r, length, quotes)
}

// cut takes the next length bytes, in which there are so many quotes, as a row.
func (s *scanner) cut(r *row, length, quotes int) error {
	r.line, r.raw = s.line, s.buf[s.pos:s.pos+length]
	content := r.raw[:length-len(lineEnd(r.raw))]
	r.text = s.text(content)
	r.cells = r.cells[:0]
	if from := s.size - int64(s.end-s.pos); s.null >= 0 && s.null < from+int64(length) {
		err := fault.New("stopped-file-embedded-nulls", "a null byte")
		err.Hint = "the file is damaged, or not UTF-8 text"
		err.Position = s.position(r, min(int(s.null-from), len(r.text)))
		return err
	}
	if r.text != "" {
		if at, problem := r.split(s.delimiter, quotes); problem != "" {
			return s.malformed(r, at, problem)
		}
	}
	if length > maxRow {
		return s.malformed(r, 0, "a row of more than 16 MiB")
	}
	s.pos += length
	if len(content) == length || bytes.IndexByte(content, '\n') < 0 {
		s.line++
	} else {
		s.line += 1 + bytes.Count(content, []byte{'\n'})
	}
	return nil
}

// text returns content as a string. Short ones share a block of memory, which
// saves an allocation per row: a tenth of the time of an import.
func (s *scanner) text(content []byte) string {
	if len(content) > blockSize/4 {
		return string(content)
	}
	if s.texts.Cap()-s.texts.Len() < len(content) {
		s.texts.Reset()
		s.texts.Grow(blockSize)
	}
	start := s.texts.Len()
	s.texts.Write(content)
	return s.texts.String()[start:]
}

func (s *scanner) malformed(r *row, at int, problem string) error {
	err := fault.New("stopped-parsing-errors", "%s", problem)
	err.Position = s.position(r, at)
	return err
}

// position returns the place of the byte at of a row.
func (s *scanner) position(r *row, at int) fault.Position {
	before := r.text[:at]
	return fault.Position{
		File:   s.file,
		Line:   r.line + strings.Count(before, "\n"),
		Column: at - strings.LastIndexByte(before, '\n'),
	}
}

// start reads the beginning of the file and skips its byte order mark.
func (s *scanner) start() error {
	s.started = true
	for s.end < 3 && !s.eof {
		if err := s.fill(); err != nil {
			return err
		}
	}
	head := s.buf[:s.end]
	switch {
	case bytes.HasPrefix(head, []byte("\xEF\xBB\xBF")):
		s.bom, s.pos = true, 3
	case bytes.HasPrefix(head, []byte("\xFF\xFE")), bytes.HasPrefix(head, []byte("\xFE\xFF")):
		err := fault.New("no-start-file-code-page", "the file is UTF-16 text")
		err.Hint = "save it as UTF-8"
		err.Position = fault.Position{File: s.file, Line: 1}
		return err
	}
	return nil
}

// fill reads more of the file behind what is not used yet.
func (s *scanner) fill() error {
	if s.end == len(s.buf) {
		if s.pos == 0 {
			s.buf = append(s.buf, make([]byte, len(s.buf))...)
		}
		s.end = copy(s.buf, s.buf[s.pos:s.end])
		s.pos = 0
	}
	n, err := s.source.Read(s.buf[s.end:])
	chunk := s.buf[s.end : s.end+n]
	s.digest.add(chunk)
	if s.null < 0 {
		if i := bytes.IndexByte(chunk, 0); i >= 0 {
			s.null = s.size + int64(i)
		}
	}
	s.size += int64(n)
	s.end += n
	switch {
	case errors.Is(err, io.EOF):
		s.eof = true
	case err != nil:
		named := fault.Wrap("stopped-import-read", err)
		named.Position = fault.Position{File: s.file, Line: s.line}
		return named
	}
	return nil
}

// lineEnd returns the line end of a row. A carriage return at the very end of
// the file is one, too.
func lineEnd(raw []byte) []byte {
	n := len(raw)
	if n > 0 && raw[n-1] == '\n' {
		n--
	}
	if n > 0 && raw[n-1] == '\r' {
		n--
	}
	return raw[n:]
}

// split finds the cells of a row that holds so many quotes. If it cannot, it
// returns where it failed and why.
func (r *row) split(delimiter byte, quotes int) (at int, problem string) {
	text := r.text
	for start := 0; quotes == 0; {
		i := strings.IndexByte(text[start:], delimiter)
		if i < 0 {
			r.cells = append(r.cells, cell{start: start, end: len(text)})
			return 0, ""
		}
		r.cells = append(r.cells, cell{start: start, end: start + i})
		start += i + 1
	}
	for start := 0; ; {
		c := cell{start: start}
		if start < len(text) && text[start] == '"' {
			c.quoted = true
			var inner int
			c.end, inner = closingQuote(text, start)
			if c.end < 0 {
				return start, "the quote is never closed"
			}
			if c.end < len(text) && text[c.end] != delimiter {
				return c.end, "text behind the closing quote"
			}
			c.doubled = inner > 0
			quotes -= 2 + inner
		} else if i := strings.IndexByte(text[start:], delimiter); i >= 0 {
			c.end = start + i
		} else {
			c.end = len(text)
		}
		r.cells = append(r.cells, c)
		if c.end == len(text) {
			break
		}
		start = c.end + 1
	}
	if quotes == 0 {
		return 0, ""
	}
	for _, c := range r.cells {
		if i := strings.IndexByte(text[c.start:c.end], '"'); i >= 0 && !c.quoted {
			return c.start + i, "a quote within a cell that is not quoted"
		}
	}
	return 0, ""
}

// closingQuote returns where the quoted cell that begins at start ends, -1 if it
// does not, and how many quotes there are within.
func closingQuote(text string, start int) (end, inner int) {
	for end = start + 1; ; {
		i := strings.IndexByte(text[end:], '"')
		if i < 0 {
			return -1, inner
		}
		end += i + 1
		if end == len(text) || text[end] != '"' {
			return end, inner
		}
		inner += 2
		end++
	}
}

// blank reports whether the row is an empty line.
func (r *row) blank() bool { return r.text == "" }

// value returns the content of a cell; it shares the memory of the row's text.
func (r *row) value(i int) string { return r.cells[i].of(r.text) }

// of returns the content of the cell in the text of its row.
func (c *cell) of(text string) string {
	if c.quoted {
		return c.unquote(text)
	}
	return text[c.start:c.end]
}

func (c *cell) unquote(text string) string {
	inner := text[c.start+1 : c.end-1]
	if c.doubled {
		return strings.ReplaceAll(inner, `""`, `"`)
	}
	return inner
}

// invalidUTF8 returns where the text stops being UTF-8, -1 if it does not.
func (r *row) invalidUTF8() int {
	if utf8.ValidString(r.text) {
		return -1
	}
	for i := 0; ; {
		c, width := utf8.DecodeRuneInString(r.text[i:])
		if c == utf8.RuneError && width == 1 {
			return i
		}
		i += width
	}
}
