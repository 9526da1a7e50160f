package dropfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
)

// maxLine is the length of the longest line, in bytes: a group with a million
// members is shorter.
const maxLine = 1 << 28

// A Reader reads a file line by line.
type Reader struct {
	Header Header

	path   string
	file   io.Closer
	lines  *bufio.Reader
	number int // of the last line read
	count  int
	ended  bool
}

// Open opens the file of a step and reads it once to its end: a file that is
// torn or damaged anywhere is refused before anything of it is used. want says
// what it must be about; of it, Version, Complete and Created do not count.
func Open(path string, want Header) (*Reader, error) {
	r, err := open(path)
	if err != nil {
		return nil, err
	}
	if err := r.suits(want); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	for err == nil {
		_, err = r.next(want.Step)
	}
	if closeErr := r.Close(); !errors.Is(err, io.EOF) || closeErr != nil {
		return nil, errors.Join(err, closeErr)
	}
	return open(path)
}

func open(path string) (*Reader, error) {
	file, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.Wrap("no-start-file-not-found", err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fault.Wrap("no-start-file-access-denied", err)
	case err != nil:
		return nil, fault.Wrap("no-start-file-open", err)
	}
	r := newReader(path, file, file)
	if err := r.header(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return r, nil
}

func newReader(path string, from io.Reader, closer io.Closer) *Reader {
	return &Reader{path: path, file: closer, lines: bufio.NewReaderSize(from, 1<<16)}
}

// Close closes the file.
func (r *Reader) Close() error { return r.file.Close() }

// Change returns the next change and io.EOF after the last one. secret names an
// attribute whose value the file does not tell, "" if it tells all.
func (r *Reader) Change() (c agent.Change, secret string, err error) {
	l, err := r.next("export")
	if err != nil {
		return c, "", err
	}
	return l.change()
}

// Position returns the place of the line read last.
func (r *Reader) Position() fault.Position { return fault.Position{File: r.path, Line: r.number} }

func (r *Reader) header() error {
	data, err := r.line()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := unmarshal(data, &r.Header); err != nil || r.Header.Version == 0 {
		return r.wrongKind("the file is not a drop file")
	}
	if r.Header.Version != version {
		return r.wrongKind("the file has format %d, this program knows %d", r.Header.Version, version)
	}
	return nil
}

// suits says why the file is not the one that a step wants.
func (r *Reader) suits(want Header) error {
	has := r.Header
	switch {
	case has.Step != want.Step:
		return r.wrongKind("the file is of a step %s, not %s", has.Step, want.Step)
	case has.Agent != want.Agent:
		return r.named("no-start-bad-ma-configuration", "the file is of agent %q, not %q", has.Agent, want.Agent)
	case has.Partition != want.Partition:
		return r.named("no-start-bad-ma-configuration", "the file is of partition %q, not %q", has.Partition, want.Partition)
	case has.Schema != want.Schema:
		err := r.named("no-start-database-schema-mismatch", "the object types and attributes of the agent are not those of the file")
		err.Hint = "they have changed since it was written: write it anew"
		return err
	}
	return nil
}

func (r *Reader) wrongKind(format string, args ...any) *fault.Error {
	return r.named("no-start-file-contains-incorrect-step-type", format, args...)
}

func (r *Reader) named(name, format string, args ...any) *fault.Error {
	err := fault.New(name, format, args...)
	err.Position = r.Position()
	return err
}

func (r *Reader) damaged(format string, args ...any) *fault.Error {
	return r.named("stopped-parsing-errors", format, args...)
}

// next returns the next line that is an entry or, in the file of an export, a
// change. After the trailer, which must be right, it returns io.EOF.
func (r *Reader) next(step string) (*line, error) {
	if r.ended {
		return nil, io.EOF
	}
	data, err := r.line()
	if errors.Is(err, io.EOF) {
		r.number++
		return nil, r.damaged("the file ends without its last line: it is torn")
	}
	if err != nil {
		return nil, err
	}
	var l line
	if err := unmarshal(data, &l); err != nil {
		return nil, r.damaged("%v", err)
	}
	if l.Count != nil {
		return nil, r.trailer(&l)
	}
	if step == "export" {
		_, _, err = l.change()
	} else {
		_, err = l.entry()
	}
	if err != nil {
		return nil, r.damaged("%v", err)
	}
	r.count++
	return &l, nil
}

func (r *Reader) trailer(l *line) error {
	if *l.Count != r.count {
		return r.damaged("there should be %d lines before this one, and there are %d", *l.Count, r.count)
	}
	if _, err := r.line(); !errors.Is(err, io.EOF) {
		return r.damaged("something follows the last line")
	}
	r.ended = true
	return io.EOF
}

// line returns the next line without its end. A piece of a line at the end of
// the file counts as none.
func (r *Reader) line() ([]byte, error) {
	var whole []byte
	for {
		part, err := r.lines.ReadSlice('\n')
		whole = append(whole, part...)
		switch {
		case err == nil:
			r.number++
			return whole[:len(whole)-1], nil
		case errors.Is(err, bufio.ErrBufferFull) && len(whole) < maxLine:
		case errors.Is(err, bufio.ErrBufferFull):
			r.number++
			return nil, r.damaged("the line is longer than %d bytes", maxLine)
		case errors.Is(err, io.EOF):
			if len(whole) > 0 {
				r.number++
				return nil, r.damaged("the line has no end: the file is torn")
			}
			return nil, io.EOF
		default:
			return nil, fault.Wrap("stopped-file-error", fmt.Errorf("read %s: %w", r.path, err))
		}
	}
}
