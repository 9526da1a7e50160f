package storetest_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/engine/store/storetest"
)

// The wrappers change nothing until they are told to.
func TestWrappersAreStores(t *testing.T) {
	t.Run("counting", func(t *testing.T) {
		storetest.Run(t, func(*testing.T) store.Store { return storetest.Counting(store.NewMemory()) })
	})
	t.Run("failing later", func(t *testing.T) {
		storetest.Run(t, func(*testing.T) store.Store { return storetest.FailAfter(store.NewMemory(), 1000) })
	})
}

func TestFailAfter(t *testing.T) {
	s := store.NewMemory()
	failing := storetest.FailAfter(s, 3)
	set := func(value string) error {
		return failing.Update(func(tx store.Tx) error { return tx.Put("b", []byte("k"), []byte(value)) })
	}
	refused := errors.New("refused")
	for i, c := range []struct {
		value string
		want  error
	}{{"1", nil}, {"2", nil}, {"3", storetest.ErrKilled}, {"4", storetest.ErrKilled}} {
		if err := failing.Update(func(store.Tx) error { return refused }); i < 3 && err != refused {
			t.Errorf("before commit %d: an update that fails by itself returns %v", i+1, err)
		}
		if err := set(c.value); err != c.want {
			t.Errorf("commit %d: %v, want %v", i+1, err, c.want)
		}
	}
	ran := false
	if err := failing.Update(func(store.Tx) error { ran = true; return nil }); err != storetest.ErrKilled || ran {
		t.Errorf("after the end: %v, function ran: %t", err, ran)
	}
	for name, s := range map[string]store.Store{"failing": failing, "inner": s} {
		_ = s.View(func(r store.Reader) error {
			if got := r.Get("b", []byte("k")); string(got) != "2" {
				t.Errorf("%s store holds %q, want what the second commit wrote", name, got)
			}
			return nil
		})
	}
	if err := s.Update(func(tx store.Tx) error { return tx.Put("b", []byte("k"), []byte("5")) }); err != nil {
		t.Errorf("the inner store goes on: %v", err)
	}
}

func TestCounting(t *testing.T) {
	c := storetest.Counting(store.NewMemory())
	_ = c.Update(func(tx store.Tx) error {
		_ = tx.Put("b", []byte("1"), nil)
		_ = tx.Put("b", []byte("2"), nil)
		_ = tx.Put("b", []byte("3"), nil)
		return tx.Delete("b", []byte("4"))
	})
	_ = c.Update(func(tx store.Tx) error { return errors.New("refused") })
	_ = c.View(func(r store.Reader) error {
		r.Get("b", []byte("1"))
		for key := range r.Scan("b", nil, nil) {
			if string(key) == "2" {
				break
			}
		}
		return nil
	})
	want := storetest.Counts{Gets: 1, Scanned: 2, Puts: 3, Deletes: 1, Updates: 1}
	if diff := cmp.Diff(want, c.Take()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if got := c.Take(); got != (storetest.Counts{}) {
		t.Errorf("counts after they were taken: %+v", got)
	}
}
