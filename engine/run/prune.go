package run

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/metasync/metasync/engine/store"
)

// Prune removes the records of runs that ended before the given time, and the
// oldest ones beyond count unless that is 0, with the objects behind their counters.
// It returns how many. A run that goes on is not removed, nor any after it.
func (h *History) Prune(before time.Time, count int) (int, error) {
	removed, _, err := h.PruneTo("", before, count, before)
	return removed, err
}

// PruneTo does what [History.Prune] does after it has saved the records that it
// removes into a new file of a folder, which it creates; without a folder nothing is
// saved. If they cannot be saved, nothing is removed. The file has a line of JSON for
// each run, the oldest first; its name holds the given time and the numbers of the
// first and the last run, so that no two are the same and names sort by time. After a
// crash between the two, the next file has the records of the last one again.
func (h *History) PruneTo(folder string, before time.Time, count int, now time.Time) (removed int, file string, err error) {
	var first, last uint64
	for r, err := range h.expired(before, count) {
		if err != nil {
			return 0, "", err
		}
		if first == 0 {
			first = r.Run
		}
		last = r.Run
	}
	if last == 0 {
		return 0, "", nil
	}
	if folder != "" {
		file = filepath.Join(folder, fmt.Sprintf("runs-%s-%010d-%010d.jsonl", now.UTC().Format("20060102T150405Z"), first, last))
		if err := h.save(file, last); err != nil {
			return 0, "", fmt.Errorf("save run history: %w", err)
		}
	}
	removed, err = h.removeThrough(last)
	return removed, file, err
}

// expired yields the records that are to be removed, the oldest first.
func (h *History) expired(before time.Time, count int) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		oldest, next, err := h.bounds()
		if err != nil {
			yield(nil, err)
			return
		}
		for r, err := range h.Records(0) {
			if err != nil {
				yield(nil, err)
				return
			}
			tooMany := count > 0 && next-oldest > uint64(count)
			tooOld := r.Ended.Before(before)
			if r.Ended.IsZero() || !tooMany && !tooOld || !yield(r, nil) {
				return
			}
			oldest = r.Run + 1
		}
	}
}

// save writes the records up to a number into a file, which is there as a whole and
// durable when it returns nil.
func (h *History) save(file string, through uint64) (err error) {
	folder := filepath.Dir(file)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, ".runs-*.new") // for its owner alone
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	w := bufio.NewWriter(f)
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	for r, err := range h.Records(0) {
		if err != nil {
			return err
		}
		if r.Run > through {
			break
		}
		if err := lines.Encode(r); err != nil {
			return err
		}
	}
	if err := errors.Join(w.Flush(), f.Sync()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return err
	}
	return errors.Join(f.Close(), syncFolder(folder))
}

// syncFolder makes the names in a folder durable.
func syncFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// removeThrough removes the records up to a number.
func (h *History) removeThrough(last uint64) (removed int, err error) {
	for r, err := range h.Records(0) {
		if err != nil {
			return removed, err
		}
		if r.Run > last {
			break
		}
		if err := h.remove(bucketDetails, binary.BigEndian.AppendUint64(nil, r.Run)); err != nil {
			return removed, fmt.Errorf("prune run history: %w", err)
		}
		if err := h.store.Update(func(tx store.Tx) error { return tx.Delete(bucketRuns, runKey(r.Run)) }); err != nil {
			return removed, fmt.Errorf("prune run history: %w", err)
		}
		removed++
	}
	return removed, nil
}
