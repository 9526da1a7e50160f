package csv

import (
	"errors"
	"io/fs"
	"os"

	"github.com/metasync/metasync/agents/internal/wholefile"
	"github.com/metasync/metasync/engine/fault"
)

// disk is the file where it is kept.
func (a *csvAgent) disk() wholefile.File {
	return wholefile.File{Agent: a.name, Path: a.file, Create: a.create}
}

// open opens the file for reading. Errors are named no-start-*.
func (a *csvAgent) open() (*os.File, error) {
	f, err := a.disk().Open()
	if err != nil {
		return nil, a.hinted(err)
	}
	a.seen.Store(true)
	return f, nil
}

// openFault names an error of opening the file, or of making a new one.
func (a *csvAgent) openFault(err error) *fault.Error { return a.hinted(a.disk().OpenFault(err)) }

// hinted says what to do about a file that is not there.
func (a *csvAgent) hinted(err *fault.Error) *fault.Error {
	switch {
	case !errors.Is(err, fs.ErrNotExist):
	case a.seen.Load():
		err.Hint = "bring the file back, or write a new one that holds at least the header"
	case len(a.columns) == 0:
		err.Hint = "set columns to have an export create it"
	}
	return err
}

// mayBeAbsent reports whether err, from open, says that the file is not there,
// and that this is how things begin: an export will create it.
func (a *csvAgent) mayBeAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) && len(a.columns) > 0 && !a.seen.Load()
}

func (a *csvAgent) fileFault(name string, err error) *fault.Error { return a.disk().Fault(name, err) }

// named completes an error of the scanner.
func (a *csvAgent) named(err error) error {
	var named *fault.Error
	if errors.As(err, &named) {
		named.Agent = a.name
	}
	return err
}

// checkWritable finds out whether the file may be written and its folder take a new one.
func (a *csvAgent) checkWritable(exists bool) error {
	if err := a.disk().CheckWritable(exists); err != nil {
		return a.openFault(err)
	}
	return nil
}
