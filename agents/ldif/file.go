package ldif

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/metasync/metasync/engine/fault"
)

// open opens a file for reading. Errors are named no-start-*.
func (a *ldifAgent) open(path string) (*os.File, error) {
	// A look before the open: opening a pipe would wait for its other end.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, a.fileFault(path, "no-start-file-open", errors.New("not a regular file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, a.openFault(path, err)
	}
	if path == a.file {
		a.seen.Store(true)
	}
	return f, nil
}

// openFault names an error of opening a file, or of making a new one.
func (a *ldifAgent) openFault(path string, err error) *fault.Error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		named := a.fileFault(path, "no-start-file-not-found", err)
		switch {
		case path == a.file && a.seen.Load():
			named.Hint = `bring the file back, or write one with the line "version: 1" that holds no entries`
		case path == a.file && a.changes == "" && !a.mayCreate:
			named.Hint = "set create: true to have an export create it"
		}
		return named
	case errors.Is(err, fs.ErrPermission):
		return a.fileFault(path, "no-start-file-access-denied", err)
	}
	return a.fileFault(path, "no-start-file-open", err)
}

// mayBeAbsent reports whether err, from open, says that the file of entries is not
// there, and that this is how things begin: an export will create it.
func (a *ldifAgent) mayBeAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) && a.mayCreate && !a.seen.Load()
}

func (a *ldifAgent) fileFault(path, name string, err error) *fault.Error {
	var at *fs.PathError
	if errors.As(err, &at) && at.Path == path {
		err = at.Err // the place says which file
	}
	named := fault.Wrap(name, err)
	named.Agent, named.Position.File = a.name, path
	return named
}

// named completes an error of a scanner.
func (a *ldifAgent) named(path string, err error) error {
	var named *fault.Error
	if errors.As(err, &named) {
		named.Agent, named.Position.File = a.name, path
	}
	return err
}

// unmoved checks that the open file is still the one that info describes, in content
// as far as size and time tell, and that its name still leads to it.
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
