package store

import (
	"bytes"
	"iter"

	"github.com/tidwall/btree"
)

// A Buffer gathers writes over a base without touching it: the unit of work of
// the engine. It reads like a [Tx] in which the writes had happened. They can be
// taken back to a [Mark], written in key order by [Buffer.Flush], or thrown away
// with the Buffer.
//
// Keys and values that it returns may be read until the next Rollback or Flush,
// and no longer than those of the base. A Buffer is used by one goroutine. An
// empty one costs next to nothing.
type Buffer struct {
	base     Reader
	overlays []*overlay // of the buckets written so far
	undo     []write
	arena    arena
	flushes  int
}

// An overlay is what was written to one bucket. A nil value stands for a
// deleted key.
type overlay struct {
	bucket  Bucket
	entries btree.Map[string, []byte]
	idle    *overlayScan // kept for the next scan
}

// A write remembers what it replaced in the overlay.
type write struct {
	overlay *overlay
	key     string
	value   []byte
	existed bool
}

// A Mark is a state of a [Buffer] to go back to.
type Mark struct {
	flushes, writes int
}

// NewBuffer returns a buffer without writes. The base must stay as it is while
// the buffer is in use, except that the buffer may be flushed into it.
func NewBuffer(base Reader) *Buffer { return &Buffer{base: base} }

// Base returns what the buffer is over: the state without its writes.
func (b *Buffer) Base() Reader { return b.base }

// Get implements [Reader].
func (b *Buffer) Get(bucket Bucket, key []byte) []byte {
	if o := b.overlay(bucket); o != nil {
		if value, ok := o.entries.Get(text(key)); ok {
			return value
		}
	}
	return b.base.Get(bucket, key)
}

// Scan implements [Reader]. It reads the base as it goes, no further than the
// caller does.
func (b *Buffer) Scan(bucket Bucket, prefix, from []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		o := b.overlay(bucket)
		if o == nil {
			b.base.Scan(bucket, prefix, from)(yield)
			return
		}
		over := o.scan(prefix, from)
		defer func() { o.idle = over }()
		if !over.more {
			b.base.Scan(bucket, prefix, from)(yield)
			return
		}
		for key, value := range b.base.Scan(bucket, prefix, from) {
			for over.more && over.key < text(key) {
				if !over.yield(yield) {
					return
				}
			}
			if over.more && over.key == text(key) {
				if !over.yield(yield) {
					return
				}
				continue
			}
			if !yield(key, value) {
				return
			}
		}
		for over.more {
			if !over.yield(yield) {
				return
			}
		}
	}
}

// overlayScan walks through the entries of an overlay that have a prefix.
type overlayScan struct {
	entries btree.MapIter[string, []byte] // its room to walk in serves scan after scan
	prefix  []byte
	key     string // the entry that comes next
	more    bool   // whether there is one
}

func (o *overlay) scan(prefix, from []byte) *overlayScan {
	s := o.idle
	if o.idle = nil; s == nil { // in use: scans nest
		s = &overlayScan{entries: o.entries.Iter()}
	}
	s.prefix = append(s.prefix[:0], prefix...) // the caller may fill its slice anew
	s.at(s.entries.Seek(text(scanStart(prefix, from))))
	return s
}

func (s *overlayScan) at(found bool) {
	s.more = found && bytes.HasPrefix(raw(s.entries.Key()), s.prefix)
	if s.more {
		s.key = s.entries.Key()
	}
}

// yield hands out the next entry unless it is a deleted one, and reports
// whether the caller wants to go on.
func (s *overlayScan) yield(yield func(key, value []byte) bool) bool {
	if value := s.entries.Value(); value != nil && !yield(raw(s.key), value) {
		return false
	}
	s.at(s.entries.Next())
	return true
}

// Put implements [Tx].
func (b *Buffer) Put(bucket Bucket, key, value []byte) error {
	if err := checkKey(bucket, key); err != nil {
		return err
	}
	k, v := b.arena.copyPair(key, value)
	b.set(bucket, text(k), v)
	return nil
}

// Delete implements [Tx].
func (b *Buffer) Delete(bucket Bucket, key []byte) error {
	if err := checkBucket(bucket); err != nil {
		return err
	}
	b.set(bucket, text(b.arena.copy(key)), nil)
	return nil
}

func (b *Buffer) set(bucket Bucket, key string, value []byte) {
	o := b.overlay(bucket)
	if o == nil {
		o = &overlay{bucket: bucket}
		b.overlays = append(b.overlays, o)
	}
	previous, existed := o.entries.Set(key, value)
	b.undo = append(b.undo, write{o, key, previous, existed})
}

// overlay returns the overlay of a bucket, nil if it has no entries.
func (b *Buffer) overlay(bucket Bucket) *overlay {
	for _, o := range b.overlays {
		if o.bucket == bucket {
			return o
		}
	}
	return nil
}

// Mark returns the present state. It is good until a Rollback to an earlier
// one, or a Flush.
func (b *Buffer) Mark() Mark { return Mark{b.flushes, len(b.undo)} }

// Rollback takes back every write since the mark, which stays good. It panics
// if the mark no longer is.
func (b *Buffer) Rollback(m Mark) {
	if m.flushes != b.flushes || m.writes > len(b.undo) {
		panic("store: rollback to a mark that is no longer good")
	}
	for i := len(b.undo) - 1; i >= m.writes; i-- {
		w := &b.undo[i]
		if w.existed {
			w.overlay.entries.Set(w.key, w.value)
		} else {
			w.overlay.entries.Delete(w.key)
		}
	}
	clear(b.undo[m.writes:])
	b.undo = b.undo[:m.writes]
	if m.writes == 0 {
		b.arena.reset()
	}
}

// Len returns the number of pending entries: keys to put or to delete.
func (b *Buffer) Len() int {
	n := 0
	for _, o := range b.overlays {
		n += o.entries.Len()
	}
	return n
}

// Written yields the keys of a bucket that begin with prefix and were put or
// deleted, in their order.
func (b *Buffer) Written(bucket Bucket, prefix []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		o := b.overlay(bucket)
		if o == nil {
			return
		}
		o.entries.Ascend(text(prefix), func(key string, _ []byte) bool {
			return bytes.HasPrefix(raw(key), prefix) && yield(raw(key))
		})
	}
}

// WriteTo writes everything to dst, bucket by bucket and in key order, and leaves
// the buffer as it is. It returns how many writes that took, deletions included.
// After an error dst has got a part: roll it back. Others may read the buffer
// meanwhile.
func (b *Buffer) WriteTo(dst Tx) (puts int, err error) {
	for _, o := range b.overlays {
		o.entries.Scan(func(key string, value []byte) bool {
			if value == nil {
				err = dst.Delete(o.bucket, raw(key))
			} else {
				err = dst.Put(o.bucket, raw(key), value)
			}
			puts++
			return err == nil
		})
		if err != nil {
			return puts - 1, err
		}
	}
	return puts, nil
}

// Flush is [Buffer.WriteTo], after which the buffer is empty. On an error it is
// as it was.
func (b *Buffer) Flush(dst Tx) (puts int, err error) {
	if puts, err = b.WriteTo(dst); err != nil {
		return puts, err
	}
	for _, o := range b.overlays {
		o.entries.Clear()
	}
	clear(b.undo)
	b.undo = b.undo[:0]
	b.arena.reset()
	b.flushes++
	return puts, nil
}

// Rebase puts the buffer over another base: one that holds what the old one did,
// and perhaps writes of the buffer.
func (b *Buffer) Rebase(base Reader) { b.base = base }

var _ Tx = (*Buffer)(nil)
