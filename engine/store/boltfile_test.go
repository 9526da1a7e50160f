package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/metasync/metasync/engine/store"
)

func TestBoltReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path, store.BoltOptions{})
	set(t, s, "a", "1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, store.BoltOptions{})
	if got := get(t, s, "a"); got != "1" {
		t.Errorf("after reopening a is %q, want 1", got)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("file mode is %v, want -rw-------", info.Mode())
	}
}

// What opens a store, looks and writes nothing leaves the file as it was, to the byte.
func TestBoltUntouched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path, store.BoltOptions{})
	set(t, s, "a", "1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s = open(t, path, store.BoltOptions{})
	if err := s.Update(func(tx store.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	get(t, s, "a")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("the file has changed")
	}
}

func TestBoltLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path, store.BoltOptions{})
	if _, err := store.OpenBolt(path, store.BoltOptions{}); !errors.Is(err, store.ErrLocked) {
		t.Fatalf("second open: %v, want %v", err, store.ErrLocked)
	}
	set(t, s, "a", "1") // the owner is not disturbed

	opened := make(chan store.Store)
	go func() {
		waiting, err := store.OpenBolt(path, store.BoltOptions{Timeout: 1 << 40})
		if err != nil {
			t.Error(err)
		}
		opened <- waiting
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	waiting := <-opened
	if got := get(t, waiting, "a"); got != "1" {
		t.Errorf("who waited for the lock reads %q, want 1", got)
	}
	if err := waiting.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestBoltRefusesFiles(t *testing.T) {
	ours := bytesOf(t, func(path string) { set(t, open(t, path, store.BoltOptions{}), "a", strings.Repeat("x", 100_000)) })
	marked := func(format string) []byte {
		return bytesOf(t, func(path string) {
			foreign(t, path, func(tx *bbolt.Tx) error {
				b, err := tx.CreateBucketIfNotExists([]byte("meta"))
				if err != nil {
					return err
				}
				return b.Put([]byte("format"), []byte(format))
			})
		})
	}
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"text", []byte("id,name\n1,Ada\n"), "not a metasync store"},
		{"much text", bytes.Repeat([]byte("id,name\n"), 10_000), "not a metasync store"},
		{"zeros", make([]byte, 100_000), "not a metasync store"},
		{"another program's bbolt file", bytesOf(t, func(path string) {
			foreign(t, path, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("pictures")); return err })
		}), "not a metasync store"},
		{"another program's meta bucket", marked("pictures 1"), "not a metasync store"},
		{"no version", marked("metasync store one"), "not a metasync store"},
		{"newer version", marked("metasync store 2"), "newer metasync: its format is 2, this program knows 1"},
		{"cut after the first pages", ours[:5*4096], "damaged"},
		{"cut in the middle", ours[:20*4096], "damaged"},
		{"overwritten in the middle", zeroed(ours, 2*4096, 60*4096), "damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			if err := os.WriteFile(path, c.file, 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time tells whether the first let go of the file
				s, err := store.OpenBolt(path, store.BoltOptions{})
				if err == nil {
					_ = s.Close()
					t.Fatal("opened")
				}
				if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
					t.Errorf("error %q does not name %q and the file", err, c.want)
				}
			}
			after, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if runtime.GOOS != "windows" && !bytes.Equal(after, c.file) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestBoltBadPath(t *testing.T) {
	for name, path := range map[string]string{
		"no such folder": filepath.Join(t.TempDir(), "none", "state.db"),
		"a folder":       t.TempDir(),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := store.OpenBolt(path, store.BoltOptions{}); err == nil {
				t.Error("opened")
			}
		})
	}
}

// A file that the operating system made and nobody wrote to is a new store, as
// is one that a crash left without our mark.
func TestBoltTakesEmptyFiles(t *testing.T) {
	for name, create := range map[string]func(path string) error{
		"empty":    func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"unmarked": func(path string) error { foreign(t, path, func(*bbolt.Tx) error { return nil }); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			if err := create(path); err != nil {
				t.Fatal(err)
			}
			set(t, open(t, path, store.BoltOptions{}), "a", "1")
		})
	}
}

