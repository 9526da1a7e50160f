package dropfile

import (
	"bufio"
	"errors"
	"os"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// A Writer writes a file. Its methods return errors that are named
// stopped-file-error. After the first one it writes nothing more.
type Writer struct {
	path   string
	file   *os.File
	buffer *bufio.Writer
	count  int
	err    error
}

// Create begins a file, in place of one that is there. Only its owner can read
// it: it holds personal data.
func Create(path string, h Header) (*Writer, error) {
	h.Version = version
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fault.Wrap("no-start-file-open", err)
	}
	w := &Writer{path: path, file: file, buffer: bufio.NewWriterSize(file, 1<<16)}
	w.put(h)
	if w.err != nil {
		return nil, errors.Join(w.err, w.Close(false))
	}
	return w, nil
}

// Entries writes what an import delivered.
func (w *Writer) Entries(entries []agent.Entry) error {
	for i := range entries {
		w.put(ofEntry(&entries[i]))
	}
	w.count += len(entries)
	return w.err
}

// Changes writes what an export sends, without the values of attributes that the
// schema declares as export-only. When it returns nil, they are in the file.
func (w *Writer) Changes(changes []agent.Change, schema identity.Schema) error {
	for i := range changes {
		w.put(ofChange(&changes[i], schema))
	}
	w.count += len(changes)
	if w.err == nil {
		w.fail(w.buffer.Flush())
	}
	return w.err
}

// Count returns how many entries or changes were written.
func (w *Writer) Count() int { return w.count }

// Close ends the file. Without the trailer that whole gives it, it counts as torn.
func (w *Writer) Close(whole bool) error {
	if w.file == nil {
		return w.err
	}
	if whole {
		w.put(line{Count: &w.count})
	}
	if w.err == nil {
		w.fail(w.buffer.Flush())
	}
	if w.err == nil {
		w.fail(w.file.Sync())
	}
	w.fail(w.file.Close())
	w.file = nil
	return w.err
}

func (w *Writer) put(v any) {
	if w.err != nil {
		return
	}
	data, err := marshal(v)
	if err == nil {
		_, err = w.buffer.Write(append(data, '\n'))
	}
	w.fail(err)
}

func (w *Writer) fail(err error) {
	if err != nil && w.err == nil {
		w.err = fault.Wrap("stopped-file-error", err)
	}
}
