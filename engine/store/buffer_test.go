package store_test

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/engine/store/storetest"
)

// over returns a buffer over a store that holds the keys, with their own text
// as values.
func over(t *testing.T, keys ...string) *store.Buffer {
	t.Helper()
	b := store.NewBuffer(nothing{})
	for _, key := range keys {
		write(t, b, key, key)
	}
	return store.NewBuffer(b)
}

func write(t *testing.T, tx store.Tx, key, value string) {
	t.Helper()
	if err := tx.Put("b", []byte(key), []byte(value)); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, tx store.Tx, key string) {
	t.Helper()
	if err := tx.Delete("b", []byte(key)); err != nil {
		t.Fatal(err)
	}
}

func content(r store.Reader) string {
	var all []string
	for key, value := range r.Scan("b", nil, nil) {
		all = append(all, fmt.Sprintf("%s=%s", key, value))
	}
	return strings.Join(all, " ")
}

func TestBufferRollback(t *testing.T) {
	b := over(t, "a", "c")
	beginning := b.Mark()
	write(t, b, "b", "1")
	write(t, b, "c", "1")
	first := b.Mark()

	write(t, b, "a", "2") // hides the base
	write(t, b, "b", "2") // replaces a pending put
	write(t, b, "b", "3")
	second := b.Mark()
	remove(t, b, "c")
	write(t, b, "d", "4")
	remove(t, b, "d")

	for _, c := range []struct {
		name string
		mark store.Mark
		want string
		len  int
	}{
		{"the last mark", second, "a=2 b=3 c=1", 3},
		{"the same again", second, "a=2 b=3 c=1", 3},
		{"an earlier one", first, "a=a b=1 c=1", 2},
		{"the beginning", beginning, "a=a c=c", 0},
	} {
		b.Rollback(c.mark)
		if got := content(b); got != c.want || b.Len() != c.len {
			t.Errorf("%s: %s with %d pending, want %s with %d", c.name, got, b.Len(), c.want, c.len)
		}
	}
	write(t, b, "e", "5") // it goes on after all
	if got, want := content(b), "a=a c=c e=5"; got != want {
		t.Errorf("at the end: %s, want %s", got, want)
	}
}

func TestBufferRollbackRestoresDeletion(t *testing.T) {
	b := over(t, "a")
	remove(t, b, "a")
	mark := b.Mark()
	write(t, b, "a", "2")
	b.Rollback(mark)
	if got := content(b); got != "" {
		t.Errorf("a deletion was lost: %s", got)
	}
	if got := b.Get("b", []byte("a")); got != nil {
		t.Errorf("a deletion was lost: %q", got)
	}
}

func TestBufferBadMark(t *testing.T) {
	for name, act := range map[string]func(b *store.Buffer) store.Mark{
		"from before a flush": func(b *store.Buffer) store.Mark {
			mark := b.Mark()
			if _, err := b.Flush(nothing{}); err != nil {
				t.Fatal(err)
			}
			write(t, b, "b", "2") // there is as much to take back as then
			return mark
		},
		"later than where it was rolled back to": func(b *store.Buffer) store.Mark {
			early := b.Mark()
			write(t, b, "x", "")
			late := b.Mark()
			b.Rollback(early)
			return late
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := over(t)
			write(t, b, "a", "1")
			mark := act(b)
			defer func() {
				if recover() == nil {
					t.Error("rollback did not panic")
				}
			}()
			b.Rollback(mark)
		})
	}
}

// log is a Tx that writes down what is written to it.
type log struct {
	nothing
	lines []string
	limit int // how many writes succeed
}

var errLimit = errors.New("limit")

func (l *log) add(format string, args ...any) error {
	if len(l.lines) == l.limit {
		return errLimit
	}
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
	return nil
}

func (l *log) Put(b store.Bucket, k, v []byte) error { return l.add("put %s %s=%s", b, k, v) }
func (l *log) Delete(b store.Bucket, k []byte) error { return l.add("delete %s %s", b, k) }

func TestBufferFlush(t *testing.T) {
	b := store.NewBuffer(nothing{})
	for _, key := range []string{"c", "a", "b"} {
		for _, bucket := range []store.Bucket{"x", "y"} {
			if err := b.Put(bucket, []byte(key), []byte("1")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := b.Delete("x", []byte("b")); err != nil {
		t.Fatal(err)
	}

	half := &log{limit: 3}
	if n, err := b.Flush(half); n != 3 || err != errLimit || b.Len() != 6 {
		t.Errorf("flush that fails: %d writes, %v, %d left; want 3, %v, 6", n, err, b.Len(), errLimit)
	}
	dst := &log{limit: 100}
	n, err := b.Flush(dst)
	if n != 6 || err != nil || b.Len() != 0 {
		t.Errorf("flush: %d writes, %v, %d left; want 6, none, 0", n, err, b.Len())
	}
	want := []string{"put x a=1", "delete x b", "put x c=1", "put y a=1", "put y b=1", "put y c=1"}
	if diff := cmp.Diff(want, dst.lines); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	if n, err := b.Flush(dst); n != 0 || err != nil {
		t.Errorf("second flush: %d writes, %v; want none", n, err)
	}
	write(t, b, "z", "2") // it can be used again
	if got := content(b); got != "z=2" {
		t.Errorf("after the flush it holds %s", got)
	}
}

// One object that no store would take is refused when it is written, not when
// everything is.
func TestBufferRefusesAtOnce(t *testing.T) {
	b := store.NewBuffer(nothing{})
	for _, err := range []error{
		b.Put("b", nil, nil),
		b.Put("b", make([]byte, store.MaxKeySize+1), nil),
		b.Put("meta", []byte("k"), nil),
		b.Delete("meta", []byte("k")),
	} {
		if err == nil {
			t.Error("not refused")
		}
	}
	if b.Len() != 0 {
		t.Errorf("%d entries pending", b.Len())
	}
}

func TestBufferScanIsLazy(t *testing.T) {
	base := store.NewMemory()
	err := base.Update(func(tx store.Tx) error {
		for i := range 1000 {
			if err := tx.Put("b", fmt.Appendf(nil, "%04d", i), nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	counter := storetest.Counting(base)
	_ = counter.View(func(r store.Reader) error {
		b := store.NewBuffer(r)
		write(t, b, "0001x", "")
		remove(t, b, "0002")
		var got []string
		for key := range b.Scan("b", nil, nil) {
			if got = append(got, string(key)); len(got) == 4 {
				break
			}
		}
		if diff := cmp.Diff([]string{"0000", "0001", "0001x", "0003"}, got); diff != "" {
			t.Errorf("scan (-want +got):\n%s", diff)
		}
		return nil
	})
	if got := counter.Take().Scanned; got != 4 {
		t.Errorf("%d entries of the base were read, want 4", got)
	}
}

// Values stay readable until the next Rollback or Flush, however much is
// written.
func TestBufferValuesStay(t *testing.T) {
	b := over(t)
	write(t, b, "a", "first")
	value := b.Get("b", []byte("a"))
	next, stop := iter.Pull2(b.Scan("b", nil, nil))
	key, _, _ := next()
	stop()
	for i := range 20_000 {
		write(t, b, fmt.Sprint(i), strings.Repeat("x", 50))
	}
	write(t, b, "big", strings.Repeat("x", 1<<20))
	write(t, b, "a", "second")
	remove(t, b, "a")
	if string(value) != "first" || string(key) != "a" {
		t.Errorf("what was got became %q, %q", key, value)
	}
	if got := len(b.Get("b", []byte("big"))); got != 1<<20 {
		t.Errorf("a large value is %d bytes long", got)
	}
}
