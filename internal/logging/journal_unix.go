//go:build unix

package logging

import (
	"fmt"
	"os"
	"syscall"
)

// ToJournal reports whether a file is a stream to the journal of systemd, which reads
// a priority at the start of each line (sd-daemon(3)).
func ToJournal(f *os.File) bool {
	stream := os.Getenv("JOURNAL_STREAM")
	info, err := f.Stat()
	if stream == "" || err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stream == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}
