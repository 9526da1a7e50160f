// Package wholefile is for connected systems that are a file: it opens the file with the
// error names of such systems (sync-engine §3.11), and replaces it as a whole, so that
// whoever reads it sees the old one or the new one.
package wholefile

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/metasync/metasync/engine/fault"
)

// A File is the file of an agent.
type File struct {
	Agent  string
	Path   string
	Create Create
}

// A Create makes a new file that does not exist yet.
type Create func(path string, mode fs.FileMode) (New, error)

// A New is a file that is being written.
type New interface {
	io.Writer
	Chmod(fs.FileMode) error
	Chown(uid, gid int) error
	Sync() error
	Close() error
}

// Make is the [Create] of real files. One that a crash has left behind makes room.
func Make(path string, mode fs.FileMode) (New, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
}

// Open opens the file for reading. Errors are those of [File.OpenFault].
func (f File) Open() (*os.File, *fault.Error) {
	// A look before the open: opening a pipe would wait for its other end.
	if info, err := os.Stat(f.Path); err == nil && !info.Mode().IsRegular() {
		return nil, f.Fault("no-start-file-open", errors.New("not a regular file"))
	}
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, f.OpenFault(err)
	}
	return file, nil
}

// Fault names an error about the file, with its place.
func (f File) Fault(name string, err error) *fault.Error {
	var path *fs.PathError
	if errors.As(err, &path) && path.Path == f.Path {
		err = path.Err // the place says which file
	}
	named := fault.Wrap(name, err)
	named.Agent, named.Position.File = f.Agent, f.Path
	return named
}

// OpenFault names an error of opening the file, or of making a new one.
func (f File) OpenFault(err error) *fault.Error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.Fault("no-start-file-not-found", err)
	case errors.Is(err, fs.ErrPermission):
		return f.Fault("no-start-file-access-denied", err)
	}
	return f.Fault("no-start-file-open", err)
}

// WriteFault names an error of writing. Errors that have a name, and those of a context
// that has ended, stay.
func (f File) WriteFault(err error) error {
	var named *fault.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &named):
		return named
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return f.Fault("stopped-disk-full", err)
	}
	return f.Fault("stopped-export-write", err)
}

// Unmoved checks that the open file is still the one that info describes, in content as
// far as size and time tell, and that its name still leads to it.
func (f File) Unmoved(open *os.File, info fs.FileInfo) error {
	now, err := open.Stat()
	if err != nil {
		return err
	}
	if now.Size() != info.Size() || !now.ModTime().Equal(info.ModTime()) {
		return errors.New("the file was changed meanwhile")
	}
	named, err := os.Stat(f.Path)
	if err != nil {
		return err
	}
	if !os.SameFile(info, named) {
		return errors.New("the file was replaced meanwhile")
	}
	return nil
}

// A Replacement is a new file that may take the place of the old one. Whoever begins one
// ends it by [Replacement.Commit] or [Replacement.Discard].
type Replacement struct {
	New
	target, temporary string
	old               fs.FileInfo
}

// defaultMode is that of a file where there was none.
const defaultMode = 0o644

// paths returns the file to replace, which is not a symbolic link, and the name for the
// new one beside it.
func (f File) paths(exists bool) (target, temporary string, err error) {
	target = f.Path
	if exists {
		if target, err = filepath.EvalSymlinks(target); err != nil {
			return "", "", err
		}
	}
	folder, name := filepath.Split(target)
	return target, folder + "." + name + ".new", nil
}

// CheckWritable finds out whether the file may be written, if it exists, and its folder
// take a new one.
func (f File) CheckWritable(exists bool) error {
	target, temporary, err := f.paths(exists)
	if err != nil {
		return err
	}
	if exists {
		file, err := os.OpenFile(target, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		file.Close()
	}
	file, err := f.Create(temporary, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(temporary))
}

// Replace puts what fill writes in the place of the file; old is as of [File.Begin]. fill
// reports whether that differs: if not, or on any error, the old file stays as it is and
// nothing else is left. Errors are those of [File.WriteFault]; replaced says whether there
// is a new file, as [Replacement.Commit] does.
func (f File) Replace(old fs.FileInfo, fill func(io.Writer) (changed bool, err error)) (replaced bool, err error) {
	r, err := f.Begin(old)
	if err != nil {
		return false, f.WriteFault(err)
	}
	changed := false
	if old == nil {
		if _, err = os.Lstat(f.Path); !errors.Is(err, fs.ErrNotExist) {
			err = errors.New("somebody else has created the file meanwhile")
		} else {
			err = nil
		}
	}
	if err == nil {
		changed, err = fill(r)
	}
	if err != nil || !changed {
		return false, f.WriteFault(errors.Join(err, r.Discard()))
	}
	replaced, err = r.Commit(nil)
	return replaced, f.WriteFault(err)
}

// Begin makes the new file, beside the old one; old is nil if there is none.
func (f File) Begin(old fs.FileInfo) (*Replacement, error) {
	target, temporary, err := f.paths(old != nil)
	if err != nil {
		return nil, err
	}
	mode := fs.FileMode(defaultMode)
	if old != nil {
		mode = 0o600 // until it is known to be whole; then that of the old file
	}
	file, err := f.Create(temporary, mode)
	if err != nil {
		return nil, err
	}
	return &Replacement{New: file, target: target, temporary: temporary, old: old}, nil
}

// Commit gives the new file the mode and the owner of the old one, makes sure that it is
// on the disk, and puts it in the place of the old one. On error the old one is there as
// it was, but for an error about the folder, after which both is possible; replaced says
// which. Only a privileged process can give files away; for any other, a file of
// somebody else becomes its own. last, which may be nil, is asked right before the
// change of places whether it may be.
func (r *Replacement) Commit(last func() error) (replaced bool, err error) {
	err = errors.Join(r.finish(), r.Close())
	if err == nil && last != nil {
		err = last()
	}
	if err == nil {
		if err = os.Rename(r.temporary, r.target); err == nil {
			return true, syncFolder(filepath.Dir(r.target))
		}
	}
	return false, errors.Join(err, os.Remove(r.temporary))
}

// Discard removes the new file.
func (r *Replacement) Discard() error { return errors.Join(r.Close(), os.Remove(r.temporary)) }

func (r *Replacement) finish() error {
	if r.old != nil {
		if uid, gid, ok := ownerOf(r.old); ok {
			if err := r.Chown(uid, gid); err != nil && !errors.Is(err, fs.ErrPermission) {
				return err
			}
		}
		if err := r.Chmod(r.old.Mode().Perm()); err != nil {
			return err
		}
	}
	return r.Sync()
}
