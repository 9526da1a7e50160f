package run

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/store"
)

// maxFindings bounds what [History.Check] lists.
const maxFindings = 50

// Check finds out whether every record can be read, and the objects behind its
// counters. It changes nothing. The error joins what is wrong, up to a limit; nil
// means that the history is sound.
func (h *History) Check() error {
	var findings []error
	found := func(format string, args ...any) {
		if len(findings) < maxFindings {
			findings = append(findings, fmt.Errorf("%w: "+format, append([]any{identity.ErrCorrupt}, args...)...))
		}
	}
	known := map[uint64]bool{}
	err := h.store.View(func(tx store.Reader) error {
		next := uint64(1)
		if data := tx.Get(bucketRuns, []byte("next")); len(data) == 8 {
			next = binary.BigEndian.Uint64(data)
		}
		for key, data := range tx.Scan(bucketRuns, []byte("run/"), nil) {
			number := binary.BigEndian.Uint64(key[len("run/"):])
			known[number] = true
			record, err := decodeRecord(data)
			switch {
			case err != nil:
				found("run record %d: %v", number, err)
			case record.Run != number:
				found("run record %d says that it is %d", number, record.Run)
			case number >= next:
				found("run record %d is there, and the next run gets number %d", number, next)
			}
		}
		for key, data := range tx.Scan(bucketDetails, nil, nil) {
			if len(key) < 14 {
				found("details have the key %x", key)
				continue
			}
			if number := binary.BigEndian.Uint64(key); !known[number] {
				found("details of run %d, which has no record", number)
			} else if _, err := decodeDetails(data); err != nil {
				found("details of run %d: %v", number, err)
			}
		}
		return nil
	})
	return errors.Join(append(findings, err)...)
}
