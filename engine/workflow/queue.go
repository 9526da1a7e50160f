package workflow

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
)

// bucket holds the queue:
//
//	after                 the run up to which all were looked at
//	seen/RUN              a later run that was looked at
//	part/RUN WORKFLOW     how many objects of a run were added, of a workflow of which there are more
//	next                  the id of the next entry
//	entry/ID              what is to be done
//	failed/ID             what failed for good
const bucket store.Bucket = "workflows"

var (
	keyAfter = []byte("after")
	keyNext  = []byte("next")

	prefixSeen   = []byte("seen/")
	prefixPart   = []byte("part/")
	prefixEntry  = []byte("entry/")
	prefixFailed = []byte("failed/")
)

func numbered(prefix []byte, number uint64) []byte {
	return binary.BigEndian.AppendUint64(slices.Clone(prefix), number)
}

func partKey(run uint64, workflow string) []byte {
	return append(numbered(prefixPart, run), workflow...)
}

func number(value []byte) uint64 {
	if len(value) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(value)
}

func numberValue(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// A Source tells what happened in runs.
type Source interface {
	History() *run.History

	// Occurrences yields the objects of a run that a workflow is about, always in the
	// same order. An error of yield ends it.
	Occurrences(ctx context.Context, record *run.Record, workflow string, yield func(Occurrence) error) error
}

// Options are the parts of a queue. Store and Source are needed.
type Options struct {
	Store  store.Store
	Source Source
	Log    *slog.Logger     // nil discards
	Now    func() time.Time // nil is time.Now
}

// A Queue keeps what workflows have to do. Its methods may be called from several
// goroutines.
type Queue struct {
	store  store.Store
	source Source
	log    *slog.Logger
	now    func() time.Time

	gathering sync.Mutex
	working   sync.Mutex

	mu          sync.Mutex
	definitions []Definition
}

// New returns the queue in a store. It has no workflows before Begin.
func New(o Options) *Queue {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Queue{store: o.Store, source: o.Source, log: o.Log, now: o.Now}
}

// Begin puts the workflows of a configuration in the place of those before. The
// first ones are about the runs that begin from now on. No run may be active.
func (q *Queue) Begin(definitions []Definition) error {
	last := uint64(0)
	records, err := q.source.History().Last(1)
	if err != nil {
		return err
	}
	if len(records) > 0 {
		last = records[0].Run
	}
	err = q.store.Update(func(tx store.Tx) error {
		after := tx.Get(bucket, keyAfter)
		switch {
		case len(definitions) == 0 && after != nil:
			// Whatever happens until there are workflows again is nobody's business.
			return errorsOf(tx.Delete(bucket, keyAfter), clear(tx, prefixSeen), clear(tx, prefixPart))
		case len(definitions) > 0 && (after == nil || number(after) > last): // or the history is another one
			return errorsOf(tx.Put(bucket, keyAfter, numberValue(last)), clear(tx, prefixSeen), clear(tx, prefixPart))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("begin workflows: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.definitions = slices.Clone(definitions)
	return nil
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func clear(tx store.Tx, prefix []byte) error {
	var keys [][]byte
	for key := range tx.Scan(bucket, prefix, nil) {
		keys = append(keys, slices.Clone(key))
	}
	for _, key := range keys {
		if err := tx.Delete(bucket, key); err != nil {
			return err
		}
	}
	return nil
}

func (q *Queue) list() []Definition {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.definitions
}

// gatherPage is how many entries are added in one transaction.
const gatherPage = 200

// Gather adds what is to be done about the runs that have ended and were not looked
// at. It goes on where it was interrupted.
func (q *Queue) Gather(ctx context.Context) error {
	q.gathering.Lock()
	defer q.gathering.Unlock()
	definitions := q.list()
	if len(definitions) == 0 {
		return nil
	}
	var after uint64
	seen := map[uint64]bool{}
	err := q.store.View(func(r store.Reader) error {
		after = number(r.Get(bucket, keyAfter))
		for key := range r.Scan(bucket, prefixSeen, nil) {
			seen[number(key[len(prefixSeen):])] = true
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the queue of workflows: %w", err)
	}
	next, whole := after, true // all runs up to next were looked at
	for record, err := range q.source.History().Records(after) {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case record.Result == run.InProgress:
			whole = false
			continue
		case seen[record.Run]:
		default:
			for _, d := range definitions {
				if err := q.gather(ctx, record, d.Name); err != nil {
					return fmt.Errorf("workflow %q: %w", d.Name, err)
				}
			}
			seen[record.Run] = true
		}
		if whole {
			next = record.Run
		}
	}
	return q.looked(after, next, seen)
}

// gather adds the entries of a run and a workflow that are not there yet.
func (q *Queue) gather(ctx context.Context, record *run.Record, workflow string) error {
	key := partKey(record.Run, workflow)
	var done uint64
	if err := q.store.View(func(r store.Reader) error {
		done = number(r.Get(bucket, key))
		return nil
	}); err != nil {
		return err
	}
	found := uint64(0)
	var page []Entry
	flush := func() error {
		if len(page) == 0 {
			return nil
		}
		err := q.store.Update(func(tx store.Tx) error {
			id := max(1, number(tx.Get(bucket, keyNext)))
			for i := range page {
				page[i].ID = id
				prefix := prefixEntry
				if page[i].Problem != "" {
					prefix = prefixFailed
				}
				if err := put(tx, prefix, &page[i]); err != nil {
					return err
				}
				id++
			}
			return errorsOf(tx.Put(bucket, keyNext, numberValue(id)), tx.Put(bucket, key, numberValue(found)))
		})
		for i := range page {
			if e := &page[i]; err == nil && e.Problem != "" {
				q.log.Error("nobody knows whether a workflow is about an object", "workflow", workflow, "run", record.Run, "agent", e.Object.Agent, "object", e.Object.DN, "err", e.Problem)
			}
		}
		page = page[:0]
		return err
	}
	summary := Run{Run: record.Run, Agent: record.Agent, Profile: record.Profile, Cause: record.Cause, Started: record.Started, Ended: record.Ended}
	now := q.now().UTC()
	err := q.source.Occurrences(ctx, record, workflow, func(o Occurrence) error {
		if found++; found <= done {
			return ctx.Err()
		}
		page = append(page, Entry{Workflow: workflow, Occurrence: o, Run: summary, Since: now, Error: o.Problem})
		if len(page) < gatherPage {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

func put(tx store.Tx, prefix []byte, e *Entry) error {
	value, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return tx.Put(bucket, numbered(prefix, e.ID), value)
}

// looked remembers which runs were looked at: all up to next, and those later ones
// that are in seen. Until then what was added of a run is known by its parts.
func (q *Queue) looked(after, next uint64, seen map[uint64]bool) error {
	err := q.store.Update(func(tx store.Tx) error {
		if next != after {
			if err := tx.Put(bucket, keyAfter, numberValue(next)); err != nil {
				return err
			}
		}
		var gone [][]byte
		for key := range tx.Scan(bucket, prefixSeen, nil) {
			if number(key[len(prefixSeen):]) <= next {
				gone = append(gone, slices.Clone(key))
			}
		}
		for key := range tx.Scan(bucket, prefixPart, nil) {
			if seen[number(key[len(prefixPart):][:8])] {
				gone = append(gone, slices.Clone(key))
			}
		}
		for _, key := range gone {
			if err := tx.Delete(bucket, key); err != nil {
				return err
			}
		}
		for run := range seen {
			if run > next {
				if err := tx.Put(bucket, numbered(prefixSeen, run), []byte{}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remember the runs that workflows have looked at: %w", err)
	}
	return nil
}
