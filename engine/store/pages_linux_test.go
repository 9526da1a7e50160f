package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"testing"
)

// A transaction that reads a whole file leaves little of it in the resident
// memory, and other readers see nothing of that.
func TestReadPagesAreReleased(t *testing.T) {
	const entries, size = 40_000, 1000
	path := filepath.Join(t.TempDir(), "state")
	opened, err := OpenBolt(path, BoltOptions{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	key := func(i int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(i)) }
	value := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, size) }
	if err := opened.Update(func(tx Tx) error {
		for i := range entries {
			if err := tx.Put("b", key(i), value(i)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	readAll := func(r Reader) error {
		i := 0
		for k, v := range r.Scan("b", nil, nil) {
			if !bytes.Equal(k, key(i)) || !bytes.Equal(v, value(i)) {
				return fmt.Errorf("entry %d is %x: %x", i, k, v)
			}
			i++
		}
		if i != entries {
			return fmt.Errorf("%d entries instead of %d", i, entries)
		}
		return nil
	}
	before := residentFiles()
	grown := func() int64 {
		if err := opened.View(readAll); err != nil {
			t.Fatal(err)
		}
		return residentFiles() - before
	}
	if n := grown(); n < entries*size/2 {
		t.Fatalf("only %d bytes are resident after all were read: the system does not tell", n)
	}
	opened.(*bolt).keepMapped = before + entries*size/4
	if n := grown(); n > entries*size/4 {
		t.Errorf("%d bytes are still resident after a transaction", n)
	}
	// A reader within which another one lets go of the pages.
	if err := opened.View(func(r Reader) error {
		held := r.Get("b", key(7))
		other := make(chan error)
		go func() { other <- opened.View(readAll) }()
		if err := <-other; err != nil {
			return err
		}
		if !bytes.Equal(held, value(7)) {
			t.Error("a value that was read before the pages went is another one now")
		}
		return readAll(r)
	}); err != nil {
		t.Fatal(err)
	}
}
