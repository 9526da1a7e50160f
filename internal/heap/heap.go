// Package heap keeps the memory of a process within bounds.
package heap

import (
	"os"
	"runtime/debug"
)

// limit is what a process of ours takes for itself, in bytes, as long as it can
// do with that. Pages of the mapped state file come on top.
const limit = 640 << 20

// Limit has the garbage collector work harder when the process comes near the
// limit, instead of letting the heap double. GOMEMLIMIT, if it is set, says
// otherwise.
func Limit() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
}
