package ldif

import (
	"context"
	"errors"
	"io"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
)

var _ agent.ObjectReader = (*ldifAgent)(nil)

// ReadObject implements agent.ObjectReader: it reads the file, and the log of changes over
// it, to the end and keeps the one entry. An object is surely gone if the file, which holds
// other objects, was read without it, and no entry could be this one: entries that cannot be
// read leave that open.
func (a *ldifAgent) ReadObject(ctx context.Context, req agent.ObjectRequest, page *agent.Page) error {
	page.Reset()
	stream, err := a.OpenImport(ctx, agent.ImportRequest{Schema: req.Schema, Required: req.Required})
	if err != nil {
		return err
	}
	key, is := req.Anchor, func(e *agent.Entry) bool { return e.Anchor == req.Anchor }
	if key == "" {
		name := foldName(req.DN)
		key, is = req.DN, func(e *agent.Entry) bool { return foldName(e.DN) == name }
	}
	entries, unreadable, err := find(ctx, stream, is, page)
	_, closeErr := stream.Close(ctx, agent.Aborted)
	switch {
	case err != nil || closeErr != nil:
		page.Reset()
		return errors.Join(err, closeErr)
	case len(page.Entries) > 0:
		if err := page.Entries[0].Err; err != nil && err.Position.File == "" {
			err.Agent, err.Position.File = a.name, a.file
		}
		return nil
	case unreadable > 0:
		return a.missing(key, "it is not among the entries that can be read, and %d cannot", unreadable)
	case entries == 0:
		return a.missing(key, "the file holds no object at all")
	}
	return nil
}

// find puts the object that is the one into found. It reads the stream to its end, so that
// what it found is of one state of the file.
func find(ctx context.Context, stream agent.Import, is func(*agent.Entry) bool, found *agent.Page) (entries, unreadable int, err error) {
	for {
		var page agent.Page // its entry may be what is looked for
		err := stream.Next(ctx, &page)
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
				err := fault.New("duplicate-object", "the file holds the object in line %d and in line %d", found.Entries[0].Line, e.Line)
				err.Object, err.Position.Line = e.DN, e.Line
				found.Entries[0].Err = err
			}
		}
	}
}

func (a *ldifAgent) missing(key, format string, args ...any) error {
	err := fault.New("cd-missing-object", format, args...)
	err.Agent, err.Object, err.Position.File = a.name, key, a.file
	return err
}
