package store_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/store"
)

// The model of a store: keys and values by bucket, as plain as can be.
type model map[store.Bucket]map[string]string

var modelBuckets = []store.Bucket{"x", "y", "z"}

func (m model) clone() model {
	c := model{}
	for bucket, entries := range m {
		c[bucket] = maps.Clone(entries)
	}
	return c
}

func (m model) put(bucket store.Bucket, key, value string) {
	if m[bucket] == nil {
		m[bucket] = map[string]string{}
	}
	m[bucket][key] = value
}

func (m model) scan(bucket store.Bucket, prefix, from string) (pairs []string) {
	for _, key := range slices.Sorted(maps.Keys(m[bucket])) {
		if strings.HasPrefix(key, prefix) && key >= from {
			pairs = append(pairs, key, m[bucket][key])
		}
	}
	return pairs
}

// Keys of few letters, the greatest byte among them, so that they meet.
var (
	anyKey    = rapid.StringOfN(rapid.SampledFrom([]rune("ab\x00\x7f")), 1, 4, -1)
	anyPrefix = rapid.StringOfN(rapid.SampledFrom([]rune("ab\x00\x7f")), 0, 3, -1)
	anyValue  = rapid.StringN(0, 8, -1)
	anyBucket = rapid.SampledFrom(modelBuckets)
)

// high makes the greatest letter of a key the greatest byte.
func high(key string) []byte { return []byte(strings.ReplaceAll(key, "\x7f", "\xff")) }

// compare reads a few things from both, and everything if told so.
func compare(t *rapid.T, r store.Reader, m model, all bool) {
	t.Helper()
	bucket, key := anyBucket.Draw(t, "bucket"), high(anyKey.Draw(t, "key"))
	value, stored := m[bucket][string(key)]
	if got := r.Get(bucket, key); string(got) != value || (got != nil) != stored {
		t.Fatalf("get %s %q: %q (nil: %t), want %q (stored: %t)", bucket, key, got, got == nil, value, stored)
	}
	scan := func(bucket store.Bucket, prefix, from []byte, limit int) {
		want := m.scan(bucket, string(prefix), string(from))
		if len(want) > 2*limit {
			want = want[:2*limit]
		}
		var got []string
		for k, v := range r.Scan(bucket, prefix, from) {
			got = append(got, string(k), string(v))
			if len(got) == 2*limit {
				break
			}
		}
		if !slices.Equal(want, got) {
			t.Fatalf("scan %s prefix %q from %q (-want +got):\n%s", bucket, prefix, from, cmp.Diff(want, got))
		}
	}
	scan(bucket, high(anyPrefix.Draw(t, "prefix")), high(anyPrefix.Draw(t, "from")), rapid.IntRange(1, 10).Draw(t, "limit"))
	if all {
		for _, bucket := range modelBuckets {
			scan(bucket, nil, nil, 1000)
		}
	}
}

// write does one random write to both.
func writeBoth(t *rapid.T, tx store.Tx, m model) {
	t.Helper()
	bucket, key := anyBucket.Draw(t, "bucket"), high(anyKey.Draw(t, "key"))
	if rapid.IntRange(0, 3).Draw(t, "op") == 0 {
		if err := tx.Delete(bucket, key); err != nil {
			t.Fatal(err)
		}
		delete(m[bucket], string(key))
		return
	}
	value := anyValue.Draw(t, "value")
	if err := tx.Put(bucket, key, []byte(value)); err != nil {
		t.Fatal(err)
	}
	m.put(bucket, string(key), value)
}

func TestModel(t *testing.T) {
	stores := map[string]func(t *rapid.T, path string) store.Store{
		"memory": func(*rapid.T, string) store.Store { return store.NewMemory() },
		"bolt": func(t *rapid.T, path string) store.Store {
			s, err := store.OpenBolt(path, store.BoltOptions{NoSync: true})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	}
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			rapid.Check(t, func(t *rapid.T) {
				path := filepath.Join(folder, "model.db")
				if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
				s, m := open(t, path), model{}
				defer func() { _ = s.Close() }()
				t.Repeat(map[string]func(*rapid.T){
					"": func(t *rapid.T) {
						if err := s.View(func(r store.Reader) error { compare(t, r, m, true); return nil }); err != nil {
							t.Fatal(err)
						}
					},
					"update": func(t *rapid.T) { updateBoth(t, s, &m) },
					"reopen": func(t *rapid.T) {
						if name != "bolt" {
							t.Skip("keeps nothing")
						}
						if err := s.Close(); err != nil {
							t.Fatal(err)
						}
						s = open(t, path)
					},
				})
			})
		})
	}
}

// updateBoth does one transaction: plain or through a buffer, committed or not.
func updateBoth(t *rapid.T, s store.Store, m *model) {
	refused := errors.New("refused")
	next := m.clone()
	err := s.Update(func(tx store.Tx) error {
		if rapid.Bool().Draw(t, "buffer") {
			bufferBoth(t, tx, next)
		} else {
			for range rapid.IntRange(0, 10).Draw(t, "writes") {
				writeBoth(t, tx, next)
				compare(t, tx, next, false)
			}
		}
		if rapid.IntRange(0, 3).Draw(t, "end") == 0 {
			return refused
		}
		return nil
	})
	switch {
	case err == nil:
		*m = next
	case err != refused:
		t.Fatal(err)
	}
}

// bufferBoth does random writes, marks, rollbacks and flushes in a buffer over
// tx and leaves tx and m equal.
func bufferBoth(t *rapid.T, tx store.Tx, m model) {
	type mark struct {
		mark store.Mark
		m    model
	}
	b := store.NewBuffer(tx)
	var marks []mark
	flush := func() {
		pending := b.Len()
		if n, err := b.Flush(tx); err != nil || n != pending || b.Len() != 0 {
			t.Fatalf("flush of %d entries: %d writes, %v, %d left", pending, n, err, b.Len())
		}
		marks = nil
	}
	for range rapid.IntRange(0, 20).Draw(t, "steps") {
		switch rapid.IntRange(0, 9).Draw(t, "step") {
		case 0, 1:
			marks = append(marks, mark{b.Mark(), m.clone()})
		case 2:
			if len(marks) > 0 {
				i := rapid.IntRange(0, len(marks)-1).Draw(t, "mark")
				b.Rollback(marks[i].mark)
				clear(m)
				maps.Copy(m, marks[i].m.clone())
				marks = marks[:i+1]
			}
		case 3:
			flush()
		default:
			writeBoth(t, b, m)
		}
		compare(t, b, m, false)
	}
	compare(t, b, m, true)
	flush()
	compare(t, tx, m, true)
}
