package ldif

import (
	"errors"
	"io/fs"
	"os"

	"github.com/metasync/metasync/agents/internal/wholefile"
	"github.com/metasync/metasync/engine/fault"
)

// disk is one of the agent's files where it is kept.
func (a *ldifAgent) disk(path string) wholefile.File {
	return wholefile.File{Agent: a.name, Path: path, Create: a.create}
}

// open opens a file for reading. Errors are named no-start-*.
func (a *ldifAgent) open(path string) (*os.File, error) {
	f, err := a.disk(path).Open()
	if err != nil {
		return nil, a.hinted(path, err)
	}
	if path == a.file {
		a.seen.Store(true)
	}
	return f, nil
}

// openFault names an error of opening a file, or of making a new one.
func (a *ldifAgent) openFault(path string, err error) *fault.Error {
	return a.hinted(path, a.disk(path).OpenFault(err))
}

// hinted says what to do about a file that is not there.
func (a *ldifAgent) hinted(path string, err *fault.Error) *fault.Error {
	switch {
	case !errors.Is(err, fs.ErrNotExist) || path != a.file:
	case a.seen.Load():
		err.Hint = `bring the file back, or write one with the line "version: 1" that holds no entries`
	case a.changes == "" && !a.mayCreate:
		err.Hint = "set create: true to have an export create it"
	}
	return err
}

// mayBeAbsent reports whether err, from open, says that the file of entries is not
// there, and that this is how things begin: an export will create it.
func (a *ldifAgent) mayBeAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) && a.mayCreate && !a.seen.Load()
}

func (a *ldifAgent) fileFault(path, name string, err error) *fault.Error {
	return a.disk(path).Fault(name, err)
}

func (a *ldifAgent) writeFault(path string, err error) error { return a.disk(path).WriteFault(err) }

// named completes an error of a scanner.
func (a *ldifAgent) named(path string, err error) error {
	var named *fault.Error
	if errors.As(err, &named) {
		named.Agent, named.Position.File = a.name, path
	}
	return err
}

// checkWritable finds out whether the file of entries may be written and its folder take
// a new one.
func (a *ldifAgent) checkWritable(exists bool) error {
	if err := a.disk(a.file).CheckWritable(exists); err != nil {
		return a.openFault(a.file, err)
	}
	return nil
}
