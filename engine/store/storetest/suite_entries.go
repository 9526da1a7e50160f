package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/store"
)

// What a transaction must do.

func testPutGet(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) {
		put(t, tx, bucket, "b", "1", "a", "2")
		put(t, tx, "other", "a", "3")
		put(t, tx, bucket, "b", "4")
		want(t, tx, bucket, "a=2 b=4") // it sees its own writes
		want(t, tx, "other", "a=3")
	})
	view(t, s, func(r store.Reader) {
		want(t, r, bucket, "a=2 b=4")
		want(t, r, "other", "a=3")
		if got := r.Get(bucket, []byte("b")); string(got) != "4" {
			t.Errorf("b is %q, want 4", got)
		}
		for _, key := range []string{"", "A", "aa", "c"} {
			if got := r.Get(bucket, []byte(key)); got != nil {
				t.Errorf("%q is %q, want none", key, got)
			}
		}
	})
}

func testMissingBucket(t *testing.T, s store.Store) {
	check := func(r store.Reader) {
		if got := r.Get("missing", []byte("a")); got != nil {
			t.Errorf("got %q from a missing bucket", got)
		}
		want(t, r, "missing", "")
	}
	view(t, s, check)
	update(t, s, func(tx store.Tx) {
		check(tx)
		if err := tx.Delete("missing", []byte("a")); err != nil {
			t.Errorf("delete in a missing bucket: %v", err)
		}
		check(tx)
		put(t, tx, "missing", "a", "1") // and it can still be made
		want(t, tx, "missing", "a=1")
	})
	view(t, s, func(r store.Reader) { want(t, r, "missing", "a=1") })
}

func testEmptyValue(t *testing.T, s store.Store) {
	check := func(r store.Reader) {
		for _, key := range []string{"empty", "nil"} {
			if got := r.Get(bucket, []byte(key)); got == nil || len(got) != 0 {
				t.Errorf("get %s: %#v, want an empty value", key, got)
			}
		}
		n := 0
		for key, value := range r.Scan(bucket, nil, nil) {
			if n++; value == nil || len(value) != 0 {
				t.Errorf("scan %s: %#v, want an empty value", key, value)
			}
		}
		if n != 2 {
			t.Errorf("scan yields %d entries, want 2", n)
		}
	}
	update(t, s, func(tx store.Tx) {
		must(t, tx.Put(bucket, []byte("empty"), []byte{}))
		must(t, tx.Put(bucket, []byte("nil"), nil))
		check(tx)
	})
	view(t, s, check)
}

func testBadKeys(t *testing.T, s store.Store) {
	longest := bytes.Repeat([]byte("k"), store.MaxKeySize)
	update(t, s, func(tx store.Tx) {
		for _, c := range []struct {
			bucket store.Bucket
			key    []byte
			want   error
		}{
			{bucket, nil, store.ErrEmptyKey},
			{bucket, []byte{}, store.ErrEmptyKey},
			{bucket, append(longest, 'k'), store.ErrKeyTooLarge},
			{"", []byte("a"), store.ErrBadBucket},
			{"meta", []byte("a"), store.ErrBadBucket},
			{bucket, longest, nil},
		} {
			if err := tx.Put(c.bucket, c.key, nil); !errors.Is(err, c.want) {
				t.Errorf("put a key of %d bytes in bucket %q: %v, want %v", len(c.key), c.bucket, err, c.want)
			}
		}
		for _, b := range []store.Bucket{"", "meta"} {
			if err := tx.Delete(b, []byte("format")); !errors.Is(err, store.ErrBadBucket) {
				t.Errorf("delete in bucket %q: %v, want %v", b, err, store.ErrBadBucket)
			}
		}
		must(t, tx.Delete(bucket, nil))
		must(t, tx.Delete(bucket, append(longest, 'k')))
	})
	view(t, s, func(r store.Reader) {
		want(t, r, bucket, string(longest)+"=")
		want(t, r, "meta", "")
		if got := r.Get("meta", []byte("format")); got != nil {
			t.Errorf("the store's own bucket shows %q", got)
		}
	})
}

func testCopies(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) {
		key, value := []byte("key"), []byte("value")
		must(t, tx.Put(bucket, key, value))
		copy(key, "xxx")
		copy(value, "yyyyy")
		want(t, tx, bucket, "key=value")
		copy(key, "key")
		must(t, tx.Delete("other", key))
		copy(key, "xxx")
	})
	view(t, s, func(r store.Reader) { want(t, r, bucket, "key=value") })
}

