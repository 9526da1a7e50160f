package engine_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// TestMain gives the laws the same stories in every run, so that a change is
// judged by what it changes, and not too many of them. `make laws` looks for new
// ones.
func TestMain(m *testing.M) {
	flag.Parse()
	for name, value := range map[string]string{"rapid.seed": "20260101", "rapid.checks": "40"} {
		if f := flag.Lookup(name); f.Value.String() == f.DefValue {
			if err := f.Value.Set(value); err != nil {
				panic(err)
			}
		}
	}
	goleak.VerifyTestMain(m)
}
