package run

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
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
		done <- fetch(ctx, stream, newDigester(x.schema), free, full)
	}()
	var stageErr error
	for b := range full {
		if stageErr == nil && !x.stopped {
			if stageErr = x.batches(b, free, full); stageErr != nil || x.stopped {
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
	case x.stopped:
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
		err = x.batch(tx, b)
		free <- b
		if err != nil || x.stopped {
			return false, err
		}
		select {
		case b, more = <-full:
		default:
		}
		return more, nil
	})
}

// batch stages the entries of a page. Entries that are as they were when they
// were last staged need no more than a look at the anchor index.
func (x *staging) batch(tx *space.Tx, b *batch) error {
	for len(b.digests) < len(b.page.Entries) {
		b.digests = x.digester.some(b.digests, b.page.Entries)
	}
	for i := range b.page.Entries {
		e, digest := &b.page.Entries[i], b.digests[i]
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
	x.entries += len(b.page.Entries)
	x.progress(x.agent.Name, x.report.Type, x.entries, 0)
	x.stopped = x.stopped || x.report.tooManyErrors()
	return nil
}

// A digester computes fingerprints of entries. Two entries have the same one if
// they say the same about an object under the same schema.
type digester struct {
	types  map[string]*digestedType
	buffer []byte
}

// digestedType stands for an object type in digests.
type digestedType struct {
	names []string // of its attributes, ordered
	seed  []byte   // digest of the names
}

func newDigester(schema identity.Schema) *digester {
	d := &digester{types: map[string]*digestedType{}}
	for i := range schema.Types {
		t := &digestedType{names: schema.Types[i].Names()}
		slices.Sort(t.names)
		for _, name := range append([]string{schema.Types[i].Name}, t.names...) {
			t.seed = append(append(t.seed, name...), 0)
		}
		sum := sha256.Sum256(t.seed)
		t.seed = sum[:8]
		d.types[schema.Types[i].Name] = t
	}
	return d
}

// some appends the digests of the next few entries after those that are there.
func (d *digester) some(digests []space.Digest, entries []agent.Entry) []space.Digest {
	next := entries[len(digests):]
	next = next[:min(digestsAtOnce, len(next))]
	for i := range next {
		digests = append(digests, d.of(&next[i]))
	}
	return digests
}

// of returns the digest of a complete entry, the zero Digest for any other and
// for one that does not fit the schema.
func (d *digester) of(e *agent.Entry) space.Digest {
	t := d.types[e.ObjectType]
	if t == nil || e.Err != nil || e.Op != identity.Add && e.Op != identity.None {
		return space.Digest{}
	}
	b := append(d.buffer[:0], t.seed...)
	b = append(binary.AppendUvarint(b, uint64(len(e.DN))), e.DN...)
	next := 0
	for i := range e.Attributes {
		a := &e.Attributes[i]
		for next < len(t.names) && t.names[next] != a.Name {
			next++
		}
		if next == len(t.names) {
			return space.Digest{}
		}
		if text, short := shortText(a.Values); short && next < 0x80 {
			b = append(b, byte(next), 1, byte(identity.TypeString), byte(len(text))) // as below, at once
			b = append(b, text...)
			continue
		}
		b = binary.AppendUvarint(b, uint64(next))
		b = binary.AppendUvarint(b, uint64(len(a.Values)))
		for _, v := range a.Values {
			b = append(b, byte(v.Type()))
			if text := v.Str(); text != "" {
				b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
			} else {
				b = append(b, 0)
				b = binary.AppendVarint(b, v.Int())
			}
		}
	}
	d.buffer = b
	sum := sha256.Sum256(b)
	return space.Digest(sum[:16])
}

// shortText returns the text of a single string value if its length fits a byte
// of a varint, as nearly all do.
func shortText(values []identity.Value) (string, bool) {
	if len(values) != 1 || values[0].Type() != identity.TypeString {
		return "", false
	}
	text := values[0].Str()
	return text, 0 < len(text) && len(text) < 0x80
}