func TestBoltCompacts(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be replaced there")
	}
	const count, size = 32, 1 << 20
	key := func(i int) string { return fmt.Sprintf("%02d", i) }
	value := strings.Repeat("x", size)
	fill := func(t *testing.T, path string, keep int) int64 {
		s := open(t, path, store.BoltOptions{NoSync: true})
		put := s.Update(func(tx store.Tx) error {
			for i := range count {
				if err := tx.Put("b", []byte(key(i)), []byte(value)); err != nil {
					return err
				}
			}
			return nil
		})
		remove := s.Update(func(tx store.Tx) error {
			for i := keep; i < count; i++ {
				if err := tx.Delete("b", []byte(key(i))); err != nil {
					return err
				}
			}
			return nil
		})
		if err := errors.Join(put, remove, s.Close()); err != nil {
			t.Fatal(err)
		}
		return fileSize(t, path)
	}

	for _, c := range []struct {
		name     string
		keep     int
		compacts bool
	}{{"little free", 24, false}, {"much free", 4, true}} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			before := fill(t, path, c.keep)
			link := filepath.Join(t.TempDir(), "link.db")
			if err := os.Symlink(path, link); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path+".compact", []byte("what a crash left behind"), 0o600); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			opts := store.BoltOptions{Log: slog.New(slog.NewTextHandler(&log, nil))}
			s := open(t, link, opts)
			if info, err := os.Lstat(link); err != nil || info.Mode().Type() != os.ModeSymlink {
				t.Errorf("the link to the file became %v", info)
			}
			if after := fileSize(t, path); after < before/2 != c.compacts || strings.Contains(log.String(), "store compacted") != c.compacts {
				t.Errorf("file had %d bytes and now has %d; log: %s", before, after, &log)
			}
			if _, err := os.Stat(path + ".compact"); c.compacts && err == nil {
				t.Error("the copy was left behind")
			}
			if _, err := store.OpenBolt(path, store.BoltOptions{}); !errors.Is(err, store.ErrLocked) {
				t.Errorf("second open: %v, want %v", err, store.ErrLocked)
			}
			check := func() {
				for i := range count {
					want := ""
					if i < c.keep {
						want = value
					}
					if got := get(t, s, key(i)); got != want {
						t.Errorf("key %d has %d bytes, want %d", i, len(got), len(want))
					}
				}
			}
			check()
			set(t, s, "new", "1")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, path, store.BoltOptions{})
			check()
			if got := get(t, s, "new"); got != "1" {
				t.Errorf("what was written after compacting is %q, want 1", got)
			}
		})
	}

	t.Run("no room", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "state.db")
		before := fill(t, path, 4)
		if err := os.MkdirAll(filepath.Join(path+".compact", "in the way"), 0o700); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		s := open(t, path, store.BoltOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if !strings.Contains(log.String(), "store not compacted") || fileSize(t, path) != before {
			t.Errorf("file of %d bytes has %d; log: %s", before, fileSize(t, path), &log)
		}
		if got := get(t, s, key(0)); got != value {
			t.Errorf("a value has %d bytes, want %d", len(got), len(value))
		}
	})
}

// Who waits for a file while its owner replaces it must get the new one, not
// the one that has no name any more.
func TestBoltReplacedWhileWaiting(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc to see that the file is waited for")
	}
	path := filepath.Join(t.TempDir(), "state.db")
	owner := open(t, path, store.BoltOptions{})
	set(t, owner, "a", "old")
	replacement := open(t, path+".new", store.BoltOptions{})
	set(t, replacement, "a", "new")

	opened := make(chan store.Store)
	go func() {
		s, err := store.OpenBolt(path, store.BoltOptions{Timeout: 1 << 40})
		if err != nil {
			t.Error(err)
		}
		opened <- s
	}()
	for openedTimes(t, path) < 2 {
		runtime.Gosched()
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	for _, s := range []store.Store{owner, replacement} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := <-opened
	defer s.Close()
	if got := get(t, s, "a"); got != "new" {
		t.Errorf("who waited reads %q, want new", got)
	}
}

func set(t *testing.T, s store.Store, key, value string) {
	t.Helper()
	if err := s.Update(func(tx store.Tx) error { return tx.Put("b", []byte(key), []byte(value)) }); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s store.Store, key string) (value string) {
	t.Helper()
	err := s.View(func(r store.Reader) error {
		value = string(r.Get("b", []byte(key)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// openedTimes returns how often this process has a file open.
func openedTimes(t *testing.T, path string) (n int) {
	t.Helper()
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range descriptors {
		if target, _ := os.Readlink("/proc/self/fd/" + d.Name()); target == path {
			n++
		}
	}
	return n
}

// bytesOf returns the content of the file that create makes.
func bytesOf(t *testing.T, create func(path string)) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	create(path)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// foreign makes a bbolt file as another program would.
func foreign(t *testing.T, path string, fill func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fill), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func zeroed(content []byte, from, to int) []byte {
	content = bytes.Clone(content)
	clear(content[from:to])
	return content
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
