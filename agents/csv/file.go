package csv

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/metasync/metasync/engine/fault"
)

// open opens the file for reading. Errors are named no-start-*.
func (a *csvAgent) open() (*os.File, error) {
	// A look before the open: opening a pipe would wait for its other end.
	if info, err := os.Stat(a.file); err == nil && !info.Mode().IsRegular() {
		return nil, a.fileFault("no-start-file-open", errors.New("not a regular file"))
	}
	f, err := os.Open(a.file)
	if err != nil {
		return nil, a.openFault(err)
	}
	a.seen.Store(true)
	return f, nil
}

// openFault names an error of opening the file, or of making a new one.
func (a *csvAgent) openFault(err error) *fault.Error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		named := a.fileFault("no-start-file-not-found", err)
		if a.seen.Load() {
			named.Hint = "bring the file back, or write a new one that holds at least the header"
		} else if len(a.columns) == 0 {
			named.Hint = "set columns to have an export create it"
		}
		return named
	case errors.Is(err, fs.ErrPermission):
		return a.fileFault("no-start-file-access-denied", err)
	}
	return a.fileFault("no-start-file-open", err)
}

// mayBeAbsent reports whether err, from open, says that the file is not there,
// and that this is how things begin: an export will create it.
func (a *csvAgent) mayBeAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) && len(a.columns) > 0 && !a.seen.Load()
}

func (a *csvAgent) fileFault(name string, err error) *fault.Error {
	var path *fs.PathError
	if errors.As(err, &path) && path.Path == a.file {
		err = path.Err // the place says which file
	}
	named := fault.Wrap(name, err)
	named.Agent, named.Position.File = a.name, a.file
	return named
}

// named completes an error of the scanner.
func (a *csvAgent) named(err error) error {
	var named *fault.Error
	if errors.As(err, &named) {
		named.Agent = a.name
	}
	return err
}

// unmoved checks that the open file is still the one that info describes, in
// content as far as size and time tell, and that its name still leads to it.
func unmoved(f *os.File, path string, info fs.FileInfo) error {
	now, err := f.Stat()
	if err != nil {
		return err
	}
	if now.Size() != info.Size() || !now.ModTime().Equal(info.ModTime()) {
		return errors.New("the file was changed meanwhile")
	}
	named, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !os.SameFile(info, named) {
		return errors.New("the file was replaced meanwhile")
	}
	return nil
}

// isFull reports whether an error says that there is no room on the disk.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
