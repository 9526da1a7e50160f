package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// The mark by which a file of ours is known. Whoever changes what the file holds
// so that older programs would misread it raises the version.
const (
	formatKey     = "format"
	formatName    = "metasync store "
	formatVersion = 1
)

// compactAbove is the size in bytes below which a file is never compacted.
const compactAbove = 16 << 20

// openBoltFile opens a file of ours and compacts it if it is worth it.
func openBoltFile(path string, opts BoltOptions) (db *bbolt.DB, err error) {
	// bbolt trusts the file. What is damaged shows as a panic, or as a fault
	// where the file is shorter than it should be; neither lets go of the file.
	var files []*os.File
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if damage := recover(); damage != nil {
			for _, f := range files {
				unlock(f)
				_ = f.Close()
			}
			db, err = nil, fmt.Errorf("file is damaged: %v", damage)
		}
	}()
	open := func(path string, options bbolt.Options) (*bbolt.DB, error) {
		options.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag, mode)
			if err == nil {
				files = append(files, f)
			}
			return f, err
		}
		return bbolt.Open(path, 0o600, &options)
	}

	// What a link points to is what would be replaced, not the link.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	for {
		db, err = open(path, boltOptions(opts))
		switch {
		case errors.Is(err, bolterrors.ErrTimeout):
			return nil, ErrLocked
		case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
			return nil, fmt.Errorf("not a metasync store: %w", err)
		case err != nil:
			return nil, err
		}
		// While we waited for the lock, its owner may have put a compacted file in
		// the place of the one that we opened.
		current, err := isFileAt(path, files[len(files)-1])
		if current {
			break
		}
		_ = db.Close()
		if err != nil {
			return nil, err
		}
	}

	if err := prepare(db, files[len(files)-1]); err != nil {
		_ = db.Close()
		return nil, err
	}
	if !worthCompacting(db) {
		return db, nil
	}
	return compacted(db, path, opts, open)
}

// boltOptions returns what bbolt gets to know.
func boltOptions(opts BoltOptions) bbolt.Options {
	return bbolt.Options{
		Timeout:         max(opts.Timeout, time.Nanosecond), // it takes 0 for ever
		NoSync:          opts.NoSync,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: mappingSize(),
	}
}

// mappingSize returns how much of the address space a file gets to grow in
// before a writer must wait for all readers.
func mappingSize() int {
	if runtime.GOOS == "windows" || strconv.IntSize < 64 {
		return 0 // on Windows the file would be made as large; 32 bits have no room
	}
	size := int64(4 << 30) // a variable, so that 32 bits compile it
	return int(size)
}

func isFileAt(path string, f *os.File) (bool, error) {
	there, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	opened, err := f.Stat()
	return err == nil && os.SameFile(there, opened), err
}

// prepare marks a new file as ours and refuses one that is not.
func prepare(db *bbolt.DB, f *os.File) error {
	fresh := false
	err := db.View(func(tx *bbolt.Tx) error {
		if info, err := f.Stat(); err != nil {
			return err
		} else if info.Size() < tx.Size() {
			return fmt.Errorf("file is damaged: %d bytes long instead of %d", info.Size(), tx.Size())
		}
		if first, _ := tx.Cursor().First(); first == nil {
			fresh = true
			return nil
		}
		var format []byte
		if b := tx.Bucket([]byte(metaBucket)); b != nil {
			format = b.Get([]byte(formatKey))
		}
		return checkFormat(string(format))
	})
	if err != nil || !fresh {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte(metaBucket))
		if err != nil {
			return err
		}
		return b.Put([]byte(formatKey), []byte(formatName+strconv.Itoa(formatVersion)))
	})
	if err != nil {
		return err
	}
	return syncFolder(db.Path())
}

func checkFormat(format string) error {
	text, ours := strings.CutPrefix(format, formatName)
	version, err := strconv.Atoi(text)
	switch {
	case !ours || err != nil || version < 1:
		return errors.New("not a metasync store: another program's bbolt file")
	case version > formatVersion:
		return fmt.Errorf("written by a newer metasync: its format is %d, this program knows %d", version, formatVersion)
	}
	return nil
}

func worthCompacting(db *bbolt.DB) bool {
	if runtime.GOOS == "windows" {
		return false // an open file cannot be replaced there, and a closed one is not locked
	}
	size, free := dbSize(db), int64(db.Stats().FreePageN)*int64(db.Info().PageSize)
	return size > compactAbove && free > size/2
}

// compacted puts a copy of db without its free space in its place and returns
// it. From the moment that the copy has the name, it is locked: nobody can come
// between. If there is no copy, it returns db.
func compacted(db *bbolt.DB, path string, opts BoltOptions, open func(string, bbolt.Options) (*bbolt.DB, error)) (*bbolt.DB, error) {
	log := opts.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	smaller, err := compactCopy(db, path+".compact", opts, open)
	if err == nil {
		if err = os.Rename(path+".compact", path); err != nil {
			_ = smaller.Close()
		}
	}
	if err != nil {
		_ = os.Remove(path + ".compact")
		log.Warn("store not compacted", "file", path, "err", err)
		return db, nil
	}
	was, is := dbSize(db), dbSize(smaller)
	_ = db.Close() // nothing is left to write
	if err := syncFolder(path); err != nil {
		_ = smaller.Close()
		return nil, err
	}
	log.Info("store compacted", "file", path, "was", was, "is", is)
	return smaller, nil
}

// compactCopy makes a locked, durable copy of db at path without its free space.
func compactCopy(db *bbolt.DB, path string, opts BoltOptions, open func(string, bbolt.Options) (*bbolt.DB, error)) (*bbolt.DB, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err // what a crash left behind
	}
	options := boltOptions(opts)
	options.NoSync = true // once, at the end
	smaller, err := open(path, options)
	if err != nil {
		return nil, err
	}
	if err = bbolt.Compact(smaller, db, 4<<20); err == nil {
		err = smaller.Sync()
	}
	if err != nil {
		_ = smaller.Close()
		return nil, err
	}
	smaller.NoSync = opts.NoSync
	return smaller, nil
}

func dbSize(db *bbolt.DB) (size int64) {
	_ = db.View(func(tx *bbolt.Tx) error {
		size = tx.Size()
		return nil
	})
	return size
}

// syncFolder makes the name of a file durable.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be opened there
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	err = folder.Sync()
	return errors.Join(err, folder.Close())
}