func testDelete(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) { put(t, tx, bucket, "a", "1", "b", "2", "c", "3") })
	update(t, s, func(tx store.Tx) {
		remove(t, tx, bucket, "b", "x")
		want(t, tx, bucket, "a=1 c=3")
		if got := tx.Get(bucket, []byte("b")); got != nil {
			t.Errorf("b is %q after its deletion", got)
		}
		put(t, tx, bucket, "b", "4")
		remove(t, tx, bucket, "a")
		want(t, tx, bucket, "b=4 c=3")
	})
	view(t, s, func(r store.Reader) { want(t, r, bucket, "b=4 c=3") })
	update(t, s, func(tx store.Tx) { remove(t, tx, bucket, "b", "c") })
	view(t, s, func(r store.Reader) { want(t, r, bucket, "") })
}

func testScan(t *testing.T, s store.Store) {
	keys := []string{"\x00", "\x00\x00", "a", "a\x00", "aa", "ab", "ab\xff", "b", "\xfe\xff", "\xff", "\xff\x00", "\xff\xff", "\xff\xff\xff"}
	put := func(keys []string) {
		update(t, s, func(tx store.Tx) {
			for _, key := range keys {
				must(t, tx.Put(bucket, []byte(key), nil))
			}
		})
	}
	check := func(t *testing.T, r store.Reader) {
		for _, prefix := range append([]string{"", "ac", "\xff\xff\xff\xff"}, keys...) {
			for _, from := range append([]string{"", "aaa", "ac", "\xff\xff\xff\xff"}, keys...) {
				var want, got []string
				for _, key := range keys {
					if strings.HasPrefix(key, prefix) && key >= from {
						want = append(want, key)
					}
				}
				for key := range r.Scan(bucket, []byte(prefix), []byte(from)) {
					got = append(got, string(key))
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("scan prefix %q from %q (-want +got):\n%s", prefix, from, diff)
				}
			}
		}
	}
	var half, rest []string
	for i, key := range keys {
		if i%2 == 0 {
			half = append(half, key)
		} else {
			rest = append(rest, key)
		}
	}
	slices.Reverse(half)
	put(half)
	put(rest)
	view(t, s, func(r store.Reader) { check(t, r) })
	update(t, s, func(tx store.Tx) { // the same with some of it not yet committed
		for _, key := range rest {
			must(t, tx.Delete(bucket, []byte(key)))
			must(t, tx.Put(bucket, []byte(key), []byte("again")))
		}
		must(t, tx.Put(bucket, []byte("gone"), nil))
		must(t, tx.Delete(bucket, []byte("gone")))
		check(t, tx)
	})
	view(t, s, func(r store.Reader) { check(t, r) })
}

func testScanStops(t *testing.T, s store.Store) {
	check := func(r store.Reader) {
		all := r.Scan(bucket, nil, nil)
		for stop := 1; stop <= 4; stop++ {
			n := 0
			for range all { // a sequence may be used again
				if n++; n == stop {
					break
				}
			}
			if n != stop {
				t.Errorf("scan yields %d entries, want %d", n, stop)
			}
		}
		var pairs []string
		for x := range all {
			for y := range r.Scan(bucket, nil, x) {
				pairs = append(pairs, string(x)+string(y))
			}
		}
		if got := strings.Join(pairs, " "); got != "aa ab ac ad bb bc bd cc cd dd" {
			t.Errorf("nested scans yield %s", got)
		}
	}
	update(t, s, func(tx store.Tx) { put(t, tx, bucket, "a", "1", "c", "3") })
	update(t, s, func(tx store.Tx) {
		put(t, tx, bucket, "b", "2", "d", "4")
		check(tx)
	})
	view(t, s, check)
}

func testScanPrefixReused(t *testing.T, s store.Store) {
	check := func(r store.Reader) {
		prefix, from := []byte("a"), []byte("a1")
		var got []string
		for key := range r.Scan(bucket, prefix, from) {
			got = append(got, string(key))
			copy(prefix, "b")
			copy(from, "zz")
		}
		if diff := cmp.Diff([]string{"a1", "a2"}, got); diff != "" {
			t.Errorf("scan (-want +got):\n%s", diff)
		}
	}
	update(t, s, func(tx store.Tx) {
		put(t, tx, bucket, "a1", "", "a2", "", "b1", "")
		check(tx)
	})
	view(t, s, check)
}

func testValuesStay(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) { put(t, tx, bucket, "a", "before", "b", "before") })
	update(t, s, func(tx store.Tx) {
		value := tx.Get(bucket, []byte("a"))
		var key []byte
		for key = range tx.Scan(bucket, []byte("b"), nil) {
			break
		}
		put(t, tx, bucket, "a", "between")
		between := tx.Get(bucket, []byte("a"))
		put(t, tx, bucket, "a", "after!!")
		remove(t, tx, bucket, "b")
		for i := range 2000 {
			put(t, tx, bucket, fmt.Sprintf("c%d", i), strings.Repeat("x", 100))
		}
		if string(value) != "before" || string(between) != "between" || string(key) != "b" {
			t.Errorf("got before, between and b, which became %q, %q and %q", value, between, key)
		}
	})
}
