package main

import (
	"bufio"
	"encoding/csv"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"github.com/metasync/metasync/engine/store"
)

// An operation is a write to the store, or the end of a transaction.
type operation struct {
	Step   string // not empty: a step of the job begins
	Commit bool
	Delete bool
	Bucket string
	Key    []byte
	Value  []byte
}

// recordRun does the job and writes down what it writes to the store.
func recordRun(dir string) error {
	f, err := os.Create(filepath.Join(dir, "operations"))
	if err != nil {
		return err
	}
	defer f.Close()
	buffered := bufio.NewWriterSize(f, 1<<20)
	encoder := gob.NewEncoder(buffered)
	err = engineRun(dir, filepath.Join(dir, "state-record"), func(s store.Store) (store.Store, func(string) error) {
		return &recorder{s, encoder}, func(step string) error { return encoder.Encode(operation{Step: step}) }
	})
	return errors.Join(err, buffered.Flush(), f.Close())
}

type recorder struct {
	store.Store
	encoder *gob.Encoder
}

// Update implements [store.Store].
func (r *recorder) Update(fn func(store.Tx) error) error {
	return r.Store.Update(func(tx store.Tx) error {
		if err := fn(&recordingTx{tx, r.encoder}); err != nil {
			return err
		}
		return r.encoder.Encode(operation{Commit: true})
	})
}

type recordingTx struct {
	store.Tx
	encoder *gob.Encoder
}

// Put implements [store.Tx].
func (t *recordingTx) Put(bucket store.Bucket, key, value []byte) error {
	if err := t.encoder.Encode(operation{Bucket: string(bucket), Key: key, Value: value}); err != nil {
		return err
	}
	return t.Tx.Put(bucket, key, value)
}

// Delete implements [store.Tx].
func (t *recordingTx) Delete(bucket store.Bucket, key []byte) error {
	if err := t.encoder.Encode(operation{Delete: true, Bucket: string(bucket), Key: key}); err != nil {
		return err
	}
	return t.Tx.Delete(bucket, key)
}

// Floors: what a step is compared with.
const (
	csvParse = "csv parse" // reading the file
	csvCopy  = "csv copy"  // reading the file and writing it anew
	putsOf   = "bbolt puts"
)

// csvRun measures what a CSV file costs.
func csvRun(dir string) error {
	path := filepath.Join(dir, "before.csv")
	if err := measure(csvParse, *people, func() error { return parse(path, nil) }); err != nil {
		return err
	}
	return measure(csvCopy, *people, func() error {
		f, err := os.Create(filepath.Join(dir, "copy.csv"))
		if err != nil {
			return err
		}
		defer f.Close()
		buffer := bufio.NewWriterSize(f, 1<<20)
		w := csv.NewWriter(buffer)
		if err := parse(path, w.Write); err != nil {
			return err
		}
		w.Flush()
		return errors.Join(w.Error(), buffer.Flush(), f.Sync(), f.Close())
	})
}

// parse reads the people and calls visit, if there is one, with each.
func parse(path string, visit func(row []string) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	n := -1 // the header
	r := csv.NewReader(bufio.NewReaderSize(f, 1<<20))
	r.ReuseRecord = true
	for {
		row, err := r.Read()
		if err == io.EOF {
			break
		}
		if err == nil && visit != nil {
			err = visit(row)
		}
		if err != nil {
			return err
		}
		n++
	}
	if n != *people {
		return fmt.Errorf("%s has %d rows instead of %d", path, n, *people)
	}
	return nil
}

// putsRun repeats the writes of each step on a raw bbolt file.
func putsRun(dir string) error {
	f, err := os.Open(filepath.Join(dir, "operations"))
	if err != nil {
		return err
	}
	defer f.Close()
	path := filepath.Join(dir, "state-floor")
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType, InitialMmapSize: 4 << 30})
	if err != nil {
		return err
	}
	defer db.Close()
	decoder := gob.NewDecoder(bufio.NewReaderSize(f, 1<<20))
	objects := map[string]int{}
	for _, step := range job {
		if step.agent != "" {
			objects[step.name] = step.objects(*people, *changes)
		}
	}
	var current figure
	var batch []operation
	for {
		var op operation
		err := decoder.Decode(&op)
		if err == io.EOF || err == nil && op.Step != "" {
			if current.Name != "" {
				if err := print(current); err != nil {
					return err
				}
			}
			current = figure{Name: putsOf + op.Step, Objects: objects[op.Step]}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case op.Commit:
			took, err := commit(db, batch)
			if err != nil {
				return err
			}
			current.Time += took
			batch = batch[:0]
		case op.Bucket != "":
			batch = append(batch, op)
			current.Puts++
			current.Bytes += int64(len(op.Key) + len(op.Value))
		}
	}
}

// commit writes a transaction and returns how long that took.
func commit(db *bbolt.DB, batch []operation) (time.Duration, error) {
	start := time.Now()
	err := db.Update(func(tx *bbolt.Tx) error {
		buckets := map[string]*bbolt.Bucket{}
		for _, op := range batch {
			b := buckets[op.Bucket]
			if b == nil {
				var err error
				if b, err = tx.CreateBucketIfNotExists([]byte(op.Bucket)); err != nil {
					return err
				}
				buckets[op.Bucket] = b
			}
			if op.Delete {
				if err := b.Delete(op.Key); err != nil {
					return err
				}
				continue
			}
			if err := b.Put(op.Key, op.Value); err != nil {
				return err
			}
		}
		return nil
	})
	return time.Since(start), err
}
