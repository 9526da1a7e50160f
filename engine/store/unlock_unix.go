//go:build unix && !solaris && !aix

package store

import (
	"os"
	"syscall"
)

// unlock gives up bbolt's lock on a file, which a mapping of the file would
// keep past its closing.
func unlock(f *os.File) { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
