package store

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// releasePages lets go of the pages of a mapped file once the process has more
// than keep bytes of files in its resident memory. They stay in the system's
// cache: who reads them again finds them there.
//
// The mapping must stay where it is meanwhile, which an open reader ensures.
func releasePages(start uintptr, size, keep int64) {
	if residentFiles() <= keep {
		return
	}
	// The mapping is shared and nobody writes through it: nothing can get lost.
	// Who cannot let go keeps the pages, as without this.
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, start, uintptr(size), syscall.MADV_DONTNEED)
}

// residentFiles returns how many bytes of files are in the resident memory of
// the process, 0 if the system does not tell.
func residentFiles() int64 {
	f, err := os.Open("/proc/self/statm")
	if err != nil {
		return 0
	}
	defer f.Close()
	var room [128]byte
	n, _ := f.Read(room[:])
	fields := bytes.Fields(room[:n]) // size, resident, shared, ...
	if len(fields) < 3 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[2]), 10, 64)
	return pages * int64(os.Getpagesize())
}
