//go:build !linux

package sdnotify

import "time"

// monotonic is for systemd, which is only on Linux.
func monotonic() (now time.Duration, ok bool) { return 0, false }
