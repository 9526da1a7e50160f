package csv

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/metasync/metasync/engine/identity"
)

// A source is the file as OpenExport found it. The zero source is a file that
// does not exist yet.
type source struct {
	info    fs.FileInfo
	digest  digest
	lineEnd string
	bom     bool
}

// write carries out the gathered changes: it writes a new file, makes sure that
// it is on the disk, and puts it in the place of the old one. On any error the
// old one stays as it is and nothing else is left.
func (x *fileExport) write(ctx context.Context) error {
	replaced, err := x.agent.disk().Replace(x.source.info, func(w io.Writer) (bool, error) { return x.fill(ctx, w) })
	if replaced {
		x.agent.seen.Store(true)
	}
	return err
}

// fill writes the content of the new file, and reports whether it differs from
// that of the old one.
func (x *fileExport) fill(ctx context.Context, f io.Writer) (changed bool, err error) {
	w := &rowWriter{Writer: bufio.NewWriterSize(f, bufferSize), delimiter: x.agent.delimiter, lineEnd: x.source.lineEnd}
	if x.source.info == nil {
		w.lineEnd, w.changed = "\n", true
		w.writeCells(x.layout.names)
	} else if err := x.copyRows(ctx, w); err != nil {
		return false, err
	}
	for _, o := range x.added {
		w.endLine()
		w.writeCells(x.layout.cells(o, x.unpack(o.delta)))
		w.changed = true
	}
	return w.changed, errors.Join(w.Flush(), x.spill.Err())
}

// copyRows writes the rows of the old file, changed or not, and checks that it
// is still the one that OpenExport read.
func (x *fileExport) copyRows(ctx context.Context, w *rowWriter) error {
	f, err := os.Open(x.agent.file)
	if err != nil {
		return err
	}
	defer f.Close()
	if x.source.bom {
		w.WriteString("\xEF\xBB\xBF")
	}
	s, r := newScanner(x.agent.file, f, x.agent.delimiter), new(row)
	inHeader := true
	for rows := 1; ; rows++ {
		if rows%checkInterval == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		more, err := s.next(r)
		if err != nil {
			return x.agent.named(err)
		}
		if !more {
			break
		}
		if anchor, typ := x.layout.identify(r); !inHeader && typ >= 0 && x.rows[anchor] != nil {
			x.writeObject(w, r, x.rows[anchor])
		} else {
			w.writeRaw(r)
		}
		inHeader = inHeader && r.blank()
	}
	if s.digest != x.source.digest {
		return errors.New("the file was changed during the export; nothing is written")
	}
	return x.agent.disk().Unmoved(f, x.source.info)
}

// A rowWriter writes rows. Errors of writing show when it is flushed.
type rowWriter struct {
	*bufio.Writer
	delimiter byte
	lineEnd   string
	ending    string // what the last row needs before another can follow
	changed   bool   // something was written that was not there before
	buf       []byte
}

func (w *rowWriter) writeRaw(r *row) {
	w.Write(r.raw)
	w.setEnding(lineEnd(r.raw))
}

func (w *rowWriter) setEnding(end []byte) {
	switch string(end) {
	case "":
		w.ending = w.lineEnd
	case "\r":
		w.ending = "\n"
	default:
		w.ending = ""
	}
}

func (w *rowWriter) writeCells(texts []string) {
	for i, text := range texts {
		if i > 0 {
			w.WriteByte(w.delimiter)
		}
		w.buf = appendCell(w.buf[:0], text, w.delimiter)
		w.Write(w.buf)
	}
	w.WriteString(w.lineEnd)
}

// endLine ends the last row of the old file if it was not ended.
func (w *rowWriter) endLine() {
	w.WriteString(w.ending)
	w.ending = ""
}

// writeObject writes a row as its object is after the changes.
func (x *fileExport) writeObject(w *rowWriter, r *row, o *object) {
	if o.gone {
		w.changed = true
		return
	}
	edits := x.layout.edits(r, o, x.unpack(o.delta))
	if len(edits) == 0 {
		w.writeRaw(r)
		return
	}
	w.changed = true
	for i, c := range r.cells {
		if i > 0 {
			w.WriteByte(w.delimiter)
		}
		if text, edited := edits[i]; edited {
			w.buf = appendCell(w.buf[:0], text, w.delimiter)
			w.Write(w.buf)
		} else {
			w.WriteString(r.text[c.start:c.end])
		}
	}
	end := lineEnd(r.raw)
	w.Write(end)
	w.setEnding(end)
}

// edits returns the cells of a row that change, by column.
func (l *layout) edits(r *row, o *object, delta *identity.Delta) map[int]string {
	t := &l.types[o.typ]
	edits := map[int]string{}
	if o.anchor != o.origin {
		parts, _ := identity.SplitAnchor(o.anchor, len(t.anchor))
		for i, column := range t.anchor {
			if parts[i] != r.value(column) {
				edits[column] = parts[i]
			}
		}
	}
	if o.dn != "" && o.dn != r.value(l.dnColumn) {
		edits[l.dnColumn] = o.dn
	}
	if delta == nil {
		return edits
	}
	for i := range delta.Changes {
		c := t.column(delta.Changes[i].Name)
		if text, changed := c.edit(r.value(c.index), &delta.Changes[i]); changed {
			edits[c.index] = text
		}
	}
	return edits
}

// cells returns the row of a new object.
func (l *layout) cells(o *object, delta *identity.Delta) []string {
	t := &l.types[o.typ]
	texts := make([]string, len(l.names))
	if l.typeColumn >= 0 {
		texts[l.typeColumn] = t.schema.Name
	}
	if l.dnColumn >= 0 {
		texts[l.dnColumn] = o.dn
	}
	parts, _ := identity.SplitAnchor(o.anchor, len(t.anchor))
	for i, column := range t.anchor {
		texts[column] = parts[i]
	}
	for _, a := range delta.Apply(nil) {
		c := t.column(a.Name)
		texts[c.index] = c.join(a.Values, nil)
	}
	return texts
}
