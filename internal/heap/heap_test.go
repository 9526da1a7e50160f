package heap

import (
	"math"
	"runtime/debug"
	"testing"
)

func TestLimit(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	t.Setenv("GOMEMLIMIT", "1GiB")
	debug.SetMemoryLimit(math.MaxInt64)
	if Limit(); debug.SetMemoryLimit(-1) != math.MaxInt64 {
		t.Error("overrides GOMEMLIMIT")
	}
	t.Setenv("GOMEMLIMIT", "")
	if Limit(); debug.SetMemoryLimit(-1) != limit {
		t.Errorf("the limit is %d", debug.SetMemoryLimit(-1))
	}
}
