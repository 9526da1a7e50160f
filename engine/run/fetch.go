package run

import (
	"context"
	"errors"
	"io"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/space"
)

// A batch is a page on its way from the agent to the connector space, with the
// digests of its first entries.
type batch struct {
	page    agent.Page
	digests []space.Digest
}

// read stages all pages of the stream. The agent reads the next page while the
// last one is staged.
func (x *staging) read(stream agent.Import) error {
	ctx, cancel := context.WithCancel(x.ctx)
	free, full := make(chan *batch, importPages), make(chan *batch, 1)
	for range importPages {
		free <- &batch{}
	}
	done := make(chan error, 1)
	go func() {
		defer close(full)
		done <- fetch(ctx, stream, newDigester(x.schema, x.partition), free, full)
	}()
	var stageErr error
	for b := range full {
		if stageErr == nil && x.halt == "" {
			if stageErr = x.batches(b, free, full); stageErr != nil || x.halt != "" {
				cancel()
			}
			continue
		}
		free <- b
	}
	cancel()
	readErr := <-done
	switch {
	case stageErr != nil:
		return stageErr
	case x.halt != "":
		return nil
	}
	return readErr
}

// digestsAtOnce is how many digests fetch computes between two looks at whether
// its page is wanted.
const digestsAtOnce = 64

// fetch fills pages until the stream ends. While nobody wants a page yet, it
// computes digests of its entries: so both sides are busy for the same time.
func fetch(ctx context.Context, stream agent.Import, d *digester, free <-chan *batch, full chan<- *batch) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := <-free
		b.page.Reset()
		b.digests = b.digests[:0]
		err := stream.Next(ctx, &b.page)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := hand(ctx, b, d, full); err != nil {
			return err
		}
	}
}

// hand gives a page away as soon as it is wanted.
func hand(ctx context.Context, b *batch, d *digester, full chan<- *batch) error {
	for len(b.digests) < len(b.page.Entries) {
		select {
		case full <- b:
			return nil
		default:
			b.digests = d.some(b.digests, b.page.Entries)
		}
	}
	select {
	case full <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// batches stages a page, and those that are there as soon as it is done.
func (x *staging) batches(b *batch, free chan<- *batch, full <-chan *batch) error {
	return x.space.Batches(func(tx *space.Tx) (more bool, err error) {
		for staged := 0; ; {
			staged += len(b.page.Entries)
			err = x.batch(tx, b)
			free <- b
			if err != nil {
				return false, err
			}
			if x.halt != "" {
				return false, x.details.secure()
			}
			more = false
			select {
			case b, more = <-full:
			default:
			}
			if !more || staged >= importBatch {
				return more, x.details.secure()
			}
		}
	})
}

// batch stages the entries of a page. Entries that are as they were when they
// were last staged need no more than a look at the anchor index.
func (x *staging) batch(tx *space.Tx, b *batch) error {
	for len(b.digests) < len(b.page.Entries) {
		b.digests = x.digester.some(b.digests, b.page.Entries)
	}
	entries := b.page.Entries[:x.room(x.entries, len(b.page.Entries))]
	over := len(entries) < len(b.page.Entries)
	for i := range entries {
		e, digest := &entries[i], b.digests[i]
		if x.isOutside(e) {
			x.filter(filteredObjects)
			continue
		}
		unchanged, err := x.unchanged(tx, e, digest)
		if err != nil {
			return err
		}
		if unchanged {
			continue
		}
		if err := x.entry(tx, e, digest); err != nil {
			return err
		}
	}
	if err := x.noteStaged(tx); err != nil {
		return err
	}
	x.entries += len(entries)
	x.progress(x.agent.Name, x.report.Type, x.entries, 0)
	if over {
		x.tooMany()
	}
	x.mustStop()
	return nil
}
