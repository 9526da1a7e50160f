package csv

import (
	"context"
	"errors"
	"io"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
)

// ReadObject implements agent.ObjectReader: it reads the file to its end and keeps
// the one row. An object is surely gone if the file, which holds other objects, was
// read without it, and no row could be this one: rows that cannot be read leave
// that open.
func (a *csvAgent) ReadObject(ctx context.Context, req agent.ObjectRequest, page *agent.Page) error {
	page.Reset()
	stream, err := a.OpenImport(ctx, agent.ImportRequest{Schema: req.Schema, Required: req.Required})
	if err != nil {
		return err
	}
	key, is := req.Anchor, func(e *agent.Entry) bool { return e.Anchor == req.Anchor }
	if key == "" {
		key, is = req.DN, func(e *agent.Entry) bool { return e.DN == req.DN }
		if a.dn != "" {
			name := nameKey(key)
			is = func(e *agent.Entry) bool { return nameKey(e.DN) == name }
		}
	}
	rows, unreadable, err := find(ctx, stream, is, page)
	_, closeErr := stream.Close(ctx, agent.Aborted)
	switch err = errors.Join(err, closeErr); {
	case err != nil:
		return a.named(err)
	case len(page.Entries) > 0:
		if err := page.Entries[0].Err; err != nil {
			err.Agent, err.Position.File = a.name, a.file
		}
		return nil
	case unreadable > 0:
		return a.missing(key, "it is not among the rows that can be read, and %d cannot", unreadable)
	case rows == 0:
		return a.missing(key, "the file holds no object at all")
	}
	return nil
}

// find puts the object that is the one into found. It reads the stream to its end,
// so that what it found is of one state of the file.
func find(ctx context.Context, stream agent.Import, is func(*agent.Entry) bool, found *agent.Page) (rows, unreadable int, err error) {
	for {
		var page agent.Page // its entry may be what is looked for
		err := stream.Next(ctx, &page)
		if errors.Is(err, io.EOF) {
			return rows, unreadable, nil
		}
		if err != nil {
			return rows, unreadable, err
		}
		rows += len(page.Entries)
		for i := range page.Entries {
			e := &page.Entries[i]
			switch {
			case e.Anchor == "":
				unreadable++
			case !is(e):
			case len(found.Entries) == 0:
				*found.Add() = *e
			default:
				found.Entries[0].Err = duplicate(e, found.Entries[0].Line)
			}
		}
	}
}

// duplicate is the error of an object that is in the file twice.
func duplicate(e *agent.Entry, first int) *fault.Error {
	err := fault.New("duplicate-object", "the file holds the object in line %d and in line %d", first, e.Line)
	err.Object, err.Position.Line = e.DN, e.Line
	return err
}

func (a *csvAgent) missing(key, format string, args ...any) error {
	err := fault.New("cd-missing-object", format, args...)
	err.Agent, err.Object, err.Position.File = a.name, key, a.file
	return err
}
