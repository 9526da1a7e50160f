package store_test

import (
	"fmt"
	stdlog "log"
	"os"
	"path/filepath"

	"github.com/metasync/metasync/engine/store"
)

// What was written outlives the process, and nothing of what failed does.
func ExampleOpenBolt() {
	folder, err := os.MkdirTemp("", "store")
	if err != nil {
		stdlog.Fatal(err)
	}
	defer os.RemoveAll(folder)
	s, err := store.OpenBolt(filepath.Join(folder, "state.db"), store.BoltOptions{})
	if err != nil {
		stdlog.Fatal(err)
	}
	defer s.Close()

	const bucket store.Bucket = "example"
	err = s.Update(func(tx store.Tx) error { return tx.Put(bucket, []byte("ada"), []byte("1815")) })
	if err != nil {
		stdlog.Fatal(err)
	}
	err = s.Update(func(tx store.Tx) error {
		if err := tx.Put(bucket, []byte("grace"), []byte("1906")); err != nil {
			return err
		}
		return fmt.Errorf("changed my mind")
	})
	fmt.Println(err)
	err = s.View(func(r store.Reader) error {
		for key, value := range r.Scan(bucket, nil, nil) {
			fmt.Printf("%s %s\n", key, value)
		}
		return nil
	})
	if err != nil {
		stdlog.Fatal(err)
	}
	// Output:
	// changed my mind
	// ada 1815
}
