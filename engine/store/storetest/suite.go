package storetest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/store"
)

// Run holds the stores that open returns, each of them new and empty, to the
// contract of [store.Store]. The suite closes them.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, store.Store)
	}{
		{"what is put is got", testPutGet},
		{"a missing bucket is empty", testMissingBucket},
		{"an empty value is not nil", testEmptyValue},
		{"bad keys and buckets are refused", testBadKeys},
		{"nothing that was passed is kept", testCopies},
		{"delete", testDelete},
		{"scan", testScan},
		{"a scan may stop and nest", testScanStops},
		{"a scan does not depend on the caller's slices", testScanPrefixReused},
		{"what was got stays until the end", testValuesStay},
		{"an error rolls back", testRollbackOnError},
		{"a panic rolls back", testRollbackOnPanic},
		{"a reader sees one state", testIsolation},
		{"readers and writers at once", testConcurrency},
		{"backup", testBackup},
		{"close", testClose},
		{"close waits", testCloseWaits},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
					t.Errorf("close: %v", err)
				}
			})
			test.run(t, s)
		})
	}
}

const bucket store.Bucket = "bucket"

func update(t *testing.T, s store.Store, fn func(store.Tx)) {
	t.Helper()
	if err := s.Update(func(tx store.Tx) error { fn(tx); return nil }); err != nil {
		t.Fatalf("update: %v", err)
	}
}

func view(t *testing.T, s store.Store, fn func(store.Reader)) {
	t.Helper()
	if err := s.View(func(r store.Reader) error { fn(r); return nil }); err != nil {
		t.Fatalf("view: %v", err)
	}
}

func put(t *testing.T, tx store.Tx, bucket store.Bucket, pairs ...string) {
	t.Helper()
	for pair := range slices.Chunk(pairs, 2) {
		must(t, tx.Put(bucket, []byte(pair[0]), []byte(pair[1])))
	}
}

func remove(t *testing.T, tx store.Tx, bucket store.Bucket, keys ...string) {
	t.Helper()
	for _, key := range keys {
		must(t, tx.Delete(bucket, []byte(key)))
	}
}

// want compares all of a bucket, written as key=value pairs.
func want(t *testing.T, r store.Reader, bucket store.Bucket, want string) {
	t.Helper()
	var got []string
	for key, value := range r.Scan(bucket, nil, nil) {
		got = append(got, string(key)+"="+string(value))
	}
	if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
		t.Errorf("bucket %s (-want +got):\n%s", bucket, diff)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
