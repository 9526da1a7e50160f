package wholefile

import (
	"context"
	"errors"
	"io"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
)

// ReadOne reads an import to its end, so that what it found is of one state of the file,
// and keeps in page the one entry that is what key names. That the entry is in the file
// twice is an error on it. An object is surely gone if the file, which holds other objects,
// was read without it, and no entry could be this one: entries that cannot be read leave
// that open, as the error cd-missing-object. things is what the file is made of. Errors of
// the import are as it returned them.
func (f File) ReadOne(ctx context.Context, m agent.Import, key, things string, is func(*agent.Entry) bool, page *agent.Page) error {
	entries, unreadable, err := find(ctx, m, is, page)
	_, closeErr := m.Close(ctx, agent.Aborted)
	switch err = errors.Join(err, closeErr); {
	case err != nil:
		page.Reset()
		return err
	case len(page.Entries) > 0:
		if err := page.Entries[0].Err; err != nil && err.Position.File == "" {
			err.Agent, err.Position.File = f.Agent, f.Path
		}
		return nil
	case unreadable > 0:
		return f.missing(key, "it is not among the %s that can be read, and %d cannot", things, unreadable)
	case entries == 0:
		return f.missing(key, "the file holds no object at all")
	}
	return nil
}

func (f File) missing(key, format string, args ...any) error {
	err := fault.New("cd-missing-object", format, args...)
	err.Agent, err.Object, err.Position.File = f.Agent, key, f.Path
	return err
}

func find(ctx context.Context, m agent.Import, is func(*agent.Entry) bool, found *agent.Page) (entries, unreadable int, err error) {
	for {
		var page agent.Page // its entry may be what is looked for
		err := m.Next(ctx, &page)
		if errors.Is(err, io.EOF) {
			return entries, unreadable, nil
		}
		if err != nil {
			return entries, unreadable, err
		}
		entries += len(page.Entries)
		for i := range page.Entries {
			e := &page.Entries[i]
			switch {
			case e.Anchor == "":
				unreadable++
			case !is(e):
			case len(found.Entries) == 0:
				*found.Add() = *e
			default:
				found.Entries[0].Err = twice(e, found.Entries[0].Line)
			}
		}
	}
}

// twice is the error of an object that is in the file twice, first in another line.
func twice(e *agent.Entry, first int) *fault.Error {
	err := fault.New("duplicate-object", "the file holds the object in line %d and in line %d", first, e.Line)
	err.Object, err.Position.Line = e.DN, e.Line
	return err
}
