package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/store"
)

// longestWait bounds the time between two tries.
const longestWait = 6 * time.Hour

// Work carries out everything that is due, one entry after the other, until nothing
// is or ctx is done; then the one that goes on is ended in peace. It returns when the
// next one is due, zero if none is. An error of perform is a failed try: failed, which
// may be nil, is told of it. The error is one of the store.
//
// After a try that failed the other workflows have their turn, so that one whose
// system is away does not hold them up.
func (q *Queue) Work(ctx context.Context, perform func(context.Context, *Entry) error, failed func(*Entry, error)) (next time.Time, err error) {
	q.working.Lock()
	defer q.working.Unlock()
	for again := true; again; {
		again, next = false, time.Time{}
		later := map[string]bool{} // workflows of which a try has failed in this round
		for cursor := uint64(0); ctx.Err() == nil; {
			e, wakes, err := q.due(cursor, later)
			if !wakes.IsZero() && (next.IsZero() || wakes.Before(next)) {
				next = wakes
			}
			if err != nil {
				return next, err
			}
			if e == nil {
				break
			}
			cursor = e.ID
			problem := perform(context.WithoutCancel(ctx), e)
			if problem != nil {
				later[e.Workflow] = true
			}
			if err := q.settle(e, problem); err != nil {
				return next, err
			}
			if problem != nil && failed != nil {
				failed(e, problem)
			}
			again = true
		}
		if ctx.Err() != nil {
			return next, nil
		}
	}
	return next, nil
}

// due returns the first entry behind another that is due, nil if there is none, and
// when the first of those that it passed is.
func (q *Queue) due(after uint64, later map[string]bool) (found *Entry, next time.Time, err error) {
	now := q.now()
	err = q.store.View(func(r store.Reader) error {
		for _, value := range r.Scan(bucket, prefixEntry, numbered(prefixEntry, after+1)) {
			e, err := decode(value)
			if err != nil {
				return err
			}
			switch {
			case e.Next.After(now):
				if next.IsZero() || e.Next.Before(next) {
					next = e.Next
				}
			case !later[e.Workflow]:
				found = e
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return nil, next, fmt.Errorf("read the queue of workflows: %w", err)
	}
	return found, next, nil
}

func decode(value []byte) (*Entry, error) {
	e := &Entry{}
	if err := json.Unmarshal(value, e); err != nil {
		return nil, fmt.Errorf("an entry cannot be read: %w", err)
	}
	return e, nil
}

// settle takes an entry that was carried out away, or puts it off.
func (q *Queue) settle(e *Entry, problem error) error {
	retries, wait := 0, time.Duration(0)
	for _, d := range q.list() {
		if d.Name == e.Workflow {
			retries, wait = d.Retries, d.Wait
		}
	}
	err := q.store.Update(func(tx store.Tx) error {
		if problem == nil {
			return tx.Delete(bucket, numbered(prefixEntry, e.ID))
		}
		e.Tries++
		e.Error, e.Next = problem.Error(), time.Time{}
		if e.Tries > retries {
			return errorsOf(tx.Delete(bucket, numbered(prefixEntry, e.ID)), put(tx, prefixFailed, e))
		}
		for range e.Tries - 1 {
			wait = min(2*wait, longestWait)
		}
		e.Next = q.now().Add(wait).UTC()
		return put(tx, prefixEntry, e)
	})
	if err != nil {
		return fmt.Errorf("write the queue of workflows: %w", err)
	}
	return nil
}

// maxFailures bounds what Status shows.
const maxFailures = 100

// Status tells how the queue is doing.
func (q *Queue) Status() (Status, error) {
	s := Status{Failures: []Failure{}}
	err := q.store.View(func(r store.Reader) error {
		for _, value := range r.Scan(bucket, prefixFailed, nil) {
			if s.Failed++; len(s.Failures) < maxFailures {
				e, err := decode(value)
				if err != nil {
					return err
				}
				s.Failures = append(s.Failures, e.Failure())
			}
		}
		for _, value := range r.Scan(bucket, prefixEntry, nil) {
			if s.Waiting++; s.Waiting > 10*maxFailures {
				continue // they are counted
			}
			e, err := decode(value)
			if err != nil {
				return err
			}
			if s.Oldest.IsZero() {
				s.Oldest = e.Since
			}
			if e.Error != "" && len(s.Failures) < maxFailures {
				s.Failures = append(s.Failures, e.Failure())
			}
		}
		return nil
	})
	if err != nil {
		return s, fmt.Errorf("read the queue of workflows: %w", err)
	}
	return s, nil
}

// Retry has an entry that failed for good tried again, as if for the first time; 0 is
// all of them. It returns how many.
func (q *Queue) Retry(id uint64) (int, error) {
	return q.failed(id, func(tx store.Tx, e *Entry) error {
		e.Tries, e.Next = 0, time.Time{}
		return put(tx, prefixEntry, e)
	})
}

// Drop forgets an entry that failed for good; 0 is all of them. It returns how many.
func (q *Queue) Drop(id uint64) (int, error) {
	return q.failed(id, func(store.Tx, *Entry) error { return nil })
}

// failed does something with entries that failed for good, and takes them from
// there.
func (q *Queue) failed(id uint64, do func(store.Tx, *Entry) error) (n int, err error) {
	err = q.store.Update(func(tx store.Tx) error {
		n = 0
		var entries []*Entry
		for _, value := range tx.Scan(bucket, prefixFailed, nil) {
			e, err := decode(value)
			if err != nil {
				return err
			}
			if id == 0 || e.ID == id {
				entries = append(entries, e)
			}
		}
		if id != 0 && len(entries) == 0 {
			return fault.New("unknown-entry", "no workflow has failed with the number %d", id)
		}
		for _, e := range entries {
			if err := errorsOf(tx.Delete(bucket, numbered(prefixFailed, e.ID)), do(tx, e)); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

// Prune forgets what failed for good before a time. It returns how many entries.
func (q *Queue) Prune(before time.Time) (n int, err error) {
	err = q.store.Update(func(tx store.Tx) error {
		n = 0
		var old [][]byte
		for key, value := range tx.Scan(bucket, prefixFailed, nil) {
			e, err := decode(value)
			if err != nil {
				return err
			}
			if e.Since.Before(before) {
				old = append(old, slices.Clone(key))
			}
		}
		for _, key := range old {
			if err := tx.Delete(bucket, key); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}
