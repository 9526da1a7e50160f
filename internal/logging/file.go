package logging

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A FileOptions says where a log file is and when it is rotated.
type FileOptions struct {
	Path    string
	MaxSize int64         // a line that would make the file larger goes into a new one; 0 is any size
	MaxAge  time.Duration // a file whose first line is older is rotated; 0 is any age
	Keep    int           // how many files that were rotated stay; 0 is all
	Now     func() time.Time
}

// A File is a log file that is rotated: the full one gets the time of its rotation
// into its name, autosync.log becoming autosync-20260105T020000.000Z.log, and an
// empty one takes its place. Names sort by time. A line is never divided. Its methods
// may be called from several goroutines.
type File struct {
	options FileOptions

	mu   sync.Mutex
	file *os.File
	size int64
	born time.Time // when the first line was written
}

// OpenFile opens a log file to append to it. Folders that are missing are created,
// for their owner alone, as the file is.
func OpenFile(o FileOptions) (*File, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	f := &File{options: o}
	if err := f.open(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) open() error {
	if err := os.MkdirAll(filepath.Dir(f.options.Path), 0o700); err != nil {
		return fmt.Errorf("create the folder of the log: %w", err)
	}
	file, err := os.OpenFile(f.options.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("open the log: %w", err), file.Close())
	}
	f.file, f.size, f.born = file, info.Size(), f.options.Now()
	if f.size > 0 {
		f.born = f.begun(info)
	}
	return nil
}

// begun returns when a file that was there before got its first line: when the last
// one was rotated, or else, with no such file, when it was last written.
func (f *File) begun(info fs.FileInfo) time.Time {
	rotated, err := f.rotated()
	if err != nil || len(rotated) == 0 {
		return info.ModTime()
	}
	return rotated[len(rotated)-1].at
}

// Write appends a line, after a rotation if one is due. If the rotation fails, the
// line goes into the file that is there.
func (f *File) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return 0, os.ErrClosed
	}
	full := f.options.MaxSize > 0 && f.size+int64(len(line)) > f.options.MaxSize
	old := f.options.MaxAge > 0 && f.options.Now().Sub(f.born) >= f.options.MaxAge
	if f.size > 0 && (full || old) {
		if err := f.rotate(); err != nil && f.file == nil {
			return 0, err
		}
	}
	n, err := f.file.Write(line)
	f.size += int64(n)
	return n, err
}

const stampForm = "20060102T150405.000Z"

// rotate renames the file and begins a new one.
func (f *File) rotate() error {
	if err := os.Rename(f.options.Path, f.nextName()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.born = f.options.Now() // and not again for each line
		f.size = 0
		return err
	}
	old := f.file
	f.file = nil
	if err := f.open(); err != nil {
		f.file = old // better in a renamed file than nowhere
		return err
	}
	return errors.Join(old.Close(), f.prune())
}

// nextName is the name of a file that is rotated now. Two in one millisecond get two.
func (f *File) nextName() string {
	base, ext := f.split()
	for at := f.options.Now().UTC(); ; at = at.Add(time.Millisecond) {
		name := base + "-" + at.Format(stampForm) + ext
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name
		}
	}
}

func (f *File) split() (base, ext string) {
	ext = filepath.Ext(f.options.Path)
	return strings.TrimSuffix(f.options.Path, ext), ext
}

// A rotatedFile is a file that was rotated.
type rotatedFile struct {
	path string
	at   time.Time
}

// rotated lists the files that were rotated, the oldest first.
func (f *File) rotated() ([]rotatedFile, error) {
	base, ext := f.split()
	entries, err := os.ReadDir(filepath.Dir(f.options.Path))
	if err != nil {
		return nil, err
	}
	var list []rotatedFile
	for _, entry := range entries {
		path := filepath.Join(filepath.Dir(f.options.Path), entry.Name())
		stamp, isOurs := strings.CutPrefix(path, base+"-")
		stamp, hasExt := strings.CutSuffix(stamp, ext)
		if at, err := time.Parse(stampForm, stamp); isOurs && hasExt && err == nil {
			list = append(list, rotatedFile{path, at})
		}
	}
	slices.SortFunc(list, func(a, b rotatedFile) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.path, b.path)) })
	return list, nil
}

// prune removes the oldest files beyond those that are kept.
func (f *File) prune() error {
	if f.options.Keep == 0 {
		return nil
	}
	list, err := f.rotated()
	if err != nil {
		return err
	}
	for len(list) > f.options.Keep {
		err = errors.Join(err, os.Remove(list[0].path))
		list = list[1:]
	}
	return err
}

// Reopen goes on in the file that has the path now: another program may have renamed
// the one that is written. On error, the old one stays.
func (f *File) Reopen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.file
	if old == nil {
		return os.ErrClosed
	}
	if err := f.open(); err != nil {
		f.file = old
		return err
	}
	return old.Close()
}

// Close closes the file.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}
