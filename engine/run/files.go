package run

import (
	"context"
	"errors"
	"io"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/dropfile"
	"github.com/metasync/metasync/engine/space"
)

// Steps may write what they read or send to a file, or take it from one
// (sync-engine §2.9). The files stand between the step and the streams of the
// agent, so that the rest of the step knows nothing of them.

// header returns the first line of a file of this step.
func (s *step) header(complete bool) dropfile.Header {
	t, schema := s.definition.Type.Import(), s.schema
	if t == "" {
		t, schema = Export, s.agent.Schema
	}
	return dropfile.Header{
		Agent: s.agent.Name, Step: string(t), Partition: s.partition, Complete: complete,
		Schema: dropfile.SchemaHash(schema), Created: s.now(),
	}
}

// create begins a file of this step.
func (s *step) create(file string, complete bool) (*dropfile.Writer, error) {
	w, err := dropfile.Create(file, s.header(complete))
	if err == nil {
		s.report.File = file
	}
	return w, err
}

// openImport opens the system, or the file that stands for it.
func (s *step) openImport(importer agent.Importer, req agent.ImportRequest) (agent.Import, error) {
	if file := s.definition.Resume; file != "" {
		return dropfile.OpenImport(file, s.header(false), req.PageSize)
	}
	stream, err := importer.OpenImport(s.ctx, req)
	if err != nil || s.definition.Audit == "" {
		return stream, err
	}
	w, err := s.create(s.definition.Audit, stream.Complete())
	if err != nil {
		_, closeErr := stream.Close(context.WithoutCancel(s.ctx), agent.Aborted)
		return nil, errors.Join(err, closeErr)
	}
	return &reportedImport{dropfile.RecordImport(stream, w), w, s.report}, nil
}

// reportedImport shows in the report how much was written.
type reportedImport struct {
	agent.Import
	writer *dropfile.Writer
	report *Report
}

func (i *reportedImport) Close(ctx context.Context, outcome agent.Outcome) ([]byte, error) {
	i.report.Written = i.writer.Count()
	return i.Import.Close(ctx, outcome)
}

// dropImport writes what the system delivers to a file and does nothing else. A
// file of which a limit has kept something back is not whole.
func (s *step) dropImport(stream agent.Import) error {
	w, err := s.create(s.definition.Drop, stream.Complete())
	if err != nil {
		_, closeErr := stream.Close(context.WithoutCancel(s.ctx), agent.Aborted)
		return errors.Join(err, closeErr)
	}
	err = s.dropPages(stream, w)
	s.report.Written = w.Count()
	outcome := agent.Completed
	if err != nil || s.halt != "" {
		outcome = agent.Aborted
	}
	_, closeErr := stream.Close(context.WithoutCancel(s.ctx), outcome)
	if err := errors.Join(err, w.Close(outcome == agent.Completed), closeErr); err != nil {
		return err
	}
	s.finish(w.Count(), CompletedDiscoveryErrors)
	return nil
}

func (s *step) dropPages(stream agent.Import, w *dropfile.Writer) error {
	var page agent.Page
	for !s.mustStop() {
		err := stream.Next(s.ctx, &page)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		entries := page.Entries[:s.room(w.Count(), len(page.Entries))]
		if err := w.Entries(entries); err != nil {
			return err
		}
		for i := range entries {
			if err := entries[i].Err; err != nil {
				record := s.errorRecord(err)
				record.DN, record.Anchor = entries[i].DN, entries[i].Anchor
				s.report.add(&s.report.DiscoveryErrors, record)
			}
		}
		if len(entries) < len(page.Entries) {
			s.tooMany()
		}
		s.progress(s.agent.Name, s.report.Type, w.Count(), 0)
	}
	return nil
}

// openExport opens the system, or the file that is written in its place.
func (s *step) openExport(exporter agent.Exporter, req agent.ExportRequest) (agent.Export, error) {
	file := s.definition.Drop + s.definition.Audit // one at most
	if file == "" {
		return exporter.OpenExport(s.ctx, req)
	}
	var to agent.Export
	if s.definition.Audit != "" {
		var err error
		if to, err = exporter.OpenExport(s.ctx, req); err != nil {
			return nil, err
		}
	}
	w, err := s.create(file, false)
	switch {
	case err != nil && to != nil:
		return nil, errors.Join(err, to.Close(context.WithoutCancel(s.ctx), agent.Aborted))
	case err != nil:
		return nil, err
	case to == nil:
		to = dropfile.DropExport(w, req.Schema)
	default:
		to = dropfile.RecordExport(to, w, req.Schema)
	}
	return &reportedExport{to, w, s.report}, nil
}

// emptyFile writes the file of an export that has nothing to send: an older file
// must not be taken for it.
func (s *step) emptyFile() error {
	file := s.definition.Drop + s.definition.Audit
	if file == "" {
		return nil
	}
	w, err := s.create(file, false)
	if err != nil {
		return err
	}
	return w.Close(true)
}

// reportedExport shows in the report how much was written.
type reportedExport struct {
	agent.Export
	writer *dropfile.Writer
	report *Report
}

func (x *reportedExport) Close(ctx context.Context, outcome agent.Outcome) error {
	x.report.Written = x.writer.Count()
	return x.Export.Close(ctx, outcome)
}

// transaction returns what a page of changes is marked as sent in. What is only
// written to a file is marked in a transaction that is thrown away.
func (x *export) transaction() func(func(*space.Tx) error) error {
	if x.definition.idle() {
		return x.space.View
	}
	return x.space.Update
}
