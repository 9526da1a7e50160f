package run

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/metasync/metasync/engine/store"
)

const bucketRuns store.Bucket = "runs" // run number: record as JSON

// A History keeps run records in a store of its own, which grows and is pruned
// without touching the objects.
type History struct{ store store.Store }

// NewHistory returns the history in a store. Records of runs that a crash cut
// short are ended as such.
func NewHistory(st store.Store) (*History, error) {
	h := &History{st}
	var cut []*Record
	for record, err := range h.Records(0) {
		if err != nil {
			return nil, err
		}
		if record.Result == InProgress {
			cut = append(cut, record)
		}
	}
	for _, record := range cut {
		record.Result, record.Ended = StoppedServer, record.Started
		if err := h.end(record); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// begin stores the record of a run that starts, and returns its number.
func (h *History) begin(r *Record) (uint64, error) {
	err := h.store.Update(func(tx store.Tx) error {
		number := uint64(1)
		if data := tx.Get(bucketRuns, []byte("next")); len(data) == 8 {
			number = binary.BigEndian.Uint64(data)
		}
		r.Run = number
		if err := tx.Put(bucketRuns, []byte("next"), binary.BigEndian.AppendUint64(nil, number+1)); err != nil {
			return err
		}
		return put(tx, r)
	})
	if err != nil {
		return 0, fmt.Errorf("begin run record: %w", err)
	}
	return r.Run, nil
}

func (h *History) end(r *Record) error {
	if err := h.store.Update(func(tx store.Tx) error { return put(tx, r) }); err != nil {
		return fmt.Errorf("end run record %d: %w", r.Run, err)
	}
	return nil
}

func put(tx store.Tx, r *Record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return tx.Put(bucketRuns, runKey(r.Run), data)
}

func decodeRecord(data []byte) (*Record, error) {
	r := &Record{}
	return r, json.Unmarshal(data, r)
}

func runKey(number uint64) []byte { return binary.BigEndian.AppendUint64([]byte("run/"), number) }

// Record returns the record of a run, nil if there is none.
func (h *History) Record(number uint64) (*Record, error) {
	var r *Record
	err := h.store.View(func(tx store.Reader) error {
		data := tx.Get(bucketRuns, runKey(number))
		if data == nil {
			return nil
		}
		var err error
		r, err = decodeRecord(data)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read run record %d: %w", number, err)
	}
	return r, nil
}

// Records yields the records of all runs with a number above after, the oldest
// first.
func (h *History) Records(after uint64) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		for {
			page, err := h.page(after)
			if err != nil {
				yield(nil, fmt.Errorf("read run history: %w", err))
				return
			}
			if len(page) == 0 {
				return
			}
			for _, r := range page {
				after = r.Run
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// Last returns the newest records, the newest first.
func (h *History) Last(limit int) ([]*Record, error) {
	_, next, err := h.bounds()
	if err != nil {
		return nil, err
	}
	records := []*Record{}
	for number := next - 1; number > 0 && len(records) < limit; number-- {
		r, err := h.Record(number)
		if err != nil {
			return nil, err
		}
		if r == nil {
			break // pruned
		}
		records = append(records, r)
	}
	return records, nil
}

func (h *History) page(after uint64) ([]*Record, error) {
	var page []*Record
	err := h.store.View(func(tx store.Reader) error {
		for _, data := range tx.Scan(bucketRuns, []byte("run/"), runKey(after+1)) {
			r, err := decodeRecord(data)
			if err != nil {
				return err
			}
			if page = append(page, r); len(page) == 100 {
				return nil
			}
		}
		return nil
	})
	return page, err
}

// bounds returns the number of the oldest record and the one that the next run
// will get.
func (h *History) bounds() (oldest, next uint64, err error) {
	next = 1
	err = h.store.View(func(tx store.Reader) error {
		if data := tx.Get(bucketRuns, []byte("next")); len(data) == 8 {
			next = binary.BigEndian.Uint64(data)
		}
		oldest = next
		for key := range tx.Scan(bucketRuns, []byte("run/"), nil) {
			oldest = binary.BigEndian.Uint64(key[len("run/"):])
			break
		}
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("read run history: %w", err)
	}
	return oldest, next, nil
}
