package dropfile

import (
	"context"
	"errors"
	"io"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
)

// OpenImport returns an import that delivers what the file of a step holds, see
// [Open]. It leaves no watermark.
func OpenImport(path string, want Header, pageSize int) (agent.Import, error) {
	r, err := Open(path, want)
	if err != nil {
		return nil, err
	}
	return &fileImport{reader: r, pageSize: max(1, pageSize)}, nil
}

type fileImport struct {
	reader   *Reader
	pageSize int
}

func (f *fileImport) Next(ctx context.Context, page *agent.Page) error {
	page.Reset()
	if err := ctx.Err(); err != nil {
		return err
	}
	for len(page.Entries) < f.pageSize {
		l, err := f.reader.next(f.reader.Header.Step)
		if errors.Is(err, io.EOF) && len(page.Entries) > 0 {
			return nil
		}
		if err != nil {
			page.Reset()
			return err
		}
		if *page.Add(), err = l.entry(); err != nil {
			page.Reset()
			return f.reader.damaged("%v", err)
		}
	}
	return nil
}

func (f *fileImport) Complete() bool  { return f.reader.Header.Complete }
func (f *fileImport) Unchanged() bool { return false }

func (f *fileImport) Close(context.Context, agent.Outcome) ([]byte, error) {
	return nil, f.reader.Close()
}

// RecordImport returns an import that writes what another one delivers. The file
// is whole once it was read to its end and closed as completed. It fails if the
// file cannot be written: what would lack evidence is not used.
func RecordImport(from agent.Import, w *Writer) agent.Import {
	return &recordedImport{from, w, false}
}

type recordedImport struct {
	agent.Import
	writer *Writer
	ended  bool
}

func (i *recordedImport) Next(ctx context.Context, page *agent.Page) error {
	err := i.Import.Next(ctx, page)
	if err != nil {
		i.ended = errors.Is(err, io.EOF)
		return err
	}
	return i.writer.Entries(page.Entries)
}

func (i *recordedImport) Close(ctx context.Context, outcome agent.Outcome) ([]byte, error) {
	whole := outcome == agent.Completed && (i.ended || i.Unchanged())
	if err := i.writer.Close(whole); err != nil {
		_, closeErr := i.Import.Close(ctx, agent.Aborted)
		return nil, errors.Join(err, closeErr)
	}
	return i.Import.Close(ctx, outcome)
}

// RecordExport returns an export that writes changes to the file before another
// one carries them out.
func RecordExport(to agent.Export, w *Writer, schema identity.Schema) agent.Export {
	return &recordedExport{to, w, schema}
}

type recordedExport struct {
	agent.Export
	writer *Writer
	schema identity.Schema
}

func (x *recordedExport) Put(ctx context.Context, changes []agent.Change) ([]agent.Result, error) {
	if err := x.writer.Changes(changes, x.schema); err != nil {
		return nil, err
	}
	return x.Export.Put(ctx, changes)
}

func (x *recordedExport) Close(ctx context.Context, outcome agent.Outcome) error {
	err := x.Export.Close(ctx, outcome)
	return errors.Join(err, x.writer.Close(outcome == agent.Completed && err == nil))
}

// DropExport returns an export that does nothing but write changes to the file.
func DropExport(w *Writer, schema identity.Schema) agent.Export {
	return RecordExport(nowhere{}, w, schema)
}

type nowhere struct{}

func (nowhere) Put(_ context.Context, changes []agent.Change) ([]agent.Result, error) {
	return make([]agent.Result, len(changes)), nil
}

func (nowhere) Close(context.Context, agent.Outcome) error { return nil }
